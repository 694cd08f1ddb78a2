"""An encoder that runs a bundle with ONNX Runtime on the CPU."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from threading import RLock
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from passerby.errors import ModelError
from passerby.model.bundle import Bundle, BundleFile
from passerby.model.calibration import Calibration
from passerby.model.encoder import unit_vectors
from passerby.model.preprocess import Preprocessing
from passerby.model.processor import saturates_int8
from passerby.model.runtime import onnxruntime
from passerby.model.selftest import check_images, check_texts
from passerby.model.tokenizer import Tokenizer
from passerby.types import ModelDigest

if TYPE_CHECKING:
    from passerby.model.runtime import InferenceSession

_FLOAT: Final = "tensor(float)"
_INTEGER: Final = "tensor(int64)"


class OnnxEncoder:
    """An :class:`~passerby.model.encoder.Encoder` of a bundle. Each tower is loaded, checked by digest and self-tested when first used.

    Where the processor's INT8 products are not exact, INT8 towers compute the same function in float32, two to three times as slowly.

    Safe to use from many threads.

    Args:
        threads: of one inference; ``None`` for one per core this process may use.
    """

    def __init__(self, bundle: Bundle, threads: int | None = None) -> None:
        self._bundle = bundle
        self._threads = threads or available_cores()
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
    def preprocessing(self) -> Preprocessing:
        return self._bundle.preprocessing

    @property
    def calibration(self) -> Calibration | None:
        return self._bundle.calibration

    def embed_images(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Unit vectors float32 (n, d) of float32 (n, 3, h, w). Raises ``ModelError`` when the tower cannot be trusted."""
        if not len(pixels):
            return np.empty((0, self.dim), np.float32)
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
    def _image_tower(self) -> InferenceSession:
        tower = _load(self._bundle.image_tower, self._threads)
        _require_interface(tower, {"pixel_values": _FLOAT}, {"image_features": _FLOAT})
        check_images(lambda pixels: self._run_image_tower(tower, pixels), self._bundle.self_test, self.preprocessing)
        return tower

    @cached_property
    def _text_tower(self) -> InferenceSession:
        tower = _load(self._bundle.text_tower, self._threads)
        _require_interface(tower, {"input_ids": _INTEGER, "attention_mask": _INTEGER}, {"text_features": _FLOAT})
        check_texts(lambda texts: self._run_text_tower(tower, texts), self._bundle.self_test)
        return tower

    def _run_image_tower(self, tower: InferenceSession, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        return self._run(tower, {"pixel_values": pixels}, len(pixels))

    def _run_text_tower(self, tower: InferenceSession, texts: Sequence[str]) -> NDArray[np.float32]:
        tokens = self._tokenizer(texts)
        return self._run(tower, {"input_ids": tokens.input_ids, "attention_mask": tokens.attention_mask}, len(texts))

    def _run(self, tower: InferenceSession, inputs: Mapping[str, NDArray[Any]], count: int) -> NDArray[np.float32]:
        try:
            (features,) = tower.run(None, dict(inputs))
        except Exception as error:  # ONNX Runtime's errors share no other base
            raise _unusable(f"{self.name} to run", error) from None
        return unit_vectors(features, (count, self.dim))


def available_cores() -> int:
    """Cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def start_session(model: bytes, threads: int) -> InferenceSession:
    """A model on so many threads, which sleep while they wait, with integer kernels only where those are exact."""
    ort = onnxruntime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if saturates_int8():
        options.add_session_config_entry("session.disable_quant_qdq", "1")
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _load(file: BundleFile, threads: int) -> InferenceSession:
    data = file.read()
    try:
        return start_session(data, threads)
    except Exception as error:  # ONNX Runtime's errors share no other base
        raise _unusable(f"{file.path} to be an ONNX model", error) from None


def _require_interface(tower: InferenceSession, inputs: Mapping[str, str], outputs: Mapping[str, str]) -> None:
    found_inputs = {node.name: node.type for node in tower.get_inputs()}
    found_outputs = {node.name: node.type for node in tower.get_outputs()}
    if (found_inputs, found_outputs) != (inputs, outputs):
        expected, found = f"a tower from {inputs} to {outputs}", f"one from {found_inputs} to {found_outputs}"
        raise ModelError(expected=expected, found=found, do="export the model again")


def _unusable(expected: str, error: Exception) -> ModelError:
    return ModelError(expected=expected, found=" ".join(str(error).split())[:200], do="get the bundle again, or export it again")
