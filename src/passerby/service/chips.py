"""What was understood, thing by thing, and the words that would say it without a thing, in another colour, or denied."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from passerby.words.description import Item, PersonDescription, describe, noun_phrase

COLOURS: Final = ("black", "grey", "white", "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "beige")
"""Those that a thing may be changed to by a click."""
MOST: Final = 12
"""Things that may be changed so: each change is a whole sentence."""


@dataclass(frozen=True, slots=True)
class Chip:
    """Something that was understood of a description.

    Args:
        text: as ``red jacket`` or ``no hat``.
        colour: the one it has, if it has one.
        without: the words that say the rest.
        opposite: the words that deny it, or affirm it if it is denied; ``None`` of what cannot be denied.
        in_colour: the words that say it in each other colour, by colour.
    """

    text: str
    colour: str | None
    without: str
    opposite: str | None = None
    in_colour: tuple[tuple[str, str], ...] = ()


def chips(description: PersonDescription) -> tuple[Chip, ...]:
    """What was understood, in the order of the words: who it is, then things; the first ``MOST``."""
    return tuple(islice(_chips(description), MOST))


def things(description: PersonDescription) -> int:
    """How much was understood: as many chips as there would be without ``MOST``."""
    return bool(description.gender) + bool(description.age) + len(description.hair) + len(description.items)


def _chips(said: PersonDescription) -> Iterator[Chip]:
    if said.gender:
        yield Chip({"male": "man", "female": "woman"}[said.gender], None, _sentence(replace(said, gender=None)))
    if said.age:
        yield Chip(said.age, None, _sentence(replace(said, age=None)))
    for hair in said.hair:
        yield Chip(hair, None, _sentence(replace(said, hair=tuple(one for one in said.hair if one != hair))))
    for place, item in enumerate(said.items):
        yield _thing(said, place, item)


def _thing(said: PersonDescription, place: int, item: Item) -> Chip:
    def with_in_its_place(*instead: Item) -> str:
        return _sentence(replace(said, items=(*said.items[:place], *instead, *said.items[place + 1 :])))

    denied = "".join(f" not {colour}" for colour in item.denied_colours)
    own = item.colours[0] if len(item.colours) == 1 else None
    colours = [] if item.negated else [colour for colour in COLOURS if colour != own]
    return Chip(
        f"{'no ' if item.negated else ''}{noun_phrase(item)}{denied}",
        own if own in COLOURS else None,
        with_in_its_place(),
        None if item.denied_colours else with_in_its_place(replace(item, negated=not item.negated, uncertain=False)),
        tuple((colour, with_in_its_place(replace(item, colours=(colour,), denied_colours=()))) for colour in colours),
    )


def _sentence(description: PersonDescription) -> str:
    """A description in words; nothing where it says nothing."""
    return describe(replace(description, not_understood=())).rstrip(".") if description.says_something else ""
