"""The nouns that pass between the parts of Passerby: frozen, and validated where they are made."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path, PurePath
from typing import NewType

ModelDigest = NewType("ModelDigest", str)
"""SHA-256 of a model's manifest, which names the digests of its towers and tokenizer: 64 hexadecimal digits."""


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
        if not self.text.strip():
            raise ValueError("a caption needs words")


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
        if not all(map(math.isfinite, (self.x, self.y, self.width, self.height))) or self.width <= 0 or self.height <= 0:
            raise ValueError(f"a box needs finite numbers and a positive width and height, found {self}")


@dataclass(frozen=True, slots=True)
class Media:
    """A file as it was when it was read.

    Args:
        path: as indexed, absolute.
        size: bytes.
        modified_ns: modification time in nanoseconds.
        digest: SHA-256 of the bytes; equal bytes at two paths are two media and one embedding.
    """

    path: Path
    size: int
    modified_ns: int
    digest: str


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody in a media.

    Args:
        box: where; ``None`` says the whole picture.
        time: seconds from the start of a video; ``None`` in a photo.
        track: which of a video's tracks; ``None`` in a photo.
    """

    media: Media
    box: Box | None = None
    time: float | None = None
    track: int | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """An answer to a query.

    Args:
        rank: 1 for the best.
        score: cosine similarity in [-1, 1].
        probability: that this is who was described, in [0, 1]; ``None`` where the model's calibration does not say.
    """

    rank: int
    score: float
    person: Person
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """An input that could not be used, and why, in one line."""

    path: Path
    reason: str


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


@dataclass(frozen=True, slots=True)
class Dataset:
    """Records that can be used and problems that were found, in the dataset's order."""

    name: str
    records: tuple[Record, ...]
    problems: tuple[Problem, ...] = field(default=())
