"""Colours that something is said not to have."""

from __future__ import annotations

import pytest

from passerby.errors import QueryError
from passerby.words.description import describe
from passerby.words.filters import read_filters
from passerby.words.lexicon import Part
from passerby.words.parser import parse
from passerby.words.prompts import DENIAL, Prompt, phrases, prompts

Said = list[tuple[str, tuple[str, ...], tuple[str, ...], bool]]
"""Thing, colours, denied colours, whether it is absent."""


def said(text: str) -> Said:
    return [(item.thing, item.colours, item.denied_colours, item.negated) for item in parse(text).items]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a jacket that is not red", [("jacket", (), ("red",), False)]),
        ("The jacket isn't red.", [("jacket", (), ("red",), False)]),
        ("jacket (not red), jeans", [("jacket", (), ("red",), False), ("jeans", (), (), False)]),
        ("jacket: not red", [("jacket", (), ("red",), False)]),
        ("red jacket, not dark blue", [("jacket", ("red",), ("dark blue",), False)]),
        ("trousers, anything but black", [("trousers", (), ("black",), False)]),
        ("a woman in non-black trousers", [("trousers", (), ("black",), False)]),
        ("a not-red jacket", [("jacket", (), ("red",), False)]),
        ("a jacket in any colour except white", [("jacket", (), ("white",), False)]),
        ("a jacket other than red", [("jacket", (), ("red",), False)]),
        ("shoes of any color but white or grey", [("shoe", (), ("white", "grey"), False)]),
        ("a shirt that is neither red nor blue", [("shirt", (), ("red", "blue"), False)]),
        ("a jacket that is not red, blue jeans", [("jacket", (), ("red",), False), ("jeans", ("blue",), (), False)]),
        ("a jacket that isn't red and blue jeans", [("jacket", (), ("red",), False), ("jeans", ("blue",), (), False)]),
        ("trousers that are not black with a hat", [("trousers", (), ("black",), False), ("hat", (), (), False)]),
        ("she wears a coat, not black or grey, and boots", [("coat", (), ("black", "grey"), False), ("boot", (), (), False)]),
        ("the jacket is not red but blue", [("jacket", ("blue",), ("red",), False)]),
        ("a red jacket, it is not blue", [("jacket", ("red",), ("blue",), False)]),
        ("not a red jacket but a blue one", [("jacket", ("red",), (), True), ("jacket", ("blue",), (), False)]),
        ("not red shoes but white ones", [("shoe", ("red",), (), True), ("shoe", ("white",), (), False)]),
        ("no red jacket", [("jacket", ("red",), (), True)]),
        ("anything but a red jacket", [("jacket", ("red",), (), True)]),
        ("wearing anything but black", [("clothes", ("black",), (), True)]),
        ("a man not in red", [("clothes", ("red",), (), True)]),
        ("a hat, not a red and blue jacket", [("hat", (), (), False), ("jacket", ("red", "blue"), (), True)]),
        ("a blue shirt and his skin is not white", [("shirt", ("blue",), (), False)]),
        ("a black jacket, his hair is not blonde", [("jacket", ("black",), (), False)]),
    ],
)
def test_which_colours_are_denied(text: str, expected: Said) -> None:
    assert said(text) == expected


@pytest.mark.parametrize("text", ["not red", "anything but black", "black jeans, no red"])
def test_a_colour_denied_of_nothing_is_not_understood(text: str) -> None:
    assert parse(text).not_understood[-1] in ("red", "black")


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("A man in a jacket that is not red, with jeans.", "A man in a jacket, with jeans."),
        ("A woman in non-red shoes and a hat.", "A woman in shoes and a hat."),
        ("She wears a jacket in any colour but red.", "She wears a jacket."),
        ("a man in not a green coat but a red one", "a man in a red coat"),
    ],
)
def test_the_model_is_not_asked_for_a_denied_colour(text: str, kept: str) -> None:
    first, *denied = prompts(text)
    assert first == Prompt(kept, 1.0)
    assert sum(prompt.weight for prompt in denied) == 0
    assert all("red" in prompt.text or "green" in prompt.text for prompt in denied if prompt.weight < 0)


def test_a_denied_colour_counts_beside_the_thing_itself() -> None:
    asked = prompts("jacket, not red or blue, no hat")
    assert asked[0] == Prompt("A person, wearing a jacket.", 1.0)
    weights = {prompt.text: prompt.weight for prompt in asked[1:]}
    assert weights["A person, wearing a red jacket."] == weights["A person, wearing a blue jacket."] == -DENIAL / 3
    assert weights["A person, wearing a jacket."] == 2 * DENIAL / 3
    assert weights["A person."] == DENIAL / 3


def test_each_denied_colour_is_a_part_of_its_own() -> None:
    assert [(phrase.text, phrase.denied) for phrase in phrases("a coat that is not red")] == [("coat", False), ("coat not red", True)]


def test_the_way_back() -> None:
    person = parse("a man in a coat that is not red or blue, shoes")
    assert parse(describe(person)) == person


def test_filters() -> None:
    (one,) = read_filters({Part.UPPER: ["non-red"]})
    assert one.item.negated
    assert one.item.colours == ("red",)
    with pytest.raises(QueryError, match="--with"):
        read_filters({}, having=["non-red jacket"])
