"""Average precision of detections at half overlap, with 95 % intervals by picture.

The protocol is that of COCO (Lin et al., ECCV 2014) at an overlap of 0.5, with the area under the whole curve (Everingham et al., "The
PASCAL VOC Challenge", IJCV 2010, as its development kit has it since 2010): detections of a picture are taken from the surest down; each
claims the free box that it overlaps most, where that is at least half by intersection over union; one that claims none is false, unless
it lies by half in a region in which nobody is boxed. Detections of equal score come at once, so that no order of pictures is better than
another.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from passerby.detect.boxes import areas, iou, shared
from passerby.detect.detector import Detections
from passerby.measure.metrics import Estimate

OVERLAP: Final = 0.5
"""Intersection over union of a detection and the box that it claims, at least."""
RESAMPLES: Final = 1000


class Claims(NamedTuple):
    """What becomes of the detections of one picture.

    Args:
        scores: float32 (n,), the surest first, of those that count.
        found: int (n,): which of the picture's boxes each claims, -1 for none.
    """

    scores: NDArray[np.float32]
    found: NDArray[np.intp]

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether each claims somebody, bool (n,)."""
        return self.found >= 0


def claim(detections: Detections, boxes: NDArray[np.float32], ignored: NDArray[np.float32]) -> Claims:
    """Let the detections of a picture claim its boxes, float32 (m, 4); those that claim none and lie by half in an ``ignored`` region,
    float32 (k, 4), do not count."""
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
    curve = Curve(claims)
    return curve.area(np.ones(len(claims), np.int64), people)


class Curve:
    """The detections of many pictures from the surest down: where any threshold would cut them.

    Args:
        claims: of each picture.
    """

    def __init__(self, claims: Sequence[Claims]) -> None:
        scores = np.concatenate([np.empty(0, np.float32), *(one.scores for one in claims)])
        order = np.argsort(-scores, kind="stable")
        self._right = np.concatenate([np.empty(0, bool), *(one.right for one in claims)])[order]
        self._picture = np.repeat(np.arange(len(claims)), [len(one.scores) for one in claims])[order]
        ends = np.nonzero(np.diff(scores[order], append=-np.inf))[0]
        self._ends = ends
        self.thresholds: NDArray[np.float32] = scores[order][ends]
        """Each score that there is, falling: float32 (t,)."""

    def counts(self, times: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Right detections and all of them at each threshold, int (t,) each, with every picture counted ``times`` (p,)."""
        weight = times[self._picture]
        return np.cumsum(weight * self._right)[self._ends], np.cumsum(weight)[self._ends]

    def area(self, times: NDArray[np.int64], people: int) -> float:
        """Average precision, from 0 to 1, with every picture counted ``times`` (p,); 0 where there is nobody to be found.

        Args:
            people: boxes in all pictures, each as often as its picture is counted.
        """
        right, taken = self.counts(times)
        if not people or not right.size:
            return 0.0
        precision = right / taken.clip(min=1)
        best = np.maximum.accumulate(precision[::-1])[::-1]
        return float((np.diff(right, prepend=0) * best).sum() / people)

    def best_threshold(self, people: int) -> float | None:
        """The threshold of the highest F1, the harmonic mean of precision and recall; ``None`` where no detection is right."""
        right, taken = self.counts(np.ones(self._picture.max(initial=-1) + 1, np.int64))
        f1 = 2 * right / (taken + people)
        return float(self.thresholds[f1.argmax()]) if f1.any() else None


def ap_interval(claims: Sequence[Claims], people: Sequence[int], *, seed: int = 0, resamples: int = RESAMPLES) -> Estimate:
    """AP50 in percent, with a 95 % percentile interval from a bootstrap that resamples pictures.

    Args:
        people: how many boxes each picture has.
        seed: of the bootstrap.
        resamples: bootstrap draws.

    Raises:
        ValueError: not one count for each picture, or nobody in any.
    """
    (areas_drawn,) = _resampled([claims], people, seed, resamples)
    return _estimate(areas_drawn)


def ap_difference(
    a: Sequence[Claims], b: Sequence[Claims], people: Sequence[int], *, seed: int = 0, resamples: int = RESAMPLES
) -> Estimate:
    """AP50 of ``b`` minus AP50 of ``a`` on the same pictures, in points, with a 95 % interval from the bootstrap of `ap_interval`.

    Pairing cancels what makes a picture easy or hard. Errors as there.
    """
    first, second = _resampled([a, b], people, seed, resamples)
    return _estimate(second - first)


def _resampled(detectors: Sequence[Sequence[Claims]], people: Sequence[int], seed: int, resamples: int) -> NDArray[np.float64]:
    """AP in percent of each detector, of all pictures and then of each draw of as many of them: float64 (d, 1 + resamples)."""
    count = np.asarray(people, np.int64)
    if any(len(claims) != len(count) for claims in detectors) or not count.sum():
        sizes = ", ".join(str(len(claims)) for claims in detectors)
        raise ValueError(f"expected claims of pictures with {count.sum()} people in {len(count)}, found those of {sizes} pictures")
    drawn = np.random.default_rng(seed).multinomial(len(count), np.full(len(count), 1 / len(count)), size=resamples)
    draws = np.concatenate([np.ones((1, len(count)), np.int64), drawn])
    return np.array([[100 * curve.area(times, int(times @ count)) for times in draws] for curve in map(Curve, detectors)])


def _estimate(values: NDArray[np.floating[Any]]) -> Estimate:
    """Of all pictures, and the bounds of what the draws gave."""
    low, high = np.percentile(values[1:], [2.5, 97.5])
    return Estimate(float(values[0]), float(low), float(high))
