"""Slips of the finger: a word that nobody knows, one letter away from one that people describe people with."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Final

from passerby.words.lexicon import lexicon
from passerby.words.normalise import plain

SHORTEST: Final = 3
"""Letters; shorter words have too many neighbours."""
REMEMBERED: Final = 65_536

WORD: Final = re.compile(r"[^\W\d_]+")

_ANY_LETTER: Final = 1 / 25
"""How much rarer one certain wrong letter is than a letter left out, doubled or exchanged with its neighbour: it could be any other."""
_LEAST: Final = 2.0
"""What a word's frequency, times ``_ANY_LETTER`` for a wrong letter, must reach for another to be a slip of it."""
_TELLING: Final = 50
"""The frequency of words that tell people apart, at least, though captions seldom have them."""
_ENGLISH: Final = 0.5
"""The share of a text's words that captions often have, usual slips of them included, without which it is not mended into English."""


@dataclass(frozen=True, slots=True)
class _Spelling:
    """What ``spelling.txt`` says.

    Args:
        frequencies: how often captions have a word that may be meant.
        by_length: these words.
        right: words that look like a slip of one of them and are none.
    """

    frequencies: Mapping[str, int]
    by_length: Mapping[int, tuple[str, ...]]
    right: frozenset[str]


def mended(text: str) -> str:
    """A text with its slips put right, as far as it is in English."""
    read = iter(readings([word.lower() for word in WORD.findall(text)]))
    return WORD.sub(lambda word: _as_written(word[0], next(read)), text)


def readings(words: Sequence[str]) -> list[str]:
    """What each word of a text, in lower case, is meant to be; in another language than English, itself."""
    return [meant(word) for word in words] if _are_english(words) else list(words)


def is_english(text: str) -> bool:
    """Whether a description's words are those of English ones, usual slips included; true of a text without words."""
    return _are_english([word.lower() for word in WORD.findall(plain(text))])


def is_word(word: str) -> bool:
    """Whether a word, in lower case, is one: of the lexicon, of captions, or of English where it looks like a slip of them."""
    known, spelling = lexicon(), _spelling()
    is_singular = not word.endswith("s") and f"{word}s" in known.words
    return word in spelling.frequencies or word in known.words or is_singular or word in spelling.right or word in known.no_slips


@lru_cache(REMEMBERED)
def meant(word: str) -> str:
    """The word that a word is most likely a slip of, or the word itself.

    One letter more, less or other, or two neighbours exchanged (optimal string alignment): *shrit*, *sweter*. Of several such words it is
    the most likely by how often captions have it and by the kind of slip, as in the noisy channel of Kernighan, Church and Gale, COLING
    1990. Words that are known or very short are left alone; so are those that might as well be a slip of either of two.

    Args:
        word: in lower case.
    """
    if len(word) < SHORTEST or not word.isalpha() or not _is_latin(word) or is_word(word):
        return word

    from rapidfuzz.distance import OSA
    from rapidfuzz.process import extract

    spelling = _spelling()
    alike = [other for longer in (-1, 0, 1) for other in spelling.by_length.get(len(word) + longer, ())]
    near = [other for other, _, _ in extract(word, alike, scorer=OSA.distance, score_cutoff=1, limit=None)]
    odds = {other: spelling.frequencies[other] * (1 if _is_usual(word, other) else _ANY_LETTER) for other in near}
    most = max(odds.values(), default=0)
    likeliest = [other for other in near if odds[other] == most]
    return likeliest[0] if most >= _LEAST and len({_meaning(other) for other in likeliest}) == 1 else word


def _is_latin(word: str) -> bool:
    """Whether no letter only looks like one of ours: a Cyrillic *а* is no slip of an *a*."""
    return word.isascii() or all(unicodedata.name(letter, "").startswith("LATIN") for letter in word)


def _are_english(words: Sequence[str]) -> bool:
    return sum(map(_is_expected, words)) >= _ENGLISH * len(words)


def _as_written(written: str, read: str) -> str:
    """A word in the case it was written in, if it was read as it stands."""
    return written if read == written.lower() else read


def _is_expected(word: str) -> bool:
    """Whether captions have a word, or it is a usual slip of one that they have: English ones seldom have half of other words."""
    read = meant(word)
    return read in _spelling().frequencies or read in lexicon().words if read == word else _is_usual(word, read)


def _is_usual(written: str, intended: str) -> bool:
    """Whether a letter is left out, doubled or exchanged with its neighbour, rather than any other in its place or beside it."""
    if len(written) == len(intended):
        return sorted(written) == sorted(intended)
    return len(written) < len(intended) or any(f"{intended[:n]}{intended[n - 1 :]}" == written for n in range(1, len(written)))


def _meaning(word: str) -> object:
    """What a word says by itself, so that singular and plural do not compete."""
    return frozenset(lexicon().phrases.get(word, {word: word}).items())


@cache
def _spelling() -> _Spelling:
    text = Path(__file__).with_name("spelling.txt").read_text(encoding="utf-8")
    lines = [line.partition(" ") for line in text.splitlines() if not line.startswith("#")]
    frequencies = {word: int(count) for word, _, count in lines if count}
    for word in (word for group in lexicon().telling.values() for word in group):
        frequencies[word] = max(frequencies.get(word, 0), _TELLING)
    by_length: dict[int, list[str]] = defaultdict(list)
    for word in frequencies:
        by_length[len(word)].append(word)
    right = frozenset(word for word, _, count in lines if not count)
    return _Spelling(frequencies, {length: tuple(words) for length, words in by_length.items()}, right)
