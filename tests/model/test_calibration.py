"""What a manifest's calibration makes of scores."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from passerby.errors import ModelError
from passerby.model.calibration import USUAL_SCORES, Calibration, Crowd, evidence
from passerby.model.worn import Wears

CALIBRATION = Calibration(0.01, 0.15, -4.0, 10.0, 1.5, -1.0, {"ece": 0.01})
FUSED = replace(
    CALIBRATION,
    fusion={"colour": 0.01, "denied": 0},
    wears={"head:hat": Wears(0.9, -0.5, 605, True, 0.888, 0.778, None), "b": Wears(1.0, 0.0)},
)
COSINES = st.lists(st.floats(-1, 1), min_size=1, max_size=40).map(lambda scores: np.array(sorted(scores, reverse=True)))


def slow_probability(score: float, gallery: NDArray[np.float64]) -> float:
    """The usual scores join the gallery's own, half of them one spread below the usual mean and half one above."""
    usual = np.repeat([0.01 - 0.15, 0.01 + 0.15], USUAL_SCORES // 2)
    everything = np.concatenate([gallery, usual])
    margin = (score - everything.mean()) / everything.std()
    return 1 / (1 + math.exp(4.0 - 10.0 * score - 1.5 * margin + 1.0 * math.log(len(gallery))))


WEARS = Wears(0.9, -0.5).to_json()


@given(gallery=COSINES)
def test_probabilities_are_those_of_a_slow_reference_and_fall_with_rank(gallery: NDArray[np.float64]) -> None:
    """Also in galleries of one, and where all scores are equal."""
    found = CALIBRATION.probability(gallery, Crowd.of(gallery))
    np.testing.assert_allclose(found, [slow_probability(score, gallery) for score in gallery], atol=1e-9)
    assert np.all(np.diff(found) <= 1e-12)
    assert np.all((found >= 0) & (found <= 1))


@given(scores=st.integers(0, 2**32 - 1))
def test_many_questions_at_once_are_as_each_alone(scores: int) -> None:
    generator = np.random.default_rng(scores)
    galleries, members = generator.uniform(-1, 1, (4, 9)), generator.random((4, 9)) < 0.5
    members[:, 0] = True
    best = galleries[:, :3]
    together = CALIBRATION.probability(best, Crowd.of(galleries, members))
    alone = [CALIBRATION.probability(best[row], Crowd.of(galleries[row, members[row]])) for row in range(4)]
    np.testing.assert_allclose(together, alone, rtol=1e-12)


def test_the_same_score_is_worth_less_in_a_larger_gallery_and_more_above_a_lower_crowd() -> None:
    crowd = np.random.default_rng(0).normal(0, 0.15, 1000)
    score = np.array([0.5])
    (among_many,), (among_few,) = (CALIBRATION.probability(score, Crowd.of(some)) for some in (crowd, crowd[:50]))
    (above_low,) = CALIBRATION.probability(score, Crowd.of(crowd - 0.1))
    assert among_many < among_few
    assert among_many < above_low


def test_a_gallery_of_one_is_judged_against_the_usual_crowd() -> None:
    """Otherwise its margin would always be zero: the picture would be compared with itself."""
    low, high = (evidence(score, Crowd.of(score), 0.01, 0.15)[0] for score in (np.array([0.0]), np.array([0.6])))
    assert low[1] == pytest.approx(0, abs=0.1)
    assert high[1] > 3
    assert low[2] == high[2] == 0


@given(gallery=COSINES, shift=st.floats(-3, 3))
def test_with_a_fusion_only_what_stands_out_of_the_gallery_counts(gallery: NDArray[np.float64], shift: float) -> None:
    """Everybody scores less, the more is asked of what they wear; the usual mean moves with it here."""
    found = FUSED.probability(gallery, Crowd.of(gallery))
    moved = replace(FUSED, usual_mean=FUSED.usual_mean + shift).probability(gallery + shift, Crowd.of(gallery + shift))
    np.testing.assert_allclose(moved, found, atol=1e-6)
    assert np.all(np.diff(found) <= 1e-12)


@pytest.mark.parametrize("calibration", [CALIBRATION, FUSED])
def test_json_brings_it_back(calibration: Calibration) -> None:
    assert Calibration.from_json(json.loads(json.dumps(calibration.to_json()))) == calibration


def test_without_fusion_the_json_is_what_it_ever_was() -> None:
    numbers = {"usual_mean": 0.01, "usual_spread": 0.15, "intercept": -4.0, "similarity": 10.0, "margin": 1.5, "log_size": -1.0}
    assert json.dumps(CALIBRATION.to_json()) == json.dumps({**numbers, "report": {"ece": 0.01}})


@pytest.mark.parametrize(
    "change",
    [
        {"intercept": None},
        {"intercept": "1"},
        {"intercept": True},
        {"intercept": float("nan")},
        {"log_size": 10**400},
        {"usual_mean": 1e300},
        {"usual_spread": 0},
        {"usual_spread": -0.1},
        {"similarity": -0.1},
        {"margin": -1e-9},
        {"report": None},
        {"report": []},
        {"fusion": []},
        {"fusion": {"colour": -0.01}},
        {"fusion": {"colour": "1"}},
        {"wears": ["head:hat"]},
        {"wears": {"head:hat": None}},
        {"wears": {"head:hat": {"slope": 1, "offset": 0}}},
        {"wears": {"head:hat": WEARS | {"slope": -0.1}}},
        {"wears": {"head:hat": WEARS | {"offset": float("nan")}}},
        {"wears": {"head:hat": WEARS | {"n": -1}}},
        {"wears": {"head:hat": WEARS | {"n": 1.5}}},
        {"wears": {"head:hat": WEARS | {"annotated": 1}}},
        {"wears": {"head:hat": WEARS | {"auc": 88}}},
    ],
)
def test_anything_else_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="calibration"):
        Calibration.from_json(CALIBRATION.to_json() | change)


@pytest.mark.parametrize("value", [[], "none", 0, {}])
def test_what_is_no_calibration_is_refused(value: object) -> None:
    with pytest.raises(ModelError, match="calibration"):
        Calibration.from_json(value)
