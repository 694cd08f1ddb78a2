"""Where a person was, when, and how surely: boxes over time in memory that does not grow."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from passerby.detect.tracking.motion import BoxEdges

MOST_POINTS = 512
"""Of one trajectory, an even number: at 5 frames a second every box of the first minute and a half."""

Point = tuple[float, float, float, float, float, float]
"""A second, four edges in pixels and a score."""


@dataclass(slots=True)
class Trajectory:
    """Boxes of one track over time, evenly thinned once there are many; the first and the last are always among them.

    Args:
        seen: How many boxes there were.
        stride: One of how many is kept.
        points: What is kept, and the last.
    """

    seen: int = 0
    stride: int = 1
    points: list[Point] = field(default_factory=list)

    def add(self, time: float, box: BoxEdges, score: float) -> None:
        """One box more, not before the others."""
        if self.seen and (self.seen - 1) % self.stride:
            self.points.pop()
        self.points.append((time, *box, score))
        self.seen += 1
        if len(self.points) == MOST_POINTS:
            self.points = [*self.points[:-1:2], self.points[-1]]
            self.stride *= 2

    @property
    def times(self) -> NDArray[np.float64]:
        """Seconds: float64 (n,), ascending."""
        return np.array([point[0] for point in self.points])

    @property
    def boxes(self) -> NDArray[np.float32]:
        """Edges x1, y1, x2, y2 in pixels: float32 (n, 4)."""
        return np.array([point[1:5] for point in self.points], dtype=np.float32)

    @property
    def scores(self) -> NDArray[np.float32]:
        """Of the boxes, in 0 to 1: float32 (n,)."""
        return np.array([point[5] for point in self.points], dtype=np.float32)
