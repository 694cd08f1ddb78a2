"""The nouns that pass between the parts of Passerby: frozen, and validated where they are made.

Whatever cannot be, such as rank 0, raises ``InputError``, which is a ``ValueError`` too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from math import inf
from pathlib import Path, PurePath
from sys import float_info
from types import UnionType
from typing import Any, Final, NewType

from passerby.devices import device_and_path
from passerby.inputs import wrong

ModelDigest = NewType("ModelDigest", str)
"""SHA-256 of a model's manifest, which names the digests of its towers and tokenizer: 64 hexadecimal digits."""


ROUNDING: Final = 1e-4
"""How far above 1 the cosine of two float32 vectors of length 1 may come out."""

FIRST_YEAR: Final = 1000
LAST_YEAR: Final = 8999
EARLIEST: Final = datetime(FIRST_YEAR - 1, 12, 31, tzinfo=UTC).timestamp()
LATEST: Final = datetime(LAST_YEAR + 1, 1, 2, tzinfo=UTC).timestamp()
"""Bounds of instants, in seconds since 1970: of these years in any zone."""

_SHA256: Final = re.compile(r"[0-9a-f]{64}")


class Split(StrEnum):
    TRAIN = "train"
    VAL = "val"
    TEST = "test"


class Precision(StrEnum):
    """What a model computes in when not in float32."""

    FP16 = "fp16"
    INT8 = "int8"


class Origin(StrEnum):
    """Where a caption comes from, best first."""

    OWN = "own"
    """Written by a person for this very picture."""
    PARAPHRASE = "paraphrase"
    """A rewording of a caption of some picture of the same person."""
    DENSE = "dense"
    """A long machine-written description of the same person."""


@dataclass(frozen=True, slots=True)
class Caption:
    text: str
    origin: Origin = Origin.OWN

    def __post_init__(self) -> None:
        _require(isinstance(self.text, str) and self.text.strip() != "", "a caption of words", self.text)
        _require(isinstance(self.origin, Origin), "an Origin", self.origin)


