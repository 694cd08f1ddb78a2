"""A question is read once, and says what is asked and what was not understood."""

from __future__ import annotations

from pathlib import Path

import pytest
from crops import write_crop

from passerby.errors import InputError, QueryError
from passerby.find.question import Question
from passerby.words.filters import read_filters
from passerby.words.lexicon import Part
from passerby.words.prompts import phrases, prompts

WORDS = "red jaket, zorbly, no hat"


def test_words_are_asked_as_prompts_say_and_explained_as_phrases_say() -> None:
    question = Question(f"  {WORDS} ")
    assert (question.text, question.picture, question.filters) == (WORDS, None, ())
    assert question.prompts == prompts(WORDS)
    assert question.phrases == phrases(WORDS)
    assert question.not_understood == ("zorbly",)
    assert not question.foreign


@pytest.mark.parametrize(("words", "foreign"), [("eine Frau in roter Jacke", True), ("somebody quite unusual", False), ("a man", False)])
def test_what_is_foreign(words: str, foreign: bool) -> None:
    assert Question(words).foreign is foreign


def test_filters_beside_words_are_explained_too() -> None:
    filters = read_filters({Part.UPPER: ["red"]}, without=["bag"])
    question = Question("a man in jeans", filters=filters)
    assert question.prompts == prompts("a man in jeans")
    assert [phrase.text for phrase in question.phrases] == ["jeans", "red shirt", "no bag"]
    collar = Question("a man", filters=read_filters({}, ["shirt with white collar"]))
    assert [phrase.text for phrase in collar.phrases] == ["shirt with white collar"]


def test_filters_alone_are_words() -> None:
    question = Question(filters=read_filters({Part.UPPER: ["red"]}, without=["bag"]))
    assert question.text == "red shirt, no bag"
    assert question.prompts == prompts("red shirt, no bag")
    assert question.not_understood == ()


def test_filters_beside_a_picture_are_not(tmp_path: Path) -> None:
    question = Question(like=write_crop(tmp_path / "a.png", 1), filters=read_filters({}, ["hat"]))
    assert (question.text, question.prompts) == ("like a.png", ())
    assert question.picture is not None
    assert [phrase.text for phrase in question.phrases] == ["hat"]


def test_filters_agree_with_the_words() -> None:
    with pytest.raises(QueryError, match="--with hat beside 'a man with no hat'"):
        Question("a man with no hat", filters=read_filters({}, ["hat"]))


@pytest.mark.parametrize("filters", [None, [], ("hat",), "hat"])
def test_filters_are_filters(filters: object) -> None:
    with pytest.raises(InputError, match="a tuple of filters"):
        Question("a man", filters=filters)  # type: ignore[arg-type]
