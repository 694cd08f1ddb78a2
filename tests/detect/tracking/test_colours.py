"""What somebody wears, as two colours."""

from __future__ import annotations

import numpy as np

from passerby.detect.tracking.colours import mixed, worn_colours


def test_colours_are_those_above_and_below_the_waist() -> None:
    frame = np.full((120, 100, 3), 128, np.uint8)
    frame[20:60, 40:60], frame[60:100, 40:60] = (255, 0, 0), (0, 0, 51)
    found = worn_colours(frame, np.array([[40, 20, 60, 100], [0, 0, 20, 20]]))
    np.testing.assert_allclose(found, [[1, 0, 0, 0, 0, 0.2], [128 / 255] * 6], atol=1e-6)


def test_boxes_beyond_the_frame_have_the_colours_of_its_edge_and_nobody_has_none() -> None:
    frame = np.zeros((4, 4, 3), np.uint8)
    frame[:, -1] = 255
    assert np.array_equal(worn_colours(frame, np.array([[10.0, -5, 30, 50]])), np.ones((1, 6)))
    assert worn_colours(frame, np.zeros((0, 4))).shape == (0, 6)


def test_colours_change_slowly() -> None:
    assert np.allclose(mixed([0.5, 1.0], [1.0, 0.0]), [0.6, 0.8])
