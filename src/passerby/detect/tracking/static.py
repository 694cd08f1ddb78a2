"""Things that look like people and never move: a lamp, a bin, a poster."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from passerby.detect.tracking.trajectory import Trajectory


@dataclass(frozen=True, slots=True)
class StaticSettings:
    """What is taken for a thing: all three must hold.

    Args:
        spread: The centre's standard deviation over both axes is less, in heights. People who stand move more than a lamp.
        seconds: It was there for longer.
        score: Its median score is less: a person who stands still is seen well.
    """

    spread: float = 0.05
    seconds: float = 20.0
    score: float = 0.65


def is_static(trajectory: Trajectory, settings: StaticSettings) -> bool:
    """Whether a track is a thing that stands there, and not a person."""
    return (
        trajectory.points[-1][0] - trajectory.points[0][0] > settings.seconds
        and centre_spread(trajectory) < settings.spread
        and float(np.median(trajectory.scores)) < settings.score
    )


def centre_spread(trajectory: Trajectory) -> float:
    """Standard deviation of the centre over both axes, in median heights of its boxes."""
    boxes = trajectory.boxes.astype(np.float64)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    return float(np.sqrt(centres.var(axis=0).sum()) / np.median(boxes[:, 3] - boxes[:, 1]))
