"""Time as clocks show it: instants, the zones they are told in, and cameras whose clocks go wrong."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from passerby.errors import InputError
from passerby.inputs import as_text, wrong
from passerby.types import EARLIEST, FIRST_YEAR, LAST_YEAR, LATEST, Hit, Media

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY: Final = 86400
_CENTURY: Final = 100 * 366 * _DAY
_OFFSET: Final = re.compile(r"([+-])([01]\d|2[0-3]):?([0-5]\d)", re.ASCII)
_NAME: Final = re.compile(r"[A-Za-z][\w+-]*(?:/\w[\w+-]*)*", re.ASCII)
_CORRECTION: Final = re.compile(
    r"([+-])? ?(?:(\d{1,5}) ?d)? ?(?:(\d{1,6}) ?h)? ?(?:(\d{1,7}) ?m(?:in)?)? ?(?:(\d{1,9}(?:\.\d{1,6})?) ?s)?", re.ASCII
)
_A_ZONE: Final = "a time zone such as Europe/Berlin or +01:00"


class KnownBy(StrEnum):
    """How an instant is known, best first."""

    EXIF = "exif"
    """The camera wrote it into the photo."""
    NAME = "name"
    """The file's name says so, by a pattern that was given."""
    CONTAINER = "container"
    """The video's file says so."""
    LIVE = "live"
    """It was seen as it happened, by this machine's clock."""
    FILE = "file"
    """The file was last changed then: an estimate."""


@dataclass(frozen=True, slots=True)
class Instant:
    """When something was taken, and how that is known.

    Args:
        at: seconds since 1970 in UTC, as the camera's clock had it, of the years 1000 to 8999.
        zone: in which its clock told the time, by its IANA name or as ``+01:00``; ``None`` says the machine's.
        known_by: what says so.

    Raises:
        InputError: none of these.
    """

    at: float
    zone: str | None
    known_by: KnownBy

    def __post_init__(self) -> None:
        number = isinstance(self.at, int | float) and not isinstance(self.at, bool)
        _require(number and EARLIEST <= self.at < LATEST, f"seconds since 1970 of the years {FIRST_YEAR} to {LAST_YEAR}", self.at)
        _require(self.zone is None or _is_zone(self.zone), f"{_A_ZONE}, or None", self.zone)
        _require(isinstance(self.known_by, KnownBy), "a KnownBy", self.known_by)


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera and its clock.

    Args:
        name: one line of text, as :func:`as_camera_name` gives it.
        offset_seconds: what is to be added to its clock; positive where that is slow; at most a century. Instants are kept as the clock
            had them, so that it can be corrected at any time.
        zone: in which its clock tells the time; ``None`` says the machine's.

    Raises:
        InputError: none of these.
    """

    name: str
    offset_seconds: float = 0.0
    zone: str | None = None

    def __post_init__(self) -> None:
        _require(as_camera_name(self.name) == self.name, "a camera's name as as_camera_name gives it", self.name)
        number = isinstance(self.offset_seconds, int | float) and not isinstance(self.offset_seconds, bool)
        _require(number and abs(self.offset_seconds) <= _CENTURY, "an offset in seconds, of at most a century", self.offset_seconds)
        _require(self.zone is None or _is_zone(self.zone), f"{_A_ZONE}, or None", self.zone)


def as_camera_name(value: str) -> str:
    """A camera's name in its one spelling, without spaces around it and in NFC, as file systems may not have it. Raises ``InputError``."""
    expected = "a camera's name, one line of text"
    name = unicodedata.normalize("NFC", as_text(value, expected)).strip()
    if not name or not name.isprintable():
        raise wrong(value, expected)
    return name


def as_zone(value: str) -> str:
    """A time zone in its one spelling: an IANA name, or an offset as ``+01:00``.

    Raises:
        InputError: there is no such zone, or this machine has no database of zones.
    """
    if offset := read_offset(as_text(value, _A_ZONE)):
        return offset
    _named_zone(value)
    return value


def read_offset(text: str) -> str | None:
    """An offset from UTC, as ``+01:00``, in a text such as ``+01:00``, ``+0100`` or ``Z``; ``None`` in another."""
    match = _OFFSET.fullmatch("+00:00" if text in ("Z", "z") else text)
    return f"{match[1]}{match[2]}:{match[3]}" if match else None


def require_wall(wall: datetime) -> datetime:
    """A time, if it is of the years 1000 to 8999. Raises ``InputError``."""
    if not FIRST_YEAR <= wall.year <= LAST_YEAR:
        raise wrong(wall.year, f"a year from {FIRST_YEAR} to {LAST_YEAR}")
    return wall


def readings(wall: datetime, zone: str | None) -> tuple[float, float]:
    """The two instants, in seconds since 1970, at which a clock may have shown a time.

    They are one, but where a clock was put back and showed the time twice, first and second; or where it was put forward and never
    showed it: then the first is by the old time of that day and comes later, as of a clock that nobody put forward.

    Args:
        wall: naive, of the years 1000 to 8999.
        zone: of the clock; ``None`` says the machine's.

    Raises:
        InputError: another year, or a zone that is not known here.
    """
    return _readings(require_wall(wall), zone)


def instant_of(media: Media) -> Instant | None:
    """When a media was taken or begun, as its camera's clock had it; ``None`` where that is not known."""
    if media.started_at is None or media.known_by is None:
        return None
    return Instant(media.started_at, media.zone, KnownBy(media.known_by))


