"""What captions say people wear and carry, what they never say, and where the captions of one person contradict each other."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Final

from passerby.progress import Progress
from passerby.report.distribution import percent
from passerby.types import Record
from passerby.words.description import Item, PersonDescription
from passerby.words.lexicon import Part, families, known_colours, known_patterns, known_things, without_shade
from passerby.words.parser import parse

ROWS: Final = 14
COLUMNS: Final = 12
"""The most frequent garments and colours, which the table of both shows."""

PAIRS: Final = 15
"""Pairs of things that are said together."""

SHOWN: Final = 16
"""Contradictions of each kind that are shown."""

MISSED: Final = 12
"""Captions that are shown of those not understood."""


@dataclass(frozen=True, slots=True)
class Table:
    """How often names stand together: counts (rows, columns)."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Together:
    """Two things that one caption names.

    Args:
        lift: how many times as often as if they had nothing to do with each other.
    """

    first: str
    second: str
    captions: int
    lift: float


@dataclass(frozen=True, slots=True)
class Statement:
    """What a caption of a record says."""

    record: str
    caption: str
    says: str


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two statements about one person, of which at most one seems right.

    Args:
        about: what they are about: a garment, or ``gender``.
    """

    identity: str
    about: str
    first: Statement
    second: Statement


@dataclass(frozen=True, slots=True)
class Contradictions:
    """Contradictions of one kind.

    Args:
        people, percent: of whom captions contradict each other, and their part of ``of_people``.
        of_people: of whom at least two captions speak of the same.
        between: by the two words, in alphabetical order, how many people.
        examples: at most one of each person.
    """

    people: int
    percent: float
    of_people: int
    between: Mapping[str, int]
    examples: tuple[Contradiction, ...]


@dataclass(frozen=True, slots=True)
class Attributes:
    """What captions say, each word counted once a caption; things that are said to be absent count as ``negated`` alone.

    Args:
        captions: read.
        not_understood, not_understood_percent: captions that name no thing, colour or gender in the English that Passerby knows.
        garments, carried, colours, patterns, genders, negated: captions by the word they say; colours without their shade.
        three_colours, three_colours_percent: the most frequent, and their part of all colours said.
        colour_of: the most frequent garments and carried things, and their colours.
        together: things said together, the most often first.
        never_garments, never_carried, never_colours, never_patterns, never_said: words that Passerby knows and no caption says; how many.
    """

    captions: int
    not_understood: int
    not_understood_percent: float
    not_understood_examples: tuple[str, ...]
    garments: Mapping[str, int]
    carried: Mapping[str, int]
    colours: Mapping[str, int]
    patterns: Mapping[str, int]
    genders: Mapping[str, int]
    negated: Mapping[str, int]
    three_colours: str
    three_colours_percent: float
    colour_of: Table
    together: tuple[Together, ...]
    never_garments: tuple[str, ...]
    never_carried: tuple[str, ...]
    never_colours: tuple[str, ...]
    never_patterns: tuple[str, ...]
    never_said: int
    gender_contradictions: Contradictions
    colour_contradictions: Contradictions


@dataclass(slots=True)
class _Tally:
    """What is kept of the captions while they pass."""

    captions: int = 0
    missed: int = 0
    missed_examples: list[str] = field(default_factory=list)
    things: Counter[str] = field(default_factory=Counter)
    negated: Counter[str] = field(default_factory=Counter)
    colours: Counter[str] = field(default_factory=Counter)
    patterns: Counter[str] = field(default_factory=Counter)
    genders: Counter[str] = field(default_factory=Counter)
    coloured: Counter[tuple[str, str]] = field(default_factory=Counter)
    pairs: Counter[tuple[str, str]] = field(default_factory=Counter)


@dataclass(slots=True)
class _Answers:
    """What the captions of one person say: by what it is about, each different answer and the first caption that gives it."""

    captions: Counter[str] = field(default_factory=Counter)
    first: dict[str, dict[frozenset[str], Statement]] = field(default_factory=lambda: defaultdict(dict))

    def add(self, record: Record, text: str, about: str, answer: frozenset[str], says: str) -> None:
        self.captions[about] += 1
        self.first[about].setdefault(answer, Statement(record.name, text, says))

    def contradictions(self, identity: str) -> Iterator[Contradiction]:
        """Answers to one question that have nothing in common."""
        for about, statements in self.first.items():
            for (a, first), (b, second) in combinations(statements.items(), 2):
                if a.isdisjoint(b):
                    yield Contradiction(identity, about, first, second)


@dataclass(slots=True)
class _Conflicts:
    """Contradictions of one kind, person by person."""

    people: int = 0
    of_people: int = 0
    between: Counter[str] = field(default_factory=Counter)
    examples: list[Contradiction] = field(default_factory=list)

    def add(self, identity: str, answers: _Answers) -> None:
        self.of_people += max(answers.captions.values(), default=0) > 1
        if found := list(answers.contradictions(identity)):
            self.people += 1
            self.between.update({" / ".join(sorted((case.first.says, case.second.says))) for case in found})
            if len(self.examples) < SHOWN:
                self.examples.append(found[0])

    def figures(self) -> Contradictions:
        between = dict(self.between.most_common())
        return Contradictions(self.people, percent(self.people, self.of_people), self.of_people, between, tuple(self.examples))


def attributes_of(records: Sequence[Record], on_progress: Progress | None = None) -> Attributes:
    """Read every caption once, person by person.

    Args:
        on_progress: told how many records of how many are read.
    """
    tally, of_gender, of_colour = _Tally(), _Conflicts(), _Conflicts()
    read = 0
    for identity, pictures in _people(records):
        genders, colours = _Answers(), _Answers()
        for record in pictures:
            for caption in record.captions:
                description = parse(caption.text)
                _count(tally, description, caption.text)
                if gender := description.gender:
                    genders.add(record, caption.text, "gender", frozenset({gender}), gender)
                for item in _told_apart(description):
                    colours.add(record, caption.text, item.thing, families(item.colours), " and ".join(sorted(_colours(item))))
            read += 1
            if on_progress:
                on_progress(read, len(records))
        of_gender.add(identity, genders)
        of_colour.add(identity, colours)
    return _figures(tally, of_gender.figures(), of_colour.figures())


def _people(records: Sequence[Record]) -> Iterator[tuple[str, Iterator[Record]]]:
    places: dict[str, list[int]] = defaultdict(list)
    for place, record in enumerate(records):
        places[record.identity].append(place)
    return ((identity, (records[place] for place in pictures)) for identity, pictures in places.items())


def _count(tally: _Tally, description: PersonDescription, text: str) -> None:
    worn = [item for item in description.items if not item.negated]
    things = {item.thing for item in worn}
    tally.captions += 1
    tally.things.update(things)
    tally.negated.update({item.thing for item in description.items if item.negated})
    tally.colours.update({colour for item in worn for colour in _colours(item)})
    tally.patterns.update({item.pattern for item in worn if item.pattern})
    tally.genders.update([description.gender] if description.gender else [])
    tally.coloured.update({(item.thing, colour) for item in worn for colour in _colours(item)})
    tally.pairs.update(combinations(sorted(things), 2))
    if not description.items and not description.gender:
        tally.missed += 1
        if len(tally.missed_examples) < MISSED:
            tally.missed_examples.append(text)


def _colours(item: Item) -> frozenset[str]:
    return frozenset(map(without_shade, item.colours))


def _told_apart(description: PersonDescription) -> Iterator[Item]:
    """What a caption names once and gives colours to; of two shirts nobody knows which one the other caption means."""
    named = Counter(item.thing for item in description.items)
    for item in description.items:
        if item.colours and not item.negated and named[item.thing] == 1 and "multicoloured" not in item.colours:
            yield item


def _figures(tally: _Tally, genders: Contradictions, colours: Contradictions) -> Attributes:
    parts = known_things()
    carried = {thing: count for thing, count in tally.things.most_common() if parts[thing] is Part.CARRIED}
    three = tally.colours.most_common(3)
    never = [
        [thing for thing, part in parts.items() if part is not Part.CARRIED and thing not in tally.things],
        [thing for thing, part in parts.items() if part is Part.CARRIED and thing not in tally.things],
        [colour for colour in known_colours() if colour not in tally.colours],
        [pattern for pattern in known_patterns() if pattern not in tally.patterns],
    ]
    never_garments, never_carried, never_colours, never_patterns = map(tuple, never)
    return Attributes(
        captions=tally.captions,
        not_understood=tally.missed,
        not_understood_percent=percent(tally.missed, tally.captions),
        not_understood_examples=tuple(tally.missed_examples),
        garments={thing: count for thing, count in tally.things.most_common() if thing not in carried},
        carried=carried,
        colours=dict(tally.colours.most_common()),
        patterns=dict(tally.patterns.most_common()),
        genders=dict(tally.genders.most_common()),
        negated=dict(tally.negated.most_common()),
        three_colours=", ".join(colour for colour, _ in three),
        three_colours_percent=percent(sum(count for _, count in three), tally.colours.total()),
        colour_of=_colour_of(tally),
        together=tuple(_together(tally)),
        never_garments=never_garments,
        never_carried=never_carried,
        never_colours=never_colours,
        never_patterns=never_patterns,
        never_said=sum(map(len, never)),
        gender_contradictions=genders,
        colour_contradictions=colours,
    )


def _colour_of(tally: _Tally) -> Table:
    """Of the things whose colours are said most often, and the colours said most often."""
    said: Counter[str] = Counter()
    for (thing, _), count in tally.coloured.items():
        said[thing] += count
    rows = tuple(thing for thing, _ in said.most_common(ROWS))
    columns = tuple(colour for colour, _ in tally.colours.most_common(COLUMNS))
    return Table(rows, columns, tuple(tuple(tally.coloured[thing, colour] for colour in columns) for thing in rows))


def _together(tally: _Tally) -> Iterator[Together]:
    for (first, second), count in tally.pairs.most_common(PAIRS):
        yield Together(first, second, count, tally.captions * count / (tally.things[first] * tally.things[second]))
