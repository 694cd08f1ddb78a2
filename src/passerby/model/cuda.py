"""As much of the CUDA runtime as an engine needs: pinned and device memory, streams, and graphs that replay what a stream did.

Each is given back when nothing refers to it any more. Called through ``ctypes``, so that a device needs no package but the runtime that its
driver came with.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from ctypes import byref, c_char_p, c_int, c_size_t, c_uint, c_ulonglong, c_void_p
from functools import cache
from typing import Final
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

from passerby.errors import ModelError

RUNTIMES: Final = ("libcudart.so.13", "libcudart.so.12", "libcudart.so")
DRIVER: Final = "libcuda.so.1"
TO_DEVICE: Final = 1
TO_HOST: Final = 2
_RELAXED: Final = 2
"""cudaStreamCaptureModeRelaxed: memory that is given back meanwhile, by whichever thread, does not spoil the capture."""
_MAJOR, _MINOR, _MULTIPROCESSORS = 75, 76, 16
"""Attributes of a device, as the driver numbers them."""

_ARGUMENTS: Final = {
    "cudaHostAlloc": [c_void_p, c_size_t, c_uint],
    "cudaFreeHost": [c_void_p],
    "cudaMalloc": [c_void_p, c_size_t],
    "cudaFree": [c_void_p],
    "cudaMemcpyAsync": [c_void_p, c_void_p, c_size_t, c_int, c_void_p],
    "cudaStreamCreate": [c_void_p],
    "cudaStreamDestroy": [c_void_p],
    "cudaStreamSynchronize": [c_void_p],
    "cudaStreamBeginCapture": [c_void_p, c_int],
    "cudaStreamEndCapture": [c_void_p, c_void_p],
    "cudaGraphInstantiateWithFlags": [c_void_p, c_void_p, c_ulonglong],
    "cudaGraphDestroy": [c_void_p],
    "cudaGraphExecDestroy": [c_void_p],
    "cudaGraphLaunch": [c_void_p, c_void_p],
}


class Owned:
    """Something that CUDA made: device memory, a stream or a graph.

    Args:
        handle: by which CUDA knows it; an address, of memory.
        giving_back: CUDA's function that does that.
    """

    def __init__(self, handle: int, giving_back: str) -> None:
        self.handle = handle
        _give_back_with(self, giving_back, handle)


@cache
def gpu_name() -> str:
    """The first GPU's name, compute capability and multiprocessors, such as ``Orin sm87 16``. Raises ``ModelError`` where there is none."""
    driver = _library((DRIVER,))
    device, value, name = c_int(), c_int(), ctypes.create_string_buffer(256)
    _require(driver, "cuInit", driver.cuInit(0))
    _require(driver, "cuDeviceGet", driver.cuDeviceGet(byref(device), 0))
    _require(driver, "cuDeviceGetName", driver.cuDeviceGetName(name, len(name), device))
    numbers = []
    for attribute in (_MAJOR, _MINOR, _MULTIPROCESSORS):
        _require(driver, "cuDeviceGetAttribute", driver.cuDeviceGetAttribute(byref(value), attribute, device))
        numbers.append(value.value)
    major, minor, multiprocessors = numbers
    return f"{name.value.decode()} sm{major}{minor} {multiprocessors}"


def pinned(size: int) -> NDArray[np.uint8]:
    """Host memory that the GPU copies from and to without help, as long as there is a view of it: uint8 (size,)."""
    address = c_void_p()
    _call("cudaHostAlloc", byref(address), size, 0)
    memory = (ctypes.c_uint8 * size).from_address(address.value or 0)
    _give_back_with(memory, "cudaFreeHost", address.value or 0)
    return np.ctypeslib.as_array(memory)


def allocate(size: int) -> Owned:
    """So many bytes on the device."""
    address = c_void_p()
    _call("cudaMalloc", byref(address), size)
    return Owned(address.value or 0, "cudaFree")


def create_stream() -> Owned:
    stream = c_void_p()
    _call("cudaStreamCreate", byref(stream))
    return Owned(stream.value or 0, "cudaStreamDestroy")


def copy(target: int, source: int, size: int, direction: int, stream: Owned) -> None:
    """Put a copy on the stream; ``direction`` is ``TO_DEVICE`` or ``TO_HOST``."""
    _call("cudaMemcpyAsync", target, source, size, direction, stream.handle)


def synchronize(stream: Owned) -> None:
    _call("cudaStreamSynchronize", stream.handle)


def capture(work: Callable[[], None], stream: Owned) -> Owned:
    """A graph of what ``work`` puts on the stream; nothing of it runs yet."""
    graph, executable = c_void_p(), c_void_p()
    _call("cudaStreamBeginCapture", stream.handle, _RELAXED)
    try:
        work()
    finally:
        _call("cudaStreamEndCapture", stream.handle, byref(graph))
    _call("cudaGraphInstantiateWithFlags", byref(executable), graph, 0)
    _call("cudaGraphDestroy", graph)
    return Owned(executable.value or 0, "cudaGraphExecDestroy")


def launch(executable: Owned, stream: Owned) -> None:
    _call("cudaGraphLaunch", executable.handle, stream.handle)


def _give_back_with(owner: object, function: str, handle: int) -> None:
    """Give something back when its owner goes; the end of the process gives back all that is left.

    CUDA answers with the errors of earlier work, which were raised there.
    """
    finalize(owner, getattr(_runtime(), function), handle).atexit = False


def _call(function: str, *arguments: object) -> None:
    runtime = _runtime()
    _require(runtime, function, getattr(runtime, function)(*arguments))


@cache
def _runtime() -> ctypes.CDLL:
    runtime = _library(RUNTIMES)
    for function, arguments in _ARGUMENTS.items():
        getattr(runtime, function).argtypes = arguments
    runtime.cudaGetErrorString.argtypes, runtime.cudaGetErrorString.restype = [c_int], c_char_p
    return runtime


def _library(names: tuple[str, ...]) -> ctypes.CDLL:
    for name in names:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    raise ModelError(expected="an NVIDIA GPU and its driver", found=f"no {' or '.join(names)}", do="use ONNX Runtime here")


def _require(library: ctypes.CDLL, function: str, error: int) -> None:
    if error:
        told = library.cudaGetErrorString(error).decode() if function.startswith("cuda") else "see CUresult in CUDA's manual"
        do = "free the GPU of other work or check its driver, or use ONNX Runtime"
        raise ModelError(expected=f"{function} to succeed", found=f"CUDA error {error} ({told})", do=do)
