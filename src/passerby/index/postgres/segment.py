"""The vectors of an index in PostgreSQL once more, in float16 and in memory, followed from then on: an exact search scans them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Final

import numpy as np
from numpy.typing import NDArray

from passerby.index.columns import in_blocks, rows_of
from passerby.index.postgres.session import Session
from passerby.index.vectors import VectorTable

_AHEAD: Final = 19
"""Bytes before the rows of a binary COPY."""
_HEAD: Final = 4
"""Bytes before the numbers of a halfvec: how many there are."""
_MOVED: Final = 0.25
"""The share of rows that came since, or that are gone, above which those that are there are put together."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What an index holds at a moment.

    Args:
        epoch: of another epoch, nothing is the same.
        generation: how many writing transactions there were.
        newest: the largest id of an embedding that was ever given.
        dim: of vectors.
        width: bytes of what is worn in each row, 2a.
    """

    epoch: str
    generation: int
    newest: int
    dim: int
    width: int


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Ids int64 (n,), increasing, vectors float16 (n, d), and what is worn in blocks."""

    ids: NDArray[np.int64]
    vectors: NDArray[np.float16]
    blocks: NDArray[np.uint8]

    def worn(self) -> NDArray[np.uint8]:
        return rows_of(self.blocks, np.arange(len(self.ids)))


class Segment:
    """Vectors that were read, by id, and which of them were deleted since they were put together. Safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._of = Moment("", 0, 0, 0, 0)
        self._base = self._tail = _nothing(self._of)
        self._gone: dict[int, int] = {}
        self._whole_from = 0

    def table(self, session: Session, now: Moment) -> VectorTable:
        """The vectors of a moment, that of the session's snapshot."""
        with self._lock:
            if (now.epoch, now.dim, now.width) != (self._of.epoch, self._of.dim, self._of.width):
                self._of = Moment(now.epoch, 0, 0, now.dim, now.width)
                self._base, self._tail, self._gone, self._whole_from = _nothing(now), _nothing(now), {}, 0
            if now.generation > self._of.generation:
                self._follow(session, now)
            base, tail, gone = self._base, self._tail, self._gone
            behind, left_out = now.generation < self._of.generation, now.generation < self._whole_from
        if left_out or (behind and self._lacks(now, base, tail, gone)):
            base, tail, gone = _read(session, 0, now), _nothing(now), {}
        old, new = (int(np.searchsorted(rows.ids, now.newest, "right")) for rows in (base, tail))
        ids = np.concatenate([base.ids[:old], tail.ids[:new]])
        deleted = np.array([id for id, generation in gone.items() if generation <= now.generation], np.int64)
        blocks = [base.blocks, tail.blocks]
        return VectorTable.of([base.vectors[:old], tail.vectors[:new]], ids, np.flatnonzero(np.isin(ids, deleted)), blocks)

    def _follow(self, session: Session, now: Moment) -> None:
        gone = session.fetch("SELECT embedding, generation FROM deleted WHERE generation > $1", self._of.generation)
        self._gone = self._gone | dict(gone)
        new = _read(session, self._of.newest, now)
        if len(new.ids):
            self._tail = _joined(self._tail, new)
        if max(len(self._tail.ids), len(self._gone)) > _MOVED * len(self._base.ids):
            self._put_together(now)
        self._of = now

    def _put_together(self, now: Moment) -> None:
        """Leave out who is gone; whoever searches an earlier moment reads them anew."""
        if self._gone:
            gone = np.array([*self._gone], np.int64)
            self._base, self._tail = _without(self._base, gone), _without(self._tail, gone)
            self._gone, self._whole_from = {}, now.generation
        self._base, self._tail = _joined(self._base, self._tail), _nothing(now)

    def _lacks(self, now: Moment, base: _Rows, tail: _Rows, gone: dict[int, int]) -> bool:
        """Whether somebody was there at an earlier moment who was deleted before they were read."""
        later = np.array([id for id, generation in gone.items() if generation > now.generation and id <= now.newest], np.int64)
        return not np.isin(later, np.concatenate([base.ids, tail.ids])).all()


STORED: Final = "vectors.embedding, halfvec_send(half), worn"
"""What :func:`table_of` takes of a row of vectors."""


def table_of(rows: Sequence[tuple[int, bytes, bytes | None]], now: Moment) -> VectorTable:
    """The vectors of some rows, in any order."""
    ids = np.array([row[0] for row in rows], np.int64)
    halves = np.frombuffer(b"".join(row[1][_HEAD:] for row in rows), ">f2").astype("<f2").reshape(len(rows), now.dim)
    worn = np.frombuffer(b"".join(row[2] or bytes(now.width) for row in rows), np.uint8).reshape(len(rows), now.width)
    order = np.argsort(ids)
    return VectorTable.of([halves[order]], ids[order], np.empty(0, np.intp), [in_blocks(worn[order])])


def _read(session: Session, newest: int, now: Moment) -> _Rows:
    """Embeddings with larger ids."""
    fields = [("fields", ">i2"), ("a", ">i4"), ("id", ">i8"), ("b", ">i4"), ("dim", ">i4"), ("half", ">f2", now.dim)]
    row = np.dtype([*fields, ("c", ">i4"), ("worn", np.uint8, now.width)])
    found = session.copy_bytes_out(
        "SELECT embedding, half, coalesce(worn, $2) FROM vectors WHERE embedding > $1 ORDER BY embedding", newest, bytes(now.width)
    )
    rows = np.frombuffer(found, row, offset=_AHEAD, count=(len(found) - _AHEAD - 2) // row.itemsize)
    return _Rows(rows["id"].astype(np.int64), rows["half"].astype("<f2").reshape(len(rows), now.dim), in_blocks(rows["worn"]))


def _nothing(now: Moment) -> _Rows:
    return _Rows(np.empty(0, np.int64), np.empty((0, now.dim), np.float16), in_blocks(np.empty((0, now.width), np.uint8)))


def _without(rows: _Rows, gone: NDArray[np.int64]) -> _Rows:
    left = np.flatnonzero(np.isin(rows.ids, gone, invert=True))
    return rows if len(left) == len(rows.ids) else _Rows(rows.ids[left], rows.vectors[left], in_blocks(rows_of(rows.blocks, left)))


def _joined(one: _Rows, other: _Rows) -> _Rows:
    if not len(one.ids) or not len(other.ids):
        return one if len(one.ids) else other
    ids, vectors = np.concatenate([one.ids, other.ids]), np.concatenate([one.vectors, other.vectors])
    return _Rows(ids, vectors, in_blocks(np.concatenate([one.worn(), other.worn()])))
