"""The score: how well somebody fits a question. Whoever ranks, measures, calibrates or judges people does it with this one function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

_ROWS: Final = 64
"""Rows that are scored at a time: they stay in the processor's cache for all questions."""


class Weights(NamedTuple):
    """A question as one linear function of a stored row: the product with its vector, less that with its bytes of what is worn.

    Args:
        vector: of length 1, float64 (d,).
        worn: of the bytes that :func:`passerby.model.worn.worn_bytes` makes, not negative, float64 (2a,); (0,) for none.
    """

    vector: NDArray[np.float64]
    worn: NDArray[np.float64] = np.empty(0)


def weighted_scores(questions: Sequence[Weights], vectors: NDArray[Any], worn: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Scores in float64, each the same to the bit whatever else is scored beside it: float64 (q, n).

    Args:
        questions: at least one.
        vectors: of stored rows, float (n, d).
        worn: their bytes, uint8 (n, 2a), or (n, 0) where nothing is known of what is worn, which then weighs nothing.
    """
    scores = exact_scores(np.stack([question.vector for question in questions]), vectors)
    for number, question in enumerate(questions):
        if question.worn.size and worn.size:
            scores[number] -= exact_scores(question.worn[None], worn)[0]
    return scores


def exact_scores(directions: NDArray[Any], vectors: NDArray[Any]) -> NDArray[np.float64]:
    """Inner products in float64, cosine similarities of unit vectors: float64 (q, n).

    Each is the same to the bit whatever else is scored beside it, as those of a matrix product are not: equal vectors score equally,
    and who is found is who was measured.

    Args:
        directions: of the questions, float (q, d).
        vectors: of people, float (n, d).
    """
    wanted = directions.astype(np.float64)
    scores = np.empty((len(wanted), len(vectors)))
    for start in range(0, len(vectors), _ROWS):
        rows = vectors[start : start + _ROWS].astype(np.float64)
        products = np.empty_like(rows)
        for direction, of_rows in zip(wanted, scores[:, start : start + _ROWS], strict=True):
            np.sum(np.multiply(rows, direction, out=products), axis=1, out=of_rows)
    return scores
