"""What people wear by name, as ``upper:red`` or ``carried:backpack``: what a description says of it, and what a question asks.

A name is a part and a word of the lexicon. The part of sleeves, hair and the person are ``sleeves``, ``hair`` and ``body``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import groupby
from typing import Final

from passerby.words.description import Item, PersonDescription
from passerby.words.filters import Filter
from passerby.words.lexicon import Kind, Part, known_colours, known_patterns, known_things, lexicon, without_shade
from passerby.words.tokens import tokens_of

# fmt: off
NAMES: Final[tuple[str, ...]] = (
    "body:child", "body:dress", "body:man", "body:old", "body:robe", "body:uniform", "body:woman", "body:young",
    "carried:backpack", "carried:bag", "carried:beige", "carried:bicycle", "carried:black", "carried:blue", "carried:book",
    "carried:bottle", "carried:briefcase", "carried:brown", "carried:dark", "carried:green", "carried:grey",
    "carried:handbag", "carried:light", "carried:orange", "carried:phone", "carried:pink", "carried:printed", "carried:purple",
    "carried:red", "carried:satchel", "carried:shoulder bag", "carried:striped", "carried:stroller", "carried:suitcase",
    "carried:tan", "carried:umbrella", "carried:white", "carried:yellow",
    "feet:beige", "feet:black", "feet:blue", "feet:boot", "feet:brown", "feet:dark", "feet:flats", "feet:flip flops", "feet:green",
    "feet:grey", "feet:heels", "feet:light", "feet:loafer", "feet:orange", "feet:pink", "feet:purple", "feet:red", "feet:sandal",
    "feet:shoe", "feet:slipper", "feet:sneaker", "feet:sock", "feet:striped", "feet:tan", "feet:white", "feet:yellow",
    "hair:bald", "hair:bangs", "hair:beard", "hair:black", "hair:blonde", "hair:brown", "hair:bun", "hair:dark", "hair:grey",
    "hair:light", "hair:long", "hair:ponytail", "hair:red", "hair:short", "hair:shoulder length",
    "head:beanie", "head:black", "head:blue", "head:brown", "head:cap", "head:glasses", "head:grey", "head:hat", "head:headband",
    "head:headphones", "head:headscarf", "head:helmet", "head:hood", "head:scarf", "head:sunglasses", "head:white",
    "lower:beige", "lower:belt", "lower:black", "lower:blue", "lower:brown", "lower:capris", "lower:cream", "lower:dark",
    "lower:denim", "lower:floral", "lower:gold", "lower:green", "lower:grey", "lower:jeans", "lower:khaki", "lower:knee length",
    "lower:leggings", "lower:light", "lower:long", "lower:maroon", "lower:multicoloured", "lower:navy blue", "lower:olive",
    "lower:orange", "lower:pants", "lower:pink", "lower:plaid", "lower:printed", "lower:purple", "lower:red", "lower:short",
    "lower:shorts", "lower:silver", "lower:skirt", "lower:stockings", "lower:striped", "lower:sweatpants", "lower:tan", "lower:teal",
    "lower:tights", "lower:turquoise", "lower:white", "lower:yellow",
    "sleeves:long", "sleeves:none", "sleeves:short",
    "upper:beige", "upper:black", "upper:blazer", "upper:blouse", "upper:blue", "upper:bracelet", "upper:brown", "upper:cardigan",
    "upper:coat", "upper:cream", "upper:dark", "upper:denim", "upper:floral", "upper:glove", "upper:gold", "upper:green",
    "upper:grey", "upper:hoodie", "upper:jacket", "upper:khaki", "upper:leather", "upper:light", "upper:logo", "upper:maroon",
    "upper:multicoloured", "upper:navy blue", "upper:necklace", "upper:olive", "upper:orange", "upper:pink", "upper:plaid",
    "upper:polka dot", "upper:polo", "upper:printed", "upper:purple", "upper:red", "upper:shirt", "upper:silver", "upper:striped",
    "upper:suit", "upper:sweater", "upper:sweatshirt", "upper:t-shirt", "upper:tan", "upper:tank top", "upper:teal", "upper:tie",
    "upper:turquoise", "upper:vest", "upper:watch", "upper:white", "upper:yellow",
)
# fmt: on
"""Attributes that models learn, in alphabetical order: those that at least 40 training pictures of CUHK-PEDES are said to have,
and, however rare, the colours of upper and lower garments and what covers the head (benchmarks/attribute_counts.py)."""

KINDS: Final = ("colour", "look", "garment", "feet", "head", "carried", "person")
"""Colours of garments, their patterns, shades and lengths, garments themselves, then what is worn and carried elsewhere, and who it is."""

_SAME: Final = {"trousers": "pants", "slacks": "pants", "purse": "handbag"}
"""Things that look like another of the lexicon."""
VAGUE: Final = frozenset({"top", "bottoms", "clothes"})
"""Things that say only where something is worn; they are no attributes, their looks are."""
_UNCOLOURED: Final = frozenset(
    {"scarf", "glasses", "sunglasses", "mask", "headphones", "headband", "tie", "necklace", "watch", "bracelet", "glove", "lanyard"}
    | {"belt", "tights", "stockings", "sock", "apron"}
    | {"phone", "bottle", "book", "newspaper", "folder", "cup", "camera", "box", "basket", "stroller", "bicycle", "laptop"}
)
"""Things too small for their looks to be those of the part, or not what covers it."""
_COVERING: Final = {"suit": (Part.UPPER, Part.LOWER), "overalls": (Part.LOWER,)}
"""What things cover that is not where the lexicon has them worn; those of the body cover both halves."""
_WIDER: Final = {
    "lower:jeans": ("lower:pants",),
    "lower:leggings": ("lower:pants",),
    "lower:sweatpants": ("lower:pants",),
    "lower:capris": ("lower:pants", "lower:knee length"),
    "lower:shorts": ("lower:short",),
    "upper:blazer": ("upper:jacket",),
    "upper:tank top": ("sleeves:none",),
    "feet:flip flops": ("feet:sandal",),
    "feet:heels": ("feet:shoe",),
    "feet:flats": ("feet:shoe",),
    "feet:loafer": ("feet:shoe",),
    "feet:slipper": ("feet:shoe",),
    "carried:briefcase": ("carried:bag",),
}
"""What else somebody surely has, beside what the lexicon's narrower things tell."""
_WIDER_COLOURS: Final = {"navy blue": "blue", "maroon": "red", "olive": "green", "silver": "grey"}
_NEAR_COLOURS: Final = (
    {"black", "navy blue", "grey", "brown"},
    {"tan", "beige", "khaki", "cream", "brown", "white"},
    {"grey", "silver", "white", "tan", "beige"},
    {"green", "yellow"},
    {"green", "brown"},
    {"green", "blue"},
    {"green", "grey", "khaki", "olive"},
    {"blue", "grey"},
    {"blue", "purple"},
    {"orange", "brown"},
    {"red", "brown"},
    {"red", "purple"},
)
"""Colours that two captions of one picture call the same garment half as often as by chance or more, beside the lexicon's families."""
_SLEEVES: Final = {"short sleeved": "short", "long sleeved": "long", "sleeveless": "none"}
_LENGTHS: Final = {
    "short": "short",
    "long": "long",
    "ankle length": "long",
    **dict.fromkeys(("knee length", "calf length", "cropped", "three-quarter"), "knee length"),
}
_SHADES: Final = {"dark": "dark", "deep": "dark", "light": "light", "pale": "light", "faded": "light"}
_PRINTS: Final = {
    **dict.fromkeys(("logo", "emblem", "writing", "lettering", "letters", "words", "text", "number"), "logo"),
    **dict.fromkeys(("print", "design", "designs", "picture", "image", "graphics", "pattern", "patterns"), "printed"),
}
"""Details that are drawn on a garment."""
_MATERIALS: Final = ("denim", "leather", "fur")
_GENDERS: Final = {"male": "body:man", "female": "body:woman"}
_AGES: Final = {"child": "body:child", "teenage": "body:young", "young": "body:young", "old": "body:old"}
_HAIR: Final = {"bald head": ("bald",), "blonde hair": ("blonde",), "brunette": ("brown",), "hair": ()}
_EXCLUSIVE: Final = (
    ("body:man", "body:woman"),
    ("body:child", "body:old"),
    ("body:young", "body:old"),
    ("sleeves:short", "sleeves:long", "sleeves:none"),
    ("lower:short", "lower:long"),
    ("lower:knee length", "lower:long"),
    ("lower:pants", "lower:shorts", "lower:skirt", "body:dress"),
    ("lower:jeans", "lower:leggings", "lower:sweatpants"),
    ("lower:jeans", "lower:short"),
    ("feet:sneaker", "feet:boot", "feet:sandal"),
    ("feet:sneaker", "feet:heels"),
    ("feet:sneaker", "feet:flats", "feet:boot"),
    ("head:hat", "head:helmet"),
    ("head:cap", "head:beanie"),
    ("hair:long", "hair:short", "hair:bald"),
    ("hair:shoulder length", "hair:short"),
    ("hair:ponytail", "hair:short"),
    ("hair:bun", "hair:short"),
    ("hair:ponytail", "hair:bun"),
    ("hair:dark", "hair:light"),
    ("hair:dark", "hair:blonde"),
    *((f"{part}:dark", f"{part}:{light}") for part in ("upper", "lower") for light in ("light", "white")),
    *((f"{part}:light", f"{part}:black") for part in ("upper", "lower", "hair")),
    *(tuple(f"{part}:{pattern}" for pattern in ("striped", "plaid", "floral", "polka dot", "camouflage")) for part in ("upper", "lower")),
)
"""Of each group somebody has one, as a rule."""
_ONE_COLOURED: Final = ("upper", "lower", "feet", "head", "hair")
"""Parts of which one colour speaks against others; of bags people may carry two."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a question asks of somebody.

    Args:
        names: attributes of which they should have any, or none if it is ``denied``.
    """

    names: tuple[str, ...]
    denied: bool = False


