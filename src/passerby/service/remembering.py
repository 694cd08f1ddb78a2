"""An encoder that remembers: what was asked a moment ago is asked again, by the next page of it and by the next person."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from typing import Final

import numpy as np
from numpy.typing import NDArray

from passerby.model.calibration import Calibration
from passerby.model.encoder import CountsTokens, Encoder, Seen, attributes_of, see
from passerby.model.preprocess import Preprocessing
from passerby.types import ModelDigest

TEXTS: Final = 4096
"""Vectors that are kept: 8 MB at a length of 512."""


class RememberingEncoder:
    """An encoder with the vectors of the texts that were asked last; what it gives is what the encoder gives.

    Safe to use from many threads, where the encoder is.

    Args:
        texts: how many are kept, at least one.
    """

    def __init__(self, encoder: Encoder, texts: int = TEXTS) -> None:
        self._encoder = encoder
        self.attributes = attributes_of(encoder)
        self._kept = texts
        self._vectors: OrderedDict[str, NDArray[np.float32]] = OrderedDict()
        self._lock = Lock()

    @property
    def name(self) -> str:
        return self._encoder.name

    @property
    def digest(self) -> ModelDigest:
        return self._encoder.digest

    @property
    def dim(self) -> int:
        return self._encoder.dim

    @property
    def preprocessing(self) -> Preprocessing:
        return self._encoder.preprocessing

    @property
    def calibration(self) -> Calibration | None:
        return self._encoder.calibration

    def embed_images(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        return self._encoder.embed_images(pixels)

    def see(self, pixels: NDArray[np.float32]) -> Seen:
        return see(self._encoder, pixels)

    def tokens_cut(self, text: str) -> int:
        return self._encoder.tokens_cut(text) if isinstance(self._encoder, CountsTokens) else 0

    def characters_read(self, text: str) -> int:
        return self._encoder.characters_read(text) if isinstance(self._encoder, CountsTokens) else len(text)

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors float32 (n, d), each of length 1; those of new texts in one run of the tower."""
        found = self._recall(texts)
        if new := [text for text in dict.fromkeys(texts) if text not in found]:
            found |= zip(new, self._encoder.embed_texts(new), strict=True)
        self._remember(found)
        return np.stack([found[text] for text in texts]) if texts else np.empty((0, self.dim), np.float32)

    def _recall(self, texts: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        with self._lock:
            return {text: self._vectors[text] for text in texts if text in self._vectors}

    def _remember(self, found: dict[str, NDArray[np.float32]]) -> None:
        with self._lock:
            for text, vector in found.items():
                self._vectors[text] = vector
                self._vectors.move_to_end(text)
            while len(self._vectors) > self._kept:
                self._vectors.popitem(last=False)
