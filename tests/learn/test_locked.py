"""One tower at a time: what stands still does not move, and what it said is what it would say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from train_small import prepare, started

from passerby.learn.data.augment import Pictures, vary
from passerby.learn.data.batches import draw_batch, resized
from passerby.learn.start import preprocessing_of
from passerby.learn.train import Run, embed_batch, precision, stand_still, take_step


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("standing")
    prepare(folder)
    return started(folder)


@pytest.mark.parametrize(("learns", "still", "moves"), [("images", "text_tower", "image_tower"), ("words", "image_tower", "text_tower")])
def test_one_tower_learns_and_the_other_stands(run: Run, learns: str, still: str, moves: str) -> None:
    stage = replace(run.config.stages[0], learns=learns)
    preprocessing = preprocessing_of(stage)
    pictures = Pictures(torch.from_numpy(np.stack(list(resized(run.training.records, preprocessing)))), preprocessing)
    standing = stand_still(run, stage, pictures)
    chosen = np.array([0, 5, 9, 14])
    plain = replace(run.config.pixels, padding=0, flip=0.0, erasing=0.0)
    batch = draw_batch(
        run.training.words,
        run.training.identities,
        chosen,
        size=(stage.height, stage.width),
        how_pixels=plain,
        how_words=replace(run.config.words, dropout=0.0),
        swaps=0,
        rng=np.random.default_rng(0),
    )
    run.model.eval()
    near = 1e-5 if precision(run.device) is torch.float32 else 3e-3
    with torch.no_grad():
        images, texts, _ = embed_batch(run.model, pictures, batch, standing)
        assert torch.allclose(images, run.model.embed_images(vary(pictures, batch.pictures, batch.variation)), atol=near)
        assert torch.allclose(texts, run.model.embed_texts(batch.ids, batch.mask), atol=near)
    told = standing.texts if learns == "images" else standing.images
    captions = sum(len(group) for words in run.training.words for group in words.values())
    assert told is not None
    assert len(told.embeddings) == len(told.identities) == (captions if learns == "images" else len(pictures.pixels))
    rows = batch.sentences if learns == "images" else batch.pictures
    assert told.identities[rows].tolist() == run.training.identities[chosen].tolist()

    before = {name: tensor.clone() for name, tensor in run.model.state_dict().items()}
    for group in run.optimiser.param_groups:
        group["lr"] = 1e-3
    losses = take_step(run.trained, run.optimiser, pictures, batch, stage, standing, 5.0)
    changed = {name for name, tensor in run.model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert losses["info_nce"] > 0
    assert {name.split(".")[0] for name in changed} == {moves}, f"the {still} stands still"


def test_nothing_stands_where_both_learn(run: Run) -> None:
    stage = run.config.stages[0]
    assert stand_still(run, stage, Pictures(torch.zeros((0, 64, 32, 3), dtype=torch.uint8), preprocessing_of(stage))) == (None, None)
