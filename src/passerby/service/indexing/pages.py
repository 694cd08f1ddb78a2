"""The pages of what is indexed: folders that may be, jobs and how far they are, and the cameras."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from passerby.find.watch.state import LiveState, live_cameras
from passerby.index.info import SeenBy
from passerby.media.clock import correction_text
from passerby.service.asking import Asked
from passerby.service.indexing.api import JobId
from passerby.service.indexing.folders import FOLDER_ID, Folder
from passerby.service.indexing.job import Job
from passerby.service.indexing.words import said
from passerby.service.pages import Ours, page
from passerby.service.requests import Admin, Here, Viewer

FAILURES: Final = 200
"""Files that could not be used that a page names."""

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job, as it is shown."""

    job: Job
    said: str
    asked: str
    ended: str


@dataclass(frozen=True, slots=True)
class FolderRow:
    """A folder that may be indexed, and its last job."""

    folder: Folder
    last: JobRow | None

    @property
    def going(self) -> bool:
        return self.last is not None and not self.last.job.state.has_ended


@dataclass(frozen=True, slots=True)
class CameraRow:
    """A camera, as it is shown."""

    name: str
    people: int
    first: str
    last: str
    offset: str
    zone: str
    url: str


@dataclass(frozen=True, slots=True)
class LiveRow:
    """A camera that is or was watched live, as it is shown."""

    name: str
    state: str
    since: str
    last_frame: str
    last_person: str
    lag: str
    dropped: int
    error: str


@router.get("/indexing")
def indexing(request: Request, here: Here, client: Admin) -> Response:  # noqa: ARG001 - who asks must be an admin
    """The folders that may be indexed, and the last jobs."""
    rows = [_row(job) for job in here.jobs.latest()]
    last = {row.job.folder: row for row in reversed(rows)}
    folders = [FolderRow(folder, last.get(folder.id)) for folder in here.jobs.folders.values()]
    return page(request, "indexing.html", folders=folders, ended=[row for row in rows if row.job.state.has_ended])


@router.post("/indexing", dependencies=[Ours])
def start(here: Here, client: Admin, folder: Annotated[str, Form(pattern=FOLDER_ID)]) -> Response:
    job = here.start_job(folder, client)
    return RedirectResponse(f"/indexing/{job.id}", HTTPStatus.SEE_OTHER)


@router.get("/indexing/{job}")
def job(request: Request, job: JobId, here: Here, client: Admin) -> Response:  # noqa: ARG001
    """How far a job is, or how it ended, and which files could not be used."""
    found = here.jobs.get(job)
    failures = here.failures_of(found)
    return page(request, "job.html", row=_row(found), can_start=_can_start(found, here.jobs.folders), **_first(failures))


@router.post("/indexing/{job}/cancel", dependencies=[Ours])
def cancel(job: JobId, here: Here, client: Admin) -> Response:
    here.cancel_job(job, client)
    return RedirectResponse(f"/indexing/{job}", HTTPStatus.SEE_OTHER)


@router.get("/cameras")
def cameras(request: Request, here: Here, client: Viewer) -> Response:  # noqa: ARG001 - who asks must be somebody
    """The cameras: whom each saw, when, how its clock is corrected, and how those that are watched live are doing."""
    live = [_live(one) for one in live_cameras(here.index)]
    return page(request, "cameras.html", cameras=[_camera(one) for one in here.index.seen_by_cameras()], live=live)


def _row(job: Job) -> JobRow:
    return JobRow(job, said(job), _here(job.asked), _here(job.ended))


def _here(seconds: float | None) -> str:
    return "" if seconds is None else f"{datetime.fromtimestamp(seconds).astimezone():%Y-%m-%d %H:%M}"


def _can_start(job: Job, folders: Mapping[str, Folder]) -> bool:
    return job.state.has_ended and job.folder in folders


def _first(failures: list[tuple[str, str]]) -> dict[str, Any]:
    return {"failures": failures[:FAILURES], "more_failures": max(0, len(failures) - FAILURES)}


def _camera(seen: SeenBy) -> CameraRow:
    first, last = (f"{clock:%Y-%m-%d %H:%M}" if clock else "" for clock in (seen.first, seen.last))
    camera = seen.camera
    url = Asked(camera=[camera.name]).url()
    return CameraRow(camera.name, seen.people, first, last, correction_text(camera.offset_seconds), camera.zone or "", url)


def _live(one: LiveState) -> LiveRow:
    state = one.state
    lag = "" if state.lag is None else f"{state.lag:.1f} s"
    since, last_frame, last_person = (_here(at) for at in (state.since, state.last_frame, state.last_person))
    return LiveRow(state.name, one.said, since, last_frame, last_person, lag, state.dropped, state.error or "")
