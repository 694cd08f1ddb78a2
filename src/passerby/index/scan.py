"""Exact scoring of many questions against float16 vectors, in one pass over the bytes."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any, Final

import numkong
import numpy as np
from numpy.typing import NDArray

THREADS: Final = 2
"""Threads of one scan: one core reads a half to two thirds of what the memory gives, and two read nearly all of it."""

ROUNDING: Final = 1.2e-3
"""How far a float16 score may be from the exact one: both vectors of length 1 and rounded by at most 2**-11 of each number,
with room for their length, for numbers below float16's normal range, and for float32 sums in any order."""

_ROWS: Final = 4096
"""Rows that are scored at a time: their scores for many questions stay in the processor's cache."""
_BLOCK: Final = 64


def rough_scores(vectors: NDArray[np.float16], directions: NDArray[np.float64]) -> NDArray[np.float32]:
    """Cosine similarities within ``ROUNDING``: float32 (q, n), of vectors float16 (n, d) and directions float64 (q, d), all of length 1."""
    questions = directions.astype(np.float16)
    scores = np.empty((len(questions), len(vectors)), np.float32)
    if len(questions) == 1:
        in_parts(lambda rows: _score_one(vectors[rows], questions, scores[:, rows]), len(vectors))
    elif len(questions):
        packed = numkong.dots_pack(questions, dtype="f16")
        in_parts(lambda rows: _score_many(vectors[rows], packed, scores[:, rows]), len(vectors))
    return scores


def _score_one(vectors: NDArray[np.float16], question: NDArray[np.float16], scores: NDArray[np.float32]) -> None:
    scores[0] = np.asarray(numkong.cdist(vectors, question, "dot")).ravel()


def _score_many(vectors: NDArray[np.float16], packed: numkong.PackedMatrix, scores: NDArray[np.float32]) -> None:
    for start in range(0, len(vectors), _ROWS):
        rows = slice(start, start + _ROWS)
        scores[:, rows] = np.asarray(numkong.dots_packed(vectors[rows], packed)).T


def kth_best(scores: NDArray[Any], k: int) -> float:
    """The ``k``-th largest of n scores, minus infinity if there are no more than ``k``: a partial sort of few of them.

    At least ``k`` scores reach the ``k``-th largest of the maxima of blocks, so only those few that do are partitioned.
    """
    if len(scores) <= k:
        return -math.inf
    maxima = np.maximum.reduceat(scores, np.arange(0, len(scores), _BLOCK))
    if len(maxima) > k:
        scores = scores[scores >= np.partition(maxima, -k)[-k]]
    return float(np.partition(scores, -k)[-k])


def rounding_of(worn: NDArray[np.float64]) -> float:
    """How far a rough score may be from the exact one, of a question with these weights of bytes, float64 (2a,) or (0,).

    Weights, products and sums in any order are rounded by at most 2**-24 of the sum of all products, and so is what is left of the cosine.
    """
    return ROUNDING + (np.count_nonzero(worn) + 4) * 2.0**-24 * 255 * float(worn.sum())


def could_be_best(rough: NDArray[np.float32], k: int, rounding: float) -> NDArray[np.intp]:
    """Rows that can be among the ``k`` best, whatever rounding did to their scores (n,), each by at most so much."""
    return np.flatnonzero(rough >= kth_best(rough, k) - 2 * rounding)


def in_parts(work: Callable[[slice], object], count: int) -> None:
    """Do ``count`` rows of work by ``THREADS`` threads, a part each."""
    edges = np.linspace(0, count, THREADS + 1, dtype=int).tolist()
    parts = (slice(first, end) for first, end in pairwise(edges) if first < end)
    list(_threads(os.getpid()).map(work, parts))


@cache
def _threads(process: int) -> ThreadPoolExecutor:  # noqa: ARG001 - a process that was forked has none of its parent's threads
    """They are kept: to start them takes a tenth of a millisecond, in which they scan some thousand people."""
    return ThreadPoolExecutor(THREADS, thread_name_prefix="scan")
