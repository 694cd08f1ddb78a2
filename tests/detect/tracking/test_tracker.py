"""Who is who over time: drawn and public truth, whatever a detector may say, and going on from a checkpoint."""

from __future__ import annotations

import json
import math
import time as clock
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from walking import CROSSINGS, HIDDEN, PEOPLE, RATE, SECONDS, Seen, Truth, detected, drawn, follow, public

from passerby.detect.tracking.tracker import Track, Tracker
from passerby.detect.tracking.trajectory import MOST_POINTS
from passerby.errors import InputError
from passerby.measure.tracking import identity_scores

NOBODY = np.zeros((0, 4), np.float32), np.zeros(0, np.float32)


def idf1(truth: Truth, rate: float, seeds: Iterable[int]) -> float:
    """The mean over seeds of a detector."""
    shown = truth.at(rate)
    return float(np.mean([identity_scores(shown.tracked(), follow(Tracker(), detected(shown, seed))[0]).idf1 for seed in seeds]))


@pytest.fixture(scope="module")
def streets() -> dict[int, Truth]:
    """Never used to choose a setting."""
    return {seed: drawn(seed) for seed in (1, 2, 3, 4)}


def test_drawn_streets_are_as_crowded_as_told(streets: dict[int, Truth]) -> None:
    assert (PEOPLE, CROSSINGS, HIDDEN) == (12, 20, 0.2)
    for truth in streets.values():
        assert len(truth.ids) == PEOPLE * RATE * SECONDS
        assert abs((truth.visible < 0.5).mean() - HIDDEN) < 0.02


@pytest.mark.parametrize(("rate", "least"), [(5, 85), (2, 70)])
def test_people_on_a_crowded_street_are_told_apart(streets: dict[int, Truth], rate: float, least: float) -> None:
    assert np.mean([idf1(truth, rate, [seed]) for seed, truth in streets.items()]) >= least


@pytest.mark.parametrize(("name", "least"), [("TUD-Campus", 85), ("TUD-Stadtmitte", 84)])
def test_people_of_public_videos_are_told_apart(name: str, least: float) -> None:
    assert idf1(public(name), 5, range(1, 11)) >= least


def walker(times: Iterable[float], speed: float = 60, score: float = 0.9) -> list[Seen]:
    """One who walks, seen at some times."""
    return [
        Seen(i, t, np.array([[100 + speed * t, 100, 140 + speed * t, 200]], np.float32), np.array([score], np.float32))
        for i, t in enumerate(times)
    ]


@pytest.mark.parametrize("rate", [25, 10, 5, 2, 1])
def test_one_walker_is_one_track_at_any_rate(rate: float) -> None:
    (track,) = follow(Tracker(), walker(np.arange(0, 20, 1 / rate)))[1]
    assert (track.first, round(track.last, 6)) == (0, 20 - 1 / rate)
    assert not track.static


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(0.02, 1.0), min_size=30, max_size=60))
def test_one_walker_is_one_track_at_a_rate_that_changes(steps: list[float]) -> None:
    assert len(follow(Tracker(), walker(np.cumsum(steps)))[1]) == 1


RED, BLUE = (0.7, 0.1, 0.1, 0.2, 0.2, 0.2), (0.1, 0.1, 0.7, 0.2, 0.2, 0.2)


@pytest.mark.parametrize("dressed", [True, False])
def test_people_who_turn_round_where_they_meet_are_told_apart_by_what_they_wear(dressed: bool) -> None:
    tracker, ids = Tracker(), []
    for t in np.arange(0, 6, 0.2):
        left = np.array([100 + 50 * min(t, 6 - t), 320 - 50 * min(t, 6 - t)])
        boxes = np.column_stack([left, [100, 104], left + 40, [200, 204]])
        if 2 <= t <= 4:
            boxes, left = boxes[1:], left[1:]
        worn = np.array([RED, BLUE])[-len(boxes) :] if dressed else None
        ids.append(tracker.update(float(t), boxes, np.full(len(boxes), 0.9), worn))
    assert ids[0] == [1, 2]
    assert (ids[-1] == [1, 2]) == dressed


def test_a_gap_ends_tracks() -> None:
    tracks = follow(Tracker(), walker([*np.arange(0, 4, 0.2), *np.arange(14, 18, 0.2)], speed=0))[1]
    assert [(track.first, round(track.last, 1)) for track in tracks] == [(0, 3.8), (14, 17.8)]


def test_a_clock_that_jumps_back_ends_tracks() -> None:
    tracks = follow(Tracker(), walker([*np.arange(100, 104, 0.2), *np.arange(103, 106, 0.2)], speed=0))[1]
    assert [(track.id, track.first, round(track.last, 1)) for track in tracks] == [(1, 100, 103.8), (2, 103, 105.8)]


def test_who_is_seen_for_a_moment_or_never_surely_is_nobody() -> None:
    assert follow(Tracker(), walker([0.0]))[1] == []
    assert follow(Tracker(), walker([0.0, 0.2, 0.4]))[1] == []
    assert len(follow(Tracker(), walker([0.0, 0.48]))[1]) == len(follow(Tracker(), walker([0.0, 0.2, 0.6]))[1]) == 1
    assert follow(Tracker(), walker(np.arange(0, 10, 0.2), score=0.45))[1] == []


def test_a_track_ends_in_time_and_is_told_once() -> None:
    tracker = Tracker()
    follow_until = walker(np.arange(0, 4, 0.2))
    for frame in follow_until:
        tracker.update(frame.time, frame.boxes, frame.scores)
    assert [track.id for track in tracker.present()] == [1]
    assert tracker.closed() == []
    tracker.update(6.5, *NOBODY)
    assert tracker.closed() == []
    tracker.update(7.0, *NOBODY)
    assert [track.id for track in tracker.closed()] == [1]
    assert tracker.closed() == tracker.present() == tracker.finish() == []
    assert tracker.present_ids() == frozenset()


