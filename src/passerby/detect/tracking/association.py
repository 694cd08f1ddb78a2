"""What it is worth that a track goes on by a box: how likely both are the same person, by place, size and score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from passerby.detect.tracking.motion import NOISE, Motion


@dataclass(frozen=True, slots=True)
class AssociationSettings:
    """How much two boxes of one person differ.

    Args:
        worth: Log-likelihood of a perfect fit over that of anybody else, in nats: more differs than this, and it is somebody else.
        doubt: Share of the log of the variance of the foreseen place that is taken off: tracks long unseen fit many boxes, none well.
        width_error, height_error: Standard deviations of the logarithms of a box's sides.
        score_error: Standard deviation of scores of successive boxes: who is half hidden is likely so a moment later.
        most_score_cost: In nats; a score alone never tells people apart.
        unsure_share: Of its worth that a box has whose score is less than sure, so that it takes no track from a sure one.
    """

    worth: float = 9.0
    doubt: float = 0.4
    width_error: float = 0.25
    height_error: float = 0.06
    score_error: float = 0.3
    most_score_cost: float = 2.0
    unsure_share: float = 0.65


def gains(
    foreseen: Sequence[Motion],
    last_scores: Sequence[float],
    boxes: NDArray[np.float64],
    scores: NDArray[np.float64],
    sure: float,
    settings: AssociationSettings,
) -> NDArray[np.float64]:
    """Log-likelihood ratios of every track and box, in nats: float64 (tracks, boxes), 0 where they are not one person.

    Squares and not overlaps: when two people pass each other, both ways to tell them apart overlap as much, but not with as small squares.

    Args:
        foreseen: Where the people of the tracks should be now.
        last_scores: Of their last boxes.
        boxes: (m, 4), edges in pixels, each with an area.
        scores: (m,).
        sure: The score from which a box is worth all of it.
    """
    states = [(one.x, one.y, one.width, one.height, one.variance) for one in foreseen]
    x, y, width, height, variance = np.array(states, dtype=np.float64).reshape(-1, 5).T[..., None]
    sides = boxes[:, 2:] - boxes[:, :2]
    centres = (boxes[:, 2:] + boxes[:, :2]) / 2
    variance = variance + NOISE**2
    place = (((centres[:, 0] - x) / height) ** 2 + ((centres[:, 1] - y) / height) ** 2) / variance
    size = (np.log(sides[:, 0] / width) / settings.width_error) ** 2 + (np.log(sides[:, 1] / height) / settings.height_error) ** 2
    score = ((scores - np.reshape(last_scores, (-1, 1))) / settings.score_error) ** 2
    fit = (
        settings.worth - settings.doubt * np.log(variance / NOISE**2) - (place + size) / 2 - np.minimum(score / 2, settings.most_score_cost)
    )
    worth: NDArray[np.float64] = np.where(scores < sure, settings.unsure_share, 1.0) * fit.clip(min=0)
    return worth
