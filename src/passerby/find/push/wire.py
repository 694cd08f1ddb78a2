"""What a device tells a centre, as bytes: records of JSON with the stored rows of people behind, checked strictly when they are read.

A batch is a run of records. Each has two lengths in four bytes each, big endian: of a JSON object, and of what follows it.
"""

from __future__ import annotations

import json
import os
import struct
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final, Self, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from passerby.devices import path_as_told
from passerby.errors import InputError
from passerby.index.info import IndexedModel
from passerby.index.sighting import Sighting
from passerby.media.clock import Camera, Instant, KnownBy, clock_time
from passerby.media.signature import LENGTH
from passerby.types import LATEST, Box, Crop, Media, MediaKind, ModelDigest, Person, Sought, Watched

FORMAT: Final = 1
"""Of records; a device and a centre that are of two versions say so to each other."""

LARGEST_BATCH: Final = 4 << 20
"""Bytes of a batch, but for a record that is larger by itself."""
THUMBNAIL: Final = (160, 320)
LARGEST_THUMBNAIL: Final = 1 << 16
_MOST_CROPS: Final = 64
_LONGEST: Final = 4096
_WHOLE: Final = 2**63 - 1
_LONGEST_MEDIA: Final = 10 * 366 * 86400.0
"""Seconds of a video, or of a camera's stretch."""
_HEAD: Final = struct.Struct(">II")
_UNIT: Final = 1e-3
_ID: Final = 64


@dataclass(frozen=True, slots=True)
class Forgotten:
    """A media that a device holds no more."""

    path: Path


@dataclass(frozen=True, slots=True)
class Told:
    """A media of a device, and people in it.

    Args:
        media: as the device has it.
        facts: a number that is another for other facts of the media.
        whole: whether people take the place of those who are there; else they come beside them.
        since, tally: of the people who are there before, and then; ``since`` is not looked at where they are whole.
    """

    media: Media
    facts: int
    whole: bool
    since: int
    tally: int
    people: tuple[Sighting, ...]


Record = Forgotten | Told


@dataclass(frozen=True, slots=True)
class About:
    """What a device says of itself before it pushes.

    Args:
        model: that made its index.
        index: that index, by its id.
        take_over: whether it is to take the place of another index that pushed under the same name.
        now: seconds since 1970, by its clock.
        cameras: that it knows, with how their clocks go.
    """

    model: IndexedModel
    index: str
    take_over: bool
    now: float
    cameras: tuple[Camera, ...]

    def to_json(self) -> dict[str, Any]:
        model = self.model
        return {
            "format": FORMAT,
            "model": [model.name, model.digest, model.dim, model.attributes],
            "index": self.index,
            "take_over": self.take_over,
            "now": self.now,
            "cameras": [[one.name, one.offset_seconds] for one in self.cameras],
        }

    @classmethod
    def read(cls, data: bytes) -> Self:
        """Raises ``InputError`` for anything that no device says."""
        match _json(data):
            case {
                "format": int(version),
                "model": [str(name), str(digest), int(dim), int(attributes)],
                "index": str(index),
                "take_over": bool(take_over),
                "now": now,
                "cameras": list(cameras),
            }:
                if version != FORMAT:
                    raise _refused(f"format {version}, where this centre knows {FORMAT}")
                if not 0 < len(index) <= _ID:
                    raise _refused("an id that cannot be")
                model = IndexedModel(_text(name, 200), ModelDigest(_text(digest, 64)), dim, attributes)
                return cls(model, index, take_over, _real(now, -_WHOLE, _WHOLE), tuple(map(_camera, cameras)))
        raise _refused("something else")


@dataclass(frozen=True, slots=True)
class Rows:
    """What the stored rows of a model are like.

    Args:
        dim: numbers of a vector.
        worn: bytes of what is worn.
    """

    dim: int
    worn: int


def stored_bytes(one: Sighting) -> int:
    """How many bytes the rows of somebody take, with their thumbnails."""
    rows = (one.vectors, one.signatures, one.worn)
    return sum(0 if row is None else row.nbytes for row in rows) + sum(len(picture or b"") for picture in one.pictures or ())


def encode(record: Record) -> bytes:
    """A record as bytes."""
    if isinstance(record, Forgotten):
        return _framed({"forget": str(record.path)}, b"")
    people = [_person_json(one) for one in record.people]
    facts = {"facts": record.facts, "whole": record.whole, "since": record.since, "tally": record.tally, "people": people}
    return _framed({"media": _media_json(record.media), **facts}, b"".join(map(_rows, record.people)))


def decode(batch: bytes, rows: Rows) -> Iterator[Record]:
    """The records of a batch. Raises ``InputError`` for anything that no device says."""
    left = memoryview(batch)
    while left:
        if len(left) < _HEAD.size:
            raise _refused(f"{len(left)} bytes behind the last record")
        head, behind = _HEAD.unpack_from(left)
        if len(left) < _HEAD.size + head + behind:
            raise _refused("a record that is cut short")
        said = left[_HEAD.size : _HEAD.size + head]
        stored = left[_HEAD.size + head : _HEAD.size + head + behind]
        yield _read(said, stored, rows)
        left = left[_HEAD.size + head + behind :]


