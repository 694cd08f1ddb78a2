"""`finetune --attributes`: a base that says nothing of what is worn gets a head for it, and else stays as it is, to the bit."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from adapting import clip_base, compact_base, how
from click.testing import CliRunner
from clip_folder import write_clip
from numpy.typing import NDArray
from safetensors.torch import load_file, save
from small_clip import drawn_dataset, small_clip
from train_small import prepare
from transformers import CLIPModel

from passerby.cli.app import app
from passerby.convert.export import export_base
from passerby.convert.graph import read_tower
from passerby.convert.quantize import convert_tower
from passerby.data.datasets import load_dataset
from passerby.errors import ConfigError, ModelError
from passerby.learn.config import Losses
from passerby.learn.lora.adaptation import Adaptation, adaptation
from passerby.learn.lora.adapter import attach, merge
from passerby.learn.lora.finetune import finetune
from passerby.learn.models.attribute_head import AttributeHead, save_head
from passerby.learn.models.base import Base
from passerby.learn.models.clip import HEAD, load_clip
from passerby.learn.models.model_folder import load_saved
from passerby.measure.evaluation import Evaluation, evaluate
from passerby.measure.worn import worn_in
from passerby.model.bundle_encoder import BundleEncoder
from passerby.model.encoder import Seen
from passerby.model.onnx import start_session
from passerby.resolve import load_model
from passerby.types import Precision, Split
from passerby.words.attributes import NAMES

ALONE = Losses(sdm=0.0, info_nce=0.0, identity=0.0, attributes=1.0, attributes_unsaid=1.0)


def fitting(**changes: Any) -> Adaptation:
    """A head's six steps, two drawn people among what they learn from."""
    given = {"learns": "attributes", "losses": ALONE, "drawn": 2, "head_dropout": 0.2, "optimiser": {"head_rate": 5e-3}}
    return how(**(given | changes))


