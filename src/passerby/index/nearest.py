"""The people nearest to questions, exactly: one pass over float16 vectors finds whoever could be among them, float32 vectors rank them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
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


Copies = NDArray[np.intp]
"""Rows of a table that do not count, and the rows that count for them, in the order in which they would in turn: intp (2, m)."""


class Lookup(Protocol):
    """What a scan needs of an index, of the moment of its table."""

    def embeddings(self, ids: Sequence[int]) -> Chunk:
        """The embeddings with these ids, by id."""
        ...

    def seen_by(self, ids: Sequence[int]) -> list[tuple[int, Person, Crop]]:
        """Whose crops have these embeddings, each with its embedding's id; by path and person."""
        ...

    def shown_by(self, ids: Sequence[int]) -> list[tuple[int, int]]:
        """Whose crops have these embeddings: each embedding's id and a person's."""
        ...

    def copies(self) -> NDArray[np.int64]:
        """Embeddings that do not count, and those that count for them, in the order in which they would in turn: ids int64 (2, m)."""
        ...


def nearest(
    table: VectorTable, lookup: Lookup, questions: Sequence[Weights], k: int, passes: Passes | None, *, fold: bool = True
) -> list[Nearest]:
    """As `Index.nearest`, of the vectors of a table."""
    if not questions:
        return []
    embeddings = lookup.copies()
    copies: Copies = np.searchsorted(table.ids, embeddings)
    leader_of = dict(embeddings.T.tolist())
    everybody = np.ones(len(table), np.bool_)
    passing = passes(table) if passes else everybody
    eligible = _rows(counting(copies, passing) if fold else passing)
    crowd = _rows(counting(copies, everybody))
    results = []
    for rough, question in zip(table.weighted(questions), questions, strict=True):
        best = _best(table.ids[eligible], rough[eligible], lookup, question, k, fold=fold)
        people = _with_copies(best, embeddings[:, passing[copies[0]]], leader_of, lookup) if fold else (one for _, one in best)
        results.append(Nearest(tuple(people), crowd_of(rough[crowd].astype(np.float64))))
    return results


def counting(copies: Copies, passing: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Of the rows that pass, bool (n,), one of each group: that which counts or, where it does not pass, the next in turn."""
    copy, leader = copies
    counts = passing.copy()
    counts[copy] = False
    waiting = passing[copy] & ~passing[leader]
    _, first = np.unique(leader[waiting], return_index=True)
    counts[copy[waiting][first]] = True
    return counts


def _rows(chosen: NDArray[np.bool_]) -> slice | NDArray[np.intp]:
    """What takes the chosen rows; all of them without a copy."""
    return slice(None) if chosen.all() else np.flatnonzero(chosen)


def crowd_of(scores: NDArray[np.float64]) -> Crowd:
    """The crowd of scores float64 (n,), of which there may be none."""
    return Crowd.of(scores) if len(scores) else Crowd(*np.zeros((3, 1)))


def ranked(found: Iterable[tuple[int, Found]], k: int, *, fold: bool) -> list[tuple[int, Found]]:
    """The ``k`` best people, each by their best crop and with its embedding; those of equal score by path.

    Args:
        fold: only the first of those with one embedding.
    """
    best: dict[int | None, tuple[int, Found]] = {}
    for embedding, one in found:
        if one.person.id not in best or one.score > best[one.person.id][1].score:
            best[one.person.id] = embedding, one
    first: dict[int | None, tuple[int, Found]] = {}
    for embedding, one in sorted(best.values(), key=lambda found: _by_score(found[1])):
        first.setdefault(embedding if fold else one.person.id, (embedding, one))
    return list(first.values())[:k]


def _by_score(one: Found) -> tuple[float, bytes, int | None]:
    return -one.score, os.fsencode(one.person.media.path), one.person.id


def _with_copies(
    best: Sequence[tuple[int, Found]], copies: NDArray[np.int64], leader_of: Mapping[int, int], lookup: Lookup
) -> Iterator[Found]:
    """Those who were found, each with the others who share their place, of copies that may be an answer."""
    groups = [leader_of.get(embedding, embedding) for embedding, _ in best]
    others = copies[0, np.isin(copies[1], groups)].tolist()
    alike: dict[int, set[int]] = {}
    for embedding, person in lookup.shown_by([*(embedding for embedding, _ in best), *others]):
        alike.setdefault(leader_of.get(embedding, embedding), set()).add(person)
    for group, (_, one) in zip(groups, best, strict=True):
        yield replace(one, copies=tuple(sorted(alike[group].difference([one.person.id]))))


def _best(
    ids: NDArray[np.int64], rough: NDArray[np.float32], lookup: Lookup, question: Weights, k: int, *, fold: bool
) -> list[tuple[int, Found]]:
    """Of embeddings and their rough scores. As a person may have several of the best, more are looked at until there are enough people."""
    wanted, rounding = k, rounding_of(question.worn)
    while True:
        best = ranked(_people(ids[could_be_best(rough, wanted, rounding)], lookup, question, wanted), k, fold=fold)
        if len(best) == k or wanted >= len(ids):
            return best
        wanted *= _MORE


def _people(ids: NDArray[np.int64], lookup: Lookup, question: Weights, k: int) -> list[tuple[int, Found]]:
    """Whose crops have one of the ``k`` best exact scores among these embeddings, ties included."""
    scores, known = [np.empty(0)], [np.empty(0, np.int64)]
    for start in range(0, len(ids), _CHUNK):
        found = lookup.embeddings(ids[start : start + _CHUNK].tolist())
        scores.append(weighted_scores([question], found.vectors, found.worn)[0])
        known.append(found.ids)
    exact, of = np.concatenate(scores), np.concatenate(known)
    chosen = np.flatnonzero(exact >= kth_best(exact, k))
    score_of = dict(zip(of[chosen].tolist(), exact[chosen].tolist(), strict=True))
    return [(embedding, Found(person, crop, score_of[embedding])) for embedding, person, crop in lookup.seen_by(list(score_of))]