def _framed(said: dict[str, Any], stored: bytes) -> bytes:
    text = json.dumps(said, separators=(",", ":"), allow_nan=False).encode()
    return _HEAD.pack(len(text), len(stored)) + text + stored


# -- what is told -----------------------------------------------------------------------------------------------------------------------


def _media_json(media: Media) -> dict[str, Any]:
    sought, watched = media.sought, media.watched
    at, zone = media.started_at, media.zone
    return {
        "path": str(path_as_told(media.path)),
        "size": media.size,
        "modified_ns": media.modified_ns,
        "digest": media.digest,
        "away_since": media.away_since,
        "kind": media.kind,
        "camera": media.camera,
        "started_at": at,
        "zone": _offset_here(at) if zone is None and at is not None else zone,
        "known_by": media.known_by,
        "sought": sought and [sought.detector, sought.size, sought.min_height, sought.smallest, sought.fps, sought.quick, sought.motion],
        "watched": watched and _watched_json(watched),
    }


def _watched_json(watched: Watched) -> list[Any]:
    return [watched.seconds, watched.broken, watched.cut_short_at, watched.clock_reset, watched.gaps, watched.still]


def _offset_here(at: float) -> str:
    """What the machine's zone says at an instant, for another machine, which may be in another zone."""
    offset = clock_time(at, None).strftime("%z")
    return f"{offset[:3]}:{offset[3:5]}"


def _person_json(one: Sighting) -> dict[str, Any]:
    return {
        "track": one.track,
        "first": one.first,
        "last": one.last,
        "static": one.static,
        "crops": [[_box_json(crop.box), crop.time, crop.quality] for crop in one.crops],
        "signed": one.signatures is not None,
        "worn": one.worn is not None,
        "thumbnails": [0 if picture is None else len(picture) for picture in one.pictures or [None] * len(one.crops)],
    }


def _box_json(box: Box | None) -> list[float] | None:
    return None if box is None else [box.x, box.y, box.width, box.height]


def _rows(one: Sighting) -> bytes:
    arrays = [np.ascontiguousarray(one.vectors, "<f4"), one.signatures, one.worn]
    return b"".join([*(rows.tobytes() for rows in arrays if rows is not None), *(picture or b"" for picture in one.pictures or ())])


# -- what is read -----------------------------------------------------------------------------------------------------------------------


def _read(said: memoryview, stored: memoryview, rows: Rows) -> Record:
    match _json(bytes(said)):
        case {"forget": path, **rest} if not rest and not stored:
            return Forgotten(_path(path))
        case {
            "media": dict(media),
            "facts": facts,
            "whole": bool(whole),
            "since": since,
            "tally": tally,
            "people": list(people),
            **rest,
        } if not rest:
            numbers = (_number(facts), whole, _number(since), _number(tally))
            told = Told(_media(media), *numbers, tuple(_people(people, stored, rows)))
            _require_end(told)
            return told
    raise _refused("a record of no known kind")


def _require_end(told: Told) -> None:
    """Nobody is seen after all instants that an index takes."""
    seconds = [at for one in told.people for at in (one.first, one.last, *(crop.time for crop in one.crops)) if at is not None]
    if told.media.started_at is not None and told.media.started_at + max(seconds, default=0.0) >= LATEST:
        raise _refused("a time that cannot be")


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise _refused("no JSON") from None


def _path(text: object) -> Path:
    path = Path(_text(text, _LONGEST))
    try:
        os.fsencode(path)
    except ValueError:
        raise _refused("a path that cannot be") from None
    if not path.is_absolute() or ".." in path.parts or "\0" in str(path) or str(path) != text or path == Path(path.anchor):
        raise _refused("a path that is not absolute, or leads elsewhere")
    return path


def _camera(value: object) -> Camera:
    match value:
        case [str(name), offset]:
            return Camera(_text(name, 200), _real(offset))
    raise _refused("a camera that is none")


def _media(said: dict[str, Any]) -> Media:
    match said:
        case {
            "path": path,
            "size": size,
            "modified_ns": modified_ns,
            "digest": digest,
            "away_since": away_since,
            "kind": kind,
            "camera": camera,
            "started_at": started_at,
            "zone": zone,
            "known_by": known_by,
            "sought": sought,
            "watched": watched,
            **rest,
        } if not rest and kind in list(MediaKind):
            at = None if started_at is None else _real(started_at)
            _require_clock(camera, zone, known_by, at)
            return Media(
                _path(path),
                _number(size),
                _number(modified_ns, -_WHOLE),
                digest,
                away_since=None if away_since is None else _number(away_since, 0, int(LATEST)),
                kind=MediaKind(kind),
                camera=camera,
                started_at=at,
                zone=zone,
                known_by=known_by,
                sought=_sought(sought),
                watched=_watched(watched),
            )
    raise _refused("a media that is none")


