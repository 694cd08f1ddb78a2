"""Index runs that somebody asked a service for: one at a time, in the order in which they were asked for, and a record of each."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from http import HTTPStatus
from pathlib import Path
from threading import Condition, Thread
from typing import Final

from passerby.errors import ConfigError, ServiceBusy
from passerby.progress import FILES, SECONDS
from passerby.service.indexing.folders import NO_INDEXING, Folder, Indexing, named_folders
from passerby.service.indexing.job import Job, Pace, State
from passerby.service.indexing.process import IndexProcess, Outcome, index_process
from passerby.service.private import write_private, written
from passerby.service.problems import Refused
from passerby.types import Failure

FILE_NAME: Final = "jobs.json"
KEPT: Final = 50
"""Jobs that are remembered: those that were asked for last, and those that have not ended."""
WAITING: Final = 8
"""Jobs that may wait."""


class Jobs:
    """The jobs of a service; safe to use from many threads. Close it: what runs then is ended, and said to be interrupted.

    Args:
        folder: of the service, where the records are kept.
        indexing: what may be indexed, and how.

    Raises:
        ConfigError: records that cannot be read.
    """

    def __init__(self, folder: Path, indexing: Indexing = NO_INDEXING) -> None:
        self.folders = {one.id: one for one in named_folders(indexing.folders)}
        self._command = indexing.command
        self._file = folder / FILE_NAME
        self._jobs = {one.id: one for one in map(_interrupted, _read(self._file))}
        self._failures: dict[int, tuple[Failure, ...]] = {}
        self._changed = Condition()
        self._process: IndexProcess | None = None
        self._worker: Thread | None = None
        self._closed = False

    def latest(self) -> list[Job]:
        """The jobs, those that were asked for last first."""
        with self._changed:
            return sorted(self._jobs.values(), key=lambda job: -job.id)

    def get(self, id: int) -> Job:
        """A job. Raises ``Refused`` where there is none of this id."""
        with self._changed:
            if job := self._jobs.get(id):
                return job
        raise Refused(HTTPStatus.NOT_FOUND, expected="a job of this service", found=f"none of id {id}", do="look at the list of jobs")

    def start(self, folder: str, who: str) -> Job:
        """Let a folder be indexed when its turn comes.

        Args:
            folder: its id.

        Raises:
            Refused: no folder that is allowed, or one that is being indexed already.
            ServiceBusy: too many wait, or the records cannot be written.
        """
        named = self.folders.get(folder)
        if named is None:
            do = "choose one of those, or let the operator allow it by --allow-index"
            raise Refused(HTTPStatus.NOT_FOUND, expected="a folder that the operator allowed", found="another", do=do)
        with self._changed:
            for job in self._jobs.values():
                if job.folder == folder and not job.state.has_ended:
                    expected, found = "a folder that is not being indexed", f"job {job.id}, which is {job.state}"
                    raise Refused(HTTPStatus.CONFLICT, expected=expected, found=found, do="wait for it, or cancel it")
            if sum(job.state is State.WAITING for job in self._jobs.values()) >= WAITING or self._closed:
                raise ServiceBusy(expected="fewer jobs at once", found=f"{WAITING} that wait", do="start it when one of them is done")
            job = Job(max(self._jobs, default=0) + 1, named.id, named.name, who, time.time())
            jobs = self._with(job)
            with written("the list of index runs"):
                self._write(jobs)
            self._remember(jobs)
            if self._worker is None or not self._worker.is_alive():
                self._worker = Thread(target=self._work, name="passerby indexing", daemon=True)
                self._worker.start()
        return job

    def cancel(self, id: int) -> Job:
        """Let a job go no further; what it has done stays. One that has ended stays as it is. Raises ``Refused`` where there is none."""
        with self._changed:
            job = self.get(id)
            if not job.state.has_ended:
                running = job.state is State.RUNNING
                job = replace(job, state=State.CANCELLED, ended=time.time())
                self._put(job)
                if running and self._process is not None:
                    self._process.kill()
        return job

    def failures(self, job: Job) -> tuple[Failure, ...] | None:
        """The files that a job could not use; ``None`` where it has not ended, or not since the service began."""
        return self._failures.get(job.id)

    def close(self) -> None:
        """Take no more jobs, and interrupt those that have not ended."""
        with self._changed:
            self._closed = True
            for job in [one for one in self._jobs.values() if not one.state.has_ended]:
                self._put(_interrupted(job))
            if self._process is not None:
                self._process.kill()
            self._changed.notify_all()
        if self._worker is not None:
            self._worker.join()

    def _put(self, job: Job) -> None:
        """Change the record of a job, on the disk when its state changes; what cannot be written then is written with the next one."""
        jobs = self._with(job)
        if job.state is not self._jobs[job.id].state:
            try:
                self._write(jobs)
            except OSError as error:
                said = "passerby: warning: index job %d is %s, which is not kept: %s"
                logging.getLogger("passerby").warning(said, job.id, job.state, error)
        self._remember(jobs)

    def _with(self, job: Job) -> dict[int, Job]:
        """The records with one more or another, without the oldest of those that have ended."""
        jobs = {**self._jobs, job.id: job}
        surplus = max(0, len(jobs) - KEPT)
        ended = sorted(id for id, one in jobs.items() if one.state.has_ended)
        return {id: one for id, one in jobs.items() if id not in ended[:surplus]}

    def _write(self, jobs: Mapping[int, Job]) -> None:
        write_private(self._file, json.dumps([asdict(one) for one in jobs.values()]).encode())

    def _remember(self, jobs: dict[int, Job]) -> None:
        self._jobs = jobs
        self._failures = {id: failures for id, failures in self._failures.items() if id in jobs}
        self._changed.notify_all()

    def _work(self) -> None:
        while job := self._next():
            try:
                self._run(job)
            except OSError as error:
                self._end(job, Outcome(problem=f"it could not begin: {(error.strerror or str(error)).lower()}"))

    def _next(self) -> Job | None:
        """The job whose turn it is, when there is one; ``None`` when all is over."""
        with self._changed:
            while not self._closed:
                if waiting := [job for job in self._jobs.values() if job.state is State.WAITING]:
                    job = replace(min(waiting, key=lambda one: one.id), state=State.RUNNING, began=time.time())
                    self._put(job)
                    return job
                self._changed.wait()
        return None

    def _run(self, job: Job) -> None:
        paces = {unit: Pace() for unit in (FILES, SECONDS)}

        def on_told(unit: str, done: int, total: int) -> None:
            per_second = paces[unit].told(done, time.monotonic())
            self._change(job, lambda now: _moved(now, unit, done, total, per_second))

        folder = self.folders[job.folder].path
        if not folder.is_dir():
            self._end(job, Outcome(problem="expected the folder, found nothing in its place; see whether its disk is there"))
            return
        with index_process(self._command, folder) as process:
            with self._changed:
                if self._going(job) is None:
                    return
                self._process = process
            outcome = process.follow(on_told)
            with self._changed:
                self._process = None
        self._end(job, outcome)

    def _going(self, job: Job) -> Job | None:
        """A job as it is now; ``None`` once it has been ended, after which it may be forgotten."""
        now = self._jobs.get(job.id)
        return None if now is None or now.state.has_ended else now

    def _change(self, job: Job, change: Callable[[Job], Job]) -> None:
        """Change the record of a job, unless it has been ended meanwhile."""
        with self._changed:
            if now := self._going(job):
                self._put(change(now))

    def _end(self, job: Job, outcome: Outcome) -> None:
        folder = self.folders[job.folder]
        failures = tuple(Failure(Path(one["path"]), one["reason"]) for one in outcome.report.get("failed", ()))
        with self._changed:
            self._failures[job.id] = failures
            self._change(job, lambda now: _ended(now, outcome, len(failures), folder))


def _moved(job: Job, unit: str, done: int, total: int, per_second: float | None) -> Job:
    if unit == SECONDS:
        return replace(job, watched=done, to_watch=total, per_second=per_second)
    return replace(job, done=done, total=total, per_second=job.per_second if job.to_watch else per_second)


def _ended(job: Job, outcome: Outcome, failed: int, folder: Folder) -> Job:
    said = outcome.report
    return replace(
        job,
        state=State.FAILED if outcome.problem else State.DONE,
        ended=time.time(),
        per_second=None,
        indexed=said.get("indexed", 0),
        unchanged=said.get("unchanged", 0),
        removed=said.get("removed", 0),
        people=sum(said.get(kind, 0) for kind in ("crops", "people", "tracks")),
        failed=failed,
        problem=folder.hide(outcome.problem),
    )


def _interrupted(job: Job) -> Job:
    return job if job.state.has_ended else replace(job, state=State.INTERRUPTED, ended=time.time(), per_second=None)


def _read(file: Path) -> list[Job]:
    try:
        return [Job(**{**one, "state": State(one["state"])}) for one in json.loads(file.read_text(encoding="utf-8"))]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        found = str(error) or type(error).__name__
        raise ConfigError(expected=f"the records of index jobs in {file}", found=found, do="delete the file") from error
