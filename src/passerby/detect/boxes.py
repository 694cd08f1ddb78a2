"""Boxes as arrays: float32 ``(n, 4)``, left, top, right and bottom in pixels, origin at the top left."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from passerby.types import Box

Boxes = NDArray[np.float32]


def areas(boxes: Boxes) -> NDArray[np.float32]:
    """Square pixels of each box, float32 ``(n,)``; 0 for a box that is turned inside out."""
    sides = (boxes[:, 2:] - boxes[:, :2]).clip(min=0)
    area: NDArray[np.float32] = sides[:, 0] * sides[:, 1]
    return area


def shared(a: Boxes, b: Boxes) -> NDArray[np.float32]:
    """Square pixels that each of n boxes shares with each of m, float32 ``(n, m)``."""
    sides = (np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])).clip(min=0)
    area: NDArray[np.float32] = sides[..., 0] * sides[..., 1]
    return area


def iou(a: Boxes, b: Boxes) -> NDArray[np.float32]:
    """Intersection over union of each of n boxes with each of m, float32 ``(n, m)``; 0 where both are empty."""
    common = shared(a, b)
    union = areas(a)[:, None] + areas(b)[None] - common
    overlap: NDArray[np.float32] = common / np.maximum(union, np.finfo(np.float32).tiny)
    return overlap


def suppress(boxes: Boxes, scores: NDArray[np.float32], overlap: float) -> NDArray[np.intp]:
    """Greedy non-maximum suppression: who stays, best first.

    A box goes that shares more than ``overlap``, by intersection over union, with a better one that stays.

    Args:
        boxes: float32 ``(n, 4)``.
        scores: float32 ``(n,)``; of equal ones the earlier counts as better.
        overlap: from 0 to 1.

    Returns:
        Rows that stay, int ``(k,)``.
    """
    left = np.argsort(-scores, kind="stable")
    stay = []
    while left.size:
        best, left = left[0], left[1:]
        stay.append(best)
        left = left[iou(boxes[best][None], boxes[left])[0] <= overlap]
    return np.array(stay, np.intp)


def box_of(row: NDArray[np.float32]) -> Box:
    """A row of left, top, right and bottom as a box in whole pixels, of one at least."""
    left, top, right, bottom = (float(round(number)) for number in row.tolist())
    return Box(left, top, max(right - left, 1.0), max(bottom - top, 1.0))
