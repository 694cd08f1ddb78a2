"""A detector in lower precision: what stays in float, what the gate lets through, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import numpy_helper
from scenes import entry, write_scenes
from square_detector import SQUARES, square_graph, write_square_detector

from passerby.cli.app import app
from passerby.convert.gates import MAX_AP50_LOSS, Verdict, judge, refusal
from passerby.convert.quantize_detector import Canvases, last_layers, quantize_detector
from passerby.data.scenes import Scene, load_scenes
from passerby.detect.bundle import BundleDetector, DetectorBundle, write_detector_bundle
from passerby.detect.layout import Layout
from passerby.errors import DatasetError, GateRefused
from passerby.measure.detector import evaluate_detector
from passerby.measure.metrics import Estimate
from passerby.media.photo import read_image
from passerby.types import Precision, Split

LAST = {"head8.weight", "head16.weight", "head32.weight"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scenes, of which the first ten are train, and a float detector."""
    folder = tmp_path_factory.mktemp("detector")
    splits = ["train"] * 10 + ["val"] * 30
    write_scenes(folder / "scenes", [entry(f"{n:02}.png", SQUARES[: 1 + n % 2], split=split) for n, split in enumerate(splits)])
    write_square_detector(folder / "float")
    return folder


@pytest.fixture(scope="module")
def detector(folder: Path) -> DetectorBundle:
    return write_square_detector(folder / "again")


@pytest.fixture(scope="module")
def scenes(folder: Path) -> list[Scene]:
    return load_scenes(folder / "scenes")


def types_in(bundle: DetectorBundle) -> dict[str, int]:
    return {one.name: one.data_type for one in onnx.load_from_string(bundle.model.read()).graph.initializer}


def test_the_last_layers_are_those_before_the_output() -> None:
    assert last_layers(square_graph()) == LAST


def test_canvases_are_what_the_graph_takes() -> None:
    """Each made when it is asked for, the same every time."""
    picture = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    canvases = Canvases([picture, picture[:, ::-1]], Layout(), 96)
    assert len(canvases) == len(list(canvases)) == len(canvases[:]) == 2
    np.testing.assert_array_equal(canvases[0]["pixels"][0].transpose(1, 2, 0), picture)


@pytest.mark.parametrize(("precision", "stored"), [(Precision.INT8, onnx.TensorProto.INT8), (Precision.FP16, onnx.TensorProto.FLOAT16)])
def test_a_detector_that_keeps_its_ap_is_written(
    detector: DetectorBundle, scenes: list[Scene], tmp_path: Path, precision: Precision, stored: int
) -> None:
    said: list[str] = []
    small = quantize_detector(detector, scenes, tmp_path / "small", {}, said.append, precision=precision)
    types = types_in(small)
    assert types["body.weight"] == stored and {types[name] for name in LAST} == {onnx.TensorProto.FLOAT}
    assert (small.name, small.layout, small.sizes) == (detector.name, detector.layout, detector.sizes)
    assert small.digest != detector.digest
    report = small.card["quantization"]
    assert isinstance(report, dict) and report["ap50_change"] == {"mean": 0, "low": 0, "high": 0}
    assert set(report["float_layers"]) == LAST
    val = [scene for scene in scenes if scene.split is Split.VAL]
    assert evaluate_detector(BundleDetector(small), val, 96).figures.ap50.mean == 100
    assert "calibrating on 10 training pictures" in said


def fragile(folder: Path) -> DetectorBundle:
    """A detector whose first layer cannot do with 256 steps: what tells people is a ten-thousandth of what its tensor holds."""
    graph = square_graph()
    weights = {one.name: one for one in graph.graph.initializer}
    body = numpy_helper.to_array(weights["body.weight"]).copy()
    body[0] *= 1e4
    weights["body.weight"].CopyFrom(numpy_helper.from_array(body, "body.weight"))
    head = numpy_helper.to_array(weights["head32.weight"]).copy()
    head[4, 0] = 0
    head[4, 1:] *= 1.5
    weights["head32.weight"].CopyFrom(numpy_helper.from_array(head, "head32.weight"))
    golden = np.asarray(read_image(folder.parent / "float-golden.png"))
    return write_detector_bundle(folder, name="fragile", model=graph.SerializeToString(), golden=golden, card={}, sizes=(96,))


def test_one_that_only_float_keeps_whole_is_refused(folder: Path, scenes: list[Scene], tmp_path: Path) -> None:
    said: list[str] = []
    with pytest.raises(GateRefused, match="ship the float model"):
        quantize_detector(fragile(folder / "fragile"), scenes, tmp_path / "small", {}, said.append)
    assert not (tmp_path / "small").exists()
    assert any("golden picture" in line for line in said) and any("body.weight alone costs 100.00 points of AP50" in line for line in said)


@pytest.mark.parametrize("split", [Split.TRAIN, Split.VAL])
def test_both_splits_are_needed(detector: DetectorBundle, scenes: list[Scene], tmp_path: Path, split: Split) -> None:
    with pytest.raises(DatasetError, match=f"scenes of the {split} split"):
        quantize_detector(detector, [scene for scene in scenes if scene.split is not split], tmp_path / "small", {}, print)


def test_it_is_judged_on_what_people_labelled(detector: DetectorBundle, scenes: list[Scene], tmp_path: Path) -> None:
    taught: Sequence[Scene] = [replace(scene, labels="teachers") for scene in scenes]
    with pytest.raises(DatasetError, match="30 by teachers"):
        quantize_detector(detector, taught, tmp_path / "small", {}, print)


def test_a_point_of_ap_may_be_lost_and_no_more() -> None:
    assert judge(Estimate(-0.8, -1.0, -0.6), MAX_AP50_LOSS) is Verdict.KEPT
    assert judge(Estimate(-0.8, -1.1, -0.5), MAX_AP50_LOSS) is Verdict.UNDECIDED
    assert judge(Estimate(-2.0, -3.0, -1.1), MAX_AP50_LOSS) is Verdict.FELL
    undecided = refusal(Estimate(-0.8, -1.2, -0.4), Verdict.UNDECIDED, 100, "AP50", "pictures", MAX_AP50_LOSS)
    assert undecided.expected == "AP50 to fall by at most 1.0 points" and "about 400 pictures" in undecided.do


def test_the_command_tells_a_detector_from_an_encoder(folder: Path, tmp_path: Path) -> None:
    arguments = ["quantize", folder / "float", "--data", folder / "scenes", "--out", tmp_path / "small"]
    result = CliRunner().invoke(app, [str(one) for one in arguments])
    assert result.exit_code == 0 and "squares" in result.stderr and "val AP50 100.00, +0.00 points" in result.stderr
    assert json.loads((tmp_path / "small" / "manifest.json").read_text())["kind"] == "detector"
