"""The people nearest to questions, exactly: one pass over float16 vectors finds whoever could be among them, float32 vectors rank them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from passerby.index.scan import could_be_best, kth_best, rounding_of
from passerby.index.score import Weights, weighted_scores
from passerby.index.vectors import Chunk, VectorTable
from passerby.model.calibration import Crowd
from passerby.types import Crop, Person

_CHUNK: Final = 1024
_MORE: Final = 4

Passes = Callable[[VectorTable], NDArray[np.bool_]]
"""Of the n vectors of an index, which may be an answer, bool (n,)."""


@dataclass(frozen=True, slots=True)
class Found:
    """Somebody, their crop that fits a question best, and its score, exact in float64.

    Args:
        copies: the ids of the others who share their place, as their pictures are near-copies of this one; rising.
        worn: what is worn in the crop, as `Index.worn_of` says it, where the index has it at hand.
    """

    person: Person
    crop: Crop
    score: float
    copies: tuple[int, ...] = ()
    worn: NDArray[np.uint8] | None = field(default=None, compare=False, repr=False)


EXACT: Final = "exact"
HNSW: Final = "hnsw"
"""Ways to search: everybody is looked at, or those whom a graph of near vectors leads to."""


@dataclass(frozen=True, slots=True)
class Nearest:
    """Who fits a question best, best first, and the scores of everybody that they stand out of.

    Args:
        way: how they were searched: ``EXACT``, or ``HNSW``, which may miss some and takes the crowd's scores from a sample.
    """

    people: tuple[Found, ...]
    crowd: Crowd
    way: str = EXACT


Ranked = list[tuple[int, Found]]
"""People, each with the embedding of their crop."""

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
    rough = table.weighted(questions)
    best = _best(table.ids[eligible], [scores[eligible] for scores in rough], lookup, questions, k, fold=fold)
    found = lookup.embeddings([*{embedding for of in best for embedding, _ in of}])
    worn = dict(zip(found.ids.tolist(), found.worn, strict=True))
    alike = _alike([*worn], embeddings[:, passing[copies[0]]], leader_of, lookup) if fold else {}
    results = []
    for of, scores in zip(best, rough, strict=True):
        people = (replace(one, worn=worn[embedding], copies=_others(one, alike.get(embedding, ()))) for embedding, one in of)
        results.append(Nearest(tuple(people), crowd_of(scores[crowd].astype(np.float64))))
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


def ranked(found: Iterable[tuple[int, Found]], k: int, *, fold: bool) -> Ranked:
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


def _alike(found: Sequence[int], copies: NDArray[np.int64], leader_of: Mapping[int, int], lookup: Lookup) -> dict[int, set[int]]:
    """Of each embedding that was found, the ids of all who share its place, of copies that may be an answer."""
    groups = {embedding: leader_of.get(embedding, embedding) for embedding in found}
    others = copies[0, np.isin(copies[1], [*groups.values()])].tolist()
    alike: dict[int, set[int]] = {}
    for embedding, person in lookup.shown_by([*found, *others]):
        alike.setdefault(leader_of.get(embedding, embedding), set()).add(person)
    return {embedding: alike[group] for embedding, group in groups.items()}


def _others(one: Found, alike: Iterable[int]) -> tuple[int, ...]:
    return tuple(sorted(set(alike).difference([one.person.id or 0])))


def _best(
    ids: NDArray[np.int64], rough: Sequence[NDArray[np.float32]], lookup: Lookup, questions: Sequence[Weights], k: int, *, fold: bool
) -> list[Ranked]:
    """Of embeddings and their rough scores for each question.

    As a person may have several of the best, more are looked at until there are enough people.
    """
    best: dict[int, Ranked] = {}
    wanted = k
    while waiting := [n for n in range(len(questions)) if n not in best]:
        some = [ids[could_be_best(rough[n], wanted, rounding_of(questions[n].worn))] for n in waiting]
        for n, people in zip(waiting, _people(some, lookup, [questions[n] for n in waiting], wanted), strict=True):
            found = ranked(people, k, fold=fold)
            if len(found) == k or wanted >= len(ids):
                best[n] = found
        wanted *= _MORE
    return [best[n] for n in range(len(questions))]


def _people(ids: Sequence[NDArray[np.int64]], lookup: Lookup, questions: Sequence[Weights], k: int) -> Iterator[Ranked]:
    """Whose crops have one of the ``k`` best exact scores for each question among these embeddings of it, ties included."""
    scores: list[dict[int, float]] = [{} for _ in questions]
    everybody = np.unique(np.concatenate(ids))
    for start in range(0, len(everybody), _CHUNK):
        found = lookup.embeddings(everybody[start : start + _CHUNK].tolist())
        for of, question, score_of in zip(ids, questions, scores, strict=True):
            here = np.isin(found.ids, of, assume_unique=True)
            exact = weighted_scores([question], found.vectors[here], found.worn[here])[0]
            score_of.update(zip(found.ids[here].tolist(), exact.tolist(), strict=True))
    for score_of in scores:
        least = kth_best(np.array([*score_of.values()]), k)
        for embedding in [one for one, score in score_of.items() if score < least]:
            del score_of[embedding]
    seen = lookup.seen_by([*set().union(*scores)])
    for score_of in scores:
        yield [(one, Found(person, crop, score_of[one])) for one, person, crop in seen if one in score_of]
