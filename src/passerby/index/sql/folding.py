"""Which embeddings of a database are near-copies, or of one moment, and count once: worked out after a run, written where it changed."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from passerby.index.copies import leaders, same_moment
from passerby.index.sql.database import Database
from passerby.media.signature import LENGTH, VERSION

Copies = dict[int, int]
"""Of each embedding that does not count, the one that counts for it."""

_AT_ONCE: Final = 1 << 14


def forget(db: Database) -> None:
    """Inside of a transaction: delete signatures of another version, and what was found by them."""
    for table in ("signatures", "copies", "unfolded"):
        db.execute(f"DELETE FROM {table}")
    db.execute(f"UPDATE meta SET value = {VERSION} WHERE key = 'signatures'")


def found(db: Database) -> Copies:
    """What counts for what; only crops that are new, or that lost a copy, are held against all."""
    ids, signatures = _in_order(db)
    by_id = np.argsort(ids)

    def rows(embeddings: NDArray[np.int64]) -> NDArray[np.intp]:
        return by_id[np.searchsorted(ids, embeddings, sorter=by_id)]

    asking = np.zeros(len(ids), np.bool_)
    asking[rows(np.array(db.execute("SELECT embedding FROM unfolded").fetchall(), np.int64).ravel())] = True
    known = np.array(db.execute("SELECT embedding, leader FROM copies").fetchall(), np.int64).reshape(-1, 2).T
    led = leaders(signatures, [rows(known), rows(_of_one_moment(db))], asking)
    copies = np.flatnonzero(led != np.arange(len(led)))
    return dict(zip(ids[copies].tolist(), ids[led[copies]].tolist(), strict=True))


def write(db: Database, copies: Copies) -> None:
    """Inside of a transaction: keep what was found of the same state."""
    before = dict(db.execute("SELECT embedding, leader FROM copies"))
    db.executemany("DELETE FROM copies WHERE embedding = ?", [(one,) for one in before.keys() - copies.keys()])
    db.executemany(
        "INSERT INTO copies VALUES (?, ?) ON CONFLICT (embedding) DO UPDATE SET leader = excluded.leader",
        sorted(copies.items() - before.items()),
    )
    db.execute("DELETE FROM unfolded")


def _in_order(db: Database) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Embeddings in the order in which they would count for each other: their ids int64 (n,) and signatures uint8 (n, LENGTH)."""
    cursor = db.execute("SELECT embedding, run, bytes, signature FROM signatures")
    facts, signatures = [np.empty((0, 3), np.int64)], [np.empty(0, np.uint8)]
    while rows := cursor.fetchmany(_AT_ONCE):
        facts.append(np.array([row[:3] for row in rows], np.int64))
        signatures.append(np.frombuffer(b"".join(row[3] for row in rows), np.uint8))
    ids, run, size = np.concatenate(facts).T
    order = np.lexsort((ids, -size, run))
    return ids[order], np.concatenate(signatures).reshape(-1, LENGTH)[order]


def _of_one_moment(db: Database) -> NDArray[np.int64]:
    """Embeddings of one moment and place, of what shows new ones: int64 (2, m). Whole pictures have no place, and are not looked at."""
    rows = db.execute(
        """SELECT DISTINCT embedding, digest, coalesce(time, 0), x, y, width, height
        FROM embeddings JOIN crops ON embedding = embeddings.id JOIN signatures USING (embedding)
        WHERE x IS NOT NULL AND digest IN (
            SELECT digest FROM unfolded CROSS JOIN crops USING (embedding) CROSS JOIN embeddings ON embeddings.id = embedding
            WHERE x IS NOT NULL)"""
    ).fetchall()
    of, content, *place = zip(*rows, strict=True) if rows else [()] * 7
    times, *box = np.array(place, np.float64)
    _, number = np.unique(np.array(content, np.str_), return_inverse=True)
    return np.array(of, np.int64)[same_moment(number, times, np.stack(box, axis=1))]
