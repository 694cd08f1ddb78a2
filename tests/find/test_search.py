from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import tiny
from crops import media, random_vectors, unit, write_crop
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from passerby.errors import ImageError, IndexFault, QueryError
from passerby.find.query import Query, Term, ask, directions
from passerby.find.search import likely, search
from passerby.index.scan import ROUNDING, rough_scores
from passerby.index.sqlite.index import Index
from passerby.media.encode_files import EncodedFile, encode_files
from passerby.model.bundle import read_bundle, write_calibrated
from passerby.model.bundle_encoder import BundleEncoder
from passerby.model.calibration import Calibration, Crowd
from passerby.model.encoder import encode_texts
from passerby.types import ModelDigest
from passerby.words.prompts import prompts


@pytest.fixture
def index(tmp_path: Path, tiny_encoder: BundleEncoder) -> Iterator[Index]:
    with Index.create(tmp_path / "index", tiny_encoder) as opened:
        yield opened


def fill(index: Index, vectors: NDArray[np.float32]) -> None:
    """Hold each vector under two paths of equal bytes, in an order that is not that of the paths."""
    with index.writing():
        for number in np.random.default_rng(1).permutation(len(vectors)):
            for folder in "zb":
                index.add(media(f"/{folder}/{number:05}.jpg", str(number)), vectors[number])


def slow_search(vectors: NDArray[np.float32], direction: NDArray[np.float64], k: int) -> list[tuple[str, float]]:
    """Score everybody in float64, sort, cut."""
    people = [
        (f"/{folder}/{number:05}.jpg", float(np.sum(vector.astype(np.float64) * direction)))
        for number, vector in enumerate(vectors)
        for folder in "zb"
    ]
    return sorted(people, key=lambda person: (-person[1], person[0]))[:k]


def query_of(encoder: BundleEncoder, *vectors: NDArray[np.float32]) -> Query:
    return Query("", tuple(Term(1.0, vector) for vector in vectors), encoder.digest, encoder.name)


def cluster(seed: int, count: int, spread: float) -> NDArray[np.float32]:
    """A query and then ``count`` vectors, all around one direction: (1 + count, 16)."""
    generator = np.random.default_rng(seed)
    return unit(generator.normal(size=16) + spread * generator.normal(size=(1 + count, 16)))


GALLERIES = st.builds(cluster, st.integers(0, 2**32 - 1), st.integers(0, 300), st.sampled_from([0.0, 1e-6, 1e-4, 1e-2, 1.0]))


@given(gallery=GALLERIES, k=st.integers(1, 400))
@settings(max_examples=40, deadline=None)
def test_the_ranking_is_that_of_a_slow_exact_search(tiny_encoder: BundleEncoder, gallery: NDArray[np.float32], k: int) -> None:
    """Also where many vectors lie closer together than float16 can tell."""
    query, vectors = query_of(tiny_encoder, gallery[0]), gallery[1:]
    with TemporaryDirectory() as folder, Index.create(Path(folder), tiny_encoder) as index:
        fill(index, vectors)
        hits = search(index, query, k, fold=False)
    expected = slow_search(vectors, query.direction, k)
    assert [(str(hit.person.media.path), hit.score) for hit in hits] == expected
    assert [hit.rank for hit in hits] == list(range(1, len(expected) + 1))


@pytest.mark.parametrize("dim", [1, 16, 17, 512])
def test_rough_scores_keep_their_promise(dim: int) -> None:
    vectors, query = random_vectors(2001, dim), random_vectors(1, dim, seed=1)[0].astype(np.float64)
    (rough,) = rough_scores(vectors.astype(np.float16), query[None])
    assert np.abs(rough - vectors.astype(np.float64) @ query).max() <= ROUNDING


