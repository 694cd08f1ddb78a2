"""From what somebody types to the sentences a model is asked, each with its weight."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from passerby.words.attributes import describe, noun_phrase, parse
from passerby.words.denials import without_denials
from passerby.words.description import Item, PersonDescription
from passerby.words.lexicon import Kind, known_things, lexicon
from passerby.words.reader import description_of
from passerby.words.slips import mended
from passerby.words.tokens import Token, tokens_of

SENTENCE: Final = frozenset({Kind.WEARS, Kind.CARRIES, Kind.COPULA, Kind.ATTACHING})
"""Kinds of words of which a sentence has one, or else *with*, and keywords have none."""
DENIAL: Final = 0.5
"""How much less a person counts who has all that is denied; 1 is the weight of the description itself."""
ANYBODY: Final = "A person."


@dataclass(frozen=True, slots=True)
class Prompt:
    """A sentence in the manner of the captions that models learn from; a negative weight says who is not meant."""

    text: str
    weight: float


def prompts(text: str) -> tuple[Prompt, ...]:
    """What to ask a model for a description, the description's weight being 1 in all.

    Misspelt words are mended. Keywords become a sentence, and are asked as they are too where some of them are not understood. What is
    denied is left out, for a model looks for whatever is named: instead, who has it counts less. The rest stays as written.

    Args:
        text: not empty.
    """
    tokens = tokens_of(text)
    description = description_of(tokens)
    affirmed = replace(description, items=tuple(item for item in description.items if not item.negated))
    kept = mended(without_denials(text, tokens, description.items)) or ANYBODY
    asked = [kept]
    if affirmed.items and not any(map(_makes_a_sentence, tokens)):
        asked = [kept, describe(affirmed)] if description.not_understood else [describe(affirmed)]
    return (*(Prompt(sentence, 1 / len(asked)) for sentence in asked), *_denied(description))


@dataclass(frozen=True, slots=True)
class Phrase:
    """A part of a description that a picture may fit or not.

    Args:
        text: short, as ``red jacket`` or ``no hat``.
        says: sentences of people of whom it is said.
        beside: the same of anybody: what the phrase says is the difference.
        denied: the person is said not to have it.
    """

    text: str
    says: tuple[str, ...]
    beside: tuple[str, ...]
    denied: bool = False


def phrases(text: str) -> tuple[Phrase, ...]:
    """The things that a description names, one by one, each once."""
    items = tuple(dict.fromkeys(replace(item, uncertain=False, side=None) for item in parse(text).items))
    return tuple(phrase_of(item, including(item, but=items) if item.negated else ()) for item in items)


def phrase_of(item: Item, alike: Sequence[Item] = ()) -> Phrase:
    """What to hold a picture against to see whether somebody has a thing, or does not if it is negated.

    Args:
        alike: what counts as having it too.
    """
    has = replace(item, negated=False)
    having = (has, *alike)
    bare = [Item(one.part, one.thing) for one in having]
    beside = (ANYBODY,) if has == bare[0] else tuple(map(_somebody_with, bare))
    details = f" with {' and '.join(has.details)}" if has.details else ""
    label = f"{noun_phrase(has)}{details}"
    return Phrase(f"no {label}" if item.negated else label, tuple(map(_somebody_with, having)), beside, item.negated)


def _makes_a_sentence(token: Token) -> bool:
    return token.text == "with" or bool(SENTENCE & token.meaning.keys())


def _denied(description: PersonDescription) -> Iterator[Prompt]:
    """A thing that is not there, or any narrower one that the person is not said to have: its difference to anybody, taken away."""
    denied = dict.fromkeys(replace(item, negated=False, uncertain=False, side=None) for item in description.items if item.negated)
    for item in denied:
        having = (item, *including(item, but=description.items))
        yield from (Prompt(_somebody_with(one), -DENIAL / len(denied) / len(having)) for one in having)
    if denied:
        yield Prompt(ANYBODY, DENIAL)


def including(item: Item, but: Iterable[Item] = ()) -> tuple[Item, ...]:
    """The narrower things of a thing, with its looks, but for those that somebody is said to have: of a hat, a cap."""
    known, had = known_things(), {other.thing for other in but if not other.negated}
    narrower = lexicon().hyponyms.get(item.thing, ())
    return tuple(replace(item, thing=thing, part=known[thing], negated=False) for thing in narrower if thing not in had)


def _somebody_with(item: Item) -> str:
    return describe(PersonDescription((item,)))
