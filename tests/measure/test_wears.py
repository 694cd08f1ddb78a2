"""The probability that an attribute is worn: its fit against a slow reference, where labels come from, and for whom it holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from passerby.find.filter import SURE
from passerby.measure.split import EmbeddedSplit
from passerby.measure.wears import LEAST, fit_wears, left_out, platt, said_in, ticked_in
from passerby.types import Caption, ModelDigest, Origin, Record, Split

NAMES = ("upper:red", "carried:bag", "head:hat")
USUAL = np.array([0.8, -0.3])
HALVES = (np.array([f"p{n}" for n in range(0, 400, 2)]), np.array([f"p{n}" for n in range(1, 400, 2)]))


def test_few_outcomes_leave_the_usual_numbers_and_many_find_their_own() -> None:
    generator = np.random.default_rng(0)
    assert platt(np.empty(0), np.empty(0), USUAL) == pytest.approx(USUAL)
    log_odds = 2 * generator.normal(size=20_000)
    worn = (generator.random(20_000) < 1 / (1 + np.exp(-(2 * log_odds + 1)))).astype(np.float64)
    assert platt(log_odds, worn, USUAL) == pytest.approx([2, 1], abs=0.1)
    few = platt(log_odds[:5], worn[:5], USUAL)
    assert np.abs(few - USUAL).max() < 1


@given(seed=st.integers(0, 2**32 - 1), scale=st.sampled_from([0.1, 3.0, 40.0]))
def test_the_fit_ends_where_the_penalised_likelihood_is_flat_or_at_a_slope_of_zero(seed: int, scale: float) -> None:
    generator = np.random.default_rng(seed)
    log_odds, worn = scale * generator.normal(size=30), (generator.random(30) < 0.4).astype(np.float64)
    slope, offset = platt(log_odds, worn, USUAL)
    error = (1 + np.tanh((slope * log_odds + offset) / 2)) / 2 - worn
    pull = np.array([4.0, 1.0]) * (np.array([slope, offset]) - USUAL)
    by_slope, by_offset = error @ log_odds + pull[0], error.sum() + pull[1]
    assert slope >= 0
    assert by_offset == pytest.approx(0, abs=1e-4)
    assert by_slope == pytest.approx(0, abs=1e-4) if slope > 0 else by_slope >= -1e-4


@pytest.mark.parametrize("mentioned", [0.5, 0.7, 0.9])
def test_what_captions_leave_out_is_counted_in(mentioned: float) -> None:
    generator = np.random.default_rng(1)
    truth = generator.normal(scale=4, size=20_000) - 2
    worn = generator.random(20_000) < 1 / (1 + np.exp(-truth))
    said = (worn & (generator.random(20_000) < mentioned)).astype(np.float64)
    odds = np.log(mentioned) + truth - np.logaddexp(0, truth + np.log1p(-mentioned))
    likely = left_out(odds, said, np.array([1.0, 0.0]))
    assert likely[said == 1].min() == 1
    assert likely.mean() == pytest.approx(worn.mean(), abs=0.05)
    by_hand = 1 / (1 + np.exp(-truth))
    assert np.abs(likely - by_hand)[said == 0].mean() < 0.12


def people(count: int = 400) -> tuple[NDArray[np.float32], NDArray[np.float32], list[str]]:
    """Log-odds that are twice too sure of red and one too high; worn or not."""
    generator = np.random.default_rng(3)
    truth = generator.normal(size=(count, 3)) * 1.5
    worn = (generator.random((count, 3)) < 1 / (1 + np.exp(-truth))).astype(np.float32)
    return (2 * truth + 1).astype(np.float32), worn, [f"p{n}" for n in range(count)]


def test_attributes_that_few_annotators_ticked_go_by_captions() -> None:
    log_odds, worn, identities = people()
    ticked, captions = worn.copy(), worn.copy()
    ticked[:, 1] = np.nan
    ticked[LEAST - 1 :, 2] = captions[:, 2] = np.nan
    red, bag, hat = fit_wears(NAMES, log_odds, ticked, captions, identities, HALVES)
    assert (red.wears.annotated, bag.wears.annotated, hat.wears.annotated) == (True, False, False)
    assert (red.wears.n, bag.wears.n, hat.wears.n) == (400, 400, 0)
    assert (hat.auc, hat.wears.auc) == (None, None)
    for one, off in ((red, 0.3), (bag, 0.5)):  # captions that say all are taken to leave out a little
        assert one.wears.slope == pytest.approx(0.5, abs=0.15)
        assert one.wears.offset == pytest.approx(-0.5, abs=off)
    assert hat.wears.slope == pytest.approx(0.5, abs=0.15)


def test_precision_and_recall_are_those_of_a_count_out_of_fold() -> None:
    log_odds, worn, identities = people()
    red = fit_wears(NAMES, log_odds, worn, worn, identities, HALVES)[0]
    pairs = [(a > b) + 0.5 * (a == b) for a in log_odds[worn[:, 0] == 1, 0] for b in log_odds[worn[:, 0] == 0, 0]]
    assert red.auc is not None
    assert red.auc.mean == pytest.approx(100 * np.mean(pairs))
    assert red.wears.auc == pytest.approx(np.mean(pairs), abs=1e-3)
    for least, precision, recall in ((0.5, red.precision, red.recall), (SURE, red.filter_precision, red.filter_recall)):
        assert precision is not None and recall is not None
        called = red.wears.probability(log_odds[:, 0]) >= least
        assert precision.mean == pytest.approx(100 * worn[called, 0].mean(), abs=3)
        assert recall.mean == pytest.approx(100 * called[worn[:, 0] == 1].mean(), abs=3)
        assert precision.low < precision.mean < precision.high


def test_a_half_is_judged_by_what_was_fitted_on_the_other() -> None:
    """Where red means the contrary in one half, each is judged wrongly."""
    log_odds, worn, identities = people()
    odd = np.arange(400) % 2 == 1
    contrary = worn.copy()
    contrary[odd, 0] = 1 - contrary[odd, 0]
    red = fit_wears(NAMES, log_odds, contrary, contrary, identities, HALVES)[0]
    assert red.precision is not None
    assert red.precision.mean < 65


def test_people_of_neither_half_are_left_out() -> None:
    log_odds, worn, identities = people()
    strangers = np.isin(identities, [f"p{n}" for n in range(100)])
    halves = tuple(half[50:] for half in HALVES)
    without = [name for name, stranger in zip(identities, strangers, strict=True) if not stranger]
    found = fit_wears(NAMES, log_odds, worn, worn, identities, halves)
    assert found == fit_wears(NAMES, log_odds[~strangers], worn[~strangers], worn[~strangers], without, halves)
    assert found[0].wears.n == 300


def test_the_probability_never_falls_with_the_log_odds() -> None:
    log_odds, worn, identities = people()
    for one in fit_wears(NAMES, log_odds, 1 - worn, worn, identities, HALVES):
        assert np.all(np.diff(one.wears.probability(np.linspace(-9, 9, 99))) >= 0)


def test_labels_are_of_annotators_by_name_and_of_own_captions(tmp_path: Path) -> None:
    own, machine = Caption("a man in a red jacket with no bag"), Caption("a man with a hat", Origin.DENSE)
    records = (
        Record(tmp_path / "a" / "1.png", "a/1.png", "p0", Split.VAL, (own, machine)),
        Record(tmp_path / "2.png", "2.png", "p1", Split.VAL, (machine,)),
    )
    vectors = np.eye(2, dtype=np.float32)
    split = EmbeddedSplit("x", Split.VAL, "m", ModelDigest("0" * 64), records, vectors, (), vectors, 0, (), ())
    ticked = ticked_in(split, NAMES, {"a/1": {"head:hat": True, "upper:red": False, "feet:boot": True}})
    np.testing.assert_array_equal(ticked, np.array([[0, np.nan, 1], [np.nan] * 3], np.float32))
    np.testing.assert_array_equal(said_in(split, NAMES), np.array([[1, 0, 0], [np.nan] * 3], np.float32))
