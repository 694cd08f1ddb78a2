"""The API of index jobs: which folders may be indexed, what is being indexed, and how far it is. For tokens of role admin."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any, Final

import anyio
import anyio.to_thread
from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sse_starlette.sse import EventSourceResponse

from passerby.service.api import PREFIX
from passerby.service.indexing.folders import FOLDER_ID
from passerby.service.indexing.job import Job, State
from passerby.service.indexing.words import said
from passerby.service.problems import Refused
from passerby.service.requests import Admin, Here, require_admin
from passerby.service.service import Service

_TICK: Final = 0.4
"""Seconds between two looks at a job that is followed."""

router = APIRouter(prefix=f"{PREFIX}/index")

FolderId = Annotated[str, Field(pattern=FOLDER_ID, description="A folder's id, as the list of folders gives it.")]
JobId = Annotated[int, Path(ge=1, le=2**63 - 1, description="A job's id.", examples=[3])]


class FolderSays(BaseModel):
    """A folder that the operator allowed to be indexed."""

    folder: str = Field(description="Its id.", examples=["5f0c2b6d9e31"])
    name: str = Field(examples=["lobby"])


class FoldersSay(BaseModel):
    folders: list[FolderSays]


class JobAsked(BaseModel):
    """Which folder is to be indexed."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"folder": "5f0c2b6d9e31"}]})

    folder: FolderId


class FailureSays(BaseModel):
    """A file that could not be used."""

    name: str = Field(description="From the folder on.", examples=["monday/IMG_0031.jpg"])
    reason: str = Field(examples=["expected a picture, found an empty file; copy it again"])


class JobSays(BaseModel):
    """An index run, and how far it is."""

    job: int = Field(examples=[3])
    folder: str = Field(examples=["5f0c2b6d9e31"])
    name: str = Field(description="Of the folder.", examples=["lobby"])
    who: str = Field(description="Whose token asked for it; empty where none is needed.", examples=["head office"])
    state: State = Field(examples=["running"])
    said: str = Field(description="How far it is, or how it ended, in words.", examples=["120 of 400 files, 14 a second, 20 s left"])
    asked: str = Field(description="When it was asked for, ISO 8601 in UTC.", examples=["2026-11-28T10:00:00Z"])
    began: str | None = Field(examples=["2026-11-28T10:00:00Z"])
    ended: str | None = Field(examples=[None])
    done: int = Field(description="Of its new and changed files, those that are done.", examples=[120])
    total: int = Field(examples=[400])
    watched: int = Field(description="Of their videos, the seconds that were looked at.", examples=[0])
    to_watch: int = Field(examples=[0])
    share: float | None = Field(
        description="Of what is being done now, from 0 to 1: of videos where there are any, else of files.", examples=[0.3]
    )
    per_second: float | None = Field(description="Files, or seconds of video.", examples=[14.0])
    seconds_left: float | None = Field(examples=[20.0])
    indexed: int = Field(description="New in the end, as are the others below.", examples=[0])
    unchanged: int = Field(examples=[0])
    removed: int = Field(examples=[0])
    people: int = Field(examples=[0])
    failed: int = Field(examples=[0])


class JobSaysAll(JobSays):
    """The same, with the files that could not be used."""

    failures: list[FailureSays]


class JobsSay(BaseModel):
    """The last jobs, the newest first."""

    jobs: list[JobSays]


_EVENT: Final = {
    "type": "object",
    "properties": {
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {"$ref": "#/components/schemas/JobSays"},
            "examples": ['{"job": 3, "state": "running", "done": 120, "total": 400, "said": "120 of 400 files, 14 a second, 20 s left"}'],
        }
    },
    "required": ["data"],
}
_EVENTS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Server-sent events: the data of each is the job, when it has changed; the last one is when it has ended.",
        "content": {"text/event-stream": {"schema": _EVENT}},
    }
}


@router.get("/folders", response_model=FoldersSay)
async def folders(here: Here, client: Admin) -> dict[str, Any]:  # noqa: ARG001 - who asks must be an admin
    """Say which folders the operator allowed to be indexed."""
    return {"folders": [{"folder": one.id, "name": one.name} for one in here.jobs.folders.values()]}


@router.post("/jobs", response_model=JobSays, status_code=HTTPStatus.ACCEPTED)
def start(asked: JobAsked, here: Here, client: Admin, response: Response) -> dict[str, Any]:
    """Index a folder when its turn comes: one is indexed at a time."""
    job = here.start_job(asked.folder, client)
    response.headers["Location"] = f"{PREFIX}/index/jobs/{job.id}"
    return job_json(job)


@router.get("/jobs", response_model=JobsSay)
async def jobs(here: Here, client: Admin) -> dict[str, Any]:  # noqa: ARG001
    """Say what was indexed, is being indexed and waits."""
    return {"jobs": [job_json(job) for job in here.jobs.latest()]}


@router.get("/jobs/{job}", response_model=JobSaysAll)
def job(job: JobId, here: Here, client: Admin) -> dict[str, Any]:  # noqa: ARG001
    """Say how far a job is, or how it ended, and which files could not be used."""
    found = here.jobs.get(job)
    return {**job_json(found), "failures": [{"name": name, "reason": reason} for name, reason in here.failures_of(found)]}


@router.delete("/jobs/{job}", response_model=JobSays)
def cancel(job: JobId, here: Here, client: Admin) -> dict[str, Any]:
    """Let a job go no further. What it has done stays, and indexing again goes on from there. One that has ended stays as it is."""
    return job_json(here.cancel_job(job, client))


@router.get("/jobs/{job}/events", response_class=EventSourceResponse, responses=_EVENTS)
async def events(job: JobId, request: Request, here: Here, client: Admin) -> EventSourceResponse:  # noqa: ARG001
    """Tell how far a job is as it goes on, until it has ended."""
    here.jobs.get(job)
    ending = anyio.Event()
    return EventSourceResponse(_events(request, here, job, ending), shutdown_event=ending, shutdown_grace_period=2 * _TICK)


async def _events(request: Request, here: Service, id: int, ending: anyio.Event) -> AsyncIterator[dict[str, str]]:
    told: Job | None = None
    while not ending.is_set():
        if (now := here.jobs.get(id)) != told:
            yield {"data": json.dumps(job_json(now))}
        if now.state.has_ended:
            return
        told = now
        with anyio.move_on_after(_TICK):
            await ending.wait()
        try:
            await anyio.to_thread.run_sync(require_admin, request)
        except Refused:  # the token was revoked meanwhile
            return


def job_json(job: Job) -> dict[str, Any]:
    names = ("folder", "name", "who", "state", "done", "total", "watched", "to_watch", "share", "per_second", "seconds_left")
    counts = ("indexed", "unchanged", "removed", "people", "failed")
    times = {name: _utc(getattr(job, name)) for name in ("asked", "began", "ended")}
    return {"job": job.id, "said": said(job), **times, **{name: getattr(job, name) for name in (*names, *counts)}}


def _utc(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
