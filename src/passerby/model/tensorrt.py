"""An encoder that runs a bundle's engines with TensorRT, on the GPU they were built on.

Nothing here has run on a device yet; docs/jetson.md says what that means and how to find out.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from functools import cache, cached_property
from pathlib import Path
from threading import local
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from passerby.errors import ConfigError, MissingExtra, ModelError
from passerby.model import cuda
from passerby.model.bundle import Bundle
from passerby.model.engine_file import Stamp, has_engines, read_engine
from passerby.model.onnx import OnnxEncoder
from passerby.model.selftest import check_images, check_texts
from passerby.places import engines_folder

BATCHES: Final = (1, 8, 32)
"""One optimization profile each, of that batch exactly; fewer inputs are filled up, more are cut into several runs."""
_ALIGNMENT: Final = 256
_warned: set[str] = set()


def load_engines(bundle: Bundle) -> OnnxEncoder:
    """The bundle on TensorRT where engines of it were built here, else on ONNX Runtime; one warning where engines cannot be used.

    A cache that cannot be looked at has none, unless ``$PASSERBY_ENGINES`` names it.
    """
    try:
        folder = engines_folder()
        found = has_engines(bundle.digest, folder)
    except (ConfigError, OSError) as error:
        return _without_engines(bundle, error if os.environ.get("PASSERBY_ENGINES") else None)
    try:
        return TensorRtEncoder(bundle, folder) if found else _without_engines(bundle)
    except (ModelError, MissingExtra) as error:
        return _without_engines(bundle, error)


def _without_engines(bundle: Bundle, error: Exception | None = None) -> OnnxEncoder:
    if error is not None and bundle.digest not in _warned:
        _warned.add(bundle.digest)
        logging.getLogger("passerby").warning("passerby: warning: %s: %s; using ONNX Runtime", bundle.name, error)
    return OnnxEncoder(bundle)


def stamp_here(bundle: Bundle, tower: str) -> Stamp:
    """What an engine must be of and for to be used here. Raises ``MissingExtra`` without TensorRT, ``ModelError`` without a GPU."""
    try:
        import tensorrt as trt
    except ModuleNotFoundError:
        do = "on a Jetson apt install python3-libnvinfer, elsewhere pip install tensorrt; see docs/jetson.md"
        raise MissingExtra(expected="TensorRT's Python package", found="none", do=do) from None
    return Stamp(bundle.digest, tower, trt.__version__, cuda.gpu_name())


class TensorRtEncoder(OnnxEncoder):
    """An :class:`~passerby.model.encoder.Encoder` whose towers are engines; each tests itself when first used. For any number of threads.

    Args:
        folder: where the engines are.

    Raises:
        ModelError: no engine of this bundle for this TensorRT and GPU.
        MissingExtra: TensorRT is not installed.
    """

    def __init__(self, bundle: Bundle, folder: Path) -> None:
        super().__init__(bundle)
        image, text = (stamp_here(bundle, tower) for tower in ("image_tower", "text_tower"))
        self._plans = {stamp.tower: read_engine(stamp.path(folder), stamp) for stamp in (image, text)}

    @cached_property
    def _image_tower(self) -> Any:
        tower = EngineTower(self._plans.pop("image_tower"))
        check_images(lambda pixels: self._run_image_tower(tower, pixels), self._bundle.self_test, self.preprocessing)
        return tower

    @cached_property
    def _text_tower(self) -> Any:
        tower = EngineTower(self._plans.pop("text_tower"))
        check_texts(lambda texts: self._run_text_tower(tower, texts), self._bundle.self_test)
        return tower


class EngineTower:
    """A plan, and for each thread a stream of its own with one lane for each batch size. Called like an ONNX Runtime session."""

    def __init__(self, plan: bytes) -> None:
        import tensorrt as trt

        self._runtime = trt.Runtime(logger())
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise ModelError(expected="a plan that TensorRT takes", found="one that it refused", do="build it again: passerby build-engine")
        self._thread = local()

    def run(self, _: None, inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[np.float32]]:
        count = len(next(iter(inputs.values())))
        starts = range(0, count, BATCHES[-1])
        runs = ({name: values[start : start + BATCHES[-1]] for name, values in inputs.items()} for start in starts)
        return [np.concatenate([self._lane(min(BATCHES[-1], count - start)).run(part) for start, part in zip(starts, runs, strict=True)])]

    def _lane(self, count: int) -> Lane:
        """This thread's lane of the smallest batch that takes so many inputs."""
        profile = next(i for i, batch in enumerate(BATCHES) if batch >= count)
        if not hasattr(self._thread, "lanes"):
            self._thread.stream, self._thread.lanes = cuda.create_stream(), {}
        if profile not in self._thread.lanes:
            self._thread.lanes[profile] = Lane(self._engine, profile, self._thread.stream)
        lane: Lane = self._thread.lanes[profile]
        return lane


