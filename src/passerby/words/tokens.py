"""A sentence as phrases of the lexicon, words that it lacks, and punctuation."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from passerby.words.lexicon import Kind, Lexicon, Meaning, lexicon
from passerby.words.spelling import readings


class Mark(Enum):
    """Punctuation that parts what is said."""

    COMMA = ","
    COLON = ":"
    END = "."


_LETTER: Final = r"(?:[^\W_][\u0300-\u036f]*)"
_PIECES: Final = re.compile(
    rf"(?P<word>{_LETTER}+(?:'{_LETTER}+|/(?:{_LETTER}|out)(?!{_LETTER}))*)|(?P<dash>(?<=\s)-+(?=\s)|[:()=])|(?P<mark>[.,;!?\n/&+])"
    r"|(?P<sign>[^\w\s\x00-\x7f]+)"
)
_SIGNS: Final = frozenset({"So", "Sk", "Sc", "Co", "Cn"})
"""Categories of characters that say something as words do, though nothing that is known: emoji, currencies."""
_MARKS: Final = {",": Mark.COMMA, **dict.fromkeys(".;!?\n", Mark.END)}
_EQUALS: Final = ":="
_AND: Final[Meaning] = {Kind.AND: "and"}


@dataclass(frozen=True, slots=True)
class Token:
    """A phrase of the lexicon, one that it lacks (``meaning`` empty), or punctuation.

    Args:
        text: as written, in lower case, slips mended.
        span: where it stands.
        slips: its misspelt words, each as written and as meant.
    """

    text: str
    span: tuple[int, int]
    meaning: Meaning
    mark: Mark | None = None
    slips: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class _Word:
    """A word as written and as meant, in lower case, and where it stands."""

    written: str
    meant: str
    span: tuple[int, int]


def tokens_of(text: str) -> list[Token]:
    """The tokens of a sentence that :func:`~passerby.words.normalise.plain` has made, the longest phrases of the lexicon first."""
    found: list[Token] = []
    words: list[_Word] = []
    pieces = list(_PIECES.finditer(text))
    read = iter(readings([match["word"].lower() for match in pieces if match["word"]]))
    for match in pieces:
        if match["word"]:
            words.append(_Word(match["word"].lower(), next(read), match.span()))
            continue
        if match["sign"] and not any(unicodedata.category(character) in _SIGNS for character in match["sign"]):
            continue
        mark = Mark.COLON if match["dash"] else _MARKS.get(match["mark"])
        if words and match[0] in _EQUALS:
            words[-1] = _label(words[-1])
        found.extend(_phrases(words))
        words.clear()
        found.append(Token(match[0], match.span(), {} if mark or match["sign"] else _AND, mark))
    found.extend(_phrases(words))
    return found


def _label(word: _Word) -> _Word:
    """What stands before *:* or *=* may name in the singular what is always several: *bottom: blue*."""
    several = f"{word.meant}s"
    is_several = word.meant not in lexicon().phrases and Kind.THING in lexicon().phrases.get(several, {})
    return replace(word, meant=several) if is_several else word


def _phrases(words: list[_Word]) -> Iterator[Token]:
    known, at = lexicon(), 0
    while at < len(words):
        token, count = _longest(words, at, known)
        yield token
        at += count


def _longest(words: list[_Word], at: int, known: Lexicon) -> tuple[Token, int]:
    for first in _readings(words[at].meant, known):
        for count in range(min(known.longest[first], len(words) - at), 0, -1):
            used = words[at : at + count]
            phrase = " ".join([first, *(word.meant for word in used[1:])])
            meaning = known.phrases.get(phrase)
            if meaning:
                slips = tuple((word.written, word.meant) for word in used if word.written != word.meant)
                return Token(phrase, (used[0].span[0], used[-1].span[1]), meaning, slips=slips), count
    return Token(words[at].written, words[at].span, {}), 1


def _readings(word: str, known: Lexicon) -> Iterable[str]:
    """A word and the one that it is the genitive of, as far as phrases begin with them."""
    return [reading for reading in dict.fromkeys((word, word.removesuffix("'s"))) if reading in known.longest]
