"""A detector's graph as TensorRT takes it, without a GPU."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from blobs import THREE, write_blob_bundle
from click.testing import CliRunner

from passerby.cli.app import app
from passerby.convert.engine import typed_detector
from passerby.detect.bundle import BundleDetector, DetectorBundle, onnx_session
from passerby.detect.grid import cells
from passerby.detect.layout import Layout
from passerby.errors import MissingExtra, ModelError
from passerby.model import tensorrt
from passerby.model.session import Session


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> DetectorBundle:
    return write_blob_bundle(tmp_path_factory.mktemp("detectors") / "blobs")


class FixedSizes:
    """A runtime as engines are, on ONNX Runtime: a graph for each size that takes no other."""

    name = "ONNX Runtime at fixed sizes"
    any_size = False

    def __init__(self, bundle: DetectorBundle) -> None:
        self.graphs = {name: typed.graph.SerializeToString() for name, typed in typed_detector(bundle).items()}

    def start(self, tower: str) -> Session:
        return onnx_session(self.graphs[tower], tower, 1)


def test_there_is_a_graph_for_each_size_that_takes_one_picture(bundle: DetectorBundle) -> None:
    towers = typed_detector(bundle)
    assert list(towers) == list(bundle.towers) == ["detector_416", "detector_640"]
    for size, tower in zip(bundle.sizes, towers.values(), strict=True):
        assert (tower.shapes, tower.batches) == ({"pixels": (3, size, size)}, (1,))
        session = onnx_session(tower.graph.SerializeToString(), "typed", 1)
        answer = session.run({"pixels": np.zeros((1, 3, size, size), np.float32)}, ["people"])["people"]
        assert answer.shape == (1, len(cells(size, size)), 5)


def test_graphs_of_fixed_sizes_find_whom_the_free_one_finds(bundle: DetectorBundle) -> None:
    free, fixed = BundleDetector(bundle, 1), BundleDetector(bundle, runtime=FixedSizes(bundle))
    for asked, looked in (300, 416), (416, 416), (500, 640), (640, 640), (900, 640):
        found, expected = fixed.detect(THREE.picture, asked), free.detect(THREE.picture, looked)
        np.testing.assert_allclose(found.boxes, expected.boxes, atol=1e-2)
        np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4)


def test_a_detector_that_takes_something_else_than_its_layout_says_is_refused(bundle: DetectorBundle) -> None:
    with pytest.raises(ModelError, match="expected blobs to read images, found pixels"):
        typed_detector(replace(bundle, layout=Layout("images")))


def test_the_command_checks_a_detector_and_says_what_is_missing(bundle: DetectorBundle) -> None:
    checked = CliRunner().invoke(app, ["build-engine", str(bundle.folder), "--check"])
    assert checked.exit_code == 0, checked.output
    assert "at 416, 640 pixels" in checked.output
    if find_spec("tensorrt") is None:
        built = CliRunner().invoke(app, ["build-engine", str(bundle.folder)])
        assert isinstance(built.exception, MissingExtra)
        assert "TensorRT" in str(built.exception)
    ignored = CliRunner().invoke(app, ["build-engine", str(bundle.folder), "--data", "somewhere"])
    assert "--data" in str(ignored.exception)


def test_without_engines_a_detector_runs_on_onnx_runtime(bundle: DetectorBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSERBY_ENGINES", str(tmp_path))
    assert tensorrt.runtime_here(bundle, 1).name == "ONNX Runtime"
