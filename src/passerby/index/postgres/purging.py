"""Deleted rows out of a server's files: days that nobody is left of are dropped, others are written anew, and so is the server's log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date
from typing import Final

from passerby.errors import IndexFault
from passerby.index.postgres.address import Address
from passerby.index.postgres.schema import ALL_DAYS, part_of
from passerby.index.postgres.session import Session

_OF_ALL_DAYS: Final = ("media", "checkpoints", "failures", "people", "embeddings", "signatures", "copies", "unfolded", "pictures")


def purge(session: Session, address: Address, patience: float) -> None:
    """Outside of a transaction: leave nothing of what is deleted in the data folder of this server; do nothing where nothing is.

    What replicas, archives and copies have of it is theirs to forget.

    Args:
        patience: for how many seconds another process is waited for.

    Raises:
        IndexFault: another process still reads deleted data, or purges for long.
    """
    with _alone(session, address, patience):
        marks = dict(session.fetch("SELECT day, generation FROM unwiped"))
        if ALL_DAYS in marks:
            _wait_for_readers(session, address, patience)
            _wipe(session, marks)


def _wipe(session: Session, marks: dict[date, int]) -> None:
    """Write anew what is marked; what is deleted meanwhile keeps a mark of its own."""
    for day in sorted(marks.keys() - {ALL_DAYS}):
        _wipe_day(session, day, marks[day])
    for table in _OF_ALL_DAYS:
        session.script(f"VACUUM FULL {table}")
    with suppress(IndexFault):
        session.script("SELECT pg_switch_wal()")
        session.script("CHECKPOINT")
    _unmark(session, ALL_DAYS, marks[ALL_DAYS])


def _wipe_day(session: Session, day: date, generation: int) -> None:
    """Drop the tables of a day that nobody is left of, else write them anew."""
    tables = [part_of(table, day) for table in ("vectors", "crops")]
    with session.transaction():
        # Whoever writes waits, so that nobody comes while it is looked whether anybody is there.
        session.fetch("SELECT 1 FROM state FOR UPDATE")
        there = any(session.fetch(f"SELECT 1 FROM {table} LIMIT 1") for table in tables)
        if not there:
            session.script("; ".join(f"DROP TABLE {table}" for table in tables))
            session.fetch("DELETE FROM unwiped WHERE day = $1", day)
    if there:
        for table in tables:
            session.script(f"VACUUM FULL {table}")
        _unmark(session, day, generation)


def _unmark(session: Session, day: date, generation: int) -> None:
    session.fetch("DELETE FROM unwiped WHERE day = $1 AND generation = $2", day, generation)


@contextmanager
def _alone(session: Session, address: Address, patience: float) -> Iterator[None]:
    """One purge of an index at a time."""
    lock = f"passerby purge {address.schema}"

    def is_got() -> bool:
        # A statement that waited for it would be one that still reads.
        return bool(session.fetch("SELECT pg_try_advisory_lock(hashtext($1))", lock)[0][0])

    _wait_until(is_got, address, patience, "another process that purges it")
    try:
        yield
    finally:
        with suppress(IndexFault):
            session.fetch("SELECT pg_advisory_unlock(hashtext($1))", lock)


def _wait_for_readers(session: Session, address: Address, patience: float) -> None:
    """A table that is written anew keeps rows that somebody's transaction may still look at."""
    (now,) = session.fetch("SELECT pg_current_xact_id()::text::bigint")[0]

    def are_done() -> bool:
        return not session.fetch(
            """SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
            AND backend_xmin IS NOT NULL AND age(backend_xmin) > age($1::text::xid) - 1 LIMIT 1""",
            str(now % 2**32),
        )

    _wait_until(are_done, address, patience, "one that still reads deleted data")


def _wait_until(is_so: Callable[[], bool], address: Address, patience: float, else_found: str) -> None:
    until = time.monotonic() + patience
    while not is_so():
        if time.monotonic() > until:
            raise IndexFault(expected=f"no other process at {address.shown}", found=else_found, do="run the same command again later")
        time.sleep(0.1)
