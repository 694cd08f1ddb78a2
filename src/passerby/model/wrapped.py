"""An encoder around another one: all that is not about its texts stays as it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from passerby.model.calibration import Calibration
from passerby.model.encoder import CountsTokens, Encoder, Seen, attributes_of, see
from passerby.model.preprocess import Preprocessing
from passerby.types import ModelDigest


class WrappedEncoder:
    """What an encoder is, member by member; a kind of it does something else with texts."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self.attributes = attributes_of(encoder)

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

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._encoder.embed_texts(texts)

    def tokens_cut(self, text: str) -> int:
        return self._encoder.tokens_cut(text) if isinstance(self._encoder, CountsTokens) else 0

    def characters_read(self, text: str) -> int:
        return self._encoder.characters_read(text) if isinstance(self._encoder, CountsTokens) else len(text)
