"""Sentences about drawn people, worded as people word them, and true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from passerby.data.synthetic.people import DrawnPerson, Garment, pick

KIND_WORDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "cap": ("cap", "baseball cap"),
        "hat": ("hat", "brimmed hat"),
        "beanie": ("beanie", "knitted cap"),
        "t-shirt": ("t-shirt", "tee shirt"),
        "shirt": ("shirt", "buttoned shirt"),
        "sweater": ("sweater", "pullover"),
        "hoodie": ("hoodie", "hooded sweatshirt"),
        "jacket": ("jacket",),
        "coat": ("coat", "long coat"),
        "vest": ("vest", "padded vest"),
        "dress": ("dress",),
        "trousers": ("trousers", "pants"),
        "jeans": ("jeans", "denim jeans"),
        "shorts": ("shorts",),
        "skirt": ("skirt",),
        "shoes": ("shoes",),
        "sneakers": ("sneakers", "sport shoes"),
        "boots": ("boots",),
        "sandals": ("sandals",),
        "backpack": ("backpack", "rucksack"),
        "handbag": ("handbag", "hand bag"),
        "shoulder bag": ("shoulder bag", "cross-body bag"),
        "suitcase": ("suitcase", "rolling suitcase"),
    }
)
"""What each kind of garment is called; the first word is its own."""

COLOUR_WORDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"grey": ("grey", "gray"), "navy": ("navy", "navy blue", "dark blue"), "beige": ("beige", "tan")}
)
"""Other names of the palette's colours, for those that have any."""

PATTERN_WORDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"striped": ("striped",), "checked": ("checked", "plaid"), "dotted": ("dotted", "polka dot")}
)

_PAIRS = frozenset({"trousers", "jeans", "shorts", "shoes", "sneakers", "boots", "sandals"})
_HAIR_WORDS = {
    "short": "short {} hair",
    "bob": "chin-length {} hair",
    "long": "long {} hair",
    "ponytail": "{} hair in a ponytail",
    "bun": "{} hair in a bun",
    "curly": "curly {} hair",
}
_BUILD_WORDS = {"slim": ("slim",), "broad": ("broad-shouldered",), "large": ("heavily built",)}
_OPENINGS = (
    "{A} wearing {clothes}.",
    "{The} is wearing {clothes}.",
    "{The} is dressed in {clothes}.",
    "{A} in {clothes}.",
    "{The} wears {clothes}.",
    "{A} with {clothes}.",
)


@dataclass(frozen=True, slots=True)
class _Pronouns:
    subject: str
    possessive: str
    be: str
    have: str


_HE, _SHE, _THEY = _Pronouns("He", "his", "is", "has"), _Pronouns("She", "her", "is", "has"), _Pronouns("They", "their", "are", "have")
_PRONOUNS = {"man": _HE, "boy": _HE, "woman": _SHE, "girl": _SHE, "person": _THEY}


def captions(person: DrawnPerson, seed: int, count: int = 2) -> tuple[str, ...]:
    """Different descriptions of one picture of a person: true, and not always complete.

    Most are sentences, about one in six is a row of keywords. What the pose hides (a beard, an open jacket's inside, a logo, seen
    from behind) is left out.

    Args:
        seed: 0 or more; chooses words and what is left out.
        count: how many, 0 to 32.

    Raises:
        ValueError: for a count that words would not suffice for.
    """
    if not 0 <= count <= 32:
        raise ValueError(f"0 to 32 captions can be told apart; found {count}")
    rng = np.random.Generator(np.random.PCG64([seed, 0x43]))
    found: dict[str, None] = {}
    while len(found) < count:
        found[_keywords(person, rng) if rng.random() < 0.16 else _sentences(person, rng)] = None
    return tuple(found)


def _keywords(person: DrawnPerson, rng: np.random.Generator) -> str:
    items = [person.upper, *_others(person)]
    kept = [item for item in items if item is person.upper or rng.random() < 0.8]
    words = [_described(item, person, rng) for item in kept]
    return ", ".join([person.presentation, *words] if rng.random() < 0.5 else words)


def _sentences(person: DrawnPerson, rng: np.random.Generator) -> str:
    who = _who(person, rng)
    opening = pick(rng, _OPENINGS)
    first = opening.format(
        A=f"{_article(who)} {who}".capitalize(), The=f"{pick(rng, ('The', 'This'))} {who}", clothes=_clothes(person, rng)
    )
    more = [sentence for sentence in (_hair(person, rng), _bag(person, rng), _gait(person)) if sentence and rng.random() < 0.62]
    order = rng.permutation(len(more))
    return " ".join([first, *(more[int(place)] for place in order)])


