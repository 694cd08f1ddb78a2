"""Synthetic people: an index of random unit vectors of a model's length, to time search at any size, and pictures to index."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from passerby.index.sqlite.index import Index
from passerby.model.encoder import Encoder, Seen, attributes_of
from passerby.model.worn import worn_bytes
from passerby.resolve import DEFAULT_MODEL, load_model
from passerby.types import Media

_CHUNK = 4096


class Dressed:
    """A model that is also taken to say what is worn, so that an index has room for it."""

    def __init__(self, encoder: Encoder, attributes: int) -> None:
        self._encoder = encoder
        self.attributes = tuple(f"thing {number}" for number in range(attributes))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)

    def see(self, pixels: NDArray[np.float32]) -> Seen:
        return Seen(self._encoder.embed_images(pixels), np.zeros((len(pixels), len(self.attributes)), np.float32))


def write_index(folder: Path, model: str, people: int, attributes: int = 0) -> None:
    """Make an index in ``folder`` that ``model`` can search, of people who wear some of so many things; the same ones every time."""
    encoder = cast(Encoder, Dressed(load_model(model), attributes))
    rng = np.random.default_rng(0)
    with Index.create(folder, encoder) as index:
        for start in range(0, people, _CHUNK):
            vectors = rng.standard_normal((min(_CHUNK, people - start), encoder.dim), np.float32)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            worn = worn_bytes(rng.normal(-3, 2, (len(vectors), attributes)).astype(np.float32)) if attributes else [None] * len(vectors)
            with index.writing():
                for number, (vector, of_one) in enumerate(zip(vectors, worn, strict=True), start):
                    index.add(Media(Path(f"/synthetic/{number:07}.jpg"), number + 1, 0, f"{number:064x}"), vector, worn=of_one)


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
    parser.add_argument("--worn", action="store_true", help="say also what they wear, of all that the model knows")
    given = parser.parse_args()
    write_index(given.folder, given.model, given.people, len(attributes_of(load_model(given.model))) if given.worn else 0)