@pytest.mark.parametrize("questions", [1, 2, 5, 16, 33])
@pytest.mark.parametrize("dim", [1, 16, 17, 512])
def test_many_questions_in_one_pass_keep_it_too(dim: int, questions: int) -> None:
    """Also where all of a vector lies in few numbers, or in many equal ones: where sums round worst."""
    generator = np.random.default_rng(dim)
    spiky = unit(generator.normal(size=(3001, dim)) ** 5 + 1e-9)
    flat = unit(np.sign(generator.normal(size=(3001, dim))) + 1e-3 * generator.normal(size=(3001, dim)))
    vectors = np.concatenate([random_vectors(3001, dim), spiky, flat])
    directions = np.concatenate([random_vectors(questions, dim, seed=2), spiky[:questions], flat[:questions]]).astype(np.float64)
    rough = rough_scores(vectors.astype(np.float16), directions)
    assert np.abs(rough - directions @ vectors.astype(np.float64).T).max() <= ROUNDING


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_process_searches_too() -> None:
    vectors, direction = unit(np.random.default_rng(3).normal(size=(100, 16))).astype(np.float16), np.eye(16)[0]
    before = rough_scores(vectors, direction[None])
    child = os.fork()
    if not child:
        os._exit(0 if np.array_equal(rough_scores(vectors, direction[None]), before) else 1)
    deadline = time.monotonic() + 20
    while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0) and time.monotonic() < deadline:
        time.sleep(0.01)
    if ended == (0, 0):
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert ended == (child, 0), "it waits for threads that its parent has"


CALIBRATION = Calibration(0.0, 0.25, -3.0, 5.0, 1.0, -0.5, {})


def calibrated_query(encoder: BundleEncoder, vector: NDArray[np.float32]) -> Query:
    return Query("", (Term(1.0, vector),), encoder.digest, encoder.name, calibration=CALIBRATION)


@pytest.mark.parametrize("people", [1, 2, 3, 500])
def test_every_hit_has_the_probability_of_its_score_among_all(index: Index, tiny_encoder: BundleEncoder, people: int) -> None:
    vectors = random_vectors(people)
    fill(index, vectors)
    query = calibrated_query(tiny_encoder, random_vectors(1, seed=1)[0])
    hits = search(index, query, 10)
    crowd = Crowd.of(vectors.astype(np.float64) @ query.direction)
    expected = CALIBRATION.probability(np.array([hit.score for hit in hits]), crowd)
    found = [hit.probability for hit in hits]
    np.testing.assert_allclose(np.array(found, np.float64), expected, atol=1e-3)
    assert np.all(np.diff(np.array(found, np.float64)) <= 1e-12)


def test_without_calibration_there_is_no_probability(index: Index, tiny_encoder: BundleEncoder) -> None:
    fill(index, random_vectors(3))
    hits = search(index, query_of(tiny_encoder, random_vectors(1)[0]))
    assert {hit.probability for hit in hits} == {None}
    with pytest.raises(QueryError, match="--min-probability"):
        likely(hits, 0.5)


def test_an_empty_index_has_no_crowd(index: Index, tiny_encoder: BundleEncoder) -> None:
    assert search(index, calibrated_query(tiny_encoder, random_vectors(1)[0])) == []


def test_the_likely_are_the_first(index: Index, tiny_encoder: BundleEncoder) -> None:
    fill(index, random_vectors(50))
    hits = search(index, calibrated_query(tiny_encoder, random_vectors(1, seed=1)[0]))
    fourth = hits[3].probability
    assert fourth is not None
    assert likely(hits, fourth) == hits[:4]
    assert likely(hits, 0) == hits
    assert likely(hits, 1) == []


def test_only_words_alone_have_a_probability(tiny_bundle: Path, tmp_path: Path) -> None:
    encoder = BundleEncoder(write_calibrated(read_bundle(tiny_bundle), CALIBRATION, tmp_path / "calibrated"), threads=1)
    picture = write_crop(tmp_path / "a.png", 1)
    assert ask(encoder, "red").calibration == CALIBRATION
    assert ask(encoder, "red", picture).calibration is None
    assert ask(encoder, like=picture).calibration is None


def test_a_query_of_another_model_is_refused(index: Index) -> None:
    fill(index, random_vectors(3))
    query = Query("", (Term(1.0, random_vectors(1)[0]),), ModelDigest("f" * 64), "other")
    with pytest.raises(IndexFault, match="--rebuild"):
        search(index, query)


