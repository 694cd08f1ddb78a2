"""What every conversion does with an ONNX graph: read it with care, watch it run, put nodes into it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import AttributeProto, ModelProto, NodeProto, TensorProto, helper

from passerby.errors import ModelError
from passerby.model.manifest import BundleFile
from passerby.model.onnx import available_cores, start_session

OPSET = 18
"""The oldest that is exported and converted: below 17, LayerNormalization is taken apart and overflows in float16."""
LAYERS = ("Conv", "Gemm", "MatMul")

Feed = Mapping[str, NDArray[Any]]
"""What a graph takes in one run."""


def read_tower(file: BundleFile) -> ModelProto:
    """A bundle's tower as a graph of plain ONNX that holds all of its weights.

    Raises:
        ModelError: not ONNX, weights outside the file, an older opset than ``OPSET``, a node of another domain or one that holds a graph.
    """
    try:
        model = onnx.load_from_string(file.read())
    except Exception as error:  # protobuf's errors share no other base
        raise _unusable(file, "to be an ONNX model", " ".join(str(error).split())[:200]) from None
    outside = next((i.name for i in model.graph.initializer if i.data_location == TensorProto.EXTERNAL), None)
    if outside is not None:
        raise _unusable(file, "to hold its weights", f"{outside} in a file outside of it")
    opset = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 0)
    if opset < OPSET:
        raise _unusable(file, f"in opset {OPSET} or newer", f"opset {opset}")
    foreign = next((n for n in model.graph.node if n.domain not in ("", "ai.onnx")), None)
    if foreign is not None:
        raise _unusable(file, "of plain ONNX nodes", f"the node {foreign.name} of type {foreign.domain}.{foreign.op_type}")
    nested = next((n for n in model.graph.node if any(a.type == AttributeProto.GRAPH for a in n.attribute)), None)
    if nested is not None:
        raise _unusable(file, "with no graph within a node", f"the node {nested.name} of type {nested.op_type}")
    return model


def layers(model: ModelProto) -> list[NodeProto]:
    """Convolutions and linear layers: those whose weight is stored, so not the products of attention."""
    stored = {i.name for i in model.graph.initializer}
    widened = {n.output[0] for n in model.graph.node if n.op_type == "DequantizeLinear" and n.input[0] in stored}
    return [n for n in model.graph.node if n.op_type in LAYERS and n.input[1] in stored | widened]


def watch(model: ModelProto, names: Iterable[str], inputs: Iterable[Feed]) -> Iterator[dict[str, NDArray[np.float32]]]:
    """Run the model on each of the inputs and look at the float32 tensors named, which may be inputs themselves."""
    names = sorted(names)
    given = {i.name for i in model.graph.input}
    made = [n for n in names if n not in given]
    watched = ModelProto()
    watched.CopyFrom(model)
    shown = {o.name for o in model.graph.output}
    watched.graph.output.extend(helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in made if n not in shown)
    session = start_session(watched.SerializeToString(), available_cores())
    for feed in inputs:
        found = session.run(made, dict(feed)) if made else []
        yield dict(zip(made, found, strict=True)) | {n: feed[n] for n in names if n in given}


def insert(model: ModelProto, nodes: Iterable[NodeProto]) -> None:
    """Add nodes and put the graph back in an order in which every tensor is made before it is read."""
    waiting = [*nodes, *model.graph.node]
    ready = {i.name for i in model.graph.initializer} | {i.name for i in model.graph.input} | {""}
    ordered: list[NodeProto] = []
    while waiting:
        runnable = [n for n in waiting if all(source in ready for source in n.input)]
        if not runnable:
            raise ValueError("the graph has a cycle or reads a tensor that nothing makes")
        ordered.extend(runnable)
        ready.update(out for n in runnable for out in n.output)
        waiting = [n for n in waiting if not all(out in ready for out in n.output)]
    del model.graph.node[:]
    model.graph.node.extend(ordered)


def _unusable(file: BundleFile, expected: str, found: str) -> ModelError:
    return ModelError(expected=f"{file.path} {expected}", found=found, do="export the model again with passerby export")
