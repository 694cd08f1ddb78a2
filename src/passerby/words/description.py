"""What a sentence says about a person, and the sentence that says it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from passerby.errors import QueryError
from passerby.inputs import require
from passerby.words.lexicon import Part, is_plural, known_things, lexicon

SIDES: Final = ("left", "right", "both")

_NOUNS: Final = {"male": "man", "female": "woman", None: "person"}
_CHILDREN: Final = {"male": "boy", "female": "little girl", None: "child"}
_PLACES: Final = {"left": "on the left side", "right": "on the right side", "both": "on both shoulders"}


@dataclass(frozen=True, slots=True)
class Item:
    """Something that a person wears or carries, or is said not to.

    Args:
        part: where the thing is worn, or ``CARRIED``, which any thing can be.
        thing: as the lexicon calls it.
        colours: each as the lexicon calls it, a shade before it: ``dark blue``.
        shade: said of no colour in particular: ``dark``.
        pattern, length, material: as the lexicon calls them.
        side: ``left``, ``right`` or ``both``, of something carried.
        details: parts that have looks of their own, as ``white sole``.
        denied_colours: in which it is said not to be: *a jacket that is not red*.
        negated: said to be absent.
        uncertain: said with a doubt, or beside an alternative.
        thing_span, denied_spans: where the sentence names the thing, and where it denies it or colours of it; not part of what makes two
            items equal.
    """

    part: Part
    thing: str
    colours: tuple[str, ...] = ()
    shade: str | None = None
    pattern: str | None = None
    length: str | None = None
    material: str | None = None
    side: str | None = None
    details: tuple[str, ...] = ()
    denied_colours: tuple[str, ...] = ()
    negated: bool = False
    uncertain: bool = False
    thing_span: tuple[int, int] = field(default=(0, 0), compare=False)
    denied_spans: tuple[tuple[int, int], ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        require(self.part, Part, "a Part")
        require(self.thing, str, "a thing, a str")
        known = known_things()
        if self.thing not in known or self.part not in (known[self.thing], Part.CARRIED):
            where = f"worn as {known[self.thing]}" if self.thing in known else "unknown"
            raise QueryError(
                expected=f"a thing worn as {self.part}", found=f"{self.thing!r}, {where}", do="use a thing and its part from lexicon.toml"
            )
        if self.side is not None and require(self.side, str, "a side, a str or None") not in SIDES:
            raise QueryError(expected="a side: left, right or both", found=repr(self.side), do="name one of them or none")


@dataclass(frozen=True, slots=True)
class PersonDescription:
    """A person as a sentence describes them.

    Args:
        items: in the sentence's order.
        gender: ``male`` or ``female``, by the first word that says so.
        age: as the lexicon calls it.
        hair: each way it is described.
        activities: what the person does, as written.
        slips: words that were misspelt, each as written and as it was read; not part of what makes two descriptions equal.
        not_understood: words that are in none of the above, in lower case and the sentence's order.
    """

    items: tuple[Item, ...] = ()
    gender: str | None = None
    age: str | None = None
    hair: tuple[str, ...] = ()
    activities: tuple[str, ...] = ()
    slips: tuple[tuple[str, str], ...] = field(default=(), compare=False)
    not_understood: tuple[str, ...] = ()

    @property
    def says_something(self) -> bool:
        """Whether anything was understood."""
        return bool(self.items or self.gender or self.age or self.hair or self.activities)


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
        *(f"without {thing_phrase(item)}" for item in absent),
    ]
    sentence = ", ".join(clauses)
    return f"{sentence[0].upper()}{sentence[1:]}."


def looked_for(item: Item) -> Item:
    """A thing as people are held against it: without its side, and without a doubt but between colours, of which any will do."""
    return replace(item, side=None, uncertain=item.uncertain and len(item.colours) > 1)


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
    return f"{doubt}{thing_phrase(item)}{details}{side}"


def thing_phrase(item: Item) -> str:
    """A thing with its looks and its article, as ``a black bag``."""
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
