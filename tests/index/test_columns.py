from __future__ import annotations

import numpy as np
import pytest
from crops import random_vectors
from hypothesis import given
from hypothesis import strategies as st

from passerby.index.columns import ROWS, columns_of, in_blocks, subtract_worn
from passerby.index.scan import could_be_best, rounding_of
from passerby.index.score import Weights, weighted_scores
from passerby.index.vectors import VectorTable

COUNTS = st.one_of(st.integers(0, 40), st.sampled_from([ROWS - 1, ROWS, ROWS + 1, 9 * ROWS + 7]))


@given(count=COUNTS, width=st.integers(0, 9), seed=st.integers(0, 99))
def test_blocks_hold_the_rows(count: int, width: int, seed: int) -> None:
    rows = np.random.default_rng(seed).integers(0, 256, (count, width), np.uint8)
    blocks = in_blocks(rows)
    assert blocks.shape == (-(-count // ROWS), width, ROWS)
    np.testing.assert_array_equal(columns_of(blocks, range(width), count), rows.T)
    assert blocks.sum(dtype=np.int64) == rows.sum(dtype=np.int64)


@given(count=COUNTS, questions=st.integers(1, 4), seed=st.integers(0, 2**32 - 1), scale=st.sampled_from([1e-6, 1e-3, 1.0, 1e3]))
def test_rough_scores_of_what_is_worn_keep_their_promise(count: int, questions: int, seed: int, scale: float) -> None:
    """Some ask about nothing: their scores stay as they are, to the bit."""
    rng = np.random.default_rng(seed)
    vectors, rows = random_vectors(count, 8, seed), rng.integers(0, 256, (count, 14), np.uint8)
    asked = [
        Weights(direction, scale * rng.random(14) * (rng.random(14) < 0.5) if rng.random() < 0.7 else np.empty(0))
        for direction in random_vectors(questions, 8, seed).astype(np.float64)
    ]
    table = VectorTable.of([vectors.astype(np.float16)], np.arange(count), np.empty(0, np.intp), [in_blocks(rows)])
    plain = table.scores(np.stack([question.vector for question in asked]))
    exact = weighted_scores(asked, vectors, rows)
    for question, rough, before, truth in zip(asked, table.weighted(asked), plain, exact, strict=True):
        assert np.abs(rough - truth).max(initial=0) <= rounding_of(question.worn)
        if not question.worn.any():
            np.testing.assert_array_equal(rough, before)
        best = np.argsort(-truth, kind="stable")[:3]
        assert set(best) <= set(could_be_best(rough, 3, rounding_of(question.worn)))


@pytest.mark.parametrize("width", [2, 14, 400])
def test_a_score_of_what_is_worn_does_not_depend_on_what_is_scored_beside_it(width: int) -> None:
    rng = np.random.default_rng(width)
    vectors, rows = random_vectors(200, 16), rng.integers(0, 256, (200, width), np.uint8)
    asked = [Weights(vector.astype(np.float64), rng.random(width)) for vector in random_vectors(5, 16, seed=1)]
    together = weighted_scores([*asked, Weights(asked[0].vector)], vectors, rows)
    for number, question in enumerate(asked):
        alone = [weighted_scores([question], vectors[row : row + 1], rows[row : row + 1])[0, 0] for row in range(200)]
        np.testing.assert_array_equal(together[number], alone)
        slow = [
            np.sum(vector.astype(np.float64) * question.vector) - np.sum(row.astype(np.float64) * question.worn)
            for vector, row in zip(vectors, rows, strict=True)
        ]
        np.testing.assert_array_equal(together[number], slow)
    np.testing.assert_array_equal(together[5], weighted_scores([Weights(asked[0].vector)], vectors, rows[:, :0])[0])


def test_nothing_is_subtracted_where_nothing_is_known() -> None:
    scores = np.ones((1, 5), np.float32)
    subtract_worn(scores, in_blocks(np.zeros((5, 4), np.uint8)), [np.ones(4)])
    np.testing.assert_array_equal(scores, 1)
    subtract_worn(scores, in_blocks(np.empty((5, 0), np.uint8)), [np.empty(0)])
    np.testing.assert_array_equal(scores, 1)
