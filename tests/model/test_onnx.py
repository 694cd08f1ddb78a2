from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import tiny
from numpy.typing import NDArray
from tokenizers import Tokenizer

from passerby.errors import ModelError
from passerby.model import selftest
from passerby.model.bundle import read_bundle
from passerby.model.bundle_encoder import BundleEncoder
from passerby.model.encoder import Seen
from passerby.model.manifest import MANIFEST
from passerby.model.onnx import OnnxSession, available_cores, start_session
from passerby.model.runtime import onnxruntime
from passerby.model.session import Arrays, Dtypes, Session
from passerby.model.tokenizer import Tokenizer as PasserbyTokenizer

NOISE = np.random.default_rng(5).normal(size=(5, 3, 32, 16)).astype(np.float32)
TEXTS = ["a woman", "red jacket, black cap and brown shoes, and a white handbag, and blue jeans", "", "boots"]


def exchange(bundle: Path, copy: Path, part: str, data: bytes) -> BundleEncoder:
    """An encoder of a bundle with one file exchanged, and the manifest's digest with it."""
    shutil.copytree(bundle, copy)
    manifest = json.loads((copy / MANIFEST).read_text())
    (copy / manifest[part]["file"]).write_bytes(data)
    manifest[part]["sha256"] = hashlib.sha256(data).hexdigest()
    (copy / MANIFEST).write_text(json.dumps(manifest))
    return BundleEncoder(read_bundle(copy), threads=1)


