"""A model as adapters know it: its towers in torch, how it wants pictures and words, and the digest it is named by."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch

from passerby.errors import ModelError
from passerby.learn.models.dual_encoder import DualEncoder
from passerby.learn.models.torch_encoder import TorchEncoder, load_tokenizer
from passerby.model.preprocess import Preprocessing
from passerby.types import ModelDigest

CARD = "passerby.json"
"""The file in a folder of weights that says what only Passerby wants to know of them."""
ADAPTER_CONFIG = "adapter_config.json"
"""PEFT's file, by which a folder is an adapter's and not a model's."""


class Size(NamedTuple):
    """Of a tower's input, in pixels."""

    height: int
    width: int


@dataclass(frozen=True, slots=True, eq=False)
class Base:
    """A model that can be adapted.

    Args:
        name: as ``--model`` takes it.
        digest: of the weights of record: a bundle's manifest, or a CLIP's files; the same whatever the input's size;
            empty where it was not saved yet.
        model: in float32, in evaluation mode, without gradients.
        tokenizer: a ``tokenizer.json``.
        max_tokens: of a text, special tokens included.
        temperature: what cosines are divided by when it learns further; a CLIP's own.
        files: what else belongs into a folder with its weights, by name.
        made_of: where it comes from, as far as its folder says.
        folder: where its files are; ``None`` where it was not loaded from a folder of weights.
    """

    name: str
    digest: ModelDigest
    model: DualEncoder
    tokenizer: bytes
    max_tokens: int
    preprocessing: Preprocessing
    temperature: float
    files: Mapping[str, bytes] = field(default_factory=dict)
    made_of: Mapping[str, Any] = field(default_factory=dict)
    folder: Path | None = None

    def encoder(self, precision: torch.dtype = torch.float32) -> TorchEncoder:
        """The model as everything that measures or searches takes it."""
        return TorchEncoder(self.model, load_tokenizer(self.tokenizer, self.max_tokens), self.preprocessing, precision, name=self.name)


def files_digest(paths: Iterable[Path]) -> ModelDigest:
    """SHA-256 of the names and digests of files, in the order of their names."""
    sha = hashlib.sha256()
    for path in sorted(paths):
        with path.open("rb") as file:
            sha.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return ModelDigest(sha.hexdigest())


def made_of_in(card: Mapping[str, Any]) -> dict[str, Any]:
    """Where a card says that its model comes from; empty where it does not."""
    stated = card.get("made_of")
    return stated if isinstance(stated, dict) else {}


def read_json(path: Path) -> dict[str, Any]:
    """A file with a JSON object. Raises ``ModelError`` for anything else."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        found = str(error.strerror).lower() if isinstance(error, OSError) else f"{error}"
        raise ModelError(expected=f"{path} with a JSON object", found=found, do="get it again") from None
    if not isinstance(value, dict):
        raise ModelError(expected=f"{path} with a JSON object", found=type(value).__name__, do="get it again")
    return value
