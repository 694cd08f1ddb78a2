"""What a model is to the rest of Passerby: pixels or words in, vectors of one shared space out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from passerby.errors import ModelError
from passerby.inputs import wrong
from passerby.model.calibration import Calibration
from passerby.model.preprocess import Preprocessing
from passerby.types import ModelDigest


class Seen(NamedTuple):
    """What an image tower gives for n pictures.

    Args:
        vectors: float32 (n, d), each of length 1.
        log_odds: float32 (n, a), of each attribute being worn; a is 0 for a model without attributes.
    """

    vectors: NDArray[np.float32]
    log_odds: NDArray[np.float32]


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
class SeesAttributes(Protocol):
    """An encoder whose image tower may also say what is worn."""

    @property
    def attributes(self) -> tuple[str, ...]:
        """Names of the columns of the log-odds; empty for a model that says nothing of what is worn."""
        ...

    def see(self, pixels: NDArray[np.float32]) -> Seen:
        """Vectors and log-odds of pictures float32 (n, 3, h, w), in one run of the tower."""
        ...


def attributes_of(encoder: Encoder) -> tuple[str, ...]:
    """Names of what a model says of what is worn; empty where it says nothing."""
    names: tuple[str, ...] = getattr(encoder, "attributes", ())  # which is asked often: a look at the protocol takes ten times as long
    return names


def see(encoder: Encoder, pixels: NDArray[np.float32]) -> Seen:
    """What any encoder's image tower gives for pictures float32 (n, 3, h, w), in one run of it."""
    if isinstance(encoder, SeesAttributes) and encoder.attributes:
        return encoder.see(pixels)
    return Seen(encoder.embed_images(pixels), np.empty((len(pixels), 0), np.float32))


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


def finite_log_odds(worn: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """A tower's output ``worn``, as it is.

    Args:
        worn: float32.
        shape: (n, a), what ``worn`` must have.

    Raises:
        ModelError: another shape, or a number that is not finite.
    """
    if worn.shape != shape:
        raise ModelError(expected=f"log-odds of shape {shape}", found=f"shape {worn.shape}", do="export the model again")
    if not np.isfinite(worn).all():
        do = "export the model again, or update the driver"
        raise ModelError(expected="finite log-odds of what is worn", found="NaN or infinite ones", do=do)
    return worn


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
