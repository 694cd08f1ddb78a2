"""Which parts of a question a hit fits, against a slow count."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from crops import media, random_vectors
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from passerby.errors import IndexFault
from passerby.find.explain import FEWEST, Fit, explain, phrase_directions, shares_below
from passerby.find.index import Index
from passerby.find.query import ask
from passerby.find.search import search
from passerby.model.onnx import OnnxEncoder
from passerby.types import Person
from passerby.words.prompts import ANYBODY, Phrase, phrases

WORDS = "a man in a red jacket and jeans, no hat"


def filled(folder: Path, encoder: OnnxEncoder, vectors: NDArray[np.float32]) -> Index:
    index = Index.create(folder, encoder)
    with index.writing():
        for number, vector in enumerate(vectors):
            index.add(media(f"/{number:03}.jpg", str(number)), vector)
    return index


def test_phrases_are_what_is_named() -> None:
    assert phrases("a man in a dark blue jacket and jeans, no hat") == (
        Phrase("dark blue jacket", "A person, wearing a dark blue jacket.", "A person, wearing a jacket.", denied=False),
        Phrase("jeans", "A person, wearing jeans.", ANYBODY, denied=False),
        Phrase("no hat", "A person, wearing a hat.", ANYBODY, denied=True),
    )
    assert phrases("red jacket, red jacket, somebody") == phrases("red jacket")


def test_each_hit_stands_where_a_slow_count_puts_it(tmp_path: Path, tiny_encoder: OnnxEncoder) -> None:
    vectors = random_vectors(60)
    with filled(tmp_path, tiny_encoder, vectors) as index:
        hits = search(index, ask(tiny_encoder, WORDS), 5)
        found = explain(index, tiny_encoder, WORDS, hits)
    looks = phrase_directions(tiny_encoder, phrases(WORDS))
    for hit, fits in zip(hits, found, strict=True):
        mine = vectors[int(hit.person.media.path.stem)]
        assert [fit.phrase for fit in fits] == ["red jacket", "jeans", "no hat"]
        for fit, direction in zip(fits, looks, strict=True):
            slow = sum(1.0 if float(v @ direction) < float(mine @ direction) else 0.0 for v in vectors) / 60
            assert fit.above == pytest.approx(slow, abs=1.01 / 60)


def test_a_thing_and_its_denial_are_opposites(tiny_encoder: OnnxEncoder) -> None:
    has, denied = phrase_directions(tiny_encoder, [*phrases("hat"), *phrases("no hat")])
    np.testing.assert_allclose(has, -denied)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=20), st.integers(0, 5))
def test_shares_are_those_of_counting(others: list[int], score: int) -> None:
    (share,) = shares_below(np.array([[score]], np.float32), np.array(others, np.float32)[:, None])[0]
    assert share == pytest.approx((sum(o < score for o in others) + sum(o == score for o in others) / 2) / len(others))


def test_a_small_index_and_words_that_name_nothing_say_nothing(tmp_path: Path, tiny_encoder: OnnxEncoder) -> None:
    with filled(tmp_path / "small", tiny_encoder, random_vectors(FEWEST - 1)) as small:
        assert explain(small, tiny_encoder, WORDS, search(small, ask(tiny_encoder, WORDS), 2)) == [(), ()]
    with filled(tmp_path / "large", tiny_encoder, random_vectors(FEWEST)) as large:
        assert explain(large, tiny_encoder, "somebody", search(large, ask(tiny_encoder, "somebody"), 2)) == [(), ()]
        assert explain(large, tiny_encoder, WORDS, []) == []


def test_somebody_who_is_gone_is_named(tmp_path: Path, tiny_encoder: OnnxEncoder) -> None:
    with filled(tmp_path, tiny_encoder, random_vectors(2)) as index, pytest.raises(IndexFault, match="gone"):
        index.vector_of(Person(media("/gone.jpg", "gone")))


def test_marks() -> None:
    assert [(fit.fits, fit.doubtful) for fit in (Fit("", 0.9), Fit("", 0.6), Fit("", 0.1))] == [
        (True, False),
        (False, False),
        (False, True),
    ]
