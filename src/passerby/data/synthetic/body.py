"""Proportions and joints of a figure one unit tall: (n, 3) points are sideways (to the figure's left), down and forward."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from passerby.data.synthetic.people import DrawnPerson
from passerby.data.synthetic.surface import Points, View

RIGHT, LEFT = -1, 1
"""The figure's own sides, as signs of the sideways coordinate."""


@dataclass(frozen=True, slots=True)
class Body:
    """Sizes in figure heights: ``head`` is its height, ``depth`` a ratio to the width, all else half widths and radii."""

    head: float
    shoulders: float
    chest: float
    waist: float
    hips: float
    depth: float
    arm: float
    leg: float

    def down(self, share: float) -> float:
        """The height at which a share of the way from the chin (0) to the soles (1) lies."""
        return self.head + (1 - self.head) * share


@dataclass(frozen=True, slots=True)
class Limb:
    """One arm (shoulder, elbow, wrist, finger tips) or leg (hip, knee, ankle), and the side it belongs to.

    Args:
        joints: (n, 3)
        foot: (3,) where the foot points; for an arm, unused and zero.
    """

    side: int
    joints: Points
    foot: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Skeleton:
    arms: tuple[Limb, Limb]
    legs: tuple[Limb, Limb]


_FRAMES = {
    "man": (0.133, 0.120, 0.098, 0.083, 0.087),
    "woman": (0.134, 0.104, 0.087, 0.070, 0.092),
    "person": (0.133, 0.112, 0.093, 0.078, 0.090),
    "boy": (0.166, 0.113, 0.093, 0.084, 0.086),
    "girl": (0.168, 0.106, 0.089, 0.080, 0.086),
}
_BUILDS = {
    "slim": (0.93, 0.90, 0.88, 0.92, 0.68, 0.86),
    "average": (1.0, 1.0, 1.0, 1.0, 0.72, 1.0),
    "broad": (1.12, 1.12, 1.1, 1.04, 0.74, 1.14),
    "large": (1.1, 1.2, 1.46, 1.28, 0.9, 1.26),
}


def body_of(person: DrawnPerson) -> Body:
    """The proportions of a person's presentation and build."""
    head, shoulders, chest, waist, hips = _FRAMES[person.presentation]
    by_shoulders, by_chest, by_waist, by_hips, depth, by_limb = _BUILDS[person.build]
    return Body(
        head, shoulders * by_shoulders, chest * by_chest, waist * by_waist, hips * by_hips, depth, arm=0.027 * by_limb, leg=0.046 * by_limb
    )


def skeleton_of(person: DrawnPerson, body: Body, rng: np.random.Generator, carrying: int | None) -> Skeleton:
    """The joints of a pose.

    Args:
        carrying: the side whose hand holds something and hangs still.
    """
    leading = LEFT if rng.random() < 0.5 else RIGHT
    stride = 0.26 + 0.12 * rng.random() if person.pose.walking else 0.02 + 0.05 * rng.random()
    bends = rng.random(4)
    legs = [_leg(body, side, stride if side == leading else -stride, walking=person.pose.walking) for side in (RIGHT, LEFT)]
    arms = []
    for side, bend in zip((RIGHT, LEFT), bends[:2], strict=True):
        swing = -1.1 * stride if side == leading else 1.1 * stride
        if side == carrying:
            arms.append(_arm(body, side, 0.05 * swing, 0.06, splay=0.2))
        else:
            arms.append(
                _arm(body, side, swing, 0.12 + 0.5 * bend * (1 if person.pose.walking else 0.5), splay=0.10 + 0.1 * float(bends[2]))
            )
    sole = max(float(leg.joints[2, 1]) + 0.036 + 0.07 * max(0.0, float(leg.foot[1])) for leg in legs)
    drop = np.array([0.0, 1.0 - sole, 0.0])
    return Skeleton(
        arms=(arms[0], arms[1]),
        legs=(Limb(RIGHT, legs[0].joints + drop, legs[0].foot), Limb(LEFT, legs[1].joints + drop, legs[1].foot)),
    )


def by_distance(limbs: tuple[Limb, Limb], view: View) -> tuple[Limb, Limb]:
    """The farther limb first."""
    return limbs if _nearness(limbs[0], view) <= _nearness(limbs[1], view) else limbs[::-1]


def is_behind(limb: Limb, view: View) -> bool:
    """Whether the trunk hides the limb from the camera."""
    return _nearness(limb, view) < -0.05


def _nearness(limb: Limb, view: View) -> float:
    return float(np.mean([view.nearness(joint) for joint in limb.joints[:3]]))


def _arm(body: Body, side: int, swing: float, bend: float, splay: float) -> Limb:
    length = 1 - body.head
    shoulder = np.array([side * (body.shoulders - body.arm * 1.2), body.down(0.086), -0.004])
    outward = side * splay * (1 + max(0.0, body.waist - 0.083) * 6)
    upper = np.array([outward, math.cos(swing), math.sin(swing)]) * length * 0.190
    lower = np.array([outward * 0.25, math.cos(swing + bend), math.sin(swing + bend)]) * length * 0.160
    elbow = shoulder + upper
    wrist = elbow + lower
    return Limb(side, np.stack([shoulder, elbow, wrist, wrist + lower * 0.36]), np.zeros(3))


def _leg(body: Body, side: int, swing: float, *, walking: bool) -> Limb:
    length = 1 - body.head
    bend = (0.08 if swing > 0 else 0.55) if walking else 0.03
    hip = np.array([side * body.hips * 0.5, body.down(0.44), 0.0])
    outward = side * 0.02
    knee = hip + np.array([outward, math.cos(swing), math.sin(swing)]) * length * 0.265
    shin = swing - bend
    ankle = knee + np.array([outward, math.cos(shin), math.sin(shin)]) * length * 0.247
    heel_up = min(0.0, shin) * 0.8
    return Limb(side, np.stack([hip, knee, ankle]), np.array([side * 0.25, -math.sin(heel_up), math.cos(heel_up)]))