def test_an_empty_index_finds_nobody(index: Index, tiny_encoder: BundleEncoder) -> None:
    assert search(index, query_of(tiny_encoder, random_vectors(1)[0])) == []


def test_k_is_positive(index: Index, tiny_encoder: BundleEncoder) -> None:
    with pytest.raises(QueryError, match="-k"):
        search(index, query_of(tiny_encoder, random_vectors(1)[0]), 0)


def test_words_are_one_vector(tiny_encoder: BundleEncoder) -> None:
    query = ask(tiny_encoder, "  a man in a red jacket ")
    assert query.text == "a man in a red jacket"
    np.testing.assert_allclose(query.direction, encode_texts(tiny_encoder, ["a man in a red jacket"])[0], atol=1e-6)


def test_words_are_asked_as_prompts_say(tiny_encoder: BundleEncoder) -> None:
    words = "red jaket, blue jeans, no hat"
    total = sum(prompt.weight * encode_texts(tiny_encoder, [prompt.text])[0] for prompt in prompts(words))
    np.testing.assert_allclose(ask(tiny_encoder, words).direction, total / np.linalg.norm(total), atol=1e-5)
    both = directions(tiny_encoder, [words, "a red jacket"])
    np.testing.assert_allclose(both[0], ask(tiny_encoder, words).direction, atol=1e-5)
    assert directions(tiny_encoder, []).shape == (0, tiny_encoder.dim)


def test_a_picture_finds_itself(index: Index, tiny_encoder: BundleEncoder, tmp_path: Path) -> None:
    paths = [write_crop(tmp_path / f"{seed}.png", seed) for seed in range(5)]
    with index.writing():
        for encoded in encode_files(tiny_encoder, paths):
            assert isinstance(encoded, EncodedFile)
            index.add(encoded.media, encoded.vector)
    best = search(index, ask(tiny_encoder, like=paths[3]))[0]
    assert best.person.media.path == paths[3]
    assert best.score == pytest.approx(1, abs=1e-6)


def test_words_and_a_picture_count_the_same(tiny_encoder: BundleEncoder, tmp_path: Path) -> None:
    picture = write_crop(tmp_path / "a.png", 1)
    words, like, both = ask(tiny_encoder, "red"), ask(tiny_encoder, like=picture), ask(tiny_encoder, "red", picture)
    mean = words.direction + like.direction
    np.testing.assert_allclose(both.direction, mean / np.linalg.norm(mean), atol=1e-6)
    assert both.text == "red + like a.png"


@pytest.mark.parametrize("words", [None, "", " \n\t "])
def test_an_empty_question_is_refused(tiny_encoder: BundleEncoder, words: str | None) -> None:
    with pytest.raises(QueryError, match="empty"):
        ask(tiny_encoder, words)


@pytest.mark.parametrize("words", ["😀", "красная куртка", "红色夹克", "\ud800", "a\0b", "woman " * 10_000])
def test_any_words_make_a_question(tiny_encoder: BundleEncoder, words: str) -> None:
    query = ask(tiny_encoder, words)
    assert np.linalg.norm(query.direction) == pytest.approx(1)
    assert (query.cut > 9_000) == (len(words) > 100)


def test_a_picture_that_cannot_be_read_is_no_question(tiny_encoder: BundleEncoder, tmp_path: Path) -> None:
    with pytest.raises(ImageError):
        ask(tiny_encoder, "red", tmp_path / "missing.jpg")


def test_opposites_are_no_question(tiny_encoder: BundleEncoder) -> None:
    vector = random_vectors(1)[0]
    with pytest.raises(QueryError, match="opposites"):
        query_of(tiny_encoder, vector, -vector)


def test_what_is_cut_is_of_the_sentences_that_are_asked(tiny_encoder: BundleEncoder) -> None:
    room = tiny.MAX_TOKENS - 2
    assert ask(tiny_encoder, "wearing " + "jeans " * (room - 1) + "no hat").cut == 0
    assert ask(tiny_encoder, "wearing " + "jeans " * (room + 1) + "no hat").cut == 2