class Lane:
    """One batch size on one stream: an execution context, its memory, and the graph of a run: one copy in, the engine, one copy out."""

    def __init__(self, engine: Any, profile: int, stream: int) -> None:
        import tensorrt as trt

        self._stream = stream
        self._context = engine.create_execution_context()
        if self._context is None or not self._context.set_optimization_profile_async(profile, stream):
            raise ModelError(expected="memory for a batch on the GPU", found="none", do="free the GPU of other work, or use ONNX Runtime")
        names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
        inputs = [name for name in names if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT]
        for name in inputs:
            self._context.set_input_shape(name, tuple(engine.get_tensor_profile_shape(name, profile)[1]))
        layouts = {
            name: (tuple(self._context.get_tensor_shape(name)), np.dtype(trt.nptype(engine.get_tensor_dtype(name)))) for name in names
        }
        self._in, self._out = Block({n: layouts[n] for n in inputs}), Block({n: layouts[n] for n in names if n not in inputs})
        for name, address in (self._in.addresses | self._out.addresses).items():
            self._context.set_tensor_address(name, address)
        self._enqueue()
        cuda.synchronize(stream)
        self._graph = cuda.capture(self._enqueue, stream)

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """The one output, float32 (n, d), of n inputs."""
        count = len(next(iter(inputs.values())))
        for name, values in inputs.items():
            fill(self._in.views[name], values)
        cuda.launch(self._graph, self._stream)
        cuda.synchronize(self._stream)
        (features,) = self._out.views.values()
        return np.array(features[:count], np.float32)

    def _enqueue(self) -> None:
        cuda.copy(self._in.device, self._in.host.ctypes.data, self._in.host.nbytes, cuda.TO_DEVICE, self._stream)
        if not self._context.execute_async_v3(self._stream):
            raise ModelError(
                expected="TensorRT to run the engine", found="an error it logged above", do="build it again: passerby build-engine"
            )
        cuda.copy(self._out.host.ctypes.data, self._out.device, self._out.host.nbytes, cuda.TO_HOST, self._stream)


class Block:
    """Tensors side by side, pinned on the host and again on the device, so that one copy moves them all.

    Args:
        layouts: shape and dtype of each.
    """

    def __init__(self, layouts: Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]]) -> None:
        offsets, size = place({name: int(np.prod(shape)) * dtype.itemsize for name, (shape, dtype) in layouts.items()})
        self.host, self.device = cuda.pinned(size), cuda.allocate(size)
        self.host[:] = 0
        self.addresses = {name: self.device + offset for name, offset in offsets.items()}
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


def fill(target: NDArray[Any], values: NDArray[Any]) -> None:
    """Copy a batch into a larger one: the rows that are left repeat the last, the columns that are left are 0, which masks them."""
    target[(slice(len(values)), *(slice(n) for n in values.shape[1:]))] = values
    for axis in range(1, values.ndim):
        target[(slice(len(values)), *(slice(None),) * (axis - 1), slice(values.shape[axis], None))] = 0
    target[len(values) :] = target[len(values) - 1]


@cache
def logger() -> Any:
    """TensorRT's one logger of this process: errors only, on standard error."""
    import tensorrt as trt

    return trt.Logger(trt.Logger.ERROR)
