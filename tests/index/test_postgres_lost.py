"""A connection to PostgreSQL that is lost: what was begun on it does not go on elsewhere, and what comes afterwards does."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from crops import media, random_vectors
from postgres import lend, server

from passerby.errors import IndexFault
from passerby.find import copying
from passerby.find.copying import copy_index
from passerby.index.open import create_index
from passerby.index.postgres import session
from passerby.index.postgres.index import Index
from passerby.index.sqlite.index import Index as SqliteIndex
from passerby.model.bundle_encoder import BundleEncoder

LOST = "found a connection that was lost"


@pytest.fixture
def index(tiny_encoder: BundleEncoder) -> Iterator[Index]:
    """Of five people."""
    with lend("", tiny_encoder) as opened:
        with opened.writing():
            for number, vector in enumerate(random_vectors(5)):
                opened.add(media(f"/{number}.jpg", str(number)), vector)
        yield opened


def lose(index: Index) -> None:
    """End what serves this thread, and wait until that is known here."""
    own = index.session
    (pid,) = own.fetch("SELECT pg_backend_pid()")[0]
    server().say(f"SELECT pg_terminate_backend({pid});")
    until = time.monotonic() + 10
    while not own.is_lost:
        assert time.monotonic() < until
        time.sleep(0.01)


def people_of(index: Index | SqliteIndex) -> list[int | None]:
    return [person.id for person, _ in index.people()]


def test_a_transaction_does_not_go_on_by_another_connection(index: Index) -> None:
    before = index.stamp()
    with pytest.raises(IndexFault, match=LOST), index.writing():
        index.drop([1])
        lose(index)
        index.drop([2])
        pytest.fail("dropped outside of the transaction")
    assert (index.stamp(), people_of(index)) == (before, [1, 2, 3, 4, 5])
    with index.writing():
        index.drop([1])
    assert people_of(index) == [2, 3, 4, 5]


def test_a_snapshot_does_not_go_on_at_another_moment(index: Index) -> None:
    with pytest.raises(IndexFault, match=LOST), index.snapshot():
        lose(index)
        index.info()
        pytest.fail("read at another moment")
    with index.snapshot():
        assert index.info().people == 5


def test_what_a_snapshot_gave_stands_when_its_connection_is_lost_after_it(index: Index) -> None:
    with index.snapshot():
        told = index.info().people
        lose(index)
    assert told == index.info().people == 5


@pytest.mark.parametrize("after", [0, 2, 5])
def test_a_copy_whose_source_is_lost_is_not_complete_and_goes_on(
    index: Index, tiny_encoder: BundleEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    monkeypatch.setattr(copying, "ROWS", 2)

    def stop(done: int, _: int) -> None:
        if done == after:
            lose(index)

    with create_index(tmp_path / "copy", tiny_encoder) as target:
        assert isinstance(target, SqliteIndex)
        with pytest.raises(IndexFault, match=LOST):
            copy_index(index, target, stop)
        assert (target.copied()[0] != "", len(people_of(target))) == (True, after)
        report = copy_index(index, target)
        assert (report.people, report.before, target.copied()[0]) == (5, after, "")
        assert people_of(target) == people_of(index)


def test_work_that_was_done_is_not_said_to_be_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor to have timed out; but what it raised itself is raised."""
    monkeypatch.setattr(session, "_LOOK_SECONDS", 0.01)
    loop, may_end, has_ended = session.EventLoop(), threading.Event(), threading.Event()

    async def commit() -> str:
        await asyncio.to_thread(may_end.wait)
        asyncio.get_running_loop().call_later(0.1, has_ended.set)
        return "done"

    async def time_out() -> None:
        raise TimeoutError

    def ends_and_is_lost() -> bool:
        may_end.set()
        return has_ended.wait(60)

    assert loop.run(commit(), ends_and_is_lost) == "done"
    with pytest.raises(TimeoutError):
        loop.run(time_out())
    with pytest.raises(ConnectionError):
        loop.run(asyncio.sleep(10), lambda: True)
    loop.close()
