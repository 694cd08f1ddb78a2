"""The people of an index who are most like a question, and how likely each is right."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np

from passerby.errors import QueryError
from passerby.find.query import Query
from passerby.index.base import Index, as_index
from passerby.index.nearest import Found, Nearest, Passes
from passerby.inputs import as_function, as_integer, require
from passerby.model.calibration import Calibration, Crowd
from passerby.types import Fit, Hit, MediaKind


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


def hits_of(
    nearest: Nearest,
    query: Query,
    fits: Sequence[tuple[Fit, ...]] | None = None,
    clock: Callable[[Found], datetime | None] = lambda _: None,
) -> list[Hit]:
    """Those who are nearest to a query, ranked, each with the probability of its score in the crowd.

    Args:
        fits: of each, what of the question they fit; by default nothing is said of it.
        clock: what a clock that goes right showed when somebody was seen.
    """
    probabilities = _probabilities(query.calibration, [found.score for found in nearest.people], nearest.crowd)
    told = [()] * len(nearest.people) if fits is None else fits
    return [
        Hit(rank, one.score, one.person, probability, one.crop, of_one, one.copies, clock(one))
        for rank, (one, probability, of_one) in enumerate(zip(nearest.people, probabilities, told, strict=True), 1)
    ]


def look(hits: Sequence[Hit]) -> list[Hit]:
    """The hits, each saying whether its file is away at this moment, which an index only knows of its last run."""
    now = int(time.time())
    return [_looked_at(hit, now) for hit in hits]


def _looked_at(hit: Hit, now: int) -> Hit:
    media = hit.person.media
    if media.kind is MediaKind.CAMERA or media.pushed_by is not None:  # no file; as its device said
        return hit
    away_since = None if os.access(media.path, os.R_OK) else media.away_since or now
    if away_since == media.away_since:
        return hit
    return replace(hit, person=replace(hit.person, media=replace(media, away_since=away_since)))


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
