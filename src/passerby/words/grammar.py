"""How sentences about people are built: what is said of a thing so far, and what stands around a place in a sentence that is being read,
``at`` being that of its next token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from passerby.words.description import Item
from passerby.words.lexicon import Kind, Part, lexicon
from passerby.words.tokens import Mark, Token

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


AHEAD: Final = 12
"""Words that are looked at to find out whether a thing follows."""
FAR: Final = 3
"""Unknown words at most between a colour and the thing that has it."""

MODIFIERS: Final = frozenset({*QUALIFIERS, Kind.LINK})
RELATIVES: Final = frozenset({"which", "that"})
ARTICLES: Final = frozenset({"a", "an", "the"})
POSSESSIVES: Final = frozenset({"his", "her", "their", "its"})

_TRANSPARENT: Final = {*MODIFIERS, Kind.FILLER}
_SAID_OF_IT: Final = {*QUALIFIERS, Kind.FILLER, Kind.LINK, Kind.COPULA, Kind.AND, Kind.OR, Kind.BUT, Kind.NEGATION}
_WHO: Final = frozenset({Kind.GENDER, Kind.AGE, Kind.PERSON})
_BESIDE_COLOURS: Final = {*MODIFIERS, *_WHO, Kind.FILLER, Kind.HAIR, Kind.ACTIVITY, Kind.AND, Kind.OR, Kind.DOUBT}
_LEADING: Final = RELATIVES | {"it", "they", "in", "of"}
_HELD_IN: Final = {"hand", "hands", "arm", "arms"}
_BEFORE_HAND: Final = {*ARTICLES, *POSSESSIVES, "one", "left", "right", "both"}


def kind_here(tokens: Sequence[Token], at: int, last: Draft | None) -> Kind:
    """Which of its phrase's kinds the token before a place is, after the latest thing."""
    kinds = tokens[at - 1].meaning
    if Kind.PATTERN in kinds and Kind.DETAIL in kinds:
        return Kind.PATTERN if not last or thing_follows(tokens, at) else Kind.DETAIL
    if Kind.THING in kinds and Kind.DETAIL in kinds and last and lexicon().parts[last.thing] is Part.FEET:
        return Kind.DETAIL
    if Kind.THING in kinds and Kind.MATERIAL in kinds and next_is(tokens, at, Kind.THING):
        return Kind.MATERIAL
    return next(kind for kind in ORDER if kind in kinds)


def next_is(tokens: Sequence[Token], at: int, *kinds: Kind) -> bool:
    """Whether the next token may be one of these."""
    return at < len(tokens) and any(kind in tokens[at].meaning for kind in kinds)


def names_somebody(token: Token) -> bool:
    """Whether a word says who is meant, so that a colour right before it is no clothes': *white male*."""
    return bool(token.meaning.keys() & _WHO)


def clause_ends(tokens: Sequence[Token], at: int) -> bool:
    """Whether punctuation or nothing comes next."""
    return at >= len(tokens) or tokens[at].mark is not None


def thing_follows(tokens: Sequence[Token], at: int) -> bool:
    """Whether a thing comes next but for words that describe it and a few that are unknown."""
    unknown = 0
    for token in tokens[at : at + AHEAD]:
        if Kind.THING in token.meaning:
            return True
        unknown += not token.meaning
        if token.mark or unknown > FAR or not (token.meaning.keys() & _TRANSPARENT or not token.meaning):
            return False
    return False


def named_again(tokens: Sequence[Token], at: int) -> bool:
    """Whether the thing before a place is named once more past its looks, by another word: *hi-viz yellow bib*."""
    end = at
    while qualifier_at(tokens, end):
        end += 1
    if not next_is(tokens, end, Kind.THING):
        return False
    named, again = tokens[at - 1], tokens[end]
    return named.text != again.text and named.meaning[Kind.THING] == again.meaning.get(Kind.THING)


def bare_thing_follows(tokens: Sequence[Token], at: int) -> bool:
    """Whether a thing comes next of which nothing is said: *a bag*, but not *a red bag* or *a bag is*."""
    at += at < len(tokens) and (tokens[at].text in ARTICLES or tokens[at].text == "any")
    return next_is(tokens, at, Kind.THING) and not next_is(tokens, at + 1, Kind.COPULA)


