"""How many people of an index probably wear what, by the bytes that it keeps; no picture is looked at, and no tower is loaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from passerby.errors import IndexFault, ModelError
from passerby.find.worn import likelihoods_in, says_what_is_worn, unreliable
from passerby.index.base import Index, as_index
from passerby.inputs import as_function
from passerby.model.encoder import Encoder, attributes_of
from passerby.types import PROBABLE

_AT_ONCE: Final = 20
"""Attributes that are counted in one pass, so that a large index does not fill the memory with probabilities."""


@dataclass(frozen=True, slots=True)
class Wearers:
    """How many people have an attribute, each by their best picture.

    Args:
        attribute: as ``upper:red``.
        probable: of how many it is likelier than not.
        expected: how many there are by the sum of the probabilities.
        doubtful: whether the model is often wrong about it, or nobody knows how often.
        figure: area under the ROC curve of what is doubtful; ``None`` of others, and where that was not measured.
    """

    attribute: str
    probable: int
    expected: float
    doubtful: bool = False
    figure: float | None = None


@dataclass(frozen=True, slots=True)
class Census:
    """What the people of an index probably wear.

    Args:
        known: people of whom it is known what they wear; of equal pictures one, and no things that look like people.
        unknown: of whom it is not.
        worn: of each attribute of the model, in its order.
    """

    model: str
    known: int
    unknown: int
    worn: tuple[Wearers, ...]


def wearers(index: Index, model_of: Callable[[str], Encoder]) -> Census:
    """Count who probably wears what.

    Args:
        model_of: from the name of the model that made the index to the model.

    Raises:
        IndexFault: an index of another model, of none, or of one that does not say what is worn; or damaged.
        ModelError: the model is not there.
    """
    index, model_of = as_index(index), as_function(model_of, "a function from a model's name to the model")
    with index.snapshot():
        made_by = index.info().model
        if made_by is None:
            raise IndexFault(expected="an index of people", found="an empty one", do="index pictures with: passerby index PATH…")
        encoder = _made(made_by.name, model_of)
        index.require_model(encoder.digest, encoder.name)
        names, table = attributes_of(encoder), index.vectors()
        if not names:
            found = f"one made by {encoder.name}, which does not"
            raise IndexFault(expected="an index of a model that says what is worn", found=found, do="index again with a model that does")
        if not says_what_is_worn(encoder, table):
            found = f"one that {encoder.name} was not asked for it"
            raise IndexFault(expected="an index that keeps what is worn", found=found, do="index again with --rebuild")
        portraits, unknown, counted, doubts = index.portraits(), 0, list[Wearers](), unreliable(encoder, names)
        for start in range(0, len(names), _AT_ONCE):
            some = names[start : start + _AT_ONCE]
            likely = likelihoods_in(encoder, some, table)[portraits]
            known = likely[~np.isnan(likely).any(axis=1)]
            unknown = len(likely) - len(known)
            probable, expected = (known >= PROBABLE).sum(axis=0), known.sum(axis=0)
            sums = zip(some, probable, expected, strict=True)
            counted += [Wearers(name, int(p), float(e), name in doubts, doubts.get(name)) for name, p, e in sums]
    return Census(encoder.name, len(portraits) - unknown, unknown, tuple(counted))


def _made(name: str, model_of: Callable[[str], Encoder]) -> Encoder:
    try:
        return model_of(name)
    except ModelError as error:
        found = f"it is not there: {error.found}"
        raise ModelError(expected=f"the model that made the index, {name}", found=found, do="name its folder with --model") from error
