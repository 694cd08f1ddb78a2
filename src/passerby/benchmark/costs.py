"""What one run of a tower costs, counted from its ONNX graph: multiplications, weights, and the numbers in and out of each layer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from passerby.errors import ModelError
from passerby.model.onnx import available_cores, start_session

_MULTIPLY: Final = frozenset({"Conv", "MatMul", "Gemm"})
_PASSED_ON: Final = frozenset({"DequantizeLinear", "QuantizeLinear", "Transpose", "Reshape", "Cast", "Identity"})
"""Operators whose output is their first input's numbers in another form."""

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Layer:
    """A convolution or matrix product, on one input.

    Args:
        macs: multiplications, each with an addition.
        weights: numbers that are the same for every input; 0 for a product of two activations.
        activations: numbers read and written that are not weights.
        depthwise: a convolution of each channel by itself, which matrix units cannot speed up.
    """

    name: str
    macs: int
    weights: int
    activations: int
    depthwise: bool = False


@dataclass(frozen=True, slots=True)
class TowerCost:
    """A tower on one input.

    Args:
        layers: its convolutions and matrix products, in the graph's order.
        parameters: all learned numbers, embeddings included.
    """

    layers: tuple[Layer, ...]
    parameters: int

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one input."""
        return sum(layer.macs for layer in self.layers)


def tower_cost(path: Path, *, tokens: int = 1, mend: str = "export the model again") -> TowerCost:
    """Count what one input costs; the tower is run once, to see the shapes of what passes between its layers.

    Args:
        path: an ONNX file with the inputs of a bundle's tower, of float weights or with Q/DQ.
        tokens: of a text.
        mend: what to do where the file is damaged.

    Raises:
        ModelError: not an ONNX model, or one that does not run.
    """
    try:
        model = onnx.load(path)
        nodes = [node for node in model.graph.node if node.op_type in _MULTIPLY]
        constants = {i.name: tuple(i.dims) for i in model.graph.initializer}
        shapes = _shapes(model, {value for node in nodes for value in (*node.input[:2], node.output[0])} - set(constants), tokens)
    except Exception as error:  # the errors of protobuf and of ONNX Runtime share no other base
        found = " ".join(str(error).split())[:200]
        raise ModelError(expected=f"{path} to be an ONNX model that runs", found=found, do=mend) from None
    producers = {output: node for node in model.graph.node for output in node.output}
    layers = [_layer(node, shapes | constants, _constants_of(node, constants, producers)) for node in nodes]
    return TowerCost(tuple(layers), _parameters(model))


def _shapes(model: onnx.ModelProto, values: set[str], tokens: int) -> dict[str, Shape]:
    """The shapes of values of the graph when one input runs through it."""
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    known = {output.name for output in model.graph.output} | {value.name for value in model.graph.input}
    watched.graph.output.extend(onnx.ValueInfoProto(name=name) for name in sorted(values - known))
    feed = {value.name: _one_input(value, tokens) for value in model.graph.input}
    session = start_session(watched.SerializeToString(), threads=available_cores())
    outputs = session.run(None, feed)
    found = {node.name: output.shape for node, output in zip(session.get_outputs(), outputs, strict=True)}
    return found | {name: value.shape for name, value in feed.items()}


def _one_input(value: onnx.ValueInfoProto, tokens: int) -> NDArray[Any]:
    tensor = value.type.tensor_type
    shape = [dim.dim_value or (tokens if axis else 1) for axis, dim in enumerate(tensor.shape.dim)]
    return np.ones(shape, helper.tensor_dtype_to_np_dtype(tensor.elem_type))


def _layer(node: onnx.NodeProto, shapes: Mapping[str, Shape], weights: int) -> Layer:
    left, right = (shapes[source] for source in node.input[:2])
    written = math.prod(shapes[node.output[0]])
    contracted, depthwise = _contracted(node, left, right)
    activations = math.prod(left) + math.prod(right) - weights + written
    return Layer(node.name or node.output[0], written * contracted, weights, activations, depthwise)


def _contracted(node: onnx.NodeProto, left: Shape, right: Shape) -> tuple[int, bool]:
    """How many products make one number of the output, and whether each channel is by itself."""
    if node.op_type == "Conv":
        return math.prod(right[1:]), right[1] == 1 and left[1] > 1
    if node.op_type == "Gemm":
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        return left[0 if attributes.get("transA") else 1], False
    return left[-1], False


def _constants_of(node: onnx.NodeProto, constants: Mapping[str, Shape], producers: Mapping[str, onnx.NodeProto]) -> int:
    """How many of the numbers a layer multiplies are the same for every input."""
    sources = (_source(value, producers) for value in node.input[:2])
    return sum(math.prod(constants[source]) for source in sources if source in constants)


def _source(value: str, producers: Mapping[str, onnx.NodeProto]) -> str:
    while value in producers and producers[value].op_type in _PASSED_ON:
        value = producers[value].input[0]
    return value


def _parameters(model: onnx.ModelProto) -> int:
    """Constants, without those that are shapes, indices, scales or zero points."""
    scales = {name for node in model.graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear") for name in node.input[1:]}
    numbers = [i for i in model.graph.initializer if i.data_type not in (TensorProto.INT64, TensorProto.BOOL) and i.name not in scales]
    return sum(math.prod(i.dims) for i in numbers)
