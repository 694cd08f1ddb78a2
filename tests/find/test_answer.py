"""Answering is one act: read once, the same for one question and for many, and what is measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from crops import media, random_vectors, write_crop
from numpy.typing import NDArray

from passerby.cli.app import app
from passerby.data.datasets import load_dataset
from passerby.errors import InputError, QueryError
from passerby.find.answer import AT_ONCE, answer, answers, find
from passerby.find.explain import FEWEST
from passerby.find.ingest.run import index_paths
from passerby.find.query import ask, directions
from passerby.find.question import Question
from passerby.find.search import search
from passerby.index.score import exact_scores
from passerby.index.sqlite.index import Index
from passerby.measure.evaluation import evaluate
from passerby.measure.metrics import TIE_DECIMALS
from passerby.model.bundle import read_bundle, write_calibrated
from passerby.model.bundle_encoder import BundleEncoder
from passerby.model.calibration import Calibration
from passerby.types import Hit, Split
from passerby.words import parser
from passerby.words.filters import read_filters
from passerby.words.lexicon import Part

PEOPLE = 60
QUESTIONS = ("a man in a red jacket and jeans, no hat", "blue coat", "zorbly", "eine Frau", "a woman", "a red bag, not a black bag")


@pytest.fixture(scope="module")
def encoder(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> BundleEncoder:
    calibration = Calibration(0.0, 0.25, -1.0, 5.0, 1.0, -0.5, {})
    return BundleEncoder(
        write_calibrated(read_bundle(tiny_bundle), calibration, tmp_path_factory.mktemp("model") / "calibrated"), threads=1
    )


@pytest.fixture(scope="module")
def index(encoder: BundleEncoder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    with Index.create(tmp_path_factory.mktemp("index"), encoder) as opened:
        with opened.writing():
            for number, vector in enumerate(random_vectors(PEOPLE)):
                opened.add(media(f"/{number:03}.jpg", str(number)), vector)
                opened.add(media(f"/copy/{number:03}.jpg", str(number)), vector)
            opened.miss(Path("/000.jpg"), 1000)
        yield opened


def told(hits: tuple[Hit, ...]) -> list[tuple[object, ...]]:
    return [(hit.rank, hit.person.media.path, hit.score, hit.fits) for hit in hits]


def numbers(hits: tuple[Hit, ...]) -> list[float]:
    return [value for hit in hits for value in (hit.score, -1.0 if hit.probability is None else hit.probability)]


def test_an_answer_is_what_search_finds_explained(index: Index, encoder: BundleEncoder) -> None:
    found = find(index, encoder, QUESTIONS[0], 5)
    hits = search(index, ask(encoder, QUESTIONS[0]), 5)
    assert [(hit.rank, hit.score, hit.probability) for hit in found.people] == [(hit.rank, hit.score, hit.probability) for hit in hits]
    assert [hit.person.media.path for hit in found.people] == [hit.person.media.path for hit in hits]
    assert {tuple(fit.phrase for fit in hit.fits) for hit in found.people} == {("red jacket", "jeans", "no hat")}
    assert (found.looked_at, found.away, found.unlikely) == (2 * PEOPLE, 1, ())
    assert found.section == (QUESTIONS[0], found.people)


def test_many_questions_are_answered_as_one_by_one(index: Index, encoder: BundleEncoder, tmp_path: Path) -> None:
    """Also more than are scored in one pass, alike ones, filtered ones, and ones with pictures.

    Scores are equal but for what a float text tower rounds differently in a batch.
    """
    filters = read_filters({Part.UPPER: ["red"]}, without=["bag"])
    picture = write_crop(tmp_path / "a.png", 1)
    asked = [*map(Question, QUESTIONS * 6), Question("a man", filters=filters), Question("a man", picture), Question(like=picture)]
    assert len(asked) > AT_ONCE
    together = answers(index, encoder, asked, 7)
    assert [one.question for one in together] == asked
    for question, many in zip(asked, together, strict=True):
        alone = answer(index, encoder, question, 7)
        assert [hit.person.media.path for hit in many.people] == [hit.person.media.path for hit in alone.people]
        assert numbers(many.people) == pytest.approx(numbers(alone.people), abs=1e-6)
        assert [hit.fits for hit in many.people] == [hit.fits for hit in alone.people]
        assert (many.cut, many.looked_at, many.away) == (alone.cut, alone.looked_at, alone.away)


def test_words_are_questions_too(index: Index, encoder: BundleEncoder) -> None:
    in_words = answers(index, encoder, QUESTIONS, 3)
    assert [told(one.people) for one in in_words] == [told(one.people) for one in answers(index, encoder, map(Question, QUESTIONS), 3)]
    assert told(answers(index, encoder, "a woman", 3)[0].people) == told(in_words[4].people)
    assert answers(index, encoder, []) == []
    with pytest.raises(InputError, match="a question or words"):
        answers(index, encoder, ["a man", 3])  # type: ignore[list-item]


def test_who_is_less_likely_is_counted(index: Index, encoder: BundleEncoder) -> None:
    everybody = find(index, encoder, "a red jacket")
    third = everybody.people[2].probability
    some = find(index, encoder, "a red jacket", min_probability=third)
    told = [(hit.person.id, hit.score, hit.probability) for hit in (*some.people, *some.unlikely)]
    # When a file went away is of the clock's second.
    assert told == [(hit.person.id, hit.score, hit.probability) for hit in everybody.people]
    assert all(hit.probability is not None and third is not None and hit.probability >= third for hit in some.people)
    assert some.unlikely
    assert some.to_json()["unlikely"] == len(some.unlikely)
    assert find(index, encoder, "a red jacket", min_probability=1).people == ()
    with pytest.raises(InputError, match="a probability"):
        find(index, encoder, "a red jacket", min_probability=2)


def test_without_a_calibration_nobody_is_likely(tmp_path: Path, tiny_encoder: BundleEncoder) -> None:
    with Index.create(tmp_path, tiny_encoder) as opened:
        with opened.writing():
            opened.add(media("/a.jpg", "a"), random_vectors(1)[0])
        with pytest.raises(QueryError, match="--min-probability"):
            find(opened, tiny_encoder, "a man", min_probability=0.5)


def test_how_many_are_counted_anew_after_a_change(tmp_path: Path, tiny_encoder: BundleEncoder) -> None:
    with Index.create(tmp_path, tiny_encoder) as opened:
        assert find(opened, tiny_encoder, "a man").looked_at == 0
        for number in range(2):
            with opened.writing():
                opened.add(media(f"/{number}.jpg", str(number)), random_vectors(2)[number])
            assert find(opened, tiny_encoder, "a man").looked_at == number + 1


# -- reading ----------------------------------------------------------------------------------------------------------------------


class Counting:
    """The parser, and how often each text's tokens were given to it."""

    def __init__(self, real: Callable[..., Any]) -> None:
        self.real = real
        self.read: list[str] = []

    def __call__(self, tokens: Any) -> Any:
        self.read.append(" ".join(token.text for token in tokens))
        return self.real(tokens)


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> Counting:
    counted = Counting(parser.description_of)
    for name in ("parser", "prompts"):
        monkeypatch.setattr(f"passerby.words.{name}.description_of", counted)
    return counted


