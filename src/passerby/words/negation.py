"""A text without what it denies: a model looks for whatever is named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from passerby.words.description import Item
from passerby.words.grammar import clause_ends
from passerby.words.lexicon import Kind
from passerby.words.tokens import Mark, Token

_JOINING: Final = frozenset({Kind.AND, Kind.OR, Kind.BUT})
_HAVING: Final = frozenset({"with", "wearing", "carrying", "holding", "in"})
_VERBS: Final = frozenset({"has", "have", "had", "having", "wears", "carries", "holds", "do", "does", "did", "can", "could"})
_ARTICLES: Final = frozenset({"a", "an", "the", "any"})
_PRONOUNS: Final = frozenset({"he", "she", "they", "it"})
_DANGLING: Final = _HAVING | _VERBS | _ARTICLES | {"w", "who", "which", "that", "there", "also"}
"""Words that mean nothing without what they lead to."""
_TRAILING: Final = frozenset({"on", "seen", "visible", "was", "were", "is", "are", "to", "be"})
"""Words after what is denied that belong to the denial: *no hat on*."""
_CLAUSE: Final = frozenset({Kind.WEARS, Kind.CARRIES, Kind.COPULA, Kind.ATTACHING, Kind.ACTIVITY, Kind.GENDER, Kind.PLACE})
"""Kinds of words that begin something other than a thing."""


def without_denials(text: str, tokens: Sequence[Token], items: Sequence[Item]) -> str:
    """A text without what some of its items deny, nor the words that led there or joined it to the rest.

    Args:
        tokens, items: those of the text.
    """
    spans = [span for item in items for span in item.denied_spans]
    if not spans:
        return text
    cut = [any(start < token.span[1] and token.span[0] < end for start, end in spans) for token in tokens]
    kept, end = "", 0
    for first, last in _runs(tokens, cut):
        after = _after(tokens, last)
        before = _before(tokens, first)
        while before and _is_dangling(tokens, before - 1, after):
            before = _before(tokens, before - 1)
        if before:
            kept += text[end : tokens[before - 1].span[1]] + _joint(tokens, before, first, last, after)
        end = tokens[after].span[0] if after < len(tokens) else len(text)
    return _tidy(kept + text[end:])


def _runs(tokens: Sequence[Token], cut: Sequence[bool]) -> list[tuple[int, int]]:
    """From where to where tokens are cut, those in between too that only join what is cut."""
    runs: list[tuple[int, int]] = []
    for place in (place for place, is_cut in enumerate(cut) if is_cut):
        if runs and _after(tokens, runs[-1][1]) >= place:
            runs[-1] = (runs[-1][0], place + 1)
        else:
            runs.append((place, place + 1))
    return runs


def _joins(token: Token, bracket: str) -> bool:
    """Whether a token only joins what stands before and after it: *and*, a comma, a bracket of one kind."""
    if token.mark is Mark.COLON:
        return token.text not in "()" or token.text == bracket
    return token.mark is Mark.COMMA or token.text == ";" or bool(token.meaning.keys() & _JOINING)


def _before(tokens: Sequence[Token], place: int) -> int:
    """The end of what is left before a place."""
    while place and _joins(tokens[place - 1], "("):
        place -= 1
    return place


def _after(tokens: Sequence[Token], place: int) -> int:
    """The beginning of what is left from a place on."""
    end = place
    while end < len(tokens) and tokens[end].text in _TRAILING:
        end += 1
    place = end if clause_ends(tokens, end) else place
    while place < len(tokens) and _joins(tokens[place], ")"):
        place += 1
    return place


def _is_dangling(tokens: Sequence[Token], place: int, after: int) -> bool:
    """Whether the word before a denial says nothing with what is left after it."""
    word, following = tokens[place], tokens[after] if after < len(tokens) and not tokens[after].mark else None
    if Kind.GENDER in word.meaning:
        return following is not None and Kind.GENDER in following.meaning
    if Kind.COPULA in word.meaning:
        begins_thing = following is not None and not following.meaning.keys() & _CLAUSE
        return following is None or not (following.text in _HAVING or (begins_thing and place and tokens[place - 1].text == "there"))
    if Kind.NEGATION in word.meaning:
        return True
    if word.text not in _DANGLING and not word.meaning.keys() & {Kind.WEARS, Kind.CARRIES}:
        return False
    if word.text in _ARTICLES and following and following.text in _PRONOUNS:
        return True
    clause = _CLAUSE - {Kind.GENDER} if word.text in _ARTICLES else _CLAUSE
    return following is None or bool(following.meaning.keys() & clause) or following.text in _DANGLING - _ARTICLES


def _joint(tokens: Sequence[Token], before: int, first: int, last: int, after: int) -> str:
    """What stands between what is left on both sides of a denial."""
    if after >= len(tokens) or tokens[after].mark:
        return ""
    word, joints = tokens[before - 1], [*tokens[before:first], *tokens[last:after]]
    if word.text in _DANGLING or Kind.COPULA in word.meaning:
        return " "
    if any(token.mark is Mark.COMMA for token in joints):
        return ", "
    is_subject = word.meaning.keys() & {Kind.GENDER, Kind.PERSON, Kind.AGE}
    goes_on = tokens[after].text in {"in", "with"} or (is_subject and not tokens[after].meaning.keys() & {Kind.THING, Kind.COLOUR})
    return " and " if any(Kind.AND in token.meaning for token in joints) and not goes_on else " "


def _tidy(text: str) -> str:
    """A text with single spaces, no punctuation at its start and no half of a pair of brackets."""
    if text.count("(") != text.count(")"):
        text = text.replace("(", " ").replace(")", " ")
    return " ".join(text.split()).lstrip(" .,;!?)")
