"""Where in their media people are: what their embeddings are known by, and who was removed there."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from passerby.types import Box, Crop, Media, MediaKind

WHOLE_PICTURE: Final = "whole"
"""The region of a crop that is the whole picture."""

_TRACK: Final = "track"


Key = tuple[str, str]
"""What an embedding is known by: of what, and where in it."""


def key_of(media: Media, track: int | None, crop: Crop, vector: NDArray[np.float32]) -> Key:
    """The key of a crop's embedding. Bytes of a photo say all; other media grow, but what their track had at a time is as it was."""
    if media.kind is MediaKind.PHOTO:
        return media.digest, region_of(track, crop)
    made_of = hashlib.sha256(vector.tobytes()).hexdigest()
    return hashlib.sha256(os.fsencode(media.path)).hexdigest(), f"{region_of(track, crop)} {crop.time!r} {made_of}"


def region_of(track: int | None, crop: Crop) -> str:
    """Where in a media somebody is: their track or, in a photo, the box of their crop."""
    if track is not None:
        return f"{_TRACK} {track}"
    box = crop.box
    return WHOLE_PICTURE if box is None else " ".join(repr(float(number)) for number in (box.x, box.y, box.width, box.height))


def kept_out(regions: Sequence[str], removed: Iterable[str]) -> set[int]:
    """Which of the people in a media, by their regions, are those who were removed from it at other regions.

    Another detector draws other boxes, so who was removed is whoever is exactly there, else whoever's box is most like it. Whoever was
    removed as a whole picture is anybody in it, and a whole picture shows them all.
    """
    out = set[int]()
    for gone in removed:
        exactly = {n for n, region in enumerate(regions) if region == gone or WHOLE_PICTURE in (region, gone)}
        out |= exactly or _most_alike(regions, gone)
    return out


def _most_alike(regions: Sequence[str], gone: str) -> set[int]:
    if gone.startswith((_TRACK, WHOLE_PICTURE)):
        return set()
    box = _box_of(gone)
    overlaps = [(0.0 if region.startswith(_TRACK) else overlap(_box_of(region), box), n) for n, region in enumerate(regions)]
    best, nearest = max(overlaps, default=(0.0, 0))
    return {nearest} if best >= SAME_BOX else set()


def overlap(one: Box, other: Box) -> float:
    """Intersection over union."""
    across = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    down = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    common = max(across, 0.0) * max(down, 0.0)
    return common / (one.width * one.height + other.width * other.height - common)


SAME_BOX: Final = 0.5
"""Intersection over union, at least, of two detectors' boxes of one person."""


def _box_of(region: str) -> Box:
    return Box(*map(float, region.split()))


@dataclass(frozen=True, slots=True)
class Suppression:
    """Who is kept out of an index.

    Args:
        salt: of the digests.
        removed: of each digest the region and the person's id.
    """

    salt: str
    removed: Mapping[bytes, tuple[str, int]]
