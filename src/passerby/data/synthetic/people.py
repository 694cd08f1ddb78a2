"""People with known attributes: what they look like, what they wear, and how they are seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from types import MappingProxyType
from typing import Literal, TypeVar

import numpy as np

Colour = tuple[int, int, int]
"""Red, green and blue in 0..255."""

PALETTE: Mapping[str, Colour] = MappingProxyType(
    {
        "black": (30, 30, 34),
        "white": (238, 238, 236),
        "grey": (134, 136, 140),
        "red": (196, 30, 40),
        "orange": (236, 122, 30),
        "yellow": (242, 202, 46),
        "green": (42, 130, 66),
        "blue": (36, 90, 190),
        "navy": (26, 38, 86),
        "light blue": (136, 188, 232),
        "purple": (112, 54, 150),
        "pink": (240, 144, 178),
        "brown": (112, 68, 38),
        "beige": (212, 190, 154),
    }
)
"""Every colour that a garment can have, by its everyday name."""

SKIN_TONES: tuple[Colour, ...] = (
    (250, 222, 200),
    (240, 202, 172),
    (226, 180, 142),
    (206, 154, 112),
    (172, 120, 82),
    (134, 88, 58),
    (98, 62, 42),
    (72, 46, 34),
)
"""Skin from light to deep; all are drawn equally often."""

HAIR_COLOURS: Mapping[str, Colour] = MappingProxyType(
    {
        "black": (32, 28, 28),
        "brown": (84, 54, 36),
        "blonde": (206, 166, 98),
        "red": (150, 70, 36),
        "grey": (142, 142, 144),
        "white": (222, 220, 214),
    }
)

HATS: tuple[str, ...] = ("cap", "hat", "beanie")
UPPER: tuple[str, ...] = ("t-shirt", "shirt", "sweater", "hoodie", "jacket", "coat", "vest", "dress")
UNDER: tuple[str, ...] = ("t-shirt", "shirt", "sweater")
OPENING = ("hoodie", "jacket", "coat", "vest")
"""Upper garments that can be worn open over another."""
LOWER: tuple[str, ...] = ("trousers", "jeans", "shorts", "skirt")
SHOES: tuple[str, ...] = ("shoes", "sneakers", "boots", "sandals")
BAGS: tuple[str, ...] = ("backpack", "handbag", "shoulder bag", "suitcase")
KINDS = frozenset(chain(HATS, UPPER, LOWER, SHOES, BAGS))
PATTERNS = ("plain", "striped", "checked", "dotted", "logo")
PRESENTATIONS = ("man", "woman", "person", "boy", "girl")
BUILDS = ("slim", "average", "broad", "large")
HAIR_STYLES = ("short", "bald", "bob", "long", "ponytail", "bun", "curly")

Facing = Literal["front", "back", "left", "right"]
FACINGS: tuple[Facing, ...] = ("front", "back", "left", "right")

_HAIR_WEIGHTS = ((24, 34, 20, 10, 7, 5), (56, 26, 4, 2, 8, 4), (84, 4, 1, 1, 7, 3))
"""Of the hair colours, in their order, for light, medium and deep skin."""

T = TypeVar("T")


def _one_of(what: str, value: object, known: Sequence[object] | Mapping[str, object] | frozenset[str]) -> None:
    if value not in known:
        raise ValueError(f"{what} is one of {', '.join(map(str, known))}; found {value!r}")


@dataclass(frozen=True, slots=True)
class Garment:
    """Something worn or carried.

    Args:
        kind: one of ``KINDS``.
        colour: a name in ``PALETTE``.
        pattern: one of ``PATTERNS``, drawn in a tone that contrasts with the colour.

    Raises:
        ValueError: for any other word.
    """

    kind: str
    colour: str
    pattern: str = "plain"

    def __post_init__(self) -> None:
        _one_of("a garment", self.kind, KINDS)
        _one_of("a colour", self.colour, PALETTE)
        _one_of("a pattern", self.pattern, PATTERNS)


@dataclass(frozen=True, slots=True)
class Pose:
    """How somebody is seen: ``left`` and ``right`` are the sides of the picture that they look to."""

    facing: Facing = "front"
    walking: bool = False

    def __post_init__(self) -> None:
        _one_of("a facing", self.facing, FACINGS)


@dataclass(frozen=True, slots=True)
class DrawnPerson:
    """A person to draw, and all that may truthfully be said of them.

    Args:
        presentation: the word for them, one of ``PRESENTATIONS``.
        build: one of ``BUILDS``.
        skin: a place in ``SKIN_TONES``.
        hair: one of ``HAIR_STYLES``.
        hair_colour: a name in ``HAIR_COLOURS``.
        upper: the outermost garment of the upper body, one of ``UPPER``.
        lower: one of ``LOWER``; ``None`` exactly with a dress.
        shoes: one of ``SHOES``.
        under: one of ``UNDER``, seen below an open garment of ``OPENING``; a vest always has one.
        hat: one of ``HATS``.
        bag: one of ``BAGS``.

    Raises:
        ValueError: for attributes that cannot be worn together.
    """

    presentation: str
    build: str
    skin: int
    hair: str
    hair_colour: str
    upper: Garment
    lower: Garment | None
    shoes: Garment
    under: Garment | None = None
    hat: Garment | None = None
    bag: Garment | None = None
    glasses: bool = False
    beard: bool = False
    pose: Pose = Pose()

    def __post_init__(self) -> None:
        _one_of("a presentation", self.presentation, PRESENTATIONS)
        _one_of("a build", self.build, BUILDS)
        _one_of("a skin tone", self.skin, range(len(SKIN_TONES)))
        _one_of("a hair style", self.hair, HAIR_STYLES)
        _one_of("a hair colour", self.hair_colour, HAIR_COLOURS)
        places = ((self.hat, HATS), (self.upper, UPPER), (self.under, UNDER), (self.lower, LOWER), (self.shoes, SHOES), (self.bag, BAGS))
        for garment, kinds in places:
            if garment is not None:
                _one_of("a garment for this place", garment.kind, kinds)
        if (self.lower is None) != (self.upper.kind == "dress"):
            raise ValueError("a dress is worn without a lower garment, everything else with one")
        if self.under is not None and self.upper.kind not in OPENING:
            raise ValueError(f"nothing is seen under a {self.upper.kind}")
        if self.under is None and self.upper.kind == "vest":
            raise ValueError("a vest is worn over something")


def sample_person(seed: int) -> DrawnPerson:
    """Somebody drawn by chance: the same seed, the same person.

    Args:
        seed: 0 or more.
    """
    rng = np.random.Generator(np.random.PCG64([seed, 0x50]))
    presentation = pick(rng, PRESENTATIONS, (36, 36, 12, 8, 8))
    feminine = presentation in ("woman", "girl") or (presentation == "person" and rng.random() < 0.5)
    adult = presentation not in ("boy", "girl")
    upper = _sample_upper(rng, feminine)
    skin = int(rng.integers(len(SKIN_TONES)))
    return DrawnPerson(
        presentation=presentation,
        build=pick(rng, BUILDS, (28, 40, 16, 16)),
        skin=skin,
        hair=pick(rng, HAIR_STYLES, (6, 0, 22, 34, 20, 10, 8) if feminine else (66, 10 if adult else 0, 4, 4, 3, 3, 10)),
        hair_colour=pick(rng, tuple(HAIR_COLOURS), _HAIR_WEIGHTS[skin // 3][: 6 if adult else 4]),
        upper=upper,
        under=_sample_under(rng, upper),
        lower=None if upper.kind == "dress" else _sample_lower(rng, feminine),
        shoes=Garment(pick(rng, SHOES, (36, 38, 14, 12)), pick(rng, tuple(PALETTE), (24, 18, 9, 6, 3, 2, 3, 6, 5, 2, 2, 4, 18, 6))),
        hat=_sample_extra(rng, HATS, (50, 22, 28), share=0.3),
        bag=_sample_extra(rng, BAGS, (38, 22, 24, 16) if feminine else (50, 4, 26, 20), share=0.5),
        glasses=bool(rng.random() < 0.15),
        beard=adult and not feminine and bool(rng.random() < 0.3),
        pose=sample_pose(rng),
    )


def sample_pose(rng: np.random.Generator) -> Pose:
    """A facing and a gait, drawn by chance."""
    return Pose(pick(rng, FACINGS, (38, 26, 18, 18)), bool(rng.random() < 0.55))


def swap_colours(person: DrawnPerson) -> DrawnPerson:
    """The same person with the colours of the upper and the lower garment exchanged; a dress exchanges with the shoes.

    Swapping twice gives the person back.
    """
    upper = person.upper.colour
    if person.lower is None:
        return replace(person, upper=replace(person.upper, colour=person.shoes.colour), shoes=replace(person.shoes, colour=upper))
    return replace(person, upper=replace(person.upper, colour=person.lower.colour), lower=replace(person.lower, colour=upper))


def pick(rng: np.random.Generator, options: Sequence[T], weights: Sequence[float] | None = None) -> T:
    """One of the options, with the given weights or all alike."""
    if weights is None:
        return options[int(rng.integers(len(options)))]
    bounds = np.cumsum(weights)
    return options[int(np.searchsorted(bounds, rng.random() * bounds[-1], side="right"))]


def _sample_upper(rng: np.random.Generator, feminine: bool) -> Garment:
    kind = pick(rng, UPPER, (20, 14, 10, 12, 20, 10, 6, 16 if feminine else 0))
    pattern = pick(rng, PATTERNS, (10, 2, 2, 2 if feminine else 0, 2 if kind in ("t-shirt", "hoodie", "sweater") else 0))
    return Garment(kind, pick(rng, tuple(PALETTE)), "plain" if kind in ("jacket", "coat", "vest") else pattern)


def _sample_under(rng: np.random.Generator, upper: Garment) -> Garment | None:
    worn_open = upper.kind == "vest" or (upper.kind in OPENING and upper.pattern != "logo" and rng.random() < 0.45)
    if not worn_open:
        return None
    colours = tuple(name for name in PALETTE if name != upper.colour)
    return Garment(pick(rng, UNDER), pick(rng, colours), pick(rng, ("plain", "striped"), (4, 1)))


def _sample_lower(rng: np.random.Generator, feminine: bool) -> Garment:
    kind = pick(rng, LOWER, (38, 28, 16, 20 if feminine else 0))
    if kind == "jeans":
        return Garment(kind, pick(rng, ("blue", "light blue", "navy", "black", "grey", "white"), (34, 22, 14, 14, 10, 6)))
    pattern = pick(rng, PATTERNS, (8, 1, 1, 1, 0)) if kind == "skirt" else "plain"
    return Garment(kind, pick(rng, tuple(PALETTE), (16, 7, 13, 6, 4, 4, 7, 8, 10, 5, 5, 5, 10, 12)), pattern)


def _sample_extra(rng: np.random.Generator, kinds: Sequence[str], weights: Sequence[float], share: float) -> Garment | None:
    present = rng.random() < share
    garment = Garment(pick(rng, kinds, weights), pick(rng, tuple(PALETTE)))
    return garment if present else None
