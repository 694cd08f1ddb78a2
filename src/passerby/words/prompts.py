"""From what somebody types to the sentences a model is asked, each with its weight."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from passerby.words.attributes import describe, parse
from passerby.words.description import PersonDescription
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
    for start, end in sorted(spans, reverse=True):
        text = text[:start] + text[end:]
    return " ".join(_DANGLING.sub("", text).split()).strip(",;") if spans else text


def _mended(text: str) -> str:
    def mended(word: re.Match[str]) -> str:
        read = meant(word[0].lower())
        return word[0] if read == word[0].lower() else read

    return _WORD.sub(mended, text)