@dataclass(frozen=True, slots=True)
class Record:
    """A picture of a person and what was said of it.

    Args:
        path: the file, absolute.
        name: the path as the dataset writes it, or the absolute one of a picture that lies elsewhere; unique within a dataset.
        identity: who it is; pictures of one person share it.
        split: the part of the dataset it belongs to.
        captions: may be empty for pictures without words.
    """

    path: Path
    name: str
    identity: str
    split: Split
    captions: tuple[Caption, ...] = ()

    def __post_init__(self) -> None:
        _require(isinstance(self.path, Path), "a record's path, a Path", self.path)
        _require(isinstance(self.name, str), "a record's name, a str", self.name)
        _require(isinstance(self.identity, str), "a record's identity, a str", self.identity)
        _require(isinstance(self.split, Split), "a Split", self.split)
        _require(is_tuple_of(Caption, self.captions), "a tuple of captions", self.captions)

    @property
    def source(self) -> str:
        """The first folder of its name, or, of a picture that lies elsewhere, the folder it is in; empty where there is none."""
        if PurePath(self.name).is_absolute():
            return self.path.parent.name
        folder, _, rest = self.name.partition("/")
        return folder if rest else ""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels of its picture, (0, 0) at the top left."""

    x: float
    y: float
    width: float
    height: float

    def __post_init__(self) -> None:
        finite = all(_is_number(value, -inf, inf) for value in (self.x, self.y, self.width, self.height))
        _require(finite and self.width > 0 and self.height > 0, "a box of finite numbers with a positive width and height", self)

    @classmethod
    def read(cls, text: str) -> Box:
        """A box as people type it: left, top, width and height, with commas between them. Raises ``InputError``."""
        try:
            return cls(*map(float, text.split(",")))
        except (ValueError, TypeError):  # InputError too
            raise wrong(text, "a box as left,top,width,height in pixels", "correct the box") from None

    @property
    def text(self) -> str:
        """The same, the other way round."""
        return ",".join(f"{number:g}" for number in (self.x, self.y, self.width, self.height))


@dataclass(frozen=True, slots=True)
class Sought:
    """How people were looked for in a media; without a detector nobody was looked for, as it is a crop of one person.

    Args:
        detector: its digest.
        size: what the longer side was to be brought to for the detector, in pixels; 0 lets the media say.
        min_height: of people who were taken, in pixels of the media.
        smallest: people of less height are mostly missed, in pixels of the media.
        fps: frames of a video that were to be looked at each second; 0 of a photo.
        quick: whether keyframes were to be enough, where they come each second.
        motion: whether frames of a video in which nothing moves were to be skipped.
    """

    detector: ModelDigest | None = None
    size: int = 0
    min_height: float = 0.0
    smallest: float = 0.0
    fps: float = 0.0
    quick: bool = False
    motion: bool = False

    def __post_init__(self) -> None:
        _require(self.detector is None or _is_sha256(self.detector), "a SHA-256 in hexadecimal or None", self.detector)
        _require(_is_integer(self.size) and self.size >= 0, "a size in pixels", self.size)
        for height in (self.min_height, self.smallest):
            _require(_is_number(height, 0, inf), "a height in pixels", height)
        _require(_is_number(self.fps, 0, inf), "frames a second", self.fps)

    @property
    def settings(self) -> tuple[ModelDigest | None, int, float, float, bool, bool]:
        """What it depends on whom a detector finds."""
        return self.detector, self.size, self.min_height, self.fps, self.quick, self.motion


@dataclass(frozen=True, slots=True)
class Watched:
    """How much of a video was looked at.

    Args:
        seconds: from its start to the end of the last frame.
        broken: frames or stretches that could not be decoded.
        cut_short_at: where the file ends, in seconds, if it says that it is longer.
        clock_reset: whether its stamps jump back, so that seeks may lead elsewhere.
        gaps: from and to which second nothing could be read, rising.
        still: frames that were not looked at, as nothing had moved.
    """

    seconds: float = 0.0
    broken: int = 0
    cut_short_at: float | None = None
    clock_reset: bool = False
    gaps: tuple[tuple[float, float], ...] = ()
    still: int = 0

    def __post_init__(self) -> None:
        _require(_is_number(self.seconds, 0, inf), "seconds of at least 0", self.seconds)
        _require(self.cut_short_at is None or _is_number(self.cut_short_at, 0, inf), "seconds of at least 0 or None", self.cut_short_at)
        _require(_is_integer(self.broken) and self.broken >= 0, "a number of stretches", self.broken)
        for start, end in self.gaps:
            _require(_is_number(start, 0, inf) and _is_number(end, start, inf), "gaps from and to a second", (start, end))


class MediaKind(StrEnum):
    """What people are seen in."""

    PHOTO = "photo"
    VIDEO = "video"
    CAMERA = "camera"


@dataclass(frozen=True, slots=True)
class Media:
    """A photo, a video or a camera, as it was when it was read.

    Args:
        path: as indexed, absolute; of a camera its name and, below it, when the stretch of it began: no file.
        size: bytes.
        modified_ns: modification time in nanoseconds.
        digest: SHA-256 of the bytes, of a video that of :class:`passerby.media.growing.ChunkedDigest`; equal bytes at two paths are two
            media and, of photos, one embedding. Empty of a camera, which has none.
        changed_ns: status change time in nanoseconds; ``None`` where an older version indexed it.
        device: the number of the device it was last seen on; ``None`` likewise.
        away_since: when it could not be seen for the first time, in seconds since 1970; ``None`` if it was there when last looked for.
        camera: what took it, by its name; ``None`` where nobody said.
        started_at: when it was taken or begun, in seconds since 1970; ``None`` where that is not known.
        zone: in which its clock told the time; ``None`` says the machine's.
        known_by: what says when it was taken; ``None`` where nothing does.
        sought: how people were looked for in it; ``None`` where that was never asked, and it was taken whole.
        watched: how much of a video was looked at; ``None`` of a photo.
    """

    path: Path
    size: int
    modified_ns: int
    digest: str
    changed_ns: int | None = None
    device: int | None = None
    away_since: int | None = None
    kind: MediaKind = MediaKind.PHOTO
    camera: str | None = None
    started_at: float | None = None
    zone: str | None = None
    known_by: str | None = None
    sought: Sought | None = None
    watched: Watched | None = None

    def __post_init__(self) -> None:
        _require(isinstance(self.path, Path), "a media's path, a Path", self.path)
        _require(_is_integer(self.size) and self.size >= 0, "a size in bytes", self.size)
        _require(_is_integer(self.modified_ns), "a time in whole nanoseconds", self.modified_ns)
        _require(isinstance(self.kind, MediaKind), "a MediaKind", self.kind)
        has_none = self.kind is MediaKind.CAMERA and self.digest == ""
        _require(has_none or _is_sha256(self.digest), "a SHA-256 in hexadecimal", self.digest)
        within = self.started_at is None or (_is_number(self.started_at, EARLIEST, LATEST) and self.started_at < LATEST)
        _require(within, f"seconds since 1970 of the years {FIRST_YEAR} to {LAST_YEAR}, or None", self.started_at)
        for text in (self.camera, self.zone, self.known_by):
            _require(text is None or (isinstance(text, str) and text != ""), "a text or None", text)
        _require(self.sought is None or isinstance(self.sought, Sought), "a Sought or None", self.sought)
        _require(self.watched is None or isinstance(self.watched, Watched), "a Watched or None", self.watched)

    @property
    def pushed_by(self) -> str | None:
        """The device that pushed it here, by its name; ``None`` of what this machine indexed itself."""
        return device_and_path(self.path)[0]

    @property
    def has_file(self) -> bool:
        """Whether it is a file of this machine, which can be looked at again: no live camera, and not pushed."""
        return self.kind is not MediaKind.CAMERA and self.pushed_by is None

    @property
    def own_path(self) -> Path:
        """Its path on the machine that indexed it."""
        return device_and_path(self.path)[1]


@dataclass(frozen=True, slots=True)
class Crop:
    """A picture of a person.

    Args:
        box: where; ``None`` says the whole picture.
        time: seconds from the start of a video; ``None`` in a photo.
        quality: how good a picture of them it is, higher for better; ``None`` where nobody judged.
        number: its place among the crops of its person, as an index has them; equal crops may have another.
        kept: reads the JPEG of it that an index keeps, where its media has no file here; ``None`` otherwise. Raises ``ImageError`` where it
            keeps none.
    """

    box: Box | None = None
    time: float | None = None
    quality: float | None = None
    number: int = field(default=0, compare=False)
    kept: Callable[[], bytes] | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        _require(self.box is None or isinstance(self.box, Box), "a Box or None", self.box)
        _require(self.time is None or _is_number(self.time, 0, inf), "seconds of at least 0 or None", self.time)
        _require(self.quality is None or _is_number(self.quality, -inf, inf), "a quality, a number, or None", self.quality)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody in a media: in a photo one detection, in a video one track.

    Args:
        id: as an index gave it, to nobody else before or after; ``None`` outside of an index.
        track: which of a video's tracks; ``None`` in a photo.
        first, last: when they are seen for the first and the last time, in seconds from the start of a video; ``None`` in a photo.
        static: whether it is rather a thing that looks like a person and never moves.
    """

    media: Media
    id: int | None = None
    track: int | None = None
    first: float | None = None
    last: float | None = None
    static: bool = False

    def __post_init__(self) -> None:
        _require(isinstance(self.media, Media), "a Media", self.media)
        _require(self.id is None or (_is_integer(self.id) and self.id >= 1), "an id of at least 1 or None", self.id)
        _require(self.track is None or (_is_integer(self.track) and self.track >= 0), "a track of at least 0 or None", self.track)
        _require(self.first is None or _is_number(self.first, 0, inf), "seconds of at least 0 or None", self.first)
        _require(self.last is None or _is_number(self.last, self.first or 0, inf), "seconds not before the first or None", self.last)