def in_zone(instant: Instant, before: str | None, zone: str | None) -> Instant:
    """An instant by a clock that was thought to tell the time in a zone, or the machine's, and tells it in another.

    The clock showed what it showed, so the moment was another; but one that a file or a video says stays, and so does an offset that the
    picture itself gave.

    Args:
        before: what was thought.
        zone: what is known now.

    Raises:
        InputError: a zone that is not known here.
    """
    if instant.zone is not None and read_offset(instant.zone) and instant.zone != before:
        return instant
    if instant.known_by not in (KnownBy.EXIF, KnownBy.NAME):
        return replace(instant, zone=zone)
    return Instant(readings(clock_time(instant.at, instant.zone).replace(tzinfo=None), zone)[0], zone, instant.known_by)


def read_correction(text: str) -> float:
    """What is to be added to a clock, in seconds, as people type it: ``+1h 3m``, ``-90s``, ``2 d``.

    Raises:
        InputError: something else.
    """
    expected = "what to add to a clock, such as '+1h 3m' or '-90s'"
    match = _CORRECTION.fullmatch(" ".join(as_text(text, expected).lower().split()))
    if not match or not any(match.groups()[1:]):
        raise wrong(text, expected)
    seconds = sum(float(count or 0) * unit for count, unit in zip(match.groups()[1:], (_DAY, 3600, 60, 1), strict=True))
    return -seconds if match[1] == "-" else seconds


def correction_text(seconds: float) -> str:
    """The same for people: ``+1h 3m``; ``none`` for no correction."""
    return ("-" if seconds < 0 else "+") + age_text(abs(seconds)) if seconds else "none"


def age_text(seconds: float) -> str:
    """How long, for people, as it is typed: ``30d``, ``1h 3m``; of seconds above 0."""
    rest, parts = seconds, list[str]()
    for unit, name in ((_DAY, "d"), (3600, "h"), (60, "m")):
        count, rest = divmod(rest, unit)
        parts += [f"{count:.0f}{name}"] * bool(count)
    parts += [f"{rest:g}s"] * bool(rest)
    return " ".join(parts)


def clock_of(hit: Hit) -> str:
    """When the picture of somebody who was found was taken, for people; empty where only their file's time says so, an estimate."""
    media = hit.person.media
    return "" if hit.clock is None or media.known_by == KnownBy.FILE else clock_text(hit.clock.timestamp(), media.zone)


def seen_at(hit: Hit) -> str:
    """Where in a video the picture of somebody is, as ``0:12`` or ``1:02:03``; empty for a photo."""
    return "" if hit.crop.time is None else minutes_text(hit.crop.time)


def minutes_text(seconds: float) -> str:
    """Seconds as ``0:12`` or ``1:02:03``, the last one begun."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def clock_time(at: float, zone: str | None, offset_seconds: float = 0.0) -> datetime:
    """What a clock that goes right showed at an instant: aware, with the zone's offset and abbreviation of that moment.

    Such times compare and subtract as instants do, across clock changes too.

    Args:
        at: seconds since 1970 in UTC.
        zone: to tell it in; ``None`` says the machine's.
        offset_seconds: of the camera.

    Raises:
        InputError: a zone that is not known here.
    """
    moment = (_EPOCH + timedelta(seconds=at + offset_seconds)).astimezone(_tzinfo(zone))
    return moment.replace(tzinfo=timezone(moment.utcoffset() or timedelta(), moment.tzname() or ""), fold=0)


def clock_text(at: float, zone: str | None, offset_seconds: float = 0.0) -> str:
    """A clock's time for people: ``2026-11-28 10:42:13``, with the offset where the time alone may mislead.

    That is where the clock showed it twice, or where this machine's clock showed another.
    """
    moment = clock_time(at, zone, offset_seconds)
    wall = moment.replace(tzinfo=None)
    first, second = _readings(wall, zone)
    misleads = first != second or moment.utcoffset() != clock_time(at, None, offset_seconds).utcoffset()
    text = wall.isoformat(" ", "seconds")
    return f"{text} {moment.isoformat(' ', 'seconds').removeprefix(text)}" if misleads else text


def clock_iso(at: float, zone: str | None, offset_seconds: float = 0.0) -> str:
    """A clock's time for programs, by ISO 8601 to the second: ``2026-11-28T10:42:13+01:00``."""
    return clock_time(at, zone, offset_seconds).isoformat(timespec="seconds")


def _readings(wall: datetime, zone: str | None) -> tuple[float, float]:
    clock = wall.replace(tzinfo=_tzinfo(zone))
    return clock.replace(fold=0).timestamp(), clock.replace(fold=1).timestamp()


def _tzinfo(zone: str | None) -> tzinfo | None:
    """``None`` for the machine's zone, as ``datetime`` has it."""
    if zone is None:
        return None
    if match := _OFFSET.fullmatch(zone):
        offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
        return timezone(-offset if match[1] == "-" else offset)
    return _named_zone(zone)


def _named_zone(name: str) -> ZoneInfo:
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (ValueError, LookupError, OSError):  # as the name is no key, no file, or a folder
        pass
    try:
        ZoneInfo("UTC")
    except LookupError:
        found, do = "no database of time zones on this machine", "install one: pip install tzdata; or give an offset such as +01:00"
        raise InputError(expected=_A_ZONE, found=found, do=do) from None
    raise wrong(name, _A_ZONE, "name the nearest large city as continent/city")


def _is_zone(value: object) -> bool:
    """Whether this may be a zone's name; whether this machine knows it is another question, so that an index can be read anywhere."""
    return isinstance(value, str) and bool(_OFFSET.fullmatch(value) or _NAME.fullmatch(value))


def _require(holds: bool, expected: str, found: object) -> None:
    if not holds:
        raise wrong(found, expected, "correct the value")
