"""What a dataset consists of: splits, people, pictures, captions, and where the pictures come from."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

import numpy as np

from passerby.report.distribution import Distribution, distribution, percent
from passerby.types import Origin, Record, Split

MOST_SOURCES: Final = 50
"""More folders than these are one for each person, not places that pictures come from."""

_CAMERA: Final = re.compile(r"(?:^|[_-])c(?:am)?_?(\d{1,3})(?=s\d|[_-]|$)", re.IGNORECASE)
"""``0042_c3s1_001051_00`` (Market-1501, DukeMTMC), ``0000_c14_0031`` (RSTPReid)."""

_CAMERA_MSMT17: Final = re.compile(r"^\d{4}_\d{3}_(\d{2})_\d{4}(?:morning|noon|afternoon)")
"""``0000_000_01_0303morning_0015_0`` (MSMT17, whose pictures ICFG-PEDES shows)."""

_FEW: Final = np.arange(0.5, 31)
"""Edges around the whole numbers 1 to 30."""
_FEW_OR_NONE: Final = np.arange(-0.5, 21)


@dataclass(frozen=True, slots=True)
class Part:
    """How much there is in a split, or in all."""

    identities: int
    images: int
    captions: int
    images_without_captions: int


@dataclass(frozen=True, slots=True)
class Shape:
    """What a dataset consists of.

    Args:
        identities_with_one_image, one_image_percent: people who are seen once, and their part of all people.
        identities_in_several_splits: people who are both learned from and measured on.
        origins: captions by where they come from (`passerby.types.Origin`).
        sources: pictures by the first folder of their path; empty where there is a folder for each person.
        cameras: pictures by the camera that their file names tell.
        images_without_camera: pictures whose names tell none.
        cameras_per_identity: of people with such names.
    """

    total: Part
    splits: Mapping[str, Part]
    images_per_identity: Distribution | None
    captions_per_image: Distribution | None
    identities_with_one_image: int
    one_image_percent: float
    identities_in_several_splits: int
    origins: Mapping[str, int]
    sources: Mapping[str, int]
    cameras: Mapping[str, int]
    images_without_camera: int
    cameras_per_identity: Distribution | None


def shape_of(records: Sequence[Record]) -> Shape:
    """Count the records; pictures are not opened."""
    images = Counter(record.identity for record in records)
    splits_of: dict[str, set[Split]] = defaultdict(set)
    cameras_of: dict[str, set[str]] = defaultdict(set)
    cameras: Counter[str] = Counter()
    for record in records:
        splits_of[record.identity].add(record.split)
        if camera := camera_of(record.name):
            cameras[camera] += 1
            cameras_of[record.identity].add(camera)
    once = sum(count == 1 for count in images.values())
    return Shape(
        total=_part(records),
        splits={split.value: part for split in Split if (part := _part([r for r in records if r.split is split])).images},
        images_per_identity=distribution(list(images.values()), _FEW),
        captions_per_image=distribution([len(record.captions) for record in records], _FEW_OR_NONE),
        identities_with_one_image=once,
        one_image_percent=percent(once, len(images)),
        identities_in_several_splits=sum(len(splits) > 1 for splits in splits_of.values()),
        origins=_origins(records),
        sources=_sources(records),
        cameras=dict(sorted(cameras.items(), key=lambda item: int(item[0]))),
        images_without_camera=len(records) - cameras.total(),
        cameras_per_identity=distribution([len(seen) for seen in cameras_of.values()], _FEW),
    )


def camera_of(name: str) -> str | None:
    """The number of the camera, by the custom of the field's file names; ``None`` where a name does not follow it."""
    stem = PurePosixPath(name).stem
    found = _CAMERA_MSMT17.match(stem) or _CAMERA.search(stem)
    return str(int(found[1])) if found else None


def _part(records: Sequence[Record]) -> Part:
    return Part(
        identities=len({record.identity for record in records}),
        images=len(records),
        captions=sum(len(record.captions) for record in records),
        images_without_captions=sum(not record.captions for record in records),
    )


def _origins(records: Iterable[Record]) -> dict[str, int]:
    counts = Counter(caption.origin for record in records for caption in record.captions)
    return {origin.value: counts[origin] for origin in Origin if counts[origin]}


def _sources(records: Iterable[Record]) -> dict[str, int]:
    counts = Counter(record.source or "." for record in records)
    return dict(counts.most_common()) if len(counts) <= MOST_SOURCES else {}
