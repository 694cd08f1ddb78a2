"""A trained detector becomes a bundle that gives what torch gives, at any size, or none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from passerby.convert.export_detector import Exported, detector_onnx, export_detector, require_parity
from passerby.detect.bundle import onnx_session
from passerby.detect.layout import Layout
from passerby.errors import GateRefused, ModelError
from passerby.learn.detection.folder import save_detector
from passerby.learn.models.detector import PersonDetector


@pytest.fixture(scope="module")
def model() -> PersonDetector:
    """Untrained, but with batch norms that have settled on something."""
    torch.manual_seed(1)
    model = PersonDetector(8)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.uniform_(layer.bias, -0.5, 0.5)
            assert layer.running_mean is not None
            assert layer.running_var is not None
            nn.init.uniform_(layer.running_mean, -0.2, 0.2)
            nn.init.uniform_(layer.running_var, 0.5, 2.0)
    return model.eval()


@pytest.fixture(scope="module")
def graph(model: PersonDetector) -> bytes:
    return detector_onnx(Exported(model), Layout())


def test_the_graph_gives_what_the_model_in_training_gives_at_sizes_it_was_not_traced_at(model: PersonDetector, graph: bytes) -> None:
    layout = Layout()
    session = onnx_session(graph, "it")
    pixels = np.random.default_rng(3).integers(0, 256, (1, 3, 160, 224)).astype(np.float32)

    said = session.run({layout.input: pixels}, [layout.output])[layout.output]

    with torch.no_grad():
        true = model(torch.from_numpy(pixels))
    np.testing.assert_allclose(said[..., :4], true[..., :4].numpy(), atol=1e-3)
    np.testing.assert_allclose(said[..., 4], true[..., 4].sigmoid().numpy(), atol=1e-4)


def test_a_graph_of_another_model_is_refused(graph: bytes) -> None:
    with pytest.raises(GateRefused, match="torch"):
        require_parity(Exported(PersonDetector(8).eval()), graph, Layout())


def test_a_detector_that_finds_nobody_in_drawn_streets_becomes_no_bundle(
    model: PersonDetector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_detector(tmp_path / "model", model, {"step": 1})

    monkeypatch.setattr("passerby.convert.export_detector.GOLDEN_SEEDS", range(1))
    with pytest.raises(GateRefused, match="drawn street"):
        export_detector(tmp_path / "model", "blind", tmp_path / "out")
    with pytest.raises(ModelError, match="detector"):
        export_detector(tmp_path / "nothing", "none", tmp_path / "out")
    assert not (tmp_path / "out").exists()
