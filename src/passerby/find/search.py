"""The people of an index who are most like a question, and how likely each is right."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from passerby.errors import QueryError
from passerby.find.query import Query
from passerby.index.base import Index, Nearest, Passes, as_index
from passerby.inputs import as_function, as_integer, require
from passerby.model.calibration import Calibration, Crowd
from passerby.types import Hit, Media


def search(index: Index, query: Query, k: int = 10, passes: Passes | None = None, *, fold: bool = True) -> list[Hit]:
    """The ``k`` people most like the query, best first.

    For one release more: :func:`passerby.find` asks and answers in one act.

    Args:
        passes: who of all may be an answer; everybody by default.
        fold: give people whose pictures are near-copies one place.

    Raises:
        InputError: an argument of the wrong kind.
        QueryError: ``k`` is not positive.
        IndexFault: the index is of another model, or damaged.
    """
    index, query = as_index(index), require(query, Query, "a question", 'make it: ask(model, "a red jacket")')
    k = as_count(k)
    if passes is not None:
        passes = as_function(passes, "passes to be a function of everybody's vectors")
    with index.snapshot():
        index.require_model(query.model, query.model_name)
        (nearest,) = index.nearest([query.weights], k, passes, fold=require(fold, bool, "fold to be True or False"))
    return hits_of(nearest, query)


def as_count(k: int) -> int:
    """How many people are asked for. Raises ``InputError`` and ``QueryError``."""
    k = as_integer(k, "a number of people, an int")
    if k < 1:
        raise QueryError(expected="a number of people of at least 1", found=str(k), do="correct -k")
    return k


def hits_of(nearest: Nearest, query: Query) -> list[Hit]:
    """Those who are nearest to a query, ranked, each with the probability of its score in the crowd."""
    probabilities = _probabilities(query.calibration, [found.score for found in nearest.people], nearest.crowd)
    return [
        Hit(rank, found.score, found.person, probability, found.crop, copies=found.copies)
        for rank, (found, probability) in enumerate(zip(nearest.people, probabilities, strict=True), 1)
    ]


def look(hits: Sequence[Hit]) -> list[Hit]:
    """The hits, each saying whether its file is away at this moment, which an index only knows of its last run."""
    now = int(time.time())
    return [replace(hit, person=replace(hit.person, media=_looked_at(hit.person.media, now))) for hit in hits]


def _looked_at(media: Media, now: int) -> Media:
    if media.pushed_by is not None:  # as its device said
        return media
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


def _probabilities(calibration: Calibration | None, scores: list[float], crowd: Crowd) -> Sequence[float | None]:
    if calibration is None or not scores:
        return [None] * len(scores)
    probabilities: list[float] = calibration.probability(np.array(scores), crowd).tolist()
    return probabilities
