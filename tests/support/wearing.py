"""An index of people of whom it is known how likely they wear what, and a real bundle that tells it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from crops import media
from dressed import write_dressed_bundle

from passerby.index.sqlite.index import Index
from passerby.model.bundle import write_calibrated
from passerby.model.calibration import Calibration
from passerby.model.encoder import Encoder, attributes_of
from passerby.model.worn import Wears, worn_bytes

ALMOST_NEVER = 1e-3


def write_telling_bundle(folder: Path) -> Path:
    """A bundle that knows red and blue above and below; a calibration moves one attribute, says of one that it is often wrong, and never
    measured another."""
    wears = {"upper:blue": Wears(0.5, -1.0, 40, auc=0.9), "lower:blue": Wears(1.0, 0.0, 40, auc=0.62), "lower:red": Wears(1.0, 0.0)}
    calibration = Calibration(0.0, 0.25, -1.0, 5.0, 1.0, -0.5, {}, wears=wears)
    return write_calibrated(write_dressed_bundle(folder / "dressed"), calibration, folder / "telling").folder


def wearing(folder: Path, encoder: Encoder, people: Sequence[dict[str, float] | None]) -> Index:
    """An index of people with these probabilities, before calibration, and next to none of others; ``None`` where nothing is known."""
    index = Index.create(folder, encoder)
    vectors = np.random.default_rng(0).normal(size=(len(people), encoder.dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    with index.writing():
        for number, (vector, likely) in enumerate(zip(vectors, people, strict=True)):
            worn = None
            if likely is not None:
                p = np.array([likely.get(name, ALMOST_NEVER) for name in attributes_of(encoder)])
                worn = worn_bytes(np.log(p / (1 - p))[None].astype(np.float32))[0]
            index.add(media(f"/{number:03}.jpg", str(number)), vector, worn=worn)
    return index
