"""Keeping people only as long as allowed, by when they were seen: who is older is deleted, and is not let in again."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any, Final

from passerby.errors import IndexFault
from passerby.find.moment import read_age
from passerby.find.removal import ROWS, batches, forget_all
from passerby.index.base import Index, as_index
from passerby.index.info import Expired
from passerby.index.sighting import Sighting
from passerby.inputs import as_text, wrong
from passerby.media.clock import clock_iso
from passerby.media.taken import Taken
from passerby.types import Media

_MINUTE: Final = 60.0
ALL: Final = "all"
"""What is typed to keep everybody again."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """Who was deleted as they were last seen too long ago.

    Args:
        before: the instant, in seconds since 1970.
        people, media: how many.
        estimated: how many of the people are dated by when their file was last changed.
        undated: how many others are kept, as it is not known when they were seen.
    """

    before: float
    people: int = 0
    media: int = 0
    estimated: int = 0
    undated: int = 0

    def followed_by(self, later: Forgotten) -> Forgotten:
        """With those who were deleted later."""
        return replace(later, people=self.people + later.people, media=self.media + later.media, estimated=self.estimated + later.estimated)

    def to_json(self) -> dict[str, Any]:
        """Ready for ``json.dumps``."""
        return {
            "before": clock_iso(self.before, None),
            "people": self.people,
            "media": self.media,
            "estimated": self.estimated,
            "undated": self.undated,
        }


def read_keep(text: str) -> float:
    """How long people are kept, in seconds, as it is typed: ``30d``, ``12h``; infinity for ``all``. Raises ``QueryError``."""
    return inf if as_text(text).strip().lower() == ALL else read_age(text)


def remember_keep(index: Index, seconds: float) -> None:
    """Remember how long people are kept, from now on; infinity lets everybody in again, whatever was said before.

    Raises:
        IndexFault: the index cannot be written.
    """
    with index.writing():
        index.keep_for(None if seconds == inf else seconds)
        if seconds == inf:
            index.keep_from(None)


def keep_people(index: Index, seconds: float | None, now: float) -> Forgotten | None:
    """Remember how long people are kept, where that is said, and delete whom the index keeps no longer at a moment, in seconds since 1970.

    Args:
        seconds: as of :func:`remember_keep`; ``None`` leaves what the index remembers.

    Raises:
        IndexFault: as of :func:`forget_older`.
    """
    if seconds is None:
        return forget_expired(index, now)
    remember_keep(index, seconds)
    bound = _bound(index, now)
    return None if bound is None else _delete(index, bound, index.expired(bound))


def bound_at(kept_from: float | None, kept_for: float | None, now: float) -> float | None:
    """From when on people are kept at a moment ``now``, all in seconds since 1970; ``None`` if from ever.

    It is the later of an instant and of an age before the moment, which is counted in whole minutes: so nobody goes more often than once a
    minute, however often it is asked.

    Args:
        kept_from, kept_for: what an index remembers, as of :meth:`passerby.index.base.Index.kept_from` and ``kept_for``.
    """
    by_age = None if kept_for is None else (now - kept_for) // _MINUTE * _MINUTE
    return max((bound for bound in (kept_from, by_age) if bound is not None), default=None)


def forget_expired(index: Index, now: float) -> Forgotten | None:
    """Delete whom an index keeps no longer at a moment, in seconds since 1970; ``None`` where it keeps everybody.

    Where there is nobody to delete, what an earlier call left is deleted if nobody reads it, and nobody is waited for.

    Raises:
        IndexFault: as of :func:`forget_older`.
    """
    bound = _bound(index, now)
    if bound is None:
        return None
    found = index.expired(bound)
    if found.people or found.media:
        return _delete(index, bound, found)
    with suppress(IndexFault):
        index.purge(0)
    return _counted(bound, found)


def _bound(index: Index, now: float) -> float | None:
    return bound_at(index.kept_from(), index.kept_for(), now)


def forget_older(index: Index, before: float, *, dry_run: bool = False) -> Forgotten:
    """Delete whoever was last seen before an instant, and media in which nothing is later, from an index and all that is derived of it.

    From then on nobody who is older is let in, from whichever file, until :func:`remember_keep` lets everybody in. Who has no time is kept
    and counted. Stopped at any moment, the next call does the rest.

    Args:
        before: in seconds since 1970, by clocks that go right.
        dry_run: only count them.

    Raises:
        InputError: an argument of the wrong kind.
        IndexFault: the index cannot be written, or another process holds on to deleted data.
    """
    index = as_index(index)
    if isinstance(before, bool) or not isinstance(before, int | float):
        raise wrong(before, "seconds since 1970")
    if dry_run:
        return _counted(before, index.expired(before))
    known = index.kept_from()
    if known is None or known < before:
        with index.writing():
            index.keep_from(before)
    return _delete(index, before, index.expired(before))


def _delete(index: Index, before: float, found: Expired) -> Forgotten:
    for people in batches(found.people, ROWS):
        with index.writing():
            index.drop(people)
    forget_all(index, found.media)
    if found.people or found.media:
        index.fold()
    index.purge()
    return _counted(before, found)


def _counted(before: float, found: Expired) -> Forgotten:
    return Forgotten(before, len(found.people), len(found.media), found.estimated, found.undated)


@dataclass(frozen=True, slots=True)
class Keeping:
    """From when on an index keeps people now.

    Args:
        bound: in seconds since 1970, by clocks that go right; ``None`` if from ever.
        offsets: what is to be added to the clocks of cameras, by name.
    """

    bound: float | None = None
    offsets: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, index: Index) -> Keeping:
        """That of an index."""
        return cls(_bound(index, time.time()), {camera.name: camera.offset_seconds for camera in index.cameras()})

    def people(self, media: Media, people: Sequence[Sighting]) -> tuple[Sighting, ...]:
        """Those in a media who are kept."""
        return tuple(one for one in people if not self._is_over(media.started_at, one.last or 0.0, media.camera))

    def leaves_out(self, taken: Taken, seconds: float) -> bool:
        """Whether nobody can be kept in what was taken then and lasts for so many seconds."""
        return taken.instant is not None and self._is_over(taken.instant.at, seconds, taken.camera)

    def _is_over(self, started_at: float | None, seconds: float, camera: str | None) -> bool:
        if self.bound is None or started_at is None:
            return False
        return started_at + seconds + self.offsets.get(camera or "", 0.0) < self.bound
