"""What an index holds, to choose from: how many wear what, whom each camera saw, and when."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

from passerby.errors import IndexFault, QueryError
from passerby.find.wearers import wearers
from passerby.index.base import Index
from passerby.index.vectors import VectorTable
from passerby.model.encoder import Encoder
from passerby.service.asking import PARTS
from passerby.service.when import offsets_of, seen_at
from passerby.words.filters import read_filters
from passerby.words.lexicon import Part

SHOWN: Final = 14
"""Things of each part: those that most people wear."""
_PAUSE: Final = 9
"""How many times as long as counting took it is not done again."""


@dataclass(frozen=True, slots=True)
class Facets:
    """What can be chosen, each with how many people there are of it.

    Args:
        worn: by the parameter of each part, what is worn there, the most frequent first.
        cameras, devices: by name.
        hours: people by day and hour, as (day, hour), by the cameras' clocks as corrected.
    """

    people: int = 0
    worn: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    cameras: list[tuple[str, int]] = field(default_factory=list)
    devices: list[tuple[str, int]] = field(default_factory=list)
    hours: Counter[tuple[str, int]] = field(default_factory=Counter)

    @property
    def days(self) -> list[tuple[str, int]]:
        """The days, the last first."""
        counts: Counter[str] = Counter()
        for (day, _), count in self.hours.items():
            counts[day] += count
        return sorted(counts.items(), reverse=True)

    def hours_of(self, day: str) -> list[tuple[int, int]]:
        """The hours of a day in which somebody was seen."""
        return sorted((hour, count) for (of, hour), count in self.hours.items() if of == day)


class Census:
    """The facets of an index, counted again when it has changed; while it keeps changing, a tenth of the time at most."""

    def __init__(self, index: Index, encoder: Encoder) -> None:
        self._index, self._encoder = index, encoder
        self._known: tuple[VectorTable, Facets] | None = None
        self._not_before = 0.0
        self._counting = Lock()

    def facets(self) -> Facets:
        """Those of now, or of a moment ago. Raises ``IndexFault`` for an index that cannot be read."""
        with self._counting, self._index.snapshot():
            table, began = self._index.vectors(), time.monotonic()
            if self._known is None or (self._known[0] is not table and began >= self._not_before):
                self._known = table, self._count()
                ended = time.monotonic()
                self._not_before = ended + _PAUSE * (ended - began)
            return self._known[1]

    def _count(self) -> Facets:
        seen = [(one.camera.name, one.people) for one in self._index.seen_by_cameras()]
        devices, hours = Counter[str](), Counter[tuple[str, int]]()
        offsets = offsets_of(self._index)
        for person, crops in self._index.people():
            if (device := person.media.pushed_by) is not None:
                devices[device] += 1
            if clock := seen_at(person, crops[0], offsets):
                hours[f"{clock:%Y-%m-%d}", clock.hour] += 1
        return Facets(self._index.counts()[0], dict(self._worn()), seen, sorted(devices.items()), hours)

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


def _can_be_asked(part: Part, word: str) -> bool:
    try:
        read_filters({part: [word]})
    except QueryError:
        return False
    return True
