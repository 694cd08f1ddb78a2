"""What a question asks of what people wear, as weights of a stored row's bytes: of each kind of attribute one number from the manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from passerby.model.worn import NATS
from passerby.words.attributes import Asked, kind_of

Float64 = NDArray[np.float64]

DENIED: Final = "denied"
"""The kind of all that nobody is to have."""


@cache
def column_kinds(names: tuple[str, ...]) -> tuple[str, ...]:
    """The kind of each of the 2a columns of what is worn: attributes that somebody should have, then that they should not."""
    return (*map(kind_of, names), *(DENIED for _ in names))


def shares(asked: Sequence[Asked], names: tuple[str, ...]) -> Float64:
    """How much each column of what is worn is asked, float64 (2a,): alternatives share 1 evenly, so that they stay linear.

    Args:
        names: attributes of the model, a.
    """
    found, column = np.zeros(2 * len(names)), {name: number for number, name in enumerate(names)}
    for one in asked:
        for name in one.names:
            found[column[name] + len(names) * one.denied] += 1 / len(one.names)
    return found


def worn_weights(asked: Float64, names: tuple[str, ...], fusion: Mapping[str, float]) -> Float64:
    """The weights of bytes of what is worn, float64 (..., 2a).

    Args:
        asked: float64 (..., 2a), as :func:`shares` gives it.
        fusion: by kind, what a nat takes off the cosine; a kind that it lacks weighs nothing.
    """
    return asked * _of_columns(names, tuple(fusion.items()))


@cache
def _of_columns(names: tuple[str, ...], fusion: tuple[tuple[str, float], ...]) -> Float64:
    """What a step of each column's byte takes off the cosine, float64 (2a,)."""
    weights, kinds = dict(fusion), column_kinds(names)
    return NATS * np.array([weights.get(kind, 0.0) for kind in kinds])
