"""The embeddings of a database, by id, and what is deleted of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray


class Embeddings:
    """As the copy of the vectors is made of them, all of one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        facts = dict(connection.execute("SELECT key, value FROM meta WHERE key IN ('epoch', 'newest')"))
        self.epoch, self.newest = str(facts["epoch"]), int(facts["newest"])

    def after(self, newest: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        cursor = self._db.execute("SELECT id, vector FROM embeddings WHERE id > ? ORDER BY id", (newest,))
        while rows := cursor.fetchmany(1024):
            yield ids_and_vectors(rows)

    def deleted(self) -> NDArray[np.int64]:
        return np.array([row[0] for row in self._db.execute("SELECT embedding FROM deleted")], np.int64)


def ids_and_vectors(rows: Sequence[tuple[int, bytes]]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    ids = np.array([row[0] for row in rows], np.int64)
    vectors = np.frombuffer(b"".join(row[1] for row in rows), "<f4")
    return ids, vectors.reshape(len(rows), -1) if rows else vectors.reshape(0, 0)
