"""INT8 towers: their numbers, the kernels that run them, the weights that come back, and the gate."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from calling import call
from fragile import FRAGILE, fragile_bundle, worse_bundle
from graphs import run, without_activation_pairs
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from small_clip import MAX_TOKENS, PREPROCESSING, Exported, pictures
from tiny import write_tiny_bundle

from passerby.convert.calibration_set import training_samples
from passerby.convert.gates import MAX_LOSS
from passerby.convert.graph import read_tower
from passerby.convert.int8 import (
    Range,
    activations,
    best_range,
    measure_ranges,
    quantize_activations,
    quantize_weights,
    smooth,
    symmetric_int8,
)
from passerby.convert.quantize import quantize
from passerby.convert.sensitivity import fewest_to_float
from passerby.errors import DatasetError, GateRefused, ModelError
from passerby.learn.models.from_bundle import load_compact
from passerby.learn.models.torch_encoder import TorchEncoder, load_tokenizer
from passerby.model.bundle import Bundle, read_bundle, write_calibrated
from passerby.model.bundle_encoder import BundleEncoder
from passerby.model.calibration import Calibration
from passerby.model.encoder import unit_vectors
from passerby.model.manifest import BundleFile
from passerby.model.runtime import onnxruntime
from passerby.model.tokenizer import Tokenizer
from passerby.types import Dataset, Split

Float32 = NDArray[np.float32]
finite = st.floats(-100, 100, width=32)


# Weights


@given(arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(1, 5), st.integers(1, 4)), elements=finite), st.integers(0, 2))
def test_weights_are_off_by_half_a_step_at_most(values: Float32, axis: int) -> None:
    stored, scales = symmetric_int8(values, axis)
    assert stored.dtype == np.int8
    assert stored.shape == values.shape
    assert scales.dtype == np.float32
    assert scales.shape == (values.shape[axis],)
    assert (scales > 0).all()
    assert stored.min() >= -127
    step = np.expand_dims(scales, tuple(i for i in range(3) if i != axis))
    assert (np.abs(stored * step - values) <= step * 0.501).all()


def test_the_largest_weight_of_each_channel_uses_the_whole_scale_and_zeros_stay_zeros() -> None:
    values = np.array([[1, -4, 2], [0, 0, 0], [0.1, 0.2, -0.05]], np.float32)
    stored, scales = symmetric_int8(values, 0)
    assert np.abs(stored).max(axis=1).tolist() == [127, 0, 127]
    assert scales[1] == 1
    assert symmetric_int8(-values, 0)[0].tolist() == (-stored).tolist()


# Ranges


def error(values: Float32, r: Range) -> float:
    stored = np.clip(np.rint(values / r.step) + r.zero, 0, 255)
    return float(np.square((stored - r.zero) * r.step - values).mean())


@given(arrays(np.float32, st.integers(1, 50), elements=finite))
def test_a_range_holds_zero_lies_within_the_values_and_is_no_worse_than_the_full_one(values: Float32) -> None:
    r = best_range(values)
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    assert low <= r.low <= 0 <= r.high <= high
    assert error(values, r) <= error(values, Range(low, high))
    assert 0 <= r.zero <= 255
    assert r.step > 0


def test_an_outlier_is_cut_where_that_serves_the_many() -> None:
    """A hundred thousand values between 0 and 1 and a single 1.6: it is cheaper to cut the one."""
    values = np.append(np.random.default_rng(0).random(100_000), 1.6).astype(np.float32)
    assert best_range(values).high < 1.5
    assert best_range(values[:-1]).high > 0.95


def test_a_tensor_that_was_always_zero_can_be_quantised() -> None:
    model = linear_model()
    quantize_activations(model, {"minus": best_range(np.zeros(5, np.float32))})
    (out,) = run(model, {"x": np.zeros((1, 4), np.float32)})
    assert (out == 0).all()


# Graphs


def linear_model() -> onnx.ModelProto:
    weight = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    nodes = [helper.make_node("Neg", ["x"], ["minus"]), helper.make_node("MatMul", ["minus", "w"], ["y"])]
    infos = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", d]) for n, d in (("x", 4), ("y", 3))]
    graph = helper.make_graph(nodes, "g", infos[:1], infos[1:], [numpy_helper.from_array(weight, "w")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def test_a_quantised_product_is_that_of_the_rounded_factors() -> None:
    model, x = linear_model(), np.random.default_rng(1).normal(size=(50, 4)).astype(np.float32)
    weight = numpy_helper.to_array(model.graph.initializer[0])
    stored, scales = symmetric_int8(weight, 1)
    quantize_weights(model, [])
    ranges = measure_ranges(model, activations(model), [{"x": x}])
    assert list(ranges) == ["minus"]
    quantize_activations(model, ranges)
    onnx.checker.check_model(model)
    r = ranges["minus"]
    rounded = (np.clip(np.rint(-x / np.float32(r.step)) + r.zero, 0, 255) - r.zero) * np.float32(r.step)
    assert run(model, {"x": x})[0] == pytest.approx(rounded @ (stored * scales), abs=2e-2)


def test_smoothing_changes_no_result_and_makes_the_channels_alike() -> None:
    model, x = linear_model(), np.random.default_rng(1).normal(size=(50, 4)).astype(np.float32) * np.array([0.01, 1, 1, 100], np.float32)
    before = run(model, {"x": x})[0]
    smooth(model, [{"x": x[:25]}, {"x": x[25:]}])
    assert run(model, {"x": x})[0] == pytest.approx(before, rel=1e-5, abs=1e-5)
    reciprocals = next(numpy_helper.to_array(i) for i in model.graph.initializer if i.name == "w.smoothing")
    unevenness, smoothed = (np.abs(values).max(axis=0) for values in (x, x * reciprocals))
    assert smoothed.max() / smoothed.min() < 0.01 * unevenness.max() / unevenness.min()


@pytest.mark.parametrize("groups", [1, 2, 6])
def test_a_convolution_with_rounded_weights_has_the_original_mean_output(groups: int) -> None:
    """On pictures of one colour each, where the mean of a channel is all there is to know, up to the borders."""
    rng = np.random.default_rng(groups)
    weight = rng.normal(size=(6, 6 // groups, 3, 3)).astype(np.float32)
    node = helper.make_node("Conv", ["x", "w", "b"], ["y"], group=groups)
    infos = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", 6, h, h]) for n, h in (("x", 8), ("y", 6))]
    stored = [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(np.zeros(6, np.float32), "b")]
    graph = helper.make_graph([node], "g", infos[:1], infos[1:], stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    x = np.broadcast_to(rng.random((20, 6, 1, 1)) + 1, (20, 6, 8, 8)).astype(np.float32)
    before = run(model, {"x": x})[0].mean(axis=(0, 2, 3))
    quantize_weights(model, [{"x": x[:10]}, {"x": x[10:]}])
    assert run(model, {"x": x})[0].mean(axis=(0, 2, 3)) == pytest.approx(before, abs=1e-4)


# A whole model


@pytest.fixture(scope="module")
def int8(exported_clip: Exported, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("int8")
    (folder / "CARD.md").write_text("a card")
    return quantize(exported_clip.bundle, exported_clip.dataset, folder / "int8", {"MODEL_CARD.md": folder / "CARD.md"}, print)


def test_the_gate_passes_a_good_model_and_its_card_says_so(exported_clip: Exported, int8: Bundle) -> None:
    """The float model finds everybody, and so does the INT8 one."""
    assert int8.card["val"]["rank1"] == 100  # type: ignore[index]
    assert int8.card["quantization"]["float32"]["rank1"] == 100  # type: ignore[index]
    assert int8.card["quantization"]["rank1_change"] == {"mean": 0, "low": 0, "high": 0}  # type: ignore[index]
    assert int8.card["purpose"] == "tests"
    assert (int8.folder / "MODEL_CARD.md").read_text() == "a card"
    assert int8.digest != exported_clip.bundle.digest
    assert int8.tokenizer.sha256 == exported_clip.bundle.tokenizer.sha256


def test_files_shrink_to_little_more_than_a_quarter(exported_clip: Exported, int8: Bundle) -> None:
    image = int8.image_tower.path.stat().st_size / exported_clip.bundle.image_tower.path.stat().st_size
    assert 0.25 < image < 0.32


def test_vectors_stay_near_those_of_the_float_model(exported_clip: Exported, int8: Bundle) -> None:
    """Far nearer than people are to each other; a gate by cosine this is not."""
    before, after = BundleEncoder(exported_clip.bundle, threads=1), BundleEncoder(int8, threads=1)
    pixels, texts = inputs(exported_clip)
    assert np.einsum("nd,nd->n", before.embed_images(pixels), after.embed_images(pixels)).min() > 0.85
    assert np.einsum("nd,nd->n", before.embed_texts(texts), after.embed_texts(texts)).min() > 0.98


def test_the_bundle_comes_back_into_torch_as_the_weights_of_record(exported_clip: Exported, int8: Bundle) -> None:
    """Torch against the INT8 towers without their activations' Q/DQ pairs: the same function."""
    torch_encoder = TorchEncoder(load_compact(int8), load_tokenizer(int8.tokenizer.read(), MAX_TOKENS), PREPROCESSING)
    pixels, texts = inputs(exported_clip)
    tokens = Tokenizer(int8.tokenizer.read(), MAX_TOKENS)(texts)
    (images,) = run(without_activation_pairs(onnx.load_from_string(int8.image_tower.read())), {"pixel_values": pixels})
    feed = {"input_ids": tokens.input_ids, "attention_mask": tokens.attention_mask}
    (words,) = run(without_activation_pairs(onnx.load_from_string(int8.text_tower.read())), feed)
    for found, expected in ((torch_encoder.embed_images(pixels), images), (torch_encoder.embed_texts(texts), words)):
        assert np.einsum("nd,nd->n", found, unit_vectors(expected, found.shape)).min() >= 0.9999


