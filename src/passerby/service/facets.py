"""What an index holds, to choose from: how many wear what, whom each camera saw, and when."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

from passerby.errors import IndexFault, QueryError
from passerby.find.selection import zone_of
from passerby.find.wearers import wearers
from passerby.index.base import Index
from passerby.index.vectors import VectorTable
from passerby.media.clock import clock_time
from passerby.model.encoder import Encoder
from passerby.service.asking import PARTS
from passerby.service.when import offsets_of
from passerby.types import Crop, Media
from passerby.words.filters import read_filters
from passerby.words.lexicon import Part

SHOWN: Final = 14
"""Things of each part: those that most people wear."""
MOMENT: Final = 0.3
"""Seconds for which who opens the page first after a change waits for new counts."""
_PAUSE: Final = 9
"""How many times as long as counting took it is not done again."""


@dataclass(frozen=True, slots=True)
class Facets:
    """What can be chosen, each with how many people there are of it.

    Args:
        worn: by the parameter of each part, what is worn there, the most frequent first.
        cameras, devices: by name.
        days, hours: by day, the last first, and by day and hour, as (day, hour), of clocks that go right, in the zone in which a question
            that names no camera is read. Who was seen in several counts in each.
    """

    people: int = 0
    worn: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    cameras: list[tuple[str, int]] = field(default_factory=list)
    devices: list[tuple[str, int]] = field(default_factory=list)
    days: list[tuple[str, int]] = field(default_factory=list)
    hours: Counter[tuple[str, int]] = field(default_factory=Counter)

    def hours_of(self, day: str) -> list[tuple[int, int]]:
        """The hours of a day in which somebody was seen."""
        return sorted((hour, count) for (of, hour), count in self.hours.items() if of == day)


class Census:
    """The facets of an index, counted again when it has changed, by a thread of its own; while it keeps changing, a tenth of the time at
    most. Close it."""

    def __init__(self, index: Index, encoder: Encoder) -> None:
        self._index, self._encoder = index, encoder
        self._known: tuple[VectorTable, Facets] | None = None
        self._not_before = 0.0
        self._asking = Lock()
        self._thread = ThreadPoolExecutor(1, "passerby counts")
        self._counting = Future[Facets]()
        self._counting.set_result(Facets())

    def facets(self) -> Facets:
        """Those of now or, where counting takes more than ``MOMENT``, those that were counted last.

        Raises:
            IndexFault: the index cannot be read.
        """
        with self._asking:
            begins = self._counting.done() and time.monotonic() >= self._not_before
            if begins:
                self._counting = self._thread.submit(self._look)
            counting, known = self._counting, self._known
        if known is None:
            return counting.result()
        if begins:
            with suppress(TimeoutError):
                return counting.result(MOMENT)
        return known[1]

    def close(self) -> None:
        """End when what is being counted is."""
        self._thread.shutdown()

    def _look(self) -> Facets:
        """Count where the index is another than the one that is known."""
        with self._index.snapshot():
            table, began = self._index.vectors(), time.monotonic()
            if self._known is None or self._known[0] is not table:
                self._known = table, self._count()
                ended = time.monotonic()
                self._not_before = ended + _PAUSE * (ended - began)
            return self._known[1]

    def _count(self) -> Facets:
        cameras, devices, days, hours = Counter[str](), Counter[str](), Counter[str](), Counter[tuple[str, int]]()
        offsets, zone = offsets_of(self._index), zone_of(self._index)
        for person, crops in self._index.people():
            if person.static:  # which a question leaves out
                continue
            cameras.update(_if_known(person.media.camera))
            devices.update(_if_known(person.media.pushed_by))
            seen = _hours(person.media, crops, zone, offsets.get(person.media.camera or "", 0.0))
            hours.update(seen)
            days.update({day for day, _ in seen})
        last_first = sorted(days.items(), reverse=True)
        return Facets(self._index.counts()[0], dict(self._worn()), sorted(cameras.items()), sorted(devices.items()), last_first, hours)

    def _worn(self) -> Iterator[tuple[str, list[tuple[str, int]]]]:
        try:
            census = wearers(self._index, lambda _: self._encoder)
        except IndexFault:  # of a model that does not say what is worn
            return
        for part, name in PARTS.items():
            prefix = f"{part}:"
            counted = [(one.attribute.removeprefix(prefix), one.probable) for one in census.worn if one.attribute.startswith(prefix)]
            most = sorted((one for one in counted if one[1] and _can_be_asked(part, one[0])), key=lambda one: (-one[1], one[0]))
            if most:
                yield name, most[:SHOWN]


def _if_known(name: str | None) -> list[str]:
    return [] if name is None else [name]


def _hours(media: Media, crops: Iterable[Crop], zone: str | None, offset_seconds: float) -> set[tuple[str, int]]:
    """The hours in which crops were taken, each with its day, as a clock in a zone showed them that goes right."""
    if media.started_at is None:
        return set()
    clocks = [clock_time(media.started_at + (crop.time or 0.0), zone, offset_seconds) for crop in crops]
    return {(clock.date().isoformat(), clock.hour) for clock in clocks}


def _can_be_asked(part: Part, word: str) -> bool:
    try:
        read_filters({part: [word]})
    except QueryError:
        return False
    return True