def fit(base: Base, data: Path, out: Path, say: Callable[[str], None] = lambda _: None) -> Path:
    return finetune(base, data, out, fitting(), say).folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP, drawn people, and that CLIP with a head in ``fitted``. Not to be changed."""
    made = tmp_path_factory.mktemp("fitting")
    prepare(made)
    write_clip(made / "clip", layers=1)
    fit(clip_base(made / "clip"), made / "drawn", made / "fitted")
    return made


def pixels(base: Base, n: int = 5) -> NDArray[np.float32]:
    p = base.preprocessing
    return np.random.default_rng(0).normal(size=(n, 3, p.height, p.width)).astype(np.float32)


def seen_by(base: Base) -> Seen:
    return base.encoder().see(pixels(base))


# What it reads


def test_a_head_on_a_clip_reads_the_class_token_and_means_of_patches_by_stripes(folder: Path) -> None:
    """Of eight rows of four patches each, two make a stripe; all after the last layer norm."""
    base = clip_base(folder / "clip")
    x = torch.from_numpy(pixels(base))
    with torch.inference_mode():
        plain = CLIPModel.from_pretrained(folder / "clip").eval().vision_model
        tokens = plain.post_layernorm(plain(pixel_values=x, interpolate_pos_encoding=True).last_hidden_state)
        rows = tokens[:, 1:].reshape(len(x), 8, 4, -1)
        parts = [rows[:, first:end].flatten(1, 2).mean(dim=1) for first, end in ((0, 8), (0, 2), (2, 4), (4, 6), (6, 8))]
        pooled = base.model.image_tower.pool(x)
    assert pooled.shape == (len(x), base.model.image_tower.pooled)
    assert torch.allclose(pooled, torch.cat([tokens[:, 0], *parts], dim=1), atol=1e-5)


# What comes out


def test_vectors_stay_to_the_bit_and_plain_transformers_reads_the_folder(folder: Path) -> None:
    before, after = clip_base(folder / "clip"), clip_base(folder / "fitted")
    assert after.model.attributes == NAMES
    assert np.array_equal(seen_by(before).vectors, seen_by(after).vectors)
    assert np.array_equal(before.encoder().embed_texts(["a red hat"]), after.encoder().embed_texts(["a red hat"]))
    log_odds = seen_by(after).log_odds
    assert log_odds.shape == (5, len(NAMES))
    assert log_odds.std(axis=0).max() > 1e-3, "it tells pictures apart"
    plain, report = CLIPModel.from_pretrained(folder / "fitted", output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    original = CLIPModel.from_pretrained(folder / "clip").state_dict()
    assert all(torch.equal(tensor, original[name]) for name, tensor in plain.state_dict().items())


def test_the_folder_is_named_by_all_that_is_in_it(folder: Path) -> None:
    bare, fitted = clip_base(folder / "clip"), clip_base(folder / "fitted")
    assert bare.digest != fitted.digest
    assert fitted.made_of["base"] == {"name": str(folder / "clip"), "digest": bare.digest}
    assert fitted.made_of["captioned_pictures"] == 16, "drawn people are nobody's pictures"
    assert fitted.made_of["recipe"]["learns"] == "attributes"


def test_it_is_the_best_on_val_and_says_what_val_was_told(folder: Path) -> None:
    evaluation = judged(str(folder / "fitted"), folder / "drawn")
    rows = [line for line in (folder / "fitted.run" / "log.jsonl").read_text().splitlines() if "attributes_auc" in line]
    assert len(rows) == 1 + 3, "one of them before the first step"
    best = max(float(row.split('"attributes_auc": ')[1].split(",")[0]) for row in rows[1:])
    assert worn_in(evaluation.split, NAMES).auc == pytest.approx(best, abs=0.5)


def test_a_val_too_small_to_judge_by_is_said_and_the_last_step_kept(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "drawn", tmp_path / "drawn")
    table = tmp_path / "drawn" / "captions.jsonl"
    rows = table.read_text().splitlines()
    val = [row for row in rows if '"split": "val"' in row]
    table.write_text("\n".join([row for row in rows if row not in val] + val[:1] + val[-1:]))
    said: list[str] = []
    out = fit(clip_base(folder / "clip"), tmp_path / "drawn", tmp_path / "out", said.append)
    assert "step 0  val has too few pictures of any attribute to judge by: the last step is kept" in said
    assert not any("Rank-1" in line for line in said)
    assert read_card_of(out)["step"] == 6


def read_card_of(model: Path) -> dict[str, Any]:
    stated: dict[str, Any] = json.loads((model / "passerby.json").read_text())["made_of"]
    return stated


def judged(model: str, data: Path, size: str = "64x32") -> Evaluation:
    return evaluate(load_model(model, size=size), load_dataset(data, {Split.VAL}))


@pytest.mark.parametrize("form", ["folded", "as it trains"])
def test_a_compact_model_without_a_head_gets_one_too(folder: Path, tmp_path: Path, form: str) -> None:
    tokenizer = (folder / "tokenizer.json").read_bytes()
    base = compact_base(tokenizer)
    base = base if form == "folded" else replace(base, model=small_clip(tokenizer).eval().requires_grad_(False))
    vectors = seen_by(base).vectors
    fitted = load_saved(fit(base, folder / "drawn", tmp_path / "fitted"))
    assert fitted.model.attributes == NAMES
    assert np.array_equal(seen_by(fitted).vectors, vectors)
    assert np.ptp(seen_by(fitted).log_odds) > 1, "some things are worn more often than others"


# Runs


def test_a_run_that_was_cut_off_ends_as_an_undisturbed_one(folder: Path, tmp_path: Path) -> None:
    def interrupt(line: str) -> None:
        if line.startswith("step 4  val"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(clip_base(folder / "clip"), folder / "drawn", tmp_path / "cut", interrupt)
    assert not (tmp_path / "cut").exists()
    whole = (folder / "fitted" / HEAD).read_bytes()
    for _ in ("going on", "nothing left to do"):
        fit(clip_base(folder / "clip"), folder / "drawn", tmp_path / "cut")
        assert (tmp_path / "cut" / HEAD).read_bytes() == whole


# Where it goes


def test_an_adapter_on_it_keeps_the_head_and_merges_with_it(folder: Path, tmp_path: Path) -> None:
    losses = Losses(identity=0.0, attributes=1.0)
    finetune(clip_base(folder / "fitted"), folder / "drawn", tmp_path / "lora", how(steps=2, losses=losses), lambda _: None)
    adapted = attach(clip_base(folder / "fitted"), tmp_path / "lora")
    assert adapted.model.attributes == NAMES
    assert np.abs(seen_by(adapted).vectors - seen_by(clip_base(folder / "fitted")).vectors).max() > 1e-4, "it learnt something"
    with pytest.raises(ModelError, match="the base of"):
        attach(clip_base(folder / "clip"), tmp_path / "lora")
    merge(clip_base(folder / "fitted"), tmp_path / "lora", tmp_path / "merged")
    merged = load_clip(str(tmp_path / "merged"))
    assert (tmp_path / "merged" / HEAD).read_bytes() == (folder / "fitted" / HEAD).read_bytes()
    np.testing.assert_allclose(seen_by(merged).log_odds, seen_by(adapted).log_odds, atol=1e-3)


def test_it_goes_through_onnx_in_every_precision(folder: Path, tmp_path: Path) -> None:
    base = clip_base(folder / "fitted")
    x, expected = pixels(base, 16), base.encoder().see(pixels(base, 16))
    bundle = export_base(base, "fitted", tmp_path / "float")
    assert bundle.attributes == NAMES
    seen = BundleEncoder(bundle, threads=1).see(x)
    np.testing.assert_allclose(seen.log_odds, expected.log_odds, atol=1e-3)
    feeds = [{"pixel_values": picture[None]} for picture in x]
    for precision in Precision:
        tower = convert_tower(read_tower(bundle.image_tower), feeds, precision)
        (found,) = start_session(tower.SerializeToString(), 1).run(["worn"], {"pixel_values": x})
        assert np.corrcoef(found.ravel(), expected.log_odds.ravel())[0, 1] > 0.99


def test_the_shipped_clip_learns_what_others_wear_by_one_command_and_filters_by_it(tmp_path: Path) -> None:
    """Val's people are others than those learnt from; 50 is chance."""
    drawn_dataset(tmp_path / "data", people=40, views=1)
    merge_splits(tmp_path / "data")
    few = ("--set", "drawn=20", "--steps", "60", "--set", "judge_every=60")
    told = passerby(
        "finetune", "--attributes", "--base", "passerby-clip-tiny", "--data", tmp_path / "data", "--out", tmp_path / "worn", *few
    )
    assert float(re.findall(r"AUC ([\d.]+) of \d+ attributes", told)[-1]) > 62
    assert "Rank-1" not in told, "vectors stay as they are"
    passerby("index", tmp_path / "data" / "val", "--model", tmp_path / "worn", "--index", tmp_path / "index")
    asked = passerby("search", "a person", "--hat", "--model", tmp_path / "worn", "--index", tmp_path / "index", "--json")
    assert '"relative": false' in asked


