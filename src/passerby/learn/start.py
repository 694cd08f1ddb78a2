"""What a run of ``passerby train`` starts from: pretrained towers, the model of another run, or a bundle's."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from passerby.data.datasets import load_dataset
from passerby.learn.config import Stage, TrainConfig
from passerby.learn.data.batches import resized
from passerby.learn.models.attribute_head import STRIPES
from passerby.learn.models.base import files_digest
from passerby.learn.models.batch_norm import unfold_batch_norm
from passerby.learn.models.compact import WEIGHTS, CompactClip
from passerby.learn.models.from_bundle import load_compact
from passerby.learn.models.model_folder import TOKENIZER, read_compact
from passerby.learn.models.pretrained import load_lite0, load_minilm, minilm_folder
from passerby.model.bundle import read_bundle
from passerby.model.manifest import MANIFEST
from passerby.model.preprocess import Preprocessing, normalise
from passerby.types import ModelDigest, Split

NORMALISATION = (0.5, 0.5, 0.5)
"""Mean and standard deviation of the pixels EfficientNet-Lite was trained on."""
SETTLING = 128
"""Pictures at most whose statistics a folded model's new batch norms start with."""


def starting_model(config: TrainConfig) -> tuple[CompactClip, bytes]:
    """The model that ``start`` names, or the pretrained towers with new projections; and its ``tokenizer.json``.

    A folded model, such as a bundle's, gets batch norms.

    Raises:
        ModelError: ``start`` is the folder of neither a bundle nor a compact model.
    """
    start = Path(config.start)
    if not config.start:
        model = CompactClip()
        load_lite0(model.image_tower)
        load_minilm(model.text_tower)
        return model, (minilm_folder() / TOKENIZER).read_bytes()
    if (start / MANIFEST).exists():
        bundle = read_bundle(start)
        model, tokenizer = load_compact(bundle), bundle.tokenizer.read()
    else:
        model, tokenizer = read_compact(start), (start / TOKENIZER).read_bytes()
    if model.image_tower.folded:
        model.image_tower = unfold_batch_norm(model.image_tower, pictures_to_settle(config), STRIPES)
    return model, tokenizer


def start_digest(config: TrainConfig) -> ModelDigest | None:
    """Of the weights that ``start`` names; ``None`` where a run starts from the pretrained towers. Raises ``ModelError``, ``OSError``."""
    start = Path(config.start)
    if not config.start:
        return None
    return read_bundle(start).digest if (start / MANIFEST).exists() else files_digest([start / WEIGHTS])


def pictures_to_settle(config: TrainConfig) -> Tensor:
    """Some training pictures, evenly spread over the dataset, as the first stage shows them; ``float32 (n, 3, h, w)``."""
    records = load_dataset(Path(config.data), {Split.TRAIN}).records
    preprocessing = preprocessing_of(config.stages[0])
    pictures = np.stack(list(resized(records[:: math.ceil(len(records) / SETTLING)], preprocessing)))
    return torch.from_numpy(normalise(pictures, preprocessing)).contiguous(memory_format=torch.channels_last)


def preprocessing_of(stage: Stage) -> Preprocessing:
    return Preprocessing(stage.height, stage.width, NORMALISATION, NORMALISATION)
