"""An ONNX graph whose input has a fixed height and width, with both left open.

YOLOX's own export writes 640 x 640 or 416 x 416 beside a graph that takes any multiple of its largest stride. What ONNX Runtime refuses by
is that entry alone, so it is rewritten, in the file's bytes: the package ``onnx`` is not needed to look for people. Protocol buffers are
lists of numbered fields (https://protobuf.dev/programming-guides/encoding); the numbers are those of ``onnx.proto``.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from functools import partial
from itertools import count
from typing import Final, NamedTuple

from passerby.errors import ModelError

_BYTES: Final = 2
_GRAPH: Final = 7
_INITIALIZER, _TENSOR_NAME, _VALUE_NAME = 5, 8, 1
_INPUT, _OUTPUT, _VALUE_INFO = 11, 12, 13
_TYPE, _TENSOR, _SHAPE, _DIM, _DIM_PARAM = 2, 1, 2, 1, 2
_SIDES: Final = (2, 3)
"""Which dimensions of the input are height and width."""
_ROWS: Final = (1,)
"""Which of the output follow from them."""

Change = Callable[[memoryview], bytes]


class _Field(NamedTuple):
    """A field of a message: its number, what it holds (of bytes alone), and all of it as it is written."""

    number: int
    held: memoryview | None
    written: memoryview


def with_free_sides(model: bytes) -> bytes:
    """An ONNX model that takes pictures of any height and width, as far as its operators do; its other dimensions stay.

    Raises:
        ModelError: the bytes are no ONNX model.
    """
    try:
        return _changed(memoryview(model), _GRAPH, _free_graph)
    except (IndexError, ValueError) as error:
        raise ModelError(expected="an ONNX model", found=f"something else ({error})", do="get the file again") from None


def _free_graph(graph: memoryview) -> bytes:
    """With open sides, and nothing said of the shapes that follow from them on the way."""
    weights = {name for field in _fields(graph) if field.number == _INITIALIZER for name in _held(field.held, _TENSOR_NAME)}

    def free_input(value: memoryview) -> bytes:
        return bytes(value) if weights.issuperset(_held(value, _VALUE_NAME)) else _free_value(value, _SIDES)

    told = b"".join(field.written for field in _fields(graph) if field.number != _VALUE_INFO)
    opened = _changed(memoryview(told), _INPUT, free_input)
    return _changed(memoryview(opened), _OUTPUT, partial(_free_value, places=_ROWS))


def _free_value(value: memoryview, places: Container[int]) -> bytes:
    """An input or output whose dimensions at these places are open."""
    change: Change = partial(_free_shape, places=places)
    for number in (_SHAPE, _TENSOR, _TYPE):
        change = partial(_changed, number=number, change=change)
    return change(value)


def _free_shape(shape: memoryview, places: Container[int]) -> bytes:
    place = count()
    return _changed(shape, _DIM, lambda dim: _open_dim(f"open{at}") if (at := next(place)) in places else bytes(dim))


def _open_dim(name: str) -> bytes:
    return _written(_DIM_PARAM, name.encode())


def _held(message: memoryview | None, number: int) -> list[bytes]:
    """What the fields of a number hold."""
    return [bytes(field.held) for field in _fields(message or memoryview(b"")) if field.number == number and field.held is not None]


def _changed(message: memoryview, number: int, change: Change) -> bytes:
    """A message in which each field of a number, of bytes, is another."""
    return b"".join(
        _written(number, change(field.held)) if field.number == number and field.held is not None else field.written
        for field in _fields(message)
    )


def _written(number: int, held: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(held)) + held


def _fields(message: memoryview) -> Iterator[_Field]:
    """The fields of a message in their order. Raises ``ValueError`` or ``IndexError`` where it is none."""
    start = 0
    while start < len(message):
        key, at = _read_varint(message, start)
        held = None
        match key & 7:
            case 0:  # a varint
                _, end = _read_varint(message, at)
            case 1:  # 64 bits
                end = at + 8
            case 2:  # bytes, which may be a message
                length, at = _read_varint(message, at)
                end = at + length
                held = message[at:end]
            case 5:  # 32 bits
                end = at + 4
            case kind:
                raise ValueError(f"a field of kind {kind}")
        if end > len(message):
            raise ValueError("a field that is cut off")
        yield _Field(key >> 3, held, message[start:end])
        start = end


def _read_varint(message: memoryview, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, lowest first, and where it ends."""
    number = 0
    for place in range(10):
        byte = message[at + place]
        number |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return number, at + place + 1
    raise ValueError("a number that does not end")


def _varint(number: int) -> bytes:
    low = []
    while number >= 0x80:
        low.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*low, number])