def test_boxes_without_area_are_nobody() -> None:
    boxes = np.array([[10, 10, 10, 50], [10, 10, 50, 10], [50, 50, 10, 10], [0, 0, 40, 100]], np.float32)
    assert Tracker().update(0.0, boxes, np.full(4, 0.9, np.float32)) == [None, None, None, 1]


@pytest.mark.parametrize(
    ("time", "boxes", "scores", "colours"),
    [
        (0.2, [[0, 0, 40, 100]], [math.nan], None),
        (0.2, [[0, 0, math.inf, 100]], [0.9], None),
        (0.2, [[0, 0, 1e300, 100]], [0.9], None),
        (0.2, [[0, 0, 40, 100]], [0.9, 0.8], None),
        (0.2, [[0, 0, 40]], [0.9], None),
        (math.nan, [[0, 0, 40, 100]], [0.9], None),
        (math.inf, [], [], None),
        (0.2, [[0, 0, 40, 100]], [0.9], [[0.5] * 5]),
        (0.2, [[0, 0, 40, 100]], [0.9], [[math.nan] * 6]),
    ],
)
def test_what_no_detector_says_is_refused_and_changes_nothing(time: float, boxes: list[Any], scores: list[float], colours: Any) -> None:
    tracker = Tracker()
    tracker.update(0.0, np.array([[0, 0, 40, 100]]), np.array([0.9]))
    before = tracker.state()
    with pytest.raises(InputError):
        tracker.update(time, np.array(boxes), np.array(scores), None if colours is None else np.array(colours))
    assert tracker.state() == before


FRAMES = st.lists(
    st.tuples(
        st.floats(-1e12, 1e12, exclude_min=True, exclude_max=True),
        st.integers(0, 4).flatmap(
            lambda n: st.tuples(
                arrays(np.float32, (n, 4), elements=st.floats(allow_nan=False, allow_infinity=False, width=32)),
                arrays(np.float32, n, elements=st.floats(0, 1, width=32)),
            )
        ),
    ),
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(FRAMES)
@pytest.mark.filterwarnings("error")
def test_whatever_is_seen_is_followed_or_not(frames: list[tuple[float, tuple[NDArray[np.float32], NDArray[np.float32]]]]) -> None:
    tracker = Tracker()
    for time, (boxes, scores) in frames:
        ids = tracker.update(time, boxes, scores)
        named = [one for one in ids if one is not None]
        assert len(ids) == len(boxes)
        assert len(set(named)) == len(named)
        assert set(named) <= tracker.present_ids()
    assert all(track.first <= track.last for track in tracker.finish())


def told(tracks: list[Track]) -> list[Any]:
    return [(track.id, track.static, track.trajectory) for track in tracks]


@given(st.data())
@settings(max_examples=10, deadline=None)
def test_who_goes_on_from_a_state_finds_the_same_people(streets: dict[int, Truth], data: st.DataObject) -> None:
    seen = detected(streets[1].at(5), data.draw(st.integers(0, 9)))
    undisturbed, broken = Tracker(), Tracker()
    at = data.draw(st.integers(0, len(seen)))
    for i, frame in enumerate(seen):
        if i == at:
            broken = Tracker.from_state(json.loads(json.dumps(broken.state())))
        assert broken.update(frame.time, frame.boxes, frame.scores) == undisturbed.update(frame.time, frame.boxes, frame.scores)
    assert told(broken.finish()) == told(undisturbed.finish())


def test_a_state_stays_as_it_was_when_the_tracker_goes_on() -> None:
    tracker = Tracker()
    first, second, third = walker([0.0, 0.5, 1.0])
    for frame in (first, second):
        tracker.update(frame.time, frame.boxes, frame.scores)
    state, people = tracker.state(), tracker.present()
    before = json.dumps(state)
    tracker.update(third.time, third.boxes, third.scores)
    assert json.dumps(state) == before
    assert [track.last for track in people] == [0.5]


def test_hours_take_no_more_memory_than_minutes() -> None:
    tracker = Tracker()
    rng = np.random.default_rng(0)
    for i in range(3_000):
        tracker.update(i / 5, np.array([[100, 100, 140, 200]]) + rng.normal(0, 0.3, 4), np.array([0.5]))
    (track,) = tracker.finish()
    times = track.trajectory.times
    assert MOST_POINTS / 2 < len(times) <= MOST_POINTS
    assert (times[0], times[-1]) == (0, pytest.approx(2_999 / 5))
    assert np.ptp(np.diff(times)[:-1]) < 1e-6
    assert track.static


def seconds_to_follow(people: int, frames: int) -> float:
    """How long this thread computes; nothing else that this process or its machine does."""
    rng = np.random.default_rng(0)
    corner, speed = rng.uniform(0, [3800, 2000], (people, 2)), rng.normal(0, 40, (people, 2))
    tracker = Tracker()
    began = clock.thread_time()
    for i in range(frames):
        low = corner + speed * i / 5 + rng.normal(0, 1, corner.shape)
        tracker.update(i / 5, np.hstack([low, low + np.array([30, 80])]), rng.uniform(0.3, 1, people))
    took = clock.thread_time() - began
    assert len(tracker.finish()) > 0.8 * people
    return took


def test_five_hundred_people_are_followed_faster_than_they_walk() -> None:
    """The least of three times: a machine that is interrupted takes longer, and none takes less."""
    assert min(seconds_to_follow(500, 10) for _ in range(3)) < 1.0
