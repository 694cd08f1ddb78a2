"""What is left of a text without what it denies."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerby.words.negation import without_denials
from passerby.words.parser import parse
from passerby.words.tokens import tokens_of

CHALLENGE = [json.loads(line) for line in (Path(__file__).parent / "challenge.jsonl").read_text(encoding="utf-8").splitlines()]
SEEN = [row["text"] for row in CHALLENGE if not row.get("held_out")]


def left_of(text: str) -> str:
    return without_denials(text, tokens_of(text), parse(text).items)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a man with no hat and a red shirt", "a man with a red shirt"),
        ("with no hat and a red shirt", "with a red shirt"),
        ("A man with no hat and in jeans", "A man in jeans"),
        ("Suspect (no hat) in red", "Suspect in red"),
        ("red coat (no bag)", "red coat"),
        ("a man (no hat, red coat)", "a man, red coat"),
        ("parka (khaki), hat (no)", "parka (khaki)"),
        ("hat: none, coat: red", "coat: red"),
        ("He is not wearing a cap but has a scarf.", "He has a scarf."),
        ("He is bareheaded and wears a coat.", "He wears a coat."),
        ("She doesn't have a bag and wears boots.", "She wears boots."),
        ("He isn't carrying a bag, but he holds an umbrella.", "he holds an umbrella."),
        ("There is no hat and a red shirt", "There is a red shirt"),
        ("a grey coat; no hat was seen.", "a grey coat."),
        ("white top no coat on", "white top"),
        ("a red shirt and no hat and blue jeans", "a red shirt and blue jeans"),
        ("without a hat and gloves in a coat", "in a coat"),
        ("A man isn't wearing a hat, but he has a coat.", "he has a coat."),
        ("no hat", ""),
        ("a red hat", "a red hat"),
    ],
)
def test_no_grammar_is_left_over(text: str, left: str) -> None:
    assert left_of(text) == left


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("without glasses, hat or bag. Blue jeans.", "Blue jeans."),
        ("red coat, no hat or bag, blue jeans", "red coat, blue jeans"),
        ("no hat, glasses or bag, green shirt and black trousers", "green shirt and black trousers"),
        ("a man without a hat or a bag in a red coat with white shoes", "a man in a red coat with white shoes"),
        ("no hat, black shoes", "black shoes"),
    ],
)
def test_one_word_that_denies_several_things_takes_nothing_else_along(text: str, kept: str) -> None:
    assert left_of(text) == kept


@given(st.sampled_from(SEEN))
def test_the_rest_still_says_the_same(text: str) -> None:
    assert list(parse(left_of(text)).items) == [item for item in parse(text).items if not item.negated]


WORDS = ["no", "hat", "red", "shirt", "and", ",", ".", "(", ")", "without", "with", "a", "bag", "man", "is", "has", "none", ":", "wearing"]


@given(st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join))
def test_nothing_is_added_but_a_joint(text: str) -> None:
    left = left_of(text)
    assert Counter(re.findall(r"\w+", left)) <= Counter(re.findall(r"\w+", text)) + Counter({"and": 1})
