"""A torch model and the bundle exported from it are the same model, both ways."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from small_clip import MAX_TOKENS, PREPROCESSING, Exported, pictures, small_clip, tokenizer_json
from tiny import write_tiny_bundle

from passerby.convert import export as export_module
from passerby.convert.drift import first_drift
from passerby.convert.export import Traced, export, export_base, image_tower_onnx, name_weights, torch_values
from passerby.errors import GateRefused, ModelError
from passerby.learn.models.compact import fold_batch_norm
from passerby.learn.models.from_bundle import TRANSPOSED, load_compact
from passerby.learn.models.model_folder import save_model
from passerby.learn.models.torch_encoder import TorchEncoder, load_tokenizer
from passerby.model.bundle import read_bundle
from passerby.model.bundle_encoder import BundleEncoder
from passerby.resolve import load_base

Float32 = NDArray[np.float32]
MIN_COSINE = 0.9999


def least_cosine(a: Float32, b: Float32) -> float:
    return float(np.einsum("nd,nd->n", a, b).min())


def test_onnx_gives_what_torch_gives(exported_clip: Exported) -> None:
    """On pictures and words of every length, in batches of sizes that the export never saw."""
    torch_encoder = TorchEncoder(exported_clip.model, load_tokenizer(exported_clip.tokenizer, MAX_TOKENS), PREPROCESSING)
    onnx_encoder = BundleEncoder(exported_clip.bundle, threads=1)
    pixels = pictures(exported_clip.dataset.records)
    texts = [c.text for r in exported_clip.dataset.records for c in r.captions] + ["jacket", "a " * 100]
    assert least_cosine(torch_encoder.embed_images(pixels), onnx_encoder.embed_images(pixels)) >= MIN_COSINE
    assert least_cosine(torch_encoder.embed_texts(texts), onnx_encoder.embed_texts(texts)) >= MIN_COSINE
    for n in (1, 5):
        assert least_cosine(torch_encoder.embed_images(pixels[:n]), onnx_encoder.embed_images(pixels[:n])) >= MIN_COSINE
        assert least_cosine(torch_encoder.embed_texts(texts[-n:]), onnx_encoder.embed_texts(texts[-n:])) >= MIN_COSINE


def test_the_float_bundle_comes_back_as_exactly_the_folded_weights(exported_clip: Exported) -> None:
    loaded, folded = load_compact(exported_clip.bundle).state_dict(), fold_batch_norm(exported_clip.model).state_dict()
    assert loaded.keys() == folded.keys()
    assert all(torch.equal(loaded[name], folded[name]) for name in folded)


def test_every_weight_is_stored_under_its_name_square_ones_as_they_are_meant(exported_clip: Exported) -> None:
    bundle, folded = exported_clip.bundle, fold_batch_norm(exported_clip.model)
    for file, tower in ((bundle.image_tower, folded.image_tower), (bundle.text_tower, folded.text_tower)):
        stored = {i.name: numpy_helper.to_array(i) for i in onnx.load_from_string(file.read()).graph.initializer}
        for name, parameter in tower.named_parameters():
            value = parameter.detach().numpy()
            assert (name in stored) != (name + TRANSPOSED in stored)
            assert np.array_equal(stored[name] if name in stored else stored[name + TRANSPOSED].T, value)
    square = [name for name, p in folded.text_tower.named_parameters() if p.ndim == 2 and p.shape[0] == p.shape[1]]
    assert len(square) == 8


def test_the_graph_is_plain_onnx_with_the_pinned_names(exported_clip: Exported) -> None:
    image, text = (onnx.load_from_string(f.read()) for f in (exported_clip.bundle.image_tower, exported_clip.bundle.text_tower))
    assert [i.name for i in image.graph.input] == ["pixel_values"]
    assert [o.name for o in image.graph.output] == ["image_features"]
    assert [i.name for i in text.graph.input] == ["input_ids", "attention_mask"]
    assert [o.name for o in text.graph.output] == ["text_features"]
    for model in (image, text):
        assert {o.domain for o in model.opset_import} <= {"", "ai.onnx"}
        assert {n.domain for n in model.graph.node} <= {""}
        assert not model.functions
        assert "LayerNormalization" in {n.op_type for n in text.graph.node}
    assert "BatchNormalization" not in {n.op_type for n in image.graph.node}


def test_the_card_tells_the_parity(exported_clip: Exported) -> None:
    card = exported_clip.bundle.card
    assert card["purpose"] == "tests"
    parity = card["export"]["parity"]  # type: ignore[index]
    assert min(parity["images"], parity["texts"]) >= MIN_COSINE


def roll(model: onnx.ModelProto, prefix: str) -> None:
    """Exchange the outputs of a layer among each other."""
    weight = next(i for i in model.graph.initializer if i.name.startswith(prefix))
    weight.CopyFrom(numpy_helper.from_array(np.roll(numpy_helper.to_array(weight), 1, axis=-1), weight.name))


@pytest.mark.parametrize(
    ("tower", "weight", "node"), [("image_tower_onnx", "blocks.3.depthwise", "Conv"), ("text_tower_onnx", "layers.1.fc1.weight", "Add")]
)
def test_an_export_that_differs_is_refused_by_the_node_and_not_written(
    exported_clip: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tower: str, weight: str, node: str
) -> None:
    """What the exporter gave, with a weight changed; the old bundle at the same place stays."""
    make = getattr(export_module, tower)

    def damaged(*args: object) -> Traced:
        traced: Traced = make(*args)
        roll(traced.graph, weight)
        return traced

    monkeypatch.setattr(export_module, tower, damaged)
    old = write_tiny_bundle(tmp_path / "b")
    with pytest.raises(GateRefused, match=rf"first node whose output drifts is \S+ \({node}, reading .*{weight.removesuffix('.weight')}"):
        export(exported_clip.model, exported_clip.tokenizer, PREPROCESSING, old.folder, name="b", max_tokens=MAX_TOKENS, card={})
    assert read_bundle(old.folder).digest == old.digest
    assert list(tmp_path.iterdir()) == [old.folder]


def test_every_weight_is_stored_once_and_nothing_is_resized(exported_clip: Exported) -> None:
    bundle = exported_clip.bundle
    for file in (bundle.image_tower, bundle.text_tower):
        model = onnx.load_from_string(file.read())
        large = [i.raw_data for i in model.graph.initializer if len(i.raw_data) > 100]
        assert len(large) == len(set(large))
        assert "Resize" not in {n.op_type for n in model.graph.node}
        assert file.path.stat().st_size < 1.1 * sum(len(i.raw_data) for i in model.graph.initializer)
    shape = onnx.load_from_string(bundle.image_tower.read()).graph.input[0].type.tensor_type.shape.dim
    assert [d.dim_value for d in shape][1:] == [3, PREPROCESSING.height, PREPROCESSING.width]
    assert shape[0].dim_param, "the batch is free"


def test_a_good_export_drifts_nowhere_and_most_of_its_nodes_are_compared(exported_clip: Exported) -> None:
    folded = fold_batch_norm(exported_clip.model).eval()
    traced = image_tower_onnx(folded.image_tower, PREPROCESSING.height, PREPROCESSING.width)
    feed = {"pixel_values": pictures(exported_clip.dataset.records)}
    expected = torch_values(traced.program, feed)
    made = [o for n in traced.graph.graph.node for o in n.output]
    assert len([o for o in made if o in expected]) > 0.9 * len(made)
    assert first_drift(traced.graph, expected, feed) is None


def test_what_onnx_cannot_say_is_refused_in_one_line(exported_clip: Exported, monkeypatch: pytest.MonkeyPatch) -> None:
    folded = fold_batch_norm(exported_clip.model).eval()
    monkeypatch.setattr(folded.image_tower, "forward", lambda pixels: torch.linalg.eigvals(pixels[:, 0, :32, :32]).real)
    with pytest.raises(ModelError, match="ONNX can say") as refused:
        image_tower_onnx(folded.image_tower, PREPROCESSING.height, PREPROCESSING.width)
    assert "\n" not in str(refused.value)


def test_a_bundle_of_another_architecture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="passerby-s"):
        load_compact(write_tiny_bundle(tmp_path / "tiny"))


def test_a_tower_that_lacks_a_layer_is_refused(exported_clip: Exported) -> None:
    """The text tower's file in place of the image tower's."""
    with pytest.raises(ModelError, match="image_tower"):
        load_compact(replace(exported_clip.bundle, image_tower=exported_clip.bundle.text_tower))


# Naming


def graph_of(**initialisers: Float32) -> onnx.ModelProto:
    """A product of ``x`` with all of them, in their order."""
    nodes, last = [], "x"
    for name in initialisers:
        nodes.append(helper.make_node("MatMul", [last, name], [f"{name}.out"]))
        last = f"{name}.out"
    given, made = (helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in ("x", last))
    graph = helper.make_graph(nodes, "g", [given], [made], [numpy_helper.from_array(v, n) for n, v in initialisers.items()])
    return helper.make_model(graph)


def test_weights_are_named_by_value_plain_or_transposed() -> None:
    a, b = np.random.default_rng(0).normal(size=(2, 4, 4)).astype(np.float32)
    model = graph_of(val_0=a.T.copy(), b=b)
    name_weights(model, {"a": a, "b": b})
    assert [i.name for i in model.graph.initializer] == ["a.T", "b"]
    assert [n.input[1] for n in model.graph.node] == ["a.T", "b"]


def test_a_parameter_that_is_stored_nowhere_is_missed() -> None:
    a, b = np.random.default_rng(0).normal(size=(2, 4, 4)).astype(np.float32)
    with pytest.raises(ModelError, match="parameter b"):
        name_weights(graph_of(a=a), {"a": a, "b": b})


def test_a_name_is_not_taken_from_another_parameter() -> None:
    """Two equal parameters that the exporter stored once: the second is missed, the first keeps its name."""
    same = np.eye(4, dtype=np.float32)
    model = graph_of(a=same)
    with pytest.raises(ModelError, match="parameter b"):
        name_weights(model, {"a": same, "b": same})


# A model's folder


def test_a_models_folder_alone_is_exported_with_its_recipe_and_figures(exported_clip: Exported, tmp_path: Path) -> None:
    """Whatever became of the run, its config and its data."""
    made_of = {"step": 7, "val": {"rank1": 20.0, "mAP": 2.0}, "recipe": {"seed": 3}}
    save_model(
        tmp_path / "model",
        exported_clip.model,
        tokenizer=exported_clip.tokenizer,
        max_tokens=20,
        preprocessing=PREPROCESSING,
        temperature=0.05,
        made_of=made_of,
    )
    base = load_base(str(tmp_path / "model"))
    bundle = export_base(base, "again", tmp_path / "again")
    assert read_bundle(tmp_path / "again").digest == bundle.digest
    assert (bundle.name, bundle.max_tokens, bundle.preprocessing) == ("again", 20, PREPROCESSING)
    assert bundle.tokenizer.read() == exported_clip.tokenizer
    assert bundle.card["base"] == {"name": "model", "digest": base.digest}
    assert (bundle.card["val"], bundle.card["recipe"]) == (made_of["val"], made_of["recipe"])
    folded = fold_batch_norm(exported_clip.model)
    assert all(torch.equal(a, b) for a, b in zip(load_compact(bundle).parameters(), folded.parameters(), strict=True))


def test_export_leaves_the_model_as_it_was(exported_clip: Exported) -> None:
    assert not list(exported_clip.model.image_tower.neck.children())
    assert isinstance(exported_clip.model.image_tower.neck, torch.nn.BatchNorm1d)


def test_another_seed_is_another_model() -> None:
    """What the comparisons above compare could differ."""
    tokenizer = tokenizer_json(["a b"])
    a, b = (small_clip(tokenizer, seed).image_tower.projection.weight for seed in (0, 1))
    assert not torch.equal(a, b)
