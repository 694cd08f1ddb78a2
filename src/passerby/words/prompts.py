"""From what somebody types to the sentences a model is asked, each with its weight; and a description as a sentence in one of several
wordings, which ``templates.toml`` holds."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Final

from passerby.words.description import Item, PersonDescription, describe, item_phrase, looked_for, noun_phrase, person_phrase
from passerby.words.lexicon import Kind, Part, known_things, lexicon
from passerby.words.negation import without_denials
from passerby.words.normalise import plain
from passerby.words.parser import STANDS_FOR, description_of, parse
from passerby.words.spelling import mended
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


@dataclass(frozen=True, slots=True)
class Reading:
    """A description and what was read in it.

    Args:
        text: as :func:`~passerby.words.normalise.plain` has it.
        tokens: of the text.
        description: what they say.
    """

    text: str
    tokens: tuple[Token, ...]
    description: PersonDescription


def read(text: str) -> Reading:
    """Read a description, to ask and to explain with what was read."""
    text = plain(text)
    tokens = tokens_of(text)
    return Reading(text, tuple(tokens), description_of(tokens))


def prompts(text: str) -> tuple[Prompt, ...]:
    """What to ask a model for a description, the description's weight being 1 in all.

    Misspelt words are mended. Keywords become a sentence, and are asked as they are too where some of them are not understood. What is
    denied is left out, for a model looks for whatever is named: instead, who has it counts less. The rest stays as written.

    Args:
        text: not empty.
    """
    return prompts_of(read(text))


def prompts_of(reading: Reading) -> tuple[Prompt, ...]:
    """What :func:`prompts` makes of a description that was read; one in which *one* stands for a thing is read again with its name."""
    text, tokens, description = reading.text, reading.tokens, reading.description
    if (named := _named(text, description.items)) != text:
        return prompts(named)
    affirmed = replace(description, items=tuple(replace(item, denied_colours=()) for item in description.items if not item.negated))
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
        item: the thing, negated if it is denied; not part of what makes two phrases equal.
    """

    text: str
    says: tuple[str, ...]
    beside: tuple[str, ...]
    denied: bool = False
    item: Item | None = field(default=None, compare=False)


def phrases(text: str) -> tuple[Phrase, ...]:
    """The things that a description names, one by one, each once."""
    return phrases_of(parse(text).items)


def phrases_of(named: Iterable[Item]) -> tuple[Phrase, ...]:
    """What to hold a picture against for things that are named, each once."""
    items = tuple(dict.fromkeys(map(looked_for, named)))
    return tuple(phrase for item in items for phrase in (_phrase(item, items), *map(_not_in, in_denied_colours(item))))


def _phrase(item: Item, items: Sequence[Item]) -> Phrase:
    return phrase_of(replace(item, denied_colours=()), including(item, but=items) if item.negated else ())


def _not_in(item: Item) -> Phrase:
    """That a thing, which has one colour, does not have it."""
    thing = Item(item.part, item.thing)
    text = f"{noun_phrase(thing)} not {item.colours[0]}"
    return Phrase(text, (_somebody_with(item),), (_somebody_with(thing),), denied=True, item=replace(item, negated=True))


def phrase_of(item: Item, alike: Sequence[Item] = ()) -> Phrase:
    """What to hold a picture against to see whether somebody has a thing, or does not if it is negated.

    Args:
        alike: what counts as having it too.
    """
    has = replace(item, negated=False)
    having = [one for thing in (has, *alike) for one in _in_any_colour(thing)]
    bare = [Item(one.part, one.thing) for one in having]
    beside = (ANYBODY,) if has == bare[0] else tuple(map(_somebody_with, bare))
    details = f" with {' and '.join(has.details)}" if has.details else ""
    label = f"{noun_phrase(has)}{details}"
    return Phrase(f"no {label}" if item.negated else label, tuple(map(_somebody_with, having)), beside, item.negated, item)


