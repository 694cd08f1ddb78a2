"""A GPU for tests on machines without one: NVIDIA's libraries, as much of them as Passerby calls, on ONNX Runtime and the host's memory.

What it is good for: what is built, judged, run, and given back. It says nothing of TensorRT's own kernels, limits or errors.
"""

# ruff: noqa: ARG002, ARG005 - the arguments are NVIDIA's

from __future__ import annotations

import ctypes
import pickle
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from itertools import count
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper

from passerby.model import cuda, tensorrt
from passerby.model.onnx import start_session

VERSION = "10.16.1.11"
Work = Callable[[], object]


class FakeGpu:
    """Streams that do at once what is put on them, unless it is captured.

    ``live`` counts what was made and not given back, by the function that gives it back; ``made`` all that was ever made.
    """

    def __init__(self) -> None:
        self.live: Counter[str] = Counter()
        self.made: Counter[str] = Counter()
        self._owned: dict[int, tuple[str, Any]] = {}
        self._capturing: dict[int, list[Work]] = {}
        self._handles = count(1)
        makers = {"cudaHostAlloc": "cudaFreeHost", "cudaMalloc": "cudaFree", "cudaStreamCreate": "cudaStreamDestroy"}
        self.runtime = SimpleNamespace(
            **{maker: partial(self._make, giver) for maker, giver in makers.items()},
            **{giver: partial(self._give_back, giver) for giver in (*makers.values(), "cudaGraphDestroy", "cudaGraphExecDestroy")},
            cudaMemcpyAsync=partial(self._copy),
            cudaStreamSynchronize=partial(lambda stream: 0),
            cudaStreamBeginCapture=partial(self._begin),
            cudaStreamEndCapture=partial(self._end),
            cudaGraphInstantiateWithFlags=partial(self._instantiate),
            cudaGraphLaunch=partial(self._launch),
            cudaGetErrorString=partial(lambda error: b"an error"),
        )
        self.driver = SimpleNamespace(
            cuInit=lambda flags: 0,
            cuDeviceGet=lambda device, number: 0,
            cuDeviceGetName=self._tell_name,
            cuDeviceGetAttribute=lambda value, attribute, device: 0,
        )

    def put(self, stream: int, work: Work) -> None:
        """Do it, or keep it for the graph that is captured."""
        if stream in self._capturing:
            self._capturing[stream].append(work)
        else:
            work()

    def _tell_name(self, name: Any, size: int, device: Any) -> int:
        name.value = b"Fake"
        return 0

    def _make(self, giver: str, made: Any, size: int = 0, flags: int = 0) -> int:
        memory = ctypes.create_string_buffer(max(size, 1))
        return self._own(giver, made, memory, ctypes.addressof(memory) if size else None)

    def _own(self, giver: str, made: Any, what: object, handle: int | None = None) -> int:
        handle = handle or next(self._handles)
        self._owned[handle] = giver, what
        self.live[giver] += 1
        self.made[giver] += 1
        made._obj.value = handle
        return 0

    def _give_back(self, giver: str, handle: Any) -> int:
        owned, _ = self._owned.pop(getattr(handle, "value", handle))
        assert owned == giver
        self.live[giver] -= 1
        return 0

    def _copy(self, target: int, source: int, size: int, direction: int, stream: int) -> int:
        self.put(stream, lambda: ctypes.memmove(target, source, size))
        return 0

    def _begin(self, stream: int, mode: int) -> int:
        self._capturing[stream] = []
        return 0

    def _end(self, stream: int, graph: Any) -> int:
        return self._own("cudaGraphDestroy", graph, self._capturing.pop(stream))

    def _instantiate(self, executable: Any, graph: Any, flags: int) -> int:
        return self._own("cudaGraphExecDestroy", executable, self._owned[graph.value][1])

    def _launch(self, executable: int, stream: int) -> int:
        for work in self._owned[executable][1]:
            work()
        return 0


class Engine:
    """A plan's: the graph itself, on ONNX Runtime."""

    def __init__(self, gpu: FakeGpu, plan: bytes) -> None:
        self.gpu = gpu
        graph, self.profiles = pickle.loads(plan)
        model = onnx.load_from_string(graph)
        self.session = start_session(graph, 1)
        self.inputs = [str(value.name) for value in model.graph.input]
        self.outputs = [str(value.name) for value in model.graph.output]
        values = (*model.graph.input, *model.graph.output)
        self.dtypes = {str(v.name): np.dtype(helper.tensor_dtype_to_np_dtype(v.type.tensor_type.elem_type)) for v in values}

    @property
    def num_io_tensors(self) -> int:
        return len(self.dtypes)

    def get_tensor_name(self, number: int) -> str:
        return list(self.dtypes)[number]

    def get_tensor_dtype(self, name: str) -> np.dtype[Any]:
        return self.dtypes[name]

    def get_tensor_mode(self, name: str) -> str:
        return "input" if name in self.inputs else "output"

    def get_tensor_profile_shape(self, name: str, profile: int) -> list[tuple[int, ...]]:
        return [self.profiles[profile][name]] * 3

    def create_execution_context(self) -> Context:
        return Context(self)


