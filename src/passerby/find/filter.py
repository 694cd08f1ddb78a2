"""Whether people pass filters: who has a thing by the model's word or, of a model or index without one, who fits it better than others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from passerby.errors import QueryError
from passerby.find.explain import FEWEST, phrase_directions
from passerby.find.worn import asked_of, chance, likelihoods_in, names_in, says_what_is_worn, unreliable
from passerby.index.vectors import VectorTable
from passerby.model.encoder import Encoder, attributes_of
from passerby.types import FITS
from passerby.words.attributes import Asked, says_all
from passerby.words.filters import Filter

SURE: Final = 0.2
"""A filter passes who has the thing at least so likely, or lacks it likelier: whom it leaves out is not seen at all, so it leaves out
only who hardly has it."""


@dataclass(frozen=True, slots=True, eq=False)
class Filtered:
    """Who passes filters, and what to bear in mind with it.

    Args:
        passing: of the n embeddings of an index, those whose people pass all filters, bool (n,).
        relative: filters, as they were asked for, that prefer: a quarter of those there pass, whatever they wear, or all others if denied.
        partly: filters, likewise, that go by a part of what they ask, as the model knows nothing of the rest: by hats for a red one.
        likeliest: of each other filter, how likely it holds of whom it most likely holds of.
        unreliable: attributes that the others go by and the model is often wrong about, each with its figure, the area under the ROC curve,
            or ``None`` where that was not measured.
        unknown: people who pass no filter as it is not known what they wear.
        sure: how likely each must at least hold.
    """

    passing: NDArray[np.bool_]
    relative: tuple[str, ...] = ()
    partly: tuple[str, ...] = ()
    likeliest: tuple[tuple[str, float], ...] = ()
    unreliable: tuple[tuple[str, float | None], ...] = ()
    unknown: int = 0
    sure: float = SURE


def sift(
    encoder: Encoder, filters: Sequence[Filter], table: VectorTable, sure: float = SURE, *, portraits: NDArray[np.intp] | None = None
) -> Filtered:
    """Who of an index passes filters, at least one.

    Args:
        portraits: rows of the table, one for each person; ``None`` says all.

    Raises:
        QueryError: too few people to hold anybody against, where a filter is relative.
    """
    names = attributes_of(encoder) if says_what_is_worn(encoder, table) else ()
    asks = [asked_of(one.item, one.any_thing, names) for one in filters]
    absolute = [(one, of_one) for one, of_one in zip(filters, asks, strict=True) if of_one]
    relative = [one for one, of_one in zip(filters, asks, strict=True) if not of_one]
    portraits = np.arange(len(table)) if portraits is None else portraits
    had = _had(encoder, absolute, table, sure, portraits)
    return Filtered(
        had.passing & _rather(encoder, relative, table, portraits) if relative else had.passing,
        tuple(one.asked for one in relative),
        tuple(one.asked for one, _ in absolute if not says_all(one.item, one.any_thing, names)),
        had.likeliest,
        had.unreliable,
        had.unknown,
        sure,
    )


def _had(
    encoder: Encoder, filters: Sequence[tuple[Filter, Sequence[Asked]]], table: VectorTable, sure: float, portraits: NDArray[np.intp]
) -> Filtered:
    """Who passes filters by what the model says is worn; everybody, if there are none."""
    if not filters or not len(table):
        return Filtered(np.ones(len(table), np.bool_))
    names = names_in(one for _, asks in filters for one in asks)
    found = likelihoods_in(encoder, names, table)
    likely = dict(zip(names, found.T, strict=True))
    chances = np.stack([chance(one.item, asks, likely) for one, asks in filters])
    denied = np.array([one.item.negated for one, _ in filters])[:, None]
    known = np.asarray(~np.isnan(found).any(axis=1))
    best = chances[:, known].max(axis=1).tolist() if known.any() else []
    return Filtered(
        np.all(np.where(denied, chances > sure, chances >= sure), axis=0),
        likeliest=tuple((one.asked, of_one) for (one, _), of_one in zip(filters, best, strict=False)),
        unreliable=tuple(unreliable(encoder, names).items()),
        unknown=int(np.count_nonzero(~known[portraits])),
    )


def _rather(encoder: Encoder, filters: Sequence[Filter], table: VectorTable, portraits: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Who fits each thing better than three quarters of the index, or not if it is denied, bool (n,)."""
    if len(portraits) < FEWEST:
        raise QueryError(
            expected=f"at least {FEWEST} people in the index: filters hold each against the others",
            found=str(len(portraits)),
            do="ask in words alone, or index more",
        )
    denied = np.array([one.item.negated for one in filters])
    directions = phrase_directions(encoder, [one.phrase for one in filters]) * np.where(denied, -1, 1)[:, None].astype(np.float32)
    scores = table.scores(directions.astype(np.float64)).astype(np.float64)
    passing: NDArray[np.bool_] = np.all(
        (scores >= np.quantile(scores[:, portraits], FITS, axis=1, keepdims=True)) != denied[:, None], axis=0
    )
    return passing