FITS: Final = 0.75
DOUBTFUL: Final = 0.5
"""A part fits somebody who is above so much of the index, and is doubtful in one that is not above so much."""
PROBABLE: Final = 0.5
IMPROBABLE: Final = 0.3
"""Where a model says how likely it is, a part fits somebody from here on, and is doubtful below there."""


@dataclass(frozen=True, slots=True)
class Fit:
    """How well somebody fits a part of the question.

    Args:
        phrase: as ``red jacket`` or ``no hat``.
        above: the share of the index that fits it less well, in [0, 1]; ``None`` where there is a probability.
        probability: that it is so, in [0, 1], of a model that says what is worn; ``None`` where there is a share.
    """

    phrase: str
    above: float | None = None
    probability: float | None = None

    def __post_init__(self) -> None:
        _require(isinstance(self.phrase, str), "a phrase, a str", self.phrase)
        _require(self.above is None or _is_share(self.above), "a share in [0, 1] or None", self.above)
        _require(self.probability is None or _is_share(self.probability), "a probability in [0, 1] or None", self.probability)
        _require((self.above is None) != (self.probability is None), "a share or a probability", (self.above, self.probability))

    @property
    def fits(self) -> bool:
        return self.above >= FITS if self.above is not None else self.probability is not None and self.probability >= PROBABLE

    @property
    def doubtful(self) -> bool:
        return self.above < DOUBTFUL if self.above is not None else self.probability is not None and self.probability < IMPROBABLE

    def to_json(self) -> dict[str, Any]:
        """Ready for ``json.dumps``."""
        return {"phrase": self.phrase, "above": self.above, "probability": self.probability}


