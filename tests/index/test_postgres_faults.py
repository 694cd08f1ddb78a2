"""What goes wrong in an index in PostgreSQL when people come, go and are purged at the same time, and what its server says of locks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from crops import media, random_vectors
from numpy.typing import NDArray
from postgres import lend, server
from test_contract import video
from test_postgres import bytes_of

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


# -- what is purged ---------------------------------------------------------------------------------------------------------------


def files(index: Index, *tables: str) -> list[int]:
    """The numbers of the files of tables, other ones when they are written anew."""
    return [index.session.fetch("SELECT relfilenode FROM pg_class WHERE oid = to_regclass($1)", table)[0][0] for table in tables]


def test_a_purge_writes_nothing_anew_when_nothing_was_deleted(index: Index) -> None:
    put(index, random_vectors(5))
    forget(index, 0)
    index.purge()
    before = files(index, "people", "pictures", "media", "vectors_19700101")
    put(index, random_vectors(9)[5:], first=5)
    with index.writing():
        index.drop([999])
    index.purge()
    assert files(index, "people", "pictures", "media", "vectors_19700101") == before
    forget(index, 1)
    index.purge()
    assert not set(before) & set(files(index, "people", "pictures", "media", "vectors_19700101"))


def test_a_media_or_failure_without_people_is_purged(index: Index) -> None:
    for held in ("/empty.jpg", "/failed.jpg"):
        with index.writing():
            if held == "/empty.jpg":
                index.put(media(held, held), [])
            else:
                index.session.fetch("INSERT INTO failures VALUES ($1, 1, 1, 'broken')", held.encode())
        index.purge()
        before = files(index, "media", "failures")
        with index.writing():
            index.forget(Path(held))
        index.purge()
        assert not set(before) & set(files(index, "media", "failures")), held


def test_what_a_rebuilt_index_held_is_purged(index: Index, tiny_encoder: BundleEncoder) -> None:
    index.purge()
    (vector,) = random_vectors(1, seed=78)
    put(index, vector[None])
    with Index.create_at(index.address.url + f"&schema={index.address.schema}", tiny_encoder, rebuild=True) as rebuilt:
        rebuilt.purge()
    assert bytes_of(server().folder, vector.tobytes()) == []


def test_what_is_replaced_goes_with_the_next_deletion(index: Index) -> None:
    vectors = random_vectors(2, seed=77)
    before = list[int]()
    for vector in vectors:
        with index.writing():
            index.put_again(video("/live.mp4", "live"), [Sighting((Crop(time=float(vector[0])),), vector[None], 1)])
        index.purge()
        before = before or files(index, "people", "vectors_undated")
    assert files(index, "people", "vectors_undated") == before
    assert bytes_of(server().folder, vectors[0].tobytes())
    with index.writing():
        index.forget(Path("/live.mp4"))
    index.purge()
    assert [bytes_of(server().folder, vector.tobytes()) for vector in vectors] == [[], []]


def test_what_a_stopped_process_deleted_the_next_one_purges(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    put(index, random_vectors(5))
    index.purge()
    before = files(index, "people", "pictures", "vectors_19700101")
    with Index(index.address) as stopped:
        forget(stopped, 0)
        say = stopped.session.script

        def stop_at_the_end(sql: str) -> None:
            if sql == "CHECKPOINT":
                raise KeyboardInterrupt
            say(sql)

        monkeypatch.setattr(stopped.session, "script", stop_at_the_end)
        with pytest.raises(KeyboardInterrupt):
            stopped.purge()
    between = files(index, "people", "pictures")
    assert not set(before) & set(between)
    index.purge()
    after = files(index, "people", "pictures")
    assert not set(between) & set(after)
    index.purge()
    assert files(index, "people", "pictures") == after


def meanwhile(monkeypatch: pytest.MonkeyPatch, index: Index, method: str, said: str, work: Callable[[], object]) -> None:
    """Do something else once, right after a purge has said something to the server."""
    say, done = getattr(index.session, method), list[str]()

    def then_work(sql: str, *values: object) -> object:
        found = say(sql, *values)
        if said in sql and not done:
            done.append(sql)
            work()
        return found

    monkeypatch.setattr(index.session, method, then_work)


@pytest.mark.parametrize("written", ["VACUUM FULL vectors_19700101", "VACUUM FULL media", "VACUUM FULL pictures"])
def test_who_is_deleted_while_others_are_purged_is_purged_next(index: Index, monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    vectors = random_vectors(5, seed=len(written))
    put(index, vectors)
    with Index(index.address) as other:
        forget(index, 0)
        meanwhile(monkeypatch, index, "script", written, lambda: forget(other, 1))
        index.purge()
        before = files(index, "media", "vectors_19700101")
        other.purge()
        assert not set(before) & set(files(index, "media", "vectors_19700101"))
    assert [bytes_of(server().folder, vectors[number].tobytes()) for number in (0, 1)] == [[], []]
    assert index.session.fetch("SELECT * FROM unwiped") == []


def test_two_purge_at_once(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    put(index, random_vectors(3))
    put(index, random_vectors(5)[3:], first=3, day=1)
    forget(index, 0, 1, 2, 3)
    with Index(index.address) as other, ThreadPoolExecutor(1) as pool:
        begun: list[Future[None]] = []

        def purge_beside() -> None:
            begun.append(pool.submit(other.purge))
            wait(begun, timeout=1)

        meanwhile(monkeypatch, index, "fetch", "FROM unwiped", purge_beside)
        index.purge()
        begun[0].result()
    assert index.session.fetch("SELECT to_regclass('vectors_19700101') IS NULL, to_regclass('vectors_19700102') IS NULL") == [(True, False)]
    assert index.session.fetch("SELECT * FROM unwiped") == []


def test_who_waits_for_a_purge_is_told_when_it_takes_too_long(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    put(index, random_vectors(2))
    forget(index, 0)
    with Index(index.address) as other, ThreadPoolExecutor(1) as pool:

        def purge_beside() -> None:
            with pytest.raises(IndexFault, match="found another process that purges it; run the same"):
                pool.submit(other.purge, 0.3).result()

        meanwhile(monkeypatch, index, "fetch", "FROM unwiped", purge_beside)
        index.purge()


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
