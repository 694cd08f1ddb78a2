"""A sentence about a person to its structure and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from passerby.words.description import Item, PersonDescription
from passerby.words.lexicon import Part, is_plural, known_things, lexicon
from passerby.words.parser import parse

__all__ = ["Item", "Part", "PersonDescription", "describe", "item_phrase", "noun_phrase", "parse", "person_phrase"]

_NOUNS: Final = {"male": "man", "female": "woman", None: "person"}
_CHILDREN: Final = {"male": "boy", "female": "little girl", None: "child"}
_PLACES: Final = {"left": "on the left side", "right": "on the right side", "both": "on both shoulders"}


def describe(description: PersonDescription) -> str:
    """A sentence that says what a description says; what was not understood is left out."""
    worn = [item for item in description.items if not item.negated and item.part is not Part.CARRIED]
    carried = [item for item in description.items if not item.negated and item.part is Part.CARRIED]
    absent = [item for item in description.items if item.negated]
    clauses = [
        " ".join([person_phrase(description), *description.activities]),
        *_clause("wearing", worn),
        *_clause("carrying", [item for item in carried if known_things()[item.thing] is Part.CARRIED]),
        *(f"carrying {_told(item)}" for item in carried if known_things()[item.thing] is not Part.CARRIED),
        *(f"without {_thing(item)}" for item in absent),
    ]
    sentence = ", ".join(clauses)
    return f"{sentence[0].upper()}{sentence[1:]}."


def noun_phrase(item: Item) -> str:
    """What a thing is called with its looks, as ``dark blue jacket`` or ``black shoes``."""
    noun = lexicon().plurals[item.thing] if _is_several(item) else item.thing
    looks = [item.shade, _colours(item), item.pattern, item.length, item.material]
    return " ".join([*(look for look in looks if look), noun])


def person_phrase(description: PersonDescription) -> str:
    """Who somebody is, as ``a young woman with short hair``."""
    age, noun = description.age, _NOUNS[description.gender]
    if age == "child":
        noun = _CHILDREN[description.gender]
    elif age:
        noun = f"{age} {noun}"
    with_hair = f" with {' and '.join(description.hair)}" if description.hair else ""
    return f"{_article(noun)} {noun}{with_hair}"


def _clause(verb: str, items: Sequence[Item]) -> list[str]:
    return [f"{verb} {', '.join(map(_told, items))}"] if items else []


def _told(item: Item) -> str:
    """A thing with all that is affirmed and denied of it."""
    return " ".join([item_phrase(item), *(f"not {' or '.join(item.denied_colours)}" for _ in item.denied_colours[:1])])


def item_phrase(item: Item) -> str:
    """A thing with all that is affirmed of it, as ``a black bag on the left side``."""
    doubt = "possibly " if item.uncertain else ""
    details = f" with {' and '.join(item.details)}" if item.details else ""
    side = f" {_PLACES[item.side]}" if item.side else ""
    return f"{doubt}{_thing(item)}{details}{side}"


def _thing(item: Item) -> str:
    phrase = noun_phrase(item)
    return phrase if _is_several(item) else f"{_article(phrase)} {phrase}"


def _is_several(item: Item) -> bool:
    return is_plural(item.thing) or known_things()[item.thing] is Part.FEET


def _colours(item: Item) -> str | None:
    if len(item.colours) < 2:
        return " ".join(item.colours) or None
    *first, last = item.colours
    return f"{', '.join(first)} {'or' if item.uncertain else 'and'} {last}"


def _article(phrase: str) -> str:
    return "an" if phrase[0] in "aeiou" else "a"
