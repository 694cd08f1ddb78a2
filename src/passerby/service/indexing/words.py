"""How far an index job is, and how it ended, in words."""

from __future__ import annotations

from collections.abc import Iterator

from passerby.service.indexing.job import Job, State


def said(job: Job) -> str:
    """One line."""
    match job.state:
        case State.WAITING:
            return "waits for its turn"
        case State.RUNNING:
            return ", ".join(_going(job)) or "looking at what is new"
        case State.DONE:
            return ", ".join(_counted(job)) or "nothing is new"
        case State.FAILED:
            return job.problem
        case State.CANCELLED:
            return f"cancelled{_so_far(job)}; what was done is kept"
        case State.INTERRUPTED:
            return f"interrupted{_so_far(job)}, as the service ended; index again, and it goes on from there"


def _so_far(job: Job) -> str:
    return f" after {job.done:,} of {job.total:,} files" if job.total else ""


def _going(job: Job) -> Iterator[str]:
    if job.to_watch:
        yield f"{job.watched / 60:.1f} of {job.to_watch / 60:.1f} min of video"
        if job.per_second:
            yield f"{_rounded(job.per_second)} times as fast as it plays"
    elif job.total:
        yield f"{job.done:,} of {job.total:,} files"
        if job.per_second:
            yield f"{_rounded(job.per_second)} a second"
    if job.seconds_left:
        yield f"{_duration(job.seconds_left)} left"


def _counted(job: Job) -> Iterator[str]:
    counts = (("new", job.indexed), ("unchanged", job.unchanged), ("removed", job.removed), ("failed", job.failed))
    files = [f"{count:,} {what}" for what, count in counts if count]
    yield from files
    if job.people:
        yield f"{job.people:,} {'person' if job.people == 1 else 'people'} found"


def _rounded(rate: float) -> str:
    return f"{rate:.1f}" if rate < 10 else f"{rate:,.0f}"


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
