"""Which parts of a question somebody fits: each thing that is named, by itself, by what they wear or beside everybody in the index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from passerby.find.worn import asked_of, chance, likelihoods, names_in
from passerby.model.encoder import Encoder, attributes_of, encode_texts
from passerby.types import Fit
from passerby.words.attributes import says_all
from passerby.words.description import Item, noun_phrase
from passerby.words.filters import Filter
from passerby.words.prompts import Phrase

SAMPLE: Final = 10_000
"""People of the index, evenly spread, that somebody is held against."""
FEWEST: Final = 20
"""Of fewer people nothing is said."""


def fits(
    phrases: Sequence[Phrase], looks: NDArray[np.float32], vectors: NDArray[np.float32], everybody: NDArray[np.float32]
) -> list[tuple[Fit, ...]]:
    """How well each of n people fits each of p phrases, in their order.

    Args:
        looks: of the phrases, float32 (p, d), as :func:`phrase_directions` makes them.
        vectors: of the people, float32 (n, d).
        everybody: whom they are held against, float32 (m, d).
    """
    above = shares_below(vectors @ looks.T, everybody @ looks.T)
    return [tuple(Fit(phrase.text, float(share)) for phrase, share in zip(phrases, row, strict=True)) for row in above]


def worn_fits(encoder: Encoder, phrases: Sequence[Phrase], filters: Sequence[Filter], worn: NDArray[np.uint8]) -> list[tuple[Fit, ...]]:
    """How likely each of n people has what phrases name, in their order; nothing of what the model does not know, in things or in people.

    Args:
        phrases, filters: of a question; a filter on the looks of a part goes by whatever thing is worn there.
        worn: of the people, uint8 (n, 2a).
    """
    known = attributes_of(encoder)
    looks = {one.item: one.asked.removeprefix("--") for one in filters if one.any_thing}
    named = [(looks.get(phrase.item, phrase.text), phrase.item, phrase.item in looks) for phrase in phrases if phrase.item]
    told = [one for one in (_without_unknown_details(*one, known) for one in named) if says_all(*one[1:], known)]
    asked = [(text, item, asks) for text, item, any_thing in told if (asks := asked_of(item, any_thing, known))]
    names = names_in(one for _, _, asks in asked for one in asks)
    columns = [known.index(name) for name in names]
    found = likelihoods(encoder, names, worn[:, [*columns, *(column + len(known) for column in columns)]])
    likely = dict(zip(names, found.T, strict=True))
    chances = [(text, chance(item, asks, likely)) for text, item, asks in asked]
    return [tuple(Fit(text, probability=float(of_all[n])) for text, of_all in chances if not np.isnan(of_all[n])) for n in range(len(worn))]


def _without_unknown_details(text: str, item: Item, any_thing: bool, names: Sequence[str]) -> tuple[str, Item, bool]:
    """A phrase and its thing; of one that is there, without details that the model does not know: of a shirt with a collar, the shirt."""
    if not item.details or item.negated or says_all(item, any_thing, names):
        return text, item, any_thing
    plain = replace(item, details=())
    return noun_phrase(plain), plain, any_thing


def phrase_directions(encoder: Encoder, named: Sequence[Phrase]) -> NDArray[np.float32]:
    """What each phrase adds to anybody, float32 (p, d); a higher product with a vector means a better fit, denied or not."""
    texts = list(dict.fromkeys(text for phrase in named for text in (*phrase.says, *phrase.beside)))
    row = {text: n for n, text in enumerate(texts)}
    vectors = encode_texts(encoder, texts)

    def mean(of: Sequence[str]) -> NDArray[np.float32]:
        return np.asarray(vectors[[row[text] for text in of]].mean(axis=0))

    return np.stack([(mean(phrase.says) - mean(phrase.beside)) * (-1 if phrase.denied else 1) for phrase in named])


def shares_below(scores: NDArray[np.float32], of: NDArray[np.float32]) -> NDArray[np.float64]:
    """For each score (n, p), the share of column ``p`` of ``of`` (m, p) that is lower, equal ones counting half."""
    columns = [
        (np.searchsorted(ordered, column, "left") + np.searchsorted(ordered, column, "right")) / (2 * len(ordered))
        for column, ordered in zip(scores.T, np.sort(of, axis=0).T, strict=True)
    ]
    return np.stack(columns, axis=1)
