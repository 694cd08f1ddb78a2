"""Words that are likely misspelt: rare ones, one slip away from a frequent one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from passerby.report.distribution import percent
from passerby.words.spelling import is_word

SHOWN: Final = 20

_SHORTEST: Final = 5
"""Letters; shorter words have too many neighbours that are words as well."""
_FREQUENT: Final = 20
_TIMES: Final = 100
"""How many times more often the word that was meant occurs."""
_ROWS: Final = 1000


@dataclass(frozen=True, slots=True)
class Typo:
    """A word, how often it occurs, and the frequent word that it is one slip away from."""

    word: str
    count: int
    meant: str


@dataclass(frozen=True, slots=True)
class Typos:
    """Likely slips: judged by frequency and likeness, for no dictionary knows the trade's words; known words are none.

    Args:
        distinct: words.
        words, percent: how often they occur in all, and their part of all words.
        examples: the most frequent.
    """

    distinct: int
    words: int
    percent: float
    examples: tuple[Typo, ...]


def typos_in(vocabulary: Counter[str]) -> Typos:
    """The likely slips among words in lower case with their counts."""
    typos = sorted(_typos(vocabulary), key=lambda typo: (-typo.count, typo.word))
    words = sum(typo.count for typo in typos)
    return Typos(len(typos), words, percent(words, vocabulary.total()), tuple(typos[:SHOWN]))


def _typos(vocabulary: Mapping[str, int]) -> Iterator[Typo]:
    """One letter more, less or other, or two exchanged (optimal string alignment), but for the first letter and for endings."""
    from rapidfuzz.distance import OSA
    from rapidfuzz.process import cdist

    longest_rare = max(vocabulary.values(), default=0) // _TIMES
    words = [word for word in vocabulary if word.isalpha() and len(word) >= _SHORTEST - 1]
    frequent = [word for word in words if vocabulary[word] >= _FREQUENT]
    rare = [word for word in words if vocabulary[word] <= longest_rare and len(word) >= _SHORTEST and not is_word(word)]
    for start in range(0, len(rare) if frequent else 0, _ROWS):
        some = rare[start : start + _ROWS]
        near = cdist(some, frequent, scorer=OSA.distance, score_cutoff=1, dtype=np.uint8) == 1
        for row, word in enumerate(some):
            meant = _meant(word, [frequent[column] for column in np.flatnonzero(near[row])], vocabulary)
            if meant:
                yield Typo(word, vocabulary[word], meant)


def _meant(word: str, neighbours: Sequence[str], vocabulary: Mapping[str, int]) -> str | None:
    likely = [
        other
        for other in neighbours
        if vocabulary[other] >= _TIMES * vocabulary[word] and other[0] == word[0] and not _is_ending(word, other)
    ]
    return max(likely, key=lambda other: vocabulary[other], default=None)


def _is_ending(a: str, b: str) -> bool:
    """Whether two words differ in how they end alone: shirt and shirts, bearded and bearder."""
    return a[:-1] == b[:-1] or a[:-1] == b or a == b[:-1]
