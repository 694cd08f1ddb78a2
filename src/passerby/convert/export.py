"""A trained model to a float32 bundle: two ONNX towers that give what torch gives, or none."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import nn

from passerby.convert.drift import first_drift
from passerby.convert.gates import drawn_inputs, require_parity
from passerby.convert.graph import OPSET, Feed
from passerby.errors import GateRefused, ModelError, PasserbyError
from passerby.learn.models.base import Base
from passerby.learn.models.dual_encoder import DualEncoder
from passerby.learn.models.from_bundle import TRANSPOSED
from passerby.learn.models.torch_encoder import TorchEncoder, load_tokenizer
from passerby.model.bundle import Bundle, write_bundle
from passerby.model.bundle_encoder import IMAGE_FEATURES, TEXT_FEATURES, WORN, BundleEncoder
from passerby.model.preprocess import Preprocessing
from passerby.model.selftest import measure
from passerby.model.tokenizer import Tokenizer

Float32 = NDArray[np.float32]


class Traced(NamedTuple):
    """A tower as ONNX, and the program of torch that it was made from."""

    graph: onnx.ModelProto
    program: torch.export.ExportedProgram


def export_base(base: Base, name: str, out: Path) -> Bundle:
    """A model as it was loaded, whatever made it, as a float32 bundle, through the parity gate.

    Its card tells how the model was trained and what it was worth on val, as far as its folder says so.

    Raises:
        GateRefused: the towers in ONNX do not give what they give in torch.
    """
    told = {key: base.made_of[key] for key in ("recipe", "val") if key in base.made_of}
    card = {"base": {"name": Path(base.name).name, "digest": base.digest}, **told}
    return export(base.model, base.tokenizer, base.preprocessing, out, name=name, max_tokens=base.max_tokens, card=card)


def export(
    model: DualEncoder,
    tokenizer: bytes,
    preprocessing: Preprocessing,
    out: Path,
    *,
    name: str,
    max_tokens: int,
    card: Mapping[str, object],
) -> Bundle:
    """Export both towers, prove them against torch on drawn people and their captions, and only then write the bundle.

    Args:
        tokenizer: a ``tokenizer.json``.
        card: any JSON object; the parity is added to it.

    Raises:
        GateRefused: the towers in ONNX do not give what they give in torch, naming the first node that differs; nothing is written.
        ModelError: a tower that ONNX cannot say.
    """
    plain = model.exportable()
    original = TorchEncoder(plain, load_tokenizer(tokenizer, max_tokens), preprocessing)
    outputs = [IMAGE_FEATURES, WORN] if plain.attributes else [IMAGE_FEATURES]
    image = image_tower_onnx(plain.image_tower, preprocessing.height, preprocessing.width, outputs)
    text = text_tower_onnx(plain.text_tower)
    with tempfile.TemporaryDirectory() as work:
        draft = write_bundle(
            Path(work) / "draft",
            name=name,
            dim=original.dim,
            preprocessing=preprocessing,
            image_tower=image.graph.SerializeToString(),
            text_tower=text.graph.SerializeToString(),
            tokenizer=tokenizer,
            max_tokens=max_tokens,
            self_test=measure(original.see, original.embed_texts, preprocessing),
            card=card,
            attributes=plain.attributes,
        )
        pixels, texts = drawn_inputs(preprocessing)
        try:
            parity = require_parity(original, BundleEncoder(draft), pixels, texts)
        except (GateRefused, ModelError) as error:
            tokens = Tokenizer(tokenizer, max_tokens)(texts[:8])
            words = {"input_ids": tokens.input_ids, "attention_mask": tokens.attention_mask}
            raise _with_node(error, ((image, {"pixel_values": pixels[:8]}), (text, words))) from None
        return write_bundle(
            out,
            name=name,
            dim=draft.dim,
            preprocessing=preprocessing,
            image_tower=draft.image_tower.path,
            text_tower=draft.text_tower.path,
            tokenizer=draft.tokenizer.path,
            max_tokens=max_tokens,
            self_test=draft.self_test,
            card={**card, "export": {"opset": OPSET, "parity": parity.to_json()}},
            attributes=draft.attributes,
            replace=True,
        )


def image_tower_onnx(tower: nn.Module, height: int, width: int, outputs: Sequence[str] = (IMAGE_FEATURES,)) -> Traced:
    """ONNX from ``pixel_values`` float32 (n, 3, height, width) to ``image_features`` float32 (n, d).

    Args:
        tower: of a model as `DualEncoder.exportable` gives it.
        outputs: names of what it gives: of a tower with attributes also ``worn`` float32 (n, a).

    Raises:
        ModelError: it does what ONNX cannot say.
    """
    pixels = torch.zeros(2, 3, height, width)
    return _named(tower, to_onnx(tower, (pixels,), ["pixel_values"], outputs, ({0: torch.export.Dim.DYNAMIC},)))


def text_tower_onnx(tower: nn.Module) -> Traced:
    """ONNX from ``input_ids`` and ``attention_mask`` int64 (n, L) to ``text_features`` float32 (n, d); else as `image_tower_onnx`."""
    ids = torch.ones(2, 9, dtype=torch.int64)
    free = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    return _named(tower, to_onnx(tower, (ids, torch.ones_like(ids)), ["input_ids", "attention_mask"], [TEXT_FEATURES], (free, free)))


def _named(tower: nn.Module, traced: Traced) -> Traced:
    name_weights(traced.graph, {name: p.detach().numpy() for name, p in tower.named_parameters()})
    return traced


def to_onnx(
    tower: nn.Module, inputs: tuple[torch.Tensor, ...], input_names: Sequence[str], output_names: Sequence[str], shapes: Any
) -> Traced:
    """ONNX of a module in evaluation mode, without notes on where its code lies.

    Args:
        inputs: examples, float32 or int64.
        shapes: for each input, its free dimensions, as ``torch.export`` has them.

    Raises:
        ModelError: it does what ONNX cannot say.
    """
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            program = torch.onnx.export(
                tower,
                inputs,
                dynamo=True,
                opset_version=OPSET,
                input_names=list(input_names),
                output_names=list(output_names),
                dynamic_shapes=shapes,
                verbose=False,
            )
        except torch.onnx.OnnxExporterError as error:
            raise _unsayable(tower, error) from None
    assert program is not None
    assert program.exported_program is not None
    graph = program.model_proto
    forget_sources(graph)
    return Traced(graph, program.exported_program)


def torch_values(program: torch.export.ExportedProgram, feed: Feed) -> dict[str, Float32]:
    """Every float32 tensor that a program makes of these inputs, under its name, which is also the exporter's."""
    recorder = _Recorder(program.module())
    with torch.inference_mode():
        recorder.run(*(torch.from_numpy(value) for value in feed.values()))
    return {name: value.numpy() for name, value in recorder.seen.items()}


