"""Digests of files that grow: made by chunks, so that what was there is known again and only what was added is read."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from passerby.errors import VideoError
from passerby.media.files import require_regular, unreadable
from passerby.types import Media, MediaKind

CHUNK_BYTES: Final = 8 * 2**20


@dataclass(frozen=True, slots=True)
class ChunkedDigest:
    """What a file's bytes were, by the SHA-256 of each chunk of them.

    Args:
        size: bytes.
        chunks: a digest of 32 bytes for each ``chunk_bytes``, the last of what is left; none of an empty file.
        chunk_bytes: the size of a chunk.
    """

    size: int = 0
    chunks: tuple[bytes, ...] = ()
    chunk_bytes: int = CHUNK_BYTES

    @property
    def hex(self) -> str:
        """One digest of all: the SHA-256 of the chunks' digests, 64 hexadecimal digits. Equal for equal bytes, whenever they came."""
        return hashlib.sha256(b"".join(self.chunks)).hexdigest()

    @property
    def _whole(self) -> int:
        """How many chunks are full."""
        return self.size // self.chunk_bytes

    def is_prefix_of(self, path: Path) -> bool:
        """Whether a file begins with these bytes; reads as many. Raises ``VideoError`` for a file that cannot be read."""
        try:
            with path.open("rb") as file:
                return all(_chunk_digest(file, number, self) == digest for number, digest in enumerate(self.chunks))
        except (OSError, ValueError) as error:
            raise unreadable(error, VideoError) from None


def read_digest(path: Path, known: ChunkedDigest | None = None) -> ChunkedDigest:
    """The digest of a file as it is now.

    Args:
        known: of the same file before. Where its first and its last chunk still stand, all between is taken as it was and only what
            comes after is read; else, as where a recorder completes the header in the end, everything is.

    Raises:
        VideoError: a file that cannot be read.
    """
    before = known or ChunkedDigest()
    try:
        with path.open("rb") as file:
            ends = {0, len(before.chunks) - 1} if before.chunks else set()
            if any(_chunk_digest(file, number, before) != before.chunks[number] for number in ends):
                before = ChunkedDigest(chunk_bytes=before.chunk_bytes)
            return _read_on(file, before)
    except (OSError, ValueError) as error:
        raise unreadable(error, VideoError) from None


def begins_with(path: Path, size: int, digest: str) -> bool:
    """Whether a file begins with so many bytes of a :attr:`ChunkedDigest.hex`; reads as many. Raises ``VideoError``."""
    chunks, left = list[bytes](), size
    try:
        with path.open("rb") as file:
            while left and (data := file.read(min(CHUNK_BYTES, left))):
                chunks.append(hashlib.sha256(data).digest())
                left -= len(data)
    except (OSError, ValueError) as error:
        raise unreadable(error, VideoError) from None
    return not left and ChunkedDigest(size, tuple(chunks)).hex == digest


def begins_as(media: Media) -> bool:
    """Whether a video's file still begins with the bytes that were indexed, whatever came behind them; reads them where it has changed.

    Raises:
        VideoError: a file that cannot be read.
    """
    try:
        status = media.path.stat()
    except (OSError, ValueError) as error:
        raise unreadable(error, VideoError) from None
    known = status.st_size, status.st_mtime_ns, status.st_ctime_ns
    return known == (media.size, media.modified_ns, media.changed_ns) or begins_with(media.path, media.size, media.digest)


def read_video_media(path: Path) -> Media:
    """A video's file with its size, times and digest, all as they were before it was read.

    Raises:
        VideoError: the path is no regular file, or may not be read.
    """
    try:
        status = require_regular(path.stat(), "videos", VideoError)
    except (OSError, ValueError) as error:
        raise unreadable(error, VideoError) from None
    digest = read_digest(path).hex
    times = status.st_mtime_ns, digest, status.st_ctime_ns, status.st_dev
    return Media(path.absolute(), status.st_size, *times, kind=MediaKind.VIDEO)


def _chunk_digest(file: BinaryIO, number: int, known: ChunkedDigest) -> bytes | None:
    """Of what lies now where a chunk was; ``None`` where the file ends before."""
    start = number * known.chunk_bytes
    expected = min(known.chunk_bytes, known.size - start)
    file.seek(start)
    data = file.read(expected)
    return hashlib.sha256(data).digest() if len(data) == expected else None


def _read_on(file: BinaryIO, before: ChunkedDigest) -> ChunkedDigest:
    chunks = list(before.chunks[: before._whole])
    size = len(chunks) * before.chunk_bytes
    file.seek(size)
    while data := file.read(before.chunk_bytes):
        chunks.append(hashlib.sha256(data).digest())
        size += len(data)
        if len(data) < before.chunk_bytes:
            break
    return ChunkedDigest(size, tuple(chunks), before.chunk_bytes)
