"""A trained person detector to a float32 bundle: an ONNX graph that gives what torch gives, for pictures of any size, or none."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from passerby.convert.export import to_onnx
from passerby.data.synthetic import draw_street
from passerby.detect.bundle import MIN_GOLDEN, SIZES, SURE, DetectorBundle, onnx_session, write_detector_bundle
from passerby.detect.grid_detector import GridDetector
from passerby.detect.layout import Layout
from passerby.detect.letterbox import MULTIPLE
from passerby.errors import GateRefused
from passerby.learn.detection.folder import load_detector_folder
from passerby.learn.detection.torch_detector import torch_detector
from passerby.learn.models.base import CARD, made_of_in, read_json
from passerby.learn.models.detector import PersonDetector, scored
from passerby.learn.models.lite0 import ConvNorm

GOLDEN_SEEDS: Final = range(24)
GOLDEN_SIZE: Final = (416, 320)
GOLDEN_PEOPLE: Final = 5
"""Of drawn streets, one of which becomes the golden picture."""
SIDES: Final = ((416, 416), (256, 640))
"""Heights and widths at which the graph is held against torch."""
MAX_DIFFERENCE: Final = 1e-3
"""Of any number that is said of a cell, in cells, logarithms and shares."""


class Exported(nn.Module):
    """A detector whose batch norms are part of its convolutions, and whose scores are from 0 to 1."""

    def __init__(self, model: PersonDetector) -> None:
        super().__init__()
        self.model = copy.deepcopy(model).float().eval().requires_grad_(False)
        with torch.no_grad():
            for layer in self.model.modules():
                if isinstance(layer, ConvNorm):
                    layer.fold()

    def forward(self, pixels: Tensor) -> Tensor:
        return scored(self.model(pixels))


def export_detector(folder: Path, name: str, out: Path) -> DetectorBundle:
    """Export what ``passerby train`` made of a detector's config, prove it against torch on drawn streets, and only then write the bundle.

    Its threshold is the best one on val.

    Raises:
        GateRefused: the graph does not give what torch gives, or finds nobody in any drawn street; nothing is written.
        ModelError: no detector in ``folder``, or something else than a bundle at ``out``.
    """
    trained, told = load_detector_folder(folder), _told(folder)
    layout = Layout(threshold=threshold_in(told))
    exported = Exported(trained)
    graph = detector_onnx(exported, layout)
    card = {**told, "export": {"parity": require_parity(exported, graph, layout)}}
    golden = golden_picture(torch_detector(trained))
    return write_detector_bundle(out, name=name, model=graph, golden=golden, card=card, layout=layout, replace=True)


def threshold_in(told: Mapping[str, object]) -> float:
    """The threshold of the highest F1 on val, to two decimals, where a card tells it; else that of any layout."""
    val = told.get("val")
    best = val.get("best_threshold") if isinstance(val, Mapping) else None
    return round(best, 2) if isinstance(best, float) and 0 <= best <= 1 else Layout().threshold


def detector_onnx(model: Exported, layout: Layout) -> bytes:
    """ONNX from pixels float32 (1, 3, h, w), RGB from 0 to 255, both sides multiples of 32, to float32 (1, a, 5)."""
    free = {2: MULTIPLE * torch.export.Dim("rows", min=1, max=256), 3: MULTIPLE * torch.export.Dim("columns", min=1, max=256)}
    pixels = torch.zeros(1, 3, 3 * MULTIPLE, 4 * MULTIPLE)
    graph: bytes = to_onnx(model, (pixels,), [layout.input], [layout.output], (free,)).graph.SerializeToString()
    return graph


def require_parity(model: Exported, graph: bytes, layout: Layout) -> float:
    """The largest difference between the graph and torch. Raises ``GateRefused`` where it is too large."""
    session, largest = onnx_session(graph, "the export"), 0.0
    for seed, (height, width) in enumerate(SIDES):
        pixels = layout.planes(np.asarray(draw_street(seed, (width, height)).picture))
        said = session.run({layout.input: pixels}, [layout.output])[layout.output]
        with torch.no_grad():
            largest = max(largest, float(np.abs(said - model(torch.from_numpy(pixels)).numpy()).max()))
    if not largest <= MAX_DIFFERENCE:
        expected = f"numbers that differ from torch's by {MAX_DIFFERENCE:g} at most"
        raise GateRefused(expected=expected, found=f"{largest:.2g}", do="report it with the versions of torch and onnx")
    return largest


def golden_picture(detector: GridDetector) -> NDArray[np.uint8]:
    """The drawn street in which the detector finds two people most surely, whatever the size, so that a conversion finds them too.

    Raises:
        GateRefused: there is no street in which it surely finds two.
    """
    sure, best = max((_surely(detector, _street(seed)), seed) for seed in GOLDEN_SEEDS)
    if sure < SURE:
        expected = f"{MIN_GOLDEN} people in a drawn street to be found with a score of {SURE}"
        raise GateRefused(expected=expected, found=f"{sure:.2f} at most", do="train it longer; any good detector finds drawn people")
    return _street(best)


def _street(seed: int) -> NDArray[np.uint8]:
    return np.asarray(draw_street(seed, GOLDEN_SIZE, GOLDEN_PEOPLE, smallest=60).picture)


def _surely(detector: GridDetector, picture: NDArray[np.uint8]) -> float:
    """The least score, over all sizes, of so many people as a golden picture must show."""
    scores = [np.sort(detector.detect(picture, size).scores)[::-1] for size in SIZES]
    return min(float(one[MIN_GOLDEN - 1]) if len(one) >= MIN_GOLDEN else 0.0 for one in scores)


def _told(folder: Path) -> dict[str, object]:
    """What a card says of a training: its recipe, and what it was worth on val."""
    made_of = made_of_in(read_json(folder / CARD))
    return {key: made_of[key] for key in ("recipe", "val", "step") if key in made_of}