def said(description: PersonDescription, names: Collection[str] = NAMES) -> dict[str, bool]:
    """The attributes that a description says somebody has, or has not; of those that it does not mention nothing is known.

    Whoever has a cap has a hat; whoever has no hat has no cap, unless the description names one. What is in doubt says nothing, and so
    does a denial of a thing in a colour, but of trousers or shoes that are there and not in it.

    Args:
        names: those wanted.
    """
    return with_families(_affirmed(description), _denied(description), names)


def with_families(has: Iterable[str], lacks: Iterable[str], names: Collection[str] = NAMES) -> dict[str, bool]:
    """Whether somebody has each attribute, who has some and lacks others: families of the first too, and narrower ones of the second but
    for what is among the first.

    Args:
        names: those wanted.
    """
    had = {wide for name in has for wide in (name, *wider(name))}
    lacked = {narrow for name in lacks for narrow in (name, *narrower(name))} - had
    return {name: name in had for name in sorted((had | lacked) & set(names))}


def unlikely(said: Mapping[str, bool], names: Collection[str] = NAMES) -> frozenset[str]:
    """The rivals of what somebody is said to have, unless they are close to something else that is said.

    Args:
        names: those wanted.
    """
    has = [name for name, yes in said.items() if yes]
    alike = (other for name in has for other in (*wider(name), *narrower(name), *close_colours(name)))
    return frozenset(names).intersection(frozenset[str]().union(*map(rivals, has))).difference(said, alike)


