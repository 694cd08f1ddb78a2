"""An index's vectors once more, in float16, memory-mapped and appended to: derived from the database, checked, made anew by itself.

Three files in the index's folder: ``vectors.head`` says which two others hold how many rows; one has the vectors, the other their ids. Rows
are written behind those that the head speaks of, synced, and only then does a new head take the old one's place; so each vector is written
once, and a kill at any moment leaves what the old head says. A deleted row is overwritten with zeros; when many are, the rest is written
anew.
"""

from __future__ import annotations

import errno
import os
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, starmap
from pathlib import Path
from threading import Lock
from typing import IO, Final, Protocol
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from passerby.atomic import replacing
from passerby.index.vectors import VectorTable

HEAD: Final = "vectors.head"
_HEADER: Final = struct.Struct("<8s32s32sQQq")
_CHECKSUM: Final = struct.Struct("<I")
_MAGIC: Final = b"PASSERV2"
_ID_BYTES: Final = 8

TAIL: Final = 4096
"""As many vectors may be in the database and not yet in the file before a writer appends them: to read them costs some milliseconds."""
DEAD: Final = 0.25
"""The share of deleted rows above which the files are written anew."""


class Source(Protocol):
    """The embeddings that the file is a copy of, all of one moment. Their ids only grow, and none is given twice."""

    @property
    def epoch(self) -> str:
        """32 hexadecimal digits: of another epoch, nothing is the same."""
        ...

    @property
    def newest(self) -> int:
        """The largest id that was ever given; 0 before the first."""
        ...

    def after(self, newest: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Embeddings with larger ids, in chunks by id: ids int64 (c,), vectors float32 (c, d)."""
        ...

    def deleted(self) -> NDArray[np.int64]:
        """Ids that are gone since the file was begun, int64 (t,), in any order."""
        ...


@dataclass(frozen=True, slots=True)
class _Head:
    """What is published: ``count`` rows of ``dim`` numbers up to the id ``newest`` stand in the files ``name``."""

    epoch: str
    name: str
    count: int
    dim: int
    newest: int

    @property
    def row_bytes(self) -> int:
        return self.dim * 2

    def pack(self) -> bytes:
        header = _HEADER.pack(_MAGIC, self.epoch.encode(), self.name.encode(), self.count, self.dim, self.newest)
        return header + _CHECKSUM.pack(zlib.crc32(header))

    def vectors(self, folder: Path) -> Path:
        return folder / f"vectors-{self.name}.f16"

    def ids(self, folder: Path) -> Path:
        return folder / f"vectors-{self.name}.ids"


class VectorFile:
    """The copy in a folder. Readers ask it for a table; whoever writes holds the database's write lock meanwhile.

    It keeps what it has mapped and read, for mapping a file anew costs as much as searching it. Safe to use from many threads.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = Lock()
        self._epoch = ""
        self._head: _Head | None = None
        self._mapped = _NOTHING
        self._tail = _NOTHING

    def table(self, source: Source) -> VectorTable:
        """The vectors as the source has them. What the file lacks is read from the source and kept in memory."""
        with self._lock:
            self._follow(source.epoch)
            self._tail = _joined([self._tail, *starmap(_rounded, source.after(max(self._tail.last, self._mapped.last)))])
            mapped, tail = self._mapped.up_to(source.newest), self._tail.up_to(source.newest)
        ids = np.concatenate([mapped.ids, tail.ids]) if len(tail.ids) else mapped.ids
        return VectorTable.of([mapped.vectors, tail.vectors], ids, gone=_rows_of(source.deleted(), ids))

    def lacks(self, source: Source) -> int:
        """How many ids were given since the last embedding it has."""
        head = _read_head(self._folder, source.epoch)
        return source.newest - (head.newest if head else 0)

    def append(self, source: Source, most: int = 64) -> bool:
        """Write what it lacks behind what it has, at most so many chunks of the source. Raises ``OSError``.

        Returns:
            whether there may be more.
        """
        head = _read_head(self._folder, source.epoch)
        if head is None or not _is_whole(head, self._folder):
            self.drop()
            head = None
        chunks = list(islice(source.after(head.newest if head else 0), most))
        if chunks:
            head = _write(head or _Head(source.epoch, uuid4().hex, 0, chunks[0][1].shape[1], 0), self._folder, chunks)
            with replacing(self._folder / HEAD) as file:
                file.write(head.pack())
        return len(chunks) == most

    def wipe(self, epoch: str, ids: NDArray[np.int64]) -> None:
        """Overwrite these embeddings, and whatever was written and never published, so that no byte of them is left. Raises ``OSError``."""
        head = _read_head(self._folder, epoch)
        if head is None or not _is_whole(head, self._folder):
            self.drop()
            return
        rows = _rows_of(ids, _map(head, self._folder).ids)
        with head.vectors(self._folder).open("r+b") as vectors, head.ids(self._folder).open("r+b") as names:
            vectors.truncate(head.count * head.row_bytes)
            names.truncate(head.count * _ID_BYTES)
            for row in rows.tolist():
                vectors.seek(row * head.row_bytes)
                vectors.write(bytes(head.row_bytes))
            _sync(vectors)
            _sync(names)

    def is_mostly_dead(self, source: Source) -> bool:
        """Whether so many of its rows are deleted that writing the others anew pays: drop it then, and forget which were deleted."""
        head = _read_head(self._folder, source.epoch)
        return head is not None and len(source.deleted()) > DEAD * head.count

    def drop(self) -> None:
        """Delete the files, half-written ones too, and those of earlier versions. Raises ``OSError``."""
        for pattern in (f"{HEAD}*", "vectors-*", "vectors.f16*"):
            for path in filter(Path.is_file, self._folder.glob(pattern)):
                path.unlink(missing_ok=True)

    def _follow(self, epoch: str) -> None:
        """Map what is published now."""
        head = _read_head(self._folder, epoch)
        if (epoch, head) == (self._epoch, self._head):
            return
        before, self._epoch = self._head, epoch
        try:
            self._mapped, self._head = (_map(head, self._folder) if head else _NOTHING), head
        except OSError:  # replaced meanwhile, or damaged: the source has it all
            self._mapped, self._head = _NOTHING, None
        grown = before and self._head and before.name == self._head.name and before.count <= self._head.count
        self._tail = self._tail.beyond(self._mapped.last) if grown else _NOTHING


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Ids int64 (n,), increasing, and their vectors float16 (n, d)."""

    ids: NDArray[np.int64]
    vectors: NDArray[np.float16]

    @property
    def last(self) -> int:
        return int(self.ids[-1]) if len(self.ids) else 0

    def up_to(self, newest: int) -> _Rows:
        end = int(np.searchsorted(self.ids, newest, "right"))
        return self if end == len(self.ids) else _Rows(self.ids[:end], self.vectors[:end])

    def beyond(self, newest: int) -> _Rows:
        start = int(np.searchsorted(self.ids, newest, "right"))
        return _Rows(self.ids[start:], self.vectors[start:])


_NOTHING: Final = _Rows(np.empty(0, np.int64), np.empty((0, 0), np.float16))


def _rounded(ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> _Rows:
    return _Rows(ids, vectors.astype("<f2"))


def _joined(parts: Sequence[_Rows]) -> _Rows:
    filled = [part for part in parts if len(part.ids)]
    if len(filled) < 2:
        return filled[0] if filled else _NOTHING
    return _Rows(np.concatenate([part.ids for part in filled]), np.concatenate([part.vectors for part in filled]))


def _rows_of(ids: NDArray[np.int64], among: NDArray[np.int64]) -> NDArray[np.intp]:
    """Where those of ``ids`` that are ``among`` increasing others stand."""
    rows = np.searchsorted(among, ids)
    found = rows < len(among)
    rows, ids = rows[found], ids[found]
    same: NDArray[np.intp] = rows[among[rows] == ids]
    return same


def _map(head: _Head, folder: Path) -> _Rows:
    """The published rows, mapped. Raises ``OSError``, also for files that are shorter than the head says."""
    if not _is_whole(head, folder):
        raise OSError(errno.ENODATA, "shorter than its head says", str(head.vectors(folder)))
    ids = np.memmap(head.ids(folder), "<i8", "r", shape=(head.count,))
    return _Rows(np.asarray(ids), np.memmap(head.vectors(folder), "<f2", "r", shape=(head.count, head.dim)))


def _is_whole(head: _Head, folder: Path) -> bool:
    try:
        sizes = head.vectors(folder).stat().st_size, head.ids(folder).stat().st_size
    except OSError:
        return False
    return sizes[0] >= head.count * head.row_bytes and sizes[1] >= head.count * _ID_BYTES


def _write(head: _Head, folder: Path, chunks: Iterable[tuple[NDArray[np.int64], NDArray[np.float32]]]) -> _Head:
    """Write rows behind the published ones; the head that would publish them. Raises ``OSError``."""
    count, newest = head.count, head.newest
    with _opened(head.vectors(folder)) as vectors, _opened(head.ids(folder)) as names:
        vectors.seek(count * head.row_bytes)
        names.seek(count * _ID_BYTES)
        for ids, rows in chunks:
            vectors.write(rows.astype("<f2").tobytes())
            names.write(ids.astype("<i8").tobytes())
            count, newest = count + len(ids), int(ids[-1])
        _sync(vectors)
        _sync(names)
    return replace(head, count=count, newest=newest)


def _opened(path: Path) -> IO[bytes]:
    """For writing anywhere in it, made where it is missing, as readable as its folder's files are."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b")


def _sync(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _read_head(folder: Path, epoch: str) -> _Head | None:
    """What is published of an epoch; ``None`` for nothing, something damaged, or another epoch."""
    try:
        data = (folder / HEAD).read_bytes()
    except OSError:
        return None
    if len(data) != _HEADER.size + _CHECKSUM.size:
        return None
    _, of, name, count, dim, newest = _HEADER.unpack_from(data)
    head = _Head(of.decode("ascii", "replace"), name.decode("ascii", "replace"), count, dim, newest)
    return head if head.epoch == epoch and data == head.pack() else None
