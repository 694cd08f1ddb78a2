"""IDF1 beside the field's own implementation."""

from __future__ import annotations

import motmetrics
import numpy as np
import pytest
from numpy.typing import NDArray
from walking import detected, drawn, follow

from passerby.detect.tracking.tracker import Tracker
from passerby.measure.tracking import IdentityScores, Tracked, identity_scores

NOTHING = Tracked(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 4), np.float32))


def by_motmetrics(truth: Tracked, found: Tracked) -> IdentityScores:
    """IDP, IDR and IDF1 of motmetrics."""
    kept = motmetrics.MOTAccumulator(auto_id=True)
    for frame in np.unique(np.concatenate([truth.frames, found.frames])):
        here, there = truth.frames == frame, found.frames == frame
        kept.update(truth.ids[here], found.ids[there], distances(truth.boxes[here], found.boxes[there]))
    row = motmetrics.metrics.create().compute(kept, metrics=["idp", "idr", "idf1"]).iloc[0]
    return IdentityScores(*(100 * float(row[name]) for name in ("idp", "idr", "idf1")))


def distances(first: NDArray[np.floating], second: NDArray[np.floating]) -> NDArray[np.float64]:
    """1 − IoU, NaN from one half on, box by box."""
    far = np.full((len(first), len(second)), np.nan)
    for i, (a1, b1, a2, b2) in enumerate(first.tolist()):
        for j, (c1, d1, c2, d2) in enumerate(second.tolist()):
            shared = max(0, min(a2, c2) - max(a1, c1)) * max(0, min(b2, d2) - max(b1, d1))
            overlap = shared / ((a2 - a1) * (b2 - b1) + (c2 - c1) * (d2 - d1) - shared)
            if overlap >= 0.5:
                far[i, j] = 1 - overlap
    return far


@pytest.mark.parametrize("seed", [1, 2])
def test_scores_are_those_of_motmetrics(seed: int) -> None:
    truth = drawn(1).at(2)
    found, _ = follow(Tracker(), detected(truth, seed, jitter=0.12))
    shuffled = np.random.default_rng(seed).permutation(len(found.ids))
    found = Tracked(found.frames[shuffled], found.ids[shuffled], found.boxes[shuffled])
    ours, theirs = identity_scores(truth.tracked(), found), by_motmetrics(truth.tracked(), found)
    assert 30 < ours.idf1 < 95
    assert (ours.idp, ours.idr, ours.idf1) == pytest.approx((theirs.idp, theirs.idr, theirs.idf1))


def test_two_who_change_their_names_halfway_are_half_right() -> None:
    box = np.array([[0.0, 0, 10, 20], [50, 0, 60, 20]])
    frames, ids = np.repeat(np.arange(10), 2), np.tile([1, 2], 10)
    truth = Tracked(frames, ids, np.tile(box, (10, 1)))
    swapped = Tracked(frames, np.where(frames < 5, ids, 3 - ids), truth.boxes)
    assert identity_scores(truth, swapped) == IdentityScores(50, 50, 50)
    assert identity_scores(truth, truth) == IdentityScores(100, 100, 100)


def test_nothing_found_is_nothing_right() -> None:
    truth = Tracked(np.array([0]), np.array([1]), np.array([[0.0, 0, 10, 20]]))
    assert identity_scores(truth, NOTHING) == IdentityScores(100, 0, 0)
    assert identity_scores(NOTHING, truth) == IdentityScores(0, 100, 0)
    assert identity_scores(NOTHING, NOTHING) == IdentityScores(100, 100, 100)
