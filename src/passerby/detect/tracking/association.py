"""What it is worth that a track goes on by a box: how likely both are the same person, by place, size, score and colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from passerby.detect.tracking.colours import Colours
from passerby.detect.tracking.motion import ACROSS, DOWN, Motion


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
        colour_error: Standard deviation of the colours that somebody wears from one box to the next, as a distance of RGB in 0 to 1.
        most_colour_cost: In nats: shade, and who stands before somebody, change colours too.
    """

    worth: float = 9.0
    doubt: float = 0.4
    width_error: float = 0.25
    height_error: float = 0.06
    score_error: float = 0.3
    most_score_cost: float = 2.0
    unsure_share: float = 0.65
    colour_error: float = 0.1
    most_colour_cost: float = 6.0


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What is known of a track when it may go on: where its person should be now, the score of the last box, and the colours worn."""

    motion: Motion
    score: float
    colours: Sequence[float]


def gains(
    tracks: Sequence[Seen],
    boxes: NDArray[np.float64],
    scores: NDArray[np.float64],
    colours: Colours,
    sure: float,
    settings: AssociationSettings,
) -> NDArray[np.float64]:
    """Log-likelihood ratios of every track and box, in nats: float64 (tracks, boxes), 0 where they are not one person.

    Squares and not overlaps: when two people pass each other, both ways to tell them apart overlap as much, but not with as small squares.

    Args:
        boxes: (m, 4), edges in pixels, each with an area.
        scores: (m,).
        colours: (m, k).
        sure: The score from which a box is worth all of it.
    """
    states = [(one.x.place, one.y.place, one.width, one.height, one.x.variance, one.y.variance) for one in (seen.motion for seen in tracks)]
    x, y, width, height, across, down = np.array(states, dtype=np.float64).reshape(-1, 6).T[..., None]
    sides = boxes[:, 2:] - boxes[:, :2]
    centres = (boxes[:, 2:] + boxes[:, :2]) / 2
    across, down = across + ACROSS.noise**2, down + DOWN.noise**2
    doubt = settings.doubt * np.log(across * down / (ACROSS.noise * DOWN.noise) ** 2) / 2
    place = ((centres[:, 0] - x) / height) ** 2 / across + ((centres[:, 1] - y) / height) ** 2 / down
    size = (np.log(sides[:, 0] / width) / settings.width_error) ** 2 + (np.log(sides[:, 1] / height) / settings.height_error) ** 2
    score = ((scores - np.array([[one.score] for one in tracks]).reshape(-1, 1)) / settings.score_error) ** 2
    worn = np.array([one.colours for one in tracks]).reshape(-1, 1, colours.shape[1])
    colour = ((colours - worn) ** 2).sum(axis=-1) / settings.colour_error**2
    differ = (place + size) / 2 + np.minimum(score / 2, settings.most_score_cost) + np.minimum(colour / 2, settings.most_colour_cost)
    fit = (settings.worth - doubt - differ).clip(min=0)
    worth: NDArray[np.float64] = np.where(scores < sure, settings.unsure_share, 1.0) * fit
    return worth