def merge_splits(folder: Path) -> None:
    """One table of the two that :func:`drawn_dataset` writes."""
    rows = [
        line.replace('"path": "', f'"path": "{split}/').replace('"id": "', f'"id": "{split} ')
        for split in ("train", "val")
        for line in (folder / split / "captions.jsonl").read_text().splitlines()
    ]
    (folder / "captions.jsonl").write_text("\n".join(rows))


def passerby(*arguments: str | Path) -> str:
    done = CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


# What is refused


def test_a_base_that_has_a_head_says_so(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match=rf"found .*fitted, which says it of {len(NAMES)} attributes; use it as it is, or adapt it without"
    ):
        fit(clip_base(folder / "fitted"), folder / "drawn", tmp_path / "again")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "told"),
    [(("--learns", "lora"), "found --learns"), (("--rank", "4"), "nothing of LoRA with learns = attributes, found rank")],
)
def test_lora_does_not_learn_beside_it(folder: Path, tmp_path: Path, options: tuple[str, ...], told: str) -> None:
    where = ("--base", folder / "clip", "--data", folder / "drawn", "--out", tmp_path / "out")
    with pytest.raises(ConfigError, match=told):
        passerby("finetune", "--attributes", *options, *where)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"losses": Losses(identity=0.0, attributes=1.0)}, "losses of 0 but for that of attributes"),
        ({"losses": replace(ALONE, attributes=0.0)}, r"losses\.attributes above 0"),
        ({"keep": 0.5}, "keep of 1"),
        ({"learns": "lora", "losses": Losses(identity=0.0)}, "drawn of 0"),
        ({"head_dropout": 1.0}, "head_dropout from 0, below 1"),
    ],
)
def test_a_recipe_that_makes_no_sense(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        fitting(**changes)


def test_the_preset_fits_a_head_as_ours_was_learnt(folder: Path) -> None:
    preset = adaptation(clip_base(folder / "clip"), learns="attributes")
    assert (preset.learns, preset.keep, preset.drawn, preset.losses.info_nce, preset.optimiser.head_rate) == (
        "attributes",
        1.0,
        1000,
        0.0,
        5e-4,
    )


def truncated(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:200])


def of_another_tower(file: Path) -> None:
    head = AttributeHead(7, 2)
    head.fold()
    save_head(file, head, NAMES[:2])


def without_names(file: Path) -> None:
    file.write_bytes(save(load_file(file)))


@pytest.mark.parametrize("damage", [truncated, of_another_tower, without_names])
def test_a_damaged_head_is_refused(folder: Path, tmp_path: Path, damage: Callable[[Path], None]) -> None:
    fitted = tmp_path / "fitted"
    shutil.copytree(folder / "fitted", fitted)
    damage(fitted / HEAD)
    with pytest.raises(ModelError, match=r"a head for attributes of 192 means .*; get the model again, or fit it again with"):
        load_clip(str(fitted))
