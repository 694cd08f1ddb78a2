"""What a sentence says about a person."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from passerby.errors import QueryError
from passerby.inputs import require
from passerby.words.lexicon import Part, known_things

SIDES: Final = ("left", "right", "both")


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
