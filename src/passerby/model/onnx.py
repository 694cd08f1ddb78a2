"""A bundle's towers on ONNX Runtime, on the CPU."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from numpy.typing import NDArray

from passerby.model.manifest import Towered
from passerby.model.processor import saturates_int8
from passerby.model.runtime import onnxruntime
from passerby.model.session import Arrays, cannot

if TYPE_CHECKING:
    from passerby.model.runtime import InferenceSession

_NUMPY_NAMES: Final = {"float": "float32", "double": "float64"}


class OnnxRuntime:
    """A :class:`~passerby.model.session.Runtime`: ONNX Runtime on the CPU.

    Where the processor's INT8 products are not exact, INT8 towers compute the same function in float32, two to three times as slowly.

    Args:
        threads: of one inference; ``None`` for one per core this process may use.
    """

    name: Final = "ONNX Runtime"
    any_size: Final = True

    def __init__(self, bundle: Towered, threads: int | None = None) -> None:
        self._bundle = bundle
        self._threads = threads or available_cores()

    def start(self, tower: str) -> OnnxSession:
        file = self._bundle.towers[tower]
        data = file.read()
        try:
            return OnnxSession(start_session(data, self._threads))
        except Exception as error:  # ONNX Runtime's errors share no other base
            raise cannot(f"{file.path} to be an ONNX model", error) from None


class OnnxSession:
    """A :class:`~passerby.model.session.Session` of a graph that ONNX Runtime has loaded; ``shapes`` of its inputs and outputs have names
    where a dimension is open."""

    def __init__(self, session: InferenceSession) -> None:
        self._session = session
        self.inputs = {node.name: _dtype(node.type) for node in session.get_inputs()}
        self.outputs = {node.name: _dtype(node.type) for node in session.get_outputs()}
        self.shapes = {node.name: tuple(node.shape) for node in (*session.get_inputs(), *session.get_outputs())}

    def run(self, inputs: Arrays, outputs: Sequence[str]) -> dict[str, NDArray[Any]]:
        return dict(zip(outputs, self._session.run(list(outputs), dict(inputs)), strict=True))


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


def _dtype(onnx_type: str) -> str:
    """``float32`` of ``tensor(float)``."""
    name = onnx_type.removeprefix("tensor(").removesuffix(")")
    return _NUMPY_NAMES.get(name, name)
