"""How well a detector finds people: average precision at half overlap, over all pictures.

The protocol is that of Everingham et al., "The PASCAL VOC Challenge" (IJCV 2010), with the area under the whole curve: detections of
all pictures are taken from the surest down; each claims the free box that it overlaps most, where that is at least half by intersection
over union; one that claims none is false, unless it lies in a region in which nobody is boxed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from passerby.detect.boxes import areas, iou, shared
from passerby.detect.detector import Detections

OVERLAP = 0.5
"""Intersection over union of a detection and the box that it claims, at least."""


class Claims(NamedTuple):
    """What becomes of the detections of one picture.

    Args:
        scores: float32 (n,), the surest first, of those that count.
        found: int (n,): which of the picture's boxes each claims, -1 for none.
    """

    scores: NDArray[np.float32]
    found: NDArray[np.intp]


def claim(detections: Detections, boxes: NDArray[np.float32], ignored: NDArray[np.float32]) -> Claims:
    """Let the detections of a picture claim its boxes, float32 (m, 4); those that claim none and lie by half in an ``ignored`` region do
    not count."""
    overlap, free = iou(detections.boxes, boxes), np.ones(len(boxes), bool)
    found = np.full(len(detections), -1, np.intp)
    for row in range(len(detections)):
        candidates = np.where(free, overlap[row], 0)
        if candidates.size and candidates.max() >= OVERLAP:
            found[row] = candidates.argmax()
            free[found[row]] = False
    inside = shared(detections.boxes, ignored).max(axis=1, initial=0) / areas(detections.boxes).clip(min=1e-6)
    counts = (found >= 0) | (inside < OVERLAP)
    return Claims(detections.scores[counts], found[counts])


def average_precision(claims: Sequence[Claims], people: int) -> float:
    """Area under precision over recall, from 0 to 1, of the detections of all pictures; precision at a recall is the best at it or beyond.

    Args:
        people: how many boxes there are in all pictures.
    """
    scores = np.concatenate([np.empty(0, np.float32), *(claimed.scores for claimed in claims)])
    right = np.concatenate([np.empty(0, bool), *(claimed.found >= 0 for claimed in claims)])
    right = right[np.argsort(-scores, kind="stable")]
    if not people or not right.size:
        return 0.0
    hits = np.cumsum(right)
    precision = hits / np.arange(1, len(right) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    return float(best[right].sum() / people)
