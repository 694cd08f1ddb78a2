"""People who are together: who fits a question and has somebody near who fits another, ranked by the probability of both."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from passerby.errors import QueryError
from passerby.find.answer import Answer, answer, clock_of_crop, offsets_of
from passerby.find.filter import SURE
from passerby.find.query import Query, queries
from passerby.find.question import Question, as_question
from passerby.find.search import as_count
from passerby.index.base import Index, as_index
from passerby.index.score import weighted_scores
from passerby.model.calibration import Calibration, Crowd
from passerby.model.encoder import Encoder, as_encoder
from passerby.types import Crop, Hit, Person

NEAR: Final = 3.0
"""Seconds between the last moment of one and the first of another in a video who are together."""
_FIRST: Final = 64
_MORE: Final = 4


def answer_together(
    index: Index,
    encoder: Encoder,
    question: Question | str,
    beside: Question | str,
    k: int = 10,
    *,
    min_probability: float | None = None,
    sure: float = SURE,
    fold: bool = True,
) -> Answer:
    """The ``k`` people who fit a question and are near somebody who fits another, each with the one of whom both is likeliest.

    Near is who is in the same photo or, in the same video, seen at the same time or within ``NEAR`` seconds. The probability of both is
    the product of the two, each of its own question among all who are selected, as if one said nothing of the other; it rises with either,
    and it is what they are ranked by. Scores stay those of each question.

    Args:
        question: with its selection, which is that of both, and its filters.
        beside: words for the other person.
        min_probability: of both; who is less likely is left out, and counted.
        sure, fold: as of :func:`passerby.find.answer.answer`.

    Raises:
        QueryError: one of them gives no probability, as a picture, or else as of :func:`passerby.find.answer.answer`.
        InputError: an argument of the wrong kind.
        IndexFault: the index is of another model, or damaged.
    """
    index, encoder, k = as_index(index), as_encoder(encoder), as_count(k)
    question, beside = as_question(question), as_question(beside)
    (other,) = queries(encoder, [beside])
    looked = _FIRST
    with index.snapshot():
        while True:
            found = answer(index, encoder, question, max(k, looked), sure=sure, fold=fold)
            partners = _Partners(index, other, question)
            pairs = sorted(_pairs(index, found.people, partners), key=_by_both)[:k]
            last = found.people[-1].probability if found.people else None
            is_all = len(found.people) < max(k, looked)
            if is_all or (len(pairs) == k and last is not None and (pairs[-1].together or 0.0) >= last * partners.most):
                break
            looked *= _MORE
    ranked = [replace(hit, rank=rank, beside=hit.beside and replace(hit.beside, rank=rank)) for rank, hit in enumerate(pairs, 1)]
    people = [hit for hit in ranked if min_probability is None or (hit.together or 0.0) >= min_probability]
    return replace(found, beside=beside, people=tuple(people), unlikely=tuple(ranked[len(people) :]))


def _by_both(hit: Hit) -> tuple[float, float, bytes, int]:
    return -(hit.together or 0.0), -hit.score, os.fsencode(hit.person.media.path), hit.person.id or 0


def _pairs(index: Index, hits: Sequence[Hit], partners: _Partners) -> Iterator[Hit]:
    """Those who have somebody near, each with the one of whom both is likeliest."""
    near: dict[int, list[int]] = {}
    for one, other in index.beside([hit.person.id or 0 for hit in hits], NEAR):
        near.setdefault(one, []).append(other)
    known = {person.id: (person, crops) for person, crops in index.people({other for others in near.values() for other in others})}
    for hit in hits:
        likely = [partners.of(*known[other]) for other in near.get(hit.person.id or 0, []) if other in known]
        if hit.probability is None:
            raise _no_probability()
        if best := max(filter(None, likely), key=lambda one: one.score, default=None):
            yield replace(hit, beside=best, together=hit.probability * (best.probability or 0.0))


class _Partners:
    """How well people fit the other question, each told once."""

    def __init__(self, index: Index, query: Query, question: Question) -> None:
        self._index, self._query, self._static = index, query, question.selection.static
        (nearest,) = index.nearest([query.weights], 1, selection=question.selection)
        if query.calibration is None:
            raise _no_probability()
        self._calibration: Calibration = query.calibration
        self._crowd: Crowd = nearest.crowd
        self._offsets = offsets_of(index)
        self._known: dict[int | None, Hit | None] = {}
        best = [found.score for found in nearest.people]
        self.most = float(self._calibration.probability(np.array(best), self._crowd)[0]) if best else 0.0
        """The highest probability that anybody is who is asked for beside."""

    def of(self, person: Person, crops: Sequence[Crop]) -> Hit | None:
        """Somebody by the crop that fits best; nobody for a thing, unless it may be shown."""
        if person.id not in self._known:
            self._known[person.id] = None if person.static and not self._static else self._read(person, crops)
        return self._known[person.id]

    def _read(self, person: Person, crops: Sequence[Crop]) -> Hit:
        vectors, worn = ([read(person, crop) for crop in crops] for read in (self._index.vector_of, self._index.worn_of))
        scores = weighted_scores([self._query.weights], np.stack(vectors), np.stack(worn))[0]
        best = int(np.argmax(scores))
        probability = float(self._calibration.probability(scores[[best]], self._crowd)[0])
        clock = clock_of_crop(person.media, crops[best], self._offsets)
        return Hit(1, float(scores[best]), person, probability, crops[best], clock=clock)


def _no_probability() -> QueryError:
    return QueryError(
        expected="words for both people and a calibrated model, which give probabilities",
        found="neither or one",
        do="leave out --with-person",
    )