def _require_clock(camera: object, zone: object, known_by: object, started_at: object) -> None:
    if camera is not None:
        Camera(_text(camera, 200))
    if known_by is not None:
        if known_by not in list(KnownBy):
            raise _refused("a time that is known by nothing known")
        instant = Instant(cast(float, started_at), cast("str | None", zone), KnownBy(cast(str, known_by)))
        _require_zone(instant)
    elif zone is not None or started_at is not None:
        raise _refused("a time of which nothing says it")


def _require_zone(instant: Instant) -> None:
    try:
        clock_time(instant.at, instant.zone)
    except InputError:
        do = "upgrade tzdata at the centre, or correct the zone on the device"
        raise InputError(expected="a time zone that the centre knows", found=repr(instant.zone), do=do) from None


def _sought(said: Any) -> Sought | None:
    match said:
        case None:
            return None
        case [detector, int(size), min_height, smallest, fps, bool(quick), bool(motion)]:
            found = cast("ModelDigest | None", detector)
            return Sought(found, _number(size), _real(min_height), _real(smallest), _real(fps), quick, motion)
    raise _refused("a way of looking that is none")


def _watched(said: Any) -> Watched | None:
    match said:
        case None:
            return None
        case [seconds, broken, cut_short_at, bool(clock_reset), list(gaps), still]:
            read = (_seconds(seconds), _number(broken), _seconds_or_none(cut_short_at), clock_reset)
            return Watched(*read, tuple(map(_gap, gaps)), _number(still))
    raise _refused("a video that was not looked at")


def _gap(said: Any) -> tuple[float, float]:
    match said:
        case [start, end]:
            return _seconds(start), _seconds(end)
    raise _refused("a gap that is none")


def _people(people: Sequence[object], stored: memoryview, rows: Rows) -> Iterator[Sighting]:
    taken = _Taken(stored)
    for person in people:
        match person:
            case {
                "track": track,
                "first": first_at,
                "last": last_at,
                "static": bool(static),
                "crops": list(crops),
                "signed": bool(signed),
                "worn": bool(worn),
                "thumbnails": list(sizes),
                **rest,
            } if not rest and 0 < len(crops) == len(sizes) <= _MOST_CROPS:
                count = len(crops)
                vectors = taken.array(count, rows.dim, "<f4")
                if not np.isfinite(vectors).all() or abs(np.linalg.norm(vectors, axis=1) - 1).max() > _UNIT:
                    raise _refused("vectors whose length is not 1")
                first, last = _seconds_or_none(first_at), _seconds_or_none(last_at)
                Person(_NOBODY, None, None if track is None else _number(track), first, last)  # refuses what cannot be read back
                yield Sighting(
                    tuple(map(_crop, crops)),
                    vectors.astype(np.float32),
                    track,
                    first,
                    last,
                    taken.array(count, LENGTH, "u1") if signed else None,
                    taken.array(count, rows.worn, "u1") if worn else None,
                    static,
                    pictures=tuple(_thumbnail(taken, size) for size in sizes),
                )
            case _:
                raise _refused("a person who is none")
    if taken.left:
        raise _refused("more stored rows than people")


def _crop(said: Any) -> Crop:
    match said:
        case [None | [_, _, _, _] as box, time, quality]:
            judged = None if quality is None else _real(quality)
            return Crop(None if box is None else Box(*map(_real, box)), _seconds_or_none(time), judged)
    raise _refused("a crop that is none")


class _Taken:
    """Stored rows, from which a part after the other is taken."""

    def __init__(self, stored: memoryview) -> None:
        self.left = stored

    def take(self, size: int) -> bytes:
        if size > len(self.left):
            raise _refused("fewer stored rows than people")
        taken, self.left = bytes(self.left[:size]), self.left[size:]
        return taken

    def array(self, count: int, width: int, kind: str) -> NDArray[Any]:
        return np.frombuffer(self.take(count * width * np.dtype(kind).itemsize), kind).reshape(count, width)


def _thumbnail(taken: _Taken, size: object) -> bytes | None:
    if not _number(size, 0, LARGEST_THUMBNAIL):
        return None
    data = taken.take(cast(int, size))
    try:
        with Image.open(BytesIO(data), formats=("JPEG",)) as picture:
            fits = picture.width <= THUMBNAIL[0] and picture.height <= THUMBNAIL[1]
    except Exception:
        fits = False
    if not fits:
        raise _refused(f"a thumbnail that is no JPEG of at most {THUMBNAIL[0]} x {THUMBNAIL[1]} pixels")
    return data


def _number(value: object, least: int = 0, most: int = _WHOLE) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise _refused("a number that cannot be")
    return value


def _real(value: object, least: float = -sys.float_info.max, most: float = sys.float_info.max) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most:
        raise _refused("a number that cannot be")
    return float(value)


def _seconds(value: object) -> float:
    return _real(value, 0, _LONGEST_MEDIA)


def _seconds_or_none(value: object) -> float | None:
    return None if value is None else _seconds(value)


def _text(value: object, longest: int) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= longest:
        raise _refused(f"something other than a text of 1 to {longest} characters")
    return value


def _refused(found: str) -> InputError:
    return InputError(expected="what a device tells", found=found, do="push with the same version of Passerby as the centre's")


_NOBODY: Final = Media(Path("/"), 0, 0, "0" * 64)
