"""A model as adapters know it: its towers in torch, how it wants pictures and words, and the digest it is named by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch

from passerby.learn.torch_encoder import TorchEncoder, load_tokenizer
from passerby.model.preprocess import Preprocessing
from passerby.types import ModelDigest

if TYPE_CHECKING:
    from passerby.learn.clip import Clip
    from passerby.learn.compact import CompactClip

CARD = "passerby.json"
"""The file in a folder of weights that says what only Passerby wants to know of them."""


class Size(NamedTuple):
    """Of a tower's input, in pixels."""

    height: int
    width: int


@dataclass(frozen=True, slots=True, eq=False)
class Base:
    """A model that can be adapted.

    Args:
        name: as ``--model`` takes it.
        digest: of the weights of record: a bundle's manifest, or a CLIP's files; the same whatever the input's size.
        model: in float32, in evaluation mode, without gradients.
        tokenizer: a ``tokenizer.json``.
        max_tokens: of a text, special tokens included.
        temperature: what the cosines of its contrastive loss were divided by.
    """

    name: str
    digest: ModelDigest
    model: CompactClip | Clip
    tokenizer: bytes
    max_tokens: int
    preprocessing: Preprocessing
    temperature: float

    def encoder(self, precision: torch.dtype = torch.float32) -> TorchEncoder:
        """The model as everything that measures or searches takes it."""
        return TorchEncoder(self.model, load_tokenizer(self.tokenizer, self.max_tokens), self.preprocessing, precision, name=self.name)
