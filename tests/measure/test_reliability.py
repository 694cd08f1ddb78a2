"""Figures for probabilities, beside slow references."""

from __future__ import annotations

import json
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from passerby.measure.reliability import BINS, auroc, calibration_error, measure_reliability, reliability_bins, survival

ANSWERS = st.lists(
    st.tuples(st.sampled_from(np.linspace(0, 1, 31).tolist()) | st.floats(0, 1), st.booleans()), min_size=2, max_size=60
).map(lambda pairs: (np.array([p for p, _ in pairs]), np.array([*(r for _, r in pairs[:-2]), True, False])))
Answers = tuple[NDArray[np.float64], NDArray[np.bool_]]


@given(ANSWERS)
def test_auroc_compares_every_right_answer_with_every_wrong_one(answers: Answers) -> None:
    probability, right = answers
    won = [(a > b) + (a == b) / 2 for a, b in product(probability[right], probability[~right])]
    assert auroc(probability, right) == pytest.approx(sum(won) / len(won))


@given(ANSWERS)
def test_calibration_error_is_that_of_the_bins(answers: Answers) -> None:
    probability, right = answers
    error = 0.0
    for number in range(BINS):
        inside = [i for i, p in enumerate(probability) if min(int(p * BINS), BINS - 1) == number]
        if inside:
            error += len(inside) / len(right) * abs(probability[inside].mean() - right[inside].mean())
    assert calibration_error(reliability_bins(probability, right)) == pytest.approx(error)


@given(ANSWERS, st.sampled_from([0.0, 0.01, 0.05, 0.5]))
def test_survival_keeps_to_the_rate_and_no_lower_thousandth_does(answers: Answers, rate: float) -> None:
    probability, right = answers
    unanswerable = probability[~right]
    found = survival(probability[right], unanswerable, rate)
    assert np.mean(unanswerable >= found.min_probability) <= rate
    assert np.mean(unanswerable >= round(found.min_probability - 0.001, 3)) > rate
    assert found.survive == np.mean(probability[right] >= found.min_probability)


def test_always_saying_the_base_rate_has_no_skill_and_no_error() -> None:
    right = np.arange(100) < 30
    found = measure_reliability(np.full(100, 0.3), right, right)
    assert (found.right, found.auroc) == (0.3, 0.5)
    assert [found.ece, found.brier_skill] == pytest.approx([0, 0])
    assert [s.survive for s in found.survivals] == [0, 0]


def test_knowing_is_worth_everything() -> None:
    right = np.arange(100) < 30
    found = measure_reliability(right.astype(np.float64), right, np.arange(100) < 50)
    assert (found.ece, found.brier_skill, found.auroc) == (0, 1, 1)
    assert [(b.answers, b.probability, b.right) for b in found.bins] == [(70, 0, 0), (30, 1, 1)]
    assert [s.survive for s in found.survivals] == [1, 1]


def test_saying_too_much_is_an_error() -> None:
    right = np.arange(100) < 30
    found = measure_reliability(np.full(100, 0.8), right, right)
    assert found.ece == pytest.approx(0.5)
    assert found.brier_skill < -1


def test_json_is_short() -> None:
    generator = np.random.default_rng(0)
    probability = generator.random(1000)
    right = generator.random(1000) < probability
    document = json.dumps(measure_reliability(probability, right, right | (generator.random(1000) < 0.3)).to_json())
    assert len(document) < 800
    assert json.loads(document)["survivals"][0]["false_alarms"] == 0.01


@pytest.mark.parametrize(("right", "answerable"), [([1, 1], [1, 0]), ([0, 0], [1, 0]), ([1, 0], [1, 1])])
def test_one_kind_of_answer_says_nothing(right: list[int], answerable: list[int]) -> None:
    with pytest.raises(ValueError, match="only some"):
        measure_reliability(np.array([0.2, 0.3]), np.array(right, np.bool_), np.array(answerable, np.bool_))
