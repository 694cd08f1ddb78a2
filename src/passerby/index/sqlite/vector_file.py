"""An index's vectors once more, in float16, memory-mapped and appended to: derived from the database, checked, made anew by itself.

Files in the index's folder: ``vectors.head`` says which others hold how many rows; one has the vectors, one their ids and, where the model
says what is worn, one has that in blocks of columns. Rows are written behind those that the head speaks of, synced, and only then does a
new head take the old one's place; so each vector is written once, and a kill at any moment leaves what the old head says. A deleted row
is overwritten with zeros; when many are, the rest is written anew.
"""

from __future__ import annotations

import errno
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, starmap
from pathlib import Path
from threading import Lock
from typing import IO, Final, Protocol
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from passerby.atomic import replacing
from passerby.index.columns import ROWS, blocks_for, in_blocks
from passerby.index.vectors import Chunk, VectorTable

HEAD: Final = "vectors.head"
_HEADER: Final = struct.Struct("<8s32s32sQIIq")
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

    @property
    def width(self) -> int:
        """Bytes of what is worn in each row, 2a; 0 for a model that does not say it."""
        ...

    def after(self, newest: int) -> Iterator[Chunk]:
        """Embeddings with larger ids, in chunks by id."""
        ...

    def deleted(self) -> NDArray[np.int64]:
        """Ids that are gone since the file was begun, int64 (t,), in any order."""
        ...


@dataclass(frozen=True, slots=True)
class _Head:
    """What is published: ``count`` rows of ``dim`` numbers and ``width`` bytes, up to the id ``newest``, stand in the files ``name``."""

    epoch: str
    name: str
    count: int
    dim: int
    width: int
    newest: int

    @property
    def row_bytes(self) -> int:
        return self.dim * 2

    @property
    def block_bytes(self) -> int:
        return self.width * ROWS

    def pack(self) -> bytes:
        header = _HEADER.pack(_MAGIC, self.epoch.encode(), self.name.encode(), self.count, self.dim, self.width, self.newest)
        return header + _CHECKSUM.pack(zlib.crc32(header))

    def vectors(self, folder: Path) -> Path:
        return folder / f"vectors-{self.name}.f16"

    def ids(self, folder: Path) -> Path:
        return folder / f"vectors-{self.name}.ids"

    def worn(self, folder: Path) -> Path:
        return folder / f"vectors-{self.name}.worn"

    def files(self, folder: Path) -> Iterator[tuple[Path, int]]:
        """The files, each with the bytes that it has at least."""
        yield self.vectors(folder), self.count * self.row_bytes
        yield self.ids(folder), self.count * _ID_BYTES
        if self.width:
            yield self.worn(folder), blocks_for(self.count) * self.block_bytes


