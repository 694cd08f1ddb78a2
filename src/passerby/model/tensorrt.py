"""A bundle's towers as TensorRT engines, on the GPU they were built on.

Nothing here has run on a device yet; docs/jetson.md says what that means and how to find out.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from passerby.errors import ConfigError, MissingExtra, ModelError
from passerby.model import cuda
from passerby.model.engine_file import Stamp, has_engines, read_engine, require_engine
from passerby.model.manifest import Towered
from passerby.model.onnx import OnnxRuntime
from passerby.model.session import Arrays, Runtime
from passerby.places import engines_folder

BATCHES: Final = (1, 8, 32)
"""One optimization profile each, of that batch exactly; fewer inputs are filled up, more are cut into several runs."""
_ALIGNMENT: Final = 256
_warned: set[str] = set()


def runtime_here(bundle: Towered, threads: int | None = None) -> Runtime:
    """TensorRT where engines of a bundle were built here, else ONNX Runtime; one warning where engines cannot be used.

    A cache that cannot be looked at has none, unless ``$PASSERBY_ENGINES`` names it.

    Args:
        threads: of one inference of ONNX Runtime; ``None`` for one per core this process may use.
    """
    try:
        folder = engines_folder()
        found = has_engines(bundle.digest, folder)
    except (ConfigError, OSError) as error:
        return _without_engines(bundle, threads, error if os.environ.get("PASSERBY_ENGINES") else None)
    try:
        return TensorRt(bundle, folder) if found else _without_engines(bundle, threads)
    except (ModelError, MissingExtra) as error:
        return _without_engines(bundle, threads, error)


def _without_engines(bundle: Towered, threads: int | None, error: Exception | None = None) -> OnnxRuntime:
    if error is not None and bundle.digest not in _warned:
        _warned.add(bundle.digest)
        logging.getLogger("passerby").warning("passerby: warning: %s: %s; using ONNX Runtime", bundle.name, error)
    return OnnxRuntime(bundle, threads)


def stamp_here(bundle: Towered, tower: str) -> Stamp:
    """What an engine must be of and for to be used here. Raises ``MissingExtra`` without TensorRT, ``ModelError`` without a GPU."""
    try:
        import tensorrt as trt
    except ModuleNotFoundError:
        do = "on a Jetson apt install python3-libnvinfer, elsewhere pip install tensorrt; see docs/jetson.md"
        raise MissingExtra(expected="TensorRT's Python package", found="none", do=do) from None
    return Stamp(bundle.digest, tower, trt.__version__, cuda.gpu_name())


class TensorRt:
    """A :class:`~passerby.model.session.Runtime`: a bundle's engines, on the GPU they were built on.

    Args:
        folder: where the engines are.

    Raises:
        ModelError: no engine of this bundle for this TensorRT and GPU.
        MissingExtra: TensorRT is not installed.
    """

    name: Final = "TensorRT"
    any_size: Final = False

    def __init__(self, bundle: Towered, folder: Path) -> None:
        self._folder = folder
        self._stamps = {tower: stamp_here(bundle, tower) for tower in bundle.towers}
        for stamp in self._stamps.values():
            require_engine(stamp.path(folder), stamp)

    def start(self, tower: str) -> TensorRtSession:
        stamp = self._stamps[tower]
        return TensorRtSession(read_engine(stamp.path(self._folder), stamp))


class TensorRtSession:
    """A :class:`~passerby.model.session.Session` of a plan: each run has a lane of its batch size to itself, made if none is idle."""

    def __init__(self, plan: bytes) -> None:
        import tensorrt as trt

        self._runtime = trt.Runtime(logger())
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise ModelError(expected="a plan that TensorRT takes", found="one that it refused", do="build it again: passerby build-engine")
        dtypes = {name: _dtype(self._engine, name).name for name in _tensors(self._engine)}
        self.inputs = {name: dtype for name, dtype in dtypes.items() if _is_input(self._engine, name)}
        self.outputs = {name: dtype for name, dtype in dtypes.items() if name not in self.inputs}
        self._idle: tuple[SimpleQueue[Lane], ...] = tuple(SimpleQueue() for _ in BATCHES)

    def run(self, inputs: Arrays, outputs: Sequence[str]) -> dict[str, NDArray[Any]]:
        parts = []
        for part, count in pieces(inputs):
            with self._lane(count) as lane:
                parts.append(lane.run(part, outputs))
        return {name: np.concatenate([part[name] for part in parts]) for name in outputs}

    @contextmanager
    def _lane(self, count: int) -> Iterator[Lane]:
        """A lane of the smallest batch that takes so many inputs, which nobody else has meanwhile."""
        profile = next(i for i, batch in enumerate(BATCHES) if batch >= count)
        try:
            lane = self._idle[profile].get_nowait()
        except Empty:
            lane = Lane(self._engine, profile)
        try:
            yield lane
        finally:
            self._idle[profile].put(lane)


class Lane:
    """One batch size: a stream, an execution context, its memory, and the graph of a run: one copy in, the engine, one copy out."""

    def __init__(self, engine: Any, profile: int) -> None:
        self._stream = cuda.create_stream()
        self._context = engine.create_execution_context()
        if self._context is None or not self._context.set_optimization_profile_async(profile, self._stream.handle):
            raise ModelError(expected="memory for a batch on the GPU", found="none", do="free the GPU of other work, or use ONNX Runtime")
        names = _tensors(engine)
        inputs = [name for name in names if _is_input(engine, name)]
        for name in inputs:
            self._context.set_input_shape(name, tuple(engine.get_tensor_profile_shape(name, profile)[1]))
        layouts = {name: (tuple(self._context.get_tensor_shape(name)), _dtype(engine, name)) for name in names}
        self._in, self._out = Block({n: layouts[n] for n in inputs}), Block({n: layouts[n] for n in names if n not in inputs})
        for name, address in (self._in.addresses | self._out.addresses).items():
            self._context.set_tensor_address(name, address)
        self._enqueue()
        cuda.synchronize(self._stream)
        self._graph = cuda.capture(self._enqueue, self._stream)

    def run(self, inputs: Arrays, outputs: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Some outputs, n rows each, of n inputs."""
        count = len(next(iter(inputs.values())))
        for name, values in inputs.items():
            fill(self._in.views[name], values)
        cuda.launch(self._graph, self._stream)
        cuda.synchronize(self._stream)
        return {name: np.array(self._out.views[name][:count]) for name in outputs}

    def _enqueue(self) -> None:
        cuda.copy(self._in.device.handle, self._in.host.ctypes.data, self._in.host.nbytes, cuda.TO_DEVICE, self._stream)
        if not self._context.execute_async_v3(self._stream.handle):
            raise ModelError(
                expected="TensorRT to run the engine", found="an error it logged above", do="build it again: passerby build-engine"
            )
        cuda.copy(self._out.host.ctypes.data, self._out.device.handle, self._out.host.nbytes, cuda.TO_HOST, self._stream)


