"""When and by which camera something was taken: by its EXIF, else by its file's name, else by its file's time."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import PurePath
from typing import Final

from PIL import Image
from PIL.ExifTags import GPS, IFD, Base

from passerby.errors import InputError
from passerby.media.clock import Camera, Instant, KnownBy, clock_time, read_offset, readings, require_wall
from passerby.media.name_pattern import NamePattern
from passerby.types import Media

NEVER_SET: Final = "a time that clocks begin with when they were never set: taken as it says"
TWICE: Final = "a time that came twice as clocks were put back: the first was taken"
LEFT_OUT: Final = "a time that was left out as clocks were put forward: taken as by a clock that was not"

_DATE: Final = re.compile(r"(\d{4})[:/.-](\d\d)[:/.-](\d\d)", re.ASCII)
_WRITTEN: Final = re.compile(_DATE.pattern + r"[ T](\d\d):(\d\d):(\d\d)(?![\d:])", re.ASCII)
_BEGINNINGS: Final = frozenset({1970, 1980, 2000})
"""On the first day of these years clocks begin."""

_FIELDS: Final = (
    (Base.DateTimeOriginal, Base.SubsecTimeOriginal, Base.OffsetTimeOriginal),
    (Base.DateTimeDigitized, Base.SubsecTimeDigitized, Base.OffsetTimeDigitized),
    (Base.DateTime, Base.SubsecTime, Base.OffsetTime),
)


@dataclass(frozen=True, slots=True)
class _Told:
    """A clock's time, naive, the zone it is in, and what told it."""

    wall: datetime
    zone: str | None
    known_by: KnownBy

    @property
    def instant(self) -> Instant:
        return Instant(readings(self.wall, self.zone)[0], self.zone, self.known_by)


@dataclass(frozen=True, slots=True)
class Taken:
    """When and by which camera something was taken.

    Args:
        instant: ``None`` where not even its file's time is one.
        camera: its name; ``None`` where it is not known.
        notes: what had to be guessed, each in a few words that other pictures may share.
    """

    instant: Instant | None
    camera: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Clocks:
    """What is known of the clocks that took a run's files.

    Args:
        pattern: of the files' names.
        camera: the name of what took them all, whatever names say.
        zone: of cameras that have none; ``None`` says the machine's.
        cameras: all that are known, by name.
    """

    pattern: NamePattern | None = None
    camera: str | None = None
    zone: str | None = None
    cameras: Mapping[str, Camera] = field(default_factory=dict)

    @property
    def is_given(self) -> bool:
        return (self.pattern, self.camera, self.zone) != (None, None, None)

    def zone_of(self, camera: str | None) -> str | None:
        """The zone of times that say none."""
        known = self.cameras.get(camera) if camera is not None else None
        return (known.zone if known else None) or self.zone

    def taken(self, path: PurePath, modified_ns: int, exif: Image.Exif | None = None, *, begun_at: Instant | None = None) -> Taken:
        """When and by which camera a file's picture was taken, by the best that is known.

        Args:
            path: with the folders that the pattern looks at.
            modified_ns: of the file, in nanoseconds since 1970.
            exif: of the picture, as Pillow has it, damaged or not.
            begun_at: when a video was begun, as its file says; its name says it better.

        Raises:
            InputError: a zone that this machine does not know.
        """
        named = self.pattern.read(path) if self.pattern else None
        camera = self.camera or (named.camera if named else None)
        zone = self.zone_of(camera)
        told = next(_told_by_exif(exif, zone), None) if exif is not None else None
        if told is None and named and named.wall:
            told = _Told(named.wall, named.zone or zone, KnownBy.NAME)
        if told is None and begun_at is not None:
            return Taken(replace(begun_at, zone=begun_at.zone or zone), camera)
        if told is None:
            instant = _file_instant(modified_ns, zone)
            return Taken(instant, camera, (NEVER_SET,) if instant and _is_a_beginning(clock_time(instant.at, zone)) else ())
        return Taken(told.instant, camera, tuple(_notes(told)))

    def date(self, media: Media, exif: Image.Exif | None, *, begun_at: Instant | None = None) -> tuple[Media, tuple[str, ...]]:
        """A media that says when and by which camera it was taken, and what had to be guessed."""
        found = self.taken(media.path, media.modified_ns, exif, begun_at=begun_at)
        return dated(media, found.camera, found.instant), found.notes


def dated(media: Media, camera: str | None, instant: Instant | None) -> Media:
    """A media that was taken then."""
    at, zone, known_by = (instant.at, instant.zone, instant.known_by.value) if instant else (None, None, None)
    return replace(media, camera=camera, started_at=at, zone=zone, known_by=known_by)


def _told_by_exif(exif: Image.Exif, zone: str | None) -> Iterator[_Told]:
    """The times in EXIF, best first: when it was taken, made digital, its file written; and last GPS, which is in UTC."""
    details = _directory(exif, IFD.Exif)
    for date, fraction, offset in _FIELDS:
        if wall := _wall(_text(exif if date is Base.DateTime else details, date), _text(details, fraction)):
            yield _Told(wall, read_offset(_text(details, offset)) or zone, KnownBy.EXIF)
    if wall := _gps_wall(_directory(exif, IFD.GPSInfo)):
        yield _Told(wall, "+00:00", KnownBy.EXIF)


def _directory(exif: Image.Exif, which: IFD) -> Mapping[int, object]:
    with suppress(Exception):  # Pillow raises many types for damaged EXIF
        return exif.get_ifd(which)
    return {}


def _text(directory: Mapping[int, object], tag: int) -> str:
    """The text of a tag, without what fills it up; empty where there is none."""
    value: object = None
    with suppress(Exception):  # Pillow reads some tags only now
        value = directory.get(tag)
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    return text.strip(" \0") if isinstance(text, str) else ""


def _wall(date: str, fraction: str) -> datetime | None:
    """The time that EXIF writes as ``2026:11:28 18:02:05``; ``None`` for what is no time, such as zeros or blanks."""
    match = _WRITTEN.match(date)
    if not match:
        return None
    year, month, day, hour, minute, second = map(int, match.groups())
    digits = fraction[:6] if fraction.isascii() and fraction.isdigit() else ""
    with suppress(ValueError):
        return require_wall(datetime(year, month, day, hour, minute, second, int(digits.ljust(6, "0"))))
    return None


def _gps_wall(gps: Mapping[int, object]) -> datetime | None:
    """The time in UTC that EXIF has from GPS."""
    date, time = _DATE.match(_text(gps, GPS.GPSDateStamp)), gps.get(GPS.GPSTimeStamp)
    if not date or not isinstance(time, tuple) or len(time) != 3:
        return None
    with suppress(ValueError, TypeError, OverflowError, ZeroDivisionError):
        year, month, day = map(int, date.groups())
        hour, minute, second = map(float, time)
        if 0 <= hour < 24 and 0 <= minute < 60 and 0 <= second < 60:
            return require_wall(datetime(year, month, day)) + timedelta(hours=hour, minutes=minute, seconds=second)
    return None


def _file_instant(modified_ns: int, zone: str | None) -> Instant | None:
    with suppress(InputError):
        return Instant(modified_ns / 1e9, zone, KnownBy.FILE)
    return None


def _notes(told: _Told) -> Iterator[str]:
    first, second = readings(told.wall, told.zone)
    if first != second:
        yield TWICE if first < second else LEFT_OUT
    if _is_a_beginning(told.wall):
        yield NEVER_SET


def _is_a_beginning(wall: datetime) -> bool:
    return wall.year in _BEGINNINGS and (wall.month, wall.day) == (1, 1)
