"""INT8 in an ONNX graph, written as explicit QuantizeLinear and DequantizeLinear pairs that every engine reads.

Weights are signed, symmetric and per output channel; activations are unsigned, with one scale a tensor (Jacob et al., "Quantization and
Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", CVPR 2018). Only convolutions and linear layers are
quantised: normalisation, softmax and the attention products stay in float32. The inputs of linear layers are smoothed first (Xiao et
al., "SmoothQuant", ICML 2023): a few channels with large values would leave no steps for the others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from passerby.convert.graph import Feed, insert, layers, watch
from passerby.learn.models.from_bundle import SCALE, SMOOTHING

MIGRATION = 0.75
"""How much of the unevenness of a linear layer's inputs goes over to its weights before both are rounded: 0 none, 1 all."""
SAMPLES = 2048
"""Values kept of each tensor and each calibration input."""
SHRINKS: list[float] = np.linspace(1.0, 0.5, 26).tolist()


@dataclass(frozen=True, slots=True)
class Range:
    """The values of a tensor that its integers can tell apart; includes 0."""

    low: float
    high: float

    @property
    def step(self) -> float:
        """Between two neighbours of the 256; positive even where a tensor was all zeros."""
        return max(self.high - self.low, 1e-12) / 255

    @property
    def zero(self) -> int:
        """The integer that stands for 0."""
        return round(-self.low / self.step)


def smooth(model: ModelProto, inputs: Iterable[Feed], keep: Collection[str] = ()) -> None:
    """Even out the channels that each linear layer reads, and its weights the other way round, in place; what it computes stays the same.

    Args:
        inputs: what the model takes, one mapping for each run; the channels' sizes are measured on them.
        keep: weights whose layers are left alone.
    """
    weights = {i.name: i for i in model.graph.initializer}
    linear = [n for n in layers(model) if n.op_type != "Conv" and n.input[1] not in keep]
    largest = _channel_maxima(model, {n.input[0] for n in linear}, inputs)
    products = []
    for node in linear:
        weight = weights[node.input[1]]
        values = numpy_helper.to_array(weight)
        by_input = values if _channel_axis(node) == 1 else values.T
        reciprocals = _reciprocals(largest[node.input[0]], np.abs(by_input).max(axis=1))
        smoothed = by_input / reciprocals[:, None]
        weight.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(smoothed if by_input is values else smoothed.T), weight.name))
        name = weight.name + SMOOTHING
        model.graph.initializer.append(numpy_helper.from_array(reciprocals, name))
        products.append(helper.make_node("Mul", [node.input[0], name], [f"{weight.name}.input"], f"{name}.node"))
        node.input[0] = f"{weight.name}.input"
    insert(model, products)


