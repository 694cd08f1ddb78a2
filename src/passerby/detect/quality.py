"""How well a crop shows somebody: sure, tall, whole, seen in full, of a person's shape, and sharp. Of photos and of videos alike."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

FULL_HEIGHT: Final = 128
"""Pixels from which a taller person shows no more."""
BORDER: Final = 2
"""Pixels from the edge of a frame within which a box is taken for cut off."""
SLIM: Final = 0.25
BROAD: Final = 0.6
"""Width by height of a whole person who stands or walks."""
_LOOKED_AT: Final = (48, 96)
"""Width and height in pixels at which sharpness is told."""
_HALF_SHARP: Final = 200.0
"""Variance of the Laplacian, in levels of grey, of a crop that is half as sharp as any can be."""


def qualities(boxes: NDArray[np.floating], scores: NDArray[np.floating], width: int, height: int) -> NDArray[np.float64]:
    """How well crops of one frame show their people: float64 (n,), in 0 to 1, before sharpness, which can only lower them.

    score · min(1, h / 128)^½ · ½ where the box meets the frame's edge · (1 − covered)² · how far the shape is a whole person's. Covered is
    the share that is behind people whose feet are lower, as if each hid it independently of the others.

    Args:
        boxes: (n, 4), edges x1, y1, x2, y2 in pixels of a frame of ``width`` by ``height``, each with an area: all people of the frame.
        scores: (n,), in 0 to 1.
    """
    edges = np.asarray(boxes, np.float64).reshape(-1, 4)
    sides = edges[:, 2:] - edges[:, :2]
    cut = (edges[:, :2] <= BORDER).any(axis=1) | (edges[:, 2:] >= np.array([width, height]) - BORDER).any(axis=1)
    shape = sides[:, 0] / sides[:, 1]
    aspect = np.minimum(1, np.minimum(shape / SLIM, BROAD / shape))
    tall = np.minimum(1, sides[:, 1] / FULL_HEIGHT) ** 0.5
    free: NDArray[np.float64] = np.asarray(scores, np.float64) * tall * np.where(cut, 0.5, 1) * (1 - covered(edges)) ** 2 * aspect
    return free


def sharpened(quality: float, sharpness: float) -> float:
    """The quality of a crop whose sharpness, in 0 to 1, was measured."""
    return float(quality * sharpness**0.25)


def covered(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of each box that boxes with lower feet cover, taken as independent: float64 (n,), in 0 to 1."""
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = (high - low).clip(min=0).prod(axis=-1) / (boxes[:, 2:] - boxes[:, :2]).prod(axis=-1)[:, None]
    nearer = boxes[None, :, 3] > boxes[:, None, 3]
    hidden: NDArray[np.float64] = 1 - (1 - np.where(nearer, shared, 0).clip(max=1)).prod(axis=1)
    return hidden


def sharpness(crop: Image.Image) -> float:
    """How sharp a crop is, from 0 to 1: by the variance of its Laplacian at a size that all crops are brought to."""
    grey = np.asarray(crop.convert("L").resize(_LOOKED_AT, Image.Resampling.BILINEAR), np.float32)
    around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    variance = float(np.var(around - 4 * grey[1:-1, 1:-1]))
    return variance / (variance + _HALF_SHARP)
