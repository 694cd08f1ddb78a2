"""Learning what is worn: its loss, a run from captions to a head, and a head that stays true when a model learns further."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from adapting import COMPACT_LORA, compact_base, how
from numpy.typing import NDArray
from small_clip import MAX_TOKENS, PREPROCESSING, WORN, Exported, pictures, small_clip, tokenizer_json
from torch import Tensor
from torch.nn import functional as F
from train_small import config, prepare

from passerby.errors import ConfigError
from passerby.learn.config import MODEL, Dropout, Losses, Pixels, Stage, TrainConfig
from passerby.learn.lora.adaptation import adaptation
from passerby.learn.lora.adapter import attach, merge
from passerby.learn.lora.finetune import finetune
from passerby.learn.models.base import Base
from passerby.learn.models.batch_norm import unfold_batch_norm
from passerby.learn.models.compact import fold_batch_norm
from passerby.learn.models.dual_encoder import DualEncoder, with_attributes
from passerby.learn.models.model_folder import load_saved
from passerby.learn.objectives.losses import worn, worn_as_before
from passerby.learn.train import finish
from passerby.learn.train import prepare as begin
from passerby.types import ModelDigest
from passerby.words.attributes import NAMES


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("attributes")
    prepare(made)
    return made


# The loss


def test_the_loss_is_a_mean_over_what_is_said_and_a_little_of_what_is_not() -> None:
    log_odds, labels = torch.tensor([[2.0, -1.0, 0.5]]), torch.tensor([[1.0, 0.0, torch.nan]])
    softplus = [float(F.softplus(torch.tensor(x))) for x in (-2.0, -1.0, 0.5)]
    assert float(worn(log_odds, labels, 0.0)) == pytest.approx((softplus[0] + softplus[1]) / 2)
    assert float(worn(log_odds, labels, 0.1)) == pytest.approx((softplus[0] + softplus[1] + 0.1 * softplus[2]) / 2.1)


@pytest.mark.parametrize("labels", [torch.full((2, 3), torch.nan), torch.empty((2, 0))])
def test_where_nothing_is_said_there_is_nothing_to_learn(labels: Tensor) -> None:
    log_odds = torch.zeros(labels.shape, requires_grad=True)
    loss = worn(log_odds, labels, 0.0)
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(loss.detach()) == 0
    assert log_odds.grad is not None
    assert bool((log_odds.grad == 0).all())


def test_what_was_said_before_is_best_said_again() -> None:
    before = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    log_odds = before.clone().requires_grad_()
    worn_as_before(log_odds, before).backward()  # type: ignore[no-untyped-call]
    assert log_odds.grad is not None
    assert float(log_odds.grad.abs().max()) < 1e-6
    assert worn_as_before(before + 1, before) > worn_as_before(before, before)
    assert float(worn_as_before(before[:, :0], before[:, :0])) == 0


# The head


def test_a_head_for_other_names_goes_on_from_those_that_it_knows() -> None:
    model, others = small_clip(tokenizer_json(["a"]), attributes=WORN), ("upper:green", WORN[2], WORN[0])
    other = with_attributes(model, others)
    assert (model.attributes, other.attributes) == (WORN, others)
    pixels = torch.randn(3, 3, 64, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        a, b = model.eval().see(pixels), other.eval().see(pixels)
    assert torch.equal(a.vectors, b.vectors)
    assert torch.allclose(a.log_odds[:, [2, 0]], b.log_odds[:, [1, 2]], atol=1e-6)
    assert with_attributes(other, other.attributes) is other


def test_unfolding_keeps_what_the_head_says(exported_worn: Exported) -> None:
    pixels = torch.from_numpy(pictures(exported_worn.dataset.records[:8]))
    folded = fold_batch_norm(exported_worn.model)
    unfolded = fold_batch_norm(exported_worn.model)
    unfolded.image_tower = unfold_batch_norm(folded.image_tower, pixels, 4)
    assert isinstance(unfolded.image_tower.neck, torch.nn.BatchNorm1d)
    assert unfolded.image_tower.state_dict().keys() == exported_worn.model.image_tower.state_dict().keys()
    with torch.no_grad():
        assert torch.allclose(unfolded.eval().see(pixels).log_odds, folded.see(pixels).log_odds, atol=1e-3)


# Training


def taught(folder: Path, out: str) -> TrainConfig:
    """An epoch of both towers, then one of the words alone."""
    losses = Losses(sdm=0.0, identity=0.0, attributes=0.5, attributes_unsaid=0.2)
    stages = (Stage(64, 32, 1, losses=losses), Stage(64, 32, 1, learns="words", losses=losses))
    return replace(config(folder, out), stages=stages, attributes=True, dropout=Dropout(attributes=0.2))


def test_a_run_learns_attributes_from_captions_and_keeps_their_names(folder: Path) -> None:
    tokenizer = (folder / "tokenizer.json").read_bytes()
    lines: list[str] = []
    start = small_clip(tokenizer)
    training = begin(taught(folder, "run"), start, tokenizer, lines.append)
    assert training.labels.shape == (len(training.data.records), len(NAMES))
    head = training.model.image_tower.worn
    assert head is not None
    before = head.projection.weight.detach().clone()
    finish(training)
    assert float((head.projection.weight.detach() - before).abs().max()) > 1e-4
    assert any(re.search(r"Rank-1 .* AUC \d+\.\d\d of \d+ attributes", line) for line in lines)
    rows = [json.loads(line) for line in (folder / "run" / "log.jsonl").read_text().splitlines()]
    assert any(0 <= row["val"]["attributes_auc"] <= 100 for row in rows if "val" in row)
    assert load_saved(folder / "run" / MODEL).model.attributes == NAMES


def test_other_names_are_another_run(folder: Path) -> None:
    tokenizer = (folder / "tokenizer.json").read_bytes()
    run = config(folder, "names")
    training = begin(run, small_clip(tokenizer, attributes=WORN), tokenizer, print)
    training.run.checkpoint.write(training.run.state)
    with pytest.raises(ConfigError, match="attribute_names"):
        begin(run, small_clip(tokenizer, attributes=("upper:green", *WORN[1:])), tokenizer, print)


def test_a_config_that_says_nothing_of_attributes_keeps_those_of_its_start(folder: Path) -> None:
    tokenizer = (folder / "tokenizer.json").read_bytes()
    training = begin(config(folder, "on"), small_clip(tokenizer, attributes=WORN), tokenizer, print)
    assert training.model.attributes == WORN


def test_attributes_without_a_loss_are_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"losses\.attributes above 0"):
        replace(config(folder, "x"), attributes=True)


# Learning further


def distance(a: DualEncoder, b: DualEncoder, pixels: NDArray[np.float32]) -> tuple[float, float]:
    """How far two models are apart: in vectors, in log-odds."""
    with torch.no_grad():
        seen_a, seen_b = (model.eval().see(torch.from_numpy(pixels)) for model in (a, b))
    return float((seen_a.vectors - seen_b.vectors).abs().mean()), float((seen_a.log_odds - seen_b.log_odds).abs().mean())


def base_of(exported: Exported) -> Base:
    model = fold_batch_norm(exported.model)
    return Base("worn", ModelDigest("1" * 64), model, exported.tokenizer, MAX_TOKENS, PREPROCESSING, temperature=0.05)


def test_the_preset_keeps_a_head_true(exported_worn: Exported) -> None:
    assert adaptation(base_of(exported_worn)).losses.attributes > 0


def test_an_adapter_keeps_the_head_true_and_merges_with_it(folder: Path, exported_worn: Exported, tmp_path: Path) -> None:
    """It learns from the very pictures that are looked at afterwards, so that nothing but what it learns moves the head."""
    original, pixels = fold_batch_norm(exported_worn.model), pictures(exported_worn.dataset.records[:16])
    still: dict[str, Any] = {"lora": replace(COMPACT_LORA, dropout=0.0), "pixels": Pixels(padding=0, flip=0.0, erasing=0.0)}
    moved = {}
    for weight in (0.0, 50.0):
        out, losses = tmp_path / f"{weight}", Losses(identity=0.0, attributes=weight)
        recipe = how(**still, losses=losses, steps=24, judge_every=24, chunk=6)
        finetune(base_of(exported_worn), folder / "drawn", out, recipe, lambda _: None)
        adapted = attach(base_of(exported_worn), out).model
        moved[weight] = distance(original, adapted, pixels)
    assert min(vectors for vectors, _ in moved.values()) > 1e-3, "it learnt something"
    assert moved[50.0][1] < 0.8 * moved[0.0][1]
    merge(base_of(exported_worn), out, tmp_path / "merged")
    merged = load_saved(tmp_path / "merged").model
    assert merged.attributes == WORN
    assert distance(adapted, merged, pixels)[1] < 1e-3


def test_weights_of_its_own_that_learn_keep_the_head_in_the_folder(folder: Path, exported_worn: Exported, tmp_path: Path) -> None:
    losses = Losses(identity=0.0, attributes=1.0)
    out = finetune(
        base_of(exported_worn), folder / "drawn", tmp_path / "all", how(learns="all", steps=2, losses=losses), lambda _: None
    ).folder
    assert load_saved(out).model.attributes == WORN


def test_a_model_without_attributes_learns_as_before(folder: Path, tmp_path: Path) -> None:
    base = compact_base((folder / "tokenizer.json").read_bytes())
    finetune(base, folder / "drawn", tmp_path / "a", how(lora=COMPACT_LORA, steps=2, losses=Losses(identity=0.0, attributes=1.0)), print)
    rows = (tmp_path / "a.run" / "log.jsonl").read_text()
    assert "attributes" not in rows