class VectorFile:
    """The copy in a folder. Readers ask it for a table; whoever writes holds the database's write lock meanwhile.

    It keeps what it has mapped and read, for mapping a file anew costs as much as searching it. Safe to use from many threads.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = Lock()
        self._known = "", 0
        self._head: _Head | None = None
        self._mapped = _NO_FILE
        self._tail = _NOTHING

    def table(self, source: Source) -> VectorTable:
        """The vectors as the source has them. What the file lacks is read from the source and kept in memory."""
        deleted = source.deleted()
        with self._lock:
            self._follow(source)
            read = starmap(_rounded, source.after(max(_last(self._tail.ids), _last(self._mapped.ids))))
            self._tail = _without(deleted, _joined([self._tail, *read]))
            mapped, tail = self._mapped, self._tail
        old, new = (int(np.searchsorted(rows.ids, source.newest, "right")) for rows in (mapped, tail))
        ids = np.concatenate([mapped.ids[:old], tail.ids[:new]]) if new else mapped.ids[:old]
        parts, blocks = [mapped.vectors[:old], tail.vectors[:new]], [mapped.blocks, in_blocks(tail.worn[:new])]
        return VectorTable.of(parts, ids, _rows_of(deleted, ids), blocks)

    def lacks(self, source: Source) -> int:
        """How many ids were given since the last embedding it has."""
        head = _read_head(self._folder, source)
        return source.newest - (head.newest if head else 0)

    def append(self, source: Source, most: int = 64) -> bool:
        """Write what it lacks behind what it has, at most so many chunks of the source. Raises ``OSError``.

        Returns:
            whether there may be more.
        """
        head = _read_head(self._folder, source)
        if head is None or not _is_whole(head, self._folder):
            self.drop()
            head = None
        chunks = list(islice(source.after(head.newest if head else 0), most))
        if chunks:
            head = _write(head or _Head(source.epoch, uuid4().hex, 0, chunks[0].vectors.shape[1], source.width, 0), self._folder, chunks)
            with replacing(self._folder / HEAD) as file:
                file.write(head.pack())
        return len(chunks) == most

    def wipe(self, source: Source, ids: NDArray[np.int64]) -> None:
        """Overwrite these embeddings, and whatever was written and never published, so that no byte of them is left. Raises ``OSError``."""
        head = _read_head(self._folder, source)
        if head is None or not _is_whole(head, self._folder):
            self.drop()
            return
        rows = np.sort(_rows_of(ids, _map(head, self._folder).ids))
        with head.vectors(self._folder).open("r+b") as vectors, head.ids(self._folder).open("r+b") as names:
            vectors.truncate(head.count * head.row_bytes)
            names.truncate(head.count * _ID_BYTES)
            for row in rows.tolist():
                vectors.seek(row * head.row_bytes)
                vectors.write(bytes(head.row_bytes))
            _sync(vectors)
            _sync(names)
        if head.width:
            unpublished = np.arange(head.count, blocks_for(head.count) * ROWS)
            with head.worn(self._folder).open("r+b") as worn:
                worn.truncate(blocks_for(head.count) * head.block_bytes)
                _overwrite(worn, np.concatenate([rows, unpublished]), np.zeros((1, head.width), np.uint8))
                _sync(worn)

    def is_mostly_dead(self, source: Source) -> bool:
        """Whether so many of its rows are deleted that writing the others anew pays: drop it then, and forget which were deleted."""
        head = _read_head(self._folder, source)
        return head is not None and len(source.deleted()) > DEAD * head.count

    def drop(self) -> None:
        """Delete the files, half-written ones too, and those of earlier versions. Raises ``OSError``."""
        for pattern in (f"{HEAD}*", "vectors-*", "vectors.f16*"):
            for path in filter(Path.is_file, self._folder.glob(pattern)):
                path.unlink(missing_ok=True)

    def _follow(self, source: Source) -> None:
        """Map what is published now; what is behind it is read anew."""
        head = _read_head(self._folder, source)
        if (source.epoch, source.width, head) == (*self._known, self._head):
            return
        self._known, self._tail = (source.epoch, source.width), _NOTHING
        try:
            self._mapped, self._head = (_map(head, self._folder) if head else _NO_FILE), head
        except OSError:  # replaced meanwhile, or damaged: the source has it all
            self._mapped, self._head = _NO_FILE, None


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Ids int64 (n,), increasing, their vectors float16 (n, d), and what is worn, uint8 (n, 2a)."""

    ids: NDArray[np.int64]
    vectors: NDArray[np.float16]
    worn: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class _Mapped:
    """The same of a file, what is worn in blocks."""

    ids: NDArray[np.int64]
    vectors: NDArray[np.float16]
    blocks: NDArray[np.uint8]


_NOTHING: Final = _Rows(np.empty(0, np.int64), np.empty((0, 0), np.float16), np.empty((0, 0), np.uint8))
_NO_FILE: Final = _Mapped(_NOTHING.ids, _NOTHING.vectors, in_blocks(_NOTHING.worn))


def _last(ids: NDArray[np.int64]) -> int:
    return int(ids[-1]) if len(ids) else 0


def _rounded(ids: NDArray[np.int64], vectors: NDArray[np.float32], worn: NDArray[np.uint8]) -> _Rows:
    return _Rows(ids, vectors.astype("<f2"), worn)


def _joined(parts: Sequence[_Rows]) -> _Rows:
    filled = [part for part in parts if len(part.ids)]
    if len(filled) < 2:
        return filled[0] if filled else _NOTHING
    return _Rows(*(np.concatenate([getattr(part, name) for part in filled]) for name in ("ids", "vectors", "worn")))


