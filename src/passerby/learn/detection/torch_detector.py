"""A detector in training, as the rest of Passerby asks it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from numpy.typing import NDArray

from passerby.detect.grid_detector import GridDetector
from passerby.detect.layout import Layout
from passerby.learn.models.detector import PersonDetector, scored
from passerby.model.session import Arrays, Dtypes
from passerby.types import ModelDigest

LAYOUT = Layout()


class TorchSession:
    """A model in torch as what runs a graph: a :class:`~passerby.model.session.Session`."""

    def __init__(self, model: PersonDetector) -> None:
        self.inputs: Dtypes = {LAYOUT.input: "float32"}
        self.outputs: Dtypes = {LAYOUT.output: "float32"}
        self.model = model.eval()

    @torch.no_grad()
    def run(self, inputs: Arrays, outputs: Sequence[str]) -> dict[str, NDArray[Any]]:
        pixels = torch.from_numpy(inputs[LAYOUT.input]).contiguous(memory_format=torch.channels_last)
        said = scored(self.model(pixels.to(next(self.model.parameters()).device))).cpu().numpy()
        return {name: said for name in outputs}


def torch_detector(model: PersonDetector) -> GridDetector:
    """A model in training as a detector of whole pictures."""
    return GridDetector("in training", ModelDigest(""), LAYOUT, TorchSession(model))
