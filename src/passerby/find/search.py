"""Exact search: one pass over float16 vectors finds everyone who could be among the best, float32 vectors rank them."""

from __future__ import annotations

import heapq
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Final

import numkong
import numpy as np
from numpy.typing import NDArray

from passerby.errors import QueryError
from passerby.find.index import Index, as_index
from passerby.find.query import Query
from passerby.find.vectors import load_vectors
from passerby.inputs import as_function, as_integer, require
from passerby.model.calibration import Calibration, Crowd
from passerby.types import Hit, Media, Person

THREADS: Final = 2

ROUNDING: Final = 1.2e-3
"""How far a float16 score may be from the exact one: both vectors of length 1 and rounded by at most 2**-11 of each number,
with room for their length, for numbers below float16's normal range, and for float32 sums."""

_CHUNK: Final = 1024
_BLOCK: Final = 64


Passes = Callable[[NDArray[np.float16]], NDArray[np.bool_]]
"""Of everybody's vectors (n, d), who may be an answer, (n,)."""


def search(index: Index, query: Query, k: int = 10, passes: Passes | None = None) -> list[Hit]:
    """The ``k`` people most like the query, best first.

    The ranking is that of exact cosine similarity in float64; people of equal score are in the order of their paths.

    Args:
        passes: who of all may be an answer; everybody by default.

    Raises:
        InputError: an argument of the wrong kind.
        QueryError: ``k`` is not positive.
        IndexFault: the index is of another model, or damaged.
    """
    index, query = as_index(index), require(query, Query, "a question", 'make it: ask(model, "a red jacket")')
    k = as_integer(k, "a number of people, an int")
    if passes is not None:
        passes = as_function(passes, "passes to be a function of everybody's vectors")
    if k < 1:
        raise QueryError(expected="a number of people of at least 1", found=str(k), do="correct -k")
    with index.snapshot():
        index.require_model(query.model, query.model_name)
        table = load_vectors(index)
        direction = query.direction
        rough = rough_scores(table.vectors, direction)
        eligible = np.flatnonzero(passes(table.vectors)) if passes else np.arange(len(rough))
        candidates = table.ids[eligible[_could_be_best(rough[eligible], k)]]
        best = heapq.nsmallest(k, _people(index, candidates, direction, k), key=lambda found: (-found[0], os.fsencode(found[1].media.path)))
    probabilities = _probabilities(query.calibration, [score for score, _ in best], rough)
    return [Hit(rank, *found, probability) for rank, (found, probability) in enumerate(zip(best, probabilities, strict=True), 1)]


def look(hits: Sequence[Hit]) -> list[Hit]:
    """The hits, each saying whether its file is away at this moment, which an index only knows of its last run."""
    now = int(time.time())
    return [replace(hit, person=replace(hit.person, media=_looked_at(hit.person.media, now))) for hit in hits]


def _looked_at(media: Media, now: int) -> Media:
    there = os.access(media.path, os.R_OK)
    return replace(media, away_since=None if there else media.away_since or now)


def likely(hits: Sequence[Hit], minimum: float) -> list[Hit]:
    """The hits that are right with a probability of at least ``minimum``.

    Raises:
        QueryError: their probability is not known.
    """
    if any(hit.probability is None for hit in hits):
        raise QueryError(
            expected="words alone and a calibrated model, which give a probability",
            found="neither or one",
            do="leave out --min-probability",
        )
    return [hit for hit in hits if hit.probability is not None and hit.probability >= minimum]


def rough_scores(vectors: NDArray[np.float16], direction: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cosine similarities within ``ROUNDING``, float64 (n,), of vectors float16 (n, d) and a direction float64 (d,)."""
    query = direction.astype(np.float16)[None]
    scores = np.empty(len(vectors))

    def score(rows: slice) -> None:
        scores[rows] = np.asarray(numkong.cdist(vectors[rows], query, "dot")).ravel()

    in_parts(score, len(vectors))
    return scores


def in_parts(work: Callable[[slice], object], count: int) -> None:
    """Do ``count`` rows of work by ``THREADS`` threads, a part each."""
    edges = np.linspace(0, count, THREADS + 1, dtype=int).tolist()
    parts = (slice(first, end) for first, end in pairwise(edges) if first < end)
    list(_threads(os.getpid()).map(work, parts))


@cache
def _threads(process: int) -> ThreadPoolExecutor:  # noqa: ARG001 - a process that was forked has none of its parent's threads
    """They are kept: to start them takes a tenth of a millisecond, in which they scan some thousand people."""
    return ThreadPoolExecutor(THREADS, thread_name_prefix="scan")


def _probabilities(calibration: Calibration | None, scores: list[float], rough: NDArray[np.float64]) -> Sequence[float | None]:
    if calibration is None or not scores:
        return [None] * len(scores)
    probabilities: list[float] = calibration.probability(np.array(scores), Crowd.of(rough)).tolist()
    return probabilities


def _could_be_best(rough: NDArray[np.float64], k: int) -> NDArray[np.intp]:
    """Rows that can be among the ``k`` best, whatever rounding did."""
    return np.flatnonzero(rough >= kth_best(rough, k) - 2 * ROUNDING)


def kth_best(scores: NDArray[np.float64], k: int) -> float:
    """The ``k``-th largest of n scores, minus infinity if there are no more than ``k``: a partial sort of few of them.

    At least ``k`` scores reach the ``k``-th largest of the maxima of blocks, so only those few that do are partitioned.
    """
    if len(scores) <= k:
        return -math.inf
    maxima = np.maximum.reduceat(scores, np.arange(0, len(scores), _BLOCK))
    if len(maxima) > k:
        scores = scores[scores >= np.partition(maxima, -k)[-k]]
    return float(np.partition(scores, -k)[-k])


def _people(index: Index, ids: NDArray[np.int64], direction: NDArray[np.float64], k: int) -> Iterator[tuple[float, Person]]:
    """Whoever has one of the best exact scores among these embeddings, ties included."""
    scores, known = [np.empty(0)], [np.empty(0, np.int64)]
    for start in range(0, len(ids), _CHUNK):
        found, vectors = index.embeddings(ids[start : start + _CHUNK].tolist())
        scores.append(np.sum(vectors.astype(np.float64) * direction, axis=1))
        known.append(found)
    exact = np.concatenate(scores)
    threshold = kth_best(exact, k)
    for score, embedding in zip(exact.tolist(), np.concatenate(known).tolist(), strict=True):
        if score >= threshold:
            yield from ((score, person) for person in index.persons(embedding))
