"""What people wear by a model's word, as probabilities: of bytes that an index keeps, or of the log-odds of a picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from passerby.index.vectors import VectorTable
from passerby.model.encoder import Encoder, attributes_of
from passerby.model.worn import Wears, log_odds_of
from passerby.words.attributes import Asked, asked, says_all
from passerby.words.description import Item, PersonDescription
from passerby.words.filters import Filter

RELIABLE: Final = 0.8
"""An attribute that somebody who wears it has less often than this at higher log-odds than somebody who does not is not reliable."""

Float64 = NDArray[np.float64]

_AS_IT_IS: Final = Wears(slope=1.0, offset=0.0)
"""An attribute that was not calibrated."""


def probabilities(encoder: Encoder, names: Sequence[str], log_odds: NDArray[np.float32]) -> Float64:
    """How likely each of some attributes is worn, float64 (n, m), of the log-odds that the model gives them, float32 (n, m)."""
    wears = _wears(encoder)
    columns = [wears.get(name, _AS_IT_IS).probability(column) for name, column in zip(names, log_odds.T, strict=True)]
    return np.stack(columns, axis=1) if columns else np.empty(log_odds.shape)


def likelihoods(encoder: Encoder, names: Sequence[str], worn: NDArray[np.uint8]) -> Float64:
    """How likely some attributes are worn, float64 (n, m); NaN where that is not known.

    Args:
        worn: their bytes, uint8 (n, 2m), zeros where it is not known.
    """
    found = probabilities(encoder, names, log_odds_of(worn))
    found[~worn.any(axis=1)] = np.nan
    return found


def likelihoods_in(encoder: Encoder, names: Sequence[str], table: VectorTable) -> Float64:
    """Those of the embeddings of an index that :func:`says_what_is_worn`, float64 (n, m)."""
    known = attributes_of(encoder)
    columns = [known.index(name) for name in names]
    return likelihoods(encoder, names, table.worn([*columns, *(column + len(known) for column in columns)]))


def says_what_is_worn(encoder: Encoder, table: VectorTable) -> bool:
    """Whether a model tells what is worn, and its index has room for it."""
    width = 2 * len(attributes_of(encoder))
    return width > 0 and all(blocks.shape[1] == width for blocks in table.blocks)


def unreliable(encoder: Encoder, names: Iterable[str]) -> dict[str, float | None]:
    """Those of some attributes whose probabilities are not to be relied on.

    Returns:
        Of each how often the model gives higher log-odds to who has it than to who has not, below ``RELIABLE``; ``None`` where too few had
        it to measure that.
    """
    wears = _wears(encoder)
    figures = {name: wears[name].auc for name in names if name in wears}
    return {name: figure for name, figure in figures.items() if figure is None or figure < RELIABLE}


def asked_of(item: Item, any_thing: bool, names: Sequence[str]) -> tuple[Asked, ...]:
    """What having a thing, or lacking it if it is negated, asks of attributes; nothing of a thing that the model does not know.

    Nobody lacks a red hat who has a hat, and something red on it: a thing that is denied with its looks is asked as if it was there. Where
    a model knows hats and nothing of their colours, somebody with a hat may have a red one, and nothing says that they lack it.

    Args:
        any_thing: whether the thing only stands for whatever is worn there.
    """
    if item.negated and not says_all(item, any_thing, names):
        return ()
    if item.negated and (any_thing or item != Item(item.part, item.thing, negated=True)):
        item = replace(item, negated=False)
    return asked(PersonDescription(), (Filter("", item, any_thing),), names)


def chance(item: Item, asks: Sequence[Asked], likely: Mapping[str, Float64]) -> Float64:
    """How likely people have a thing, or lack it if it is negated, float64 (n,).

    Alternatives are reckoned as if they came independently; of several things that are true of whoever has it, such as a dress and its
    colour, the least likely one decides, for they come together.

    Args:
        asks: as :func:`asked_of` gives them.
        likely: of each attribute they name, float64 (n,).
    """
    having: Float64 = np.min([1 - np.prod([1 - likely[name] for name in one.names], axis=0) for one in asks], axis=0)
    return 1 - having if item.negated else having


def names_in(asks: Iterable[Asked]) -> tuple[str, ...]:
    """The attributes that are asked, each once."""
    return tuple(dict.fromkeys(name for one in asks for name in one.names))


def _wears(encoder: Encoder) -> Mapping[str, Wears]:
    return encoder.calibration.wears if encoder.calibration else {}
