"""Exact search: one pass over float16 vectors finds everyone who could be among the best, float32 vectors rank them."""

from __future__ import annotations

import heapq
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from passerby.errors import QueryError
from passerby.find.query import Query
from passerby.index.scan import could_be_best, kth_best
from passerby.index.sqlite.index import Index, as_index
from passerby.index.vectors import VectorTable
from passerby.inputs import as_function, as_integer, require
from passerby.model.calibration import Calibration, Crowd
from passerby.types import Hit, Media, Person

_CHUNK: Final = 1024

Passes = Callable[[VectorTable], NDArray[np.bool_]]
"""Of everybody, who may be an answer, (n,)."""


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
        table = index.vectors()
        direction = query.direction
        rough = table.scores(direction[None])[0]
        eligible = np.flatnonzero(passes(table)) if passes else np.arange(len(rough))
        candidates = table.ids[eligible[could_be_best(rough[eligible], k)]]
        best = heapq.nsmallest(k, _people(index, candidates, direction, k), key=lambda found: (-found[0], os.fsencode(found[1].media.path)))
    probabilities = _probabilities(query.calibration, [score for score, _ in best], rough.astype(np.float64))
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


def _probabilities(calibration: Calibration | None, scores: list[float], rough: NDArray[np.float64]) -> Sequence[float | None]:
    if calibration is None or not scores:
        return [None] * len(scores)
    probabilities: list[float] = calibration.probability(np.array(scores), Crowd.of(rough)).tolist()
    return probabilities


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
