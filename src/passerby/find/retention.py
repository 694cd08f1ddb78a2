"""Keeping people only as long as allowed, by when they were seen: who is older is deleted, and is not let in again."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from passerby.find.moment import read_age
from passerby.find.removal import ROWS, batches, forget_all
from passerby.index.base import Index, as_index
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


def read_keep(text: str, now: float) -> float | None:
    """From when on people are kept, as it is typed: ``30d``, ``12h`` before ``now``; ``None`` for ``all``. Raises ``QueryError``."""
    return None if as_text(text).strip().lower() == ALL else now - read_age(text)


def keep_people(index: Index, text: str, now: float) -> Forgotten | None:
    """Keep people from now on only for an age, as :func:`read_keep` reads it; older ones are deleted, if there are any.

    Raises:
        QueryError: no such age.
        IndexFault: as of :func:`forget_older`.
    """
    bound = read_keep(text, now)
    with index.writing():
        index.keep_from(bound)
    return None if bound is None else forget_older(index, bound)


class Minutely:
    """Keeps people of an index that is written to all the time only for an age: once a minute.

    Args:
        text: the age, as of :func:`read_keep`.

    Raises:
        QueryError: no such age.
    """

    def __init__(self, text: str) -> None:
        read_keep(text, time.time())
        self._text, self._next = text, 0.0

    def __call__(self, index: Index) -> None:
        """Raises ``IndexFault``, as of :func:`forget_older`."""
        now = time.time()
        if now >= self._next:
            keep_people(index, self._text, now)
            self._next = now + _MINUTE


def forget_older(index: Index, before: float, *, dry_run: bool = False) -> Forgotten:
    """Delete whoever was last seen before an instant, and media in which nothing is later, from an index and all that is derived of it.

    From then on nobody who is older is let in, from whichever file, until :meth:`passerby.index.base.Index.keep_from` says otherwise. Who
    has no time is kept and counted. Stopped at any moment, the next call does the rest.

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
    found = index.expired(before)
    if not dry_run:
        known = index.kept_from()
        if known is None or known < before:
            with index.writing():
                index.keep_from(before)
        for people in batches(found.people, ROWS):
            with index.writing():
                index.drop(people)
        forget_all(index, found.media)
        index.fold()
        index.purge()
    return Forgotten(before, len(found.people), len(found.media), found.estimated, found.undated)


@dataclass(frozen=True, slots=True)
class Keeping:
    """From when on an index keeps people.

    Args:
        bound: in seconds since 1970, by clocks that go right; ``None`` if from ever.
        offsets: what is to be added to the clocks of cameras, by name.
    """

    bound: float | None = None
    offsets: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, index: Index) -> Keeping:
        """That of an index."""
        return cls(index.kept_from(), {camera.name: camera.offset_seconds for camera in index.cameras()})

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
