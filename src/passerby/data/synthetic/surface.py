"""Shapes of a figure: points in figure heights, x to the right and y down, and cloth-like patches with their own coordinates."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Points = NDArray[np.float64]
"""(n, 2) or (n, 3)"""
_SEVENTHS = np.linspace(0, 1, 7)


@dataclass(frozen=True, slots=True)
class View:
    """A camera far away: parallel projection from the front, a little from above.

    Args:
        yaw: the figure's turn in radians; 0 faces the camera, +π/2 the picture's right.
        pitch: how far the camera looks down, in radians.
    """

    yaw: float
    pitch: float

    def project(self, points: ArrayLike) -> Points:
        """(n, 3) of sideways (to the figure's left), down and forward becomes (n, 2) of right and down."""
        side, down, forward = np.asarray(points, dtype=np.float64).reshape(-1, 3).T
        return np.stack(
            [side * math.cos(self.yaw) + forward * math.sin(self.yaw), down + self._nearness(side, forward) * self.pitch], axis=1
        )

    def nearness(self, point: ArrayLike) -> float:
        """How much nearer to the camera than the figure's axis a (3,) point is."""
        side, _, forward = np.asarray(point, dtype=np.float64)
        return float(self._nearness(side, forward))

    def _nearness(self, side: NDArray[np.float64], forward: NDArray[np.float64]) -> NDArray[np.float64]:
        return forward * math.cos(self.yaw) - side * math.sin(self.yaw)


@dataclass(frozen=True, slots=True)
class Patch:
    """A round, tube-like surface between two edges, seen from outside.

    ``u`` runs from the left edge (0) to the right edge (1), ``v`` from the start (0) to the end (1); an azimuth names a place around the
    tube, 0 being the figure's front.

    Args:
        left, right: (m, 2) the edges, in figure heights.
        sag: (m,) how much lower the middle lies than the edges, since the camera looks down.
        yaw: the figure's turn, in radians.
    """

    left: Points
    right: Points
    sag: NDArray[np.float64]
    yaw: float

    def at(self, u: ArrayLike, v: ArrayLike) -> Points:
        """(n, 2) points on the surface, for (n,) of u and of v."""
        across, along = np.asarray(u, dtype=np.float64), np.asarray(v, dtype=np.float64)
        last = len(self.left) - 1
        place = np.minimum(np.maximum(along, 0.0), 1.0) * last
        low = np.minimum(place.astype(np.intp), last - 1)
        share = (place - low)[:, None]
        edges = np.concatenate([self.left, self.right], axis=1)
        edges = edges[low] * (1 - share) + edges[low + 1] * share
        points = edges[:, :2] + across[:, None] * (edges[:, 2:] - edges[:, :2])
        points[:, 1] += self.sag[low] * np.sqrt(np.maximum(0, 1 - (2 * across - 1) ** 2))
        return np.asarray(points)

    def across(self, azimuth: ArrayLike) -> NDArray[np.float64]:
        """The u of azimuths in radians; those turned away from the camera fall on the edge that their middle is nearer to."""
        angles = np.asarray(azimuth, dtype=np.float64)
        middle = float(angles.mean())
        turned = math.remainder(middle + self.yaw, 2 * math.pi) + (angles - middle)
        return np.asarray(0.5 + 0.5 * np.sin(np.clip(turned, -math.pi / 2, math.pi / 2)))

    def shows(self, azimuth: float) -> bool:
        """Whether a place around the tube is turned to the camera."""
        return math.cos(azimuth + self.yaw) > 0.12

    def outline(self) -> Points:
        """(n, 2) the closed edge of the whole surface."""
        return self.region(0, 1, 0, 1)

    def region(self, u0: float, u1: float, v0: float, v1: float) -> Points:
        """(n, 2) the closed edge of a rectangle in the surface's own coordinates."""
        down = np.linspace(v0, v1, max(3, round(len(self.left) * abs(v1 - v0))))
        over = u0 + (u1 - u0) * _SEVENTHS
        sides, ends = np.ones_like(down), np.ones_like(over)
        u = np.concatenate([u0 * sides, over, u1 * sides, over[::-1]])
        return self.at(u, np.concatenate([down, v1 * ends, down[::-1], v0 * ends]))

    @property
    def length(self) -> float:
        """From start to end along the middle, in figure heights."""
        middle = (self.left + self.right) / 2
        return float(np.linalg.norm(np.diff(middle, axis=0), axis=1).sum())


def tube(joints: Points, radii: ArrayLike, view: View, *, rounded: bool = False) -> Patch:
    """A limb: smooth through (n, 2) joints, with a radius at each; ``rounded`` closes its start with a cap."""
    steps = np.linspace(0, len(joints) - 1, 8 * (len(joints) - 1) + 1)
    line = np.stack([_eased(steps, joints[:, axis]) for axis in (0, 1)], axis=1)
    width = _eased(steps, np.asarray(radii, dtype=np.float64))
    if rounded:
        way = line[0] - line[1]
        way = way / max(float(np.hypot(*way)), 1e-9)
        caps = np.array([[0.95, 0.3], [0.8, 0.6], [0.45, 0.9]])
        line = np.concatenate([line[0] + caps[:, :1] * width[0] * way, line])
        width = np.concatenate([caps[:, 1] * width[0], width])
    along = np.gradient(line, axis=0)
    along /= np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)[:, None]
    normal = np.stack([along[:, 1], -along[:, 0]], axis=1) * width[:, None]
    if normal[:, 0].sum() > 0:
        normal = -normal
    return Patch(line + normal, line - normal, width * view.pitch, view.yaw)


