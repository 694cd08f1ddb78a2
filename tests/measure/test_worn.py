"""The AUC of attributes against counting pairs, and its paired change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from passerby.measure.split import EmbeddedSplit
from passerby.measure.worn import LEAST, Worn, auc_change, labels_of, placements, shares_said, worn_in
from passerby.types import Caption, ModelDigest, Origin, Record, Split

Float32 = NDArray[np.float32]
NAMES = ("head:hat", "carried:bag")


def counted(values: Float32, said: NDArray[np.bool_]) -> float:
    """Pairs one by one."""
    pairs = [(a, b) for a in values[said] for b in values[~said]]
    return 100 * sum(float(a > b) + 0.5 * float(a == b) for a, b in pairs) / len(pairs)


@given(arrays(np.float32, (24, 2), elements=st.integers(-3, 3)), arrays(np.bool_, (24, 2)))
def test_the_mean_area_is_that_of_counting_pairs(log_odds: Float32, said: NDArray[np.bool_]) -> None:
    labels = np.where(said, 1.0, np.nan).astype(np.float32)
    worn = Worn(placements(log_odds, labels), tuple(map(str, range(24))))
    measured = [column for column in range(2) if LEAST <= said[:, column].sum() <= 24 - LEAST]
    assert worn.measured.tolist() == measured
    if measured:
        assert worn.auc == pytest.approx(np.mean([counted(log_odds[:, c], said[:, c]) for c in measured]))
    else:
        assert np.isnan(worn.auc)


def test_a_denial_counts_as_not_worn() -> None:
    labels = np.array([[1.0]] * LEAST + [[0.0]] * 3 + [[np.nan]] * (LEAST - 3), np.float32)
    log_odds = np.arange(2 * LEAST, 0, -1, dtype=np.float32)[:, None]
    assert Worn(placements(log_odds, labels), ("a",) * 2 * LEAST).auc == 100
    assert Worn(placements(-log_odds, labels), ("a",) * 2 * LEAST).auc == 0


def split_of(captions: Sequence[Sequence[str]], worn: Float32) -> EmbeddedSplit:
    records = tuple(
        Record(Path(f"{n}.png"), f"{n}.png", f"person {n // 2}", Split.VAL, tuple(Caption(text, Origin.OWN) for text in texts))
        for n, texts in enumerate(captions)
    )
    vectors = np.ones((len(records), 1), np.float32)
    return EmbeddedSplit("counted", Split.VAL, "counted", ModelDigest("0" * 64), records, vectors, (), vectors[:0], 0, (), (), worn)


def test_pictures_without_captions_are_not_counted_among_those_without_the_attribute() -> None:
    captions = [*[["a hat"]] * LEAST, *[["a coat"]] * LEAST, *[[]] * 30]
    log_odds = np.zeros((len(captions), 2), np.float32)
    log_odds[:LEAST, 0] = 1
    log_odds[2 * LEAST :] = 9
    worn = worn_in(split_of(captions, log_odds), NAMES)
    assert (worn.auc, worn.measured.tolist(), len(worn.identities)) == (100, [0], 2 * LEAST)


def test_the_change_is_the_difference_and_its_interval_knows_who_is_one_person() -> None:
    rng = np.random.default_rng(0)
    captions = [["a hat"] if rng.random() < 0.4 else ["a bag"] for _ in range(200)]
    said = np.array([text == ["a hat"] for text in captions])
    before = split_of(captions, (np.column_stack([said, ~said]) + rng.normal(size=(200, 2))).astype(np.float32))
    worse = split_of(captions, (before.worn + rng.normal(size=(200, 2))).astype(np.float32))
    a, b = worn_in(before, NAMES), worn_in(worse, NAMES)
    change = auc_change(a, b)
    assert change.mean == pytest.approx(b.auc - a.auc)
    assert change.low < change.mean < change.high < 0
    assert auc_change(a, a) == replace(change, mean=0.0, low=0.0, high=0.0)
    alone = auc_change(replace(a, identities=tuple(map(str, range(200)))), replace(b, identities=tuple(map(str, range(200)))))
    assert alone.mean == pytest.approx(change.mean)
    assert (alone.low, alone.high) != (change.low, change.high)


def test_a_label_is_the_share_of_captions_that_affirm() -> None:
    texts = ["a man in a red cap", "a hat", "a man without a hat", "he carries a bag", "black shoes"]
    shares = shares_said([texts, texts[2:4], texts[4:], []], ("head:hat", "head:cap", "carried:bag"))
    expected = [[2 / 5, 1 / 5, 1 / 5], [0, 0, 1 / 2], [np.nan] * 3, [np.nan] * 3]
    assert shares.dtype == np.float32
    assert shares == pytest.approx(np.array(expected), nan_ok=True)


def test_only_captions_of_the_origins_asked_for_count() -> None:
    captions = (Caption("a hat"), Caption("a bag", Origin.PARAPHRASE), Caption("a hat and a bag", Origin.DENSE))
    record = Record(Path("a.png"), "a.png", "a", Split.VAL, captions)
    assert labels_of([record], NAMES, (Origin.OWN,)).tolist()[0] == pytest.approx([1, np.nan], nan_ok=True)
    assert labels_of([record], NAMES, tuple(Origin)).tolist()[0] == pytest.approx([2 / 3, 2 / 3])
    assert labels_of([], NAMES, (Origin.OWN,)).shape == (0, 2)


def test_what_some_captions_affirm_and_others_deny_is_worn() -> None:
    captions = [["a hat", "no hat"]] * LEAST + [["no hat"]] * LEAST
    log_odds = np.repeat(np.array([[1, 0], [0, 0]], np.float32), LEAST, axis=0)
    assert worn_in(split_of(captions, log_odds), NAMES).auc == 100


def test_other_pictures_are_not_compared() -> None:
    worn = worn_in(split_of([["a hat"], ["a bag"]] * LEAST, np.zeros((2 * LEAST, 2), np.float32)), NAMES)
    with pytest.raises(ValueError, match="same pictures"):
        auc_change(worn, replace(worn, identities=worn.identities[::-1]))
