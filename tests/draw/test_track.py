"""Somebody on frames: where they are between what is known, and that nobody else can be recognised."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerby.draw.track import Pixels, Track, alone, coarse, outlined
from passerby.errors import InputError
from passerby.types import Box

WIDTH, HEIGHT = 200, 120


def noise(seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


def track(*places: tuple[float, float], first: float | None = None, last: float | None = None) -> Track:
    """Boxes of 20 x 50 pixels at times and lefts, 40 pixels below the top."""
    return Track.of([(time, Box(left, 40, 20, 50)) for time, left in places], first, last)


def left(edges: tuple[float, float, float, float] | None) -> float | None:
    return edges and edges[0]


def test_between_known_places_somebody_walks_straight() -> None:
    walker = track((2, 50), (1, 10), (6, 130))
    assert walker.at(1.25) == (20, 40, 40, 90)
    assert left(walker.at(4)) == pytest.approx(90)
    assert left(walker.at(2)) == 50
    assert (left(walker.at(0.8)), left(walker.at(6.2))) == (10, 130), "held for a moment"
    assert (walker.at(0.7), walker.at(6.3)) == (None, None)
    assert (walker.first, walker.last) == (1, 6)


def test_places_that_are_far_apart_say_nothing_of_what_is_between() -> None:
    walker = track((1, 10), (2, 50), (6, 130))
    assert left(walker.at(1.5, between=2)) == pytest.approx(30)
    assert left(walker.at(2.2, between=2)) == pytest.approx(54)
    assert walker.at(3, between=2) is None
    assert walker.at(4, between=2) is None
    assert left(walker.at(5.8, between=2)) == pytest.approx(126)


def test_others_may_be_anywhere_between_their_places() -> None:
    other = track((1, 10), (5, 130), first=0, last=6)
    margin = 12.5
    assert other.reach(3) == (10 - margin, 40 - margin, 150 + margin, 90 + margin)
    assert other.reach(-0.9) == other.reach(0.5) == (10 - margin, 40 - margin, 30 + margin, 90 + margin)
    assert other.reach(6.9) == (130 - margin, 40 - margin, 150 + margin, 90 + margin)
    assert (other.reach(-1.1), other.reach(7.1)) == (None, None)


def test_no_place_is_no_track() -> None:
    with pytest.raises(InputError, match="at least one box and its time"):
        Track.of([])


def test_an_outline_is_around_the_box_and_nothing_else_changes() -> None:
    pixels = noise()
    before = pixels.copy()
    drawn = outlined(pixels, track((1, 50)), 1)
    assert np.array_equal(pixels, before)
    changed = (drawn != pixels).any(axis=2)
    assert not changed[40:90, 50:70].any(), "the person stays as they are"
    assert changed[36:94, 46:74].sum() == changed.sum()
    for ring in (drawn[38:40, 48:72], drawn[90:92, 48:72], drawn[38:92, 48:50], drawn[38:92, 70:72]):
        assert (ring == (255, 214, 10)).all()
    assert drawn[36:38, 46:74].max() < 30
    assert np.array_equal(outlined(pixels, track((1, 50)), 5), pixels)


@pytest.mark.parametrize("box", [Box(-500, -500, 5, 5), Box(500, 500, 5, 5), Box(-10, -10, 500, 500), Box(-5, 50, 10, 300)])
def test_boxes_that_leave_the_frame(box: Box) -> None:
    pixels = noise()
    known = Track.of([(0, box)])
    assert outlined(pixels, known, 0).shape == pixels.shape
    shown = alone(pixels, known, [], 0)
    inside = (slice(max(0, int(box.y)), max(0, int(box.y + box.height))), slice(max(0, int(box.x)), max(0, int(box.x + box.width))))
    assert np.array_equal(shown[inside], pixels[inside])
    assert np.array_equal(shown[0, 150:], coarse(pixels)[0, 150:]) or box.width == 500


def test_only_the_own_box_is_shown() -> None:
    pixels = noise()
    shown = alone(pixels, track((1, 50)), [], 1)
    assert np.array_equal(shown[40:90, 50:70], pixels[40:90, 50:70])
    outside = np.ones(pixels.shape[:2], np.bool_)
    outside[40:90, 50:70] = False
    assert np.array_equal(shown[outside], coarse(pixels)[outside])


def test_what_others_cover_is_hidden_too() -> None:
    pixels = noise()
    shown = alone(pixels, track((1, 50)), [track((1, 75))], 1)
    assert np.array_equal(shown[40:90, 50:62], pixels[40:90, 50:62])
    assert np.array_equal(shown[40:90, 63:70], coarse(pixels)[40:90, 63:70]), "their box has a margin"
    assert np.array_equal(alone(pixels, track((1, 50)), [track((1, 55))], 1), coarse(pixels))


@pytest.mark.parametrize("time", [0.7, 3.5, 6.3])
def test_a_place_that_is_not_sure_is_hidden(time: float) -> None:
    pixels = noise()
    assert np.array_equal(alone(pixels, track((1, 50), (6, 60)), [], time), coarse(pixels))


@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    seed=st.integers(0, 99),
    time=st.floats(0, 8),
    others=st.lists(st.floats(-50, 150), max_size=3),
)
def test_outside_of_the_own_box_a_frame_tells_no_more_than_a_mosaic(
    height: int, width: int, seed: int, time: float, others: list[float]
) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    own = track((1, 10), (2, 30), (6, 40))
    shown = alone(pixels, own, [track((2, one)) for one in others], time)
    assert shown.shape == pixels.shape
    told = {tuple(colour) for colour in coarse(pixels).reshape(-1, 3)}
    assert len(told) <= 12 * 12
    assert all(value % 32 == 16 for colour in told for value in colour)
    edges = own.at(time, 2.0)
    for y, x in zip(*np.nonzero((shown != coarse(pixels)).any(axis=2)), strict=True):
        assert edges
        assert edges[0] - 1 < x < edges[2] + 1
        assert edges[1] - 1 < y < edges[3] + 1
