"""What a run of ``passerby train`` starts from: pretrained towers, the best model of another run, or a bundle's."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from passerby.data.datasets import load_dataset
from passerby.errors import ModelError
from passerby.learn.config import Stage, TrainConfig
from passerby.learn.data.batches import resized
from passerby.learn.models.batch_norm import unfold_batch_norm
from passerby.learn.models.compact import STRIPES, CompactClip, build_like
from passerby.learn.models.from_bundle import load_compact
from passerby.learn.models.pretrained import load_lite0, load_minilm, minilm_folder
from passerby.model.bundle import read_bundle
from passerby.model.preprocess import Preprocessing, normalise
from passerby.types import Split

NORMALISATION = (0.5, 0.5, 0.5)
"""Mean and standard deviation of the pixels EfficientNet-Lite was trained on."""
BEST = "best.pt"
TOKENIZER = "tokenizer.json"
SETTLING = 128
"""Pictures at most whose statistics a folded model's new batch norms start with."""


def starting_model(config: TrainConfig) -> CompactClip:
    """The best model of the run that ``start`` names, the model of the bundle, or the pretrained towers with new projections.

    A bundle's model is folded; it gets batch norms.
    """
    start = Path(config.start)
    if config.start and (start / BEST).exists():
        return load_best(start)[0]
    if config.start:
        model = load_compact(read_bundle(start))
        model.image_tower = unfold_batch_norm(model.image_tower, pictures_to_settle(config), STRIPES)
        return model
    model = CompactClip()
    load_lite0(model.image_tower)
    load_minilm(model.text_tower)
    return model


def pictures_to_settle(config: TrainConfig) -> Tensor:
    """Some training pictures, evenly spread over the dataset, as the first stage shows them; ``float32 (n, 3, h, w)``."""
    records = load_dataset(Path(config.data), {Split.TRAIN}).records
    preprocessing = preprocessing_of(config.stages[0])
    pictures = np.stack(list(resized(records[:: math.ceil(len(records) / SETTLING)], preprocessing)))
    return torch.from_numpy(normalise(pictures, preprocessing)).contiguous(memory_format=torch.channels_last)


def load_best(run: Path) -> tuple[CompactClip, Preprocessing]:
    """The best model that a run's folder holds, and the input it was judged with.

    Raises:
        ModelError: the run has not kept a model yet.
    """
    kept = run / BEST
    if not kept.exists():
        raise ModelError(expected=f"a trained model at {kept}", found="none", do="run `passerby train` with this config first")
    state = torch.load(kept, weights_only=True, map_location="cpu")
    model = build_like(state["model"])
    model.load_state_dict(state["model"])
    return model, Preprocessing.from_json(state["preprocessing"])


def tokenizer_json(config: TrainConfig) -> bytes:
    """The tokenizer of the run or bundle that a run starts from, or of the pretrained text tower."""
    start = Path(config.start)
    if config.start and (start / BEST).exists():
        return (start / TOKENIZER).read_bytes()
    if config.start:
        return read_bundle(start).tokenizer.read()
    return (minilm_folder() / TOKENIZER).read_bytes()


def preprocessing_of(stage: Stage) -> Preprocessing:
    return Preprocessing(stage.height, stage.width, NORMALISATION, NORMALISATION)
