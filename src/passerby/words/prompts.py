"""From what somebody types to the sentences a model is asked, each with its weight."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from passerby.words.attributes import describe, parse
from passerby.words.description import Item, PersonDescription
from passerby.words.lexicon import Kind
from passerby.words.slips import meant
from passerby.words.tokens import Token, tokens_of

SENTENCE: Final = frozenset({Kind.WEARS, Kind.CARRIES, Kind.COPULA, Kind.ATTACHING})
"""Kinds of words of which a sentence has one and keywords have none."""
DENIAL: Final = 0.5
"""How much less a person counts who has what is denied; 1 is the weight of the description itself."""
ANYBODY: Final = "A person."

_WORD: Final = re.compile(r"[^\W\d_]+")
_DANGLING: Final = re.compile(r"(?:[\s,;]|\b(?:and|but|or|with)\b)*\s*(?=[.,;]|$)")


@dataclass(frozen=True, slots=True)
class Prompt:
    """A sentence in the manner of the captions that models learn from; a negative weight says who is not meant."""

    text: str
    weight: float


def prompts(text: str) -> tuple[Prompt, ...]:
    """What to ask a model for a description, the description's weight being 1 in all.

    Misspelt words are mended. Keywords are asked as they are and once more as a sentence. What is denied is left out of both, for a model
    looks for whatever is named: instead, who has it counts less. The rest stays as written, words that are not understood too.

    Args:
        text: not empty.
    """
    tokens, description = tokens_of(text), parse(text)
    affirmed = replace(description, items=tuple(item for item in description.items if not item.negated))
    kept = _mended(_without(text, _denials(tokens, description))) or ANYBODY
    asked = [kept]
    if affirmed.items and not any(SENTENCE & token.meaning.keys() for token in tokens):
        asked.append(describe(affirmed))
    return (*(Prompt(sentence, 1 / len(asked)) for sentence in asked), *_denied(description))


@dataclass(frozen=True, slots=True)
class Phrase:
    """A part of a description that a picture may fit or not.

    Args:
        text: short, as ``red jacket`` or ``no hat``.
        says: a sentence of a person of whom it is said.
        beside: the same of anybody: what the phrase says is the difference.
        denied: the person is said not to have it.
    """

    text: str
    says: str
    beside: str
    denied: bool


def phrases(text: str) -> tuple[Phrase, ...]:
    """The things that a description names, one by one, each once."""
    return tuple(map(_phrase, dict.fromkeys(parse(text).items)))


def _phrase(item: Item) -> Phrase:
    has = replace(item, negated=False, uncertain=False)
    bare = Item(item.part, item.thing)
    looks = (item.shade, *item.colours, item.pattern, item.length, item.material, item.thing)
    beside = describe(PersonDescription((bare,))) if bare != has else ANYBODY
    label = " ".join(look for look in looks if look)
    return Phrase(f"no {label}" if item.negated else label, describe(PersonDescription((has,))), beside, item.negated)


def _denied(description: PersonDescription) -> Iterator[Prompt]:
    """A thing that is not there: its difference to anybody, taken away."""
    denied = dict.fromkeys(replace(item, negated=False, uncertain=False) for item in description.items if item.negated)
    for item in denied:
        yield Prompt(describe(PersonDescription((item,))), -DENIAL)
    if denied:
        yield Prompt(ANYBODY, DENIAL * len(denied))


def _denials(tokens: Sequence[Token], description: PersonDescription) -> list[tuple[int, int]]:
    """Where a text denies something: from the word of negation to the thing."""
    spans = []
    for item in description.items:
        if item.negated:
            start, end = item.thing_span
            before = [token.span[0] for token in tokens if token.span[0] <= start and Kind.NEGATION in token.meaning]
            spans.append((start if _is_absent(tokens, start) else max(before, default=start), end))
    return spans


def _is_absent(tokens: Sequence[Token], start: int) -> bool:
    """Whether a word denies by itself, as *hatless*."""
    return any(token.span[0] == start and Kind.ABSENT in token.meaning for token in tokens)


def _without(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """A text without some spans, which may overlap: one word of negation may deny several things."""
    if not spans:
        return text
    kept = "".join(letter for place, letter in enumerate(text) if not any(start <= place < end for start, end in spans))
    return " ".join(_DANGLING.sub("", kept).split()).lstrip(" .,;").rstrip(" ,;")


def _mended(text: str) -> str:
    def mended(word: re.Match[str]) -> str:
        read = meant(word[0].lower())
        return word[0] if read == word[0].lower() else read

    return _WORD.sub(mended, text)