def asked(description: PersonDescription, filters: Sequence[Filter] = (), names: Collection[str] = NAMES) -> tuple[Asked, ...]:
    """What a description and filters ask of somebody, each once: of a cap no more than a cap.

    Alternatives are one question, as *a red or blue jacket* and *a hat or a cap*. Of a thing that a model does not know its family is
    asked, or else whatever narrower things it knows; never that of one that is denied.

    Args:
        names: attributes that the model knows.
    """
    items = (*description.items, *(one.item for one in filters if not one.any_thing))
    filtering = [one for one in filters if not one.item.negated]
    wanted = [
        *((name,) for name in _of_person(description)[0]),
        *(group for alternatives in _alternatives(description.items) for group in _any_of(alternatives)),
        *(group for one in filtering for group in (_any_look if one.any_thing else _any_of)((one.item,))),
    ]
    unwanted = [
        *_of_person(description)[1],
        *(name for item in items for name in (_things(item) if _is_bare_denial(item) else _denied_looks(item))),
        *(name for one in filters if one.any_thing and one.item.negated for name in _looks(one.item)),
    ]
    has = [Asked(found) for group in wanted if (found := _known(group, names))]
    had = {name for one in has for name in one.names}
    lacks = [Asked(found, denied=True) for name in unwanted if (found := _known_denied(name, names, had))]
    return tuple(dict.fromkeys([*has, *lacks]))


