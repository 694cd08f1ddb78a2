"""The encoder of a bundle, whatever runs its towers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from threading import RLock
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from passerby.errors import ModelError
from passerby.model.bundle import IMAGE_TOWER, TEXT_TOWER, Bundle
from passerby.model.calibration import Calibration
from passerby.model.encoder import Seen, finite_log_odds, unit_vectors
from passerby.model.onnx import OnnxRuntime
from passerby.model.preprocess import Preprocessing
from passerby.model.selftest import check_images, check_texts
from passerby.model.session import Arrays, Runtime, Session, cannot, require_interface
from passerby.model.tokenizer import Tokenizer
from passerby.types import ModelDigest

PIXELS: Final = {"pixel_values": "float32"}
TOKENS: Final = {"input_ids": "int64", "attention_mask": "int64"}
IMAGE_FEATURES: Final = "image_features"
WORN: Final = "worn"
TEXT_FEATURES: Final = "text_features"
"""What towers take and give; an export may give more beside."""


class BundleEncoder:
    """An :class:`~passerby.model.encoder.Encoder` of a bundle. Each tower is loaded, checked by digest and self-tested when first used.

    Safe to use from many threads.

    Args:
        threads: of one inference of ONNX Runtime; ``None`` for one per core this process may use.
        runtime: what starts the bundle's towers, if not ONNX Runtime.
    """

    def __init__(self, bundle: Bundle, threads: int | None = None, *, runtime: Runtime | None = None) -> None:
        self.runtime = runtime or OnnxRuntime(bundle, threads)
        self._bundle = bundle
        self._loading = RLock()

    @property
    def name(self) -> str:
        return self._bundle.name

    @property
    def digest(self) -> ModelDigest:
        return self._bundle.digest

    @property
    def dim(self) -> int:
        return self._bundle.dim

    @property
    def attributes(self) -> tuple[str, ...]:
        """Names of the columns of the log-odds that :meth:`see` gives; empty for a bundle of format 1."""
        return self._bundle.attributes

    @property
    def preprocessing(self) -> Preprocessing:
        return self._bundle.preprocessing

    @property
    def calibration(self) -> Calibration | None:
        return self._bundle.calibration

    def embed_images(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Unit vectors float32 (n, d) of float32 (n, 3, h, w). Raises ``ModelError`` when the tower cannot be trusted."""
        return self.see(pixels).vectors

    def see(self, pixels: NDArray[np.float32]) -> Seen:
        """Unit vectors float32 (n, d) and the log-odds float32 (n, a) of what is worn, of float32 (n, 3, h, w), in one run.

        Raises ``ModelError`` when the tower cannot be trusted.
        """
        if not len(pixels):
            return Seen(np.empty((0, self.dim), np.float32), np.empty((0, len(self.attributes)), np.float32))
        with self._loading:
            tower = self._image_tower
        return self._run_image_tower(tower, pixels)

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors float32 (n, d). Raises ``ModelError`` when the tower cannot be trusted."""
        if not texts:
            return np.empty((0, self.dim), np.float32)
        with self._loading:
            tower = self._text_tower
        return self._run_text_tower(tower, texts)

    def tokens_cut(self, text: str) -> int:
        """How many tokens at the end of a text are over the model's limit and not heard."""
        with self._loading:
            return self._tokenizer([text]).cut[0]

    def characters_read(self, text: str) -> int:
        """How many characters of a text are within the model's limit."""
        with self._loading:
            return self._tokenizer([text]).read[0]

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        return Tokenizer(self._bundle.tokenizer.read(), self._bundle.max_tokens)

    @cached_property
    def _image_tower(self) -> Session:
        tower = self.runtime.start(IMAGE_TOWER)
        require_interface(tower, PIXELS, dict.fromkeys(image_outputs(self._bundle), "float32"))
        check_images(lambda pixels: self._run_image_tower(tower, pixels), self._bundle.self_test, self.preprocessing)
        return tower

    @cached_property
    def _text_tower(self) -> Session:
        tower = self.runtime.start(TEXT_TOWER)
        require_interface(tower, TOKENS, {TEXT_FEATURES: "float32"})
        check_texts(lambda texts: self._run_text_tower(tower, texts), self._bundle.self_test)
        return tower

    def _run_image_tower(self, tower: Session, pixels: NDArray[np.float32]) -> Seen:
        return seen_of(self._run(tower, {"pixel_values": pixels}, image_outputs(self._bundle)), self._bundle, len(pixels))

    def _run_text_tower(self, tower: Session, texts: Sequence[str]) -> NDArray[np.float32]:
        tokens = self._tokenizer(texts)
        inputs = {"input_ids": tokens.input_ids, "attention_mask": tokens.attention_mask}
        return unit_vectors(self._run(tower, inputs, [TEXT_FEATURES])[TEXT_FEATURES], (len(texts), self.dim))

    def _run(self, tower: Session, inputs: Arrays, outputs: Sequence[str]) -> dict[str, NDArray[Any]]:
        try:
            return tower.run(inputs, outputs)
        except ModelError:
            raise
        except Exception as error:  # runtimes raise many types
            raise cannot(f"{self.name} to run", error) from None


def image_outputs(bundle: Bundle) -> list[str]:
    """What a bundle's image tower gives: the log-odds too where the manifest names attributes."""
    return [IMAGE_FEATURES, WORN] if bundle.attributes else [IMAGE_FEATURES]


def seen_of(outputs: Arrays, bundle: Bundle, count: int) -> Seen:
    """What a bundle's image tower gave for so many pictures. Raises ``ModelError`` for what cannot be of them."""
    vectors = unit_vectors(outputs[IMAGE_FEATURES], (count, bundle.dim))
    shape = count, len(bundle.attributes)
    return Seen(vectors, finite_log_odds(outputs[WORN], shape) if bundle.attributes else np.empty(shape, np.float32))
