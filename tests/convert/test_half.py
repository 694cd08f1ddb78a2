"""FP16 towers: what stays in float32, what overflows no more, and what remains of the vectors."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from graphs import run
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from small_clip import MAX_TOKENS, Exported, pictures

from passerby.convert.fp16 import FLOAT32_OPS, to_half
from passerby.convert.quantize import quantize
from passerby.model.bundle import Bundle
from passerby.model.bundle_encoder import BundleEncoder
from passerby.model.tokenizer import Tokenizer
from passerby.types import Precision, Split

Float32 = NDArray[np.float32]


def graph(nodes: list[onnx.NodeProto], weights: dict[str, NDArray[np.generic]], width: int | str = 4) -> onnx.ModelProto:
    """From ``x`` (n, width) to ``y``."""
    infos = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", width]) for n in ("x", "y")]
    stored = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    return helper.make_model(
        helper.make_graph(nodes, "g", infos[:1], infos[1:], stored), opset_imports=[helper.make_opsetid("", 18)], ir_version=9
    )


def types_of(model: onnx.ModelProto) -> dict[str, int]:
    """The type of every tensor, by the strictest inference there is."""
    onnx.checker.check_model(model, full_check=True)
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    values = {v.name: v.type.tensor_type.elem_type for v in (*inferred.input, *inferred.value_info, *inferred.output)}
    return values | {i.name: i.data_type for i in inferred.initializer}


@settings(max_examples=30)
@given(st.integers(-8, 10), st.integers(-4, 6), st.integers(0, 99))
def test_values_of_any_size_come_through(inputs: int, weights: int, seed: int) -> None:
    """Two products, a sum and a bend: as near to float32 as float16 is, and finite, also where float16 alone would not be."""
    rng = np.random.default_rng(seed)
    first, second = (rng.normal(size=(4, 4)).astype(np.float32) for _ in range(2))
    nodes = [
        helper.make_node("MatMul", ["x", "first"], ["a"]),
        helper.make_node("Add", ["a", "bias"], ["b"]),
        helper.make_node("Relu", ["b"], ["c"]),
        helper.make_node("MatMul", ["c", "second"], ["y"]),
    ]
    bias = rng.normal(size=4).astype(np.float32) * np.float32(2.0**inputs)
    model = graph(nodes, {"first": first, "bias": bias, "second": second * np.float32(10.0**weights)})
    x = rng.normal(size=(20, 4)).astype(np.float32) * np.float32(2.0**inputs)
    (expected,) = run(model, {"x": x})
    to_half(model, [{"x": x}])
    types_of(model)
    (found,) = run(model, {"x": x})
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() <= 1e-2 * np.abs(expected).max()


def test_an_attention_mask_and_its_softmax_stay_in_float32() -> None:
    """-3.4e38 is minus infinity in float16, and a row of it is not a number."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["scores"]),
        helper.make_node("Add", ["scores", "mask"], ["masked"]),
        helper.make_node("Softmax", ["masked"], ["shares"]),
        helper.make_node("MatMul", ["shares", "w"], ["y"]),
    ]
    lowest = np.full((1, 4), np.finfo(np.float32).min, np.float32)
    model = graph(nodes, {"w": np.eye(4, dtype=np.float32), "mask": lowest})
    x = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    (expected,) = run(model, {"x": x})
    to_half(model, [{"x": x}])
    types = types_of(model)
    assert (types["scores"], types["masked"], types["shares"], types["w"]) == (
        TensorProto.FLOAT16,
        *[TensorProto.FLOAT] * 2,
        TensorProto.FLOAT16,
    )
    (found,) = run(model, {"x": x})
    assert found == pytest.approx(expected, abs=1e-3)


def test_what_is_enlarged_is_float16_and_its_scales_are_float32() -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node("Resize", ["a", "", "scales"], ["b"], mode="nearest"),
        helper.make_node("Resize", ["b", "", "scales"], ["y"], mode="nearest"),
    ]
    model = graph(nodes, {"scales": np.array([1, 2], np.float32)}, width="w")
    x = np.arange(8, dtype=np.float32).reshape(2, 4)
    (expected,) = run(model, {"x": x})
    to_half(model, [{"x": x}])
    types = types_of(model)
    assert (types["b"], types["scales"]) == (TensorProto.FLOAT16, TensorProto.FLOAT)
    np.testing.assert_array_equal(run(model, {"x": x})[0], expected)


