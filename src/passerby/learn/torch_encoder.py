"""A torch model behind the runtime's Encoder protocol, so that training is judged by the code that serves."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from passerby.learn.batches import pad
from passerby.learn.compact import CompactClip
from passerby.model.calibration import Calibration
from passerby.model.preprocess import Preprocessing
from passerby.types import ModelDigest

Float32 = NDArray[np.float32]


class TorchEncoder:
    """A ``CompactClip`` in evaluation mode.

    Args:
        tokenizer: cuts to the longest sentence wanted, does not pad.
        precision: ``torch.bfloat16`` for speed during training, ``torch.float32`` for reference.
    """

    def __init__(
        self, model: CompactClip, tokenizer: Tokenizer, preprocessing: Preprocessing, precision: torch.dtype = torch.float32
    ) -> None:
        self.name = "passerby-s (torch)"
        self.preprocessing = preprocessing
        self.calibration: Calibration | None = None
        self.dim: int = model.image_tower.projection.out_features
        self._model = model.eval()
        self._tokenizer = tokenizer
        self._precision = precision
        self._device = next(model.parameters()).device

    @property
    def digest(self) -> ModelDigest:
        """SHA-256 of the weights, by name."""
        sha = hashlib.sha256()
        for name, tensor in sorted(self._model.state_dict().items()):
            sha.update(name.encode())
            sha.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return ModelDigest(sha.hexdigest())

    @torch.inference_mode()
    def embed_images(self, pixels: Float32) -> Float32:
        x = torch.from_numpy(pixels).to(self._device).contiguous(memory_format=torch.channels_last)
        with self._autocast():
            return self._model.embed_images(x).cpu().numpy()

    @torch.inference_mode()
    def embed_texts(self, texts: Sequence[str]) -> Float32:
        if not texts:
            return np.empty((0, self.dim), np.float32)
        ids, mask = pad([e.ids for e in self._tokenizer.encode_batch(list(texts))])
        with self._autocast():
            return self._model.embed_texts(ids.to(self._device), mask.to(self._device)).cpu().numpy()

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self._device.type, self._precision, enabled=self._precision is not torch.float32)
