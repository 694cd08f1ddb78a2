"""How a dataset's captions are worded: their length, their vocabulary and its slips, who shares a caption, and what a CLIP cuts off."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from passerby.model.encoder import CountsTokens
from passerby.progress import Progress
from passerby.report.distribution import Distribution, distribution, percent
from passerby.report.typos import Typos, typos_in
from passerby.types import Origin, Record, Split
from passerby.words.normalise import plain
from passerby.words.parser import parse

CLIP_TOKENS: Final = 77
"""The longest text a CLIP reads, its start and end token included."""

SHOWN: Final = 12
"""Examples of each kind."""

COMMON_SHOWN: Final = 40

_WORD: Final = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_CLIP_PIECE: Final = re.compile(r"'(?:s|t|re|ve|m|ll|d)|[^\W\d_]+|\d|(?:[^\s\w]|_)+", re.IGNORECASE)
"""Where CLIP's tokenizer splits a text before it looks into its vocabulary (Radford et al., 2021): each piece is one token or more."""
_SIDE: Final = re.compile(r"\b(?:left|right)(?:[- ]?hand(?:ed)?)?\b", re.IGNORECASE)

_WORDS: Final = np.arange(0, 161, 4.0)
_TOKENS: Final = np.arange(0, 232, 7.0)


@dataclass(frozen=True, slots=True)
class Cut:
    """What a limit of tokens takes from captions.

    Args:
        captions, percent: that are cut, and their part of all.
        tokens_lost: of a cut caption, in the mean.
        items_lost: by part of the body, things named in what is cut off, most often first.
    """

    captions: int
    percent: float
    tokens_lost: float
    items_lost: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words of all captions, case aside.

    Args:
        words: in all.
        distinct: of them.
        once, once_percent: words that occur a single time, and their part of the distinct ones.
        covering: how many words make 95 % of all.
        common: the most frequent, with how often they occur.
        ranks: how often the word of some ranks occurs: (rank, count), ranks evenly spread on a logarithmic scale.
    """

    words: int
    distinct: int
    once: int
    once_percent: float
    covering: int
    common: Mapping[str, int]
    ranks: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class SharedCaption:
    """A caption of several people."""

    text: str
    people: int
    captions: int


@dataclass(frozen=True, slots=True)
class Shared:
    """Captions that, but for case and punctuation, other people have too.

    Args:
        captions, percent: of them, and their part of all.
        rank1_bound: by split, the highest Rank-1 in percent that people's own captions allow: of equal questions, which have one answer,
            the most frequent person's can be right. ``lowest_rank1_bound`` is that of the split where it is lowest.
        examples: of the most people first.
    """

    captions: int
    percent: float
    rank1_bound: Mapping[str, float]
    lowest_rank1_bound: float
    examples: tuple[SharedCaption, ...]


@dataclass(frozen=True, slots=True)
class Sides:
    """Captions that say left or right."""

    captions: int
    percent: float
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Script:
    """Captions most of whose letters are not Latin, and captions without a letter."""

    not_latin: int
    not_latin_percent: float
    without_letters: int
    without_letters_percent: float
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Words:
    """How captions are worded.

    Args:
        length: in words.
        tokens: in tokens of a CLIP, at least: words, numerals and punctuation marks, of which each is one token or more.
        clip: what a CLIP of ``CLIP_TOKENS`` tokens cuts off, at least.
        model: what the model named ``model_name`` cuts off; ``None`` for a model that does not say.
    """

    captions: int
    length: Distribution | None
    tokens: Distribution | None
    clip: Cut
    model_name: str | None
    model: Cut | None
    vocabulary: Vocabulary
    typos: Typos
    shared: Shared
    sides: Sides
    script: Script


def words_in(text: str) -> list[str]:
    """The words of a text in lower case; numbers and punctuation are none."""
    return _WORD.findall(text.lower())


def clip_pieces(text: str) -> list[re.Match[str]]:
    """The pieces that CLIP's tokenizer makes at least one token each of."""
    return list(_CLIP_PIECE.finditer(text))


