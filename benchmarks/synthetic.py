"""Synthetic people: an index of random unit vectors of a model's length, to time search at any size, and pictures to index."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from passerby.index.sqlite.index import Index
from passerby.resolve import DEFAULT_MODEL, load_model
from passerby.types import Media

_CHUNK = 4096


def write_index(folder: Path, model: str, people: int) -> None:
    """Make an index in ``folder`` that ``model`` can search; the same vectors every time."""
    encoder = load_model(model)
    rng = np.random.default_rng(0)
    with Index.create(folder, encoder) as index:
        for start in range(0, people, _CHUNK):
            vectors = rng.standard_normal((min(_CHUNK, people - start), encoder.dim), np.float32)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            with index.writing():
                for number, vector in enumerate(vectors, start):
                    index.add(Media(Path(f"/synthetic/{number:07}.jpg"), number + 1, 0, f"{number:064x}"), vector)


def write_pictures(folder: Path, count: int) -> None:
    """Make JPEG files of the size of a usual person crop, of blurred noise; the same pictures every time."""
    rng = np.random.default_rng(0)
    for number in range(count):
        noise = Image.fromarray(rng.integers(0, 256, (30, 12, 3), np.uint8))
        noise.resize((160, 400), Image.Resampling.BICUBIC).save(folder / f"{number:05}.jpg", quality=90)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write an index of synthetic people.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("people", type=int)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    given = parser.parse_args()
    write_index(given.folder, given.model, given.people)
