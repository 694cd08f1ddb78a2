"""As much of the CUDA runtime as an engine needs: pinned and device memory, one stream, and graphs that replay what a stream did.

Called through ``ctypes``, so that a device needs no package but the runtime that its driver came with.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from ctypes import byref, c_char_p, c_int, c_size_t, c_uint, c_ulonglong, c_void_p
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from passerby.errors import ModelError

RUNTIMES: Final = ("libcudart.so.13", "libcudart.so.12", "libcudart.so")
DRIVER: Final = "libcuda.so.1"
TO_DEVICE: Final = 1
TO_HOST: Final = 2
_THIS_THREAD: Final = 1
"""cudaStreamCaptureModeThreadLocal: what other threads do meanwhile does not spoil the capture."""
_MAJOR, _MINOR, _MULTIPROCESSORS = 75, 76, 16
"""Attributes of a device, as the driver numbers them."""

_ARGUMENTS: Final = {
    "cudaHostAlloc": [c_void_p, c_size_t, c_uint],
    "cudaFreeHost": [c_void_p],
    "cudaMalloc": [c_void_p, c_size_t],
    "cudaFree": [c_void_p],
    "cudaMemcpyAsync": [c_void_p, c_void_p, c_size_t, c_int, c_void_p],
    "cudaStreamCreate": [c_void_p],
    "cudaStreamSynchronize": [c_void_p],
    "cudaStreamBeginCapture": [c_void_p, c_int],
    "cudaStreamEndCapture": [c_void_p, c_void_p],
    "cudaGraphInstantiateWithFlags": [c_void_p, c_void_p, c_ulonglong],
    "cudaGraphDestroy": [c_void_p],
    "cudaGraphLaunch": [c_void_p, c_void_p],
}


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
    """Host memory that the GPU copies from and to without help, for the life of the process: uint8 (size,)."""
    address = c_void_p()
    _call("cudaHostAlloc", byref(address), size, 0)
    return np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address.value or 0))


def allocate(size: int) -> int:
    """The address of so many bytes on the device, for the life of the process."""
    address = c_void_p()
    _call("cudaMalloc", byref(address), size)
    return address.value or 0


def create_stream() -> int:
    stream = c_void_p()
    _call("cudaStreamCreate", byref(stream))
    return stream.value or 0


def copy(target: int, source: int, size: int, direction: int, stream: int) -> None:
    """Put a copy on the stream; ``direction`` is ``TO_DEVICE`` or ``TO_HOST``."""
    _call("cudaMemcpyAsync", target, source, size, direction, stream)


def synchronize(stream: int) -> None:
    _call("cudaStreamSynchronize", stream)


def capture(work: Callable[[], None], stream: int) -> int:
    """A graph of what ``work`` puts on the stream; nothing of it runs yet."""
    graph, executable = c_void_p(), c_void_p()
    _call("cudaStreamBeginCapture", stream, _THIS_THREAD)
    try:
        work()
    finally:
        _call("cudaStreamEndCapture", stream, byref(graph))
    _call("cudaGraphInstantiateWithFlags", byref(executable), graph, 0)
    _call("cudaGraphDestroy", graph)
    return executable.value or 0


def launch(executable: int, stream: int) -> None:
    _call("cudaGraphLaunch", executable, stream)


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
