"""FP16 in an ONNX graph, with every type written out: what would overflow or lose its sums stays in float32, between casts.

Micikevicius et al., "Mixed Precision Training" (ICLR 2018) name what needs float32: sums, means, exponentials and norms. What overflows is
measured, not guessed: a node stays in float32 where it touches a value near the largest of float16, such as the -3.4e38 of an attention
mask. The graph reads and writes float32, so a tower has the same face in every precision.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from passerby.convert.graph import Feed, insert, watch

FLOAT32_OPS = frozenset(
    {
        *("LayerNormalization", "InstanceNormalization", "GroupNormalization", "BatchNormalization", "LpNormalization", "RMSNormalization"),
        *("Softmax", "LogSoftmax", "Exp", "Log", "Pow", "Sqrt", "Reciprocal"),
        *("ReduceMean", "ReduceSum", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceProd", "GlobalAveragePool"),
        *("Cast", "Constant", "ConstantOfShape", "Range"),
    }
)
"""Norms, exponentials and sums; and nodes whose type is in an attribute."""
LARGEST = float(np.finfo(np.float16).max) / 4
"""Of a value seen in calibration; other inputs may give four times as much."""


def to_half(model: ModelProto, inputs: Iterable[Feed], keep: Collection[str] = ()) -> None:
    """Compute in float16 what can be, and store the weights of that in float16, in place.

    Args:
        inputs: what the model takes, one mapping for each run; the sizes of its tensors are measured on them.
        keep: weights whose layers stay in float32.
    """
    floats = _float_tensors(model)
    unfit = _large_tensors(model, floats, inputs) | set(keep)
    half = {n.output[0] for n in model.graph.node if _fits_half(n, floats, unfit)}
    casts = _end_in_float(model, half)
    halves = _store_half(model, half, floats) | {out for n in model.graph.node if n.output[0] in half for out in n.output}
    del model.graph.value_info[:]
    for node in model.graph.node:
        read = [(i, source) for i, source in enumerate(node.input) if source in floats]
        if len(read) == 1 and not floats & set(node.output):
            continue
        for i, source in read:
            if (source in halves) != (node.output[0] in half):
                name, to = (f"{source}.half", TensorProto.FLOAT16) if node.output[0] in half else (f"{source}.float", TensorProto.FLOAT)
                casts.setdefault(name, helper.make_node("Cast", [source], [name], f"{name}.cast", to=to))
                node.input[i] = name
    insert(model, casts.values())


def _float_tensors(model: ModelProto) -> set[str]:
    """Names of all float32 tensors: inputs, weights, and what nodes give; not the scales of a Resize, which are float32 in any case."""
    inferred = onnx.shape_inference.infer_shapes(model).graph
    values = (*inferred.input, *inferred.value_info, *inferred.output)
    named = {v.name for v in values if v.type.tensor_type.elem_type == TensorProto.FLOAT}
    scales = {source for n in model.graph.node if n.op_type == "Resize" for source in n.input[1:]}
    return (named | {i.name for i in inferred.initializer if i.data_type == TensorProto.FLOAT}) - scales


def _large_tensors(model: ModelProto, floats: Collection[str], inputs: Iterable[Feed]) -> set[str]:
    stored = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer if i.name in floats}
    large = {name for name, values in stored.items() if _is_large(values)}
    made = {out for n in model.graph.node for out in n.output if out in floats}
    for seen in watch(model, made, inputs):
        large |= {name for name, values in seen.items() if _is_large(values)}
    return large


def _is_large(values: NDArray[np.float32]) -> bool:
    return bool(values.size) and not float(np.abs(values).max()) <= LARGEST


def _fits_half(node: NodeProto, floats: set[str], unfit: set[str]) -> bool:
    return node.op_type not in FLOAT32_OPS and bool(floats & set(node.output)) and not unfit & {*node.input, *node.output}


def _store_half(model: ModelProto, half: set[str], floats: set[str]) -> set[str]:
    """Narrow the weights that only float16 nodes read; returns their names."""
    read_by_others = {source for n in model.graph.node if n.output[0] not in half for source in n.input}
    narrowed = [i for i in model.graph.initializer if i.name in floats - read_by_others]
    for weight in narrowed:
        weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight).astype(np.float16), weight.name))
    return {weight.name for weight in narrowed}


def _end_in_float(model: ModelProto, half: set[str]) -> dict[str, NodeProto]:
    """Casts that widen what the graph gives, by name; what float16 nodes made of it is renamed."""
    casts = {}
    for output in model.graph.output:
        maker = next((n for n in model.graph.node if output.name in n.output), None)
        if maker is not None and maker.output[0] in half:
            narrow = f"{output.name}.narrow"
            casts[output.name] = helper.make_node("Cast", [narrow], [output.name], f"{narrow}.cast", to=TensorProto.FLOAT)
            half.add(narrow)
            maker.output[list(maker.output).index(output.name)] = narrow
    return casts
