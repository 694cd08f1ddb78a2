"""The head for attributes learns alone: the towers stay as they are to the bit, and val keeps the epoch that tells best who wears what."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from small_clip import MAX_TOKENS, PREPROCESSING, Exported, pictures, small_clip
from train_small import config, prepare

from passerby.cli.app import app
from passerby.convert.gates import MAX_LOSS
from passerby.errors import ConfigError
from passerby.learn.config import MODEL, Dropout, Losses, Optimiser, Stage, TrainConfig
from passerby.learn.data.augment import Pictures
from passerby.learn.data.batches import resized
from passerby.learn.models.compact import CompactClip, fold_batch_norm
from passerby.learn.models.model_folder import load_saved, save_model
from passerby.learn.objectives.locked import locked_means
from passerby.learn.start import starting_model
from passerby.learn.train import Training, finish, train
from passerby.learn.train import prepare as begin
from passerby.model.bundle import read_bundle
from passerby.types import Split
from passerby.words.attributes import NAMES

ALONE = Losses(sdm=0.0, info_nce=0.0, identity=0.0, attributes=1.0, attributes_unsaid=1.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("alone")
    prepare(made)
    return made


def alone(folder: Path, out: str, epochs: int = 3) -> TrainConfig:
    how = Optimiser(batch_size=4, head_rate=5e-3, weight_decay=0.1, warm_up=0.0)
    stages = (Stage(64, 32, epochs, learns="attributes", drawn=1, losses=ALONE),)
    return replace(config(folder, out), stages=stages, attributes=True, dropout=Dropout(attributes=0.5), optimiser=how)


def started(folder: Path, out: str) -> Training:
    tokenizer = (folder / "tokenizer.json").read_bytes()
    return begin(alone(folder, out), small_clip(tokenizer), tokenizer, lambda _: None)


def towers(model: CompactClip) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items() if ".worn." not in name}


def test_only_the_head_learns(folder: Path) -> None:
    training = started(folder, "run")
    before, head = towers(training.model), training.model.image_tower.worn
    assert head is not None
    weight = head.projection.weight.detach().clone()
    finish(training)
    for model in (training.model, training.judged):
        after = towers(model)
        assert after.keys() == before.keys()
        assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert float((head.projection.weight.detach() - weight).abs().mean()) > 1e-3
    rows = [json.loads(line) for line in (folder / "run" / "log.jsonl").read_text().splitlines()]
    aucs = [row["val"]["attributes_auc"] for row in rows if "val" in row]
    assert len(aucs) == 3
    assert training.run.state.best == max(aucs) != rows[-1]["val"]["rank1"]


def test_a_run_that_was_cut_off_goes_on_along_the_same_curve(folder: Path) -> None:
    def killed() -> None:
        raise KeyboardInterrupt

    whole, cut = started(folder, "whole"), started(folder, "cut")
    finish(whole)
    cut.run.optimiser.register_step_pre_hook(lambda *_: killed() if cut.run.state.step == 6 else None)
    with pytest.raises(KeyboardInterrupt):
        finish(cut)
    again = started(folder, "cut")
    assert again.run.state.step == 6
    finish(again)
    assert all(torch.equal(a, b) for a, b in zip(again.model.state_dict().values(), whole.model.state_dict().values(), strict=True))


def test_the_means_are_those_of_the_pictures_as_they_are(folder: Path) -> None:
    training, lines = started(folder, "means"), list[str]()
    records = training.data.records
    shown = Pictures(torch.from_numpy(np.stack(list(resized(records, PREPROCESSING)))), PREPROCESSING)
    tower = training.model.image_tower
    found = locked_means(tower, shown, lines.append).means
    assert found is not None
    assert found.dtype == torch.float16
    with torch.no_grad():
        expected = tower.eval().pool(torch.from_numpy(pictures(records)))
    assert torch.allclose(found.float(), expected, atol=2e-3)
    assert lines == [f"{len(records)} of {len(records)} pictures pooled"]


@pytest.mark.parametrize("kind", ["model", "bundle"])
def test_it_starts_from_a_model_or_a_bundle_and_keeps_its_vectors(folder: Path, exported_clip: Exported, tmp_path: Path, kind: str) -> None:
    start = exported_clip.bundle.folder
    if kind == "model":
        start, about = tmp_path / "start", {"max_tokens": 24, "preprocessing": PREPROCESSING, "temperature": 0.05, "made_of": {}}
        save_model(start, exported_clip.model, tokenizer=exported_clip.tokenizer, **about)  # type: ignore[arg-type]
    how = replace(alone(folder, str(tmp_path / "run"), epochs=1), start=str(start))
    original, _ = starting_model(how)
    train(how, lambda _: None)
    learnt = load_saved(tmp_path / "run" / MODEL).model
    assert isinstance(learnt, CompactClip)
    assert learnt.attributes == NAMES
    pixels = torch.from_numpy(pictures(exported_clip.dataset.records))
    with torch.no_grad():
        vectors = learnt.eval().embed_images(pixels)
        assert torch.equal(vectors, original.eval().embed_images(pixels)), "the same form"
        folded = fold_batch_norm(exported_clip.model)
        assert torch.allclose(vectors, folded.embed_images(pixels), atol=1e-4), "rounding"


def test_such_a_stage_stands_alone(folder: Path) -> None:
    how = alone(folder, "refused")
    with pytest.raises(ConfigError, match="one stage"):
        replace(how, stages=(*how.stages, Stage(64, 32, 1)))
    with pytest.raises(ConfigError, match="attributes = true"):
        replace(how, attributes=False)
    with pytest.raises(ConfigError, match="losses of 0"):
        Stage(64, 32, 1, learns="attributes", losses=Losses(attributes=1.0))


def the_same_people_twice(exported: Exported, folder: Path) -> Path:
    """To learn from the very pictures that val asks of: what is learnt of so few is then sure enough for a gate."""
    rows = []
    for split in (Split.TRAIN, Split.VAL):
        for record in (r for r in exported.dataset.records if r.split is Split.VAL):
            path = f"{split}/{record.path.name}"
            (folder / split).mkdir(parents=True, exist_ok=True)
            shutil.copy(record.path, folder / path)
            rows += [{"path": path, "caption": c.text, "id": f"{split} {record.identity}", "split": split} for c in record.captions]
    (folder / "captions.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


def test_the_command_line_trains_exports_and_quantises_it(exported_clip: Exported, tmp_path: Path) -> None:
    """With captions, gates and names of attributes as they come: no command needs to be told of them."""
    data = the_same_people_twice(exported_clip, tmp_path / "data")
    losses = "{ sdm = 0, info_nce = 0, identity = 0, attributes = 1, attributes_unsaid = 1 }"
    (tmp_path / "worn.toml").write_text(
        f'data = "{data}"\nout = "run"\nstart = "{exported_clip.bundle.folder}"\nattributes = true\njudge_every = 20\n'
        f"words = {{ max_tokens = {MAX_TOKENS} }}\noptimiser = {{ head_rate = 5e-3, batch_size = 8, warm_up = 0 }}\n"
        f'[[stages]]\nheight = 64\nwidth = 32\nepochs = 20\nlearns = "attributes"\nlosses = {losses}\n'
    )

    def passerby(*arguments: str | Path) -> str:
        done = CliRunner().invoke(app, list(map(str, arguments)))
        assert done.exit_code == 0, done.output
        return done.output

    told = passerby("train", tmp_path / "worn.toml")
    assert re.search(r"val AUC [\d.]+ of \d+ attributes", told), "and no Rank-1, which cannot change"
    passerby("export", tmp_path / "run" / MODEL, "--out", tmp_path / "float")
    told = passerby("quantize", tmp_path / "float", "--data", data, "--precision", "fp16", "--out", tmp_path / "half")
    assert "mean AUC of attributes" in told
    passerby("build-engine", tmp_path / "half", "--check")
    half = read_bundle(tmp_path / "half")
    assert half.attributes == NAMES
    assert half.card["quantization"]["auc_change"]["low"] >= -MAX_LOSS  # type: ignore[index]
