"""A detector in training, as the rest of Passerby asks it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from passerby.detect.boxes import suppress
from passerby.detect.detector import Detections, everyone
from passerby.detect.grid import cells, decode
from passerby.detect.letterbox import letterbox
from passerby.learn.models.detector import PersonDetector
from passerby.types import ModelDigest

LEAST = 0.01
"""Score below which nobody is told of."""
OVERLAP = 0.65
"""Of boxes that are two people's, at most."""
MOST = 300
"""People in a picture."""


class TorchDetector:
    """A model in torch as a :class:`~passerby.detect.detector.Detector`."""

    name = "in training"
    digest = ModelDigest("")

    def __init__(self, model: PersonDetector) -> None:
        self.model = model.eval()

    @torch.no_grad()
    def detect(self, picture: NDArray[np.uint8], size: int) -> Detections:
        height, width = picture.shape[:2]
        canvas, (across, down) = letterbox(picture, size)
        pixels = torch.from_numpy(canvas).permute(2, 0, 1)[None].float().contiguous(memory_format=torch.channels_last)
        said = self.model(pixels)[0]
        raw, scores = said[:, :4].numpy(), said[:, 4].sigmoid().numpy()
        rows = np.argsort(-scores, kind="stable")[: 4 * MOST]
        rows = rows[scores[rows] >= LEAST]
        grid = cells(*canvas.shape[:2])
        boxes = decode(raw[rows], grid[rows]) / np.array([across, down, across, down], np.float32)
        stay = suppress(boxes, scores[rows], OVERLAP)[:MOST]
        return everyone(boxes[stay], scores[rows][stay], width, height)
