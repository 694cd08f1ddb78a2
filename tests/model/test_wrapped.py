"""Encoders around another one: what they do with texts, and that all else is the other's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from passerby.model.bundle_encoder import BundleEncoder
from passerby.model.encoder import CountsTokens, Encoder, SeesAttributes
from passerby.model.prompted import PromptedEncoder
from passerby.model.remembering import RememberingEncoder
from passerby.model.wrapped import WrappedEncoder
from passerby.resolve import find_bundle

TEMPLATE = "a photo of {}"


class Counting(BundleEncoder):
    """Says how many texts come in each run of its tower."""

    def __init__(self) -> None:
        super().__init__(find_bundle("passerby-s"), threads=1)
        self.runs: list[int] = []

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.runs.append(len(texts))
        return super().embed_texts(texts)


@pytest.fixture(scope="module")
def bundled() -> Counting:
    return Counting()


def public(kind: type) -> set[str]:
    return {name for name in vars(kind) if not name.startswith("_")}


def test_all_but_texts_is_the_other_encoders(bundled: Counting) -> None:
    one, *others = bundled, RememberingEncoder(bundled), PromptedEncoder(bundled, [TEMPLATE])
    pixels = np.zeros((2, 3, one.preprocessing.height, one.preprocessing.width), np.float32)
    for other in others:
        assert isinstance(other, SeesAttributes)
        for name in ("digest", "dim", "preprocessing", "attributes"):
            assert getattr(other, name) == getattr(one, name), name
        assert np.array_equal(other.embed_images(pixels), one.embed_images(pixels))
        assert all(np.array_equal(mine, its) for mine, its in zip(other.see(pixels), one.see(pixels), strict=True))


def test_every_member_of_an_encoder_is_there() -> None:
    wanted = public(Encoder) | public(SeesAttributes) | public(CountsTokens)
    assert wanted <= public(WrappedEncoder) | {"attributes"}


def test_how_much_of_a_text_is_read_in_a_template(bundled: Counting) -> None:
    long = "red " * 300
    plain, prompted = RememberingEncoder(bundled), PromptedEncoder(bundled, [TEMPLATE])
    assert (plain.tokens_cut(long), plain.characters_read(long)) == (bundled.tokens_cut(long), bundled.characters_read(long))
    template = bundled.tokens_cut(TEMPLATE.format(long)) - bundled.tokens_cut(long)
    assert prompted.tokens_cut(long) == plain.tokens_cut(long) + template > plain.tokens_cut(long)
    assert prompted.characters_read(long) < plain.characters_read(long)
    assert prompted.characters_read("red") == 3


def test_texts_are_remembered_and_those_not_asked_for_long_let_go(bundled: Counting) -> None:
    encoder = RememberingEncoder(bundled, texts=2)
    before = len(bundled.runs)
    vectors = encoder.embed_texts(["a", "b", "a", "c"])
    assert np.array_equal(encoder.embed_texts(["c", "b"]), vectors[[3, 1]])
    assert bundled.runs[before:] == [3]
    assert np.array_equal(vectors, bundled.embed_texts(["a", "b", "a", "c"]))
    assert list(encoder._vectors) == ["c", "b"]
    assert encoder.embed_texts([]).shape == (0, encoder.dim)
