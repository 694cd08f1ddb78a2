"""How good a picture of somebody a crop is: sure, large, whole, seen in full, upright and sharp, each as a factor from 0 to 1."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from passerby.detect.boxes import Boxes, areas, shared

TALL: Final = 128.0
"""Pixels of height from which on a crop is not better for being larger."""
BORDER: Final = 2.0
"""Pixels from the picture's border within which a box is taken as cut by it."""
UPRIGHT: Final = (1.8, 4.5)
"""Height over width of somebody who stands or walks."""
_LOOKED_AT: Final = (48, 96)
"""Width and height in pixels at which sharpness is told."""
_HALF_SHARP: Final = 200.0
"""Variance of the Laplacian, in levels of grey, at which a crop is half as sharp as any can be."""

Factors = NDArray[np.float32]


def quality(boxes: Boxes, scores: Factors, sharp: Factors, width: int, height: int) -> Factors:
    """How good the crop of each of n people in a picture is, float32 ``(n,)`` from 0 to 1.

    Args:
        boxes: float32 ``(n, 4)`` of everybody in the picture, who may hide each other.
        scores: how sure the detector is of each, float32 ``(n,)``.
        sharp: as :func:`sharpness` gives it of each, float32 ``(n,)``.
        width, height: of the picture.
    """
    sides = (boxes[:, 2:] - boxes[:, :2]).clip(min=1e-6)
    large = np.sqrt(np.minimum(1, sides[:, 1] / TALL))
    whole = np.where(is_cut(boxes, width, height), 0.5, 1.0)
    aspect = sides[:, 1] / sides[:, 0]
    upright = np.minimum(1, np.minimum(aspect / UPRIGHT[0], UPRIGHT[1] / aspect))
    worth: Factors = (scores * large * whole * (1 - hidden(boxes)) ** 2 * upright * sharp**0.25).clip(0, 1).astype(np.float32)
    return worth


def is_cut(boxes: Boxes, width: int, height: int) -> NDArray[np.bool_]:
    """Whose box ends at the border of a picture, bool ``(n,)``."""
    cut: NDArray[np.bool_] = np.any(boxes[:, :2] < BORDER, axis=1) | np.any(boxes[:, 2:] > np.array([width, height]) - BORDER, axis=1)
    return cut


def hidden(boxes: Boxes) -> Factors:
    """What share of each box others cover that stand before it, as their feet are lower: float32 ``(n,)`` from 0 to 1."""
    before = boxes[None, :, 3] > boxes[:, None, 3]
    covered: Factors = np.sum(shared(boxes, boxes) * before, axis=1) / np.maximum(areas(boxes), 1e-6)
    return covered.clip(max=1)


def sharpness(crop: Image.Image) -> float:
    """How sharp a crop is, from 0 to 1: by the variance of its Laplacian at a size that all crops are brought to."""
    grey = np.asarray(crop.convert("L").resize(_LOOKED_AT, Image.Resampling.BILINEAR), np.float32)
    inner = grey[1:-1, 1:-1]
    variance = float(np.var(grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * inner))
    return variance / (variance + _HALF_SHARP)
