"""Three golden pictures and three golden texts by which a tower proves itself before it is trusted.

A broken export or driver often gives plausible nonsense, such as one constant vector. The manifest carries what the
towers gave when the bundle was made; each tower must give it again, on this machine, before its first real input.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from passerby.errors import ModelError
from passerby.model.encoder import Seen
from passerby.model.preprocess import Preprocessing, normalise

MIN_AGREEMENT: Final = 0.99
"""Least cosine between a vector and the one in the manifest."""
MAX_LIKENESS: Final = 0.999
"""Greatest cosine between the vectors of two golden inputs."""
MIN_APART: Final = 0.01
"""Least distance between the log-odds of two golden pictures, as the root of the mean of squares over attributes."""
MAX_OFF: Final = 0.25
"""Greatest such distance of log-odds from those in the manifest, as a share of that between the two golden pictures that are most alike."""

TEXTS: Final = (
    "a man wearing a red jacket, a black cap and brown shoes",
    "the woman has long blonde hair and carries a white handbag",
    "a child in a yellow raincoat, blue jeans and green boots",
)

SeeImages = Callable[[NDArray[np.float32]], Seen]
EmbedTexts = Callable[[Sequence[str]], NDArray[np.float32]]


@dataclass(frozen=True, slots=True, eq=False)
class SelfTest:
    """Golden texts, the vectors float32 (3, d) of them and of the golden pictures, and the log-odds float32 (3, a) of the pictures."""

    texts: tuple[str, ...]
    text_vectors: NDArray[np.float32]
    image_vectors: NDArray[np.float32]
    worn: NDArray[np.float32] = field(default_factory=lambda: np.empty((3, 0), np.float32))

    @classmethod
    def from_json(cls, value: object, dim: int, attributes: int = 0) -> SelfTest:
        """The inverse of :meth:`to_json`. Raises ``ModelError`` for anything else."""
        if not isinstance(value, Mapping):
            raise _malformed("self_test to be an object", repr(value)[:80])
        texts = value.get("texts")
        if not isinstance(texts, list) or len(texts) != 3 or not all(isinstance(text, str) for text in texts):
            raise _malformed("three self_test texts", repr(texts)[:80])
        worn = _numbers(value, "worn", attributes) if attributes else np.empty((3, 0), np.float32)
        return cls(tuple(texts), _vectors(value, "text_vectors", dim), _vectors(value, "image_vectors", dim), worn)

    def to_json(self) -> dict[str, object]:
        """Vectors and log-odds are rounded to five decimals."""
        vectors = {"text_vectors": _rounded(self.text_vectors), "image_vectors": _rounded(self.image_vectors)}
        return {"texts": list(self.texts), **vectors, **({"worn": _rounded(self.worn)} if self.worn.size else {})}


def golden_images(height: int, width: int) -> NDArray[np.uint8]:
    """Colour blocks, slanted stripes and noise: uint8 (3, height, width, 3), the same bytes on every machine."""
    y, x = np.mgrid[:height, :width].astype(np.uint32)
    channel = np.arange(3, dtype=np.uint32)
    y, x = y[..., None], x[..., None]
    blocks = (y * 4 // height * 83 + x * 2 // width * 149 + channel * 101) % 256
    stripes = (y * 256 // height * (channel + 1) + x * 128 // width) % 256
    noise = ((y * 73856093) ^ (x * 19349663) ^ (channel * 83492791)) * 2654435761 >> 24
    return np.stack([blocks, stripes, noise]).astype(np.uint8)


def measure(see: SeeImages, embed_texts: EmbedTexts, preprocessing: Preprocessing) -> SelfTest:
    """The self-test of a model that is known to be good; asked once, when its bundle is made.

    Args:
        see, embed_texts: as in :class:`~passerby.model.encoder.SeesAttributes`.

    Raises:
        ModelError: the model does not tell the golden inputs apart.
    """
    seen, text_vectors = see(_golden_pixels(preprocessing)), embed_texts(TEXTS)
    _require_distinct("image tower", seen.vectors)
    _require_distinct("text tower", text_vectors)
    if seen.log_odds.size:
        _require_apart(seen.log_odds)
    return SelfTest(TEXTS, text_vectors, seen.vectors, seen.log_odds)


def check_images(see: SeeImages, test: SelfTest, preprocessing: Preprocessing) -> None:
    """Raises ``ModelError`` unless the image tower gives the manifest's vectors and log-odds for the golden pictures."""
    seen = see(_golden_pixels(preprocessing))
    _require_agreement("image tower", seen.vectors, test.image_vectors)
    if test.worn.size:
        _require_near(seen.log_odds, test.worn)