def _makes_a_sentence(token: Token) -> bool:
    return token.text == "with" or bool(SENTENCE & token.meaning.keys())


def _named(text: str, items: Sequence[Item]) -> str:
    """A text with the names of things for which it says *one*: of *not a red jacket but a blue one* that is left which was denied."""
    for item in reversed(items):
        start, end = item.thing_span
        if text[start:end].lower() in STANDS_FOR:
            name = item.thing if text[start:end].lower() == "one" else lexicon().plurals[item.thing]
            text = f"{text[:start]}{name}{text[end:]}"
    return text


def _denied(description: PersonDescription) -> Iterator[Prompt]:
    """What is denied, each: the difference to anybody of a thing, or of any narrower one that the person is not said to have; or that of
    a thing in a colour to the thing itself. It is taken away."""
    plainer = dict.fromkeys(replace(item, uncertain=False, side=None) for item in description.items)
    absent = [replace(item, negated=False) for item in plainer if item.negated]
    coloured = [one for item in plainer if not item.negated for one in in_denied_colours(item)]
    count = len(absent) + len(coloured)
    for item in absent:
        having = (item, *including(item, but=description.items))
        yield from (Prompt(_somebody_with(one), -DENIAL / count / len(having)) for one in having)
    yield from (Prompt(_somebody_with(item), -DENIAL / count) for item in coloured)
    beside = Counter([ANYBODY] * len(absent) + [_somebody_with(Item(item.part, item.thing)) for item in coloured])
    yield from (Prompt(sentence, DENIAL * times / count) for sentence, times in beside.items())


def _in_any_colour(item: Item) -> tuple[Item, ...]:
    """A thing in each of the colours of which it has one or another, or the thing itself."""
    return tuple(replace(item, colours=(colour,), uncertain=False) for colour in item.colours) if item.uncertain else (item,)


def in_denied_colours(item: Item) -> tuple[Item, ...]:
    """A thing in each colour that it is said not to have."""
    return tuple(Item(item.part, item.thing, (colour,)) for colour in item.denied_colours)


def including(item: Item, but: Iterable[Item] = ()) -> tuple[Item, ...]:
    """The narrower things of a thing, with its looks, but for those that somebody is said to have: of a hat, a cap."""
    known, had = known_things(), {other.thing for other in but if not other.negated}
    narrower = lexicon().hyponyms.get(item.thing, ())
    return tuple(replace(item, thing=thing, part=known[thing], negated=False) for thing in narrower if thing not in had)


def _somebody_with(item: Item) -> str:
    return describe(PersonDescription((item,)))


@dataclass(frozen=True, slots=True)
class Wording:
    """Templates with a place for the person, or for things that are worn or carried."""

    person: str
    worn: str
    carried: str

    def __call__(self, description: PersonDescription) -> str:
        """A sentence of what a description affirms."""
        affirmed = [item for item in description.items if not item.negated]
        worn = [item_phrase(item) for item in affirmed if item.part is not Part.CARRIED]
        carried = [item_phrase(item) for item in affirmed if item.part is Part.CARRIED]
        person = " ".join([person_phrase(description), *description.activities])
        sentence = self.person.format(person=person) + _clause(self.worn, worn) + _clause(self.carried, carried)
        return f"{sentence[0].upper()}{sentence[1:]}."


@cache
def wordings() -> tuple[Wording, ...]:
    """All wordings, read on the first call."""
    table = tomllib.loads(Path(__file__).with_name("templates.toml").read_text(encoding="utf-8"))
    return tuple(Wording(**entry) for entry in table["wordings"])


def reworded(description: PersonDescription, seed: str) -> str:
    """A sentence of what a description affirms, its wording drawn by a seed."""
    return Random(seed).choice(wordings())(description)


def _clause(template: str, phrases: Sequence[str]) -> str:
    *first, last = phrases or [""]
    return template.format(things=f"{', '.join(first)} and {last}" if first else last) if last else ""
