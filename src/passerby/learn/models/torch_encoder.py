"""A torch model behind the runtime's Encoder protocol, so that training is judged by the code that serves."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from passerby.errors import ModelError
from passerby.learn.data.batches import pad
from passerby.learn.models.dual_encoder import DualEncoder
from passerby.model.calibration import Calibration
from passerby.model.encoder import Seen
from passerby.model.preprocess import Preprocessing
from passerby.model.tokenizer import characters_read, tokens_cut, unicode_only
from passerby.types import ModelDigest

Float32 = NDArray[np.float32]


def load_tokenizer(data: bytes, max_tokens: int) -> Tokenizer:
    """A ``tokenizer.json`` that cuts to ``max_tokens`` and does not pad. Raises ``ModelError`` for one that is damaged."""
    try:
        tokenizer = Tokenizer.from_buffer(data)
    except Exception as error:  # the library raises plain Exception
        raise ModelError(expected="a tokenizer.json", found=" ".join(str(error).split())[:200], do="get the model's again") from None
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_tokens)
    return tokenizer


class TorchEncoder:
    """A model in evaluation mode; its weights do not change while this is in use.

    Args:
        tokenizer: cuts to the longest sentence wanted, does not pad.
        precision: ``torch.bfloat16`` for speed during training, ``torch.float32`` for reference.
    """

    def __init__(
        self,
        model: DualEncoder,
        tokenizer: Tokenizer,
        preprocessing: Preprocessing,
        precision: torch.dtype = torch.float32,
        name: str = "passerby-s (torch)",
    ) -> None:
        self.name = name
        self.preprocessing = preprocessing
        self.calibration: Calibration | None = None
        self.dim = model.dim
        self.attributes = model.attributes
        self._model = model.eval()
        self._tokenizer = tokenizer
        self._precision = precision
        self._device = next(model.parameters()).device

    @cached_property
    def digest(self) -> ModelDigest:
        """SHA-256 of the preprocessing, of the names of attributes and of the weights, by name."""
        sha = hashlib.sha256(json.dumps(self.preprocessing.to_json()).encode())
        if self.attributes:
            sha.update(json.dumps(self.attributes).encode())
        for name, tensor in sorted(self._model.state_dict().items()):
            sha.update(name.encode())
            sha.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return ModelDigest(sha.hexdigest())

    def embed_images(self, pixels: Float32) -> Float32:
        return self.see(pixels).vectors

    @torch.inference_mode()
    def see(self, pixels: Float32) -> Seen:
        x = torch.from_numpy(pixels).to(self._device).contiguous(memory_format=torch.channels_last)
        with self._autocast():
            return Seen(*(part.cpu().numpy() for part in self._model.see(x)))

    @torch.inference_mode()
    def embed_texts(self, texts: Sequence[str]) -> Float32:
        if not texts:
            return np.empty((0, self.dim), np.float32)
        ids, mask = pad([e.ids for e in self._tokenizer.encode_batch([unicode_only(text) for text in texts])])
        with self._autocast():
            return self._model.embed_texts(ids.to(self._device), mask.to(self._device)).cpu().numpy()

    def tokens_cut(self, text: str) -> int:
        """How many tokens at the end of a text are over the tokenizer's limit and not read."""
        return tokens_cut(self._tokenizer.encode(unicode_only(text)))

    def characters_read(self, text: str) -> int:
        """How many characters of a text are within it."""
        return characters_read(text, self._tokenizer.encode(unicode_only(text)))

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self._device.type, self._precision, enabled=self._precision is not torch.float32)
