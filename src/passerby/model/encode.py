"""The one loop that turns files into vectors: bounded look-ahead, decoding overlapped with inference, results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from passerby.errors import PasserbyError
from passerby.media.files import read_media
from passerby.media.photo import read_picture
from passerby.model.encoder import Encoder
from passerby.model.preprocess import Preprocessing, normalise, resize
from passerby.types import Failure, Media, Note


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """A picture's file and its vector.

    Args:
        width, height: of the upright picture, in pixels.
        vector: float32 (d,), of length 1.
        notes: what had to be guessed of the picture.
    """

    media: Media
    width: int
    height: int
    vector: NDArray[np.float32]
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class _Decoded:
    media: Media
    width: int
    height: int
    pixels: NDArray[np.uint8]
    notes: tuple[Note, ...]


def encode_images(
    encoder: Encoder, paths: Iterable[Path], *, change: Callable[[Image], Image] | None = None, batch_size: int = 16, readers: int = 2
) -> Generator[Encoded | Failure]:
    """Encode picture files, one result for each path and in their order.

    Files are read and decoded by ``readers`` threads at most two batches ahead of the model, so memory stays bounded
    however many paths there are. The threads end with the iterator, whether it is exhausted, closed or stopped by an error.

    Args:
        change: done to each upright RGB picture before it is resized, by several threads at once.

    Raises:
        ModelError: from the encoder; a bad file never raises, it is a ``Failure``.
    """
    if batch_size < 1:
        raise ValueError(f"a batch needs at least one picture, found {batch_size}")
    source = iter(paths)
    ahead: deque[Future[_Decoded | Failure]] = deque()
    pool = ThreadPoolExecutor(readers, thread_name_prefix="passerby-read")

    def look_ahead() -> None:
        while len(ahead) < 2 * batch_size and (path := next(source, None)) is not None:
            ahead.append(pool.submit(_decode, path, encoder.preprocessing, change))

    try:
        look_ahead()
        while ahead:
            batch = [ahead.popleft().result() for _ in range(min(batch_size, len(ahead)))]
            look_ahead()
            yield from _encode(encoder, batch)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def encode_texts(encoder: Encoder, texts: Sequence[str], batch_size: int = 64) -> NDArray[np.float32]:
    """Vectors of texts, float32 (n, d), each of length 1."""
    batches = [encoder.embed_texts(texts[start : start + batch_size]) for start in range(0, len(texts), batch_size)]
    return np.concatenate([np.empty((0, encoder.dim), np.float32), *batches])


def _decode(path: Path, p: Preprocessing, change: Callable[[Image], Image] | None) -> _Decoded | Failure:
    try:
        media, data = read_media(path)
        picture = read_picture(data)
        image = picture.image
        pixels = resize(change(image) if change else image, p.height, p.width, p.resample)
        return _Decoded(media, image.width, image.height, pixels, tuple(Note(media.path, note) for note in picture.notes))
    except PasserbyError as error:
        return Failure(path.absolute(), str(error))
    except MemoryError:
        return Failure(path.absolute(), "expected a picture that fits the memory, found a larger one; make it smaller")


def _encode(encoder: Encoder, batch: Sequence[_Decoded | Failure]) -> Iterator[Encoded | Failure]:
    pixels = [item.pixels for item in batch if isinstance(item, _Decoded)]
    vectors = iter(encoder.embed_images(normalise(np.stack(pixels), encoder.preprocessing)) if pixels else ())
    for item in batch:
        yield item if isinstance(item, Failure) else Encoded(item.media, item.width, item.height, next(vectors), item.notes)
