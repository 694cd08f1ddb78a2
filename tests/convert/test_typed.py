"""What a strongly typed network demands, and towers made to hold it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest
from graphs import run
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from passerby.convert.engine import typed_towers
from passerby.convert.gates import drawn_inputs
from passerby.convert.graph import read_tower
from passerby.convert.strongly_typed import _sign_activations, faults, for_tensorrt
from passerby.errors import ModelError
from passerby.model.bundle_encoder import BundleEncoder
from passerby.model.encoder import unit_vectors
from passerby.model.tensorrt import fill
from passerby.model.tokenizer import Tokenizer
from passerby.resolve import find_bundle


def through_integers(step: float, zero: int, kind: type[np.integer] = np.uint8) -> onnx.ModelProto:
    """``x`` (n, 4) through integers and back."""
    constants = {"step": np.array(step, np.float32), "zero": np.array(zero, kind)}
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "step", "zero"], ["q"], "to"),
        helper.make_node("DequantizeLinear", ["q", "step", "zero"], ["y"], "from"),
    ]
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 4]) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "g", infos[:1], infos[1:], [numpy_helper.from_array(v, n) for n, v in constants.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


@given(st.floats(2**-10, 8, width=32), st.integers(0, 255), st.integers(0, 99))
def test_signed_steps_reach_as_far_and_are_twice_as_wide_at_most(step: float, zero: int, seed: int) -> None:
    """Whatever the unsigned form could say, the signed one says to within half of its step."""
    unsigned, signed = through_integers(step, zero), through_integers(step, zero)
    _sign_activations(signed)
    assert not list(faults(signed))
    wide = float(numpy_helper.to_array(next(i for i in signed.graph.initializer if i.name == "step")))
    assert wide <= 255 / 127 * step * 1.0001
    x = (np.random.default_rng(seed).integers(-zero, 256 - zero, (10, 4)) * np.float32(step)).astype(np.float32)
    (kept,), (found,) = run(unsigned, {"x": x}), run(signed, {"x": x})
    assert kept == pytest.approx(x, abs=1e-3 * step)
    assert np.abs(found - x).max() <= 0.501 * wide + 1e-3 * step


def test_the_model_that_ships_holds_what_is_demanded_and_stays_near_itself() -> None:
    """Its towers as they are do not: their steps are unsigned and their table is int8."""
    bundle = find_bundle("passerby-s")
    encoder, towers = BundleEncoder(bundle, threads=1), typed_towers(bundle)
    pixels, texts = drawn_inputs(bundle.preprocessing, 4)
    tokens = Tokenizer(bundle.tokenizer.read(), bundle.max_tokens)(texts)
    words = {"input_ids": tokens.input_ids, "attention_mask": tokens.attention_mask}
    for name, feed, expected in (
        ("image_tower", {"pixel_values": pixels}, encoder.embed_images(pixels)),
        ("text_tower", words, encoder.embed_texts(texts)),
    ):
        tower = towers[name].graph
        assert not list(faults(tower))
        assert TensorProto.UINT8 not in {i.data_type for i in tower.graph.initializer}
        vectors = unit_vectors(run(tower, feed)[0], expected.shape)
        assert np.einsum("nd,nd->n", vectors, expected).min() > 0.99
        whole = {key: np.full((8, *towers[name].shapes[key]), 7, value.dtype) for key, value in feed.items()}
        for key, value in feed.items():
            fill(whole[key], value)
        filled = unit_vectors(run(tower, whole)[0][:4], expected.shape)
        assert np.einsum("nd,nd->n", vectors, filled).min() > 0.9999, "a batch filled up gives what it gave"
    for file in (bundle.image_tower, bundle.text_tower):
        raw = read_tower(file)
        del raw.graph.value_info[:]
        assert any("zero point other than 0" in fault for fault in faults(raw))
    assert any("int8 in the node" in fault for fault in faults(raw))


def test_another_models_tower_is_refused() -> None:
    bundle = find_bundle("passerby-s")
    with pytest.raises(ModelError, match=r"the image tower of passerby-s to read pixel_values, found attention_mask, input_ids"):
        typed_towers(replace(bundle, image_tower=bundle.text_tower))


def altered(change: str) -> onnx.ModelProto:
    model = through_integers(0.5, 0, np.int8)
    graph = model.graph
    if change == "zero":
        graph.initializer[1].CopyFrom(numpy_helper.from_array(np.array(3, np.int8), "zero"))
    if change == "step":
        graph.initializer[0].CopyFrom(numpy_helper.from_array(np.array(-0.5, np.float32), "step"))
    if change == "computed":
        del graph.initializer[0]
        graph.input.append(helper.make_tensor_value_info("step", TensorProto.FLOAT, []))
    if change == "stray":
        graph.node.insert(1, helper.make_node("Identity", ["q"], ["again"], "copy"))
        graph.node[2].input[0] = "again"
    if change == "double":
        graph.node.append(helper.make_node("Cast", ["y"], ["z"], "cast", to=TensorProto.DOUBLE))
    if change == "mixed":
        graph.initializer.append(numpy_helper.from_array(np.ones(4, np.float16), "half"))
        graph.node.append(helper.make_node("Mul", ["y", "half"], ["z"], "product"))
    if change == "operator":
        graph.node.append(helper.make_node("Hardmax", ["y"], ["z"], "hard"))
    if change == "free":
        graph.input.append(helper.make_tensor_value_info("picture", TensorProto.FLOAT, ["n", 3, "h", 8]))
    return model


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ("zero", "from|to"),
        ("step", "not positive"),
        ("computed", "computed"),
        ("stray", "int8 in the node copy"),
        ("double", "z of type double"),
        ("mixed", "product|Mul"),
        ("operator", "hard of type Hardmax"),
        ("free", "picture of a free height"),
    ],
)
def test_each_demand_is_held(change: str, fault: str) -> None:
    assert not list(faults(altered("nothing")))
    with pytest.raises(ModelError, match=fault) as refused:
        for_tensorrt(altered(change))
    assert "\n" not in str(refused.value)