def test_only_layers_are_quantised_all_of_them_per_channel(int8: Bundle) -> None:
    for file, expected in ((int8.image_tower, {"Conv": 49, "Gemm": 1}), (int8.text_tower, {"MatMul": 2 * 6 + 1, "Gemm": 1})):
        graph = onnx.load_from_string(file.read()).graph
        stored = {i.name: i for i in graph.initializer}
        made_by = {n.output[0]: n for n in graph.node}
        quantised: Counter[str] = Counter()
        for node in graph.node:
            weight = made_by.get(node.input[1]) if node.op_type in ("Conv", "Gemm", "MatMul") else None
            if weight is None or weight.op_type != "DequantizeLinear" or weight.input[0] not in stored:
                assert node.op_type not in ("Conv", "Gemm")
                continue
            assert stored[weight.input[0]].data_type == TensorProto.INT8
            assert len(stored[weight.input[1]].dims) == 1
            assert made_by[node.input[0]].op_type == "DequantizeLinear"
            quantised[node.op_type] += 1
        assert quantised == expected
        floats = [i for i in graph.initializer if i.data_type == TensorProto.FLOAT and len(i.dims) > 1 and not i.name.endswith(".scale")]
        assert all(i.name == "positions.weight" or np.prod(i.dims) < 10 for i in floats)