def _reciprocals(inputs: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """What each channel is multiplied by; the weights, which have a scale for each output, take most of the unevenness."""
    return (np.maximum(weights, 1e-5) ** (1 - MIGRATION) / np.maximum(inputs, 1e-5) ** MIGRATION).astype(np.float32)


def _channel_maxima(model: ModelProto, names: Iterable[str], inputs: Iterable[Feed]) -> dict[str, NDArray[np.float32]]:
    """The largest magnitude in each channel, the last axis, of each tensor named."""
    largest: dict[str, NDArray[np.float32]] = {}
    for values in watch(model, names, inputs):
        for name, value in values.items():
            seen = np.abs(value).reshape(-1, value.shape[-1]).max(axis=0)
            largest[name] = np.maximum(largest.get(name, seen), seen)
    return largest


def quantize_weights(model: ModelProto, inputs: Iterable[Feed], keep: Collection[str] = ()) -> None:
    """Turn the weights of convolutions and linear layers into int8, per output channel, in place.

    What rounding a convolution's weights adds to its output on average is taken from its bias (Nagel et al., "Data-Free Quantization
    Through Weight Equalization and Bias Correction", ICCV 2019): a depthwise filter has few weights, and their errors do not cancel.

    Args:
        inputs: what the model takes, one mapping for each run; the mean inputs of convolutions are measured on them.
        keep: weights that stay in float.
    """
    chosen = [n for n in layers(model) if n.input[1] not in keep]
    _give_biases(model, [n for n in chosen if n.op_type == "Conv"])
    weights = {i.name: i for i in model.graph.initializer}
    means = _channel_means(model, {n.input[0] for n in chosen if n.op_type == "Conv"}, inputs)
    dequantize = []
    for node in chosen:
        weight = weights[node.input[1]]
        axis = _channel_axis(node)
        original = numpy_helper.to_array(weight)
        values, scales = symmetric_int8(original, axis)
        if node.op_type == "Conv":
            error = values * scales[:, None, None, None] - original
            bias = weights[node.input[2]]
            corrected = numpy_helper.to_array(bias) - _mean_output(error, means[node.input[0]])
            bias.CopyFrom(numpy_helper.from_array(corrected.astype(np.float32), bias.name))
        _replace(weight, values)
        model.graph.initializer.append(numpy_helper.from_array(scales, weight.name + SCALE))
        wide = weight.name + ".float"
        stored = [weight.name, weight.name + SCALE]
        if node.op_type == "Gemm":
            stored.append(f"{weight.name}.zero")
            model.graph.initializer.append(numpy_helper.from_array(np.zeros(len(scales), np.int8), stored[-1]))
        dequantize.append(helper.make_node("DequantizeLinear", stored, [wide], f"{wide}.node", axis=axis))
        node.input[1] = wide
    insert(model, dequantize)


def part_biases(model: ModelProto, keep: Collection[str] = ()) -> None:
    """Add the biases of each Gemm in a node of their own, in place.

    ONNX Runtime multiplies a Gemm in integers only where it has no float bias and its weight's zero points are written out.

    Args:
        keep: weights whose layers are left alone.
    """
    sums = []
    for node in layers(model):
        if node.op_type == "Gemm" and node.input[1] not in keep and len(node.input) == 3 and _attribute(node, "beta", 1.0) == 1.0:
            bias, output, product = node.input.pop(), node.output[0], f"{node.output[0]}.product"
            node.output[0] = product
            sums.append(helper.make_node("Add", [product, bias], [output], f"{node.name}.bias"))
    insert(model, sums)


def _attribute(node: NodeProto, name: str, default: float) -> float:
    return next((helper.get_attribute_value(a) for a in node.attribute if a.name == name), default)


def _give_biases(model: ModelProto, convolutions: Iterable[NodeProto]) -> None:
    """A bias of zeros to each convolution that has none."""
    outputs = {i.name: i.dims[0] for i in model.graph.initializer if i.dims}
    for node in convolutions:
        if len(node.input) < 3:
            bias = f"{node.input[1]}.bias"
            model.graph.initializer.append(numpy_helper.from_array(np.zeros(outputs[node.input[1]], np.float32), bias))
            node.input.append(bias)


def _mean_output(weight: NDArray[np.float32], means: NDArray[np.float32]) -> NDArray[np.float32]:
    """What a convolution ``(out, in / groups, k, k)`` gives on average, ``(out,)``, for channels ``(in,)`` of these means."""
    by_channel = weight.sum(axis=(2, 3))
    group = np.arange(len(weight)) * (len(means) // weight.shape[1]) // len(weight)
    reads = group[:, None] * weight.shape[1] + np.arange(weight.shape[1])
    mean: NDArray[np.float32] = (by_channel * means[reads]).sum(axis=1)
    return mean


def _channel_means(model: ModelProto, names: Iterable[str], inputs: Iterable[Feed]) -> dict[str, NDArray[np.float32]]:
    """The mean of each channel, the second axis, of each tensor ``(n, c, h, w)`` named."""
    means: dict[str, list[NDArray[np.float32]]] = {}
    for values in watch(model, names, inputs):
        for name, value in values.items():
            means.setdefault(name, []).append(value.mean(axis=(0, 2, 3)))
    return {name: np.mean(seen, axis=0) for name, seen in means.items()}


def token_table(model: ModelProto) -> str | None:
    """The name of the stored table whose rows the text tower gathers by ``input_ids``; ``None`` for a tower that reads none."""
    stored = {i.name for i in model.graph.initializer}
    ids = {"input_ids"}
    for node in model.graph.node:
        if node.op_type in ("Cast", "Identity", "Reshape") and node.input[0] in ids:
            ids.add(node.output[0])
        if node.op_type == "Gather" and node.input[1] in ids and node.input[0] in stored:
            return str(node.input[0])
    return None


def quantize_embedding(model: ModelProto, name: str) -> None:
    """Turn an embedding table into int8 with a scale a row, in place. Rows are gathered before they are widened, so memory stays small."""
    table = next(i for i in model.graph.initializer if i.name == name)
    gather = next(n for n in model.graph.node if n.op_type == "Gather" and n.input[0] == name)
    values, scales = symmetric_int8(numpy_helper.to_array(table), axis=0)
    _replace(table, values)
    model.graph.initializer.append(numpy_helper.from_array(scales[:, None], name + SCALE))
    ids, rows = gather.input[1], gather.output[0]
    nodes = [
        helper.make_node("Gather", [name, ids], [f"{name}.rows"], f"{name}.gather"),
        helper.make_node("Cast", [f"{name}.rows"], [f"{name}.wide"], f"{name}.cast", to=TensorProto.FLOAT),
        helper.make_node("Gather", [name + SCALE, ids], [f"{name}.scales"], f"{name}.gather_scales"),
        helper.make_node("Mul", [f"{name}.wide", f"{name}.scales"], [rows], f"{name}.scale"),
    ]
    model.graph.node.remove(gather)
    insert(model, nodes)


def quantize_activations(model: ModelProto, ranges: Mapping[str, Range]) -> None:
    """Send each tensor named through uint8 and back before anything reads it, in place."""
    pairs = []
    for name, r in ranges.items():
        constants = [f"{name}.act_scale", f"{name}.act_zero"]
        model.graph.initializer.append(numpy_helper.from_array(np.array(r.step, np.float32), constants[0]))
        model.graph.initializer.append(numpy_helper.from_array(np.array(r.zero, np.uint8), constants[1]))
        for node in model.graph.node:
            for i, source in enumerate(node.input):
                if source == name:
                    node.input[i] = f"{name}.dq"
        pairs.append(helper.make_node("QuantizeLinear", [name, *constants], [f"{name}.q"], f"{name}.quantize"))
        pairs.append(helper.make_node("DequantizeLinear", [f"{name}.q", *constants], [f"{name}.dq"], f"{name}.dequantize"))
    insert(model, pairs)


def activations(model: ModelProto, keep: Collection[str] = ()) -> list[str]:
    """The tensors to quantise: what a quantised layer reads, and what a convolution writes, after its ReLU6 where it has one."""
    clips = {n.input[0]: n.output[0] for n in model.graph.node if n.op_type == "Clip"}
    names = []
    for node in layers(model):
        if node.input[1] in keep:
            continue
        names.append(node.input[0])
        if node.op_type == "Conv":
            names.append(clips.get(node.output[0], node.output[0]))
    return list(dict.fromkeys(names))


def measure_ranges(model: ModelProto, names: Iterable[str], inputs: Iterable[Feed]) -> dict[str, Range]:
    """Run the model and find for each tensor the range that quantises it with the least squared error.

    Args:
        inputs: what the model takes, one mapping for each run.
    """
    rng = np.random.default_rng(0)
    seen: dict[str, list[NDArray[np.float32]]] = {}
    for values in watch(model, names, inputs):
        for name, value in values.items():
            flat = value.reshape(-1)
            sample = rng.choice(flat, min(SAMPLES, flat.size), replace=False)
            seen.setdefault(name, []).append(np.append(sample, (flat.min(), flat.max())).astype(np.float32))
    return {name: best_range(np.concatenate(samples)) for name, samples in seen.items()}


def best_range(values: NDArray[np.float32]) -> Range:
    """Of the full range and its shrunken versions, the one whose 256 steps lie nearest to the values."""
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    candidates = [Range(low * shrink, high * shrink) for shrink in SHRINKS]
    return min(candidates, key=lambda r: _squared_error(values, r))


def _squared_error(values: NDArray[np.float32], r: Range) -> float:
    stored = np.clip(np.rint(values / r.step) + r.zero, 0, 255)
    return float(np.square((stored - r.zero) * r.step - values).mean())


def symmetric_int8(values: NDArray[np.float32], axis: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Integers in [-127, 127] of the same shape, and one scale for each index along ``axis``: values are their product.

    Channels of zeros, or of numbers too small for a scale of full precision, become zeros.
    """
    others = tuple(i for i in range(values.ndim) if i != axis)
    scales = np.abs(values).max(axis=others).astype(np.float32) / 127
    scales[scales < np.finfo(np.float32).tiny] = 1.0
    shape = [1] * values.ndim
    shape[axis] = -1
    return np.rint(values / scales.reshape(shape)).astype(np.int8), scales


def _channel_axis(node: NodeProto) -> int:
    if node.op_type == "Conv":
        return 0
    return 0 if _attribute(node, "transB", 0) else 1


def _replace(initialiser: TensorProto, values: NDArray[np.int8]) -> None:
    initialiser.CopyFrom(numpy_helper.from_array(values, initialiser.name))
