"""The look-ahead loop over items of any kind; picture files are one, in tests/media."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from passerby.errors import ImageError
from passerby.model.bundle_encoder import BundleEncoder
from passerby.model.encode import Encoded, Failed, Loaded, encode
from passerby.model.encoder import encode_texts
from passerby.model.preprocess import preprocess

Seen = tuple[str, int | None]


def picture(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (20 + seed, 9 + seed, 3), np.uint8))


def load(item: int | None) -> Loaded[Seen]:
    """A picture in memory for each number; none for ``None``, too large a one for a negative number."""
    if item is None:
        raise ImageError(expected="a number", found="none", do="name one")
    if item < 0:
        raise MemoryError
    return Loaded(("seen", item), picture(item))


class TestEncode:
    @settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(items=st.lists(st.one_of(st.none(), st.integers(-2, 5)), max_size=20), sizes=st.tuples(st.integers(1, 7), st.integers(1, 3)))
    def test_one_result_for_each_item_in_order(self, tiny_encoder: BundleEncoder, items: list[int | None], sizes: tuple[int, int]) -> None:
        batch_size, readers = sizes
        results = list(encode(tiny_encoder, iter(items), load, batch_size=batch_size, readers=readers))
        assert len(results) == len(items)
        for item, result in zip(items, results, strict=True):
            if item is None or item < 0:
                assert isinstance(result, Failed) and result.item == item
                assert result.reason.startswith("expected a ")
            else:
                assert isinstance(result, Encoded) and result.known == ("seen", item)
                (alone,) = tiny_encoder.embed_images(preprocess(picture(item), tiny_encoder.preprocessing)[None])
                np.testing.assert_allclose(result.vector, alone, atol=1e-5)

    def test_draws_at_most_two_batches_ahead(self, tiny_encoder: BundleEncoder) -> None:
        drawn = 0

        def endless() -> Iterator[int]:
            nonlocal drawn
            while True:
                drawn += 1
                yield drawn % 5

        results = encode(tiny_encoder, endless(), load, batch_size=4)
        for seen in range(1, 21):
            next(results)
            assert drawn <= seen + 3 * 4
        results.close()

    def test_a_fault_of_the_loader_is_no_bad_item(self, tiny_encoder: BundleEncoder) -> None:
        def faulty(item: int) -> Loaded[int]:
            raise TypeError(item)

        with pytest.raises(TypeError):
            list(encode(tiny_encoder, range(50), faulty))
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("passerby-read")]


class TestEncodeTexts:
    def test_batches_change_nothing(self, tiny_encoder: BundleEncoder) -> None:
        texts = ["a red jacket", "a black cap and brown shoes, carried by a woman", "", "jeans"]
        expected = np.concatenate([tiny_encoder.embed_texts([text]) for text in texts])
        for batch_size in (1, 2, 3, 64):
            np.testing.assert_allclose(encode_texts(tiny_encoder, texts, batch_size), expected, atol=1e-6)

    @pytest.mark.parametrize("texts", [[], ()])
    def test_no_texts(self, tiny_encoder: BundleEncoder, texts: Sequence[str]) -> None:
        found = encode_texts(tiny_encoder, texts)
        assert found.shape == (0, 16) and found.dtype == np.float32
