"""Small pictures of nobody, and media with vectors, for tests of the index."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from passerby.types import Media


def write_crop(path: Path, seed: int, size: tuple[int, int] = (24, 60)) -> Path:
    """A picture of coloured patches, the same for equal seeds."""
    patches = np.random.default_rng(seed).integers(0, 256, (6, 3, 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(patches).resize(size, Image.Resampling.NEAREST).save(path, quality=90)
    return path


def write_crops(folder: Path, count: int) -> list[Path]:
    return [write_crop(folder / f"{seed:03}.jpg", seed) for seed in range(count)]


def media(path: Path | str, content: str) -> Media:
    return Media(Path(path), len(content), 1_000, hashlib.sha256(content.encode()).hexdigest())


def unit(rows: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True), np.float32)


def random_vectors(count: int, dim: int = 16, seed: int = 0) -> NDArray[np.float32]:
    return unit(np.random.default_rng(seed).normal(size=(count, dim)))