def _who(person: DrawnPerson, rng: np.random.Generator) -> str:
    word = person.presentation if rng.random() < 0.88 else "person"
    builds = _BUILD_WORDS.get(person.build, ())
    return f"{pick(rng, builds)} {word}" if builds and rng.random() < 0.35 else word


def _clothes(person: DrawnPerson, rng: np.random.Generator) -> str:
    upper = _noun_phrase(person.upper, person, rng)
    if person.under is not None and (person.pose.facing == "front" or person.upper.kind == "vest"):
        upper += f" over {_noun_phrase(person.under, person, rng)}"
    items = [upper]
    if person.lower is not None:
        items.append(_noun_phrase(person.lower, person, rng))
    if rng.random() < 0.85:
        items.append(_noun_phrase(person.shoes, person, rng))
    if person.hat is not None and rng.random() < 0.85:
        items.insert(pick(rng, (0, 1, len(items))), _noun_phrase(person.hat, person, rng))
    return _listed(items)


def _hair(person: DrawnPerson, rng: np.random.Generator) -> str | None:
    pronouns = _PRONOUNS[person.presentation]
    facts = []
    if person.hair == "bald":
        facts = [] if person.hat is not None else ["a bald head"]
    elif person.hat is None or person.hair in ("long", "ponytail"):
        facts = [_HAIR_WORDS[person.hair].format(person.hair_colour)]
    if person.glasses and person.pose.facing == "front":
        facts.append(pick(rng, ("glasses", "a pair of glasses")))
    if person.beard and person.pose.facing == "front":
        facts.append("a beard")
    return f"{pronouns.subject} {pronouns.have} {_listed(facts)}." if facts else None


def _bag(person: DrawnPerson, rng: np.random.Generator) -> str | None:
    if person.bag is None:
        return None
    pronouns, bag = _PRONOUNS[person.presentation], _noun_phrase(person.bag, person, rng)
    carries = f"{pronouns.subject} {pronouns.be} carrying {bag}"
    place = {"backpack": f"on {pronouns.possessive} back", "handbag": f"in {pronouns.possessive} hand"}.get(person.bag.kind)
    if person.bag.kind == "suitcase":
        return f"{pronouns.subject} {pronouns.have} {bag} at {pronouns.possessive} side."
    return f"{carries} {place}." if place is not None and rng.random() < 0.5 else f"{carries}."


def _gait(person: DrawnPerson) -> str | None:
    pronouns = _PRONOUNS[person.presentation]
    doing = f"{pronouns.subject} {pronouns.be}"
    if person.pose.facing == "back":
        return f"{doing} walking away from the camera." if person.pose.walking else f"{doing} seen from behind."
    if person.pose.facing == "front":
        return f"{doing} walking towards the camera." if person.pose.walking else f"{doing} facing the camera."
    return f"{doing} walking and seen from the side." if person.pose.walking else f"{doing} seen from the side."


def _others(person: DrawnPerson) -> list[Garment]:
    return [item for item in (person.hat, person.lower, person.shoes, person.bag) if item is not None]


def _noun_phrase(garment: Garment, person: DrawnPerson, rng: np.random.Generator) -> str:
    words = _described(garment, person, rng)
    if garment.kind in _PAIRS:
        return f"a pair of {words}" if rng.random() < 0.2 else words
    return f"{_article(words)} {words}"


def _described(garment: Garment, person: DrawnPerson, rng: np.random.Generator) -> str:
    words = [pick(rng, COLOUR_WORDS.get(garment.colour, (garment.colour,)))]
    if garment.pattern in PATTERN_WORDS and rng.random() < 0.8:
        words.append(pick(rng, PATTERN_WORDS[garment.pattern]))
    words.append(pick(rng, KIND_WORDS[garment.kind], (3, 1) if len(KIND_WORDS[garment.kind]) > 1 else None))
    if garment.pattern == "logo" and person.pose.facing == "front" and rng.random() < 0.6:
        words.append("with a logo")
    return " ".join(words)


def _article(words: str) -> str:
    return "an" if words[0] in "aeiou" else "a"


def _listed(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