def barrel(rows: ArrayLike, view: View, *, samples: int = 28) -> Patch:
    """An upright body of elliptic sections.

    Args:
        rows: (n, 4) from top to bottom: height, half width, half depth, and how far forward the section's centre lies.
    """
    table = np.asarray(rows, dtype=np.float64)
    down = np.linspace(table[0, 0], table[-1, 0], samples)
    wide, deep, forward = (_smoothed(np.interp(down, table[:, 0], table[:, column])) for column in (1, 2, 3))
    half = np.hypot(wide * math.cos(view.yaw), deep * math.sin(view.yaw))
    centre = forward * math.sin(view.yaw)
    reach = np.hypot(deep * math.cos(view.yaw), wide * math.sin(view.yaw))
    return Patch(np.stack([centre - half, down], axis=1), np.stack([centre + half, down], axis=1), reach * view.pitch, view.yaw)


def disc(centre: ArrayLike, rx: float, ry: float, *, n: int = 20) -> Points:
    """(n, 2) an ellipse."""
    angle = np.arange(n) * (2 * math.pi / n)
    return np.asarray(np.asarray(centre, dtype=np.float64) + np.stack([np.cos(angle) * rx, np.sin(angle) * ry], axis=1))


def moved(points: Points, right: float, down: float) -> Points:
    """The same (n, 2) or (2,) points, moved."""
    return np.asarray(points + np.array([right, down]))


def hull(points: Points) -> Points:
    """(k, 2) the convex hull of (n, 2) points, by Andrew's monotone chain."""
    ordered = sorted(map(tuple, points.tolist()))

    def chain(way: list[tuple[float, float]]) -> list[tuple[float, float]]:
        kept: list[tuple[float, float]] = []
        for x, y in way:
            while len(kept) > 1 and (kept[-1][0] - kept[-2][0]) * (y - kept[-2][1]) <= (kept[-1][1] - kept[-2][1]) * (x - kept[-2][0]):
                kept.pop()
            kept.append((x, y))
        return kept[:-1]

    return np.array(chain(ordered) + chain(ordered[::-1]))


def _eased(steps: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    return _smoothed(np.interp(steps, np.arange(len(values)), values), rounds=2)


def _smoothed(values: NDArray[np.float64], rounds: int = 3) -> NDArray[np.float64]:
    for _ in range(rounds):
        values = np.concatenate([values[:1], (values[:-2] + 2 * values[1:-1] + values[2:]) / 4, values[-1:]])
    return values