@dataclass(slots=True)
class _Cuts:
    captions: int = 0
    tokens: int = 0
    items: Counter[str] = field(default_factory=Counter)

    def figures(self, captions: int) -> Cut:
        lost = self.tokens / self.captions if self.captions else 0.0
        return Cut(self.captions, percent(self.captions, captions), lost, dict(self.items.most_common()))


@dataclass(slots=True)
class _Tally:
    """What is kept of the captions while they pass: a few bytes for each, the words, and some examples."""

    lengths: array[int] = field(default_factory=lambda: array("I"))
    tokens: array[int] = field(default_factory=lambda: array("I"))
    fingerprints: array[int] = field(default_factory=lambda: array("Q"))
    record: array[int] = field(default_factory=lambda: array("I"))
    own: array[int] = field(default_factory=lambda: array("B"))
    vocabulary: Counter[str] = field(default_factory=Counter)
    clip: _Cuts = field(default_factory=_Cuts)
    model: _Cuts = field(default_factory=_Cuts)
    sides: int = 0
    side_examples: list[str] = field(default_factory=list)
    not_latin: int = 0
    without_letters: int = 0
    script_examples: list[str] = field(default_factory=list)


def words_of(records: Sequence[Record], model: CountsTokens | None = None, on_progress: Progress | None = None) -> Words:
    """Read every caption once.

    Args:
        model: whose limit is of interest beside CLIP's.
        on_progress: told how many records of how many are read.
    """
    tally = _Tally()
    for number, record in enumerate(records):
        for caption in record.captions:
            _count(tally, caption.text, model)
            tally.record.append(number)
            tally.own.append(caption.origin is Origin.OWN)
        if on_progress:
            on_progress(number + 1, len(records))
    captions = len(tally.lengths)
    return Words(
        captions=captions,
        length=distribution(np.array(tally.lengths), _WORDS),
        tokens=distribution(np.array(tally.tokens), _TOKENS),
        clip=tally.clip.figures(captions),
        model_name=model.name if model else None,
        model=tally.model.figures(captions) if model else None,
        vocabulary=_vocabulary(tally.vocabulary),
        typos=typos_in(tally.vocabulary),
        shared=_shared(records, tally),
        sides=Sides(tally.sides, percent(tally.sides, captions), tuple(tally.side_examples)),
        script=Script(
            tally.not_latin,
            percent(tally.not_latin, captions),
            tally.without_letters,
            percent(tally.without_letters, captions),
            tuple(tally.script_examples),
        ),
    )


def _count(tally: _Tally, text: str, model: CountsTokens | None) -> None:
    words = words_in(text)
    tally.vocabulary.update(words)
    tally.lengths.append(len(words))
    tally.fingerprints.append(_fingerprint(text))
    pieces = clip_pieces(text)
    tally.tokens.append(len(pieces) + 2)
    if (over := len(pieces) + 2 - CLIP_TOKENS) > 0:
        tally.clip.captions += 1
        tally.clip.tokens += over
        tally.clip.items.update(_items_from(text, pieces[-over].start()))
    if model and (over := model.tokens_cut(text)):
        tally.model.captions += 1
        tally.model.tokens += over
        tally.model.items.update(_items_from(text, model.characters_read(plain(text))))
    if _SIDE.search(text):
        tally.sides += 1
        _keep(tally.side_examples, text)
    _count_script(tally, text)


def _count_script(tally: _Tally, text: str) -> None:
    if text.isascii() and any(map(str.isalpha, text)):
        return
    letters = [character for character in text if character.isalpha()]
    latin = sum(unicodedata.name(character, "").startswith("LATIN") for character in letters)
    if not letters:
        tally.without_letters += 1
    elif 2 * latin < len(letters):
        tally.not_latin += 1
    else:
        return
    _keep(tally.script_examples, text)


def _keep(examples: list[str], text: str) -> None:
    if len(examples) < SHOWN:
        examples.append(text)


def _items_from(text: str, start: int) -> Iterator[str]:
    """The parts of the body of things whose names are not whole before a place in a text."""
    for item in parse(text).items:
        if item.thing_span[1] > start:
            yield item.part.value