def says_all(item: Item, any_thing: bool, names: Collection[str]) -> bool:
    """Whether a thing and its looks are all among names, or families of theirs: of a red tie a tie may be, and nothing is of its colour.

    What a thing is made of counts where it can be seen: cotton cannot. Of alternatives no shade is asked.

    Args:
        any_thing: whether the thing only stands for whatever is worn there.
        names: attributes that a model knows.
    """
    shaded = item.uncertain and any(without_shade(colour) != colour for colour in item.colours)
    told = [tuple(_looks(look)) for look in _one_by_one(item)]
    thing = [] if any_thing else [(name,) for name in _things(item)]
    return not shaded and all(told) and all(_known((name,), names) for group in (*told, *thing) for name in group)


def _one_by_one(item: Item) -> Iterator[Item]:
    """A thing with each of its looks alone; several colours are one look, but where it has one or another."""
    bare = Item(item.part, item.thing)
    colours = [(colour,) for colour in item.colours] if item.uncertain else [item.colours] * bool(item.colours)
    yield from (replace(bare, colours=some) for some in colours)
    yield from (replace(bare, details=(detail,)) for detail in item.details)
    material = item.material if item.material in _MATERIALS else None
    alone = (
        replace(bare, shade=item.shade),
        replace(bare, pattern=item.pattern),
        replace(bare, length=item.length),
        replace(bare, material=material),
    )
    yield from (one for one in alone if one != bare)


@cache
def kind_of(name: str) -> str:
    """What kind of attribute a name is, one of ``KINDS``: attributes of a kind are about as telling, and as hard to see."""
    part, _, word = name.partition(":")
    if part in ("feet", "head", "carried"):
        return part
    if part in ("body", "hair"):
        return "person"
    if word in known_colours():
        return "colour"
    looks = (*known_patterns(), *_MATERIALS, *_PRINTS.values(), *_SHADES.values(), *_LENGTHS.values())
    return "look" if part == "sleeves" or word in looks else "garment"


@cache
def wider(name: str) -> tuple[str, ...]:
    """The attributes that whoever has one has too, the nearest first: of a cap, a hat."""
    found: dict[str, None] = {}
    ahead = list(_wider_ones().get(name, ()))
    while ahead:
        found[(one := ahead.pop(0))] = None
        ahead += _wider_ones().get(one, ())
    return tuple(found)


@cache
def narrower(name: str) -> tuple[str, ...]:
    """The attributes that nobody has who lacks one: of a hat, a cap and a beanie."""
    return tuple(sorted(other for other in _wider_ones() if name in wider(other)))


@cache
def rivals(name: str) -> frozenset[str]:
    """The attributes that somebody who has one probably lacks: other colours of the same trousers but for those it may be taken for."""
    branch = (name, *wider(name))
    found = {
        other
        for group in _EXCLUSIVE
        for one in branch
        if one in group
        for rival in group
        if rival != one
        for other in (rival, *narrower(rival))
    }
    part, _, word = name.partition(":")
    if part in _ONE_COLOURED and word in _colours():
        found |= {f"{part}:{other}" for other in _colours()} - close_colours(name)
    return frozenset(found) - {*branch, *narrower(name)}


@cache
def close_colours(name: str) -> frozenset[str]:
    """The same part in colours that may be meant by the colour of a name, that colour too; nothing for other names."""
    part, _, word = name.partition(":")
    return frozenset(f"{part}:{other}" for other in _colours() if word in _colours() and _close(word, other))


