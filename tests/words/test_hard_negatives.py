"""Exchanged colours: the sentence says something else, in the same words, and the words alone do not give it away."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerby.words.hard_negatives import MOST, believable_swaps, colour_swaps, coloured_things

COLOURS = ["red", "blue", "dark green", "navy", "light gray", "orange"]
THINGS = ["jacket", "jeans", "running shoes", "leather bag", "cap"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a red jacket and blue jeans", ["a blue jacket and red jeans"]),
        ("An orange cap and a dark blue coat.", ["A dark blue cap and an orange coat."]),
        ("Red shoes, a white short sleeved shirt", ["white shoes, a Red short sleeved shirt"]),
        ("grey-colored pants with black shoes", ["black-colored pants with grey shoes"]),
        ("a black and white shirt, red shoes and a brown bag", ["a black and white shirt, brown shoes and a red bag"]),
        ("no red hat but blue jeans and white shoes", ["no red hat but white jeans and blue shoes"]),
        ("gray pants and grey shoes", []),
        ("a red shirt and a blue shirt", []),
        ("a red jacket", []),
        ("", []),
    ],
)
def test_swaps(text: str, expected: list[str]) -> None:
    assert [swap.text for swap in colour_swaps(text)] == expected


def test_a_swap_says_what_was_worn() -> None:
    (swap,) = colour_swaps("navy trousers, gray sneakers")
    assert (swap.first, swap.second) == (("navy blue", "trousers"), ("grey", "sneaker"))


def test_three_things_have_three_swaps() -> None:
    assert len(colour_swaps("a red cap, a blue coat and white shoes")) == 3


def test_a_list_of_clothes_has_no_more_swaps_than_its_first_things() -> None:
    text = ", ".join(f"a {colour} {thing}" for colour in COLOURS[:2] for thing in THINGS * 20)
    assert len(coloured_things(text)) == 200
    assert len(colour_swaps(text)) <= MOST * (MOST - 1) / 2


@given(st.lists(st.tuples(st.sampled_from(COLOURS), st.sampled_from(THINGS)), min_size=2, max_size=4, unique_by=lambda pair: pair[1]))
def test_swapping_back_gives_the_sentence(worn: list[tuple[str, str]]) -> None:
    text = ", ".join(f"the {colour} {thing}" for colour, thing in worn)
    before = coloured_things(text)
    for swap in colour_swaps(text):
        assert text in [back.text for back in colour_swaps(swap.text)]
        changed = [(a, b) for a, b in zip(before, coloured_things(swap.text), strict=True) if a.colour != b.colour]
        assert [(a.colour, a.thing) for a, _ in changed] == [swap.first, swap.second]
        assert [b.colour for _, b in changed] == [swap.second[0], swap.first[0]]


@given(st.text(max_size=80))
def test_any_text_is_taken(text: str) -> None:
    for swap in colour_swaps(text):
        assert sorted(swap.text.split()) != [] and swap.text != text


WORN = ("red", "blue", "black", "white")


def captions() -> list[str]:
    """Blue jeans are ten times as common as jeans of any other colour; a number keeps each text apart from all others."""
    worn = [(a, b) for a in WORN for b in WORN for _ in range(40 if b == "blue" else 4) if a != b]
    return [f"person {n} wears a {top} jacket and {jeans} jeans" for n, (top, jeans) in enumerate(worn)]


def jeans(text: str) -> str:
    return text.split()[-2]


def test_what_is_rare_to_wear_is_rarely_shown() -> None:
    """Among the kept pairs of a caption and its exchange, jeans of each colour are about as often true as false."""
    texts = captions()
    kept = believable_swaps(texts, seed=0)
    true = Counter(jeans(text) for text, swapped in kept.items() for _ in swapped)
    false = Counter(jeans(swap) for swapped in kept.values() for swap in swapped)
    assert sum(true.values()) > 30
    assert 0.6 < true["blue"] / false["blue"] < 1.7
    shown_all = Counter(jeans(swap.text) for text in texts for swap in colour_swaps(text))
    assert Counter(map(jeans, texts))["blue"] / shown_all["blue"] > 5, "which would have told them apart"


def test_the_same_seed_keeps_the_same_and_every_text_has_an_entry() -> None:
    texts = [*captions(), "nobody"]
    assert believable_swaps(texts, seed=1) == believable_swaps(reversed(texts), seed=1)
    assert believable_swaps(texts, seed=1) != believable_swaps(texts, seed=2)
    assert believable_swaps(texts, seed=1)["nobody"] == []
