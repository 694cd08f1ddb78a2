"""The figure as a whole: which part is drawn after which."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from passerby.data.synthetic.body import LEFT, RIGHT, Body, Skeleton, body_of, skeleton_of
from passerby.data.synthetic.people import SKIN_TONES, Colour, DrawnPerson
from passerby.data.synthetic.surface import View


@dataclass(frozen=True, slots=True)
class Figure:
    """A person in a pose, before any canvas.

    Args:
        carrying: the side of the hand or hip that has the bag.
        creases: where folds get their places from; the same for every colour.
    """

    person: DrawnPerson
    body: Body
    skeleton: Skeleton
    view: View
    gaze: View
    carrying: int
    creases: int

    @property
    def skin(self) -> Colour:
        return SKIN_TONES[self.person.skin]

    @property
    def away(self) -> float:
        """Cosine of the turn: 1 faces the camera, -1 turns its back to it."""
        return math.cos(self.view.yaw)


_TURNS = {"front": 0.0, "back": math.pi, "left": -1.2, "right": 1.2}


def pose_figure(person: DrawnPerson, rng: np.random.Generator) -> Figure:
    """A figure of the person, its turn and gait varied within its pose."""
    body = body_of(person)
    yaw = _TURNS[person.pose.facing] + (rng.random() - 0.5) * 0.7
    pitch = 0.10 + 0.16 * rng.random()
    gaze = yaw + (rng.random() - 0.5) * 0.5
    carrying = LEFT if rng.random() < 0.5 else RIGHT
    skeleton = skeleton_of(person, body, rng, carrying if _holds(person) else None)
    return Figure(person, body, skeleton, View(yaw, pitch), View(gaze, pitch), carrying, int(rng.integers(2**31)))


def another_stride(figure: Figure, rng: np.random.Generator) -> Figure:
    """The same figure a moment later: only its limbs differ."""
    carrying = figure.carrying if _holds(figure.person) else None
    return replace(figure, skeleton=skeleton_of(figure.person, figure.body, rng, carrying))


def _holds(person: DrawnPerson) -> bool:
    """Whether something hangs from a hand."""
    return person.bag is not None and person.bag.kind in ("handbag", "suitcase")
