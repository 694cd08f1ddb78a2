"""How well a detector finds the people in photos: AP50, precision, recall by height, and time."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from math import inf
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from passerby.data.scenes import Scene
from passerby.detect.detector import Detector, TunableDetector
from passerby.errors import DatasetError, ImageError
from passerby.measure.detection import RESAMPLES, Claims, Curve, ap_difference, ap_interval, claim
from passerby.measure.metrics import Estimate, bootstrap
from passerby.measure.split import FEWEST
from passerby.media.photo import read_image
from passerby.progress import Progress
from passerby.types import Failure, ModelDigest

FLOOR: Final = 0.01
"""The least score that average precision looks at."""
HEIGHTS: Final = (0, 24, 40, 60, 90, inf)
"""Bounds of how tall people are in the picture as the detector looks at it, in pixels."""
PROTOCOL: Final = (
    "Detections of a score of 0.01 and more claim, the surest first, the free box that they overlap most, by half at least (intersection "
    "over union); one that claims none is false, unless it lies by half in a region where nobody is boxed. AP50 is the area under the "
    "precision-recall curve; precision and recall are at the detector's own threshold, heights in pixels of the picture as the detector "
    "looks at it; 95 % intervals are bootstrap percentiles over pictures."
)


class Kind(StrEnum):
    """What groups of pictures are made by."""

    SOURCE = "source"
    LABELS = "labels"


@dataclass(frozen=True, slots=True)
class Figures:
    """How well people are found in some pictures, in percent with 95 % intervals.

    Args:
        people: how many boxes there are.
        precision: of the detections at the threshold; ``None`` where there are none.
        recall: at the threshold.
    """

    pictures: int
    people: int
    ap50: Estimate
    precision: Estimate | None
    recall: Estimate

    def to_json(self) -> dict[str, Any]:
        """The figures under their names, and their intervals; ready for ``json.dumps``."""
        estimates = {"AP50": self.ap50, "precision": self.precision, "recall": self.recall}
        return {
            **{name: one and one.mean for name, one in estimates.items()},
            "intervals": {name: one and [one.low, one.high] for name, one in estimates.items()},
            "pictures": self.pictures,
            "people": self.people,
        }


@dataclass(frozen=True, slots=True)
class Group:
    """The pictures of one source, or with labels of one origin."""

    kind: Kind
    name: str
    figures: Figures


@dataclass(frozen=True, slots=True)
class HeightRecall:
    """How many are found of those who are at least ``low`` and less than ``high`` pixels tall as the detector sees them.

    Args:
        recall: at the threshold; ``None`` of fewer than ``FEWEST`` people.
    """

    low: float
    high: float
    people: int
    recall: Estimate | None

    def to_json(self) -> dict[str, Any]:
        """The recall and whose it is; ready for ``json.dumps``."""
        return {
            "from": self.low,
            "to": None if self.high == inf else self.high,
            "people": self.people,
            "recall": self.recall and self.recall.mean,
            "interval": self.recall and [self.recall.low, self.recall.high],
        }


@dataclass(frozen=True, slots=True, eq=False)
class DetectionEvaluation:
    """How well a detector finds the people of some scenes, and what it was measured on.

    Args:
        size: of the longer side as the detector looked at it, in pixels.
        threshold: the detector's own.
        scenes: those whose picture could be read.
        claims: what became of the detections of each, down to a score of ``FLOOR``.
        best_threshold: that of the highest F1 on these very pictures; ``None`` where nobody was found.
        milliseconds: median time of a picture, without reading its file.
    """

    detector: str
    digest: ModelDigest
    size: int
    threshold: float
    scenes: tuple[Scene, ...]
    claims: tuple[Claims, ...]
    figures: Figures
    groups: tuple[Group, ...]
    by_height: tuple[HeightRecall, ...]
    best_threshold: float | None
    milliseconds: float
    failures: tuple[Failure, ...]

    @property
    def caution(self) -> str | None:
        """What to bear in mind where there are so few people; ``None`` where there are enough."""
        people = self.figures.people
        return None if people >= FEWEST else f"only {people} people are to be found: too few to say how well others are"

    def to_json(self) -> dict[str, Any]:
        """The figures in percent under their names, then their parts and what was measured; ready for ``json.dumps``."""
        return {
            **self.figures.to_json(),
            "threshold": self.threshold,
            "best_threshold": self.best_threshold,
            "by_height": [one.to_json() for one in self.by_height],
            "groups": [{"kind": group.kind.value, "name": group.name, **group.figures.to_json()} for group in self.groups],
            "milliseconds": self.milliseconds,
            "caution": self.caution,
            "detector": self.detector,
            "digest": self.digest,
            "detect_size": self.size,
            "failed": [{"path": str(failure.path), "reason": failure.reason} for failure in self.failures],
            "protocol": PROTOCOL,
        }


def evaluate_detector(
    detector: TunableDetector, scenes: Sequence[Scene], size: int, *, on_progress: Progress | None = None
) -> DetectionEvaluation:
    """Look for people in each scene and compare with its boxes (`PROTOCOL`).

    A picture that cannot be read, or is not of the size that its boxes are for, is reported and left out.

    Args:
        size: what the longer side of each picture becomes, in pixels.
        on_progress: told how far the pictures are.

    Raises:
        DatasetError: no picture can be used, or nobody is in any.
        ModelError: a detector that cannot be used.
    """
    looking = detector.at(min(FLOOR, detector.threshold))
    looks, failures = [], []
    for done, scene in enumerate(scenes, start=1):
        try:
            looks.append(_look(looking, scene, size))
        except ImageError as error:
            failures.append(Failure(scene.path, str(error)))
        if on_progress:
            on_progress(done, len(scenes))
    if not sum(len(look.scene.boxes) for look in looks):
        found = f"nobody in {len(looks)} pictures, and {len(failures)} that cannot be used"
        first = f", the first {failures[0].path}: {failures[0].reason}" if failures else ""
        raise DatasetError(expected="people in pictures that can be read", found=found + first, do="name scenes with people")
    measured = [_Measured(look.scene, look.claims, detector.threshold) for look in looks]
    return DetectionEvaluation(
        detector.name,
        detector.digest,
        size,
        detector.threshold,
        tuple(look.scene for look in looks),
        tuple(look.claims for look in looks),
        _figures(measured),
        tuple(_groups(measured)),
        tuple(_by_height(measured, size)),
        Curve([look.claims for look in looks]).best_threshold(sum(len(look.scene.boxes) for look in looks)),
        float(np.median([look.milliseconds for look in looks])),
        tuple(failures),
    )


def ap50_change(before: DetectionEvaluation, after: DetectionEvaluation) -> Estimate:
    """AP50 of ``after`` minus that of ``before``, in points, with its paired 95 % interval.

    Raises:
        DatasetError: the two looked at other pictures.
    """
    if [scene.path for scene in before.scenes] != [scene.path for scene in after.scenes]:
        found = f"{len(before.scenes)} and {len(after.scenes)} that are not the same"
        raise DatasetError(expected="both detectors to look at the same pictures", found=found, do="evaluate both on the same scenes")
    return ap_difference(before.claims, after.claims, [len(scene.boxes) for scene in before.scenes])


class _Look(NamedTuple):
    scene: Scene
    claims: Claims
    milliseconds: float


class _Measured(NamedTuple):
    """A scene, and what the detector's threshold leaves of the claims."""

    scene: Scene
    claims: Claims
    threshold: float

    @property
    def right(self) -> NDArray[np.bool_]:
        """Of each detection at the threshold, whether it claims somebody."""
        return self.claims.right[self.claims.scores >= self.threshold]

    @property
    def found(self) -> NDArray[np.bool_]:
        """Of each person, whether a detection at the threshold claims them."""
        claimed = self.claims.found[self.claims.scores >= self.threshold]
        return np.isin(np.arange(len(self.scene.boxes)), claimed)


