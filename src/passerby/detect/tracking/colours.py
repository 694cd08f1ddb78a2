"""What colours somebody wears, told in microseconds: enough to keep two people apart who pass each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from passerby.media.frame import Pixels

ABOVE: Final = (0.15, 0.45)
BELOW: Final = (0.55, 0.9)
"""Shares of the height of a box between which the clothes above and below the waist are."""
ACROSS: Final = (0.3, 0.7)
"""Shares of its width between which there is mostly the person."""
_LOOKED_AT: Final = 8
"""Pixels along each side of either part that are looked at."""

Colours = NDArray[np.float32]
"""Of the clothes above and below the waist, RGB each, in 0 to 1: float32 (n, 6)."""
BELIEVED: Final = 0.2
"""How much of the colours of a new box is believed; they change slowly, with the light."""


def worn_colours(pixels: Pixels, boxes: NDArray[np.floating]) -> Colours:
    """The mean colours of what each person wears.

    Args:
        pixels: uint8 (h, w, 3), RGB: the frame.
        boxes: (n, 4), edges x1, y1, x2, y2 in its pixels; what lies beyond it is taken from its edge.
    """
    height, width = pixels.shape[:2]
    left, top, right, bottom = np.asarray(boxes, np.float64).reshape(-1, 4).T[..., None]
    columns = (left + np.linspace(*ACROSS, _LOOKED_AT) * (right - left)).clip(0, width - 1).astype(np.intp)
    parts = []
    for part in (ABOVE, BELOW):
        rows = (top + np.linspace(*part, _LOOKED_AT) * (bottom - top)).clip(0, height - 1).astype(np.intp)
        parts.append(pixels[rows[:, :, None], columns[:, None, :]].mean(axis=(1, 2)))
    colours: Colours = (np.concatenate(parts, axis=1) / 255).astype(np.float32)
    return colours


def mixed(worn: Sequence[float], seen: Sequence[float]) -> list[float]:
    """The colours that somebody wears, after they were seen once more."""
    return [before + BELIEVED * (now - before) for before, now in zip(worn, seen, strict=True)]
