"""One tower at a time: what stands still does not move, and what it said is what it would say."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from train_small import prepare, started

from passerby.learn.data.augment import Pictures, vary
from passerby.learn.data.batches import draw_batch, resized
from passerby.learn.loop.device import precision
from passerby.learn.loop.run import take_step
from passerby.learn.loop.schedule import set_rates
from passerby.learn.objectives.locked import Locked
from passerby.learn.start import preprocessing_of
from passerby.learn.train import Training, embed_batch, gradients, lock


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Training:
    folder = tmp_path_factory.mktemp("standing")
    prepare(folder)
    return started(folder)


@pytest.mark.parametrize(("learns", "still", "moves"), [("images", "text_tower", "image_tower"), ("words", "image_tower", "text_tower")])
def test_one_tower_learns_and_the_other_stands(run: Training, learns: str, still: str, moves: str) -> None:
    stage = replace(run.config.stages[0], learns=learns)
    preprocessing = preprocessing_of(stage)
    pictures = Pictures(torch.from_numpy(np.stack(list(resized(run.data.records, preprocessing)))), preprocessing)
    locked = lock(run, stage, pictures)
    chosen = np.array([0, 5, 9, 14])
    plain = replace(run.config.pixels, padding=0, flip=0.0, erasing=0.0)
    batch = draw_batch(
        run.data.words,
        run.data.identities,
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
        (images, _), texts, _ = embed_batch(run.model, pictures, batch, locked)
        assert torch.allclose(images, run.model.embed_images(vary(pictures, batch.pictures, batch.variation)), atol=near)
        assert torch.allclose(texts, run.model.embed_texts(batch.ids, batch.mask), atol=near)
    told = locked.texts if learns == "images" else locked.images
    captions = sum(len(group) for words in run.data.words for group in words.values())
    assert told is not None
    assert len(told.embeddings) == len(told.identities) == (captions if learns == "images" else len(pictures.pixels))
    rows = batch.sentences if learns == "images" else batch.pictures
    assert told.identities[rows].tolist() == run.data.identities[chosen].tolist()

    before = {name: tensor.clone() for name, tensor in run.model.state_dict().items()}
    set_rates(run.run.optimiser, 1.0)
    losses = take_step(run.run, batch, partial(gradients, run, stage, pictures, locked), run.data.names)
    changed = {name for name, tensor in run.model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert losses["info_nce"] > 0
    assert {name.split(".")[0] for name in changed} == {moves}, f"the {still} stands still"


def test_nothing_stands_where_both_learn(run: Training) -> None:
    stage = run.config.stages[0]
    assert lock(run, stage, Pictures(torch.zeros((0, 64, 32, 3), dtype=torch.uint8), preprocessing_of(stage))) == Locked()
