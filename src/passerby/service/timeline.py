"""Where and when those who were found were seen: a row for each camera, a mark for each of them at the time of its clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

UNKNOWN: Final = "Not known"
_EDGE: Final = 3.0
"""Percent that are left free at both ends, so that marks and times there are whole."""
_MOST_TICKS: Final = 5
_DAY: Final = timedelta(days=1)
_STEPS: Final = (
    *(timedelta(seconds=seconds) for seconds in (5, 15, 30)),
    *(timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 15, 30)),
    *(timedelta(hours=hours) for hours in (1, 2, 3, 6, 12)),
    *(timedelta(days=days) for days in (1, 2, 4, 7, 14, 30, 90, 365, 3650)),
)


@dataclass(frozen=True, slots=True)
class Sight:
    """Somebody who was found.

    Args:
        clock: when; ``None`` where it is not known.
        camera: empty where it is not known.
        said: what is to be said of them.
        likely: whether they are rather right than not.
    """

    clock: datetime | None
    camera: str
    said: str
    url: str
    likely: bool


@dataclass(frozen=True, slots=True)
class Mark:
    """Somebody on a row.

    Args:
        at: how far from its left side, in percent.
    """

    at: float
    sight: Sight


@dataclass(frozen=True, slots=True)
class Tick:
    """A time below all rows, likewise."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """All of it.

    Args:
        rows: of each camera its name and, in the order of time, whom it saw.
        during: from when to when, in words.
        undated: people of whom it is not known when they were seen.
    """

    rows: tuple[tuple[str, tuple[Mark, ...]], ...]
    ticks: tuple[Tick, ...]
    during: str
    undated: int


def timeline_of(sights: Sequence[Sight]) -> Timeline | None:
    """The timeline of those who were found; ``None`` where fewer than two times are known, which say nothing beside each other."""
    dated = sorted(((one.clock, one) for one in sights if one.clock is not None), key=lambda pair: pair[0])
    if len(dated) < 2:
        return None
    first, last = dated[0][0], dated[-1][0].astimezone(dated[0][0].tzinfo)
    rows: dict[str, list[Mark]] = {}
    for clock, sight in dated:
        rows.setdefault(sight.camera or UNKNOWN, []).append(Mark(_place(clock, first, last), sight))
    ordered = sorted(rows.items(), key=lambda row: (row[0] == UNKNOWN, row[0]))
    ticks = tuple(Tick(_place(at, first, last), text) for at, text in _ticks(first, last))
    return Timeline(tuple((name, tuple(marks)) for name, marks in ordered), ticks, _during(first, last), len(sights) - len(dated))


def _place(at: datetime, first: datetime, last: datetime) -> float:
    """Where between both ends a time is, in percent; the middle where they are the same."""
    whole = last - first
    share = (at - first) / whole if whole else 0.5
    return round(_EDGE + share * (100 - 2 * _EDGE), 2)


def _ticks(first: datetime, last: datetime) -> list[tuple[datetime, str]]:
    """Round times between both ends, at most ``_MOST_TICKS``, and their words."""
    step = next((one for one in _STEPS if (last - first) / one < _MOST_TICKS), _STEPS[-1])
    midnight = first.replace(hour=0, minute=0, second=0, microsecond=0)
    skipped = -((midnight - first) // step)
    times = [midnight + number * step for number in range(skipped, skipped + _MOST_TICKS + 1)]
    return [(at, _tick_text(at, step)) for at in times if first <= at <= last]


def _tick_text(at: datetime, step: timedelta) -> str:
    if step > 30 * _DAY:
        return f"{at:%b %Y}"
    if step >= _DAY or at.hour == at.minute == at.second == 0:
        return f"{at.day} {at:%b}"
    return f"{at:%H:%M}" if step >= timedelta(minutes=1) else f"{at:%H:%M:%S}"


def _during(first: datetime, last: datetime) -> str:
    day, end = f"{first.day} {first:%B %Y}", f"{last.day} {last:%B %Y}"
    clock = "%H:%M" if last - first >= timedelta(minutes=10) else "%H:%M:%S"
    return f"{day}, {first:{clock}} to {'' if day == end else f'{end}, '}{last:{clock}}"
