"""What a text tower is told to say of captions, against a loop that spells it out, and a stage that learns it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from test_batches import STILL
from torch.nn import functional as F
from train_small import prepare, started

from passerby.errors import ConfigError
from passerby.learn.config import Losses, Stage, Told, Words
from passerby.learn.data.augment import Pictures
from passerby.learn.data.batches import draw_batch, resized
from passerby.learn.loop.run import take_step
from passerby.learn.loop.schedule import set_rates
from passerby.learn.objectives.cross_batch_memory import Candidates
from passerby.learn.objectives.told import what_to_say
from passerby.learn.start import preprocessing_of
from passerby.learn.train import gradients, lock

NOTHING_ELSE = Losses(sdm=0.0, info_nce=0.0, identity=0.0, told=1.0, told_finds=0.3)


def candidates(seed: int, people: list[int]) -> Candidates:
    vectors = torch.randn(len(people), 6, generator=torch.Generator().manual_seed(seed))
    return Candidates(F.normalize(vectors, dim=1), torch.tensor(people))


@pytest.mark.parametrize("how", [Told(0.0, 0.0), Told(0.5, 0.0), Told(0.0, 0.7), Told(0.3, 0.3)])
def test_each_caption_counts_with_its_persons_others_and_pictures(how: Told) -> None:
    texts, images = candidates(0, [0, 1, 0, 2, 0]), candidates(1, [0, 1, 1, 3])
    told = what_to_say(texts, images, how)
    everybody = images.embeddings.mean(dim=0)
    for row, person in enumerate(texts.identities.tolist()):
        others = [v for n, v in enumerate(texts.embeddings) if texts.identities[n] == person and n != row]
        pictures = [v - everybody for v, who in zip(images.embeddings, images.identities.tolist(), strict=True) if who == person]
        wanted = texts.embeddings[row].clone()
        wanted += how.person * torch.stack(others).mean(dim=0) if others else 0
        wanted += how.pictures * F.normalize(torch.stack(pictures).sum(dim=0), dim=0) if pictures else 0
        assert torch.allclose(told[row], F.normalize(wanted, dim=0), atol=1e-6)


def test_the_text_tower_alone_learns_what_it_is_told(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("told")
    prepare(folder)
    run = started(folder)
    stage = replace(run.config.stages[0], learns="words", losses=NOTHING_ELSE)
    preprocessing = preprocessing_of(stage)
    pictures = Pictures(torch.from_numpy(np.stack(list(resized(run.data.records, preprocessing)))), preprocessing)
    locked = lock(run, stage, pictures)
    chosen = np.arange(8)
    words = Words(dropout=0.5, dense=0.0)
    batch = draw_batch(
        run.data.words,
        run.data.identities,
        chosen,
        size=(stage.height, stage.width),
        how_pixels=STILL,
        how_words=words,
        swaps=0,
        rng=np.random.default_rng(0),
    )
    before = {name: tensor.clone() for name, tensor in run.model.state_dict().items()}
    set_rates(run.run.optimiser, 1.0)
    losses = [take_step(run.run, batch, partial(gradients, run, stage, pictures, locked), run.data.names) for _ in range(12)]
    assert set(losses[0]) == {"told", "told_finds"}
    assert losses[-1]["told"] < losses[0]["told"]
    changed = {name.split(".")[0] for name, tensor in run.model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {"text_tower"}
    again = lock(run, stage, pictures)
    assert locked.told is not None
    assert again.told is not None
    assert torch.allclose(again.told, locked.told, atol=1e-5), "a run that goes on is told the same"


@pytest.mark.parametrize("learns", ["both", "images", "attributes"])
def test_nobody_is_told_where_not_words_learn_alone(learns: str) -> None:
    with pytest.raises(ConfigError, match="told"):
        Stage(64, 32, 1, learns=learns, losses=NOTHING_ELSE)
