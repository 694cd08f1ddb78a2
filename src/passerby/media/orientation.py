"""Which way up a video's frames are stored, as the matrix says that its container or its codec has for whoever shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np

from passerby.media.frame import Pixels


class Orientation(NamedTuple):
    """What makes stored pixels upright, in this order; as a photo's EXIF orientation, one of eight.

    Args:
        transposed: their rows become columns.
        left_right, top_bottom: they are mirrored.
    """

    transposed: bool = False
    left_right: bool = False
    top_bottom: bool = False

    @classmethod
    def of(cls, matrix: Sequence[int]) -> Self:
        """The nearest to what a matrix does: a, b, u, c, d, … takes a stored (x, y) to (ax + cy, bx + dy)."""
        a, b, _, c, d = matrix[:5]
        if abs(a) + abs(d) < abs(b) + abs(c):
            return cls(True, left_right=c < 0, top_bottom=b < 0)
        return cls(False, left_right=a < 0, top_bottom=d < 0)

    def upright(self, pixels: Pixels) -> Pixels:
        """Pixels as they are to be looked at, in one piece."""
        turned = pixels.swapaxes(0, 1) if self.transposed else pixels
        return np.ascontiguousarray(turned[:: -1 if self.top_bottom else 1, :: -1 if self.left_right else 1])


AS_STORED = Orientation()
