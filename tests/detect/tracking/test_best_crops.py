"""Which crops are kept: the best, apart from each other, and never more than a few."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerby.detect.quality import qualities, sharpened
from passerby.detect.tracking.best_crops import BestCrop, BestCrops, BestCropSettings
from passerby.detect.tracking.motion import BoxEdges

BOX = (100.0, 100.0, 180.0, 300.0)


def quality(*boxes: BoxEdges, score: float = 1.0) -> float:
    """Of the first of several boxes."""
    return float(qualities(np.array(boxes), np.full(len(boxes), score), 640, 480)[0])


def crop(time: float, quality: float) -> BestCrop[str]:
    return BestCrop(time, BOX, quality, f"{time}: {quality}")


def test_a_whole_free_tall_person_is_as_good_as_its_score() -> None:
    assert quality(BOX) == 1
    assert quality(BOX, score=0.5) == 0.5


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        ([(100, 100, 113, 132)], 0.5),  # 32 pixels tall
        ([(2, 100, 82, 300)], 0.5),
        ([(100, 278, 180, 478)], 0.5),
        ([BOX, (100, 200, 180, 400)], 0.25),
        ([BOX, (100, 200, 180, 300)], 1.0),  # feet as low: nobody is before the other
        ([BOX, (100, 50, 180, 250)], 1.0),
        ([BOX, (100, 200, 180, 400), (100, 200, 180, 410)], 0.0625),
        ([(100, 100, 340, 300)], 0.5),  # twice as broad as anybody
        ([(100, 100, 125, 300)], 0.5),
    ],
)
def test_what_shows_less_is_worse(boxes: list[BoxEdges], expected: float) -> None:
    assert quality(*boxes) == pytest.approx(expected)


def test_nobody_has_no_quality() -> None:
    assert qualities(np.zeros((0, 4)), np.zeros(0), 640, 480).shape == (0,)


@given(st.floats(0, 1), st.floats(0, 1))
def test_sharpness_never_raises_a_quality(value: float, sharpness: float) -> None:
    assert 0 <= sharpened(value, sharpness) <= value


OFFERS = st.lists(st.tuples(st.floats(0.04, 2), st.floats(0.01, 1)), max_size=60).map(
    lambda steps: [
        crop(time, value)
        for time, value in zip(np.cumsum([0.0, *(step for step, _ in steps)]).tolist(), (v for _, v in steps), strict=False)
    ]
)


@given(OFFERS)
def test_kept_crops_are_few_apart_and_the_best_first(offers: list[BestCrop[str]]) -> None:
    best: BestCrops[str] = BestCrops()
    for one in offers:
        wanted = best.wants(7, one.time, one.quality)
        assert best.offer(7, one) == wanted
    kept = best.take(7)
    times = sorted(one.time for one in kept)
    assert len(kept) <= 4
    assert all(later - earlier >= 1 for earlier, later in pairwise(times))
    assert [one.quality for one in kept] == sorted((one.quality for one in kept), reverse=True)
    assert best.take(7) == ()
    if offers:
        assert kept[0].quality * 1.1**2 >= max(one.quality for one in offers)


def test_a_crop_is_replaced_by_one_that_is_a_tenth_better() -> None:
    best: BestCrops[str] = BestCrops(BestCropSettings(most=2))
    for one in (crop(0, 0.5), crop(0.5, 0.54), crop(0.6, 0.56), crop(2, 0.3), crop(4, 0.32), crop(6, 0.4)):
        best.offer(1, one)
    assert [one.picture for one in best.take(1)] == ["0.6: 0.56", "6: 0.4"]


def test_tracks_that_are_gone_are_let_go() -> None:
    best: BestCrops[str] = BestCrops()
    for track in (1, 2, 3):
        best.offer(track, crop(0, 0.5))
    best.forget_all_but({2})
    assert [len(best.take(track)) for track in (1, 2, 3)] == [0, 1, 0]


def test_going_on_from_a_state_keeps_the_same_crops() -> None:
    rng = np.random.default_rng(0)
    offers = [crop(i / 5, float(value)) for i, value in enumerate(rng.uniform(0.1, 1, 100))]
    undisturbed: BestCrops[str] = BestCrops()
    broken: BestCrops[str] = BestCrops()
    pictures = {one.time: one.picture for one in offers}
    for i, one in enumerate(offers):
        if i == 37:
            broken = BestCrops.from_state(json.loads(json.dumps(broken.state())), lambda time, box: pictures[time] if box == BOX else "")
        assert broken.offer(1, one) == undisturbed.offer(1, one)
    assert [(one.time, one.quality, one.picture) for one in broken.take(1)] == [
        (one.time, one.quality, one.picture) for one in undisturbed.take(1)
    ]