@cache
def possible() -> tuple[str, ...]:
    """All names that the lexicon can say, in alphabetical order; ``NAMES`` are some of them."""
    parts = (Part.HEAD, Part.UPPER, Part.LOWER, Part.FEET, Part.CARRIED)
    things = [name for thing, part in known_things().items() for name in _things(Item(part, thing))]
    colours = [f"{part}:{colour}" for part in (*parts, "hair") for colour in known_colours()]
    looks = (*known_patterns(), *_MATERIALS, *_SHADES.values(), *_PRINTS.values())
    words = dict.fromkeys(meaning[Kind.HAIR] for meaning in lexicon().phrases.values() if Kind.HAIR in meaning)
    hair = [name for word in words for name in _HAIR.get(word, (word,))]
    return tuple(
        sorted(
            {
                *things,
                *colours,
                *(f"{part}:{look}" for part in parts for look in looks),
                *(f"lower:{length}" for length in _LENGTHS.values()),
                *(f"sleeves:{length}" for length in _SLEEVES.values()),
                *(f"hair:{word}" for word in (*hair, "long", "short", "shoulder length", "dark", "light")),
                *_GENDERS.values(),
                *_AGES.values(),
            }
        )
    )


@cache
def _wider_ones() -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = dict(_WIDER)
    for thing, kinds in lexicon().hyponyms.items():
        for kind in kinds:
            for name in _things(Item(known_things()[kind], kind)):
                found[name] = tuple(dict.fromkeys((*found.get(name, ()), *_things(Item(known_things()[thing], thing)))))
    for part in (Part.HEAD, Part.UPPER, Part.LOWER, Part.FEET, Part.CARRIED):
        found |= {f"{part}:{colour}": (f"{part}:{wide}",) for colour, wide in _WIDER_COLOURS.items()}
    return found


def _affirmed(description: PersonDescription) -> Iterator[str]:
    yield from _of_person(description)[0]
    for item in description.items:
        if not item.negated and not item.uncertain:
            yield from (*_things(item), *_looks(item))


def _denied(description: PersonDescription) -> Iterator[str]:
    yield from _of_person(description)[1]
    yield from (other for gender, other in _GENDERS.items() if description.gender not in (None, gender))
    for item in description.items:
        if _is_bare_denial(item):
            yield from _things(item)
        elif not item.negated and not item.uncertain and item.part in (Part.LOWER, Part.FEET):
            yield from _denied_looks(item)


def _is_bare_denial(item: Item) -> bool:
    looks = (item.colours, item.shade, item.pattern, item.length, item.material, item.details)
    return item.negated and not item.uncertain and not any(looks)


def _denied_looks(item: Item) -> Iterator[str]:
    if item.negated:
        yield from _looks(item)
    for colour in item.denied_colours:
        yield from _looks(Item(item.part, item.thing, (colour,)))


def _things(item: Item) -> tuple[str, ...]:
    """The name of a thing, if it has one."""
    thing = _SAME.get(item.thing, item.thing)
    return () if thing in VAGUE else (f"{item.part}:{thing}",)


def _looks(item: Item) -> Iterator[str]:
    """The names of how a thing looks, for what it covers; which half of somebody is in which of several colours is not known."""
    is_worn = item.part is known_things()[item.thing]
    by_part = (Part.UPPER, Part.LOWER) if item.part is Part.BODY else (item.part,)
    parts = _COVERING.get(item.thing, by_part) if is_worn and item.thing not in _UNCOLOURED else ()
    colours = item.colours if len(parts) == 1 else item.colours[: len(item.colours) == 1]
    for part in parts:
        yield from (f"{part}:{look}" for look in (*map(without_shade, colours), *_shade(item), *_surface(item)))
    if Part.LOWER in parts and item.length in _LENGTHS:
        yield f"lower:{_LENGTHS[item.length]}"
    if item.part in (Part.UPPER, Part.BODY) and item.length in _SLEEVES and item.thing != "vest":
        yield f"sleeves:{_SLEEVES[item.length]}"


def _shade(item: Item) -> Iterator[str]:
    """Whether a thing is dark or light as a whole."""
    first = item.colours[0].partition(" ")[0] if len(item.colours) == 1 else None
    shade = first if first in lexicon().shades else item.shade
    if shade in _SHADES and len(item.colours) < 2:
        yield _SHADES[shade]