def test_integer_kernels_run_the_towers(int8: Bundle, tmp_path: Path) -> None:
    """What ONNX Runtime makes of the graphs on this machine."""
    image, text = (optimised(f.path, tmp_path / f.path.name) for f in (int8.image_tower, int8.text_tower))
    kinds = Counter(n.op_type for n in image.graph.node)
    assert kinds["QLinearConv"] == 49
    assert kinds["Conv"] + kinds["FusedConv"] == 0
    assert (kinds["QGemm"], kinds["Gemm"]) == (1, 0)
    kinds = Counter(n.op_type for n in text.graph.node)
    assert kinds["MatMulIntegerToFloat"] == 2 * 6 + 1
    assert (kinds["QGemm"], kinds["Gemm"]) == (1, 0)
    assert kinds["MatMul"] + kinds["FusedMatMul"] == 2 * 2, "the two products of attention of each layer stay in float32"


def test_the_embedding_stays_int8_in_memory(int8: Bundle, tmp_path: Path) -> None:
    """Rows are gathered before they are widened; constant folding must not undo that."""
    graph = optimised(int8.text_tower.path, tmp_path / "text.onnx").graph
    table = next(i for i in graph.initializer if i.name == "tokens.weight")
    assert table.data_type == TensorProto.INT8
    assert not [i.name for i in graph.initializer if i.data_type == TensorProto.FLOAT and list(i.dims) == list(table.dims)]


# The gate, when a model falls


@pytest.fixture(scope="module")
def fragile(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, Dataset]:
    return fragile_bundle(tmp_path_factory.mktemp("fragile"))


def test_the_fewest_layers_stay_in_float_and_the_card_says_which_and_why(fragile: tuple[Bundle, Dataset], tmp_path: Path) -> None:
    """Whole in INT8 it tells nobody apart; two layers in float save it, and the other four are INT8."""
    bundle, dataset = fragile
    said: list[str] = []
    saved = quantize(bundle, dataset, tmp_path / "out", {}, said.append)
    report: dict[str, Any] = saved.card["quantization"]  # type: ignore[assignment]
    assert {row["layer"] for row in report["float_layers"]} == set(FRAGILE)
    assert all(row["alone_costs_mAP"] > 20 for row in report["float_layers"])
    assert report["rank1_change"]["low"] >= -MAX_LOSS
    assert report["cosine"]["images"]["least"] > 0.99
    assert any("2 of 6 layers stay in float" in line for line in said)
    assert any(line.startswith("caution: only") for line in said)
    stored = {i.name: i.data_type for i in onnx.load_from_string(saved.image_tower.read()).graph.initializer}
    assert [name for name in ("first", "second", "third", "fourth", "projection") if stored[name] == TensorProto.FLOAT] == [
        "second",
        "third",
    ]


