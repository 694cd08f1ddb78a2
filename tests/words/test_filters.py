"""Filters beside the words of a question: what they mean, who passes them, and which are refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from crops import media, random_vectors

from passerby.cli.app import app
from passerby.errors import QueryError
from passerby.find.explain import FEWEST, phrase_directions
from passerby.find.filter import sift
from passerby.find.query import ask
from passerby.find.search import search
from passerby.index.sqlite.index import Index
from passerby.index.vectors import VectorTable
from passerby.model.bundle_encoder import BundleEncoder
from passerby.types import FITS
from passerby.words.filters import Filter, described, read_filters, require_agreement
from passerby.words.lexicon import Part
from passerby.words.parser import parse


def read_beside(at: dict[Part, list[str]], having: list[str], without: list[str], words: str) -> tuple[Filter, ...]:
    filters = read_filters(at, having, without)
    require_agreement(filters, words, parse(words).items)
    return filters


def test_what_filters_mean() -> None:
    at = {Part.UPPER: ["red"], Part.LOWER: ["blue jeans"], Part.HEAD: ["cap"]}
    filters = read_filters(at, ["black bag"], ["glasses"])
    assert described(filters) == "red shirt, blue jeans, cap, black bag, no glasses"
    assert [one.asked for one in filters] == ["--upper red", "--lower blue jeans", "--head cap", "--with black bag", "--without glasses"]
    assert [one.any_thing for one in filters] == [True, False, False, False, False]


@pytest.mark.parametrize(
    ("at", "having", "without", "words"),
    [
        ({Part.UPPER: ["red"]}, [], ["upper"], ""),
        ({Part.UPPER: ["red jacket"]}, [], ["jacket"], ""),
        ({}, ["cap"], ["hat"], ""),
        ({}, ["red bag"], ["red bag"], ""),
        ({}, [], ["jacket"], "a man in a red jacket"),
        ({}, ["hat"], [], "a man with no hat"),
        ({}, ["red or blue bag"], ["bag"], ""),
        ({}, ["red bag"], ["red or blue bag"], ""),
    ],
)
def test_contradictions_are_refused(at: dict[Part, list[str]], having: list[str], without: list[str], words: str) -> None:
    with pytest.raises(QueryError, match="filters that somebody can pass"):
        read_beside(at, having, without, words)


@pytest.mark.parametrize(
    ("at", "having", "without", "words"),
    [
        ({Part.UPPER: ["red"]}, [], ["jacket"], ""),
        ({}, ["red bag"], ["blue bag"], ""),
        ({}, ["hat"], ["cap"], ""),
        ({}, [], ["hat"], "no hat"),
        ({Part.UPPER: ["red", "white"]}, [], [], "a red jacket"),
        ({}, ["red or blue bag"], ["red bag"], ""),
        ({}, [], ["red hat"], "a man in a hat or a cap"),
        ({}, [], ["red hat"], "a man, maybe with a hat"),
    ],
)
def test_what_only_looks_like_one_is_not(at: dict[Part, list[str]], having: list[str], without: list[str], words: str) -> None:
    assert read_beside(at, having, without, words)


@pytest.mark.parametrize(
    ("part", "look", "says", "any_thing"),
    [
        (Part.UPPER, "red or blue", "red or blue shirt", True),
        (Part.UPPER, "maybe red", "red shirt", True),
        (Part.UPPER, "in red", "red shirt", True),
        (Part.UPPER, "logo", "shirt with logo", True),
        (Part.LOWER, "long", "long pants", True),
        (Part.LOWER, "short", "shorts", False),
        (Part.LOWER, "denim", "jeans", False),
    ],
)
def test_looks_of_whatever_is_worn_there(part: Part, look: str, says: str, any_thing: bool) -> None:
    """Or of another thing, where that is what somebody calls what is typical with that look."""
    filters = read_filters({part: [look]})
    assert described(filters) == says
    assert filters[0].any_thing is any_thing


@pytest.mark.parametrize(
    ("part", "value", "problem"),
    [
        (Part.UPPER, "blue shoes", "worn as upper"),
        (Part.UPPER, "zorbly", "one thing"),
        (Part.UPPER, "red clothes", "worn as body"),
        (Part.UPPER, "", "one thing"),
        (Part.LOWER, "jeans and skirt", "one thing"),
        (Part.HEAD, "no hat", "one thing"),
    ],
)
def test_what_names_no_such_thing_is_refused(part: Part, value: str, problem: str) -> None:
    with pytest.raises(QueryError, match=problem):
        read_filters({part: [value]})


@pytest.fixture
def filled(tmp_path: Path, tiny_encoder: BundleEncoder) -> Path:
    with Index.create(tmp_path / "index", tiny_encoder) as index, index.writing():
        for number, vector in enumerate(random_vectors(200)):
            index.add(media(f"/{number:03}.jpg", str(number)), vector)
    return tmp_path / "index"


def test_who_passes_is_who_a_slow_look_lets_pass(filled: Path, tiny_encoder: BundleEncoder) -> None:
    filters = read_filters({Part.UPPER: ["red"]}, without=["bag"])
    with Index.open(filled) as index:
        hits = search(index, ask(tiny_encoder, "a man"), 200, lambda table: sift(tiny_encoder, filters, table).passing)
        everybody = search(index, ask(tiny_encoder, "a man"), 200)
    vectors = random_vectors(200).astype(np.float16).astype(np.float64)
    red, no_bag = (vectors @ direction for direction in phrase_directions(tiny_encoder, [one.phrase for one in filters]))
    slow = {n for n in range(200) if red[n] >= np.quantile(red, FITS) and no_bag[n] > np.quantile(no_bag, 1 - FITS)}
    assert {int(hit.person.media.path.stem) for hit in hits} == slow
    assert [hit.person for hit in hits] == [hit.person for hit in everybody if int(hit.person.media.path.stem) in slow]
    assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))


def test_a_small_index_is_refused(tiny_encoder: BundleEncoder) -> None:
    table = VectorTable.of([random_vectors(FEWEST - 1).astype(np.float16)], np.arange(FEWEST - 1), np.empty(0, np.intp))
    with pytest.raises(QueryError, match=f"at least {FEWEST} people"):
        sift(tiny_encoder, read_filters({}, ["hat"]), table)


class TestCommand:
    def run(self, *arguments: str, index: Path, model: Path) -> tuple[int, str, str]:
        result = CliRunner().invoke(app, ["search", *arguments, "--index", str(index), "--model", str(model)])
        refused = isinstance(result.exception, QueryError)
        return result.exit_code, result.stdout, str(result.exception) if refused else result.stderr

    def test_filters_alone_are_a_question(self, filled: Path, tiny_bundle: Path) -> None:
        code, out, said = self.run("--upper", "red", "--hat", "--without", "bag", "--json", index=filled, model=tiny_bundle)
        document = json.loads(out)
        assert code == 0
        assert "--with hat, --without bag: relative" in said, "nobody here has a hat"
        assert document["query"] == "red shirt, hat, no bag"
        assert document["filters"] == ["--upper red", "--with hat", "--without bag"]
        assert [phrase["phrase"] for phrase in document["hits"][0]["phrases"]] == ["red shirt", "hat", "no bag"]

    def test_nobody_passes(self, filled: Path, tiny_bundle: Path) -> None:
        colours = ("red", "blue", "green", "white", "black", "yellow", "pink", "brown", "grey", "purple")
        options = [option for colour in colours for option in ("--upper", colour)]
        code, _, said = self.run("a man", *options, index=filled, model=tiny_bundle)
        assert code == 2
        assert "nobody passes all of --upper red" in said

    def test_a_contradiction(self, filled: Path, tiny_bundle: Path) -> None:
        code, out, said = self.run("--upper", "red", "--without", "upper", index=filled, model=tiny_bundle)
        assert (code, out) == (1, "")
        assert said == "expected filters that somebody can pass, found --upper red beside --without upper; leave one of them out"