def test_a_layer_that_is_kept_stays_in_float32() -> None:
    nodes = [helper.make_node("MatMul", ["x", "kept"], ["a"]), helper.make_node("MatMul", ["a", "other"], ["y"])]
    model = graph(nodes, {name: np.eye(4, dtype=np.float32) for name in ("kept", "other")})
    to_half(model, [{"x": np.ones((1, 4), np.float32)}], keep=["kept"])
    types = types_of(model)
    assert (types["kept"], types["a"], types["other"], types["y"]) == (
        TensorProto.FLOAT,
        TensorProto.FLOAT,
        TensorProto.FLOAT16,
        TensorProto.FLOAT,
    )


def test_a_tensor_that_is_read_beside_the_output_is_still_there() -> None:
    """The graph's output is read by a node too, and its shape by another."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["y"]),
        helper.make_node("Shape", ["y"], ["shape"]),
        helper.make_node("Relu", ["y"], ["bent"]),
        helper.make_node("Reshape", ["bent", "shape"], ["again"]),
    ]
    model = graph(nodes, {"w": np.eye(4, dtype=np.float32)})
    to_half(model, [{"x": np.ones((1, 4), np.float32)}])
    types_of(model)
    assert run(model, {"x": np.ones((1, 4), np.float32)})[0] == pytest.approx(np.ones((1, 4)))


@pytest.fixture(scope="module")
def fp16(exported_clip: Exported, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    out = tmp_path_factory.mktemp("fp16") / "fp16"
    return quantize(exported_clip.bundle, exported_clip.dataset, out, {}, print, precision=Precision.FP16)


def test_a_whole_model_keeps_its_vectors_in_half_the_bytes(exported_clip: Exported, fp16: Bundle) -> None:
    before, after = BundleEncoder(exported_clip.bundle, threads=1), BundleEncoder(fp16, threads=1)
    records = [r for r in exported_clip.dataset.records if r.split is Split.VAL]
    pixels, texts = pictures(records), [c.text for r in records for c in r.captions]
    assert np.einsum("nd,nd->n", before.embed_images(pixels), after.embed_images(pixels)).min() > 0.9999
    assert np.einsum("nd,nd->n", before.embed_texts(texts), after.embed_texts(texts)).min() > 0.9999
    for small, large in ((fp16.image_tower, exported_clip.bundle.image_tower), (fp16.text_tower, exported_clip.bundle.text_tower)):
        assert small.path.stat().st_size < 0.56 * large.path.stat().st_size
    assert fp16.card["quantization"]["precision"] == "fp16"  # type: ignore[index]


def test_norms_and_softmax_are_float32_and_layers_are_float16(fp16: Bundle) -> None:
    for file in (fp16.image_tower, fp16.text_tower):
        model = onnx.load_from_string(file.read())
        types = types_of(model)
        kinds = {(n.op_type, types[n.output[0]]) for n in model.graph.node}
        assert {("Gemm", TensorProto.FLOAT16)} <= kinds
        assert not {(op, TensorProto.FLOAT16) for op in FLOAT32_OPS - {"Cast", "Constant"}} & kinds
        assert not {(op, TensorProto.FLOAT) for op in ("Conv", "Gemm", "MatMul", "Gather")} & kinds
        assert types[model.graph.output[0].name] == TensorProto.FLOAT


def test_padding_changes_nothing(fp16: Bundle) -> None:
    """A sentence beside a long one is masked over most of its length."""
    encoder = BundleEncoder(fp16, threads=1)
    short, long = "a red jacket", "a man in a " + "red " * 60 + "jacket"
    assert Tokenizer(fp16.tokenizer.read(), MAX_TOKENS)([long]).input_ids.shape[1] == MAX_TOKENS
    alone, beside = encoder.embed_texts([short])[0], encoder.embed_texts([short, long])[0]
    assert float(alone @ beside) > 0.9999