def colours_follow(tokens: Sequence[Token], at: int) -> bool:
    """Whether keywords up to the next full stop name things first, then their colours: *jacket red jeans blue*."""
    said = []
    for token in tokens[at:]:
        if token.mark is Mark.END:
            break
        if not token.mark and Kind.FILLER not in token.meaning:
            said.append(Kind.THING if Kind.THING in token.meaning else qualifier(token))
    return len(said) > 1 and said[0] is Kind.THING and said[-1] in QUALIFIERS and all(said)


def colours_stand_alone(tokens: Sequence[Token]) -> bool:
    """Whether a whole text says colours, who has them and nothing else: *woman, red or blue*."""
    return all(token.mark or token.text in ARTICLES or token.meaning.keys() & _BESIDE_COLOURS for token in tokens)


def colours_go_on(tokens: Sequence[Token], at: int, *, are_bound: bool) -> bool:
    """Whether the colours before an *and*, an *or* or a comma belong to what comes next, unless they are bound to what was before."""
    if next_is(tokens, at, Kind.AND, Kind.OR):
        return True
    return next_is(tokens, at, *QUALIFIERS) and not (are_bound and thing_follows(tokens, at))


def half_follows(tokens: Sequence[Token], at: int) -> bool:
    """Whether another half of the thing comes next: *half blue, half white*."""
    return at < len(tokens) and tokens[at].text == "half" and qualifier_at(tokens, at + 1)


def denial_goes_on(tokens: Sequence[Token], at: int, *, past_and: bool) -> bool:
    """Whether *or* comes next, or after bare things with commas between; or else *and* before another bare thing."""
    for place, token in enumerate(tokens[at:], at):
        if Kind.OR in token.meaning:
            return True
        if Kind.AND in token.meaning:
            return past_and and bare_thing_follows(tokens, place + 1)
        if token.mark is not Mark.COMMA and not token.meaning.keys() & {Kind.THING} and token.text not in ("a", "an"):
            return False
    return False


def in_hand(tokens: Sequence[Token], at: int) -> bool:
    """Whether *in his hand*, *over one arm* or the like comes next."""
    if at >= len(tokens) or tokens[at].text not in ("in", "over"):
        return False
    return any(
        token.text in _HELD_IN and all(between.text in _BEFORE_HAND for between in tokens[at + 1 : place])
        for place, token in enumerate(tokens[at + 1 : at + 4], at + 1)
    )


def just_named(thing: tuple[int, int], tokens: Sequence[Token], at: int) -> bool:
    """Whether from a thing's place on only its looks are said: *jacket that is blue, not*, but not *jacket and his hair is not*."""
    for token in reversed(tokens[:at]):
        if token.span[0] < thing[1]:
            return True
        if not (token.mark or token.meaning.keys() & _SAID_OF_IT or token.text in _LEADING):
            return False
    return True


def clause_start(tokens: Sequence[Token], start: int) -> int:
    """Where the clause of a negation at a place in the text begins, that says how something looks: *that is not*, *in any colour but*."""
    for token in reversed([token for token in tokens if token.span[0] < start]):
        if not (Kind.COPULA in token.meaning or token.text in _LEADING):
            break
        start = token.span[0]
    return start


def looks_after(tokens: Sequence[Token], at: int) -> int:
    """How many tokens after *in*, *with* or *by* say how something looks, unless a thing follows that looks so."""
    if at >= len(tokens) or tokens[at].text not in ("in", "with", "by") or thing_follows(tokens, at + 1):
        return 0
    count = 0
    while qualifier_at(tokens, at + 1 + count):
        count += 1
        joined = next_is(tokens, at + 1 + count, Kind.AND) and qualifier_at(tokens, at + 2 + count)
        count += joined
    return count


def qualifier_at(tokens: Sequence[Token], at: int) -> bool:
    """Whether the token at a place says how something looks."""
    return at < len(tokens) and qualifier(tokens[at]) is not None
