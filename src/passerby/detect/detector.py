"""What a detector is to the rest of Passerby: a picture in, the boxes of the people in it out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from passerby.detect.boxes import Boxes
from passerby.types import ModelDigest


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """The people found in one picture, the surest first.

    Args:
        boxes: float32 (n, 4): left, top, right and bottom in pixels of the picture, within it.
        scores: float32 (n,): how sure the detector is of each, from 0 to 1.
    """

    boxes: Boxes
    scores: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.boxes)


class Detector(Protocol):
    """A person detector, whatever runs it. Safe to use from many threads."""

    @property
    def name(self) -> str: ...

    @property
    def digest(self) -> ModelDigest:
        """Of the model and of how its answers are read: another digest, other boxes."""
        ...

    def detect(self, picture: NDArray[np.uint8], size: int) -> Detections:
        """The people in a picture.

        Args:
            picture: uint8 (h, w, 3), RGB, upright.
            size: what the longer side is shrunk or enlarged to before the detector looks, in pixels. A detector that takes but a few sizes
                takes the least of them that is not smaller, or else the largest.

        Raises:
            ModelError: the detector cannot be trusted, or its answers are not finite.
        """
        ...


@runtime_checkable
class TunableDetector(Detector, Protocol):
    """A detector that can be made less or more easily sure, which average precision needs."""

    @property
    def threshold(self) -> float:
        """The least score of a detection, from 0 to 1."""
        ...

    def at(self, threshold: float | None) -> Detector:
        """The same detector with another least score, or, with ``None``, its own. Raises ``ModelError`` for one beyond 0 and 1."""
        ...


def everyone(boxes: Boxes, scores: NDArray[Any], width: int, height: int) -> Detections:
    """Detections of a picture of this size: boxes clipped to it, those that are nothing then left out, the surest first."""
    clipped = boxes.clip(0, np.array([width, height, width, height], np.float32)).astype(np.float32)
    order = np.argsort(-scores, kind="stable")
    order = order[(clipped[order, 2:] - clipped[order, :2]).min(axis=1, initial=np.inf) > 0]
    return Detections(clipped[order], scores[order].astype(np.float32))
