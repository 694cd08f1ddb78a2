"""How well a crop shows somebody."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter

from passerby.detect.quality import covered, qualities, sharpened, sharpness

Sides = tuple[float, float, float, float]

BOX = (100.0, 100.0, 180.0, 300.0)


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        ([BOX], 1.0),
        ([(100, 100, 113, 132)], 0.5),  # 32 pixels tall
        ([(2, 100, 82, 300)], 0.5),  # cut by the left border
        ([(100, 278, 180, 478)], 0.5),
        ([BOX, (100, 200, 180, 400)], 0.25),  # its lower half is hidden
        ([BOX, (100, 200, 180, 300)], 1.0),  # feet as low: nobody is before the other
        ([(100, 100, 340, 300)], 0.5),  # twice as broad as anybody
    ],
)
def test_what_shows_less_is_worse(boxes: list[Sides], expected: float) -> None:
    assert qualities(np.array(boxes), np.ones(len(boxes)), 640, 480)[0] == pytest.approx(expected)


def test_who_is_behind_two_is_hidden_by_both() -> None:
    boxes = np.array([BOX, (100, 200, 180, 400), (100, 100, 140, 410)])
    assert covered(boxes)[0] == pytest.approx(0.75)


def test_a_blurred_crop_is_less_sharp_at_any_size() -> None:
    rng = np.random.default_rng(0)
    crop = Image.fromarray(rng.integers(0, 256, (40, 20, 3), np.uint8)).resize((80, 200), Image.Resampling.NEAREST)
    last = sharpness(crop)
    for radius in (2, 4, 8):
        assert sharpness(crop.filter(ImageFilter.GaussianBlur(radius))) < last
        last = sharpness(crop.filter(ImageFilter.GaussianBlur(radius)))
    assert sharpness(Image.new("RGB", (1, 1))) == 0
    assert sharpened(0.8, 0.0) == 0 and sharpened(0.8, 1.0) == 0.8