@dataclass(frozen=True, slots=True)
class Hit:
    """Somebody who was found.

    Args:
        rank: 1 for the best.
        score: cosine similarity of their best crop, in [-1, 1], less what is taken off it for what they probably do not wear; 1 at most.
        probability: that this is who was described, in [0, 1]; ``None`` where the model's calibration does not say.
        crop: the picture of them that is most like the query.
        fits: how well each thing that the question names fits; empty where it names none, or the index is small.
        copies: the ids of others who share their place, as their pictures are near-copies of this one.
        clock: what a clock that goes right showed when the crop was taken, with the offset of its zone; ``None`` where not known.
        beside: who is near, where that was asked for.
        together: the probability that both are who was described, in [0, 1]; ``None`` where nobody is asked for beside.
    """

    rank: int
    score: float
    person: Person
    probability: float | None = None
    crop: Crop = field(default_factory=Crop)
    fits: tuple[Fit, ...] = ()
    copies: tuple[int, ...] = ()
    clock: datetime | None = None
    beside: Hit | None = None
    together: float | None = None

    def __post_init__(self) -> None:
        _require(_is_integer(self.rank) and self.rank >= 1, "a rank of at least 1", self.rank)
        _require(_is_number(self.score, -inf, 1 + ROUNDING), "a score of at most 1", self.score)
        _require(isinstance(self.person, Person), "a Person", self.person)
        _require(self.probability is None or _is_number(self.probability, 0, 1), "a probability in [0, 1] or None", self.probability)
        _require(isinstance(self.crop, Crop), "a Crop", self.crop)
        _require(is_tuple_of(Fit, self.fits), "a tuple of fits", self.fits)
        _require(is_tuple_of(int, self.copies), "a tuple of ids", self.copies)
        aware = isinstance(self.clock, datetime) and self.clock.tzinfo is not None
        _require(self.together is None or _is_number(self.together, 0, 1), "a probability in [0, 1] or None", self.together)
        _require(self.clock is None or aware, "a time with its offset or None", self.clock)

    @property
    def alike(self) -> int:
        """How many others share their place."""
        return len(self.copies)

    def to_json(self) -> dict[str, Any]:
        """Ready for ``json.dumps``."""
        person, box = self.person, self.crop.box
        return {
            "rank": self.rank,
            "person": person.id,
            "score": self.score,
            "probability": self.probability,
            "path": str(person.media.own_path),
            "device": person.media.pushed_by,
            "away": utc(person.media.away_since),
            "box": box and [box.x, box.y, box.width, box.height],
            "quality": self.crop.quality,
            "time": self.crop.time,
            "clock": self.clock and self.clock.isoformat(timespec="seconds"),
            "camera": person.media.camera,
            "time_known_by": person.media.known_by,
            "track": person.track,
            "first": person.first,
            "last": person.last,
            "static": person.static,
            "alike": self.alike,
            "copies": list(self.copies),
            "phrases": [fit.to_json() for fit in self.fits],
            "together": self.together,
            "with_person": self.beside and self.beside.to_json(),
        }


@dataclass(frozen=True, slots=True)
class Failure:
    """An input that could not be used, and why, in one line."""

    path: Path
    reason: str

    def __post_init__(self) -> None:
        _require(isinstance(self.path, Path), "a failure's path, a Path", self.path)
        _require(isinstance(self.reason, str) and self.reason != "", "a reason in words", self.reason)


@dataclass(frozen=True, slots=True)
class Note:
    """An input that was used, and what had to be guessed of it, in words that others may share."""

    path: Path
    note: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with a record of a dataset: which one, and what."""

    record: str
    reason: str

    def __post_init__(self) -> None:
        _require(isinstance(self.record, str), "a record's name, a str", self.record)
        _require(isinstance(self.reason, str) and self.reason != "", "a reason in words", self.reason)


@dataclass(frozen=True, slots=True)
class Dataset:
    """Records that can be used and problems that were found, in the dataset's order."""

    name: str
    records: tuple[Record, ...]
    problems: tuple[Problem, ...] = field(default=())

    def __post_init__(self) -> None:
        _require(isinstance(self.name, str), "a dataset's name, a str", self.name)
        _require(is_tuple_of(Record, self.records), "a tuple of records", self.records)
        _require(is_tuple_of(Problem, self.problems), "a tuple of problems", self.problems)


def utc(seconds: int | None) -> str | None:
    """A moment in seconds since 1970 as ISO 8601 has it."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _require(holds: bool, expected: str, found: object) -> None:
    if not holds:
        raise wrong(found, expected, "correct the value")


def _is_sha256(value: object) -> bool:
    return isinstance(value, str) and _SHA256.fullmatch(value) is not None


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object, least: float, most: float) -> bool:
    """Whether a value is a number within two others, and one that a float can be."""
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most and abs(value) <= float_info.max


def _is_share(value: object) -> bool:
    return isinstance(value, float) and 0 <= value <= 1


def is_tuple_of(kind: type | UnionType, values: object) -> bool:
    """Whether this is a tuple, and of nothing else."""
    return isinstance(values, tuple) and all(isinstance(value, kind) for value in values)


CROP: Final = Sought()
"""Of a photo that shows one person, and is taken whole."""
