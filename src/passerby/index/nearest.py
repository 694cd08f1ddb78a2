"""The people nearest to questions, exactly: one pass over float16 vectors finds whoever could be among them, float32 vectors rank them."""

from __future__ import annotations

import heapq
import os
from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from passerby.index.base import Found, Nearest, Passes
from passerby.index.scan import could_be_best, kth_best, rounding_of
from passerby.index.score import Weights, weighted_scores
from passerby.index.vectors import Chunk, VectorTable
from passerby.model.calibration import Crowd
from passerby.types import Crop, Person

_CHUNK: Final = 1024
_MORE: Final = 4


class Lookup(Protocol):
    """What a scan needs of an index, of the moment of its table."""

    def embeddings(self, ids: Sequence[int]) -> Chunk:
        """The embeddings with these ids, by id."""
        ...

    def seen_by(self, ids: Sequence[int]) -> list[tuple[int, Person, Crop]]:
        """Whose crops have these embeddings, each with its embedding's id; by path and person."""
        ...


def nearest(table: VectorTable, lookup: Lookup, questions: Sequence[Weights], k: int, passes: Passes | None) -> list[Nearest]:
    """As `Index.nearest`, of the vectors of a table."""
    if not questions:
        return []
    eligible = np.flatnonzero(passes(table)) if passes else np.arange(len(table))
    return [
        Nearest(_best(table.ids[eligible], rough[eligible], lookup, question, k), crowd_of(rough.astype(np.float64)))
        for rough, question in zip(table.weighted(questions), questions, strict=True)
    ]


def crowd_of(scores: NDArray[np.float64]) -> Crowd:
    """The crowd of scores float64 (n,), of which there may be none."""
    return Crowd.of(scores) if len(scores) else Crowd(*np.zeros((3, 1)))


def ranked(found: Sequence[Found], k: int) -> tuple[Found, ...]:
    """The ``k`` best people, each by their best crop; those of equal score by path."""
    best: dict[int | None, Found] = {}
    for one in found:
        if one.person.id not in best or one.score > best[one.person.id].score:
            best[one.person.id] = one
    return tuple(heapq.nsmallest(k, best.values(), key=lambda one: (-one.score, os.fsencode(one.person.media.path), one.person.id)))


def _best(ids: NDArray[np.int64], rough: NDArray[np.float32], lookup: Lookup, question: Weights, k: int) -> tuple[Found, ...]:
    """Of embeddings and their rough scores. As a person may have several of the best, more are looked at until there are enough people."""
    wanted, rounding = k, rounding_of(question.worn)
    while True:
        best = ranked(_people(ids[could_be_best(rough, wanted, rounding)], lookup, question, wanted), k)
        if len(best) == k or wanted >= len(ids):
            return best
        wanted *= _MORE


def _people(ids: NDArray[np.int64], lookup: Lookup, question: Weights, k: int) -> list[Found]:
    """Whose crops have one of the ``k`` best exact scores among these embeddings, ties included."""
    scores, known = [np.empty(0)], [np.empty(0, np.int64)]
    for start in range(0, len(ids), _CHUNK):
        found = lookup.embeddings(ids[start : start + _CHUNK].tolist())
        scores.append(weighted_scores([question], found.vectors, found.worn)[0])
        known.append(found.ids)
    exact, of = np.concatenate(scores), np.concatenate(known)
    chosen = np.flatnonzero(exact >= kth_best(exact, k))
    score_of = dict(zip(of[chosen].tolist(), exact[chosen].tolist(), strict=True))
    return [Found(person, crop, score_of[embedding]) for embedding, person, crop in lookup.seen_by(list(score_of))]
