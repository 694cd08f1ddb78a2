from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from crops import write_crop, write_crops

from passerby.errors import QueryError
from passerby.find.embed import embed, read_texts, write_embeddings
from passerby.model.bundle_encoder import BundleEncoder
from passerby.model.encoder import encode_texts


def test_pictures_then_texts_in_order_and_as_often_as_given(tiny_encoder: BundleEncoder, tmp_path: Path) -> None:
    one, two = write_crops(tmp_path, 2)
    made = embed(tiny_encoder, [two, tmp_path, two], ["red", "blue", "red"])
    assert made.names == (str(two), str(one), str(two), str(two), "red", "blue", "red")
    assert made.vectors.dtype == np.float32
    np.testing.assert_array_equal(made.vectors[4:], encode_texts(tiny_encoder, ["red", "blue", "red"]))
    np.testing.assert_allclose(made.vectors[[0, 3]], made.vectors[[2, 2]], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(made.vectors, axis=1), 1, atol=1e-6)


def test_a_bad_file_is_named_and_the_rest_goes_on(tiny_encoder: BundleEncoder, tmp_path: Path) -> None:
    good, bad, missing = write_crop(tmp_path / "a.jpg", 1), tmp_path / "b.jpg", tmp_path / "c.jpg"
    bad.write_bytes(b"bad")
    made = embed(tiny_encoder, [missing, bad, good])
    assert made.names == (str(good),)
    assert {failure.path for failure in made.failed} == {bad, missing}


def test_what_is_written_reads_back(tiny_encoder: BundleEncoder, tmp_path: Path) -> None:
    made = embed(tiny_encoder, [write_crop(tmp_path / "a.jpg", 1)], ["un café 😀"])
    write_embeddings(made, tmp_path / "v.npz")
    with np.load(tmp_path / "v.npz", allow_pickle=False) as read:
        np.testing.assert_array_equal(read["vectors"], made.vectors)
        assert tuple(read["names"]) == made.names
        assert sorted(read) == ["names", "vectors"]


def test_texts_are_the_lines_with_words(tmp_path: Path) -> None:
    file = tmp_path / "texts.txt"
    file.write_text("a red jacket\n\n  blue shoes \r\nred\nred", "utf-8")
    assert read_texts(file) == ["a red jacket", "blue shoes", "red", "red"]
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(QueryError, match="UTF-8"):
        read_texts(file)
    with pytest.raises(QueryError, match="--texts"):
        read_texts(tmp_path / "missing.txt")
