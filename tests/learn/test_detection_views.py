"""What a detector in training sees: whatever is cut and joined, boxes stay on the people."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from street_scenes import RED, red_people

from passerby.data.scenes import Scene
from passerby.learn.detection.config import Views
from passerby.learn.detection.views import NOBODY, Shown, draw_batch, passes
from passerby.types import Split

PLAIN = Views(smallest=128, largest=192, light=0.0, grey=0.0, mosaic=0.5)


def shown(rng: np.random.Generator, count: int) -> Shown:
    picture, boxes = red_people(rng, int(rng.integers(100, 300)), int(rng.integers(100, 300)), count)
    scene = Scene(Path("none.png"), (picture.shape[1], picture.shape[0]), boxes, NOBODY, Split.TRAIN, "human", "")
    return Shown(Image.fromarray(picture), scene, PLAIN.nearest, PLAIN.farthest)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000))
def test_every_red_pixel_is_in_a_box_or_ignored_and_boxes_are_red(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scenes = [shown(rng, count) for count in (0, 1, 2, 3)]

    batch = draw_batch(rng, scenes[:2], scenes, [], PLAIN)

    for pixels, boxes, ignored in zip(batch.pixels, batch.boxes, batch.ignored, strict=True):
        red = (np.abs(pixels.astype(int) - RED) < 40).all(axis=2)
        explained = np.zeros_like(red)
        for left, top, right, bottom in np.concatenate([boxes, ignored]):
            explained[int(top) : int(np.ceil(bottom)) + 1, int(left) : int(np.ceil(right)) + 1] = True
        assert not (red & ~explained).any()
        for left, top, right, bottom in boxes:
            inner = red[int(np.ceil(top)) + 2 : int(bottom) - 2, int(np.ceil(left)) + 2 : int(right) - 2]
            assert inner.size == 0 or inner.mean() > 0.95
        assert (boxes >= 0).all()
        assert (boxes <= pixels.shape[0]).all()


def test_light_and_grey_move_no_box() -> None:
    scenes = [shown(np.random.default_rng(1), 2)]
    dark = Views(smallest=128, largest=128, light=0.5, tint=0.3, grey=1.0)

    plain = draw_batch(np.random.default_rng(5), scenes, scenes, [], Views(smallest=128, largest=128, light=0.0, grey=0.0))
    other = draw_batch(np.random.default_rng(5), scenes, scenes, [], dark)

    assert all(np.array_equal(a, b) for a, b in zip(plain.boxes, other.boxes, strict=True))
    assert (other.pixels[..., 0] == other.pixels[..., 2]).all()
    assert not np.array_equal(plain.pixels, other.pixels)


def test_a_view_follows_from_its_seed() -> None:
    scenes = [shown(np.random.default_rng(1), 2)]

    one, two = (draw_batch(np.random.default_rng(9), scenes * 3, scenes, scenes, PLAIN) for _ in range(2))

    assert np.array_equal(one.pixels, two.pixels)
    assert all(np.array_equal(a, b) for a, b in zip(one.boxes, two.boxes, strict=True))


@given(count=st.integers(1, 40), batch_size=st.integers(1, 12), first=st.integers(0, 30))
def test_a_pass_shows_no_scene_twice_and_goes_on_from_any_step(count: int, batch_size: int, first: int) -> None:
    batch_size = min(batch_size, count)
    per_epoch = count // batch_size
    steps = [rows for _, rows in passes(count, batch_size, 3, 0, 2 * per_epoch)]

    for epoch in (steps[:per_epoch], steps[per_epoch:]):
        rows = np.concatenate(epoch)
        assert len(set(rows.tolist())) == len(rows)
    later = list(passes(count, batch_size, 3, min(first, 2 * per_epoch), 2 * per_epoch))
    assert [rows.tolist() for _, rows in later] == [rows.tolist() for rows in steps[first:]]
