"""Attributes to a description and its sentence: what is read of a sentence, backwards."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerby.words.appearance import CERTAIN, appearance
from passerby.words.attributes import NAMES, rivals, said, wider
from passerby.words.description import describe
from passerby.words.parser import parse

SENTENCES = [
    "A woman with long black hair, wearing a red jacket, blue jeans, white sneakers, carrying a brown handbag.",
    "A young man with short hair, wearing sunglasses, a grey striped t-shirt, khaki shorts, carrying a black backpack.",
    "A woman with ponytail, wearing a red floral dress, sandals.",
    "A man, wearing a blue cap, a white short sleeved shirt with logo, dark pants, a belt, black shoes.",
    "An old man with bald head and beard, wearing a suit, a tie.",
    "A child, wearing a yellow top, green bottoms.",
    "A person, carrying a bottle, an umbrella.",
    "A person.",
]


def likely(sentence: str, p: float = 0.9) -> dict[str, float]:
    has = said(parse(sentence))
    return {name: p if has.get(name) else 0.1 for name in NAMES}


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_sentence_comes_back(sentence: str) -> None:
    assert describe(appearance(likely(sentence))) == sentence


@pytest.mark.parametrize("sentence", SENTENCES)
def test_what_may_be_otherwise_is_possible(sentence: str) -> None:
    doubtful = appearance(likely(sentence, (0.5 + CERTAIN) / 2))
    assert all(item.uncertain for item in doubtful.items)
    assert ("possibly" in describe(doubtful)) == bool(doubtful.items)


def test_what_is_improbable_is_not_told() -> None:
    assert appearance(likely(SENTENCES[0], 0.49)) == appearance({})


def test_a_doubtful_look_makes_its_thing_possible() -> None:
    assert describe(appearance({"upper:jacket": 0.9, "upper:red": 0.6})) == "A person, wearing possibly a red jacket."


def test_of_what_excludes_each_other_the_likeliest_is_told() -> None:
    told = {
        "body:man": 0.6,
        "body:woman": 0.8,
        "lower:jeans": 0.7,
        "lower:pants": 0.9,
        "lower:skirt": 0.6,
        "lower:blue": 0.8,
        "lower:red": 0.7,
    }
    assert describe(appearance(told)) == "A woman, wearing blue jeans."


@given(st.dictionaries(st.sampled_from(NAMES), st.floats(0, 1)))
def test_any_probabilities_make_a_sentence_of_what_is_probable(told: dict[str, float]) -> None:
    """It is understood, and claims nothing that is not probable but what follows from what is: nor what excludes each other."""
    description = appearance(told)
    read = parse(describe(description))
    assert not read.not_understood
    claimed = {name for name, yes in said(description, NAMES).items() if yes}
    probable = {name for name, p in told.items() if p >= 0.5}
    implied = {family for name in probable for family in wider(name)}
    covered = {
        f"{part}:{name.partition(':')[2]}" for name in probable | implied if name.startswith("upper:") for part in ("upper", "lower")
    }
    assert {name for name in claimed - probable - implied - covered if name.partition(":")[2] not in {"shoe"}} == set()
    assert not any(other in rivals(one) and one in rivals(other) for one in claimed & probable for other in claimed & probable)
