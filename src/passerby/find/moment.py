"""Times as people type them: ``2026-11-28 10:00``, ``10:00``, ``yesterday 18:00``, ``2 hours ago``."""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta
from typing import Final

from passerby.errors import QueryError
from passerby.inputs import as_text
from passerby.media.clock import as_zone, clock_time, readings, require_wall
from passerby.words.normalise import plain

EXAMPLES: Final = "'2026-11-28', '2026-11-28 10:00', '10:00', 'yesterday 18:00' or '2 hours ago'"

_TIMED: Final = re.compile(
    r"(?:(?P<day>today|yesterday|\d{4}-\d\d-\d\d)(?:[ t]|$))?"
    r"(?:(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.(?P<fraction>\d{1,6}))?)?(?: ?(?P<offset>z|[+-]\d\d:?\d\d))?)?",
    re.ASCII,
)
_AGO: Final = re.compile(r"(?P<count>\d{1,6}) ?(?P<unit>[a-z]+) ago", re.ASCII)
_AGE: Final = re.compile(r"(?P<count>\d{1,6}) ?(?P<unit>[a-z]+)", re.ASCII)
_UNITS: Final = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), timedelta(seconds=1)),
    **dict.fromkeys(("min", "minute", "minutes"), timedelta(minutes=1)),
    **dict.fromkeys(("h", "hour", "hours"), timedelta(hours=1)),
    **dict.fromkeys(("d", "day", "days"), timedelta(days=1)),
    **dict.fromkeys(("w", "week", "weeks"), timedelta(weeks=1)),
}
_DAY: Final = timedelta(days=1)


def read_moment(text: str, now: float, zone: str | None, *, ends: bool = False) -> float:
    """The instant that a text names, in seconds since 1970.

    A date, ``today`` or ``yesterday``, and a time of day after it, by ISO 8601 with an offset or without; a time alone is today's. Or
    ``now``, or ``3 days ago`` (weeks, days, hours, minutes, seconds): days and weeks back it was as late by the clock as now.

    Args:
        now: in seconds since 1970.
        zone: to read it in; ``None`` says the machine's.
        ends: whether something ends then. A day ends when the next begins. Of a time that came twice as clocks were put back the end is the
            second and the start the first, and about one left out as they were put forward it is the other way round: the more is between.

    Raises:
        QueryError: the text names no time.
        InputError: a zone that this machine does not know.
    """
    asked = " ".join(plain(as_text(text)).lower().split())
    if asked == "now":
        return now
    ago = _AGO.fullmatch(asked)
    step = _UNITS.get(ago["unit"]) if ago else None
    if ago and step and step < _DAY:
        return now - int(ago["count"]) * step.total_seconds()
    clock = clock_time(now, zone).replace(tzinfo=None)
    try:
        wall, offset = (clock - int(ago["count"]) * step, None) if ago and step else _read(asked, clock, ends)
        wall = require_wall(wall)
    except (ValueError, OverflowError):
        raise QueryError(expected=f"a time such as {EXAMPLES}", found=repr(text), do="correct it") from None
    return (max if ends else min)(readings(wall, offset or zone))


def read_age(text: str) -> float:
    """How long ago, in seconds, as people type it: ``30d``, ``12 hours``, ``4w``.

    Raises:
        QueryError: something else, or nothing at all.
    """
    match = _AGE.fullmatch(" ".join(plain(as_text(text)).lower().split()))
    step = _UNITS.get(match["unit"]) if match else None
    if match is None or step is None or int(match["count"]) == 0:
        raise QueryError(expected="an age such as 30d, 12h or 4w", found=repr(text), do="correct it")
    return int(match["count"]) * step.total_seconds()


def _read(asked: str, clock: datetime, ends: bool) -> tuple[datetime, str | None]:
    """The wall time that a text names, and its offset where it has one. Raises ``ValueError`` for one that names none."""
    match = _TIMED.fullmatch(asked)
    if not match or not asked:
        raise ValueError(asked)
    day = _day(match["day"] or "today", clock)
    if match["hour"] is None:
        return day + _DAY if ends else day, None
    fraction = int((match["fraction"] or "").ljust(6, "0"))
    at = time(int(match["hour"]), int(match["minute"]), int(match["second"] or 0), fraction)
    return datetime.combine(day, at), as_zone(match["offset"]) if match["offset"] else None


def _day(name: str, clock: datetime) -> datetime:
    """When a day begins."""
    midnight = datetime.combine(clock, time())
    if name in ("today", "yesterday"):
        return midnight if name == "today" else midnight - _DAY
    return datetime.strptime(name, "%Y-%m-%d")