def _look(detector: Detector, scene: Scene, size: int) -> _Look:
    image = read_image(scene.path)
    if image.size != scene.size:
        expected, found = (f"{width} x {height}" for width, height in (scene.size, image.size))
        raise ImageError(
            expected=f"a picture of {expected}, which its boxes are for", found=found, do="put back the picture, or box it anew"
        )
    picture = np.asarray(image)
    started = time.perf_counter()
    detections = detector.detect(picture, size)
    milliseconds = 1000 * (time.perf_counter() - started)
    return _Look(scene, claim(detections, scene.boxes, scene.ignored), milliseconds)


def _figures(measured: Sequence[_Measured]) -> Figures:
    people = [len(one.scene.boxes) for one in measured]
    recall = _mean([one.found for one in measured])
    assert recall is not None, "somebody is in these pictures"
    claims = [one.claims for one in measured]
    return Figures(len(measured), sum(people), ap_interval(claims, people), _mean([one.right for one in measured]), recall)


def _groups(measured: Sequence[_Measured]) -> Iterator[Group]:
    """Of each kind that parts the pictures; groups of fewer than ``FEWEST`` people are left out."""
    for kind in Kind:
        names = [str(getattr(one.scene, kind)) for one in measured]
        for name in dict.fromkeys(names) if len(set(names)) > 1 else ():
            members = [one for one, of in zip(measured, names, strict=True) if of == name]
            if sum(len(one.scene.boxes) for one in members) >= FEWEST:
                yield Group(kind, name, _figures(members))


def _by_height(measured: Sequence[_Measured], size: int) -> Iterator[HeightRecall]:
    heights = [(one.scene.boxes[:, 3] - one.scene.boxes[:, 1]) * size / max(one.scene.size) for one in measured]
    for low, high in pairwise(HEIGHTS):
        found = [one.found[(low <= height) & (height < high)] for one, height in zip(measured, heights, strict=True)]
        people = sum(map(len, found))
        yield HeightRecall(low, high, people, _mean(found) if people >= FEWEST else None)


def _mean(by_picture: Iterable[NDArray[np.bool_]]) -> Estimate | None:
    """Percent that hold, with an interval from a bootstrap over pictures; ``None`` of nothing."""
    parts = list(by_picture)
    holds = np.concatenate(parts)
    if not holds.size:
        return None
    pictures = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    return bootstrap(np.float64(100) * holds[:, None], pictures, seed=0, resamples=RESAMPLES)[0]