def _without(ids: NDArray[np.int64], rows: _Rows) -> _Rows:
    """Rows without those of some ids, of which nothing stays in memory then."""
    gone = np.isin(rows.ids, ids)
    return _Rows(rows.ids[~gone], rows.vectors[~gone], rows.worn[~gone]) if gone.any() else rows


def _rows_of(ids: NDArray[np.int64], among: NDArray[np.int64]) -> NDArray[np.intp]:
    """Where those of ``ids`` that are ``among`` increasing others stand."""
    rows = np.searchsorted(among, ids)
    found = rows < len(among)
    rows, ids = rows[found], ids[found]
    same: NDArray[np.intp] = rows[among[rows] == ids]
    return same


def _map(head: _Head, folder: Path) -> _Mapped:
    """The published rows, mapped. Raises ``OSError``, also for files that are shorter than the head says."""
    if not _is_whole(head, folder):
        raise OSError(errno.ENODATA, "shorter than its head says", str(head.vectors(folder)))
    ids = np.memmap(head.ids(folder), "<i8", "r", shape=(head.count,))
    shape = blocks_for(head.count), head.width, ROWS
    blocks = np.memmap(head.worn(folder), np.uint8, "r", shape=shape) if head.width else np.empty(shape, np.uint8)
    return _Mapped(np.asarray(ids), np.memmap(head.vectors(folder), "<f2", "r", shape=(head.count, head.dim)), blocks)


def _is_whole(head: _Head, folder: Path) -> bool:
    try:
        return all(path.stat().st_size >= least for path, least in head.files(folder))
    except OSError:
        return False


def _write(head: _Head, folder: Path, chunks: Sequence[Chunk]) -> _Head:
    """Write rows behind the published ones; the head that would publish them. Raises ``OSError``."""
    count, newest = head.count, head.newest
    with _opened(head.vectors(folder)) as vectors, _opened(head.ids(folder)) as names:
        vectors.seek(count * head.row_bytes)
        names.seek(count * _ID_BYTES)
        for chunk in chunks:
            vectors.write(chunk.vectors.astype("<f2").tobytes())
            names.write(chunk.ids.astype("<i8").tobytes())
            count, newest = count + len(chunk.ids), int(chunk.ids[-1])
        _sync(vectors)
        _sync(names)
    if head.width:
        with _opened(head.worn(folder)) as worn:
            _overwrite(worn, np.arange(head.count, count), np.concatenate([chunk.worn for chunk in chunks]))
            _sync(worn)
    return replace(head, count=count, newest=newest)


def _overwrite(file: IO[bytes], rows: NDArray[np.intp], worn: NDArray[np.uint8]) -> None:
    """Put what is worn, uint8 (n, 2a) or one for all, into increasing rows of a file of blocks. Raises ``OSError``.

    A block is written whole, what stays of it as it was, so a kill changes nothing of that.
    """
    if not len(rows):
        return
    width = worn.shape[1]
    size = width * ROWS
    worn = np.broadcast_to(worn, (len(rows), width))
    numbers, starts = np.unique(rows // ROWS, return_index=True)
    for number, here, put in zip(numbers.tolist(), np.split(rows, starts[1:]), np.split(worn, starts[1:]), strict=True):
        file.seek(number * size)
        block = np.frombuffer(file.read(size).ljust(size, b"\0"), np.uint8).reshape(width, ROWS).copy()
        block[:, here % ROWS] = put.T
        file.seek(number * size)
        file.write(block.tobytes())


def _opened(path: Path) -> IO[bytes]:
    """For writing anywhere in it, made where it is missing, as readable as its folder's files are."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b")


def _sync(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _read_head(folder: Path, source: Source) -> _Head | None:
    """What is published of a source; ``None`` for nothing, something damaged, or what is of another epoch or has other columns."""
    try:
        data = (folder / HEAD).read_bytes()
    except OSError:
        return None
    if len(data) != _HEADER.size + _CHECKSUM.size:
        return None
    _, of, name, count, dim, width, newest = _HEADER.unpack_from(data)
    head = _Head(of.decode("ascii", "replace"), name.decode("ascii", "replace"), count, dim, width, newest)
    return head if (head.epoch, head.width) == (source.epoch, source.width) and data == head.pack() else None
