from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event, Thread
from typing import TypeVar

import numpy as np
import pytest
from crops import media, random_vectors

from passerby.errors import IndexFault
from passerby.find.query import Query, Term
from passerby.find.search import search
from passerby.index.sqlite.index import Index
from passerby.model.bundle_encoder import BundleEncoder

T = TypeVar("T")
THREADS = 16
VECTORS = random_vectors(400)
STAYING = 50
"""The first of them are never deleted, and the best answers to their own vectors."""


def asked(encoder: BundleEncoder, number: int) -> Query:
    return Query("somebody", (Term(1.0, VECTORS[number]),), encoder.digest, encoder.name)


@pytest.fixture
def index(tmp_path: Path, tiny_encoder: BundleEncoder) -> Index:
    opened = Index.create(tmp_path, tiny_encoder)
    with opened.writing():
        for number in range(STAYING):
            opened.add(media(f"/{number:03}.jpg", str(number)), VECTORS[number])
    opened.settle()
    return opened


def test_sixteen_threads_search_while_one_adds_and_deletes(index: Index, tiny_encoder: BundleEncoder) -> None:
    ended = Event()

    def write() -> None:
        try:
            for round in range(3):
                for number in range(STAYING, len(VECTORS), 10):
                    with index.writing():
                        for one in range(number, number + 10):
                            index.add(media(f"/{one:03}.jpg", f"{one} {round}"), VECTORS[one])
                    index.settle(40)
                for number in range(STAYING, len(VECTORS), 50):
                    with index.writing():
                        for one in range(number, number + 50):
                            index.forget(Path(f"/{one:03}.jpg"))
                    index.settle()
        finally:
            ended.set()

    def ask_again_and_again(thread: int) -> int:
        count = 0
        while not ended.is_set() or count < 20:
            number = (thread * 7 + count) % STAYING
            hits = search(index, asked(tiny_encoder, number), 3)
            assert hits[0].person.media.path == Path(f"/{number:03}.jpg")
            assert hits[0].score == pytest.approx(1, abs=1e-6)
            count += 1
        return count

    with index, ThreadPoolExecutor(THREADS) as pool:
        writing = Thread(target=write)
        writing.start()
        counts = list(pool.map(ask_again_and_again, range(THREADS)))
        writing.join()
        assert min(counts) >= 20
        assert index.info().people == STAYING
        with index.snapshot():
            assert len(index.vectors()) == STAYING


def test_a_snapshot_of_one_thread_is_not_that_of_another(index: Index) -> None:
    with index, index.snapshot():
        before = index.info().people

        def add() -> None:
            with index.writing():
                index.add(media("/new.jpg", "new"), VECTORS[300])

        in_a_thread(add)
        assert index.info().people == before
        assert in_a_thread(lambda: index.info().people) == before + 1


def test_threads_that_ended_leave_no_connection_behind(index: Index) -> None:
    with index:
        for _ in range(20):
            in_a_thread(index.info)
        assert len(index._connections._open or ()) <= 2


def test_a_closed_index_says_so_in_every_thread(index: Index) -> None:
    index.close()
    index.close()
    for ask in (index.info, lambda: in_a_thread(index.info)):
        with pytest.raises(IndexFault, match="closed"):
            ask()


def in_a_thread(work: Callable[[], T]) -> T:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


def test_vectors_of_an_older_snapshot_have_none_that_came_later(index: Index) -> None:
    with index, index.snapshot():
        old = len(index.vectors())

        def add() -> None:
            with index.writing():
                index.add(media("/new.jpg", "new"), VECTORS[300])
            index.settle()
            with index.snapshot():
                assert len(index.vectors()) == old + 1

        in_a_thread(add)
        assert len(index.vectors()) == old
        np.testing.assert_allclose(index.vectors().scores(VECTORS[300].astype(np.float64)[None]).shape, (1, old))


@pytest.fixture
def hasty() -> Iterator[None]:
    """Threads take turns so often that each is stopped everywhere."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("hasty")
def test_two_snapshots_at_once_each_have_their_own_vectors(index: Index) -> None:
    both = Barrier(2, timeout=60)

    def differences() -> set[int]:
        with index.snapshot():
            people = index.info().people
            both.wait()
            until, found = time.monotonic() + 2, set[int]()
            while time.monotonic() < until:
                found.add(len(index.vectors()) - people)
            return found

    def add_first() -> set[int]:
        with index.writing():
            index.add(media("/new.jpg", "new"), VECTORS[300])
        return differences()

    with index, index.snapshot(), ThreadPoolExecutor(1) as pool:
        assert index.info().people == STAYING
        new = pool.submit(add_first)
        assert (differences(), new.result()) == ({0}, {0})
