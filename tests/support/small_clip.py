"""A small ``CompactClip`` that knows the drawn people it was given, made in a second, and its export."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from torch import Tensor

from passerby.convert.export import export
from passerby.data.datasets import load_dataset
from passerby.data.synthetic import sample_person, write_gallery
from passerby.learn.data.batches import pad
from passerby.learn.models.compact import CompactClip, TextConfig
from passerby.learn.models.torch_encoder import load_tokenizer
from passerby.measure.worn import labels_of
from passerby.media.photo import read_image
from passerby.model.bundle import Bundle
from passerby.model.preprocess import Preprocessing, normalise, resize
from passerby.model.selftest import TEXTS
from passerby.types import Dataset, Origin, Record, Split

HEIGHT, WIDTH, DIM, MAX_TOKENS = 64, 32, 48, 40
WORN = ("upper:tan", "hair:black", "feet:boot")
"""What some of the val people of :func:`drawn_dataset` wear, and some do not."""
PREPROCESSING = Preprocessing(HEIGHT, WIDTH, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@dataclass(frozen=True, slots=True)
class Exported:
    """A model in training form, its tokenizer, the float32 bundle exported from it and a dataset with train and val."""

    model: CompactClip
    tokenizer: bytes
    bundle: Bundle
    dataset: Dataset


def drawn_dataset(folder: Path, people: int = 8, views: int = 2) -> Dataset:
    """Some people to train on, as many others to validate with; each picture has two captions."""
    records: list[Record] = []
    for first, split in ((0, Split.TRAIN), (100, Split.VAL)):
        write_gallery(folder / split, [sample_person(first + i) for i in range(people)], first, views=views, height=HEIGHT, split=split)
        records += load_dataset(folder / split).records
    return Dataset("drawn", tuple(records))


def tokenizer_json(texts: Sequence[str]) -> bytes:
    """Whole words between [CLS] and [SEP]."""
    words = sorted({word for text in texts for word, _ in Whitespace().pre_tokenize_str(text.lower())})
    tokenizer = Tokenizer(WordLevel({w: i for i, w in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *words])}, unk_token="[UNK]"))
    tokenizer.normalizer = Lowercase()
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return tokenizer.to_str().encode()


def small_clip(tokenizer: bytes, seed: int = 0, attributes: Sequence[str] = ()) -> CompactClip:
    """Random weights, none like another, as after training; a text tower of two layers."""
    torch.manual_seed(seed)
    vocabulary = Tokenizer.from_buffer(tokenizer).get_vocab_size()
    model = CompactClip(TextConfig(vocabulary, width=96, layers=2, feed_forward=128, positions=MAX_TOKENS), DIM, attributes=attributes)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(0.1 * torch.randn(parameter.shape))
    return model


def exported(folder: Path, attributes: Sequence[str] = ()) -> Exported:
    """A model whose batch norms have settled on the dataset and whose projections place each val person's pictures and words at a
    point of their own, and know what their captions say of these attributes, exported."""
    dataset = drawn_dataset(folder)
    tokenizer = tokenizer_json([*TEXTS, *(c.text for r in dataset.records for c in r.captions)])
    model = small_clip(tokenizer, attributes=attributes)
    teach(model, tokenizer, [r for r in dataset.records if r.split is Split.VAL])
    bundle = export(model, tokenizer, PREPROCESSING, folder / "float", name="small", max_tokens=MAX_TOKENS, card={"purpose": "tests"})
    return Exported(model, tokenizer, bundle, dataset)


@torch.no_grad()
def teach(model: CompactClip, tokenizer: bytes, records: Sequence[Record]) -> None:
    """Least squares onto a random point of each person, in place."""
    pixels = torch.from_numpy(pictures(records))
    ids, mask = tokens(tokenizer, [c.text for r in records for c in r.captions])
    point = {identity: torch.randn(DIM) for identity in sorted({r.identity for r in records})}
    settle(model, pixels)
    model.eval()
    tower = model.image_tower
    pooled = tower.pool(pixels)
    solve(tower.projection, tower.neck(pooled), torch.stack([point[r.identity] for r in records]))
    if tower.worn is not None:
        worn = labels_of(records, model.attributes, (Origin.OWN,)) > 0
        solve(tower.worn.projection, tower.worn.norm(pooled), torch.from_numpy(4 * worn.astype(np.float32) - 2))

    text = model.text_tower
    text.mean_projection.weight.zero_()
    text.mean_projection.bias.zero_()
    text.max_projection.weight.mul_(0.1)
    wanted = torch.stack([point[r.identity] for r in records for _ in r.captions]) - text(ids, mask)
    means: list[Tensor] = []
    hook = text.mean_projection.register_forward_pre_hook(lambda _, inputs: means.append(inputs[0]))
    text(ids, mask)
    hook.remove()
    solve(text.mean_projection, means[0], wanted)


@torch.no_grad()
def settle(model: CompactClip, pixels: Tensor) -> None:
    """Batch norms take the statistics of these pictures."""
    for norm in model.modules():
        if isinstance(norm, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            norm.momentum = 1.0
    model.train().image_tower(pixels)


def solve(layer: torch.nn.Linear, inputs: Tensor, outputs: Tensor, ridge: float = 1e-2) -> None:
    """Ridge regression, without regard to the bias, which becomes the outputs' mean."""
    centre, offset = inputs.mean(dim=0), outputs.mean(dim=0)
    x, y = inputs - centre, outputs - offset
    gram = x @ x.T
    weight = (torch.linalg.solve(gram + ridge * gram.diagonal().mean() * torch.eye(len(x)), y).T) @ x
    layer.weight.copy_(weight)
    layer.bias.copy_(offset - weight @ centre)


def pictures(records: Sequence[Record]) -> NDArray[np.float32]:
    p = PREPROCESSING
    return normalise(np.stack([resize(read_image(r.path), p.height, p.width, p.resample) for r in records]), p)


def tokens(tokenizer: bytes, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
    return pad([e.ids for e in load_tokenizer(tokenizer, MAX_TOKENS).encode_batch(list(texts))])
