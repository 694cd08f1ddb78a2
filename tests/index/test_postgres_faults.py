"""What goes wrong in an index in PostgreSQL when people come, go and are purged at the same time, and what its server says of locks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from crops import media, random_vectors
from numpy.typing import NDArray
from postgres import lend, server

from passerby.errors import IndexFault
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


# -- in memory --------------------------------------------------------------------------------------------------------------------


def test_vectors_of_the_deleted_leave_the_memory_of_who_searches(index: Index) -> None:
    vectors = random_vectors(130)
    put(index, vectors[:100])
    with Index(index.address) as device, ThreadPoolExecutor(1) as pool, index.snapshot():
        assert len(index.vectors()) == 100

        def later(work: Callable[[], object]) -> None:
            """In another session of the same index."""
            work()
            table = pool.submit(index.vectors).result()
            assert table.ids.tolist() == sorted(row[0] for row in device.session.fetch("SELECT embedding FROM vectors"))
            holds.append(sum(map(len, table.parts)))

        holds: list[int] = []
        later(lambda: forget(device, *range(10)))
        later(lambda: forget(device, *range(10, 99)))
        later(lambda: put(device, vectors[100:], first=100))
        later(lambda: forget(device, 99))
        assert holds == [100, 1, 31, 31]
        then = index.vectors()
        np.testing.assert_array_equal(then.ids, np.arange(1, 101))
        np.testing.assert_array_equal(np.concatenate(then.parts), vectors[:100].astype(np.float16))


# -- of many days -----------------------------------------------------------------------------------------------------------------


def test_a_server_with_too_few_locks_is_told_from_a_full_one(index: Index) -> None:
    with pytest.raises(IndexFault) as caught:
        index.session.fetch("SELECT count(pg_advisory_xact_lock(n)) FROM generate_series(1, 1000000) n")
    told = str(caught.value)
    assert "\n" not in told
    assert "expected a server with room for more locks at " in told
    assert "found one whose max_locks_per_transaction is too low" in told
    assert told.endswith("set max_locks_per_transaction = 1024 and restart the server")
