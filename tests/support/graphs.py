"""ONNX graphs, run and taken apart."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from numpy.typing import NDArray

from passerby.model.onnx import start_session

Float32 = NDArray[np.float32]


def run(model: onnx.ModelProto, feed: Mapping[str, NDArray[np.generic]]) -> list[Float32]:
    outputs: list[Float32] = start_session(model.SerializeToString(), threads=1).run(None, dict(feed))
    return outputs


def without_activation_pairs(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with its quantised weights, its activations left in float32."""
    quantised = {n.output[0]: n.input[0] for n in model.graph.node if n.op_type == "QuantizeLinear"}
    pairs = {n.output[0]: quantised[n.input[0]] for n in model.graph.node if n.op_type == "DequantizeLinear" and n.input[0] in quantised}
    assert pairs
    kept = [n for n in model.graph.node if n.output[0] not in quantised and n.output[0] not in pairs]
    for node in kept:
        for i, source in enumerate(node.input):
            node.input[i] = pairs.get(source, source)
    del model.graph.node[:]
    model.graph.node.extend(kept)
    return model
