"""The embeddings of a database, by id, and what is deleted of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from passerby.index.info import IndexedModel
from passerby.index.sql.database import Database
from passerby.index.vectors import Chunk
from passerby.types import ModelDigest


class Embeddings:
    """As the copy of the vectors is made of them, all of one transaction."""

    def __init__(self, connection: Database) -> None:
        self._db = connection
        facts = dict(connection.execute("SELECT key, value FROM meta WHERE key IN ('epoch', 'newest', 'model')"))
        self.epoch, self.newest = str(facts["epoch"]), int(facts["newest"])
        model = model_of(facts.get("model"))
        self.width = 2 * model.attributes if model else 0

    def after(self, newest: int) -> Iterator[Chunk]:
        cursor = self._db.execute("SELECT id, vector, worn FROM embeddings WHERE id > ? ORDER BY id", (newest,))
        while rows := cursor.fetchmany(1024):
            yield chunk_of(rows, self.width)

    def with_ids(self, ids: Sequence[int]) -> Chunk:
        """Those of them that are there."""
        found = self._db.execute(
            "SELECT id, vector, worn FROM embeddings WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id", (json.dumps(list(ids)),)
        )
        return chunk_of(found.fetchall(), self.width)

    def deleted(self) -> NDArray[np.int64]:
        return np.array([row[0] for row in self._db.execute("SELECT embedding FROM deleted")], np.int64)


def chunk_of(rows: Sequence[tuple[int, bytes, bytes | None]], width: int) -> Chunk:
    """Embeddings of some rows of id, vector and what is worn, in so many bytes; zeros where that is not known."""
    ids = np.array([row[0] for row in rows], np.int64)
    vectors = np.frombuffer(b"".join(row[1] for row in rows), "<f4")
    worn = np.frombuffer(b"".join(row[2] or bytes(width) for row in rows), np.uint8)
    return Chunk(ids, vectors.reshape(len(rows), -1) if rows else vectors.reshape(0, 0), worn.reshape(len(rows), width))


def model_of(stored: object) -> IndexedModel | None:
    """The model that an index is of, as its table of facts has it; older versions knew of no attributes."""
    if stored is None:
        return None
    name, digest, dim, *attributes = json.loads(str(stored))
    return IndexedModel(name, ModelDigest(digest), dim, *attributes)
