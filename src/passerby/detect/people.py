"""The people in a photo of any size: how they are looked for, whom that misses, and what is the crop of one person."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Final

import numpy as np
from PIL.Image import Image

from passerby.detect.detector import Detections, Detector
from passerby.detect.photos import MIN_HEIGHT, SIZE, tall
from passerby.inputs import require, wrong
from passerby.types import Sought

LARGER_SIZE: Final = 832
"""Pixels of the longer side of a large photo whose people are small."""
LARGEST_SIZE: Final = 4096
LARGE: Final = 2000
"""Pixels of the longer side beyond which a photo is large."""
COMFORTABLE: Final = 60
"""Pixels of height, as a detector looks at them, from which on it finds most people."""
SMALLEST: Final = 45
"""Pixels of height, as a detector looks at them, below which it misses most people."""
MOST: Final = 500
"""People that are taken from one photo."""

FILLS: Final = (0.6, 0.75)
"""Shares of a picture's width and height that somebody has at least who fills it: 98 of 100 in crops of CUHK-PEDES have more."""
LEAVES_ROOM: Final = (0.4, 0.6)
"""Shares below which a picture is no crop of somebody."""
NARROW: Final = 256
"""Pixels of width that a crop has at most in which nobody is found."""
UPRIGHT: Final = (1.5, 4.0)
"""Its height over its width."""
OF_SIZE: Final = 0.5
"""The share of the tallest one's height from which on somebody else is no passer-by in the background."""


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """Who was found in a photo.

    Args:
        found: in pixels of the photo, the surest first.
        sought: how they were looked for.
        left_out: people beyond ``MOST``.
        is_crop: whether the photo is a crop of one person: one fills it, and nobody else of size is there; or nobody is found in a
            picture of the size and shape that only crops have, whom this detector does not see.
        is_scene: whether it is clearly none, as the largest person leaves room in it.
    """

    found: Detections
    sought: Sought
    left_out: int
    is_crop: bool
    is_scene: bool


@dataclass(frozen=True, slots=True, eq=False)
class Detecting:
    """How people are looked for in photos.

    Args:
        detector: is looked with by several threads at once.
        size: what a photo's longer side is brought to, in pixels; 0 for ``SIZE``, and then ``LARGER_SIZE`` where :func:`second_size` says.
        min_height: people of fewer pixels of the photo are left out.

    Raises:
        InputError: a size or a height that cannot be.
    """

    detector: Detector
    size: int = 0
    min_height: float = MIN_HEIGHT

    def __post_init__(self) -> None:
        require(self.size, int, "a size in pixels, an int")
        if not 0 <= self.size <= LARGEST_SIZE:
            raise wrong(self.size, f"a size of 0 to {LARGEST_SIZE} pixels")
        if isinstance(self.min_height, bool) or not isinstance(self.min_height, int | float) or not 0 <= self.min_height < inf:
            raise wrong(self.min_height, "a height in pixels")

    def people(self, image: Image) -> People:
        """Who is in an upright RGB photo. Raises ``ModelError`` where the detector fails."""
        size = self.size or SIZE
        everybody = self._look(image, size)
        if not self.size and (again := second_size(everybody, max(image.size))):
            size, everybody = again, self._look(image, again)
        found = tall(everybody, self.min_height)
        smallest = max(float(self.min_height), SMALLEST * max(image.size) / size)
        sought = Sought(self.detector.digest, self.size, float(self.min_height), smallest)
        largest, alone = shares_of_largest(everybody, *image.size)
        fills = alone and exceeds(largest, FILLS)
        unseen = not len(everybody) and has_shape_of_crop(*image.size)
        taken = Detections(found.boxes[:MOST], found.scores[:MOST])
        return People(taken, sought, len(found) - len(taken), fills or unseen, len(everybody) > 0 and not exceeds(largest, LEAVES_ROOM))

    def is_current(self, sought: Sought) -> bool:
        """Whether people were looked for just so."""
        return sought.settings == Sought(self.detector.digest, self.size, float(self.min_height)).settings

    def _look(self, image: Image, size: int) -> Detections:
        """Large photos are made smaller first, by whole numbers, as that needs little time and memory, and never below twice the size."""
        small = image.reduce(factor) if (factor := max(image.size) // (2 * size)) > 1 else image
        found = self.detector.detect(np.asarray(small), size)
        scale = np.array([image.width / small.width, image.height / small.height] * 2, np.float32)
        return Detections((found.boxes * scale).astype(np.float32), found.scores)


def second_size(found: Detections, longer: int) -> int | None:
    """To what a photo whose longer side is ``longer`` is brought for a second look, after one at ``SIZE``; ``None`` for no second look.

    Only large photos are worth one, where nobody was found, or half of the people are so small that others like them were missed.
    """
    if longer <= LARGE:
        return None
    heights = (found.boxes[:, 3] - found.boxes[:, 1]) * (SIZE / longer)
    return LARGER_SIZE if not len(found) or np.median(heights) < COMFORTABLE else None


def has_shape_of_crop(width: int, height: int) -> bool:
    """Whether a picture is as narrow, and as much higher than wide, as crops are and photos are not."""
    return width <= NARROW and width * UPRIGHT[0] <= height <= width * UPRIGHT[1]


def shares_of_largest(found: Detections, width: int, height: int) -> tuple[tuple[float, float], bool]:
    """Which shares of a picture's width and height the largest person has, and whether nobody else of size is in it."""
    if not len(found):
        return (0.0, 0.0), True
    sides = found.boxes[:, 2:] - found.boxes[:, :2]
    largest = int(np.argmax(sides.prod(axis=1)))
    others = np.delete(sides[:, 1], largest)
    across, down = sides[largest].tolist()
    return (across / width, down / height), not np.any(others >= OF_SIZE * down)


def exceeds(shares: tuple[float, float], least: tuple[float, float]) -> bool:
    return shares[0] >= least[0] and shares[1] >= least[1]
