"""What goes wrong in an index in PostgreSQL when people come, go and are purged at the same time, and what its server says of locks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from crops import media, random_vectors
from numpy.typing import NDArray
from postgres import lend, server

from passerby.index.nearest import HNSW
from passerby.index.open import create_index, open_index
from passerby.index.postgres.index import Index
from passerby.index.score import Weights
from passerby.index.selection import Selection
from passerby.index.sighting import Sighting
from passerby.model.bundle_encoder import BundleEncoder
from passerby.types import Crop

DAY = 86_400.0


@pytest.fixture
def index(tiny_encoder: BundleEncoder) -> Iterator[Index]:
    with lend("", tiny_encoder) as opened:
        assert isinstance(opened, Index)
        yield opened


def put(index: Index, vectors: NDArray[np.float32], first: int = 0, day: int = 0, camera: str | None = None) -> None:
    """People with these vectors, each in a media of their number."""
    with index.writing():
        for number, vector in enumerate(vectors, first):
            item = replace(media(f"/{number}.jpg", f"content {number}"), camera=camera, started_at=DAY * day)
            index.put(item, [Sighting((Crop(),), vector[None])])


def forget(index: Index, *numbers: int) -> None:
    with index.writing():
        assert sum(index.forget(Path(f"/{number}.jpg")) for number in numbers) == len(numbers)


# -- by graphs --------------------------------------------------------------------------------------------------------------------


def test_a_small_selection_misses_nobody_who_came_since(tiny_encoder: BundleEncoder) -> None:
    url, vectors = server().url("small_selection"), random_vectors(400, seed=3)
    with create_index(f"{url}&search=hnsw", tiny_encoder) as index, open_index(url) as device:
        assert isinstance(index, Index) and isinstance(device, Index)
        put(device, vectors[:391], camera="street")
        put(device, vectors[391:399], first=391, camera="lobby")
        index.settle()
        question, lobby = Weights(vectors[399].astype(np.float64)), Selection(cameras=("lobby",))
        assert len(index.nearest([question], 3, selection=lobby)[0].people) == 3
        assert index.nearest([question], 3)[0].way == HNSW
        put(device, vectors[399:], first=399, camera="lobby")
        assert index.nearest([question], 3, selection=lobby)[0].people[0].person.media.path == Path("/399.jpg")
