"""How likely each attribute is worn, to a description that says what is: what is read of a description, backwards."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from passerby.words.attributes import close_colours, rivals, wider
from passerby.words.description import Item, PersonDescription
from passerby.words.lexicon import Part, known_colours, known_patterns, known_things, lexicon

PROBABLE: Final = 0.5
"""What is likelier is told."""
CERTAIN: Final = 0.7
"""What is told and less likely is told as possible."""

_PARTS: Final = (Part.HEAD, Part.UPPER, Part.LOWER, Part.FEET)
_GENDERS: Final = {"body:man": "male", "body:woman": "female"}
_AGES: Final = {"body:child": "child", "body:young": "young", "body:old": "old"}
_HAIR_LENGTHS: Final = ("long", "short", "shoulder length")
_HAIR_STYLES: Final = {"bald": "bald head", "ponytail": "ponytail", "bun": "bun", "bangs": "bangs", "beard": "beard"}
_LENGTHS: Final = {
    "sleeves:short": "short sleeved",
    "sleeves:long": "long sleeved",
    "sleeves:none": "sleeveless",
    "lower:short": "short",
    "lower:knee length": "knee length",
    "lower:long": "long",
}
_MATERIALS: Final = ("leather", "denim", "fur")
_SHADES: Final = ("dark", "light")
_DETAILS: Final = ("logo",)
_WHATEVER: Final = {Part.UPPER: "top", Part.LOWER: "bottoms", Part.FEET: "shoe"}
"""What a part is told of whose looks are known and nothing else."""
_ACCESSORIES: Final = frozenset(
    {"scarf", "glasses", "sunglasses", "mask", "headphones", "headband", "tie", "necklace", "watch", "bracelet", "glove", "lanyard"}
    | {"belt", "tights", "stockings", "sock", "apron"}
)
"""Things beside which a part is covered by something else."""


def appearance(likely: Mapping[str, float]) -> PersonDescription:
    """What somebody probably looks like.

    Of things and looks that exclude each other the likeliest is told, of a thing and its family the thing. A colour that is as likely as
    not makes the thing it is told of possible.

    Args:
        likely: how likely each attribute that a model knows is, by name.
    """
    probable = {name: p for name, p in likely.items() if p >= PROBABLE}
    names = _undisputed(probable)
    one_piece = next((item for name in names if name.startswith("body:") for item in _one_piece(name, probable)), None)
    worn = [item for part in _PARTS for item in _worn(part, names, probable, covered=one_piece is not None)]
    return PersonDescription(
        items=(*([one_piece] if one_piece else []), *worn, *_carried(names, probable)),
        gender=next((_GENDERS[name] for name in names if name in _GENDERS), None),
        age=next((_AGES[name] for name in names if name in _AGES), None),
        hair=tuple(_hair(names)),
    )


def _undisputed(probable: Mapping[str, float]) -> tuple[str, ...]:
    """Names, the likeliest first, without families and looks of what stands before them, and what that excludes."""
    kept: list[str] = []
    families = {family for name in probable for family in wider(name) if _is_thing(name) or family.partition(":")[2] in known_colours()}
    for name in sorted(probable, key=lambda name: (-probable[name], name)):
        excluded = any(name in rivals(other) or name in close_colours(other) or other in rivals(name) for other in kept)
        if name not in families and not excluded:
            kept.append(name)
    return tuple(kept)


def _is_thing(name: str) -> bool:
    part, _, word = name.partition(":")
    return word in known_things() and part in (known_things()[word], Part.CARRIED)


def _of(part: str, names: Iterable[str], wanted: Callable[[str], bool]) -> list[str]:
    return [word for name in names for of, _, word in [name.partition(":")] if of == part and wanted(word)]


def _worn(part: Part, names: Sequence[str], probable: Mapping[str, float], *, covered: bool) -> Iterable[Item]:
    """What is worn at a part: what covers it, in its looks, and what else is there."""
    things = _of(part, names, lambda word: _is_thing(f"{part}:{word}"))
    garments = [thing for thing in things if thing not in _ACCESSORIES]
    looks = [f"{part}:{word}" for word in _of(part, names, lambda word: word in known_colours() or word in known_patterns())]
    if covered and part in (Part.UPPER, Part.LOWER):
        garments = []
    elif garments:
        yield _dressed(part, garments[0], names, probable)
    elif looks and part in _WHATEVER:
        yield _dressed(part, _WHATEVER[part], names, probable)
    yield from (_bare(part, thing, probable) for thing in things if thing not in garments[:1] and (thing in _ACCESSORIES or not covered))


def _one_piece(name: str, probable: Mapping[str, float]) -> Iterable[Item]:
    thing = name.partition(":")[2]
    if known_things().get(thing) is Part.BODY:
        told = {f"body:{word}": p for other, p in probable.items() for of, _, word in [other.partition(":")] if of == "upper"}
        yield _dressed(Part.BODY, thing, _undisputed(told), {**told, name: probable[name]})


def _carried(names: Sequence[str], probable: Mapping[str, float]) -> Iterable[Item]:
    """What is carried; its colours are those of a bag."""
    things = _of(Part.CARRIED, names, lambda word: _is_thing(f"carried:{word}"))
    bag = next((thing for thing in things if thing in _bags()), None)
    yield from (_dressed(Part.CARRIED, t, names, probable) if t == bag else _bare(Part.CARRIED, t, probable) for t in things)


def _bags() -> frozenset[str]:
    return frozenset({"bag", *lexicon().hyponyms["bag"]})


def _bare(part: Part, thing: str, probable: Mapping[str, float]) -> Item:
    return Item(part, thing, uncertain=probable[f"{part}:{thing}"] < CERTAIN)


def _dressed(part: Part, thing: str, names: Sequence[str], probable: Mapping[str, float]) -> Item:
    """A thing in the looks of a part."""
    colours = _of(part, names, lambda word: word in known_colours())[:1]
    pattern = next(iter(_of(part, names, lambda word: word in known_patterns())), None)
    material = next(iter(_of(part, names, lambda word: word in _MATERIALS and thing != "jeans")), None)
    shade = next(iter(_of(part, names, lambda word: word in _SHADES)), None) if not colours else None
    lengths = [name for name in names if _has_length(part, name) and name not in wider(f"{part}:{thing}")][:1]
    told = [f"{part}:{look}" for look in (thing, *colours, pattern, material, shade) if look]
    return Item(
        part,
        thing,
        tuple(colours),
        shade=shade,
        pattern=pattern,
        material=material,
        length=_LENGTHS[lengths[0]] if lengths else None,
        details=tuple(_of(part, names, lambda word: word in _DETAILS)),
        uncertain=min((probable[name] for name in (*told, *lengths) if name in probable), default=1.0) < CERTAIN,
    )


def _has_length(part: Part, name: str) -> bool:
    return name in _LENGTHS and name.partition(":")[0] == {Part.UPPER: "sleeves", Part.LOWER: "lower"}.get(part)


def _hair(names: Sequence[str]) -> Iterable[str]:
    words = _of("hair", names, lambda _: True)
    looks = [
        *[word for word in words if word in _HAIR_LENGTHS][:1],
        *[word for word in words if word in known_colours() or word == "blonde" or word in _SHADES][:1],
    ]
    if looks and "bald" not in words:
        yield f"{' '.join(looks)} hair"
    yield from (_HAIR_STYLES[word] for word in words if word in _HAIR_STYLES)
