"""Where somebody is a moment later: a constant-velocity Kalman filter in seconds and body heights, for any rate of frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

BoxEdges = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels."""


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """How inexact boxes are along one axis of a picture, and how people move along it.

    Args:
        noise: Standard deviation of a detected centre, in heights.
        start_speed: Standard deviation of the speed of somebody seen once, in heights a second.
        wander: Spectral density of the acceleration, in heights² a second³: how soon people turn and halt.
    """

    noise: float
    start_speed: float
    wander: float


ACROSS: Final = Uncertainty(0.035, 0.6, 0.25)
DOWN: Final = Uncertainty(0.05, 0.3, 0.05)
"""People are narrower than high, so their boxes are less wrong across; and what leads away from the camera is foreshortened."""
SIZE_GAIN = 0.15
"""How much of a new box's size is believed once there were many."""


@dataclass(frozen=True, slots=True)
class Coordinate:
    """Where the centre is along one axis, how fast, and how surely.

    Args:
        place, speed: In pixels, and pixels a second.
        variance, covariance, speed_variance: Of both, in heights², heights²/s and heights²/s².
    """

    place: float
    speed: float
    variance: float
    covariance: float
    speed_variance: float

    @classmethod
    def first(cls, place: float, kind: Uncertainty) -> Coordinate:
        return cls(place, 0.0, kind.noise**2, 0.0, kind.start_speed**2)

    def after(self, dt: float, kind: Uncertainty) -> Coordinate:
        """The prediction for so many seconds later."""
        return Coordinate(
            self.place + self.speed * dt,
            self.speed,
            self.variance + 2 * self.covariance * dt + self.speed_variance * dt**2 + kind.wander * dt**3 / 3,
            self.covariance + self.speed_variance * dt + kind.wander * dt**2 / 2,
            self.speed_variance + kind.wander * dt,
        )

    def seen(self, place: float, kind: Uncertainty) -> Coordinate:
        """The estimate after a box was seen."""
        gain = self.variance / (self.variance + kind.noise**2)
        speed_gain = self.covariance / (self.variance + kind.noise**2)
        return Coordinate(
            self.place + gain * (place - self.place),
            self.speed + speed_gain * (place - self.place),
            self.variance * (1 - gain),
            self.covariance * (1 - gain),
            self.speed_variance - speed_gain * self.covariance,
        )


@dataclass(frozen=True, slots=True)
class Motion:
    """Where somebody is at a time, how fast, how large, and how surely.

    The centre follows a Kalman filter (Kalman, "A New Approach to Linear Filtering and Prediction Problems", 1960), each axis by itself.
    Its noise is that of a continuous white acceleration (Bar-Shalom et al., "Estimation with Applications to Tracking and Navigation",
    2001), so that two predictions of half a second equal one of a whole.

    Args:
        time: Seconds.
        x, y: The centre.
        width, height: In pixels: the mean of the first boxes, then a moving one, of logarithms.
        seen_boxes: How many boxes it was told.
    """

    time: float
    x: Coordinate
    y: Coordinate
    width: float
    height: float
    seen_boxes: int

    @classmethod
    def first(cls, time: float, box: BoxEdges) -> Motion:
        """Of somebody who was seen once and may go anywhere."""
        x, y, width, height = _centred(box)
        return cls(time, Coordinate.first(x, ACROSS), Coordinate.first(y, DOWN), width, height, 1)

    def at(self, time: float) -> Motion:
        """The prediction for a later time."""
        dt = time - self.time
        return Motion(time, self.x.after(dt, ACROSS), self.y.after(dt, DOWN), self.width, self.height, self.seen_boxes)

    def seen(self, time: float, box: BoxEdges) -> Motion:
        """The estimate after a box was seen at a time."""
        before = self.at(time)
        x, y, width, height = _centred(box)
        size_gain = max(1 / (self.seen_boxes + 1), SIZE_GAIN)
        return Motion(
            time,
            before.x.seen(x, ACROSS),
            before.y.seen(y, DOWN),
            before.width * (width / before.width) ** size_gain,
            before.height * (height / before.height) ** size_gain,
            self.seen_boxes + 1,
        )

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Motion:
        """Of what ``dataclasses.asdict`` made of one."""
        return cls(**{**state, "x": Coordinate(**state["x"]), "y": Coordinate(**state["y"])})


def _centred(box: BoxEdges) -> tuple[float, float, float, float]:
    """A box's centre, width and height."""
    x1, y1, x2, y2 = box
    return (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1
