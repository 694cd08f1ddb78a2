"""Shorter forms of a description: less is said, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerby.measure.conditions import keywords
from passerby.words.description import describe
from passerby.words.parser import parse
from passerby.words.shortened import shortened

CAPTION = (
    "A young man with short black hair wearing a black striped jacket over a blue shirt and brown shoes. He has no hat and carries a bag."
)
THINGS = ("red jacket", "black cap", "pair of blue jeans", "white sneakers", "green backpack", "grey skirt")


def test_the_first_is_what_search_makes_of_keywords() -> None:
    assert shortened(CAPTION, 0)[0] == describe(parse(keywords(CAPTION)))


@given(things=st.lists(st.sampled_from(THINGS), min_size=1, unique=True), denied=st.booleans(), seed=st.integers(0, 99))
def test_they_say_less_and_nothing_that_was_not_said(things: list[str], denied: bool, seed: int) -> None:
    text = f"A woman wearing a {' and a '.join(things)}." + " She has no umbrella." * denied
    said = {(item.thing, item.colours) for item in parse(text).items if not item.negated}
    shorter = shortened(text, seed)
    assert shorter == shortened(text, seed)
    assert text not in shorter
    assert len(set(shorter)) == len(shorter) <= 3
    for sentence in shorter:
        description = parse(sentence)
        kept = {(item.thing, item.colours) for item in description.items}
        assert kept
        assert kept <= said
        assert not any(item.negated for item in description.items)
        assert not description.not_understood


def test_other_seeds_leave_other_things_out() -> None:
    assert len({shortened(CAPTION, seed) for seed in range(20)}) > 5


@pytest.mark.parametrize("text", ["", "somebody", "A man is walking.", "He has no hat."])
def test_of_nothing_worn_nothing_is_left(text: str) -> None:
    assert shortened(text, 0) == ()
