"""What somebody must wear or carry, or must not: filters beside the words of a question."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from passerby.errors import QueryError
from passerby.words.description import Item, looked_for
from passerby.words.lexicon import Part, lexicon
from passerby.words.parser import parse
from passerby.words.prompts import Phrase, including, phrase_of

EXAMPLE = "'red', 'bag' or 'red jacket'"


@dataclass(frozen=True, slots=True)
class Filter:
    """Something that somebody must have, or must not if it is negated.

    Args:
        asked: as it was asked for, as ``--upper red``.
        any_thing: whether the thing only stands for whatever is worn there.
    """

    asked: str
    item: Item
    any_thing: bool = False

    @property
    def phrase(self) -> Phrase:
        """What to hold pictures against, narrower things included."""
        return phrase_of(self.item, including(self.item))


def read_filters(at: Mapping[Part, Sequence[str]], having: Sequence[str] = (), without: Sequence[str] = ()) -> tuple[Filter, ...]:
    """Filters as they are typed.

    Args:
        at: by where it is worn, colours or things.
        having, without: things, with or without colours.

    Raises:
        QueryError: words that name no such thing, or filters that contradict each other.
    """
    wanted = [_at(part, value) for part, values in at.items() for value in values] + [_thing("--with", value) for value in having]
    unwanted = list(_without(without, wanted))
    _require_no_contradiction(product(wanted, unwanted))
    return (*wanted, *unwanted)


def require_agreement(filters: Sequence[Filter], words: str, items: Sequence[Item]) -> None:
    """Raises ``QueryError`` for filters that contradict the description beside which they stand, and what it says."""
    said = [Filter(f"{words!r}", item) for item in items]
    unwanted = [one for one in filters if one.item.negated and not one.any_thing]
    wanted = [one for one in filters if one not in unwanted]
    _require_no_contradiction(product((one for one in said if not one.item.negated), unwanted))
    _require_no_contradiction(product(wanted, (one for one in said if one.item.negated)))


def _require_no_contradiction(pairs: Iterable[tuple[Filter, Filter]]) -> None:
    for one, other in pairs:
        if _contradict(one, other):
            raise _contradiction(one.asked, other.asked)


def described(filters: Sequence[Filter]) -> str:
    """The keywords that say what filters say."""
    return ", ".join(one.phrase.text for one in filters)


def _at(part: Part, value: str) -> Filter:
    asked = f"--{'carrying' if part is Part.CARRIED else part} {value}"
    if not any(item.thing != lexicon().typical[Part.BODY] for item in parse(value).items):
        for looks in (parse(text) for text in _on_typical(part, value)):
            if len(looks.items) == 1 and not looks.not_understood:
                item = _denial(looked_for(looks.items[0]))
                if item != Item(part, lexicon().typical[part]):
                    return Filter(asked, item, any_thing=item.thing == lexicon().typical[part])
    found = _only(asked, value)
    if found.item.part is not part:
        expected = f"something worn as {part}, such as 'red' or {lexicon().typical[part]!r}"
        raise QueryError(expected=expected, found=f"{asked}, which is worn as {found.item.part}", do="correct the filter")
    return found


def _on_typical(part: Part, look: str) -> tuple[str, ...]:
    """How a look, or a detail, is said of what is typically worn somewhere; *short pants* are another thing, and that is meant then."""
    typical = lexicon().typical[part]
    return f"{look} {typical}", f"{typical} with a {look}"


def _denial(item: Item) -> Item:
    """Not to be had in a colour, for an item of which only that is said: *non-red*."""
    is_denial = item == Item(item.part, item.thing, denied_colours=item.denied_colours) and item.denied_colours
    return replace(item, colours=item.denied_colours, denied_colours=(), negated=True) if is_denial else item


def _thing(option: str, value: str) -> Filter:
    return _only(f"{option} {value}", value)


def _only(asked: str, value: str) -> Filter:
    named = parse(value)
    if len(named.items) != 1 or named.items[0].negated or named.items[0].denied_colours or named.not_understood:
        raise QueryError(expected=f"one thing that people wear or carry, such as {EXAMPLE}", found=asked, do="correct the filter")
    return Filter(asked, looked_for(named.items[0]))


def _without(values: Sequence[str], wanted: Sequence[Filter]) -> Iterator[Filter]:
    for value in values:
        clash = next((one for one in wanted if value in list(Part) and one.item.part == value), None)
        if clash:
            raise _contradiction(clash.asked, f"--without {value}")
        found = _thing("--without", value)
        yield replace(found, item=replace(found.item, negated=True))


def _contradict(wanted: Filter, unwanted: Filter) -> bool:
    """Whether nobody can have the one and not the other."""
    denied = (unwanted.item, *including(unwanted.item))
    same_thing = not wanted.any_thing and wanted.item.thing in {item.thing for item in denied}
    shared = set(unwanted.item.colours) & set(wanted.item.colours)
    denied_anyway = bool(shared) and (not wanted.item.uncertain or shared == set(wanted.item.colours))
    return same_thing and (not unwanted.item.colours or denied_anyway)


def _contradiction(one: str, other: str) -> QueryError:
    return QueryError(expected="filters that somebody can pass", found=f"{one} beside {other}", do="leave one of them out")
