"""What moves in a video is seen, however slowly; what cameras and codecs do to a still scene is not."""

from __future__ import annotations

import numpy as np
import pytest

from passerby.media.frame import Frame, Pixels
from passerby.media.motion import LONGEST, Motion

SHAPE = (96, 192, 3)


def frame(time: float, pixels: Pixels) -> Frame:
    return Frame(
        time, pixels.shape[1], pixels.shape[0], lambda width, height: pixels[:: len(pixels) // height, :: pixels.shape[1] // width]
    )


def scene(left: int, grey: int = 120) -> Pixels:
    """Somebody of the least height that is found in such a picture, before a grey wall."""
    pixels = np.full(SHAPE, grey, np.uint8)
    pixels[40:61, left : left + 8] = (200, 40, 40)
    return pixels


def test_who_walks_is_seen_and_who_stands_is_not_looked_at_again() -> None:
    motion = Motion()
    seen = [motion.is_seen(frame(number / 5, scene(20 + 2 * min(number, 4)))) for number in range(10)]
    assert seen == [True] * 5 + [False] * 5 and motion.since == 0.8


def test_noise_is_no_motion() -> None:
    chance, motion = np.random.default_rng(0), Motion()
    noisy = [(scene(50).astype(int) + chance.integers(-3, 4, SHAPE)).astype(np.uint8) for _ in range(10)]
    assert sum(motion.is_seen(frame(number / 5, pixels)) for number, pixels in enumerate(noisy)) == 1


def test_slow_changes_add_up() -> None:
    """Each frame is as good as the one before it, and not as the last one that was looked at."""
    motion = Motion()
    seen = [motion.is_seen(frame(number / 25, scene(50, 100 + number))) for number in range(40)]
    assert 3 <= sum(seen) <= 6


@pytest.mark.parametrize("fps", [1.0, 5.0])
def test_from_time_to_time_it_is_looked_in_any_case(fps: float) -> None:
    motion = Motion()
    seen = [number / fps for number in range(int(20 * fps)) if motion.is_seen(frame(number / fps, scene(50)))]
    assert seen == [0, LONGEST, 2 * LONGEST, 3 * LONGEST]


def test_it_goes_on_from_the_frame_that_was_looked_at_last() -> None:
    motion = Motion(frame(3.0, scene(50)))
    assert not motion.is_seen(frame(3.2, scene(50))) and motion.is_seen(frame(3.4, scene(60)))
    assert motion.is_seen(frame(3.6, np.full((48, 64, 3), 9, np.uint8))), "of another size"
