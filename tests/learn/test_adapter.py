"""Adapters as folders: on their base alone, merged without a trace, and refused where they are damaged."""

from __future__ import annotations

import json
import resource
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from adapting import CLIP_LORA, COMPACT_LORA, TALL, clip_base, compact_base, how
from click.testing import CliRunner
from clip_folder import write_clip
from peft import PeftModel
from PIL import Image
from small_clip import Exported, drawn_dataset, tokenizer_json
from transformers import CLIPModel, CLIPTokenizer

from passerby import resolve
from passerby.cli.app import app
from passerby.convert.export import export_base
from passerby.errors import ModelError
from passerby.find.query import ask
from passerby.learn.attention import look
from passerby.learn.lora.adapter import MAX_DIFFERENCE, adapter_weights, attach, merge, write_adapter
from passerby.learn.lora.finetune import finetune
from passerby.learn.lora.lora import adapt
from passerby.learn.models.base import Base
from passerby.learn.models.from_bundle import load_base
from passerby.learn.models.model_folder import load_saved
from passerby.measure.evaluation import evaluate
from passerby.media.encode_files import EncodedFile, encode_files
from passerby.model.bundle_encoder import BundleEncoder
from passerby.model.selftest import TEXTS
from passerby.types import Dataset, Split


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP, two adapters on it and one on a compact model, as if they had learnt something. Not to be changed."""
    made = tmp_path_factory.mktemp("adapters")
    write_clip(made / "clip")
    for seed, name in ((1, "mall"), (2, "station")):
        written(clip_base(made / "clip"), made / name, seed)
    written(compact(), made / "compact", 3)
    return made


def compact() -> Base:
    return compact_base(tokenizer_json(TEXTS))


def written(base: Base, folder: Path, seed: int) -> None:
    torch.manual_seed(seed)
    adapted = adapt(base, CLIP_LORA if seed < 3 else COMPACT_LORA)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.05)
    write_adapter(folder, base, adapted.peft_config["default"], adapter_weights(adapted), {"step": 0})


@pytest.fixture
def copied(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder / "mall", tmp_path / "copied"))


@pytest.fixture(scope="module")
def val(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    dataset = drawn_dataset(tmp_path_factory.mktemp("val"))
    return Dataset("drawn", tuple(r for r in dataset.records if r.split is Split.VAL))


def pixels() -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.random.default_rng(0).normal(size=(4, 3, *TALL)).astype(np.float32)


def run(*arguments: str | Path) -> str:
    """What a command prints."""
    ran = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert ran.exit_code == 0, ran.output
    return ran.stdout


class TestAttach:
    def test_adapters_of_several_sites_share_a_base(self, folder: Path) -> None:
        bare = clip_base(folder / "clip").encoder()
        mall, station = (attach(clip_base(folder / "clip"), folder / name).encoder() for name in ("mall", "station"))
        vectors = [encoder.embed_images(pixels()) for encoder in (bare, mall, station)]
        assert all(np.abs(a - b).max() > 1e-3 for a, b in ((vectors[0], vectors[1]), (vectors[1], vectors[2])))
        assert len({encoder.digest for encoder in (bare, mall, station)}) == 3
        assert mall.name == f"{folder / 'clip'} with mall"

    def test_peft_alone_puts_it_on_a_plain_clip(self, folder: Path) -> None:
        plain = PeftModel.from_pretrained(CLIPModel.from_pretrained(folder / "clip"), folder / "mall").eval()
        with torch.inference_mode():
            features = plain.get_image_features(
                pixel_values=torch.from_numpy(pixels()), interpolate_pos_encoding=True
            ).pooler_output.numpy()
        unit = features / np.linalg.norm(features, axis=1, keepdims=True)
        ours = attach(clip_base(folder / "clip"), folder / "mall").encoder().embed_images(pixels())
        np.testing.assert_allclose(ours, unit, atol=1e-5)

    def test_by_name_at_the_size_it_was_trained_with(self, folder: Path) -> None:
        encoder = resolve.load_model(str(folder / "clip"), adapter=folder / "mall")
        assert (encoder.preprocessing.height, encoder.preprocessing.width) == TALL
        other = resolve.load_model(str(folder / "clip"), adapter=folder / "mall", size="32x64")
        assert (other.preprocessing.height, other.preprocessing.width) == (32, 64)

    def test_refused_on_another_base(self, folder: Path, tmp_path: Path) -> None:
        other = clip_base(write_clip(tmp_path / "other", seed=1))
        with pytest.raises(ModelError, match=rf"the base of .*mall: .*clip .*found .*other \({other.digest[:12]}\); name that base"):
            attach(other, folder / "mall")
        with pytest.raises(ModelError, match="the base of"):
            attach(compact(), folder / "mall")

    def test_an_adapter_is_no_model(self, folder: Path) -> None:
        with pytest.raises(ModelError, match=r"found an adapter; name its base with --model, and --adapter"):
            resolve.load_model(str(folder / "mall"))

    def test_a_model_is_no_adapter(self, folder: Path, tmp_path: Path) -> None:
        for model in (folder / "clip", tmp_path, tmp_path / "absent"):
            with pytest.raises(ModelError, match=r"an adapter in .* found no adapter_config\.json"):
                resolve.load_model(str(folder / "clip"), adapter=model)


class TestDamaged:
    @pytest.mark.parametrize("kept", [0, 50, 0.5, 0.999])
    def test_truncated_weights(self, folder: Path, copied: Path, kept: float) -> None:
        weights = copied / "adapter_model.safetensors"
        data = weights.read_bytes()
        weights.write_bytes(data[: int(kept * len(data)) if isinstance(kept, float) else kept])
        with pytest.raises(ModelError, match="whole weights"):
            attach(clip_base(folder / "clip"), copied)

    def test_no_weights_and_a_pickle_in_their_place(self, folder: Path, copied: Path) -> None:
        (copied / "adapter_model.safetensors").rename(copied / "adapter_model.bin")
        with pytest.raises(ModelError, match="whole weights"):
            attach(clip_base(folder / "clip"), copied)

    @pytest.mark.parametrize("change", [{"r": 5}, {"target_modules": ["q_proj"]}, {"target_modules": ["fc1"]}])
    def test_weights_that_its_config_does_not_name(self, folder: Path, copied: Path, change: dict[str, object]) -> None:
        config = copied / "adapter_config.json"
        config.write_text(json.dumps({**json.loads(config.read_text()), **change}))
        with pytest.raises(ModelError, match=r"the weights that .*adapter_config\.json names"):
            attach(clip_base(folder / "clip"), copied)

    @pytest.mark.parametrize("text", ["", "{}", '{"target_modules": ["nothing"], "peft_type": "LORA"}', '{"peft_type": "IA3"}'])
    def test_a_config_of_something_else(self, folder: Path, copied: Path, text: str) -> None:
        (copied / "adapter_config.json").write_text(text)
        with pytest.raises(ModelError, match=r"adapter_config\.json"):
            attach(clip_base(folder / "clip"), copied)

    @pytest.mark.parametrize("text", ["", "[]", "{}", '{"base": 3, "preprocessing": {}}', '{"base": {"name": "a", "digest": "b"}}'])
    def test_a_card_that_says_nothing(self, folder: Path, copied: Path, text: str) -> None:
        (copied / "passerby.json").write_text(text)
        with pytest.raises(ModelError):
            attach(clip_base(folder / "clip"), copied)


class TestPlace:
    @pytest.fixture
    def made(self, folder: Path, tmp_path: Path) -> Path:
        """A model, and an adapter of its base."""
        merge(clip_base(folder / "clip"), folder / "mall", tmp_path / "model")
        shutil.copytree(folder / "mall", tmp_path / "adapter")
        (tmp_path / "link").symlink_to("model")
        return tmp_path

    @pytest.mark.parametrize("out", ["model", "link", "sub/../model"])
    def test_what_a_model_is_made_of_is_not_replaced_by_it(self, made: Path, out: str) -> None:
        (made / "sub").mkdir()
        before = contents(made / "model")
        base = clip_base(made / "model")
        written_on = made / "on"
        written(base, written_on, 1)
        for result in (
            lambda: merge(clip_base(made / "model"), written_on, made / out),
            lambda: finetune(clip_base(made / "model"), made / "no.csv", made / out, how(learns="heads"), print),
            lambda: finetune(clip_base(made / "model"), made / "no.csv", made / out, how(), print),
        ):
            with pytest.raises(ModelError, match=r"to be free, found .*model, which this is made of; name another folder"):
                result()
        assert contents(made / "model") == before

    def test_an_adapter_is_not_replaced_by_what_it_merges_into(self, folder: Path, made: Path) -> None:
        before = contents(made / "adapter")
        with pytest.raises(ModelError, match="adapter, which this is made of"):
            merge(clip_base(folder / "clip"), made / "adapter", made / "adapter")
        assert contents(made / "adapter") == before

    def test_a_table_in_the_folder_of_a_model_is_not_deleted_with_it(self, folder: Path, made: Path) -> None:
        (made / "adapter" / "mine.csv").write_text("path,caption\n")
        with pytest.raises(ModelError, match=r"mine\.csv, which this is made of"):
            finetune(clip_base(folder / "clip"), made / "adapter" / "mine.csv", made / "adapter", how(), print)

    def test_an_adapter_takes_no_models_place_nor_a_model_an_adapters(self, folder: Path, made: Path) -> None:
        with pytest.raises(ModelError, match="to be free, found a model"):
            finetune(clip_base(folder / "clip"), made / "no.csv", made / "model", how(), print)
        with pytest.raises(ModelError, match="to be free, found a model"):
            written(clip_base(folder / "clip"), made / "model", 1)
        with pytest.raises(ModelError, match="to be free, found an adapter"):
            merge(clip_base(folder / "clip"), folder / "mall", made / "adapter")
        written(clip_base(folder / "clip"), made / "adapter", 2)
        merge(clip_base(folder / "clip"), folder / "mall", made / "model")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class TestMerge:
    def test_a_clip_says_the_same_and_loads_in_plain_transformers(self, folder: Path, tmp_path: Path, val: Dataset) -> None:
        adapted = attach(clip_base(folder / "clip"), folder / "mall").encoder()
        before = adapted.embed_images(pixels()), adapted.embed_texts(TEXTS), evaluate(adapted, val).per_query
        assert merge(clip_base(folder / "clip"), folder / "mall", tmp_path / "merged") <= MAX_DIFFERENCE
        merged = resolve.load_model(str(tmp_path / "merged"))
        np.testing.assert_allclose(merged.embed_images(pixels()), before[0], atol=MAX_DIFFERENCE)
        np.testing.assert_allclose(merged.embed_texts(TEXTS), before[1], atol=MAX_DIFFERENCE)
        np.testing.assert_array_equal(evaluate(merged, val).per_query.first_hit_rank, before[2].first_hit_rank)
        plain, base = (CLIPModel.from_pretrained(f) for f in (tmp_path / "merged", folder / "clip"))
        table = "vision_model.embeddings.position_embedding.weight"
        assert plain.state_dict().keys() == base.state_dict().keys()
        assert torch.equal(plain.state_dict()[table], base.state_dict()[table])
        assert CLIPTokenizer.from_pretrained(tmp_path / "merged")("a red hat") == CLIPTokenizer.from_pretrained(folder / "clip")(
            "a red hat"
        )

    def test_a_merged_clip_is_exported_and_searches_by_onnx(self, folder: Path, tmp_path: Path, val: Dataset) -> None:
        """The whole way by commands; the index is searched with the same words that the adapted model in torch is asked."""
        adapted = attach(clip_base(folder / "clip"), folder / "mall").encoder()
        bundle, pictures = tmp_path / "bundle", [str(record.path) for record in val.records]
        words = val.records[0].captions[0].text
        run("merge", folder / "mall", "--out", tmp_path / "merged")
        run("export", tmp_path / "merged", "--name", "mine", "--out", bundle)
        measured = run("evaluate", "--model", bundle, "--data", val.records[0].path.parent, "--json")
        run("index", *pictures, "--model", bundle, "--index", tmp_path / "index")
        found = run("search", words, "-k", str(len(pictures)), "--model", bundle, "--index", tmp_path / "index", "--json")
        assert json.loads(measured)["rank1"] == pytest.approx(evaluate(adapted, val).metrics.rank1.mean)
        scores = {hit["path"]: hit["score"] for hit in json.loads(found)["hits"]}
        vectors = [v.vector for v in encode_files(adapted, [r.path for r in val.records]) if isinstance(v, EncodedFile)]
        expected = np.stack(vectors) @ ask(adapted, words).direction
        np.testing.assert_allclose([scores[path] for path in pictures], expected, atol=1e-4)

    def test_a_bundle_says_the_same_and_is_exported_again(self, exported_clip: Exported, tmp_path: Path) -> None:
        """A model that knows these people, so that their ranking means something."""
        val = Dataset("drawn", tuple(r for r in exported_clip.dataset.records if r.split is Split.VAL))
        written(load_base(exported_clip.bundle), tmp_path / "adapter", 3)
        adapted = attach(load_base(exported_clip.bundle), tmp_path / "adapter").encoder()
        before = adapted.embed_images(pixels()), adapted.embed_texts(TEXTS), evaluate(adapted, val)
        assert merge(load_base(exported_clip.bundle), tmp_path / "adapter", tmp_path / "merged") <= MAX_DIFFERENCE
        base = resolve.load_base(str(tmp_path / "merged"))
        np.testing.assert_allclose(base.encoder().embed_images(pixels()), before[0], atol=MAX_DIFFERENCE)
        np.testing.assert_allclose(base.encoder().embed_texts(TEXTS), before[1], atol=MAX_DIFFERENCE)
        np.testing.assert_array_equal(evaluate(base.encoder(), val).per_query.first_hit_rank, before[2].per_query.first_hit_rank)
        exported = BundleEncoder(export_base(base, "merged", tmp_path / "bundle"))
        np.testing.assert_allclose(exported.embed_texts(TEXTS), before[1], atol=1e-4)

    @pytest.mark.parametrize("name", ["mall", "compact"])
    def test_attention_through_an_adapter_is_that_of_the_merged_model(self, folder: Path, tmp_path: Path, name: str) -> None:
        def base() -> Base:
            return compact() if name == "compact" else clip_base(folder / "clip")

        merge(base(), folder / name, tmp_path / "merged")
        somebody = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 32, 3), np.uint8))
        through, merged = (
            look(m, somebody, TEXTS[0]) for m in (attach(base(), folder / name), resolve.load_base(str(tmp_path / "merged")))
        )
        assert through.similarity == pytest.approx(merged.similarity, abs=1e-5)
        np.testing.assert_allclose(through.places, merged.places, atol=1e-4)

    def test_a_merged_model_can_be_adapted_again_and_is_another_base(self, folder: Path, tmp_path: Path) -> None:
        merge(clip_base(folder / "clip"), folder / "mall", tmp_path / "merged")
        with pytest.raises(ModelError, match="the base of"):
            resolve.load_model(str(tmp_path / "merged"), adapter=folder / "mall")

    def test_its_base_by_the_name_it_had_or_by_another(self, folder: Path, tmp_path: Path) -> None:
        assert resolve.load_base_of(folder / "mall").digest == clip_base(folder / "clip").digest
        moved = shutil.copytree(folder / "clip", tmp_path / "moved")
        assert resolve.load_base_of(folder / "mall", str(moved)).name == str(moved)

    def test_nothing_of_somebody_elses_makes_way(self, folder: Path, tmp_path: Path) -> None:
        (tmp_path / "notes.txt").write_text("mine")
        with pytest.raises(ModelError, match="did not write"):
            merge(clip_base(folder / "clip"), folder / "mall", tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]

    @pytest.mark.parametrize("kind", ["clip", "compact"])
    def test_a_full_disk_leaves_nothing_half_done(self, folder: Path, tmp_path: Path, kind: str) -> None:
        base, adapter = (clip_base(folder / "clip"), "mall") if kind == "clip" else (compact(), "compact")
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
        try:
            with pytest.raises(OSError):
                merge(base, folder / adapter, tmp_path / "merged")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("change", ["truncated", "no tokenizer", "no number"])
    def test_a_damaged_compact_model(self, folder: Path, tmp_path: Path, change: str) -> None:
        merged = tmp_path / "merged"
        merge(compact(), folder / "compact", merged)
        if change == "truncated":
            (merged / "model.safetensors").write_bytes((merged / "model.safetensors").read_bytes()[:-9])
        elif change == "no tokenizer":
            (merged / "tokenizer.json").unlink()
        else:
            card = json.loads((merged / "passerby.json").read_text())
            (merged / "passerby.json").write_text(json.dumps({**card, "max_tokens": "many"}))
        with pytest.raises(ModelError, match="a compact model in"):
            load_saved(merged)
