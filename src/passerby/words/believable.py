"""Captions with exchanged colours, such that only the picture tells which one is true: to learn from, and to measure with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from passerby.words.swaps import Swap, colour_swaps

Arrangement = frozenset[tuple[str, str]]
"""Two things to wear and the colour of each."""


def believable_swaps(texts: Iterable[str], seed: int) -> dict[str, list[str]]:
    """For each text, some of its copies with two colours exchanged.

    Most exchanges are rare things to wear: red jeans, a blue mouth. Shown them all, a text tower learns which sentences are odd and no
    picture is needed. So an exchange is kept with the odds at which people wear the two so: how often the texts tell of the exchanged
    arrangement for every time they tell of this one, at most 1. Of an arrangement and its mirror image, each is then shown as often as
    the true one as it is as the false one.
    """
    swaps = {text: colour_swaps(text) for text in sorted(set(texts))}
    told = Counter(_worn(swap) for found in swaps.values() for swap in found)
    rng = np.random.default_rng(seed)
    return {
        text: [swap.text for swap in found if rng.random() < told[_mirrored(swap)] / told[_worn(swap)]] for text, found in swaps.items()
    }


def _worn(swap: Swap) -> Arrangement:
    return frozenset((swap.first, swap.second))


def _mirrored(swap: Swap) -> Arrangement:
    (first_colour, first), (second_colour, second) = swap.first, swap.second
    return frozenset(((second_colour, first), (first_colour, second)))
