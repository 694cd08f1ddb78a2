"""Any CLIP of transformers as an encoder: equal to transformers at the square size, and refused by name where it is none."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from calling import call
from clip_folder import DIM, MAX_TOKENS, MEAN, SIDE, STD, clip_model, clip_tokenizer, write_clip
from small_clip import drawn_dataset
from transformers import CLIPModel

from passerby.convert.export import export_base
from passerby.errors import ConfigError, ModelError
from passerby.find.query import ask
from passerby.learn.models.base import CARD, Size
from passerby.learn.models.clip import Clip, interpolated, load_clip
from passerby.model.bundle_encoder import BundleEncoder
from passerby.model.encoder import CountsTokens
from passerby.model.prompted import PromptedEncoder
from passerby.resolve import load_model, parse_size

TEXTS = ["a red hat", "", "the woman wears a long blue dress, white shoes and carries a bag " * 3, "ünïcode 人"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint; not to be changed."""
    return write_clip(tmp_path_factory.mktemp("hub") / "tiny-clip")


@pytest.fixture
def copied(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copied"))


def pixels(n: int, height: int = SIDE, width: int = SIDE) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.random.default_rng(0).normal(size=(n, 3, height, width)).astype(np.float32)


class TestEqualToTransformers:
    def test_pictures(self, folder: Path) -> None:
        x = pixels(5)
        with torch.inference_mode():
            original = CLIPModel.from_pretrained(folder).eval().get_image_features(pixel_values=torch.from_numpy(x)).pooler_output.numpy()
        unit = original / np.linalg.norm(original, axis=1, keepdims=True)
        np.testing.assert_allclose(load_clip(str(folder)).encoder().embed_images(x), unit, atol=1e-6)

    def test_words(self, folder: Path) -> None:
        tokens = clip_tokenizer()(TEXTS, padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
        with torch.inference_mode():
            original = CLIPModel.from_pretrained(folder).eval().get_text_features(**tokens).pooler_output.numpy()
        unit = original / np.linalg.norm(original, axis=1, keepdims=True)
        np.testing.assert_allclose(load_clip(str(folder)).encoder().embed_texts(TEXTS), unit, atol=1e-6)

    def test_rectangular_pictures_as_transformers_interpolates_in_every_pass(self, folder: Path) -> None:
        x = pixels(3, 48, 16)
        clip = CLIPModel.from_pretrained(folder).eval()
        with torch.inference_mode():
            original = clip.get_image_features(pixel_values=torch.from_numpy(x), interpolate_pos_encoding=True).pooler_output.numpy()
        unit = original / np.linalg.norm(original, axis=1, keepdims=True)
        np.testing.assert_allclose(load_clip(str(folder), Size(48, 16)).encoder().embed_images(x), unit, atol=1e-6)

    def test_a_legacy_end_token(self, tmp_path: Path) -> None:
        """OpenAI's own checkpoints name the end token 2 and mean the highest id."""
        folder = write_clip(tmp_path / "legacy", eos_token_id=2)
        tokens = clip_tokenizer()(TEXTS, padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
        with torch.inference_mode():
            original = CLIPModel.from_pretrained(folder).eval().get_text_features(**tokens).pooler_output.numpy()
        unit = original / np.linalg.norm(original, axis=1, keepdims=True)
        np.testing.assert_allclose(load_clip(str(folder)).encoder().embed_texts(TEXTS), unit, atol=1e-6)


class TestFromTheCheckpoint:
    def test_preprocessing_tokens_and_temperature(self, folder: Path) -> None:
        base = load_clip(str(folder))
        p = base.preprocessing
        assert (p.height, p.width, list(p.mean), list(p.std), p.resample) == (SIDE, SIDE, MEAN, STD, "bicubic")
        assert (base.max_tokens, base.model.dim) == (MAX_TOKENS, DIM)
        stored = CLIPModel.from_pretrained(folder).logit_scale.item()
        assert base.temperature == pytest.approx(math.exp(-stored))

    def test_newer_checkpoints_name_the_preprocessor_elsewhere(self, copied: Path) -> None:
        stated = json.loads((copied / "preprocessor_config.json").read_text())
        (copied / "preprocessor_config.json").unlink()
        (copied / "processor_config.json").write_text(json.dumps({"image_processor": {**stated, "resample": 2}}))
        assert load_clip(str(copied)).preprocessing.resample == "bilinear"

    def test_vocab_and_merges_do_for_a_tokenizer(self, folder: Path, copied: Path) -> None:
        document = json.loads((copied / "tokenizer.json").read_text())["model"]
        (copied / "tokenizer.json").unlink()
        (copied / "vocab.json").write_text(json.dumps(document["vocab"]))
        (copied / "merges.txt").write_text("#version: 0.2\n" + "\n".join(" ".join(pair) for pair in document["merges"]))
        np.testing.assert_array_equal(
            load_clip(str(copied)).encoder().embed_texts(TEXTS), load_clip(str(folder)).encoder().embed_texts(TEXTS)
        )

    def test_the_digest_is_of_the_weights_whatever_the_size(self, folder: Path, tmp_path: Path) -> None:
        square, tall, other = (
            load_clip(str(folder)),
            load_clip(str(folder), Size(48, 16)),
            load_clip(str(write_clip(tmp_path / "b", seed=1))),
        )
        assert square.digest == tall.digest != other.digest
        assert len({base.encoder().digest for base in (square, tall, other)}) == 3, "vectors of another size do not mix"

    def test_what_is_saved_keeps_the_square_table(self, folder: Path, tmp_path: Path) -> None:
        base = load_clip(str(folder), Size(48, 16))
        before = base.encoder().embed_images(pixels(1, 48, 16))
        assert isinstance(base.model, Clip)
        base.model.save(tmp_path / "saved")
        kept, original = (CLIPModel.from_pretrained(f).state_dict() for f in (tmp_path / "saved", folder))
        assert kept.keys() == original.keys()
        assert all(torch.equal(kept[name], original[name]) for name in kept)
        np.testing.assert_array_equal(base.encoder().embed_images(pixels(1, 48, 16)), before)

    def test_a_size_that_was_recorded_is_the_default(self, copied: Path) -> None:
        tall = load_clip(str(copied), Size(48, 16)).preprocessing
        (copied / CARD).write_text(json.dumps({"preprocessing": tall.to_json()}))
        assert load_clip(str(copied)).preprocessing == tall
        assert load_clip(str(copied), Size(16, 48)).preprocessing.width == 48


def test_a_table_for_its_own_grid_is_left_alone() -> None:
    table = torch.randn(1 + 16, 8)
    assert torch.equal(interpolated(table, Size(4, 4)), table)
    assert interpolated(table, Size(6, 2)).shape == (1 + 12, 8)
    assert torch.equal(interpolated(table, Size(6, 2))[0], table[0])


class TestResolve:
    def test_folder_and_size(self, folder: Path) -> None:
        encoder = load_model(str(folder), size="48x16")
        assert encoder.embed_images(pixels(2, 48, 16)).shape == (2, DIM)
        assert encoder.name == str(folder)

    @pytest.mark.parametrize("size", ["", "48", "48*16", "0x", "0x0", "0x8", "32x0", "-8x8", "48x16x3", "12345x8"])
    def test_a_size_that_is_none(self, size: str) -> None:
        with pytest.raises(ConfigError, match="384x128"):
            parse_size(size)

    @pytest.mark.parametrize("size", ["12x16", "7x7"])
    def test_a_size_that_patches_do_not_fill(self, folder: Path, size: str) -> None:
        with pytest.raises(ModelError):
            load_model(str(folder), size=size)

    def test_a_bundle_has_one_size(self, tiny_bundle: Path) -> None:
        with pytest.raises(ModelError, match="--size"):
            load_model(str(tiny_bundle), size="64x32")

    def test_an_id_out_of_reach_says_what_to_download_and_where_to_put_it(self, tmp_path: Path) -> None:
        program = "from passerby.resolve import load_model; load_model('openai/clip-vit-base-patch32')"
        ran = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"},
        )
        said = ran.stderr.splitlines()[-1]
        assert "hf download openai/clip-vit-base-patch32" in said
        assert "--local-dir FOLDER" in said and "copy FOLDER here" in said

    def test_a_missing_folder_beside_others_is_not_told_to_the_hub(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "customers").mkdir()
        monkeypatch.chdir(tmp_path)
        with pytest.raises(ModelError, match="found a folder customers without it, so the hub was not asked"):
            load_model("customers/alice")

    def test_an_id_in_the_cache_needs_no_network(self, folder: Path, tmp_path: Path) -> None:
        snapshot = tmp_path / "hub" / "models--someone--tiny" / "snapshots" / "0123"
        shutil.copytree(folder, snapshot)
        (snapshot.parents[1] / "refs").mkdir()
        (snapshot.parents[1] / "refs" / "main").write_text("0123")
        program = "from passerby.resolve import load_model; print(load_model('someone/tiny').embed_texts(['a hat']).shape)"
        ran = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"},
        )
        assert ran.stdout == f"(1, {DIM})\n", ran.stderr


class TestBadFolders:
    @pytest.mark.parametrize("kind", ["siglip", "blip", "clip_text_model", "chinese_clip", None, 3])
    def test_another_kind_of_model(self, copied: Path, kind: object) -> None:
        config = json.loads((copied / "config.json").read_text())
        (copied / "config.json").write_text(json.dumps({**config, "model_type": kind}))
        with pytest.raises(ModelError, match=rf"expected a CLIP .*found model_type {kind!r}"):
            load_clip(str(copied))

    @pytest.mark.parametrize("text", ["", "[]", "{", "null"])
    def test_a_config_that_is_none(self, copied: Path, text: str) -> None:
        (copied / "config.json").write_text(text)
        with pytest.raises(ModelError, match=r"config\.json with a JSON object"):
            load_clip(str(copied))

    def test_neither_a_bundle_nor_a_clip(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match=r"manifest\.json"):
            load_model(str(tmp_path))

    @pytest.mark.parametrize("kept", [0, 4, 100, 0.5, 0.999])
    def test_truncated_weights(self, copied: Path, kept: float) -> None:
        weights = copied / "model.safetensors"
        data = weights.read_bytes()
        weights.write_bytes(data[: int(kept * len(data)) if isinstance(kept, float) else kept])
        with pytest.raises(ModelError, match=r"whole weights in .*; get the checkpoint again"):
            load_clip(str(copied))

    def test_pickled_weights_are_not_read(self, copied: Path) -> None:
        (copied / "model.safetensors").unlink()
        trap = copied / "pytorch_model.bin"
        trap.write_bytes(b"cos\nsystem\n(S'touch " + str(copied / "ran").encode() + b"'\ntR.")
        with pytest.raises(ModelError, match=r"as safetensors .* found pytorch_model\.bin, a pickle"):
            load_clip(str(copied))
        assert not (copied / "ran").exists()

    @pytest.mark.parametrize("text", ["", "{}", "[1", '{"model": {"type": "BPE"}}'])
    def test_a_damaged_tokenizer(self, copied: Path, text: str) -> None:
        (copied / "tokenizer.json").write_text(text)
        with pytest.raises(ModelError, match=r"expected a tokenizer\.json, found"):
            load_clip(str(copied)).encoder()

    def test_no_weights(self, copied: Path) -> None:
        (copied / "model.safetensors").unlink()
        with pytest.raises(ModelError, match="found none; get the checkpoint again"):
            load_clip(str(copied))

    def test_weights_of_a_larger_model(self, copied: Path) -> None:
        config = json.loads((copied / "config.json").read_text())
        config["vision_config"]["num_hidden_layers"] = 3
        (copied / "config.json").write_text(json.dumps(config))
        with pytest.raises(ModelError, match=r"all the weights .* missing"):
            load_clip(str(copied))

    def test_weights_of_other_shapes(self, copied: Path) -> None:
        clip_model(layers=2, hidden_size=48, intermediate_size=96).save_pretrained(copied / "other")
        shutil.move(copied / "other" / "model.safetensors", copied / "model.safetensors")
        with pytest.raises(ModelError, match="whole weights"):
            load_clip(str(copied))

    @pytest.mark.parametrize("change", [{"image_mean": [0.5]}, {"image_std": [0, 1, 1]}, {"resample": 9}, {"image_mean": "x"}])
    def test_a_preprocessor_that_cannot_be_followed(self, copied: Path, change: dict[str, object]) -> None:
        stated = json.loads((copied / "preprocessor_config.json").read_text())
        (copied / "preprocessor_config.json").write_text(json.dumps({**stated, **change}))
        with pytest.raises(ModelError):
            load_clip(str(copied))

    @pytest.mark.parametrize("name", ["preprocessor_config.json", "tokenizer.json"])
    def test_a_file_too_few(self, copied: Path, name: str) -> None:
        (copied / name).unlink()
        with pytest.raises(ModelError, match=name.replace(".", r"\.")):
            load_clip(str(copied))


@pytest.mark.parametrize("words", [0, 9, 75, 76, 200])
def test_every_kind_of_model_says_how_much_was_cut(folder: Path, words: int) -> None:
    """In this CLIP *red* is one token; its templates leave one token less than it."""
    encoder, text, room = load_clip(str(folder)).encoder(), "red " * words, MAX_TOKENS - 2
    prompted = PromptedEncoder(encoder, ["{}", "red {}"])
    for counts, fits in ((encoder, room), (prompted, room - 1)):
        assert isinstance(counts, CountsTokens)
        assert counts.tokens_cut(text) == max(0, words - fits)
        assert counts.characters_read(text) == (4 * fits - 1 if words > fits else len(text))


def test_a_question_to_a_clip_says_what_was_not_read(folder: Path) -> None:
    assert ask(load_model(str(folder)), "a man in a red " + "red " * 100 + "hat").cut > 0


class TestPrompts:
    def test_the_mean_of_what_templates_give(self, folder: Path) -> None:
        encoder = load_clip(str(folder)).encoder()
        asked = PromptedEncoder(encoder, ["a photo of {}", "{} walking"])
        mean = encoder.embed_texts(["a photo of a red hat"]) + encoder.embed_texts(["a red hat walking"])
        np.testing.assert_allclose(asked.embed_texts(["a red hat"]), mean / np.linalg.norm(mean), atol=1e-6)
        assert asked.embed_texts([]).shape == (0, DIM)

    @pytest.mark.parametrize("templates", [[], [""], ["a photo"], ["{} and {}"], ["{}", "a photo of {0}"]])
    def test_a_template_without_one_place_for_words(self, folder: Path, templates: list[str]) -> None:
        with pytest.raises(ConfigError, match="--prompts"):
            PromptedEncoder(load_clip(str(folder)).encoder(), templates)


def test_an_export_gives_what_torch_gives(folder: Path, tmp_path: Path) -> None:
    base = load_clip(str(folder), Size(48, 16))
    encoder = base.encoder()
    images, texts = encoder.embed_images(pixels(3, 48, 16)), encoder.embed_texts(TEXTS)
    bundle = export_base(base, "tiny-clip", tmp_path / "bundle")
    exported = BundleEncoder(bundle)
    np.testing.assert_allclose(exported.embed_images(pixels(3, 48, 16)), images, atol=1e-5)
    np.testing.assert_allclose(exported.embed_texts(TEXTS), texts, atol=1e-5)
    assert (bundle.preprocessing, bundle.max_tokens) == (base.preprocessing, MAX_TOKENS)
    assert bundle.card["base"] == {"name": "tiny-clip", "digest": base.digest}
    graph = onnx.load_from_string(bundle.image_tower.read()).graph
    assert not {"Resize", "If", "Loop"} & {node.op_type for node in graph.node}


def test_evaluate_asks_a_clip_with_a_prompt(folder: Path, tmp_path: Path) -> None:
    drawn_dataset(tmp_path / "drawn")
    options: list[str | Path] = [
        "--data",
        tmp_path / "drawn" / "val",
        "--size",
        "48x16",
        "--prompts",
        "a photo of a person wearing {}",
        "--json",
    ]
    ran = call("evaluate", "--model", folder, *options)
    assert ran.code == 0, ran.err
    document = ran.document
    assert document["queries"] == 32
    assert "a photo of a person wearing {}" in document["model"]