@pytest.mark.parametrize("words", ["a man in a red jacket, no hat", "red jkt black cap", "zorbly", "eine Frau in roter Jacke"])
def test_a_description_is_read_once(index: Index, encoder: BundleEncoder, counting: Counting, words: str) -> None:
    found = find(index, encoder, words, 3)
    found.to_json()
    assert len(counting.read) == 1
    assert PEOPLE >= FEWEST, "nobody is explained in a small index"


def test_one_that_stands_for_a_thing_is_read_again_with_its_name(index: Index, encoder: BundleEncoder, counting: Counting) -> None:
    find(index, encoder, "not a red jacket but a blue one", 3)
    assert counting.read == ["not a red jacket but a blue one", "not a red jacket but a blue jacket"]


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_the_command_reads_it_once_too(
    index: Index, encoder: BundleEncoder, counting: Counting, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    monkeypatch.setattr("passerby.resolve.load_model", lambda *_: encoder)
    ran = CliRunner().invoke(app, ["search", "red", "jacket", "zorbly", "--upper", "blue", "--index", str(index.folder), *options])
    assert ran.exit_code == 0
    assert [read for read in counting.read if "zorbly" in read] == ["red jacket zorbly"]


# -- one score --------------------------------------------------------------------------------------------------------------------


def test_a_score_does_not_depend_on_what_is_scored_beside_it() -> None:
    vectors, asked = random_vectors(333, 48), random_vectors(9, 48, seed=1).astype(np.float64)
    together = exact_scores(asked, vectors)
    np.testing.assert_array_equal(together[:, 100:101], exact_scores(asked, vectors[100:101]))
    np.testing.assert_array_equal(together[4], exact_scores(asked[4:5], np.ascontiguousarray(vectors[::-1]))[0, ::-1])
    np.testing.assert_array_equal(together[3], [np.sum(vector.astype(np.float64) * asked[3]) for vector in vectors])
    np.testing.assert_allclose(together, asked @ vectors.astype(np.float64).T, atol=1e-12)
    assert exact_scores(asked, vectors[:0]).shape == (9, 0)
    assert exact_scores(asked[:0], vectors).shape == (0, 333)


def test_evaluate_measures_what_answers_find(tiny_encoder: BundleEncoder, tmp_path: Path) -> None:
    """The ranks of `evaluate`, as asked, are those that a reader of the answers counts; the scores are equal to the bit."""
    rows = ["path,caption,id,split"]
    texts = ("A man in a red jacket and a hat.", "blue jeans no bag", "green shirt black trousers zorbly", "somebody")
    for number in range(24):
        write_crop(tmp_path / "crops" / f"{number:02}.png", number)
        rows.append(f"crops/{number:02}.png,{texts[number % 4]},{number // 3},val")
    (tmp_path / "street.csv").write_text("\n".join(rows))
    dataset = load_dataset(tmp_path / "street.csv", {Split.VAL})
    measured = evaluate(tiny_encoder, dataset)
    assert measured.as_asked is not None
    split = measured.split
    with Index.create(tmp_path / "index", tiny_encoder) as opened:
        index_paths(opened, tiny_encoder, tmp_path / "crops")
        found = answers(opened, tiny_encoder, [query.text for query in split.queries], len(split.gallery))
    identity = {record.path: record.identity for record in split.gallery}
    scores = exact_scores(directions(tiny_encoder, [query.text for query in split.queries]), split.images)
    for query, one, row, rank in zip(split.queries, found, scores, measured.as_asked.per_query.first_hit_rank, strict=True):
        assert {hit.person.media.path: hit.score for hit in one.people} == dict(zip(identity, row.tolist(), strict=True))
        assert first_hit(one.people, identity, query.record.identity) == rank
    assert measured.to_json()["as_asked"]["rank1"] == pytest.approx(100 * np.mean(measured.as_asked.per_query.hits_within(1)))


def first_hit(people: tuple[Hit, ...], identity: dict[Path, str], wanted: str) -> int:
    """The place of the first picture of a person, ties counted against them."""
    rounded: NDArray[np.float64] = np.round([hit.score for hit in people], TIE_DECIMALS)
    right = np.array([identity[hit.person.media.path] == wanted for hit in people])
    return int(np.sum((rounded > rounded[right].max()) | ((rounded == rounded[right].max()) & ~right))) + 1
