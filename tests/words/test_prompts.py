"""From what somebody types to what a model is asked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerby.words.prompts import ANYBODY, DENIAL, Prompt, prompts


def asked(text: str) -> list[tuple[str, float]]:
    return [(prompt.text, prompt.weight) for prompt in prompts(text)]


@pytest.mark.parametrize(
    "text",
    [
        "A man wearing a red jacket, with short hair.",
        "The woman is in a black dress; she carries a bag.",
        "somebody zorbly",
        "12",
        "  spaced   out, in blue  ",
    ],
)
def test_a_sentence_stays_as_written(text: str) -> None:
    assert asked(text) == [(text, 1.0)]


def test_slips_are_mended_and_the_rest_is_kept() -> None:
    assert asked("A womn wearing a zorbly Balck coat.") == [("A woman wearing a zorbly black coat.", 1.0)]


def test_a_colour_alone_is_asked_as_clothes() -> None:
    assert prompts("woman red") == (Prompt("A woman, wearing red clothes.", 1),)


def test_keywords_are_asked_as_a_sentence_and_as_they_are_where_some_are_not_understood() -> None:
    assert asked("red jkt, blue jeans") == [("A person, wearing a red jacket, blue jeans.", 1)]
    assert asked("red jkt, zebra") == [("red jkt, zebra", 0.5), ("A person, wearing a red jacket.", 0.5)]
    assert asked("man with a red jacket") == [("man with a red jacket", 1)]


@pytest.mark.parametrize(
    ("text", "kept", "denied"),
    [
        ("A man in a red jacket and no cap.", "A man in a red jacket.", ["A person, wearing a cap."]),
        ("a woman, not wearing a scarf, in blue jeans", "a woman, in blue jeans", ["A person, wearing a scarf."]),
        ("A sockless woman wearing a coat", "A woman wearing a coat", ["A person, wearing socks."]),
        ("a man in jeans without a cap or umbrella", "a man in jeans", ["A person, wearing a cap.", "A person, carrying an umbrella."]),
        ("No tie.", ANYBODY, ["A person, wearing a tie."]),
        ("no black purse", ANYBODY, ["A person, carrying a black purse."]),
        ("no purse on the left shoulder", ANYBODY, ["A person, carrying a purse."]),
    ],
)
def test_what_is_denied_counts_against_whoever_has_it(text: str, kept: str, denied: list[str]) -> None:
    assert asked(text) == [(kept, 1.0), *((sentence, -DENIAL / len(denied)) for sentence in denied), (ANYBODY, DENIAL)]


def test_whoever_is_without_a_hat_has_no_cap_either() -> None:
    hats = ["A person, wearing a black hat.", "A person, wearing a black cap.", "A person, wearing a black beanie."]
    assert asked("no black hat")[1:-1] == [(hat, -DENIAL / 3) for hat in hats]


def test_what_somebody_has_is_not_denied_with_the_rest() -> None:
    assert not any("purse" in text and weight < 0 for text, weight in asked("She has a purse but no bag."))


@given(st.lists(st.sampled_from(["hat", "bag", "glasses", "coat", "scarf"]), min_size=1, max_size=5))
def test_denials_never_outweigh_the_description(things: list[str]) -> None:
    weights = [weight for _, weight in asked("red jacket, " + ", ".join(f"no {thing}" for thing in things))]
    assert sum(weight for weight in weights if weight < 0) == pytest.approx(-DENIAL)


WORDS = ["no", "hat", "red", "shirt", "and", ",", ".", "without", "a", "bag", "man", "black"]


@given(st.one_of(st.text(min_size=1), st.lists(st.sampled_from(WORDS)).map(" ".join)))
def test_the_weights_make_one_and_no_prompt_is_empty(text: str) -> None:
    found = prompts(text)
    assert sum(prompt.weight for prompt in found) == pytest.approx(1)
    assert isinstance(found[0], Prompt)
    assert all(prompt.text for prompt in found) or not text.strip()
