"""What a model is to the rest of Passerby: pixels or words in, vectors of one shared space out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from passerby.errors import ModelError
from passerby.inputs import wrong
from passerby.model.calibration import Calibration
from passerby.model.preprocess import Preprocessing
from passerby.types import ModelDigest


class Encoder(Protocol):
    """A pair of towers, whatever runs them."""

    @property
    def name(self) -> str: ...

    @property
    def digest(self) -> ModelDigest: ...

    @property
    def dim(self) -> int:
        """d, the length of a vector."""
        ...

    @property
    def preprocessing(self) -> Preprocessing: ...

    @property
    def calibration(self) -> Calibration | None:
        """From a score of words to a probability; ``None`` for a model that was not calibrated."""
        ...

    def embed_images(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Vectors float32 (n, d), each of length 1, of pictures float32 (n, 3, h, w) as :func:`normalise` makes them."""
        ...

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors float32 (n, d), each of length 1; (0, d) for no texts."""
        ...


def as_encoder(value: object) -> Encoder:
    """The value, if it encodes pictures and words. Raises ``InputError``."""
    if isinstance(value, type) or not all(callable(getattr(value, name, None)) for name in ("embed_images", "embed_texts")):
        raise wrong(value, "a model", 'load it: load_model("passerby-s")')
    return cast(Encoder, value)


def encode_texts(encoder: Encoder, texts: Sequence[str], batch_size: int = 64) -> NDArray[np.float32]:
    """Vectors of texts, float32 (n, d), each of length 1."""
    batches = [encoder.embed_texts(texts[start : start + batch_size]) for start in range(0, len(texts), batch_size)]
    return np.concatenate([np.empty((0, encoder.dim), np.float32), *batches])


@runtime_checkable
class CountsTokens(Protocol):
    """A model that says how much of a text it does not read."""

    @property
    def name(self) -> str: ...

    def tokens_cut(self, text: str) -> int:
        """How many tokens at the end of a text are over the model's limit."""
        ...

    def characters_read(self, text: str) -> int:
        """How many characters of a text are within it."""
        ...


def unit_vectors(features: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """A tower's output scaled to length 1 row by row.

    Args:
        features: float32.
        shape: (n, d), what ``features`` must have.

    Returns:
        float32 (n, d).

    Raises:
        ModelError: another shape, or a row that has no direction (not finite, or zero).
    """
    if features.shape != shape:
        raise ModelError(expected=f"vectors of shape {shape}", found=f"shape {features.shape}", do="export the model again")
    length = np.linalg.norm(features, axis=1, keepdims=True)
    if not np.all(np.isfinite(length) & (length > 0)):
        found = "NaN, infinite or zero ones"
        raise ModelError(expected="vectors that have a direction", found=found, do="export the model again, or update the driver")
    unit: NDArray[np.float32] = features / length
    return unit
