"""What is worn, from torch to a bundle and back: a second output of the image tower, its names, its gates."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from small_clip import MAX_TOKENS, PREPROCESSING, WORN, Exported, pictures

from passerby.convert.gates import MAX_LOSS, MAX_ODDS_OFF, require_parity, require_worn
from passerby.convert.graph import read_tower
from passerby.convert.quantize import convert_tower, quantize
from passerby.convert.strongly_typed import for_tensorrt
from passerby.errors import GateRefused, ModelError
from passerby.learn.models.compact import CompactClip, fold_batch_norm
from passerby.learn.models.from_bundle import load_compact
from passerby.learn.models.model_folder import load_saved, save_model
from passerby.learn.models.torch_encoder import TorchEncoder, load_tokenizer
from passerby.measure.evaluation import evaluate
from passerby.measure.metrics import Estimate
from passerby.media.encode_files import EncodedFile, encode_files
from passerby.model.bundle import Bundle, read_bundle, write_calibrated
from passerby.model.bundle_encoder import BundleEncoder
from passerby.model.calibration import Calibration
from passerby.model.manifest import MANIFEST, BundleFile, manifest_digest
from passerby.model.prompted import PromptedEncoder
from passerby.model.selftest import measure
from passerby.types import Caption, Dataset, Precision, Split

Float32 = NDArray[np.float32]


def torch_encoder(exported: Exported) -> TorchEncoder:
    return TorchEncoder(exported.model, load_tokenizer(exported.tokenizer, MAX_TOKENS), PREPROCESSING)


def test_the_bundle_gives_the_vectors_and_log_odds_of_torch(exported_worn: Exported) -> None:
    pixels = pictures(exported_worn.dataset.records)
    expected, encoder = torch_encoder(exported_worn).see(pixels), BundleEncoder(exported_worn.bundle, threads=1)
    assert encoder.attributes == WORN
    for n in (1, 5, len(pixels)):
        seen = encoder.see(pixels[:n])
        assert seen.log_odds == pytest.approx(expected.log_odds[:n], abs=1e-3)
        assert seen.vectors == pytest.approx(expected.vectors[:n], abs=1e-4)
        assert np.array_equal(encoder.embed_images(pixels[:n]), seen.vectors)
    assert expected.log_odds.std(axis=0).min() > 0.5, "the head tells pictures apart"
    assert encoder.see(pixels[:0]).log_odds.shape == (0, 3)


def test_a_model_of_the_same_weights_without_a_head_gives_the_same_vectors(exported_worn: Exported) -> None:
    weights = {name: tensor for name, tensor in exported_worn.model.state_dict().items() if ".worn." not in name}
    bare = CompactClip(exported_worn.model.text_tower.config, exported_worn.model.dim)
    bare.load_state_dict(weights)
    pixels = torch.from_numpy(pictures(exported_worn.dataset.records[:4]))
    with torch.no_grad():
        assert torch.equal(bare.eval().embed_images(pixels), exported_worn.model.eval().embed_images(pixels))
        assert bare.see(pixels).log_odds.shape == (4, 0)


def test_folding_keeps_what_the_head_says(exported_worn: Exported) -> None:
    pixels = torch.from_numpy(pictures(exported_worn.dataset.records[:4]))
    with torch.no_grad():
        folded = fold_batch_norm(exported_worn.model)
        assert torch.allclose(folded.see(pixels).log_odds, exported_worn.model.eval().see(pixels).log_odds, atol=1e-4)
    assert not list(folded.image_tower.buffers())


def test_the_weights_come_back_from_the_bundle_with_their_names(exported_worn: Exported) -> None:
    loaded, folded = load_compact(exported_worn.bundle), fold_batch_norm(exported_worn.model)
    assert loaded.attributes == WORN
    assert loaded.state_dict().keys() == folded.state_dict().keys()
    assert all(torch.equal(loaded.state_dict()[name], weight) for name, weight in folded.state_dict().items())


def test_a_models_folder_keeps_the_head_and_its_digest_covers_the_names(exported_worn: Exported, tmp_path: Path) -> None:
    model = exported_worn.model
    digests = []
    for name, attributes in (("a", WORN), ("b", ("upper:green", *WORN[1:]))):
        model.attributes = attributes
        how: dict[str, Any] = {"max_tokens": MAX_TOKENS, "preprocessing": PREPROCESSING, "temperature": 0.05, "made_of": {}}
        save_model(tmp_path / name, model, tokenizer=exported_worn.tokenizer, **how)
        base = load_saved(tmp_path / name)
        assert base.model.attributes == attributes
        digests.append(base.digest)
    model.attributes = WORN
    assert digests[0] != digests[1]


# The manifest


def test_attributes_make_format_2_and_their_names_are_covered_by_the_digest(exported_worn: Exported) -> None:
    manifest = json.loads((exported_worn.bundle.folder / MANIFEST).read_text())
    assert (manifest["format"], manifest["attributes"]) == (2, list(WORN))
    assert np.shape(manifest["self_test"]["worn"]) == (3, 3)
    assert manifest["card"]["export"]["parity"]["worn"] <= MAX_ODDS_OFF
    assert manifest_digest({**manifest, "attributes": list(WORN[::-1])}) != exported_worn.bundle.digest


def test_a_model_without_attributes_is_written_as_ever(exported_clip: Exported) -> None:
    manifest = json.loads((exported_clip.bundle.folder / MANIFEST).read_text())
    assert manifest["format"] == 1
    assert manifest.keys() == {
        *("format", "name", "dim", "preprocessing", "image_tower", "text_tower", "tokenizer", "self_test", "calibration", "card")
    }
    assert manifest["self_test"].keys() == {"texts", "text_vectors", "image_vectors"}
    assert manifest["card"]["export"]["parity"].keys() == {"images", "texts", "inputs", "reordered"}
    assert (exported_clip.bundle.attributes, BundleEncoder(exported_clip.bundle).attributes) == ((), ())


@pytest.mark.parametrize(
    "attributes", [None, [], "red", ["red", 1, "blue"], ["red", "red", "blue"], ["red", " ", "blue"], ["red"]], ids=repr
)
def test_format_2_with_other_than_a_name_for_each_column_is_refused(exported_worn: Exported, tmp_path: Path, attributes: object) -> None:
    with pytest.raises(ModelError, match=r"attributes|self_test worn"):
        read_bundle(altered(exported_worn.bundle, tmp_path, attributes=attributes))


def test_a_newer_format_asks_for_an_upgrade(exported_worn: Exported, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="upgrade Passerby"):
        read_bundle(altered(exported_worn.bundle, tmp_path, format=3))


def altered(bundle: Bundle, folder: Path, **changes: object) -> Path:
    """A copy of a bundle with other keys in its manifest."""
    for file in bundle.folder.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**manifest, **changes}))
    return folder


def test_calibration_keeps_the_attributes(exported_worn: Exported, tmp_path: Path) -> None:
    curve = Calibration(0.01, 0.15, -4.0, 10.0, 1.5, -1.0, {})
    assert write_calibrated(exported_worn.bundle, curve, tmp_path / "calibrated").attributes == WORN


# A tower that cannot be trusted


def with_tower(exported: Exported, change: Any) -> Bundle:
    """The bundle with a changed image tower, as if it were its own."""
    tower = onnx.load_from_string(exported.bundle.image_tower.read())
    change(tower)
    return replace(exported.bundle, image_tower=InMemory(Path("image_tower.onnx"), tower.SerializeToString()))


class InMemory(BundleFile):
    """A file of a bundle that was changed after its digest was taken."""

    def __init__(self, path: Path, data: bytes) -> None:
        super().__init__(path, "")
        object.__setattr__(self, "data", data)

    def read(self) -> bytes:
        data: bytes = self.data  # type: ignore[attr-defined]
        return data


def without_worn(tower: onnx.ModelProto) -> None:
    del tower.graph.output[1]


def constant(tower: onnx.ModelProto) -> None:
    weight = next(i for i in tower.graph.initializer if i.name == "worn.projection.weight")
    weight.CopyFrom(numpy_helper.from_array(0 * numpy_helper.to_array(weight), weight.name))


def exchanged(tower: onnx.ModelProto) -> None:
    for name in ("worn.projection.weight", "worn.projection.bias"):
        held = next(i for i in tower.graph.initializer if i.name == name)
        held.CopyFrom(numpy_helper.from_array(np.roll(numpy_helper.to_array(held), 1, axis=0), name))


def not_a_number(tower: onnx.ModelProto) -> None:
    bias = next(i for i in tower.graph.initializer if i.name == "worn.projection.bias")
    bias.CopyFrom(numpy_helper.from_array(np.full(3, np.nan, np.float32), bias.name))


@pytest.mark.parametrize(
    ("change", "told"),
    [(without_worn, "worn"), (constant, "golden log-odds"), (exchanged, "golden log-odds"), (not_a_number, "finite log-odds")],
)
def test_a_head_that_does_not_repeat_its_golden_log_odds_is_refused(exported_worn: Exported, change: Any, told: str) -> None:
    with pytest.raises(ModelError, match=told):
        BundleEncoder(with_tower(exported_worn, change)).see(pictures(exported_worn.dataset.records[:1]))


def test_an_export_whose_log_odds_differ_is_refused(exported_worn: Exported) -> None:
    class Off(TorchEncoder):
        def see(self, pixels: Float32) -> Any:
            seen = super().see(pixels)
            return seen._replace(log_odds=seen.log_odds + np.float32(2 * MAX_ODDS_OFF))

    off = Off(exported_worn.model, load_tokenizer(exported_worn.tokenizer, MAX_TOKENS), PREPROCESSING)
    records = exported_worn.dataset.records
    with pytest.raises(GateRefused, match="log-odds"):
        require_parity(off, BundleEncoder(exported_worn.bundle), pictures(records), [r.captions[0].text for r in records])


def further_output(tower: onnx.ModelProto) -> None:
    tower.graph.node.append(helper.make_node("Neg", ["worn"], ["mood"]))
    tower.graph.output.append(helper.make_tensor_value_info("mood", TensorProto.FLOAT, ["n", 3]))


def test_what_is_not_known_of_a_tower_does_not_get_lost_when_it_comes_back(exported_worn: Exported) -> None:
    with pytest.raises(ModelError, match="0 names for the 3 attributes"):
        load_compact(replace(exported_worn.bundle, attributes=()))
    with pytest.raises(ModelError, match="image_features and worn, found image_features and worn and mood"):
        load_compact(with_tower(exported_worn, further_output))


def test_a_head_that_tells_no_picture_from_another_gets_no_self_test(exported_worn: Exported) -> None:
    model = fold_batch_norm(exported_worn.model)
    assert model.image_tower.worn is not None
    with torch.no_grad():
        model.image_tower.worn.projection.weight.zero_()
    encoder = TorchEncoder(model, load_tokenizer(exported_worn.tokenizer, MAX_TOKENS), PREPROCESSING)
    with pytest.raises(ModelError, match="other attributes in different pictures"):
        measure(encoder.see, encoder.embed_texts, PREPROCESSING)


# Lower precision and engines


@pytest.mark.parametrize("precision", Precision)
def test_both_outputs_survive_a_lower_precision_and_hold_what_tensorrt_demands(exported_worn: Exported, precision: Precision) -> None:
    pixels = pictures(exported_worn.dataset.records)
    feeds = [{"pixel_values": picture[None]} for picture in pixels[::2]]
    tower = convert_tower(read_tower(exported_worn.bundle.image_tower), feeds, precision)
    stored = {i.name: i.data_type for i in tower.graph.initializer}
    assert stored["worn.projection.weight"] == (TensorProto.INT8 if precision is Precision.INT8 else TensorProto.FLOAT16)
    back = load_compact(with_tower(exported_worn, lambda bundled: bundled.CopyFrom(tower))).image_tower.worn
    head = fold_batch_norm(exported_worn.model).image_tower.worn
    assert back is not None
    assert head is not None
    rows = zip(back.projection.weight, head.projection.weight, strict=True)
    assert min(float(torch.corrcoef(torch.stack(row))[0, 1]) for row in rows) > 0.999
    expected = BundleEncoder(exported_worn.bundle).see(pixels).log_odds
    for graph in (tower, for_tensorrt(tower)):
        assert [(o.name, o.type.tensor_type.elem_type) for o in graph.graph.output] == [
            (name, TensorProto.FLOAT) for name in ("image_features", "worn")
        ]
        session = onnx_session(graph)
        (found,) = session.run(["worn"], {"pixel_values": pixels})
        assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > (0.85 if precision is Precision.INT8 else 0.999)


def test_the_gate_asks_for_the_attributes_too(exported_worn: Exported, tmp_path: Path) -> None:
    lines: list[str] = []

    def convert(dataset: Dataset) -> Bundle:
        return quantize(exported_worn.bundle, dataset, tmp_path / "half", {}, lines.append, precision=Precision.FP16)

    silent = tuple(replace(r, captions=(Caption(f"somebody {r.identity}"),)) for r in exported_worn.dataset.records)
    with pytest.raises(GateRefused, match="captions of val that say"):
        convert(replace(exported_worn.dataset, records=silent))
    half = convert(exported_worn.dataset)
    assert half.attributes == WORN
    assert half.card["quantization"]["auc_change"]["low"] >= -MAX_LOSS  # type: ignore[index]
    assert "mean AUC of attributes" in lines[-1]
    worn = BundleEncoder(half).see(pictures(exported_worn.dataset.records[:4])).log_odds
    assert worn == pytest.approx(torch_encoder(exported_worn).see(pictures(exported_worn.dataset.records[:4])).log_odds, abs=0.3)


def test_a_head_that_got_worse_is_refused_though_rank_1_stays(exported_worn: Exported) -> None:
    val = Dataset("val", tuple(r for r in exported_worn.dataset.records if r.split is Split.VAL))
    before = evaluate(BundleEncoder(exported_worn.bundle), val)
    upside_down = replace(before, split=replace(before.split, worn=-before.split.worn))
    assert require_worn(before, before, WORN) == Estimate(0.0, 0.0, 0.0)
    with pytest.raises(GateRefused, match="mean AUC of attributes to fall"):
        require_worn(before, upside_down, WORN)
    assert require_worn(before, before, ()) is None
    with pytest.raises(GateRefused, match="both models to know 3 attributes"):
        require_worn(before, replace(before, split=replace(before.split, worn=before.split.worn[:, :2])), WORN)


def onnx_session(model: onnx.ModelProto) -> Any:
    from passerby.model.onnx import start_session

    return start_session(model.SerializeToString(), 1)


# The loop over pictures


def test_files_are_encoded_with_what_is_worn_in_one_run_of_the_tower(exported_worn: Exported, exported_clip: Exported) -> None:
    records = exported_worn.dataset.records[:5]
    encoder = BundleEncoder(exported_worn.bundle, threads=1)
    expected = encoder.see(pictures(records))
    for model in (encoder, PromptedEncoder(encoder, ["a photo of {}"])):
        results = list(encode_files(model, [r.path for r in records], batch_size=2))
        found = [result.worn for result in results if isinstance(result, EncodedFile) and result.worn is not None]
        assert np.stack(found) == pytest.approx(expected.log_odds, abs=1e-4)
    (bare,) = encode_files(BundleEncoder(exported_clip.bundle, threads=1), [records[0].path])
    assert isinstance(bare, EncodedFile)
    assert bare.worn is None
