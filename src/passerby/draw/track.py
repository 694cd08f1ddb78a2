"""Somebody on the frames of a video: with an outline around them, or with everything but them made unrecognisable."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor, inf
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from passerby.inputs import wrong
from passerby.types import Box

Pixels = NDArray[np.uint8]
Edges = tuple[float, float, float, float]
"""Left, top, right and bottom, in pixels."""

SURE_BETWEEN: Final = 2.0
"""Somebody is taken to walk straight from one known place to the next if that is so many seconds later, or less."""
SURE_BESIDE: Final = 0.25
"""Somebody is taken to be where they are known to be, so many seconds before and after."""
_HOLD: Final = 1.0
"""Others are hidden so many seconds before they are first seen, and after they are last seen."""
_MARGIN: Final = 0.25
"""Of their height, by which boxes of others are grown to each side."""
_BLOCKS: Final = 12
"""Of a coarse picture, along its longer side."""
_STEP: Final = 32
"""Of the colours of a coarse picture."""
_THIN: Final = 240
"""Pixels of the picture's longer side for one of an outline's, which has two at least: video keeps colours of fours of pixels."""
_LIGHT: Final = (255, 214, 10)
_DARK: Final = (20, 20, 20)


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """Where somebody is known to be at some moments.

    Args:
        times: float64 (n,), ascending seconds since the video's start; at least one.
        boxes: left, top, right, bottom in pixels, float64 (n, 4).
        first, last: when they are seen for the first and the last time.
    """

    times: NDArray[np.float64]
    boxes: NDArray[np.float64]
    first: float
    last: float

    @classmethod
    def of(cls, places: Iterable[tuple[float, Box]], first: float | None = None, last: float | None = None) -> Track:
        """The track of boxes at times, in any order. Raises ``InputError`` for none."""
        known = sorted(places, key=lambda place: place[0])
        if not known:
            raise wrong(known, "at least one box and its time")
        times = np.array([time for time, _ in known])
        boxes = np.array([[box.x, box.y, box.x + box.width, box.y + box.height] for _, box in known])
        earliest, latest = float(times[0]), float(times[-1])
        return cls(times, boxes, earliest if first is None else min(first, earliest), latest if last is None else max(last, latest))

    def at(self, time: float, between: float = inf) -> Edges | None:
        """Where they are at a moment; ``None`` where that is not known.

        Args:
            between: places that are more seconds apart say nothing of what is between them, but close to either.
        """
        after = int(np.searchsorted(self.times, time))
        near = self.times[max(after - 1, 0) : after + 1]
        walks = len(near) == 2 and near[1] - near[0] <= between
        if not walks and np.abs(near - time).min() > SURE_BESIDE:
            return None
        left, top, right, bottom = (float(np.interp(time, self.times, edge)) for edge in self.boxes.T)
        return left, top, right, bottom

    def reach(self, time: float) -> Edges | None:
        """Where they may be at a moment: all between the places before and after, with a margin; ``None`` where they are not there."""
        if not self.first - _HOLD <= time <= self.last + _HOLD:
            return None
        after = int(np.searchsorted(self.times, time))
        near = self.boxes[max(after - 1, 0) : after + 1]
        left, top = near[:, :2].min(axis=0)
        right, bottom = near[:, 2:].max(axis=0)
        margin = _MARGIN * float((near[:, 3] - near[:, 1]).max())
        return left - margin, top - margin, right + margin, bottom + margin


def outlined(pixels: Pixels, track: Track, time: float) -> Pixels:
    """A frame with an outline around somebody, as it is where their place is not known: uint8 (h, w, 3), a copy."""
    drawn = pixels.copy()
    if edges := track.at(time):
        thin = max(2, round(max(pixels.shape[:2]) / _THIN))
        for grown, colour in ((2 * thin, _DARK), (thin, _LIGHT)):  # a light line with a dark edge, to be seen on any ground
            left, top, right, bottom = _within((edges[0] - grown, edges[1] - grown, edges[2] + grown, edges[3] + grown), pixels)
            for rows, columns in (
                (slice(top, top + thin), slice(left, right)),
                (slice(max(bottom - thin, top), bottom), slice(left, right)),
                (slice(top, bottom), slice(left, left + thin)),
                (slice(top, bottom), slice(max(right - thin, left), right)),
            ):
                drawn[rows, columns] = colour
    return drawn


def alone(pixels: Pixels, track: Track, others: Sequence[Track], time: float) -> Pixels:
    """A frame of which only somebody's box can be recognised, without what others cover of it: uint8 (h, w, 3), a copy.

    Everything else is hidden, not only the boxes of others. A detector misses people, an index keeps at most four boxes of each, and
    people who were deleted from it are unknown: whoever is hidden by their box alone shows their face in the frames between. Where
    somebody's own place is not known the whole frame is hidden, too.

    What is hidden is a mosaic of at most 12 blocks along the longer side, in eight shades of each colour. That cannot be undone.
    """
    shown = np.zeros(pixels.shape[:2], np.bool_)
    if edges := track.at(time, SURE_BETWEEN):
        shown[_area(edges, pixels)] = True
        for other in others:
            if reach := other.reach(time):
                shown[_area(reach, pixels)] = False
    return np.where(shown[..., None], pixels, coarse(pixels))


def coarse(pixels: Pixels) -> Pixels:
    """A mosaic of a picture that nobody can be recognised in: uint8 (h, w, 3)."""
    height, width = pixels.shape[:2]
    block = ceil(max(height, width) / _BLOCKS)
    means = np.asarray(Image.fromarray(pixels).reduce(block))
    shades = means // _STEP * _STEP + _STEP // 2
    return shades.repeat(block, axis=0).repeat(block, axis=1)[:height, :width]


def _area(edges: Edges, pixels: Pixels) -> tuple[slice, slice]:
    left, top, right, bottom = _within(edges, pixels)
    return slice(top, bottom), slice(left, right)


def _within(edges: Edges, pixels: Pixels) -> tuple[int, int, int, int]:
    """Whole pixels that a box touches, within the picture."""
    height, width = pixels.shape[:2]
    left, top, right, bottom = edges
    return max(0, floor(left)), max(0, floor(top)), max(0, min(width, ceil(right))), max(0, min(height, ceil(bottom)))