class Block:
    """Tensors side by side, pinned on the host and again on the device, so that one copy moves them all.

    Args:
        layouts: shape and dtype of each.
    """

    def __init__(self, layouts: Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]]) -> None:
        offsets, size = place({name: int(np.prod(shape)) * dtype.itemsize for name, (shape, dtype) in layouts.items()})
        self.host, self.device = cuda.pinned(size), cuda.allocate(size)
        self.host[:] = 0
        self.addresses = {name: self.device.handle + offset for name, offset in offsets.items()}
        self.views = {
            name: self.host[offsets[name] : offsets[name] + int(np.prod(shape)) * dtype.itemsize].view(dtype).reshape(shape)
            for name, (shape, dtype) in layouts.items()
        }


def place(sizes: Mapping[str, int]) -> tuple[dict[str, int], int]:
    """Where each of these many bytes starts, on multiples of what the GPU asks for, and where the last one ends."""
    offsets, end = {}, 0
    for name, size in sizes.items():
        offsets[name] = -(-end // _ALIGNMENT) * _ALIGNMENT
        end = offsets[name] + size
    return offsets, end


def pieces(inputs: Arrays) -> Iterator[tuple[Arrays, int]]:
    """Inputs in pieces of at most the largest batch, and the number of rows of each."""
    count, most = len(next(iter(inputs.values()))), BATCHES[-1]
    for start in range(0, count, most):
        yield {name: values[start : start + most] for name, values in inputs.items()}, min(most, count - start)


def fill(target: NDArray[Any], values: NDArray[Any]) -> None:
    """Copy a batch into a larger one: the rows that are left repeat the last, the columns that are left are 0, which masks them."""
    target[(slice(len(values)), *(slice(n) for n in values.shape[1:]))] = values
    for axis in range(1, values.ndim):
        target[(slice(len(values)), *(slice(None),) * (axis - 1), slice(values.shape[axis], None))] = 0
    target[len(values) :] = target[len(values) - 1]


def _tensors(engine: Any) -> list[str]:
    """The names of what an engine takes and gives."""
    return [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]


def _dtype(engine: Any, name: str) -> np.dtype[Any]:
    import tensorrt as trt

    dtype: np.dtype[Any] = np.dtype(trt.nptype(engine.get_tensor_dtype(name)))
    return dtype


def _is_input(engine: Any, name: str) -> bool:
    import tensorrt as trt

    return bool(engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT)


@cache
def logger() -> Any:
    """TensorRT's one logger of this process: errors only, on standard error."""
    import tensorrt as trt

    return trt.Logger(trt.Logger.ERROR)