def _fingerprint(text: str) -> int:
    """64 bits, equal for captions that differ only in case, space and punctuation."""
    said = "".join(" " if unicodedata.category(letter)[0] in "PZC" else letter for letter in text.casefold())
    said = " ".join(said.split())
    return int.from_bytes(hashlib.blake2b(said.encode(), digest_size=8).digest())


def _vocabulary(counts: Counter[str]) -> Vocabulary:
    ranked = np.array(sorted(counts.values(), reverse=True), np.int64)
    once = int(np.sum(ranked == 1))
    covering = int(np.searchsorted(np.cumsum(ranked), 0.95 * ranked.sum())) + 1 if len(ranked) else 0
    ranks = np.unique(np.geomspace(1, len(ranked), 40).round().astype(int)) if len(ranked) else np.zeros(0, int)
    return Vocabulary(
        words=counts.total(),
        distinct=len(counts),
        once=once,
        once_percent=percent(once, len(counts)),
        covering=covering,
        common=dict(counts.most_common(COMMON_SHOWN)),
        ranks=tuple((int(rank), int(ranked[rank - 1])) for rank in ranks),
    )


def _shared(records: Sequence[Record], tally: _Tally) -> Shared:
    fingerprints = np.array(tally.fingerprints, np.uint64)
    record = np.array(tally.record, np.intp)
    own = np.array(tally.own, np.bool_)
    numbers = {identity: number for number, identity in enumerate(dict.fromkeys(record.identity for record in records))}
    identity = np.array([numbers[record.identity] for record in records], np.int64)[record]
    split = np.array([list(Split).index(record.split) for record in records], np.int8)[record]
    groups = _Groups.of(fingerprints, identity)
    several = groups.people > 1
    asked = {name.value: own & (split == number) for number, name in enumerate(Split)}
    bounds = {name: _rank1_bound(fingerprints[mask], identity[mask]) for name, mask in asked.items() if mask.any()}
    return Shared(
        captions=int(groups.captions[several].sum()),
        percent=percent(int(groups.captions[several].sum()), len(fingerprints)),
        rank1_bound=bounds,
        lowest_rank1_bound=min(bounds.values(), default=100.0),
        examples=tuple(
            _example(records, tally, groups, place) for place in np.argsort(-groups.people, kind="stable")[:SHOWN] if several[place]
        ),
    )


@dataclass(frozen=True, slots=True)
class _Groups:
    """Equal captions, (groups,) each: how many, of how many people, how many of the most frequent, and the first of them."""

    captions: NDArray[np.intp]
    people: NDArray[np.intp]
    most: NDArray[np.intp]
    first: NDArray[np.intp]

    @classmethod
    def of(cls, fingerprints: NDArray[np.uint64], identity: NDArray[np.int64]) -> _Groups:
        if not len(fingerprints):
            return cls(*(np.zeros(0, np.intp) for _ in range(4)))
        order = np.lexsort((identity, fingerprints))
        starts_text = _run_starts(fingerprints[order])
        starts_person = np.union1d(starts_text, _run_starts(identity[order]))
        runs = np.diff(starts_person, append=len(order))
        of_text = np.searchsorted(starts_person, starts_text)
        return cls(
            captions=np.diff(starts_text, append=len(order)),
            people=np.diff(of_text, append=len(runs)),
            most=np.maximum.reduceat(runs, of_text),
            first=order[starts_text],
        )


def _run_starts(values: NDArray[Any]) -> NDArray[np.intp]:
    """Where in sorted values another one begins; there is at least one."""
    return np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]]))


def _rank1_bound(fingerprints: NDArray[np.uint64], identity: NDArray[np.int64]) -> float:
    groups = _Groups.of(fingerprints, identity)
    return percent(int(groups.most.sum()), int(groups.captions.sum()))


def _example(records: Sequence[Record], tally: _Tally, groups: _Groups, place: int) -> SharedCaption:
    caption = int(groups.first[place])
    number = tally.record[caption]
    before = next(n for n in range(caption, -1, -1) if n == 0 or tally.record[n - 1] != number)
    text = records[number].captions[caption - before].text
    return SharedCaption(text, int(groups.people[place]), int(groups.captions[place]))