def test_a_calibration_that_is_left_out_is_told_with_what_brings_it_back(fragile: tuple[Bundle, Dataset], tmp_path: Path) -> None:
    bundle, dataset = fragile
    write_calibrated(bundle, Calibration(0.01, 0.15, -4.0, 10.0, 1.5, -1.0, {}), tmp_path / "fitted")
    with (tmp_path / "people.jsonl").open("w") as table:
        for r in dataset.records:
            row = {"path": str(r.path), "id": f"{r.split}-{r.identity}", "split": r.split}
            table.writelines(json.dumps(row | {"caption": caption.text}) + "\n" for caption in r.captions)
    asked = ["--data", "people.jsonl", "--out", "half", "--precision", "fp16"]
    again = "passerby calibrate half --data people.jsonl --out half"
    for source, told in ((bundle.folder, False), ("fitted", True)):
        ran = call("quantize", source, *asked, folder=tmp_path)
        assert ran.code == 0, ran.err
        assert (again in ran.err) == told
        assert read_bundle(tmp_path / "half").calibration is None
    assert call(*again.split()[1:], folder=tmp_path).code == 0
    assert read_bundle(tmp_path / "half").calibration is not None


def test_what_no_layers_in_float_save_is_refused_and_the_old_bundle_stays(fragile: tuple[Bundle, Dataset], tmp_path: Path) -> None:
    """Held against a model that is better than its float form, it falls however many layers are in float."""
    bundle, dataset = fragile
    worse = worse_bundle(bundle, tmp_path / "worse")
    old = write_tiny_bundle(tmp_path / "out")
    with pytest.raises(GateRefused, match="until every layer is in float"):
        quantize(worse, dataset, old.folder, {}, print, against=bundle)
    assert read_bundle(old.folder).digest == old.digest
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "worse"]


@given(st.lists(st.floats(0, 10), max_size=8), st.floats(0, 30))
def test_no_smaller_set_of_layers_holds_where_damages_add_up(damage: list[float], allowed: float) -> None:
    """Against every subset there is."""
    costs = {f"layer {i}": cost for i, cost in enumerate(damage)}

    def holds(kept: frozenset[str]) -> bool:
        return sum(cost for layer, cost in costs.items() if layer not in kept) <= allowed

    kept = fewest_to_float(costs, holds)
    assert kept is not None
    assert holds(frozenset(kept))
    subsets = (frozenset(c) for n in range(len(costs) + 1) for c in combinations(costs, n))
    assert len(kept) == next(len(subset) for subset in subsets if holds(subset))
    assert [costs[layer] for layer in kept] == sorted((costs[layer] for layer in kept), reverse=True)


def test_a_search_that_never_holds_says_so() -> None:
    assert fewest_to_float({"a": 1.0}, lambda _: False) is None


@given(st.integers(0, 255))
def test_none_of_the_layers_found_can_be_given_up(seed: int) -> None:
    """Where damage alone says little: the gate needs some layers, at random, whatever each costs."""
    rng = np.random.default_rng(seed)
    costs = {f"layer {i}": float(rng.random()) for i in range(9)}
    needed = frozenset(rng.choice(list(costs), rng.integers(0, 9), replace=False).tolist())
    assert set(fewest_to_float(costs, lambda kept: needed <= kept) or ()) == needed


# Bad input


def test_training_pictures_that_are_all_alike_are_refused(exported_clip: Exported, tmp_path: Path) -> None:
    Image.new("RGB", (32, 64)).save(tmp_path / "black.png")
    records = tuple(replace(r, path=tmp_path / "black.png") if r.split is Split.TRAIN else r for r in exported_clip.dataset.records)
    with pytest.raises(DatasetError, match="all alike"):
        quantize(exported_clip.bundle, Dataset("black", records), tmp_path / "out", {}, print)
    assert not (tmp_path / "out").exists()


