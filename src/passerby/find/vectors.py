"""What makes search fast: the embeddings once more, in float16 and memory-mapped. Derived from the index, checked, rebuilt by itself."""

from __future__ import annotations

import os
import struct
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from passerby.atomic import replacing
from passerby.find.index import Index, Stamp

FILE_NAME: Final = "vectors.f16"
_HEADER: Final = struct.Struct("<8s32sQQQ")
_CHECKSUM: Final = struct.Struct("<I")
_MAGIC: Final = b"PASSERV1"
_START: Final = 128
"""Where the vectors begin: after the header, aligned for the widest registers."""


@dataclass(frozen=True, slots=True, eq=False)
class VectorTable:
    """All embeddings of an index in one state.

    Args:
        stamp: which state.
        vectors: float16 (n, d), each of length 1 within rounding; read-only, of a file where there is one.
        ids: int64 (n,), increasing.
    """

    stamp: Stamp
    vectors: NDArray[np.float16]
    ids: NDArray[np.int64]


_LOADED: Final[WeakKeyDictionary[Index, VectorTable]] = WeakKeyDictionary()
"""The last table of each open index: mapping a file anew costs as much as searching it."""


def load_vectors(index: Index) -> VectorTable:
    """The vectors of an index as it is now; call it inside of a snapshot.

    A file that is missing, damaged or of another state is made again. Where it cannot be written, the vectors are built in memory.
    """
    stamp = index.stamp()
    table = _LOADED.get(index)
    if table is None or table.stamp != stamp:
        table = _LOADED[index] = _load(index, stamp)
    return table


def drop_vectors(folder: Path) -> None:
    """Delete the derived files of an index, whole and half-written ones."""
    for path in folder.glob(f"{FILE_NAME}*"):
        path.unlink(missing_ok=True)


def _load(index: Index, stamp: Stamp) -> VectorTable:
    path = index.folder / FILE_NAME
    table = _read(path, stamp)
    if table is not None:
        return table
    with suppress(OSError):
        _write(index, stamp)
    return _read(path, stamp) or _build(index, stamp)


def _read(path: Path, stamp: Stamp) -> VectorTable | None:
    """The table in a file, or ``None`` unless it is whole and of this state."""
    try:
        with path.open("rb") as file:
            shape = _parse_header(file.read(_START), stamp)
            if shape is None or os.fstat(file.fileno()).st_size != _file_size(*shape):
                return None
            return _map(file, stamp, *shape)
    except OSError:
        return None


def _map(file: IO[bytes], stamp: Stamp, count: int, dim: int) -> VectorTable:
    if count == 0:
        return VectorTable(stamp, np.empty((0, dim), np.float16), np.empty(0, np.int64))
    content = np.memmap(file, np.uint8, "r")
    end = _START + count * dim * 2
    return VectorTable(stamp, content[_START:end].view("<f2").reshape(count, dim), np.frombuffer(content[end:].tobytes(), "<i8"))


def _write(index: Index, stamp: Stamp) -> None:
    """Make the file anew. Raises ``OSError``."""
    drop_vectors(index.folder)
    all_ids, dim = [np.empty(0, np.int64)], 0
    with replacing(index.folder / FILE_NAME) as file:
        file.seek(_START)
        for ids, vectors in index.iter_embeddings():
            file.write(vectors.astype("<f2").tobytes())
            all_ids.append(ids)
            dim = vectors.shape[1]
        ids = np.concatenate(all_ids)
        file.write(ids.astype("<i8").tobytes())
        file.truncate(_file_size(len(ids), dim))
        file.seek(0)
        file.write(_header(stamp, len(ids), dim))


def _build(index: Index, stamp: Stamp) -> VectorTable:
    """The table in memory."""
    chunks = [(ids, vectors.astype(np.float16)) for ids, vectors in index.iter_embeddings()]
    if not chunks:
        return VectorTable(stamp, np.empty((0, 0), np.float16), np.empty(0, np.int64))
    all_ids, all_vectors = zip(*chunks, strict=True)
    return VectorTable(stamp, np.concatenate(all_vectors), np.concatenate(all_ids))


def _header(stamp: Stamp, count: int, dim: int) -> bytes:
    header = _HEADER.pack(_MAGIC, stamp.index.encode(), stamp.generation, count, dim)
    return header + _CHECKSUM.pack(zlib.crc32(header))


def _parse_header(data: bytes, stamp: Stamp) -> tuple[int, int] | None:
    """Count and dimension, or ``None`` unless the header is whole and of this state."""
    if len(data) < _START:
        return None
    *_, count, dim = _HEADER.unpack_from(data)
    return (count, dim) if data.startswith(_header(stamp, count, dim)) else None


def _file_size(count: int, dim: int) -> int:
    return _START + count * (dim * 2 + 8)