def _surface(item: Item) -> Iterator[str]:
    if item.pattern:
        yield item.pattern
    if item.material in _MATERIALS:
        yield item.material
    yield from dict.fromkeys(print for detail in item.details if (print := _PRINTS.get(detail.rpartition(" ")[2])))


def _of_person(description: PersonDescription) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What is said of the person and of the hair, and what is denied."""
    person = [_GENDERS.get(description.gender or ""), _AGES.get(description.age or "")]
    hair = [(phrase.startswith("no "), name) for phrase in description.hair for name in _hair(phrase.removeprefix("no "))]
    has = [name for name in person if name] + [name for is_denied, name in hair if not is_denied]
    return tuple(dict.fromkeys(has)), tuple(name for is_denied, name in hair if is_denied)


@cache
def _hair(phrase: str) -> tuple[str, ...]:
    """What a phrase such as *long blonde hair* says."""
    found: list[str] = []
    for token in tokens_of(phrase):
        if Kind.HAIR in token.meaning:
            word = token.meaning[Kind.HAIR]
            found += _HAIR.get(word, (word,))
        elif length := token.meaning.get(Kind.LENGTH):
            found.append(length)
        elif colour := token.meaning.get(Kind.COLOUR):
            found.append({"gold": "blonde"}.get(colour, colour))
        elif shade := token.meaning.get(Kind.SHADE):
            found += [_SHADES[shade]] if shade in _SHADES else []
    return tuple(f"hair:{word}" for word in found)


def _alternatives(items: Iterable[Item]) -> Iterator[tuple[Item, ...]]:
    """The things that are there, each alone but for those beside each other of which there is one or the other."""
    there = (item for item in items if not item.negated)
    return (tuple(group) for _, group in groupby(there, key=lambda item: item.part if item.uncertain else item))


def _any_of(items: Sequence[Item]) -> Iterator[tuple[str, ...]]:
    """Names of which somebody has any, for each thing that alternatives have in common."""
    things = [_things(item) for item in items]
    if all(things):
        yield tuple(dict.fromkeys(name for names in things for name in names))
    yield from _any_look(items)


def _any_look(items: Sequence[Item]) -> Iterator[tuple[str, ...]]:
    """The same for each look that they have."""
    several = len({colour for item in items for colour in item.colours}) > 1
    if items[0].uncertain and (len(items) > 1 or several):
        looks = [tuple(_looks(Item(item.part, item.thing, (without_shade(colour),)))) for item in items for colour in item.colours]
        if looks and all(item.colours for item in items):
            yield tuple(dict.fromkeys(name for names in looks for name in names))
        items = [replace(item, colours=()) for item in items] if len(items) == 1 else []
    yield from ((name,) for item in items for name in _looks(item))


def _known(names: Iterable[str], offered: Collection[str]) -> tuple[str, ...]:
    """What a model knows in place of names: of each its nearest family, or its narrower things; nothing if one has neither."""
    found = [_nearest(name, offered) for name in names]
    return tuple(dict.fromkeys(one for group in found for one in group)) if all(found) else ()


def _nearest(name: str, offered: Collection[str]) -> tuple[str, ...]:
    upwards = next(((one,) for one in (name, *wider(name)) if one in offered), ())
    return upwards or tuple(one for one in narrower(name) if one in offered)


def _known_denied(name: str, offered: Collection[str], had: Collection[str]) -> tuple[str, ...]:
    """What a model knows of a thing that is denied: the thing itself, or its narrower ones but for those that somebody is to have."""
    if name in offered and not {name, *narrower(name)} & set(had):
        return (name,)
    return tuple(one for one in narrower(name) if one in offered and one not in had)


def _colours() -> tuple[str, ...]:
    return tuple(colour for colour in known_colours() if colour != "multicoloured")


def _close(colour: str, other: str) -> bool:
    """Whether one person may call a colour by the one name and another by the other."""
    known = lexicon().families
    return bool(known[colour] & known[other]) or any({colour, other} <= near for near in _NEAR_COLOURS)
