"""Attributes by name: what descriptions say of them, which speak against which, and what questions ask."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerby.words.attributes import (
    NAMES,
    VAGUE,
    Asked,
    asked,
    close_colours,
    narrower,
    possible,
    rivals,
    said,
    says_all,
    unlikely,
    wider,
    with_families,
)
from passerby.words.description import Item, PersonDescription
from passerby.words.filters import read_filters
from passerby.words.lexicon import Part, known_colours, known_patterns, known_things
from passerby.words.parser import parse

names = st.sampled_from(possible())
things = st.builds(
    lambda thing, colours, pattern, negated, uncertain: Item(
        known_things()[thing], thing, colours=colours, pattern=pattern, negated=negated, uncertain=uncertain
    ),
    st.sampled_from(sorted(known_things())),
    st.lists(st.sampled_from(known_colours()), max_size=2, unique=True).map(tuple),
    st.none() | st.sampled_from(known_patterns()),
    st.booleans(),
    st.booleans(),
)
descriptions = st.builds(
    PersonDescription,
    items=st.lists(things, max_size=4).map(tuple),
    gender=st.sampled_from((None, "male", "female")),
    age=st.sampled_from((None, "child", "old")),
    hair=st.lists(st.sampled_from(("long black hair", "ponytail", "no beard", "bald head")), max_size=2, unique=True).map(tuple),
)


def test_the_list_is_sorted_and_of_the_lexicon() -> None:
    assert list(NAMES) == sorted(set(NAMES))
    assert set(NAMES) <= set(possible())


def test_what_filters_offer_is_in_the_list() -> None:
    colours = {f"{part}:{colour}" for part, colour in product(("upper", "lower"), known_colours())}
    heads = {f"head:{thing}" for thing in ("hat", "cap", "beanie", "helmet", "hood")}
    others = {"carried:backpack", "carried:bag", "carried:handbag", "lower:skirt", "lower:shorts", "body:dress", "body:woman", "hair:long"}
    assert colours | heads | others <= set(NAMES)


def test_every_thing_is_an_attribute_or_vague() -> None:
    said_of = {thing: said(PersonDescription((Item(part, thing),)), possible()) for thing, part in known_things().items()}
    assert {thing for thing, found in said_of.items() if not any(found.values())} == VAGUE


@pytest.mark.parametrize("part", ["upper", "lower", "feet", "carried", "head"])
def test_every_colour_and_pattern_is_an_attribute(part: str) -> None:
    assert {f"{part}:{look}" for look in (*known_colours(), *known_patterns())} <= set(possible())


@pytest.mark.parametrize(
    ("text", "has", "lacks"),
    [
        ("a red jacket", {"upper:red", "upper:jacket"}, set()),
        ("a cap", {"head:cap", "head:hat"}, set()),
        ("no hat", set(), {"head:hat", "head:cap", "head:beanie"}),
        ("no cap", set(), {"head:cap"}),
        ("no hat but a cap", {"head:cap", "head:hat"}, {"head:beanie"}),
        ("trousers", {"lower:pants"}, set()),
        ("blue jeans", {"lower:blue", "lower:jeans", "lower:pants"}, set()),
        ("dark blue shorts", {"lower:blue", "lower:dark", "lower:shorts", "lower:short"}, set()),
        ("navy jeans", {"lower:navy blue", "lower:blue", "lower:jeans", "lower:pants"}, set()),
        ("black and white top", {"upper:black", "upper:white"}, set()),
        ("a red dress", {"body:dress", "upper:red", "lower:red"}, set()),
        ("a black and white dress", {"body:dress"}, set()),
        ("a man", {"body:man"}, {"body:woman"}),
        ("woman with long blonde hair", {"body:woman", "hair:long", "hair:blonde"}, {"body:man"}),
        ("short sleeved striped shirt", {"upper:shirt", "upper:striped", "sleeves:short"}, set()),
        ("a vest, sleeveless", {"upper:vest"}, set()),
        ("a shirt with a logo", {"upper:shirt", "upper:logo"}, set()),
        ("a purse", {"carried:handbag", "carried:bag"}, set()),
        ("a red tie", {"upper:tie"}, set()),
        ("holding a jacket", set(), set()),
        ("maybe a hat", set(), set()),
        ("a red or blue jacket", set(), set()),
        ("a jacket that is not red", {"upper:jacket"}, set()),
        ("trousers that are not black", {"lower:pants"}, {"lower:black"}),
        ("no blue jeans", set(), set()),
        ("facing the camera", set(), set()),
        ("", set(), set()),
    ],
)
def test_what_is_said(text: str, has: set[str], lacks: set[str]) -> None:
    found = said(parse(text))
    assert {name for name, yes in found.items() if yes} == has
    assert {name for name, yes in found.items() if not yes} == lacks


@given(descriptions)
def test_families_and_denials_agree(description: PersonDescription) -> None:
    found = said(description, possible())
    for name, has in found.items():
        assert all(found[other] for other in wider(name)) if has else found.keys() >= set(narrower(name))
    assert list(said(description)) == [name for name in found if name in NAMES]


@given(descriptions)
def test_what_is_unlikely_is_nothing_that_is_said(description: PersonDescription) -> None:
    found = said(description)
    assert not unlikely(found) & found.keys()
    for name in (name for name, yes in found.items() if yes):
        assert not unlikely(found) & {*wider(name), *narrower(name), *close_colours(name)}


@given(names)
def test_nothing_is_its_own_rival(name: str) -> None:
    assert not rivals(name) & {name, *wider(name), *narrower(name), *close_colours(name)}


@given(names, names)
def test_rivals_are_mutual_and_families_turn_round(one: str, other: str) -> None:
    assert (one in rivals(other)) == (other in rivals(one))
    assert (one in wider(other)) == (other in narrower(one))


@given(st.sets(names), st.sets(names))
def test_what_is_there_outweighs_what_is_denied(has: set[str], lacks: set[str]) -> None:
    found = with_families(has, lacks, possible())
    assert all(found[name] for name in has)
    assert all(found[name] in (False, True) for name in lacks)


def test_rivals() -> None:
    assert {"lower:red", "lower:white", "lower:green"} - rivals("lower:blue") == {"lower:green"}
    assert not rivals("lower:blue") & {"lower:navy blue", "lower:teal"}
    assert "upper:silver" not in rivals("upper:grey")
    assert not rivals("upper:beige") & {"upper:tan", "upper:khaki"}
    assert rivals("body:man") == {"body:woman"}
    assert {"sleeves:long", "sleeves:none"} <= rivals("sleeves:short")
    assert {"hair:short", "hair:bald"} <= rivals("hair:long")
    assert {"lower:shorts", "lower:skirt", "body:dress"} <= rivals("lower:jeans")
    assert not rivals("upper:jacket") | rivals("carried:red")


def test_of_two_colours_none_is_unlikely_that_is_close_to_one() -> None:
    assert "lower:navy blue" not in unlikely({"lower:red": True, "lower:blue": True})
    assert "lower:navy blue" in unlikely({"lower:red": True})


def ask(text: str, known: tuple[str, ...] = NAMES) -> tuple[Asked, ...]:
    return asked(parse(text), names=known)


def wanted(*known: str) -> tuple[Asked, ...]:
    return tuple(Asked((name,)) for name in known)


def test_what_is_asked() -> None:
    assert ask("a cap") == wanted("head:cap")
    assert ask("a man in a dark blue jacket") == wanted("body:man", "upper:jacket", "upper:blue", "upper:dark")
    assert ask("blue jeans and a blue skirt") == wanted("lower:jeans", "lower:blue", "lower:skirt")
    assert ask("no hat") == (Asked(("head:hat",), denied=True),)
    assert ask("no hat but a cap") == (*wanted("head:cap"), Asked(("head:beanie",), denied=True))
    assert ask("a jacket that is not red") == (*wanted("upper:jacket"), Asked(("upper:red",), denied=True))
    assert ask("somebody who runs") == ()


def test_alternatives_are_one_question() -> None:
    assert ask("a red or blue jacket") == (Asked(("upper:jacket",)), Asked(("upper:red", "upper:blue")))
    assert ask("a cap or a beanie") == (Asked(("head:cap", "head:beanie")),)


def test_a_model_that_knows_less_is_asked_for_families_or_kinds() -> None:
    assert ask("a cap", ("head:hat",)) == wanted("head:hat")
    assert ask("navy jeans", ("lower:blue", "lower:pants")) == wanted("lower:pants", "lower:blue")
    assert ask("a hat", ("head:cap", "head:beanie")) == (Asked(("head:beanie", "head:cap")),)
    assert ask("no cap", ("head:hat",)) == ()
    assert ask("no hat", ("head:cap", "head:beanie")) == (Asked(("head:beanie", "head:cap"), denied=True),)
    assert ask("a man in a red coat", ()) == ()


@pytest.mark.parametrize(
    ("thing", "is_known"),
    [
        ("red jacket", True),
        ("red or blue jacket", True),
        ("slacks", True),
        ("red top", True),
        ("black hat", True),
        ("leather jacket", True),
        ("cotton shirt", True),
        ("striped shirt", True),
        ("dark shirt", True),
        ("long sleeved shirt", True),
        ("long skirt", True),
        ("shirt with a logo", True),
        ("red dress", True),
        ("red or blue dress", True),
        ("red and blue dress", False),
        ("dark hat", False),
        ("long coat", False),
        ("hat with a logo", False),
        ("shirt with a blue collar", False),
        ("light blue or white jacket", False),
        ("pink hat", False),
        ("red tie", False),
        ("striped tie", False),
        ("fur coat", False),
        ("red poncho", False),
        ("poncho", False),
    ],
)
def test_a_thing_is_known_with_all_of_its_looks_or_in_part(thing: str, is_known: bool) -> None:
    (one,) = read_filters({}, [thing])
    assert says_all(one.item, one.any_thing, NAMES) is is_known


def test_filters_of_alternatives_ask_for_either_each_by_itself() -> None:
    filters = read_filters({Part.UPPER: ["red or dark blue"]}, ["green or white shirt", "black or brown jacket"])
    assert asked(PersonDescription(), filters) == (
        Asked(("upper:red", "upper:blue")),
        *wanted("upper:shirt"),
        Asked(("upper:green", "upper:white")),
        *wanted("upper:jacket"),
        Asked(("upper:black", "upper:brown")),
    )


def test_filters_ask_for_looks_of_whatever_is_worn_there() -> None:
    filters = read_filters({Part.UPPER: ["red"], Part.LOWER: ["non-blue"], Part.HEAD: ["cap"]}, ["black bag"], ["glasses"])
    assert asked(PersonDescription(), filters) == (
        *wanted("upper:red", "head:cap", "carried:bag", "carried:black"),
        Asked(("head:glasses",), denied=True),
        Asked(("lower:blue",), denied=True),
    )


@given(descriptions, st.sets(names).map(tuple))
def test_a_model_is_asked_only_what_it_knows(description: PersonDescription, known: tuple[str, ...]) -> None:
    found = asked(description, names=known)
    assert all(one.names and set(one.names) <= set(known) for one in found)
    assert len(found) == len(set(found))


def test_the_same_in_every_process_and_cheap_to_import() -> None:
    code = (
        "import sys, passerby.words.lexicon as l, passerby.words.filters\n"
        "from passerby.words.attributes import *\n"
        "assert l.lexicon.cache_info().currsize == 0, 'the lexicon was read by an import'\n"
        "from passerby.words.parser import parse\n"
        "print(said(parse('man, red cap, navy jeans, no bag')), sorted(unlikely({'upper:red': True})), asked(parse('no hat or bag')))"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=False)
        for seed in ("1", "2")
    ]
    assert [run.returncode for run in runs] == [0, 0], runs[0].stderr
    assert runs[0].stdout == runs[1].stdout
