"""Hard negatives: captions with the colours of two things exchanged, such that only the picture tells which one is true; to learn from, and
to measure with."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import NamedTuple

import numpy as np

from passerby.words.lexicon import lexicon

FAR = 3
"""Words at most between a colour and the thing that has it."""
MOST = 12
"""Things whose colours are exchanged."""

Arrangement = frozenset[tuple[str, str]]
"""Two things to wear and the colour of each."""


@dataclass(frozen=True, slots=True)
class Swap:
    """A sentence in which two things have each other's colour.

    Args:
        text: everything but the two colours as it was.
        first, second: colour and thing as they were worn, as the lexicon writes them.
    """

    text: str
    first: tuple[str, str]
    second: tuple[str, str]


class Coloured(NamedTuple):
    """A thing of one colour in a sentence; ``span`` is where the colour stands, its shade included."""

    colour: str
    thing: str
    span: tuple[int, int]


def colour_swaps(text: str) -> tuple[Swap, ...]:
    """Every exchange of the colours of two unlike things that have one colour each, differ in it, and are not said to be missing.

    Of a caption that names more than ``MOST`` such things, the first ones take part: there are as many exchanges as pairs.
    """
    return tuple(
        Swap(_exchanged(text, a.span, b.span), (a.colour, a.thing), (b.colour, b.thing))
        for a, b in combinations(coloured_things(text)[:MOST], 2)
        if a.colour != b.colour and a.thing != b.thing
    )


def coloured_things(text: str) -> list[Coloured]:
    """The things in a sentence that have one colour each, in their order; what has several colours or is said to be missing is left out."""
    grammar = _grammar()
    found = []
    for match in grammar.pattern.finditer(text):
        if not grammar.spoilt.search(text, 0, match.start()):
            shade, colour, thing = match["shade"], _spelling(match["colour"]), _spelling(match["thing"])
            name = " ".join([*_spelling(shade).split(), grammar.names[colour]]) if shade else grammar.names[colour]
            found.append(Coloured(name, grammar.names[thing], (match.start(), match.end("colour"))))
    return found


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


def _exchanged(text: str, a: tuple[int, int], b: tuple[int, int]) -> str:
    swapped = f"{text[: a[0]]}{text[slice(*b)]}{text[a[1] : b[0]]}{text[slice(*a)]}{text[b[1] :]}"
    return _grammar().article.sub(lambda match: _article(match[1], match[2]), swapped)


def _spelling(said: str) -> str:
    return said.lower().replace("-", " ")


def _article(article: str, following: str) -> str:
    right = "an" if following[0].lower() in "aeiou" else "a"
    return right.capitalize() if article[0].isupper() else right


class _Grammar(NamedTuple):
    """``pattern``: a colour, a few words, the thing. ``spoilt``: what before it takes the colour or the thing away. ``article``: before a
    colour. ``names``: of all spellings."""

    pattern: re.Pattern[str]
    spoilt: re.Pattern[str]
    article: re.Pattern[str]
    names: dict[str, str]


@cache
def _grammar() -> _Grammar:
    known = lexicon()
    colours, things, shade, link = (_any_of(words) for words in (known.colours, known.things, known.shades, known.links))
    between = rf"(?:(?!(?:and|with|or|{colours}|{things})\b)[a-z'-]+ ){{0,{FAR}}}?"
    pattern = rf"\b(?P<shade>{shade}[ -])?(?P<colour>{colours})(?:[ -]{link})? {between}(?P<thing>{things})\b"
    spoilt = rf"(?:\b{colours},? (?:and|or|&) ?|\b{colours}[,/ -]+|\b(?:no|not|without)\b(?:(?!\b(?:and|but)\b)[^.,;]){{0,14}})$"
    return _Grammar(
        pattern=re.compile(pattern, re.IGNORECASE),
        spoilt=re.compile(spoilt, re.IGNORECASE),
        article=re.compile(rf"\b(an?)(?= ({shade}|{colours})\b)", re.IGNORECASE),
        names={**known.colours, **known.things},
    )


def _any_of(spellings: Iterable[str]) -> str:
    """A pattern for any of these, the longest first, with hyphens or spaces between their words."""
    longest_first = sorted(spellings, key=len, reverse=True)
    return f"(?:{'|'.join('[ -]'.join(map(re.escape, re.split('[ -]', spelling))) for spelling in longest_first)})"


def _worn(swap: Swap) -> Arrangement:
    return frozenset((swap.first, swap.second))


def _mirrored(swap: Swap) -> Arrangement:
    (first_colour, first), (second_colour, second) = swap.first, swap.second
    return frozenset(((second_colour, first), (first_colour, second)))