def reweighted(tower: bytes, change: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> bytes:
    """A tower with other weights."""
    model = onnx.load_from_string(tower)
    weights = model.graph.initializer[0]
    weights.CopyFrom(onnx.numpy_helper.from_array(change(onnx.numpy_helper.to_array(weights).copy()), weights.name))
    return bytes(model.SerializeToString())


def renamed(tower: bytes) -> bytes:
    return tower.replace(b"image_features", b"image_featurez").replace(b"text_features", b"text_featurez")


def with_others(tower: bytes) -> bytes:
    """A tower that gives its features negated and their shape, too."""
    model = onnx.load_from_string(tower)
    (features,) = model.graph.output
    model.graph.node.extend(
        [onnx.helper.make_node("Neg", [features.name], ["first"]), onnx.helper.make_node("Shape", [features.name], ["rows"])]
    )
    model.graph.output.insert(0, onnx.helper.make_tensor_value_info("first", onnx.TensorProto.FLOAT, ["n", 16]))
    model.graph.output.append(onnx.helper.make_tensor_value_info("rows", onnx.TensorProto.INT64, [2]))
    return bytes(model.SerializeToString())


class Numpy:
    """A runtime, and the one session that it has: the tiny image tower."""

    name = "numpy"
    any_size = False
    inputs: Dtypes = {"pixel_values": "float32"}  # noqa: RUF012
    outputs: Dtypes = {"image_features": "float32"}  # noqa: RUF012

    def start(self, _tower: str) -> Session:
        return self

    def run(self, inputs: Arrays, outputs: Sequence[str]) -> dict[str, NDArray[Any]]:
        weight = onnx.numpy_helper.to_array(onnx.load_from_string(tiny.image_tower()).graph.initializer[0])
        pixels = inputs["pixel_values"]
        pooled = pixels.reshape(len(pixels), 3, 8, 4, 4, 4).mean(axis=(3, 5)).reshape(len(pixels), -1)
        return dict.fromkeys(outputs, pooled @ weight)


class TestTowers:
    def test_image_tower_is_the_graph(self, tiny_encoder: BundleEncoder) -> None:
        weight = onnx.numpy_helper.to_array(onnx.load_from_string(tiny.image_tower()).graph.initializer[0])
        expected = NOISE.reshape(5, 3, 8, 4, 4, 4).mean(axis=(3, 5)).reshape(5, -1) @ weight
        expected /= np.linalg.norm(expected, axis=1, keepdims=True)
        found = tiny_encoder.embed_images(NOISE)
        assert found.dtype == np.float32 and found.shape == (5, 16)
        np.testing.assert_allclose(found, expected, atol=1e-5)

    def test_text_tower_is_the_graph_one_by_one(self, tiny_encoder: BundleEncoder) -> None:
        table = onnx.numpy_helper.to_array(onnx.load_from_string(tiny.text_tower()).graph.initializer[0])
        backend = Tokenizer.from_buffer(tiny.tokenizer())
        backend.enable_truncation(tiny.MAX_TOKENS)
        found = tiny_encoder.embed_texts(TEXTS)
        assert found.dtype == np.float32 and found.shape == (4, 16)
        for text, vector in zip(TEXTS, found, strict=True):
            expected = table[backend.encode(text).ids].mean(axis=0)
            np.testing.assert_allclose(vector, expected / np.linalg.norm(expected), atol=1e-5)

    def test_nothing_in_nothing_out(self, tiny_encoder: BundleEncoder) -> None:
        for found in (tiny_encoder.embed_texts([]), tiny_encoder.embed_images(NOISE[:0])):
            assert found.shape == (0, 16) and found.dtype == np.float32

    def test_many_threads_share_one_encoder(self, tiny_bundle: Path) -> None:
        encoder = BundleEncoder(read_bundle(tiny_bundle), threads=1)
        expected = BundleEncoder(read_bundle(tiny_bundle), threads=1).embed_texts(TEXTS)
        with ThreadPoolExecutor(8) as pool:
            for found in pool.map(encoder.embed_texts, [TEXTS] * 32):
                np.testing.assert_array_equal(found, expected)

    def test_describes_itself(self, tiny_encoder: BundleEncoder, tiny_bundle: Path) -> None:
        bundle = read_bundle(tiny_bundle)
        assert (tiny_encoder.name, tiny_encoder.digest, tiny_encoder.dim) == ("tiny", bundle.digest, 16)
        assert tiny_encoder.preprocessing == tiny.PREPROCESSING

    def test_wrong_pixels_are_refused(self, tiny_encoder: BundleEncoder) -> None:
        with pytest.raises(ModelError, match="to run"):
            tiny_encoder.embed_images(NOISE[:, :, :16])

    def test_there_is_a_core(self) -> None:
        assert available_cores() >= 1


class TestOutputs:
    @pytest.mark.parametrize("part", ["image_tower", "text_tower"])
    def test_a_tower_may_give_more_than_features(self, tiny_bundle: Path, tiny_encoder: BundleEncoder, tmp_path: Path, part: str) -> None:
        """Others first and last: outputs go by name."""
        tower = tiny.image_tower() if part == "image_tower" else tiny.text_tower()
        encoder = exchange(tiny_bundle, tmp_path / "copy", part, with_others(tower))
        np.testing.assert_array_equal(encoder.embed_images(NOISE), tiny_encoder.embed_images(NOISE))
        np.testing.assert_array_equal(encoder.embed_texts(TEXTS), tiny_encoder.embed_texts(TEXTS))

    def test_a_session_gives_what_is_asked_for(self) -> None:
        session = OnnxSession(start_session(with_others(tiny.image_tower()), threads=1))
        assert session.inputs == {"pixel_values": "float32"}
        assert session.outputs == {"first": "float32", "image_features": "float32", "rows": "int64"}
        found = session.run({"pixel_values": NOISE}, ["rows", "image_features"])
        assert list(found) == ["rows", "image_features"]
        np.testing.assert_array_equal(found["rows"], found["image_features"].shape)
        np.testing.assert_array_equal(session.run({"pixel_values": NOISE}, ["first"])["first"], -found["image_features"])

    def test_any_runtime_carries_an_encoder(self, tiny_bundle: Path, tiny_encoder: BundleEncoder) -> None:
        """What numpy computes is checked as what ONNX Runtime does."""
        encoder = BundleEncoder(read_bundle(tiny_bundle), runtime=Numpy())
        np.testing.assert_allclose(encoder.embed_images(NOISE), tiny_encoder.embed_images(NOISE), atol=1e-5)
        with pytest.raises(ModelError, match=r"to text_features \(float32\), found one from pixel_values \(float32\) to image_features"):
            encoder.embed_texts(TEXTS)
        with pytest.raises(ModelError, match="tiny to run, found cannot reshape"):
            encoder.embed_images(NOISE[:, :, :15])


class TestBrokenBundles:
    def test_only_the_tower_in_use_is_loaded(self, tiny_bundle: Path, tmp_path: Path) -> None:
        encoder = exchange(tiny_bundle, tmp_path / "copy", "image_tower", b"broken")
        assert encoder.embed_texts(["a hat"]).shape == (1, 16)
        with pytest.raises(ModelError, match="to be an ONNX model"):
            encoder.embed_images(NOISE)

    def test_wrong_digest(self, tiny_bundle: Path, tmp_path: Path) -> None:
        shutil.copytree(tiny_bundle, tmp_path / "copy")
        (tmp_path / "copy" / "text_tower.onnx").write_bytes(tiny.text_tower(seed=9))
        with pytest.raises(ModelError, match="SHA-256"):
            BundleEncoder(read_bundle(tmp_path / "copy")).embed_texts(["a hat"])

    @pytest.mark.parametrize(
        ("spoil", "words"),
        [
            (lambda tower: tower[: len(tower) // 2], "ONNX"),
            (renamed, r"to (image|text)_features \(float32\), found one from .* to (image|text)_featurez \(float32\)"),
            (lambda tower: reweighted(tower, lambda w: w * np.float32("nan")), "direction"),
            (lambda tower: reweighted(tower, lambda w: w * 0), "direction"),
            (lambda tower: reweighted(tower, lambda w: w[:, ::-1].copy()), "golden vectors"),
        ],
    )
    @pytest.mark.parametrize("part", ["image_tower", "text_tower"])
    def test_a_tower_that_cannot_be_trusted(
        self, tiny_bundle: Path, tmp_path: Path, part: str, spoil: Callable[[bytes], bytes], words: str
    ) -> None:
        tower = tiny.image_tower() if part == "image_tower" else tiny.text_tower()
        encoder = exchange(tiny_bundle, tmp_path / "copy", part, spoil(tower))
        for _ in range(2):  # a refused tower stays refused
            with pytest.raises(ModelError, match=words) as refusal:
                encoder.embed_images(NOISE) if part == "image_tower" else encoder.embed_texts(TEXTS)
            assert len(str(refusal.value).splitlines()) == 1

    def test_other_vector_length(self, tiny_bundle: Path, tmp_path: Path) -> None:
        encoder = exchange(tiny_bundle, tmp_path / "copy", "image_tower", tiny.image_tower(dim=8))
        with pytest.raises(ModelError, match=r"shape \(3, 16\), found shape \(3, 8\)"):
            encoder.embed_images(NOISE)

    def test_other_picture_size(self, tiny_bundle: Path, tmp_path: Path) -> None:
        encoder = exchange(tiny_bundle, tmp_path / "copy", "image_tower", tiny.image_tower(size=(16, 16)))
        with pytest.raises(ModelError, match="to run"):
            encoder.embed_images(NOISE)

    def test_constant_vectors(self, tiny_bundle: Path, tmp_path: Path) -> None:
        """The failure that looks plausible: every text has the same vector."""
        constant = reweighted(tiny.text_tower(), lambda table: np.repeat(table[:1], len(table), axis=0))
        with pytest.raises(ModelError, match="apart"):
            exchange(tiny_bundle, tmp_path / "copy", "text_tower", constant).embed_texts(TEXTS)

    @pytest.mark.parametrize("data", [b"", b"{}", b"\xff", b"null"])
    def test_broken_tokenizer(self, tiny_bundle: Path, tmp_path: Path, data: bytes) -> None:
        with pytest.raises(ModelError, match=r"tokenizer\.json"):
            exchange(tiny_bundle, tmp_path / "copy", "tokenizer", data).embed_texts(TEXTS)


class TestTokenizer:
    def test_pads_to_the_longest_and_keeps_the_last_token(self) -> None:
        tokens = PasserbyTokenizer(tiny.tokenizer(), max_tokens=5)(["a hat", "a black cap and jeans", ""])
        np.testing.assert_array_equal(tokens.attention_mask, [[1, 1, 1, 1, 0], [1] * 5, [1, 1, 0, 0, 0]])
        np.testing.assert_array_equal(tokens.input_ids[1, [0, -1]], [2, 3])
        assert tokens.cut == (0, 2, 0)
        assert tokens.input_ids.dtype == tokens.attention_mask.dtype == np.int64

    @pytest.mark.parametrize("words", [0, 9, 10, 11, 10_000])
    def test_says_how_much_was_cut(self, tiny_encoder: BundleEncoder, words: int) -> None:
        room = tiny.MAX_TOKENS - 2
        assert tiny_encoder.tokens_cut("jeans " * words) == max(0, words - room)
        read = len("jeans " * min(words, room)) - 1 if words > room else len("jeans " * words)
        assert tiny_encoder.characters_read("jeans " * words) == read

    @pytest.mark.parametrize("text", ["😀 👟", "красная куртка", "赤いジャケット", "\udcff\ud800", "\0", "\u202e", "a\u0301" * 500])
    def test_any_script_has_a_vector(self, tiny_encoder: BundleEncoder, text: str) -> None:
        np.testing.assert_allclose(np.linalg.norm(tiny_encoder.embed_texts([text, "a hat"]), axis=1), 1, atol=1e-6)

    def test_room_for_special_tokens_alone(self) -> None:
        with pytest.raises(ModelError, match="room for a word"):
            PasserbyTokenizer(tiny.tokenizer(), max_tokens=2)


class TestSelfTest:
    def test_golden_pictures_never_change(self) -> None:
        """These bytes are part of the bundle format: vectors in manifests were measured on them."""
        digests = [hashlib.sha256(selftest.golden_images(*size).tobytes()).hexdigest()[:16] for size in ((192, 96), (32, 16), (224, 224))]
        assert digests == ["93a3063a15464457", "c64b2cdaf1df0500", "efaaf81868a75298"]

    def test_golden_pictures_differ(self) -> None:
        images = selftest.golden_images(64, 32).astype(int)
        assert images.shape == (3, 64, 32, 3)
        for a, b in ((0, 1), (0, 2), (1, 2)):
            assert np.abs(images[a] - images[b]).mean() > 30

    def test_a_model_that_tells_nothing_apart_gets_no_self_test(self) -> None:
        def constant(inputs: Sequence[object] | NDArray[np.float32]) -> NDArray[np.float32]:
            return np.full((len(inputs), 4), 0.5, np.float32)

        with pytest.raises(ModelError, match="apart"):
            selftest.measure(lambda pixels: Seen(constant(pixels), np.empty((3, 0), np.float32)), constant, tiny.PREPROCESSING)


def test_telemetry_is_off_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    onnxruntime()  # loaded with it off; from here on the variable is only looked at
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY")
    for own, kept in ((None, "1"), ("0", "0"), ("", "")):
        if own is not None:
            monkeypatch.setenv("ORT_DISABLE_TELEMETRY", own)
        onnxruntime()
        assert os.environ["ORT_DISABLE_TELEMETRY"] == kept
