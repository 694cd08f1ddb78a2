"""Slips of the finger: a word that the lexicon lacks, one letter away from one that tells people apart."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from passerby.words.lexicon import SHORTEST_TELLING, lexicon

REMEMBERED: Final = 65_536


@lru_cache(REMEMBERED)
def meant(word: str) -> str:
    """The word of the lexicon that a word is a slip of, or the word itself.

    One letter more, less or other, or two neighbours exchanged (optimal string alignment), never the first letter: *shrit*, *jaket*. Words
    that are known, short, or listed as words of their own are left alone; so are those that might be a slip of either of two things.

    Args:
        word: in lower case.
    """
    from rapidfuzz.distance import OSA
    from rapidfuzz.process import extract

    if len(word) < SHORTEST_TELLING - 1 or not word.isalpha() or _is_word(word):
        return word
    near = extract(word, lexicon().telling.get(word[0], ()), scorer=OSA.distance, score_cutoff=1, limit=None)
    return near[0][0] if len({_meaning(found) for found, _, _ in near}) == 1 else word


def _is_word(word: str) -> bool:
    known = lexicon()
    is_singular = not word.endswith("s") and f"{word}s" in known.words
    return word in known.words or is_singular or word in known.no_slips


def _meaning(word: str) -> object:
    """What a word says by itself, so that singular and plural do not compete."""
    return frozenset(lexicon().phrases.get(word, {word: word}).items())
