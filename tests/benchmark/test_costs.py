from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
import tiny
from graphs import run
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from passerby.benchmark.costs import TowerCost, tower_cost
from passerby.errors import ModelError


def graph(nodes: Sequence[onnx.NodeProto], shape: Sequence[int | str], constants: dict[str, NDArray[np.generic]]) -> onnx.ModelProto:
    """From ``x`` to ``y``, of opset 18."""
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    made = helper.make_graph(nodes, "g", inputs, outputs, initializers)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def count(model: onnx.ModelProto, folder: Path) -> TowerCost:
    onnx.save(model, folder / "tower.onnx")
    return tower_cost(folder / "tower.onnx")


def ones(*shape: int) -> NDArray[np.float32]:
    return np.ones(shape, np.float32)


@given(
    groups=st.sampled_from([1, 2, 4]),
    out=st.sampled_from([4, 8]),
    kernel=st.sampled_from([1, 3]),
    stride=st.integers(1, 2),
    height=st.integers(3, 9),
)
@settings(max_examples=20)
def test_of_ones_a_convolution_adds_up_its_multiplications(
    tmp_path_factory: pytest.TempPathFactory, groups: int, out: int, kernel: int, stride: int, height: int
) -> None:
    """Without padding every product is 1, so the sum of the output is their number."""
    node = helper.make_node("Conv", ["x", "w"], ["y"], group=groups, strides=[stride, stride])
    model = graph([node], ["n", 4, height, 7], {"w": ones(out, 4 // groups, kernel, kernel)})
    cost = count(model, tmp_path_factory.mktemp("conv"))
    (output,) = run(model, {"x": ones(1, 4, height, 7)})
    assert cost.macs == output.sum()
    (layer,) = cost.layers
    assert layer.weights == cost.parameters == out * 4 // groups * kernel * kernel
    assert layer.activations == 4 * height * 7 + output.size
    assert layer.depthwise == (groups == 4)


@pytest.mark.parametrize("trans_a", [0, 1])
@pytest.mark.parametrize("trans_b", [0, 1])
def test_of_ones_a_gemm_adds_up_its_multiplications(tmp_path: Path, trans_a: int, trans_b: int) -> None:
    node = helper.make_node("Gemm", ["x", "w"], ["y"], transA=trans_a, transB=trans_b)
    model = graph([node], [5, 1] if trans_a else [1, 5], {"w": ones(3, 5) if trans_b else ones(5, 3)})
    (output,) = run(model, {"x": ones(5, 1) if trans_a else ones(1, 5)})
    assert count(model, tmp_path).macs == output.sum() == 15


def test_a_product_of_activations_has_no_weights(tmp_path: Path) -> None:
    """Attention: scores of 6 positions with 6."""
    nodes = [helper.make_node("Transpose", ["x"], ["t"], perm=[0, 2, 1]), helper.make_node("MatMul", ["x", "t"], ["y"])]
    (layer,) = count(graph(nodes, ["n", 6, 4], {}), tmp_path).layers
    assert (layer.macs, layer.weights, layer.activations) == (6 * 6 * 4, 0, 24 + 24 + 36)


def test_quantised_weights_are_weights(tmp_path: Path) -> None:
    nodes = [helper.make_node("DequantizeLinear", ["w", "scale", "zero"], ["d"]), helper.make_node("MatMul", ["x", "d"], ["y"])]
    constants: dict[str, NDArray[np.generic]] = {
        "w": np.ones((4, 3), np.int8),
        "scale": np.array(0.5, np.float32),
        "zero": np.array(0, np.int8),
    }
    cost = count(graph(nodes, ["n", 6, 4], constants), tmp_path)
    assert (cost.layers[0].weights, cost.layers[0].activations) == (12, 24 + 18)
    assert cost.parameters == 12


def test_the_cost_of_words_grows_with_them(tmp_path: Path) -> None:
    onnx.save(graph([helper.make_node("MatMul", ["x", "w"], ["y"])], ["n", "L", 4], {"w": ones(4, 3)}), tmp_path / "tower.onnx")
    assert [tower_cost(tmp_path / "tower.onnx", tokens=n).macs for n in (1, 7)] == [12, 84]


def test_the_tiny_towers(tmp_path: Path) -> None:
    for name, tower, macs, parameters in (("image", tiny.image_tower(), 96 * 16, 96 * 16), ("text", tiny.text_tower(), 0, None)):
        (tmp_path / name).write_bytes(tower)
        cost = tower_cost(tmp_path / name, tokens=5)
        assert cost.macs == macs
        assert parameters in (None, cost.parameters)


@pytest.mark.parametrize("data", [b"", b"\xff\xff\xff", tiny.image_tower()[:200]])
def test_what_is_no_model_is_refused_in_one_line(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "bad.onnx").write_bytes(data)
    with pytest.raises(ModelError, match=r"bad\.onnx to be an ONNX model that runs") as refusal:
        tower_cost(tmp_path / "bad.onnx")
    assert len(str(refusal.value).splitlines()) == 1
