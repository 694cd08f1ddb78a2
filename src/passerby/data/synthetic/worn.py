"""What drawn people wear, as attributes by name: all that a drawing shows, and all that it shows to be absent."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from functools import cache
from typing import Final

from passerby.data.synthetic.people import DrawnPerson, Garment
from passerby.words.attributes import NAMES, close_colours, narrower, said, with_families
from passerby.words.description import Item, PersonDescription
from passerby.words.lexicon import Part
from passerby.words.parser import parse

_HAIR: Final = {
    "short": "short hair",
    "bald": "bald head",
    "bob": "shoulder length hair",
    "long": "long hair",
    "ponytail": "ponytail",
    "bun": "bun",
    "curly": "hair",
}
_SHORT_SLEEVES: Final = ("t-shirt", "dress")
_OR_SO: Final = {
    "upper:jacket": ("upper:coat", "upper:blazer", "upper:hoodie"),
    "upper:coat": ("upper:jacket", "upper:blazer"),
    "upper:hoodie": ("upper:jacket", "upper:sweater", "upper:sweatshirt", "head:hood"),
    "upper:sweater": ("upper:sweatshirt", "upper:cardigan", "upper:shirt"),
    "upper:shirt": ("upper:blouse", "upper:polo"),
    "body:dress": ("lower:skirt", "lower:short", "lower:knee length", "lower:long", "upper:shirt", "upper:t-shirt"),
    "lower:skirt": ("lower:short", "lower:knee length", "lower:long", "body:dress"),
    "lower:shorts": ("lower:knee length",),
    "lower:jeans": ("lower:denim", "lower:leggings"),
    "lower:pants": ("lower:long", "lower:sweatpants"),
    "feet:shoe": ("feet:loafer", "feet:flats", "feet:slipper"),
    "feet:sandal": ("feet:flip flops",),
    "carried:handbag": ("carried:shoulder bag", "carried:satchel", "carried:briefcase"),
    "carried:shoulder bag": ("carried:handbag", "carried:satchel", "carried:briefcase"),
    "hair:shoulder length": ("hair:long", "hair:short"),
    "hair:ponytail": ("hair:long",),
    "hair:bun": ("hair:long", "hair:short"),
}
"""What else may be said of what is drawn."""
_PARTS: Final = ("head", "upper", "lower", "feet", "carried", "hair")


def of_drawn(person: DrawnPerson) -> dict[str, bool]:
    """The attributes that somebody drawn has, or has not; without those that the picture hides, or of which people might say either."""
    has = [name for name, yes in said(_seen(person)).items() if yes]
    unsure = {*_unsure(person), *_hidden(person)}
    for name in has:
        unsure |= {*_OR_SO.get(name, ()), *close_colours(name)}
    known = with_families(has, ())
    return {name: name in known for name in NAMES if name in known or not _may_have(name, unsure)}


def _may_have(name: str, unsure: Collection[str]) -> bool:
    """Whether a name, or one of a narrower thing, is among those of which nobody is sure."""
    return name in unsure or (not close_colours(name) and any(other in unsure for other in narrower(name)))


def _seen(person: DrawnPerson) -> PersonDescription:
    """The person as somebody would tell who tells all."""
    sleeved = person.under if person.under and person.upper.kind == "vest" else person.upper
    length = "short sleeved" if sleeved.kind in _SHORT_SLEEVES else "long sleeved"
    garments = (person.hat, person.upper, person.under if _shows_under(person) else None, person.shoes, person.bag)
    items = [replace(_item(one), length=length if one is sleeved else None) for one in garments if one]
    if person.lower and not _hides_lower(person):
        items.append(_item(person.lower))
    if person.upper.pattern == "logo" and person.pose.facing == "front":
        items.append(replace(_item(person.upper), details=("logo",)))
    if person.glasses and person.pose.facing == "front":
        items.append(Item(Part.HEAD, "glasses"))
    hair = [] if _hides_hair(person) else [_HAIR[person.hair]]
    if hair and person.hair != "bald":
        hair.append(f"{person.hair_colour} hair")
    if person.beard and person.pose.facing == "front":
        hair.append("beard")
    return PersonDescription(
        items=tuple(items),
        gender={"man": "male", "boy": "male", "woman": "female", "girl": "female"}.get(person.presentation),
        age="child" if person.presentation in ("boy", "girl") else None,
        hair=tuple(hair),
    )


@cache
def _item(garment: Garment) -> Item:
    pattern = garment.pattern if garment.pattern in ("striped", "checked", "dotted") else ""
    return parse(f"{garment.colour} {pattern} {garment.kind}").items[0]


def _shows_under(person: DrawnPerson) -> bool:
    return person.under is not None and (person.pose.facing == "front" or person.upper.kind == "vest")


def _hides_lower(person: DrawnPerson) -> bool:
    """Whether a coat may hide what is no longer."""
    return person.upper.kind == "coat" and person.lower is not None and person.lower.kind in ("shorts", "skirt")


def _hides_hair(person: DrawnPerson) -> bool:
    return person.hat is not None and person.hair not in ("long", "ponytail")


def _hidden(person: DrawnPerson) -> Iterator[str]:
    """What there may be in places that do not show."""
    hidden = {
        "lower:": _hides_lower(person),
        "body:dress": _hides_lower(person),
        "hair:": _hides_hair(person),
        "hair:beard": person.beard,
        "head:glasses": person.glasses,
        "upper:logo": person.upper.pattern == "logo",
        "body:": person.presentation == "person",
    }
    yield from (name for name in NAMES if any(is_so and name.startswith(start) for start, is_so in hidden.items()))
    if person.under:
        under = said(PersonDescription((_item(person.under),)))
        yield from (name for found in under for name in (found, *_OR_SO.get(found, ()), *close_colours(found)))


def _unsure(person: DrawnPerson) -> Iterator[str]:
    """Of which people might say either: ages, shades, and the colours of patterns, bands and soles, which contrast with the thing's."""
    yield from ("body:young", "body:old", "hair:bangs")
    yield from (f"{part}:{shade}" for part in _PARTS for shade in ("dark", "light"))
    patterned = [part for part, garment in (("upper", person.upper), ("lower", person.lower or person.upper)) if garment.pattern != "plain"]
    yield from (f"{part}:printed" for part in patterned)
    if person.hair == "bald":
        yield from (name for name in NAMES if name.startswith("hair:") and name not in ("hair:long", "hair:ponytail", "hair:bun"))
    inked = patterned + ["head"] * (person.hat is not None and person.hat.kind == "hat")
    inks = [f"{part}:{ink}" for part in inked for ink in ("black", "white")] + ["feet:white"] * (person.shoes.kind == "sneakers")
    yield from (name for ink in inks for name in close_colours(ink))