def test_training_pictures_that_are_missing_are_named_and_left_out(fragile: tuple[Bundle, Dataset], tmp_path: Path) -> None:
    bundle, dataset = fragile
    train = [r for r in dataset.records if r.split is Split.TRAIN]
    said: list[str] = []
    samples = training_samples([replace(train[0], path=tmp_path / "gone.jpg"), *train[1:]], bundle, said.append)
    assert len(samples.images) == len(train) - 1
    assert said == [f"left out {train[0].name}: no such file or directory"]
    gone = Dataset("gone", tuple(replace(r, path=tmp_path / "gone.jpg") if r.split is Split.TRAIN else r for r in dataset.records))
    with pytest.raises(DatasetError, match="none of 16 that can be read"):
        quantize(bundle, gone, tmp_path / "out", {}, said.append)
    assert not (tmp_path / "out").exists()


def test_a_bundle_of_lower_precision_is_not_converted_again(exported_clip: Exported, int8: Bundle, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"float32 bundle, found .* in int8"):
        quantize(int8, exported_clip.dataset, tmp_path / "out", {}, print)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("opset", "opset 18 or newer, found opset 17"),
        ("domain", "plain ONNX nodes, found the node odd"),
        ("outside", "w in a file outside"),
        ("bytes", "an ONNX model|opset"),
        ("nested", "no graph within a node"),
    ],
)
def test_a_tower_that_cannot_be_converted_says_why(tmp_path: Path, fault: str, message: str) -> None:
    model = linear_model()
    if fault == "opset":
        model.opset_import[0].version = 17
    if fault == "domain":
        model.graph.node.append(helper.make_node("Odd", ["y"], ["z"], "odd", domain="com.example"))
    if fault == "outside":
        weight = model.graph.initializer[0]
        onnx.external_data_helper.set_external_data(weight, "../weights.bin")
        weight.ClearField("raw_data")
    if fault == "nested":
        model.graph.node.append(helper.make_node("If", ["y"], ["z"], "if", then_branch=model.graph, else_branch=model.graph))
    data = b"\x00\xffnonsense" if fault == "bytes" else model.SerializeToString()
    (tmp_path / "tower.onnx").write_bytes(data)
    with pytest.raises(ModelError, match=message) as refused:
        read_tower(BundleFile(tmp_path / "tower.onnx", hashlib.sha256(data).hexdigest()))
    assert "\n" not in str(refused.value)


def test_a_convolution_without_a_bias_gets_one(fragile: tuple[Bundle, Dataset]) -> None:
    bundle, dataset = fragile
    tower = onnx.load_from_string(bundle.image_tower.read())
    quantize_weights(tower, training_samples([r for r in dataset.records if r.split is Split.TRAIN], bundle, print).images)
    biases = {i.name: numpy_helper.to_array(i) for i in tower.graph.initializer if i.name.endswith(".bias")}
    assert len(biases) == 4
    assert all(np.abs(bias).max() > 0 for bias in biases.values())


@pytest.mark.parametrize("split", list(Split)[:2])
def test_both_splits_are_needed(exported_clip: Exported, tmp_path: Path, split: Split) -> None:
    records = tuple(r for r in exported_clip.dataset.records if r.split is not split)
    with pytest.raises(DatasetError, match=f"{split} split"):
        quantize(exported_clip.bundle, Dataset("half", records), tmp_path / "out", {}, print)


def test_pictures_without_words_stay_in_the_gallery(exported_clip: Exported, tmp_path: Path) -> None:
    """Mute val pictures make the search harder, as in any other evaluation; here each is somebody's double, and ties count against
    the model. Without them it finds everybody; a value next to a step of INT8 may fall on either side of it, and part two doubles."""
    val = [r for r in exported_clip.dataset.records if r.split is Split.VAL]
    doubles = tuple(replace(r, name=f"double {r.name}", identity=f"double {r.identity}", captions=()) for r in val)
    bundle = quantize(exported_clip.bundle, Dataset("doubles", (*exported_clip.dataset.records, *doubles)), tmp_path / "out", {}, print)
    assert bundle.card["val"]["rank1"] < 20  # type: ignore[index]


def inputs(exported: Exported) -> tuple[Float32, list[str]]:
    records = [r for r in exported.dataset.records if r.split is Split.VAL]
    return pictures(records), [c.text for r in records for c in r.captions]


def optimised(tower: Path, out: Path) -> onnx.ModelProto:
    ort = onnxruntime()
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(out)
    options.log_severity_level = 3
    ort.InferenceSession(tower, options, providers=["CPUExecutionProvider"])
    return onnx.load(out)
