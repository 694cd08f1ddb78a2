"""What is said of a thing while its sentence is being read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from passerby.words.description import Item
from passerby.words.lexicon import Kind, Part, lexicon
from passerby.words.tokens import Token

SIDE_KINDS: Final = (Kind.LEFT, Kind.RIGHT, Kind.BOTH)
QUALIFIERS: Final = (Kind.COLOUR, Kind.SHADE, Kind.PATTERN, Kind.LENGTH, Kind.MATERIAL)
ORDER: Final[tuple[Kind, ...]] = (
    Kind.ABSENT,
    Kind.DOUBT,
    Kind.THING,
    Kind.COPULA,
    *SIDE_KINDS,
    Kind.LENGTH,
    Kind.COLOUR,
    Kind.PATTERN,
    Kind.DETAIL,
    *Kind,
)


def qualifier(token: Token) -> Kind | None:
    """What a word says of a thing, if it does."""
    return next((kind for kind in ORDER if kind in QUALIFIERS and kind in token.meaning), None)


@dataclass(slots=True)
class Looks:
    """What describes a thing."""

    colours: list[str] = field(default_factory=list)
    shade: str | None = None
    named: dict[Kind, str] = field(default_factory=dict)

    @classmethod
    def of(cls, tokens: Sequence[Token]) -> Looks:
        """The looks that words say together."""
        looks = cls()
        shade: str | None = None
        for token in tokens:
            kind = qualifier(token)
            if kind is Kind.SHADE:
                looks.shade = looks.shade or shade
                shade = token.meaning[kind]
            elif kind is Kind.COLOUR:
                colour = token.meaning[kind]
                is_idle = shade in lexicon().idle_shades.get(colour, ())
                looks.colours.append(f"{shade} {colour}" if shade and not is_idle else colour)
                shade = None
            elif kind:
                looks.named.setdefault(kind, token.meaning[kind])
        looks.shade = looks.shade or shade
        looks.colours = list(dict.fromkeys(looks.colours))
        return looks

    def take(self, other: Looks) -> None:
        """Adds what another says and this does not."""
        self.colours = self.colours or other.colours
        self.shade = self.shade or other.shade
        self.named = {**other.named, **self.named}

    @property
    def coloured(self) -> bool:
        """Whether a colour or a shade is said."""
        return bool(self.colours or self.shade)


@dataclass(slots=True)
class Draft:
    """An item that more may still be said of."""

    thing: str
    span: tuple[int, int]
    looks: Looks
    negated: bool = False
    uncertain: bool = False
    side: str | None = None
    details: list[str] = field(default_factory=list)
    carried: bool = False
    denied_colours: list[str] = field(default_factory=list)
    denied_spans: list[tuple[int, int]] = field(default_factory=list)

    @property
    def part(self) -> Part:
        """Where it is: a garment that is carried is not worn."""
        return Part.CARRIED if self.carried and not self.negated else lexicon().parts[self.thing]

    def says_something(self) -> bool:
        """Whether it is more than the mention that there are clothes."""
        is_something = self.thing != lexicon().typical[Part.BODY] or self.looks != Looks()
        return self.negated or is_something or bool(self.denied_colours)

    def deny(self, colours: Sequence[str], span: tuple[int, int]) -> None:
        """Says that it is in none of some colours, and where that is said."""
        self.denied_colours = list(dict.fromkeys([*self.denied_colours, *colours]))
        self.denied_spans.append(span)

    def item(self) -> Item:
        """The item as far as it is known."""
        return Item(
            part=self.part,
            thing=self.thing,
            colours=tuple(self.looks.colours),
            shade=self.looks.shade,
            pattern=self.looks.named.get(Kind.PATTERN),
            length=self.looks.named.get(Kind.LENGTH),
            material=self.looks.named.get(Kind.MATERIAL),
            side=self.side,
            details=tuple(self.details),
            negated=self.negated,
            uncertain=self.uncertain,
            thing_span=self.span,
            denied_colours=tuple(self.denied_colours),
            denied_spans=tuple(self.denied_spans),
        )