def check_texts(embed: EmbedTexts, test: SelfTest) -> None:
    """Raises ``ModelError`` unless the text tower gives the manifest's vectors for the golden texts."""
    _require_agreement("text tower", embed(test.texts), test.text_vectors)


def _golden_pixels(p: Preprocessing) -> NDArray[np.float32]:
    return normalise(golden_images(p.height, p.width), p)


def _require_agreement(tower: str, vectors: NDArray[np.float32], golden: NDArray[np.float32]) -> None:
    _require_distinct(tower, vectors)
    cosine = float(np.min(np.sum(vectors * golden, axis=1) / np.linalg.norm(golden, axis=1)))
    if not cosine >= MIN_AGREEMENT:
        raise _broken(f"the {tower} to repeat its golden vectors (cosine at least {MIN_AGREEMENT})", f"cosine {cosine:.4f}")


def _require_distinct(tower: str, vectors: NDArray[np.float32]) -> None:
    cosine = float(np.max((vectors @ vectors.T)[np.triu_indices(len(vectors), 1)]))
    if not cosine <= MAX_LIKENESS:
        raise _broken(f"the {tower} to tell three different inputs apart", f"vectors of cosine {cosine:.4f}")


def _require_near(log_odds: NDArray[np.float32], golden: NDArray[np.float32]) -> None:
    off = float(_distance(log_odds, golden).max()) / _require_apart(golden)
    if not off <= MAX_OFF:
        share = f"{MAX_OFF:.0%} of how far the golden pictures are apart"
        raise _broken(f"the image tower to repeat the golden log-odds of its attributes (off by at most {share})", f"{off:.0%}")


def _require_apart(log_odds: NDArray[np.float32]) -> float:
    """How far apart the log-odds of the two golden pictures are that are most alike."""
    least = min(float(_distance(log_odds[i], log_odds[j])) for i, j in zip(*np.triu_indices(len(log_odds), 1), strict=True))
    if not least >= MIN_APART:
        raise _broken("the image tower to see other attributes in different pictures", f"log-odds that are {least:.4f} apart")
    return least


def _distance(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    """The root of the mean of squares over attributes."""
    distance: NDArray[np.float64] = np.sqrt(np.square(a.astype(np.float64) - b).mean(axis=-1))
    return distance


def _vectors(value: Mapping[str, object], key: str, dim: int) -> NDArray[np.float32]:
    vectors = _numbers(value, key, dim)
    if not np.linalg.norm(vectors, axis=1).all():
        raise _malformed(f"self_test {key} that have a direction", "zero ones")
    return vectors


def _numbers(value: Mapping[str, object], key: str, columns: int) -> NDArray[np.float32]:
    try:
        with np.errstate(over="ignore"):
            numbers = np.array(value[key], np.float32)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise _malformed(f"self_test {key} of numbers", repr(value.get(key))[:80]) from None
    if numbers.shape != (3, columns):
        raise _malformed(f"self_test {key} of shape (3, {columns})", f"shape {numbers.shape}")
    if not np.isfinite(np.linalg.norm(numbers, axis=1)).all():
        raise _malformed(f"self_test {key} that are finite", "infinite ones")
    return numbers


def _rounded(vectors: NDArray[np.float32]) -> list[list[float]]:
    return [[round(float(number), 5) for number in row] for row in vectors]


def _malformed(expected: str, found: str) -> ModelError:
    return ModelError(expected=expected, found=found, do="get the bundle again, or export it again")


def _broken(expected: str, found: str) -> ModelError:
    return ModelError(expected=expected, found=found, do="do not trust this model here: get the bundle again, or update the driver")
