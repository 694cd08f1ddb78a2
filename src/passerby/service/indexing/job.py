"""An index run that was asked for, and how far it is."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_OF_LATE: Final = 30.0
"""Seconds by which the rate is measured."""


class State(StrEnum):
    """What became of a job."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    """Though some of its files may have failed."""
    FAILED = "failed"
    """Nothing was done."""
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    """The service ended before it did."""

    @property
    def has_ended(self) -> bool:
        return self not in (State.WAITING, State.RUNNING)


@dataclass(frozen=True, slots=True)
class Job:
    """An index run that was asked for.

    Args:
        folder, name: of its folder.
        who: asked for it; empty where nobody needs a token.
        asked, began, ended: seconds since 1970.
        done, total: of the new and changed files, so many, of how many.
        watched, to_watch: seconds of their videos, likewise.
        per_second: of what is being done now, seconds of video where there are any, else files; ``None`` where it cannot be told yet.
        indexed, unchanged, removed, people, failed: how many, in the end.
        problem: why it failed.
    """

    id: int
    folder: str
    name: str
    who: str
    asked: float
    state: State = State.WAITING
    began: float | None = None
    ended: float | None = None
    done: int = 0
    total: int = 0
    watched: int = 0
    to_watch: int = 0
    per_second: float | None = None
    indexed: int = 0
    unchanged: int = 0
    removed: int = 0
    people: int = 0
    failed: int = 0
    problem: str = ""

    @property
    def share(self) -> float | None:
        """How much of what is being done now is done, from 0 to 1; ``None`` where that is not known."""
        done, total = self._now
        return done / total if total else None

    @property
    def seconds_left(self) -> float | None:
        done, total = self._now
        return (total - done) / self.per_second if self.per_second and not self.state.has_ended else None

    @property
    def _now(self) -> tuple[int, int]:
        return (self.watched, self.to_watch) if self.to_watch else (self.done, self.total)


class Pace:
    """How fast something goes, by what was told of late."""

    def __init__(self, seconds: float = _OF_LATE) -> None:
        self._seconds = seconds
        self._told: deque[tuple[float, int]] = deque()

    def told(self, done: int, now: float) -> float | None:
        """Of what is done, how much is a second; ``None`` where that cannot be told yet.

        Args:
            now: in seconds of a clock that never goes back.
        """
        self._told.append((now, done))
        while len(self._told) > 2 and now - self._told[1][0] >= self._seconds:
            self._told.popleft()
        (since, before), passed = self._told[0], now - self._told[0][0]
        return (done - before) / passed if passed and since != now else None
