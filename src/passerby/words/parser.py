"""From a sentence to what it says: one pass over its words by rules, with no model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from passerby.inputs import as_text
from passerby.words.description import PersonDescription
from passerby.words.grammar import (
    ARTICLES,
    FAR,
    MODIFIERS,
    POSSESSIVES,
    RELATIVES,
    SIDE_KINDS,
    Draft,
    Looks,
    bare_thing_follows,
    clause_ends,
    clause_start,
    colours_follow,
    colours_go_on,
    colours_stand_alone,
    denial_goes_on,
    half_follows,
    in_hand,
    just_named,
    kind_here,
    looks_after,
    named_again,
    names_somebody,
    next_is,
    qualifier,
    thing_follows,
)
from passerby.words.lexicon import Kind, Part, lexicon
from passerby.words.normalise import plain
from passerby.words.tokens import Mark, Token, tokens_of

_VAGUE_LENGTHS: Final = {"short", "long"}
_SOMEBODYS: Final = {*POSSESSIVES, "the"}
_HELD: Final = {*ARTICLES, *POSSESSIVES, "some", "one", "two", "pair", "of", "up"}
"""Words between *carrying* and what is carried."""
_DENIES_ONE: Final = {"no", "wearing no"}
"""Words that deny no more than the next thing: *no hat and glasses*, but *without a hat and glasses*."""
STANDS_FOR: Final = {"one", "ones"}
"""Words that stand for a thing that was denied: *not a red jacket but a blue one*."""
_OF_COLOURS: Final = ("non", "any colour", "any color")
"""How words begin that deny the colours of a thing that follows: *non-black trousers*."""
_DENIES_THINGS: Final = {*_DENIES_ONE, "without", "w/o", "w/out", "lacks", "lacking", "minus", "sans"}
"""Words that deny a thing that follows, and no colour of one before."""


def parse(text: str) -> PersonDescription:
    """What a sentence, a note or a few keywords say about a person; words that say nothing known are kept aside.

    Raises:
        InputError: no text.
    """
    return description_of(tokens_of(plain(as_text(text))))


def description_of(tokens: Sequence[Token]) -> PersonDescription:
    """What the tokens of a text say."""
    reader = _Reader(tokens)
    reader.read()
    return PersonDescription(
        items=tuple(draft.item() for draft in reader.items if draft.says_something()),
        gender=reader.gender,
        age=reader.age,
        hair=tuple(reader.hair),
        activities=tuple(reader.activities),
        slips=tuple(dict.fromkeys(slip for token in tokens for slip in token.slips)),
        not_understood=tuple(token.text for token in sorted(reader.lost, key=lambda token: token.span)),
    )


class _Opener(Enum):
    """What stood before the words that may describe a thing."""

    NOTHING = auto()
    WEARS = auto()
    BOUND = auto()
    """To the thing before: *shirt is*, *shirt in*, *shirt:*."""
    APPOSED = auto()
    """To the thing before, unless another follows: *shirt,*."""


@dataclass(slots=True)
class _Reader:
    """Where the reading is. ``last`` is the latest thing of the sentence, ``subject`` the same while a colour may follow it directly.

    Of the latest word of negation, ``denial`` is where it stands, ``denied`` whether it was about something that is no thing, ``disputed``
    the thing before of which it may deny a colour (*jacket, not red*), ``denies_colour`` whether it denies that of the thing to come
    (*non-red jacket*).
    """

    tokens: Sequence[Token]
    items: list[Draft] = field(default_factory=list)
    gender: str | None = None
    age: str | None = None
    hair: list[str] = field(default_factory=list)
    activities: list[str] = field(default_factory=list)
    lost: list[Token] = field(default_factory=list)

    at: int = 0
    pending: list[Token] = field(default_factory=list)
    opener: _Opener = _Opener.NOTHING
    gap: int = 0
    last: Draft | None = None
    subject: Draft | None = None
    on_hair: bool = False
    negated: bool = False
    denied: bool = False
    denies_several: bool = False
    denial: int = 0
    disputed: Draft | None = None
    denies_colour: bool = False
    carries: bool = False
    after_article: bool = False
    was_negated: bool = False
    doubted: bool = False
    colours_follow: bool = False
    side: str | None = None

    def read(self) -> None:
        self._begin_sentence()
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            self.at += 1
            if token.mark:
                self._mark(token)
            elif not token.meaning:
                self._unknown(token)
            else:
                self._known(token)
        self._flush()

    def _known(self, token: Token) -> None:
        kind = kind_here(self.tokens, self.at, self.last)
        if kind in MODIFIERS:
            self._modifier(token, kind)
        elif kind is not Kind.FILLER:
            _ACTIONS.get(kind, _Reader._stop)(self, token)

    def _mark(self, token: Token) -> None:
        if token.mark is Mark.COMMA:
            self._separate(token)
            if (self.negated or self.was_negated) and not (self.disputed and self.pending):
                self.negated = self.was_negated = denial_goes_on(self.tokens, self.at, past_and=self.denies_several)
        elif token.mark is Mark.COLON:
            self._flush()
            if self.subject:
                self.opener = _Opener.BOUND
        else:
            self._flush()
            self._begin_sentence()

    def _begin_sentence(self) -> None:
        self.opener, self.last, self.subject, self.side = _Opener.NOTHING, None, None, None
        self.on_hair = self.negated = self.was_negated = self.doubted = self.carries = self.denies_colour = False
        self.disputed = None
        self.colours_follow = colours_follow(self.tokens, self.at)

    def _unknown(self, token: Token) -> None:
        self.lost.append(token)
        self.denied |= self.negated
        self.subject = None
        if self.pending:
            self.gap += 1
            if self.gap > FAR:
                self._flush()
        elif self.opener is _Opener.APPOSED:
            self.opener = _Opener.NOTHING

    def _modifier(self, token: Token, kind: Kind) -> None:
        if not self.pending:
            if kind is Kind.LINK:
                return
            if self.opener is _Opener.NOTHING and self.subject and not self.subject.looks.coloured:
                self.opener = _Opener.BOUND
        self.denied |= self.negated
        self.pending.append(token)

    def _thing(self, token: Token) -> None:
        if not self.pending and named_again(self.tokens, self.at):
            return
        is_label = self.at < len(self.tokens) and self.tokens[self.at].mark is Mark.COLON
        if (self.colours_follow or is_label) and self.opener is _Opener.BOUND:
            self._flush()
        self._add(token.meaning[Kind.THING], token.span, self._uncertain())

    def _absent(self, token: Token) -> None:
        self._flush()
        self.negated, self.denial = True, token.span[0]
        self._add(token.meaning[Kind.ABSENT], token.span, False)

    def _add(self, thing: str, span: tuple[int, int], uncertain: bool) -> None:
        draft = Draft(thing, span, Looks.of(self.pending), self.negated, uncertain)
        if self.denies_colour and draft.looks.colours:
            draft.negated, draft.looks.colours, colours = False, [], draft.looks.colours
            draft.deny(colours, (self.denial, self.pending[-1].span[1]))
        elif self.negated:
            draft.denied_spans = [(self.denial, span[1])]
        draft.carried = self.carries or in_hand(self.tokens, self.at)
        if self.side and lexicon().parts[thing] is Part.CARRIED:
            draft.side, self.side = self.side, None
        self.items.append(draft)
        self.pending.clear()
        self.gap, self.opener, self.last, self.subject = 0, _Opener.NOTHING, draft, draft
        self.was_negated, self.negated = draft.negated, False
        self.on_hair = self.doubted = self.carries = self.after_article = self.denies_colour = False
        self.disputed = None

    def _uncertain(self) -> bool:
        return self.doubted or any(Kind.OR in token.meaning for token in self.pending)

    def _separate(self, token: Token) -> None:
        """At a comma, an *and* or an *or*: do the colours before belong to what comes next?"""
        is_one = token.mark is not None and (self.after_article or half_follows(self.tokens, self.at))
        are_bound = self.opener is _Opener.BOUND or self.disputed is not None
        goes_on = is_one or colours_go_on(self.tokens, self.at, are_bound=are_bound)
        if self.pending and not self.gap and goes_on:
            self.pending.append(token)
            return
        self._flush()
        self.carries = self.after_article = False
        if token.mark and self.subject and not self.subject.looks.coloured:
            self.opener = _Opener.APPOSED
        else:
            self.opener = _Opener.NOTHING
            self.subject, self.on_hair = None, False

    def _and(self, token: Token) -> None:
        goes_on = self.was_negated and self.denies_several and bare_thing_follows(self.tokens, self.at)
        self._separate(token)
        if not self.pending:
            self.negated, self.was_negated = goes_on, False

    def _or(self, token: Token) -> None:
        if self.was_negated:
            self.negated = True
        elif self.last and not self.pending and not self.negated:
            self.last.uncertain = self.doubted = True
        self._separate(token)

    def _but(self, token: Token) -> None:
        """After a colour that is denied, another may follow: *not red but blue*."""
        self._flush()
        disputed = self.disputed
        self._stop(token)
        self.negated = self.doubted = False
        if disputed and disputed.denied_colours and not disputed.looks.coloured:
            self.subject, self.opener = disputed, _Opener.BOUND

    def _negation(self, token: Token) -> None:
        """Denies what comes next; at the end of a clause what came before: *hat: none*."""
        if self.subject and self.opener is _Opener.BOUND and clause_ends(self.tokens, self.at):
            self.subject.negated, self.subject.denied_spans = True, [(self.subject.span[0], token.span[1])]
            return
        if token.text == "non" and not next_is(self.tokens, self.at, Kind.COLOUR, Kind.SHADE):
            self._unknown(token)
            return
        on_hair, after_article, opener = self.on_hair, self.after_article, self.opener
        self._stop(token)
        self.negated, self.denied, self.denial, self.denies_several = True, False, token.span[0], token.text not in _DENIES_ONE
        self.denies_colour = token.text.startswith(_OF_COLOURS) or (after_article and token.text == "not")
        if opener is _Opener.WEARS and token.text.startswith("any"):
            self.opener = opener
        if self.last and not on_hair and token.text not in _DENIES_THINGS:
            self.disputed = self.last if just_named(self.last.span, self.tokens, self.at - 1) else None

    def _unseen(self, token: Token) -> None:
        """What cannot be seen is not there, unless it is somebody's: *his shoes* are."""
        known = self.at < len(self.tokens) and self.tokens[self.at].text in _SOMEBODYS
        (self._doubt if known else self._negation)(token)

    def _doubt(self, token: Token) -> None:
        self._stop(token)
        self.doubted = True

    def _stop(self, token: Token) -> None:
        if token.text in ARTICLES and self.opener is _Opener.BOUND and not self.pending:
            return
        if token.text in STANDS_FOR and self.last and self.last.negated and self.pending and not thing_follows(self.tokens, self.at):
            self._add(self.last.thing, token.span, self._uncertain())
            return
        self._flush()
        self.after_article = token.text in ("a", "an")
        self.disputed, self.denies_colour = None, False
        self.opener, self.was_negated = _Opener.NOTHING, False
        self.carries &= token.text in _HELD or Kind.DOUBT in token.meaning
        if token.text not in RELATIVES:
            self.subject, self.on_hair = None, False

    def _copula(self, token: Token) -> None:
        subject, on_hair, disputed = self.subject, self.on_hair, self.disputed
        self._stop(token)
        self.subject, self.on_hair, self.disputed = subject, on_hair, disputed
        if subject:
            self.opener = _Opener.BOUND

    def _attaching(self, token: Token) -> None:
        """Past *in* and *on* nothing is absent any more that the negation did not come right before: *not tall, in red*."""
        subject = self.subject
        self._stop(token)
        if self.denied and token.text in ("in", "on"):
            self.negated = False
        if subject and not subject.looks.coloured and not subject.negated:
            self.subject, self.opener = subject, _Opener.BOUND
        elif token.text == "in":
            self.opener = _Opener.WEARS

    def _wears(self, token: Token) -> None:
        self._stop(token)
        self.opener = _Opener.WEARS

    def _carries(self, token: Token) -> None:
        self._stop(token)
        self.carries = True

    def _gender(self, token: Token) -> None:
        self._stop(token)
        if not self.negated:
            self.gender = self.gender or token.meaning[Kind.GENDER]
        self.age = self.age or token.meaning.get(Kind.AGE)

    def _age(self, token: Token) -> None:
        self._stop(token)
        self.age = self.age or token.meaning[Kind.AGE]

    def _activity(self, token: Token) -> None:
        self._stop(token)
        if self.negated:
            self.negated = False
            self.lost.append(token)
        elif token.text not in self.activities:
            self.activities.append(token.text)

    def _hair(self, token: Token) -> None:
        said = [token.meaning[kind] for token in self.pending if (kind := qualifier(token))]
        self.pending.clear()
        self._stop(token)
        phrase = " ".join([*["no"] * self.negated, *said, token.meaning[Kind.HAIR]])
        if phrase not in self.hair:
            self.hair.append(phrase)
        self.on_hair, self.negated = not self.negated, False

    def _detail(self, token: Token) -> None:
        if self.last is None or self.negated or self.last.negated:
            self._stop(token)
            self.lost.append(token)
            self.negated = False
            return
        if pattern := token.meaning.get(Kind.PATTERN):
            self.last.looks.named.setdefault(Kind.PATTERN, pattern)
        said = [token.text for token in self.pending if token.text != ","]
        self.last.details.append(" ".join([*said, token.text]))
        self.pending.clear()
        self._stop(token)

    def _trim(self, token: Token) -> None:
        """*Trimmed in white*: a white trim of the thing before."""
        count = looks_after(self.tokens, self.at)
        if not count or self.last is None or self.last.negated:
            self._unknown(token)
            return
        self._stop(token)
        said = self.tokens[self.at + 1 : self.at + 1 + count]
        self.last.details.append(" ".join([*(word.text for word in said), token.meaning[Kind.TRIM]]))
        self.at += 1 + count

    def _one_side(self, token: Token) -> None:
        self._stop(token)
        if not next_is(self.tokens, self.at, Kind.PLACE):
            return
        end = self.tokens[self.at].span[1]
        self.at += 1
        side = next(kind.value for kind in SIDE_KINDS if kind in token.meaning)
        if self.last and lexicon().parts[self.last.thing] is Part.CARRIED and not self.last.side:
            self.last.side = side
            if self.last.negated:
                self.last.denied_spans = [(start, end) for start, _ in self.last.denied_spans]
        else:
            self.side = side

    def _flush(self) -> None:
        """Gives what describes a thing, with no thing after it, to the one before or to the clothes as a whole; or to no one."""
        while self.pending and not qualifier(self.pending[-1]):
            self.pending.pop()
        if not self.pending:
            return
        tokens, looks, uncertain = list(self.pending), Looks.of(self.pending), self._uncertain()
        self.pending.clear()
        self.gap = 0
        opener, self.opener = self.opener, _Opener.NOTHING
        if self.on_hair:
            self.hair[-1] = " ".join([*(token.text for token in tokens if qualifier(token)), self.hair[-1]])
        elif self.subject and opener in (_Opener.BOUND, _Opener.APPOSED) and not self.negated and not self.subject.looks.coloured:
            self.subject.looks.take(looks)
            self.subject.uncertain |= uncertain
        elif (opener is _Opener.WEARS and looks.coloured) or (looks.colours and self._is_worn()):
            self.pending = tokens
            self._add("clothes", (tokens[0].span[0], tokens[-1].span[1]), uncertain)
        elif self.negated and self.disputed and looks.colours:
            self.disputed.deny(looks.colours, (clause_start(self.tokens, self.denial), tokens[-1].span[1]))
            self.negated = False
        else:
            self._describe_last(tokens)

    def _is_worn(self) -> bool:
        """Whether a colour with no thing after it is that of the clothes: keywords name none, nor somebody right behind it."""
        return colours_stand_alone(self.tokens) and not names_somebody(self.tokens[self.at - 1])

    def _describe_last(self, tokens: Sequence[Token]) -> None:
        """Patterns, lengths and materials may stand anywhere after their thing: *a shirt with short sleeves*."""
        for token in tokens:
            kind = qualifier(token)
            if not kind:
                continue
            fits = kind in (Kind.PATTERN, Kind.LENGTH, Kind.MATERIAL) and token.meaning[kind] not in _VAGUE_LENGTHS
            if fits and self.last and not self.last.negated and not self.negated and kind not in self.last.looks.named:
                self.last.looks.named[kind] = token.meaning[kind]
            else:
                self.lost.append(token)


_ACTIONS: Final[Mapping[Kind, Callable[[_Reader, Token], None]]] = {
    Kind.THING: _Reader._thing,
    Kind.ABSENT: _Reader._absent,
    Kind.DETAIL: _Reader._detail,
    Kind.GENDER: _Reader._gender,
    Kind.AGE: _Reader._age,
    Kind.HAIR: _Reader._hair,
    Kind.ACTIVITY: _Reader._activity,
    Kind.WEARS: _Reader._wears,
    Kind.CARRIES: _Reader._carries,
    Kind.UNSEEN: _Reader._unseen,
    Kind.TRIM: _Reader._trim,
    Kind.COPULA: _Reader._copula,
    Kind.ATTACHING: _Reader._attaching,
    Kind.AND: _Reader._and,
    Kind.OR: _Reader._or,
    Kind.BUT: _Reader._but,
    Kind.NEGATION: _Reader._negation,
    Kind.DOUBT: _Reader._doubt,
    Kind.LEFT: _Reader._one_side,
    Kind.RIGHT: _Reader._one_side,
    Kind.BOTH: _Reader._one_side,
}