class Context:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._addresses: dict[str, int] = {}

    def set_optimization_profile_async(self, profile: int, stream: int) -> bool:
        return True

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> None:
        self._shapes[name] = shape

    def set_tensor_address(self, name: str, address: int) -> None:
        self._addresses[name] = address

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        if name in self._shapes:
            return self._shapes[name]
        zeros = {given: np.zeros(shape, self._engine.dtypes[given]) for given, shape in self._shapes.items()}
        return tuple(self._engine.session.run([name], zeros)[0].shape)

    def execute_async_v3(self, stream: int) -> bool:
        self._engine.gpu.put(stream, self._run)
        return True

    def _run(self) -> None:
        feed = {name: self._view(name, self._shapes[name]) for name in self._engine.inputs}
        for name, found in zip(self._engine.outputs, self._engine.session.run(self._engine.outputs, feed), strict=True):
            self._view(name, found.shape)[:] = found

    def _view(self, name: str, shape: tuple[int, ...]) -> NDArray[Any]:
        dtype = self._engine.dtypes[name]
        memory = (ctypes.c_uint8 * (int(np.prod(shape)) * dtype.itemsize)).from_address(self._addresses[name])
        return np.ctypeslib.as_array(memory).view(dtype).reshape(shape)


class _Profile(dict[str, tuple[int, ...]]):
    def set_shape(self, name: str, least: tuple[int, ...], usual: tuple[int, ...], most: tuple[int, ...]) -> None:
        self[name] = usual


class _Config:
    def __init__(self) -> None:
        self.profiles: list[Mapping[str, tuple[int, ...]]] = []
        self.add_optimization_profile = self.profiles.append

    def set_memory_pool_limit(self, pool: str, size: int) -> None: ...
    def clear_flag(self, flag: str) -> None: ...
    def set_timing_cache(self, cache: Any, ignore: bool) -> None: ...

    def create_timing_cache(self, earlier: bytes) -> Any:
        return self.get_timing_cache()

    def get_timing_cache(self) -> Any:
        return SimpleNamespace(serialize=lambda: b"timings")


class _Builder:
    def __init__(self, log: object) -> None: ...

    def create_network(self, flags: int) -> SimpleNamespace:
        return SimpleNamespace(graph=b"")

    def create_builder_config(self) -> _Config:
        return _Config()

    def create_optimization_profile(self) -> _Profile:
        return _Profile()

    def build_serialized_network(self, network: SimpleNamespace, config: _Config) -> bytes:
        return pickle.dumps((network.graph, config.profiles))


class _Parser:
    def __init__(self, network: SimpleNamespace, log: object) -> None:
        self._network = network

    def parse(self, graph: bytes) -> bool:
        self._network.graph = graph
        return True


def install(monkeypatch: pytest.MonkeyPatch) -> FakeGpu:
    """Let this process have a GPU and TensorRT until the test ends."""
    gpu, load = FakeGpu(), ctypes.CDLL
    libraries = {cuda.RUNTIMES[0]: gpu.runtime, cuda.DRIVER: gpu.driver}
    monkeypatch.setattr(ctypes, "CDLL", lambda name, *how, **more: libraries.get(name) or load(name, *how, **more))
    for cached in (cuda._runtime, cuda.gpu_name, tensorrt.logger):
        cached.cache_clear()
    module = ModuleType("tensorrt")
    module.__dict__.update(
        __version__=VERSION,
        Logger=type("Logger", (), {"ERROR": 1, "__init__": lambda self, least: None}),
        Runtime=lambda log: SimpleNamespace(deserialize_cuda_engine=partial(Engine, gpu)),
        nptype=lambda dtype: dtype,
        TensorIOMode=SimpleNamespace(INPUT="input"),
        Builder=_Builder,
        OnnxParser=_Parser,
        NetworkDefinitionCreationFlag=SimpleNamespace(STRONGLY_TYPED=1),
        MemoryPoolType=SimpleNamespace(WORKSPACE="workspace"),
        BuilderFlag=SimpleNamespace(TF32="tf32"),
    )
    monkeypatch.setitem(sys.modules, "tensorrt", module)
    return gpu
