"""Where somebody is a moment later: a constant-velocity Kalman filter in seconds and body heights, for any rate of frames."""

from __future__ import annotations

from dataclasses import dataclass

BoxEdges = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels."""

NOISE = 0.05
"""Standard deviation of a detected centre, in heights."""
START_SPEED = 0.6
"""Standard deviation of the speed of somebody seen once, in heights a second."""
WANDER = 0.25
"""Spectral density of the acceleration, in heights² a second³: how soon people turn and halt."""
SIZE_GAIN = 0.15
"""How much of a new box's size is believed once there were many."""


@dataclass(frozen=True, slots=True)
class Motion:
    """Where somebody is at a time, how fast, how large, and how surely.

    The centre follows a Kalman filter (Kalman, "A New Approach to Linear Filtering and Prediction Problems", 1960). Both axes share one
    covariance, and its noise is that of a continuous white acceleration (Bar-Shalom et al., "Estimation with Applications to Tracking and
    Navigation", 2001), so that two predictions of half a second equal one of a whole.

    Args:
        time: Seconds.
        x, y: The centre, in pixels.
        vx, vy: Its velocity, in pixels a second.
        width, height: In pixels: the mean of the first boxes, then a moving one, of logarithms.
        variance, covariance, speed_variance: Of the centre on one axis and its velocity, in heights², heights²/s and heights²/s².
        seen_boxes: How many boxes it was told.
    """

    time: float
    x: float
    y: float
    vx: float
    vy: float
    width: float
    height: float
    variance: float
    covariance: float
    speed_variance: float
    seen_boxes: int

    @classmethod
    def first(cls, time: float, box: BoxEdges) -> Motion:
        """Of somebody who was seen once and may go anywhere."""
        x, y, width, height = _centred(box)
        return cls(time, x, y, 0.0, 0.0, width, height, NOISE**2, 0.0, START_SPEED**2, 1)

    def at(self, time: float) -> Motion:
        """The prediction for a later time."""
        dt = time - self.time
        return Motion(
            time,
            self.x + self.vx * dt,
            self.y + self.vy * dt,
            self.vx,
            self.vy,
            self.width,
            self.height,
            self.variance + 2 * self.covariance * dt + self.speed_variance * dt**2 + WANDER * dt**3 / 3,
            self.covariance + self.speed_variance * dt + WANDER * dt**2 / 2,
            self.speed_variance + WANDER * dt,
            self.seen_boxes,
        )

    def seen(self, time: float, box: BoxEdges) -> Motion:
        """The estimate after a box was seen at a time."""
        before = self.at(time)
        x, y, width, height = _centred(box)
        gain = before.variance / (before.variance + NOISE**2)
        speed_gain = before.covariance / (before.variance + NOISE**2)
        size_gain = max(1 / (self.seen_boxes + 1), SIZE_GAIN)
        return Motion(
            time,
            before.x + gain * (x - before.x),
            before.y + gain * (y - before.y),
            before.vx + speed_gain * (x - before.x),
            before.vy + speed_gain * (y - before.y),
            before.width * (width / before.width) ** size_gain,
            before.height * (height / before.height) ** size_gain,
            before.variance * (1 - gain),
            before.covariance * (1 - gain),
            before.speed_variance - speed_gain * before.covariance,
            self.seen_boxes + 1,
        )


def _centred(box: BoxEdges) -> tuple[float, float, float, float]:
    """A box's centre, width and height."""
    x1, y1, x2, y2 = box
    return (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1
