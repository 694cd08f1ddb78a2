"""An encoder that remembers: what was asked a moment ago is asked again, by the next page of it and by the next person."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from typing import Final

import numpy as np
from numpy.typing import NDArray

from passerby.model.encoder import Encoder
from passerby.model.wrapped import WrappedEncoder

TEXTS: Final = 4096
"""Vectors that are kept: 8 MB at a length of 512."""


class RememberingEncoder(WrappedEncoder):
    """An encoder with the vectors of the texts that were asked last; what it gives is what the encoder gives.

    Safe to use from many threads, where the encoder is.

    Args:
        texts: how many are kept, at least one.
    """

    def __init__(self, encoder: Encoder, texts: int = TEXTS) -> None:
        super().__init__(encoder)
        self._kept = texts
        self._vectors: OrderedDict[str, NDArray[np.float32]] = OrderedDict()
        self._lock = Lock()

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
