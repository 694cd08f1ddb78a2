"""How well people are told apart over time: IDF1, by frames in which the right person was named."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from passerby.detect.tracking.assignment import assign

LEAST_IOU = 0.5
"""Of a box and the true one that it stands for."""


@dataclass(frozen=True, slots=True, eq=False)
class Tracked:
    """Boxes of people in frames; one row each, in any order.

    Args:
        frames: int (n,), which frame.
        ids: int (n,), who; one id at most once a frame.
        boxes: float (n, 4), edges x1, y1, x2, y2 in pixels.
    """

    frames: NDArray[np.int64]
    ids: NDArray[np.int64]
    boxes: NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class IdentityScores:
    """Identification precision, recall and F1, in percent."""

    idp: float
    idr: float
    idf1: float


def identity_scores(truth: Tracked, found: Tracked, least_iou: float = LEAST_IOU) -> IdentityScores:
    """IDP, IDR and IDF1: how many boxes are of the right person over the whole video.

    Ristani et al., "Performance Measures and a Data Set for Multi-Target, Multi-Camera Tracking", ECCV 2016 workshops. Each true person is
    matched with one track at most, so that the most boxes are matched; a box counts where both are in one frame and overlap by at least
    ``least_iou``. Nothing to find and nothing found is 100.
    """
    right = _identified(truth, found, least_iou)
    return IdentityScores(
        _percent(right, len(found.ids)), _percent(right, len(truth.ids)), _percent(2 * right, len(truth.ids) + len(found.ids))
    )


def _identified(truth: Tracked, found: Tracked, least_iou: float) -> int:
    """IDTP: boxes of the best one-to-one matching of people and tracks."""
    people, person_of = np.unique(truth.ids, return_inverse=True)
    tracks, track_of = np.unique(found.ids, return_inverse=True)
    together = np.zeros((len(people), len(tracks)))
    for frame in np.unique(truth.frames):
        here, there = np.flatnonzero(truth.frames == frame), np.flatnonzero(found.frames == frame)
        rows, columns = np.nonzero(_iou(truth.boxes[here], found.boxes[there]) >= least_iou)
        together[person_of[here[rows]], track_of[there[columns]]] += 1
    return int(together[assign(together)].sum())


def _iou(first: NDArray[np.floating], second: NDArray[np.floating]) -> NDArray[np.float64]:
    one, other = first[:, None].astype(np.float64), second[None].astype(np.float64)
    sides = np.minimum(one[..., 2:], other[..., 2:]) - np.maximum(one[..., :2], other[..., :2])
    shared = sides.clip(min=0).prod(axis=-1)
    areas = (one[..., 2:] - one[..., :2]).prod(axis=-1) + (other[..., 2:] - other[..., :2]).prod(axis=-1)
    overlap: NDArray[np.float64] = shared / (areas - shared)
    return overlap


def _percent(part: int, whole: int) -> float:
    return 100.0 * part / whole if whole else 100.0
