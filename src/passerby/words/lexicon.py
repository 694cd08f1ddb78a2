"""The words that people describe people with, read once from ``lexicon.toml``."""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, Final

_WORD: Final = re.compile(r"[^\W_]+(?:['’/][^\W_]+)*")


class Part(StrEnum):
    """Where something is worn: ``BODY`` is above and below the waist at once."""

    HEAD = "head"
    UPPER = "upper"
    LOWER = "lower"
    FEET = "feet"
    CARRIED = "carried"
    BODY = "body"


class Kind(StrEnum):
    """What a word does in a description."""

    THING = "thing"
    ABSENT = "absent"
    COLOUR = "colour"
    SHADE = "shade"
    PATTERN = "pattern"
    DETAIL = "detail"
    LENGTH = "length"
    MATERIAL = "material"
    LINK = "link"
    GENDER = "gender"
    AGE = "age"
    HAIR = "hair"
    PERSON = "people"
    ACTIVITY = "activities"
    WEARS = "wears"
    CARRIES = "carries"
    COPULA = "copulas"
    ATTACHING = "attaching"
    AND = "ands"
    OR = "ors"
    BUT = "buts"
    NEGATION = "negations"
    DOUBT = "doubts"
    UNSEEN = "unseen"
    TRIM = "trims"
    LEFT = "left"
    RIGHT = "right"
    BOTH = "both"
    PLACE = "places"
    STOP = "stops"
    FILLER = "fillers"


TELLING: Final = frozenset(
    {Kind.THING, Kind.ABSENT, Kind.COLOUR, Kind.PATTERN, Kind.MATERIAL, Kind.GENDER, Kind.HAIR, Kind.NEGATION, Kind.WEARS, Kind.CARRIES}
)
"""Kinds of words that tell people apart, or decide what those that do say."""
SHORTEST_TELLING: Final = 5
"""Letters; shorter words have too many neighbours."""

Meaning = Mapping[Kind, str]
"""What a phrase may do, and what Passerby calls it then."""

_NAMED: Final = {
    Kind.SHADE: "shades",
    Kind.COLOUR: "colours",
    Kind.PATTERN: "patterns",
    Kind.LENGTH: "lengths",
    Kind.MATERIAL: "materials",
    Kind.GENDER: "genders",
    Kind.AGE: "ages",
    Kind.HAIR: "hair",
    Kind.ABSENT: "absent",
    Kind.TRIM: "trims",
}
_COUNTED: Final = (Kind.THING, Kind.HAIR)
"""Kinds of words that have a plural."""


@dataclass(frozen=True, slots=True)
class Lexicon:
    """All that ``lexicon.toml`` says.

    Args:
        phrases: what each phrase means, its words in lower case with one space between.
        longest: by the first word of a phrase, how many words the longest has.
        parts: where each thing is worn.
        plurals: the plural of each thing; its own name for those that are always plural.
        hyponyms: of a thing, the narrower ones: a cap is a hat.
        typical: the thing that stands for each part of the body.
        colours, things: by spelling, hyphens as spaces, what Passerby calls it.
        families: of each colour, the names it may also go by.
        shades: what Passerby calls words before a colour.
        idle_shades: of a colour, the shades that say nothing of it.
        links: words after a colour.
        patterns: what Passerby calls them.
        words: all of all phrases.
        telling: those of at least five letters that tell people apart by themselves, by their first letter.
        no_slips: words that look like a slip of one of them and are none.
    """

    phrases: Mapping[str, Meaning]
    longest: Mapping[str, int]
    parts: Mapping[str, Part]
    plurals: Mapping[str, str]
    hyponyms: Mapping[str, tuple[str, ...]]
    typical: Mapping[Part, str]
    colours: Mapping[str, str]
    families: Mapping[str, frozenset[str]]
    things: Mapping[str, str]
    shades: tuple[str, ...]
    idle_shades: Mapping[str, tuple[str, ...]]
    links: tuple[str, ...]
    patterns: tuple[str, ...]
    words: frozenset[str]
    telling: Mapping[str, tuple[str, ...]]
    no_slips: frozenset[str]


