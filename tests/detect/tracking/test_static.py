"""What stands still and is no person."""

from __future__ import annotations

import numpy as np
import pytest
from walking import detected, drawn, follow

from passerby.detect.tracking.static import StaticSettings, centre_spread, is_static
from passerby.detect.tracking.tracker import Tracker
from passerby.detect.tracking.trajectory import Trajectory


def standing(seconds: float, sway: float, score: float, height: float = 100) -> Trajectory:
    """Somebody or something whose centre has a spread of ``sway`` heights."""
    trajectory = Trajectory()
    for i, time in enumerate(np.arange(0, seconds, 0.2)):
        x = 50 + (sway if i % 2 else -sway) * height
        trajectory.add(float(time), (x, 0.0, x + 40, height), score)
    return trajectory


@pytest.mark.parametrize("height", [30, 300])
def test_the_spread_is_told_in_heights(height: float) -> None:
    assert centre_spread(standing(10, 0.03, 0.5, height)) == pytest.approx(0.03, rel=1e-3)


@pytest.mark.parametrize(
    ("seconds", "sway", "score", "static"),
    [(25, 0.02, 0.5, True), (15, 0.02, 0.5, False), (25, 0.08, 0.5, False), (25, 0.02, 0.8, False)],
)
def test_a_thing_stands_long_still_and_is_no_sure_person(seconds: float, sway: float, score: float, static: bool) -> None:
    assert is_static(standing(seconds, sway, score), StaticSettings()) == static


def test_a_lamp_among_walkers_is_marked_and_they_are_not() -> None:
    seen = detected(drawn(1).at(5), 5)
    lamp, tracker = np.array([[1000, 10, 1030, 90]], np.float32), Tracker()
    rng = np.random.default_rng(5)
    for again in (0, 22):
        for frame in seen:
            shown = lamp + rng.normal(0, 1, 4).astype(np.float32)
            scores = np.append(frame.scores, np.float32(rng.uniform(0.45, 0.65)))
            tracker.update(again + frame.time, np.vstack([frame.boxes, shown]), scores)
    static = [track for track in tracker.finish() if track.static]
    assert [track.trajectory.boxes[0, 1].round(-1) for track in static] == [10]
    assert not any(track.static for track in follow(Tracker(), seen)[1])
