"""An ONNX graph as TensorRT's strongly typed networks want it: each tensor has the type the graph says, and nothing is cast in silence.

TensorRT's parser takes int8 only between QuantizeLinear and DequantizeLinear, with zero points of zero, and has no kernels for tables of
int8 (NVIDIA, "Working with Quantized Types", TensorRT documentation; onnx-tensorrt, docs/operators.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from passerby.convert.graph import insert
from passerby.errors import ModelError

UNSUPPORTED = frozenset(
    {
        *("BitShift", "Compress", "ConvInteger", "Det", "DynamicQuantizeLinear", "Hardmax", "MatMulInteger", "MaxRoiPool", "MaxUnpool"),
        *("MeanVarianceNormalization", "Mod", "Multinomial", "NegativeLogLikelihoodLoss", "QLinearConv", "QLinearMatMul", "RandomNormal"),
        *("RandomNormalLike", "SequenceAt", "SequenceConstruct", "SequenceInsert", "StringNormalizer", "TfIdfVectorizer", "Unique"),
    }
)
TYPES = frozenset({TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.INT8, TensorProto.INT32, TensorProto.INT64, TensorProto.BOOL})
TO_INT8, FROM_INT8 = "QuantizeLinear", "DequantizeLinear"

Check = Callable[[ModelProto], Iterator[str]]


def for_tensorrt(model: ModelProto) -> ModelProto:
    """A copy that computes much the same, with signed activations around zero and its tables in float32.

    Signed steps are up to twice as wide where a tensor has one sign; the Rank-1 gate says whether that matters.

    Raises:
        ModelError: it does not hold what a strongly typed network demands even so; the first fault is named.
    """
    typed = ModelProto()
    typed.CopyFrom(model)
    _widen_tables(typed)
    _sign_activations(typed)
    del typed.graph.value_info[:]
    fault = next(faults(typed), None)
    if fault is not None:
        raise ModelError(expected="what a strongly typed network of TensorRT demands", found=fault, do="export or quantise the model again")
    return typed


def faults(model: ModelProto) -> Iterator[str]:
    """What a strongly typed network would not take, one after the other."""
    try:
        onnx.checker.check_model(model, full_check=True)
        inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        yield " ".join(str(error).split())[:200]
        return
    checks: tuple[Check, ...] = (_wrong_operators, _wrong_types, _wrong_steps, _stray_integers, _free_sizes)
    for check in checks:
        yield from check(inferred)


def _wrong_operators(model: ModelProto) -> Iterator[str]:
    return (f"the node {n.name} of type {n.op_type}" for n in model.graph.node if n.op_type in UNSUPPORTED)


def _wrong_types(model: ModelProto) -> Iterator[str]:
    for name, kind in _types(model).items():
        if kind not in TYPES:
            yield f"the tensor {name} of type {TensorProto.DataType.Name(kind).lower()}"


def _wrong_steps(model: ModelProto) -> Iterator[str]:
    """Scales must be stored and positive, and zero points zero."""
    stored = _stored(model)
    for node in model.graph.node:
        if node.op_type in (TO_INT8, FROM_INT8):
            scale, zero = stored.get(node.input[1]), stored.get(node.input[2]) if len(node.input) > 2 else np.zeros(1, np.int8)
            if scale is None or zero is None:
                yield f"the node {node.name} with a scale or zero point that is computed"
            elif not (scale > 0).all() or not np.isfinite(scale).all():
                yield f"the node {node.name} with a scale that is not positive"
            elif zero.any():
                yield f"the node {node.name} with a zero point other than 0"


def _stray_integers(model: ModelProto) -> Iterator[str]:
    """Int8 is made by QuantizeLinear or stored, and read by DequantizeLinear alone."""
    types = _types(model)
    for node in model.graph.node:
        reads = [name for name in node.input[:1] if types.get(name) == TensorProto.INT8]
        makes = [name for name in node.output if types.get(name) == TensorProto.INT8]
        if (reads and node.op_type != FROM_INT8) or (makes and node.op_type != TO_INT8):
            yield f"int8 in the node {node.name} of type {node.op_type}"


def _free_sizes(model: ModelProto) -> Iterator[str]:
    """Of pictures only the number is free; of words their length too, which an engine fixes."""
    for given in model.graph.input:
        sizes = given.type.tensor_type.shape.dim
        if len(sizes) > 2 and not all(d.dim_value for d in sizes[1:]):
            yield f"the input {given.name} of a free height or width"


def _sign_activations(model: ModelProto) -> None:
    """Replace uint8 steps and zero points by int8 steps around zero that reach as far, in place."""
    weights = {i.name: i for i in model.graph.initializer}
    constants = {(n.input[1], n.input[2]) for n in model.graph.node if n.op_type == TO_INT8 and len(n.input) > 2}
    for scale_name, zero_name in constants:
        scale, zero = (weights.get(name) for name in (scale_name, zero_name))
        if scale is None or zero is None or zero.data_type != TensorProto.UINT8:
            continue
        step, offset = numpy_helper.to_array(scale), numpy_helper.to_array(zero).astype(np.float32)
        reach = step * np.maximum(offset, 255 - offset)
        scale.CopyFrom(numpy_helper.from_array((reach / 127).astype(step.dtype), scale_name))
        zero.CopyFrom(numpy_helper.from_array(np.zeros(offset.shape, np.int8), zero_name))


def _widen_tables(model: ModelProto) -> None:
    """Store int8 tables with a scale a row as float32, in place: rows gathered, cast and multiplied become rows gathered."""
    stored, made_by = _stored(model), {out: n for n in model.graph.node for out in n.output}
    for gather in [n for n in model.graph.node if n.op_type == "Gather" and stored.get(n.input[0], np.empty(0)).dtype == np.int8]:
        cast = _only_reader(model, gather, "Cast")
        product = _only_reader(model, cast, "Mul")
        (other,) = (name for name in product.input if name != cast.output[0])
        scales = made_by[other]
        name = f"{gather.input[0]}.wide"
        table = stored[gather.input[0]].astype(np.float32) * stored[scales.input[0]]
        model.graph.initializer.append(numpy_helper.from_array(table, name))
        for node in (gather, cast, scales, product):
            model.graph.node.remove(node)
        _forget(model, (gather.input[0], scales.input[0]))
        insert(model, [helper.make_node("Gather", [name, gather.input[1]], [product.output[0]], f"{name}.gather")])


def _only_reader(model: ModelProto, node: NodeProto, kind: str) -> NodeProto:
    readers: list[NodeProto] = [n for n in model.graph.node if node.output[0] in n.input]
    if len(readers) != 1 or readers[0].op_type != kind:
        found = ", ".join(n.op_type for n in readers) or "nothing"
        raise ModelError(expected=f"a {kind} after the node {node.name}", found=found, do="quantise the model again with passerby quantize")
    return readers[0]


def _forget(model: ModelProto, names: tuple[str, ...]) -> None:
    kept = [i for i in model.graph.initializer if i.name not in names]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)


def _stored(model: ModelProto) -> Mapping[str, NDArray[Any]]:
    return {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}


def _types(model: ModelProto) -> dict[str, int]:
    """Of every tensor; of a model whose types were inferred."""
    values = (*model.graph.input, *model.graph.value_info, *model.graph.output)
    return {v.name: v.type.tensor_type.elem_type for v in values} | {i.name: i.data_type for i in model.graph.initializer}