@cache
def lexicon() -> Lexicon:
    """The lexicon, read on the first call."""
    table = tomllib.loads(Path(__file__).with_name("lexicon.toml").read_text(encoding="utf-8"))
    phrases: dict[str, dict[Kind, str]] = defaultdict(dict)
    for kind, spelling, name in _entries(table):
        phrases[" ".join(words_of(spelling))].setdefault(kind, name)
        if kind in _COUNTED:
            phrases[" ".join(words_of(_regular_plural(spelling)))].setdefault(kind, name)
    longest: dict[str, int] = {}
    for phrase in phrases:
        first, *rest = phrase.split()
        longest[first] = max(longest.get(first, 0), 1 + len(rest))
    things = {name: others for group in table["things"].values() for name, others in group.items()}
    return Lexicon(
        phrases=dict(phrases),
        longest=longest,
        parts={name: Part(part) for part, group in table["things"].items() for name in group},
        plurals={name: _plural(name, others) for name, others in things.items()},
        hyponyms={thing: tuple(narrower) for thing, narrower in table["hyponyms"].items()},
        typical={Part(part): thing for part, thing in table["typical"].items()},
        colours=_by_spelling(table["colours"]),
        families={colour: _families(colour, table["families"]) for colour in table["colours"]},
        things=_by_spelling(things),
        shades=tuple(table["shades"]),
        idle_shades={colour: tuple(shades) for colour, shades in table["idle_shades"].items()},
        links=tuple(table["links"]),
        patterns=tuple(table["patterns"]),
        words=frozenset(word for phrase in phrases for word in phrase.split()),
        telling=_telling(phrases),
        no_slips=frozenset(table["no_slips"]),
    )


def words_of(text: str) -> list[str]:
    """The words of a text in lower case; a hyphen parts two words."""
    return _WORD.findall(text.lower())


def known_colours() -> tuple[str, ...]:
    """The colours that can be understood, as Passerby calls them."""
    return tuple(dict.fromkeys(lexicon().colours.values()))


def known_patterns() -> tuple[str, ...]:
    """The patterns that can be understood, as Passerby calls them."""
    return lexicon().patterns


def known_things() -> Mapping[str, Part]:
    """The things that can be understood, as Passerby calls them, and where they are worn."""
    return lexicon().parts


def families(colours: Iterable[str]) -> frozenset[str]:
    """The families that some colours belong to: two sets without a common family look different to anybody."""
    return frozenset().union(*(lexicon().families[without_shade(colour)] for colour in colours))


def without_shade(colour: str) -> str:
    """A colour without the shade before it: blue of ``dark blue``."""
    first, _, rest = colour.partition(" ")
    return rest if rest and first in lexicon().shades else colour


def _entries(table: Mapping[str, Any]) -> Iterator[tuple[Kind, str, str]]:
    """What a phrase does, its spelling and its name, for every spelling."""
    named = [(kind, table[key]) for kind, key in _NAMED.items()] + [(Kind.THING, group) for group in table["things"].values()]
    for kind, group in named:
        for name, others in group.items():
            yield from ((kind, spelling, name) for spelling in (name, *others) if kind is not Kind.ABSENT or spelling != name)
    listed = [(Kind.LINK, table["links"]), (Kind.DETAIL, table["details"]["names"])]
    for kind, spellings in listed + [(Kind(key), spellings) for key, spellings in table["grammar"].items()]:
        yield from ((kind, spelling, spelling) for spelling in spellings)


def _by_spelling(group: Mapping[str, Iterable[str]]) -> dict[str, str]:
    return {spelling.replace("-", " "): name for name, others in group.items() for spelling in (name, *others)}


def _families(colour: str, families: Mapping[str, list[str]]) -> frozenset[str]:
    return frozenset({colour, *(family for family, members in families.items() if colour in members)})


def _telling(phrases: Mapping[str, Meaning]) -> dict[str, tuple[str, ...]]:
    words = {phrase for phrase, meaning in phrases.items() if TELLING & meaning.keys()}
    by_letter: dict[str, list[str]] = defaultdict(list)
    for word in sorted(words):
        if len(word) >= SHORTEST_TELLING and word.isalpha():
            by_letter[word[0]].append(word)
    return {letter: tuple(group) for letter, group in by_letter.items()}


def _plural(name: str, others: list[str]) -> str:
    return name if is_plural(name) or not others else others[0]


def _regular_plural(spelling: str) -> str:
    """``parkas`` of ``parka``; what ends in *s* stays, a plural already or too rare to matter."""
    if spelling.endswith("s"):
        return spelling
    if spelling.endswith("y") and spelling[-2] not in "aeiou":
        return f"{spelling[:-1]}ies"
    return f"{spelling}es" if spelling.endswith(("x", "ch", "sh")) else f"{spelling}s"


def is_plural(name: str) -> bool:
    """Whether a thing's name is a plural already, as that of trousers."""
    return name.endswith("s") and not name.endswith("ss")