class _Recorder(torch.fx.Interpreter):
    """Runs a graph of torch node by node and keeps what each gives."""

    def __init__(self, module: torch.fx.GraphModule) -> None:
        super().__init__(module)
        self.seen: dict[str, torch.Tensor] = {}

    def run_node(self, n: torch.fx.Node) -> Any:
        value = super().run_node(n)
        if n.op == "call_function" and isinstance(value, torch.Tensor) and value.dtype is torch.float32:
            self.seen[n.name] = value
        return value


def _with_node(error: PasserbyError, towers: Iterable[tuple[Traced, Feed]]) -> GateRefused:
    """The same refusal, with the first node of either tower whose output is not torch's."""
    for traced, feed in towers:
        node = first_drift(traced.graph, torch_values(traced.program, feed), feed)
        if node is not None:
            found = f"{error.found}; the first node whose output drifts is {node.name} ({node.op_type}, reading {', '.join(node.input)})"
            return GateRefused(expected=error.expected, found=found, do=error.do)
    return GateRefused(expected=error.expected, found=f"{error.found}; no single node's output drifts", do=error.do)


def _unsayable(tower: nn.Module, error: Exception) -> ModelError:
    cause = error.__cause__ or error
    found = " ".join(str(cause).split())[:300]
    return ModelError(expected=f"{type(tower).__name__} to be made of what ONNX can say", found=found, do="replace that operation")


def forget_sources(model: onnx.ModelProto) -> None:
    """Leave out the exporter's notes on which line of which file each node comes from, in place: they name the maker's folders."""
    for part in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.graph.initializer):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")


def name_weights(model: onnx.ModelProto, parameters: Mapping[str, np.ndarray[Any, Any]]) -> None:
    """Give every initialiser that holds a parameter, as it is or transposed, that parameter's name, so that it is found again.

    Raises:
        ModelError: a parameter that no initialiser holds.
    """
    held = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    new_names: dict[str, str] = {}
    for name, value in parameters.items():
        if name in held:
            continue
        match = next((o for o, array in held.items() if o not in new_names and o not in parameters and _same(array, value.T)), None)
        if match is None:
            raise ModelError(expected=f"the export to hold the parameter {name}", found="none like it", do="report it with torch's version")
        new_names[match] = name + TRANSPOSED
    for initialiser in model.graph.initializer:
        initialiser.name = new_names.get(initialiser.name, initialiser.name)
    for node in model.graph.node:
        for i, source in enumerate(node.input):
            node.input[i] = new_names.get(source, source)


def _same(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> bool:
    return a.shape == b.shape and np.array_equal(a, b)
