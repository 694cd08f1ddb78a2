"""What a sentence says: single rules, a challenge set with held-out sentences, and the way back to a sentence."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerby.errors import QueryError
from passerby.words.description import Item, PersonDescription, describe
from passerby.words.lexicon import Part, known_colours, known_patterns, known_things, lexicon
from passerby.words.parser import parse

CHALLENGE = [json.loads(line) for line in (Path(__file__).parent / "challenge.jsonl").read_text(encoding="utf-8").splitlines()]
HELD_OUT = [row for row in CHALLENGE if row.get("held_out")]
"""Labelled before the reader saw them, and not looked at while it was tuned."""
SEEN = [row for row in CHALLENGE if not row.get("held_out")]
MANNERS = {"caption", "police", "keywords", "hurried"}

Fact = tuple[str, str, tuple[str, ...], bool]


def said(text: str) -> list[tuple[str, tuple[str, ...], bool]]:
    return [(item.thing, item.colours, item.negated) for item in parse(text).items]


def only(text: str) -> Item:
    (item,) = parse(text).items
    return item


def micro_f1(rows: Iterable[dict[str, Any]], counted: Callable[[Fact], Hashable | None]) -> float:
    hits = of_both = 0
    for row in rows:
        found = [(item.part.value, item.thing, item.colours, item.negated) for item in parse(row["text"]).items]
        labels = [(label["part"], label["thing"], tuple(label["colours"]), label["negated"]) for label in row["items"]]
        got, expected = (Counter(key for fact in facts if (key := counted(fact)) is not None) for facts in (found, labels))
        hits += (got & expected).total()
        of_both += got.total() + expected.total()
    return 2 * hits / of_both


class TestChallenge:
    def test_labels_use_the_lexicon(self) -> None:
        assert len(CHALLENGE) >= 300
        assert len(HELD_OUT) == 100
        assert len({row["text"] for row in CHALLENGE}) == len(CHALLENGE)
        for row in CHALLENGE:
            assert row["manner"] in MANNERS
            for label in row["items"]:
                assert label["part"] in (known_things()[label["thing"]], Part.CARRIED)

    @pytest.mark.parametrize("rows", [SEEN, HELD_OUT], ids=["seen", "held out"])
    def test_f1(self, rows: list[dict[str, Any]], record_property: Callable[[str, object], None]) -> None:
        things = micro_f1(rows, lambda fact: fact[:3])
        negation = micro_f1(rows, lambda fact: fact[:2] if fact[3] else None)
        record_property("f1", {"things": things, "negation": negation})
        assert things >= 0.95
        assert negation >= 0.95


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("shirt is red", [("shirt", ("red",), False)]),
        ("the shirt is red, white and blue", [("shirt", ("red", "white", "blue"), False)]),
        ("his shirt is red, black shoes", [("shirt", ("red",), False), ("shoe", ("black",), False)]),
        ("hat, black and white shoes", [("hat", (), False), ("shoe", ("black", "white"), False)]),
        ("jacket red jeans blue", [("jacket", ("red",), False), ("jeans", ("blue",), False)]),
        ("jacket=red jeans=blue", [("jacket", ("red",), False), ("jeans", ("blue",), False)]),
        ("a black, ripped t-shirt", [("t-shirt", ("black",), False)]),
        ("a blue pair of shorts, her purse is also pink", [("shorts", ("blue",), False), ("purse", ("pink",), False)]),
        ("jacket (red), jeans (blue)", [("jacket", ("red",), False), ("jeans", ("blue",), False)]),
        ("he is dressed in black", [("clothes", ("black",), False)]),
        ("a woman in all white with a red bag", [("clothes", ("white",), False), ("bag", ("red",), False)]),
        ("black/white sneakers", [("sneaker", ("black", "white"), False)]),
        ("a white male with black hair in jeans", [("jeans", (), False)]),
        ("dark-blue t-shirt, back-pack", [("t-shirt", ("dark blue",), False), ("backpack", (), False)]),
        ("a shirt with white stripes and black jeans", [("shirt", (), False), ("jeans", ("black",), False)]),
        ("without a hat or bag and with red shoes", [("hat", (), True), ("bag", (), True), ("shoe", ("red",), False)]),
        ("no hat, red jacket or coat", [("hat", (), True), ("jacket", ("red",), False), ("coat", (), False)]),
        ("without a bag he wears boots", [("bag", (), True), ("boot", (), False)]),
        ("hatless, black coat", [("hat", (), True), ("coat", ("black",), False)]),
        ("not wearing a black cap but a hat", [("cap", ("black",), True), ("hat", (), False)]),
        ("No hat. A coat.", [("hat", (), True), ("coat", (), False)]),
        ("a coat that is half green, half grey", [("coat", ("green", "grey"), False)]),
        ("half pink, half white skirt, half boots", [("skirt", ("pink", "white"), False), ("boot", (), False)]),
        ("parka olive hood up bag tan", [("coat", ("olive",), False), ("hood", (), False), ("bag", ("tan",), False)]),
        ("hi-vis orange waistcoat over jeans", [("vest", ("orange",), False), ("jeans", (), False)]),
        ("red shirt white shirt", [("shirt", ("red",), False), ("shirt", ("white",), False)]),
        ("top=white bottom=navy", [("top", ("white",), False), ("bottoms", ("navy blue",), False)]),
        ("bottom: grey, top: pink", [("bottoms", ("grey",), False), ("top", ("pink",), False)]),
        ("a scarf down to the bottom of her coat", [("scarf", (), False), ("coat", (), False)]),
        ("dark black boots, a light white top", [("boot", ("black",), False), ("top", ("white",), False)]),
        ("a faded black cap, light black jeans", [("cap", ("faded black",), False), ("jeans", ("light black",), False)]),
        ("ein Mann in blauer Jacke mit roter Tasche", []),
        ("", []),
        ("somebody", []),
    ],
)
def test_things_colours_and_negation(text: str, expected: list[tuple[str, tuple[str, ...], bool]]) -> None:
    assert said(text) == expected


@pytest.mark.parametrize(
    ("text", "colours"),
    [
        ("red", ("red",)),
        ("woman red", ("red",)),
        ("a young woman, red", ("red",)),
        ("Red. A man.", ("red",)),
        ("somebody all dark red", ("dark red",)),
        ("red and blue, walking", ("red", "blue")),
        ("woman, short hair, red", ("red",)),
        ("colour: red", ("red",)),
    ],
)
def test_a_colour_with_nothing_to_go_with_it_is_that_of_the_clothes(text: str, colours: tuple[str, ...]) -> None:
    assert said(text) == [("clothes", colours, False)]
    assert parse(text).not_understood == ()
    assert only(text) == only(f"somebody in {' and '.join(colours)}")


def test_a_colour_or_another_is_that_of_the_clothes() -> None:
    assert only("woman red or blue") == only("a woman in red or blue")
    assert only("maybe red") == only("maybe in red")


@pytest.mark.parametrize(
    ("text", "lost"),
    [
        ("dark", ["dark"]),
        ("light", ["light"]),
        ("striped", ["striped"]),
        ("no red", ["red"]),
        ("a white male", ["white"]),
        ("black woman", ["black"]),
        ("a grey old man", ["grey"]),
        ("he is white", ["white"]),
        ("a woman who is black", ["black"]),
        ("red jacquet", ["red", "jacquet"]),
        ("blue eyes", ["blue", "eyes"]),
        ("red, jeans", ["red"]),
        ("a jacket. Red.", ["red"]),
    ],
)
def test_a_colour_that_is_not_surely_that_of_the_clothes_is_not_understood(text: str, lost: list[str]) -> None:
    found = parse(text)
    assert list(found.not_understood) == lost
    assert all(item.thing != "clothes" for item in found.items)


def test_looks_of_a_thing() -> None:
    item = only("a dark blue striped long-sleeved cotton shirt with a white collar")
    assert (item.part, item.colours, item.pattern, item.length, item.material) == (
        Part.UPPER,
        ("dark blue",),
        "striped",
        "long sleeved",
        "cotton",
    )
    assert item.details == ("white collar",)
    assert only("dark pants").shade == "dark"
    assert only("a shirt with short sleeves").length == "short sleeved"


def test_side_is_that_of_what_is_carried() -> None:
    assert only("a bag on his left shoulder").side == "left"
    assert only("in her right hand she holds an umbrella").side == "right"
    assert only("a backpack on both shoulders").side == "both"
    assert only("walking to the left with a bag").side is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("either black or navy trousers", [True]),
        ("possibly a red coat and jeans", [True, False]),
        ("jeans or trousers", [True, True]),
        ("no hat or bag", [False, False]),
    ],
)
def test_uncertain(text: str, expected: list[bool]) -> None:
    assert [item.uncertain for item in parse(text).items] == expected


def test_the_person() -> None:
    found = parse("A young man with short black hair walking in jeans.")
    assert (found.gender, found.age, found.hair, found.activities) == ("male", "young", ("short black hair",), ("walking",))
    assert parse("Her jeans are blue.").gender == "female"
    assert parse("blue jeans").gender is None


@pytest.mark.parametrize("person", ["A boy", "A little girl", "A child", "An old woman", "A middle-aged man", "A person"])
def test_people_have_their_nouns(person: str) -> None:
    assert describe(parse(person)) == f"{person}."


def test_a_size_is_no_gender() -> None:
    assert parse("jacket, size M").gender is None
    assert parse("M, 30s, red jacket").gender == "male"


def test_cap_sleeves_are_no_cap() -> None:
    assert said("a white dress with cap sleeves") == [("dress", ("white",), False)]
    assert only("a white dress with cap sleeves").length == "short sleeved"


def test_what_is_not_understood_is_kept() -> None:
    assert parse("A zorbly man wearing a red jacquet and blue jeans").not_understood == ("zorbly", "red", "jacquet")
    assert parse("a man in the red jacket").not_understood == ()


def test_a_thing_says_where_it_stands() -> None:
    text = "A man in a red T-Shirt"
    start, end = only(text).thing_span
    assert text[start:end] == "T-Shirt"


def test_wrong_items_are_refused() -> None:
    with pytest.raises(QueryError, match="'hat', worn as head"):
        Item(Part.FEET, "hat")
    with pytest.raises(QueryError, match="'zorb', unknown"):
        Item(Part.FEET, "zorb")
    with pytest.raises(QueryError, match="left, right or both"):
        Item(Part.CARRIED, "bag", side="north")


def test_known_words() -> None:
    assert {"red", "navy blue"} <= set(known_colours())
    assert "gray" not in known_colours()
    assert "striped" in known_patterns()
    assert known_things()["backpack"] is Part.CARRIED


def test_describe() -> None:
    assert describe(PersonDescription()) == "A person."
    text = "young woman, short hair, red and white striped shirt, jeans, black bag on left shoulder, no hat"
    assert describe(parse(text)) == (
        "A young woman with short hair, wearing a red and white striped shirt, jeans, carrying a black bag on the left side, without a hat."
    )


words = st.sampled_from([*lexicon().phrases, "a", "with", "zorb", *",.:/"])


@given(st.one_of(st.lists(words, max_size=14).map(" ".join), st.text(max_size=60)))
def test_a_description_says_what_it_is_made_of(text: str) -> None:
    once = parse(describe(parse(text)))
    assert parse(describe(once)).items == once.items
    assert once.not_understood == ()


@given(st.sampled_from(SEEN))
def test_nothing_is_lost_on_the_way_back(row: dict[str, Any]) -> None:
    found = parse(row["text"])
    assert Counter(parse(describe(found)).items) == Counter(found.items)


@pytest.mark.parametrize(
    ("text", "worn", "absent"),
    [
        ("no logo on red shirt", ["shirt"], []),
        ("person with no visible logo on his red shirt and blue jeans", ["shirt", "jeans"], []),
        ("without stripes in a white shirt", ["shirt"], []),
        ("a man who is not very tall in a red shirt", ["shirt"], []),
        ("not walking in a blue coat", ["coat"], []),
        ("not wearing a hat, in a red shirt", ["shirt"], ["hat"]),
        ("without any visible hat", [], ["hat"]),
        ("cannot see a red hat", [], ["hat"]),
        ("a bag but no black and white hat", ["bag"], ["hat"]),
    ],
)
def test_what_is_denied_is_what_the_negation_is_about(text: str, worn: list[str], absent: list[str]) -> None:
    items = parse(text).items
    assert [item.thing for item in items if not item.negated] == worn
    assert [item.thing for item in items if item.negated] == absent


@pytest.mark.parametrize(
    ("text", "worn", "absent"),
    [
        ("sans hat, red coat", ["coat"], ["hat"]),
        ("red coat w/out a hat", ["coat"], ["hat"]),
        ("can't see his shoes, red coat", ["shoe", "coat"], []),
        ("cannot see the bag", ["bag"], []),
        ("can't see any hat", [], ["hat"]),
        ("not sure about shoes", ["shoe"], []),
        ("without a hat and gloves", [], ["hat", "glove"]),
        ("without a hat, a bag and gloves in a coat", ["coat"], ["hat", "bag", "glove"]),
        ("without a hat and a red coat", ["coat"], ["hat"]),
        ("no hat and glasses", ["glasses"], ["hat"]),
        ("hat: none, coat: red", ["coat"], ["hat"]),
        ("jeans (black), hat (no)", ["jeans"], ["hat"]),
        ("man withuot glasses", [], ["glasses"]),
    ],
)
def test_ways_to_deny(text: str, worn: list[str], absent: list[str]) -> None:
    items = parse(text).items
    assert [item.thing for item in items if not item.negated] == worn
    assert [item.thing for item in items if item.negated] == absent


def test_what_cannot_be_seen_of_somebody_is_in_doubt() -> None:
    found = parse("can't see his shoes")
    assert (found.gender, found.items[0].uncertain) == ("male", True)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("carrying a grey sweatshirt", Part.CARRIED),
        ("he holds his black jacket", Part.CARRIED),
        ("a sweatshirt over his arm", Part.CARRIED),
        ("with a jacket in her left hand", Part.CARRIED),
        ("a sweatshirt", Part.UPPER),
        ("carrying a bag and a sweatshirt", Part.UPPER),
        ("carrying something with a sweatshirt", Part.UPPER),
        ("not carrying a sweatshirt", Part.UPPER),
    ],
)
def test_a_garment_that_is_carried_is_not_worn(text: str, part: Part) -> None:
    item = next(item for item in parse(text).items if item.thing in ("sweatshirt", "jacket"))
    assert item.part is part
    assert set(parse(describe(parse(text))).items) == set(parse(text).items)


def test_a_trim_is_a_part_of_a_thing() -> None:
    item = only("a black jacket trimmed in dark red and white")
    assert (item.colours, item.details) == (("black",), ("dark red and white trim",))
    assert parse(describe(parse("a coat lined with red fur"))).items[0].details == ("red fur lining",)
    assert said("a coat trimmed with a red shirt") == [("coat", (), False), ("shirt", ("red",), False)]


def test_regular_plurals_are_no_slips() -> None:
    assert said("two parkas, trench coats") == [("coat", (), False), ("coat", (), False)]
    assert parse("parkas, ponytails").slips == ()


def test_a_mention_of_clothes_is_no_garment() -> None:
    assert said("clothing: red coat") == [("coat", ("red",), False)]
    assert said("dark clothing") == [("clothes", (), False)]


def test_a_denied_gender_is_not_the_gender() -> None:
    assert parse("not a man, a woman in a red dress").gender == "female"


def test_20000_captions_are_read_in_20_seconds() -> None:
    texts = [row["text"] for row in SEEN]
    started = time.process_time()
    for text in texts:
        parse(text)
    assert (time.process_time() - started) * 20_000 / len(texts) < 20


def test_time_grows_with_the_length_of_a_sentence() -> None:
    def seconds(words: int) -> float:
        """The least of three times: now and then one includes a collection of garbage, or other work."""
        times = []
        for _ in range(3):
            started = time.perf_counter()
            parse("hat " + "stripes " * words)
            times.append(time.perf_counter() - started)
        return min(times)

    parse("warm up")
    assert seconds(8000) < 30 * seconds(800) + 0.2
