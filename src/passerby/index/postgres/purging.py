"""Deleted rows out of a server's files: days that nobody is left of are dropped, others are written anew, and so is the server's log."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import date
from typing import Final

from passerby.errors import IndexFault
from passerby.index.postgres.address import Address
from passerby.index.postgres.faults import BUSY_SECONDS
from passerby.index.postgres.schema import part_of
from passerby.index.postgres.session import Session

_OF_ALL_DAYS: Final = ("media", "checkpoints", "failures", "people", "embeddings", "signatures", "copies", "unfolded", "pictures")


def purge(session: Session, address: Address) -> None:
    """Outside of a transaction: leave nothing of what is deleted in the data folder of this server.

    What replicas, archives and copies have of it is theirs to forget.

    Raises:
        IndexFault: another process still reads deleted data.
    """
    _wait_for_readers(session, address)
    for (day,) in session.fetch("SELECT day FROM unwiped ORDER BY day"):
        _wipe_day(session, day)
    for table in _OF_ALL_DAYS:
        session.script(f"VACUUM FULL {table}")
    with suppress(IndexFault):
        session.script("SELECT pg_switch_wal()")
        session.script("CHECKPOINT")


def _wipe_day(session: Session, day: date) -> None:
    """Drop the tables of a day that nobody is left of, else write them anew."""
    tables = [part_of(table, day) for table in ("vectors", "crops")]
    with session.transaction("BEGIN"):
        # Whoever writes waits, so that nobody comes while it is looked whether anybody is there.
        session.fetch("SELECT 1 FROM state FOR UPDATE")
        there = any(session.fetch(f"SELECT 1 FROM {table} LIMIT 1") for table in tables)
        if not there:
            session.script("; ".join(f"DROP TABLE {table}" for table in tables))
            session.fetch("DELETE FROM unwiped WHERE day = $1", day)
    if there:
        for table in tables:
            session.script(f"VACUUM FULL {table}")
        session.fetch("DELETE FROM unwiped WHERE day = $1", day)


def _wait_for_readers(session: Session, address: Address) -> None:
    """A table that is written anew keeps rows that somebody's transaction may still look at."""
    (now,) = session.fetch("SELECT pg_current_xact_id()::text::bigint")[0]
    until = time.monotonic() + BUSY_SECONDS
    while session.fetch(
        """SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
        AND backend_xmin IS NOT NULL AND age(backend_xmin) > age($1::text::xid) - 1 LIMIT 1""",
        str(now % 2**32),
    ):
        if time.monotonic() > until:
            raise IndexFault(
                expected=f"no other process at {address.shown}",
                found="one that still reads deleted data",
                do="run the same command again later",
            )
        time.sleep(0.1)
