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
from passerby.find.answer import find
from passerby.find.explain import FEWEST, phrase_directions, shares_below
from passerby.index.sqlite.index import Index
from passerby.model.bundle_encoder import BundleEncoder
from passerby.types import Fit, Person
from passerby.words.prompts import ANYBODY, Phrase, phrases

WORDS = "a man in a red jacket and jeans, no hat"
HATS = ("A person, wearing a hat.", "A person, wearing a cap.", "A person, wearing a beanie.")


def filled(folder: Path, encoder: BundleEncoder, vectors: NDArray[np.float32]) -> Index:
    index = Index.create(folder, encoder)
    with index.writing():
        for number, vector in enumerate(vectors):
            index.add(media(f"/{number:03}.jpg", str(number)), vector)
    return index


def test_phrases_are_what_is_named() -> None:
    assert phrases("a man in a dark blue jacket and jeans, no hat") == (
        Phrase("dark blue jacket", ("A person, wearing a dark blue jacket.",), ("A person, wearing a jacket.",)),
        Phrase("jeans", ("A person, wearing jeans.",), (ANYBODY,)),
        Phrase("no hat", HATS, (ANYBODY,), denied=True),
    )
    assert phrases("red jacket, red jacket, somebody") == phrases("red jacket")


def test_phrases_are_called_as_people_call_them() -> None:
    assert [phrase.text for phrase in phrases("black shoe, no sneakers, a shirt with a white collar")] == [
        "black shoes",
        "no sneakers",
        "shirt with white collar",
    ]


def test_the_side_of_a_bag_is_not_held_against_a_picture() -> None:
    (phrase,) = phrases("a red bag on the left shoulder, a red bag on the right shoulder")
    assert phrase.says == ("A person, carrying a red bag.",)


def test_each_hit_stands_where_a_slow_count_puts_it(tmp_path: Path, tiny_encoder: BundleEncoder) -> None:
    vectors = random_vectors(60)
    with filled(tmp_path, tiny_encoder, vectors) as index:
        people = find(index, tiny_encoder, WORDS, 5).people
    assert len(people) == 5
    looks = phrase_directions(tiny_encoder, phrases(WORDS))
    for hit in people:
        mine = vectors[int(hit.person.media.path.stem)]
        assert [fit.phrase for fit in hit.fits] == ["red jacket", "jeans", "no hat"]
        for fit, direction in zip(hit.fits, looks, strict=True):
            slow = sum(1.0 if float(v @ direction) < float(mine @ direction) else 0.0 for v in vectors) / 60
            assert fit.above == pytest.approx(slow, abs=1.01 / 60)


def test_a_denial_is_the_opposite_of_the_mean_of_what_it_denies(tiny_encoder: BundleEncoder) -> None:
    *having, denied = phrase_directions(tiny_encoder, [*phrases("hat, cap, beanie"), *phrases("no hat")])
    np.testing.assert_allclose(np.mean(having, axis=0), -denied, atol=1e-6)


def test_a_purse_is_no_bag_that_is_missing() -> None:
    denied = phrases("a purse, no bag")[1]
    assert "A person, carrying a backpack." in denied.says
    assert "A person, carrying a purse." not in denied.says


def test_hits_and_their_fits_are_of_one_moment(tmp_path: Path, tiny_encoder: BundleEncoder) -> None:
    """Also where those who are found are deleted meanwhile."""
    with filled(tmp_path, tiny_encoder, random_vectors(60)) as index, Index.open(tmp_path) as other:
        with index.snapshot():
            before = find(index, tiny_encoder, WORDS, 5).people
            with other.writing():
                for hit in before:
                    other.forget(hit.person.media.path)
            again = find(index, tiny_encoder, WORDS, 5).people
            assert [(hit.person.id, hit.score, hit.fits) for hit in again] == [(hit.person.id, hit.score, hit.fits) for hit in before]
        after = find(index, tiny_encoder, WORDS, 5).people
    assert all(hit.fits for hit in (*before, *after))
    assert not {hit.person for hit in before} & {hit.person for hit in after}


@given(st.lists(st.integers(0, 5), min_size=1, max_size=20), st.integers(0, 5))
def test_shares_are_those_of_counting(others: list[int], score: int) -> None:
    (share,) = shares_below(np.array([[score]], np.float32), np.array(others, np.float32)[:, None])[0]
    assert share == pytest.approx((sum(o < score for o in others) + sum(o == score for o in others) / 2) / len(others))


def test_a_small_index_and_words_that_name_nothing_say_nothing(tmp_path: Path, tiny_encoder: BundleEncoder) -> None:
    with filled(tmp_path / "small", tiny_encoder, random_vectors(FEWEST - 1)) as small:
        assert [hit.fits for hit in find(small, tiny_encoder, WORDS, 2).people] == [(), ()]
    with filled(tmp_path / "large", tiny_encoder, random_vectors(FEWEST)) as large:
        assert [hit.fits for hit in find(large, tiny_encoder, "somebody", 2).people] == [(), ()]
        assert all(hit.fits for hit in find(large, tiny_encoder, WORDS, 2).people)


def test_somebody_who_is_gone_is_named(tmp_path: Path, tiny_encoder: BundleEncoder) -> None:
    with filled(tmp_path, tiny_encoder, random_vectors(2)) as index, pytest.raises(IndexFault, match="gone"):
        index.vector_of(Person(media("/gone.jpg", "gone")))


def test_marks() -> None:
    assert [(fit.fits, fit.doubtful) for fit in (Fit("", 0.9), Fit("", 0.6), Fit("", 0.1))] == [
        (True, False),
        (False, False),
        (False, True),
    ]
