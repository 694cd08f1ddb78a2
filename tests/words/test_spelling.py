"""Misspelt words against a slow distance, and what must be left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerby.words.lexicon import lexicon
from passerby.words.parser import parse
from passerby.words.spelling import is_english, meant, mended

TELLING = [word for group in lexicon().telling.values() for word in group]


def slips_of(word: str) -> set[str]:
    """Every string one slip away: the slow way."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    cuts = [(word[:n], word[n:]) for n in range(len(word) + 1)]
    less = {a + b[1:] for a, b in cuts if b}
    more = {a + letter + b for a, b in cuts for letter in letters}
    other = {a + letter + b[1:] for a, b in cuts if b for letter in letters}
    exchanged = {a + b[1] + b[0] + b[2:] for a, b in cuts if len(b) > 1}
    return (less | more | other | exchanged) - {word}


@given(st.data())
def test_a_slip_is_read_as_what_it_is_one_slip_away_from(data: st.DataObject) -> None:
    slip = data.draw(st.sampled_from(sorted(slips_of(data.draw(st.sampled_from(TELLING))))))
    read = meant(slip)
    assert read == slip or slip in slips_of(read)
    assert meant(read) == read


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("shrit", "shirt"),
        ("balck", "black"),
        ("jeens", "jeans"),
        ("womn", "woman"),
        ("backpak", "backpack"),
        ("sneekers", "sneakers"),
        ("wtih", "with"),
        ("teh", "the"),
        ("whhite", "white"),
        ("shortt", "short"),
        ("hari", "hair"),
    ],
)
def test_slips(written: str, read: str) -> None:
    assert meant(written) == read


@pytest.mark.parametrize(
    "word",
    [
        "shot",
        "plait",
        "store",
        "block",
        "while",
        "xyz",
        "soled",
        "strapped",
        "boxy",
        "waders",
        "shirt",
        "t-shirt",
        "x",
        "",
        "12345",
        "walking",
        "überhat",
        "parkas",
        "ponytails",
        "runner",
    ],
)
def test_what_is_left_alone(word: str) -> None:
    assert meant(word) == word


def test_no_word_of_the_lexicon_is_a_slip_and_none_that_is_listed_is_known() -> None:
    assert all(meant(word) == word for word in lexicon().words)
    assert not lexicon().no_slips & lexicon().words


def test_a_misspelt_sentence_says_the_same() -> None:
    slipped = parse("A womn in a balck sweter and blue jaens, shouting")
    assert slipped == parse("A woman in a black sweater and blue jeans, shouting")
    assert slipped.slips == (("womn", "woman"), ("balck", "black"), ("sweter", "sweater"), ("jaens", "jeans"))
    assert slipped.not_understood == ("shouting",)


@pytest.mark.parametrize(
    ("written", "right"),
    [
        ("A womn wiht balck hair adn a WHITE shirt.", "A woman with black hair and a WHITE shirt."),
        ("The man, in t-shrit; 2 bags!", "The man, in t-shirt; 2 bags!"),
        ("a man in a red jacket", "a man in a red jacket"),
        ("eine Frau in roter Jacke und blauer Hose", "eine Frau in roter Jacke und blauer Hose"),
        ("une femme avec une veste rouge", "une femme avec une veste rouge"),
        ("womn balck sweter blu jeens", "woman black sweater blu jeans"),
        ("", ""),
        ("123 <b>", "123 <b>"),
    ],
)
def test_a_text_is_mended_and_one_in_another_language_is_not(written: str, right: str) -> None:
    assert mended(written) == right


@given(st.text())
def test_mending_twice_is_mending_once(text: str) -> None:
    assert mended(mended(text)) == mended(text)


@pytest.mark.parametrize("text", ["red", "a man in a redd jaket", "jacket, blue", ""])
def test_english_is_told(text: str) -> None:
    assert is_english(text)


@pytest.mark.parametrize("text", ["eine Frau in roter Jacke", "un manteau rouge", "frobnicated zorbly"])
def test_other_languages_are_told_from_english(text: str) -> None:
    assert not is_english(text)
