"""The one loop that turns pictures into vectors: bounded look-ahead, loading overlapped with inference, results in order."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from passerby.errors import PasserbyError
from passerby.look_ahead import look_ahead
from passerby.model.encoder import Encoder, see
from passerby.model.preprocess import Preprocessing, normalise, resize

if TYPE_CHECKING:
    from PIL.Image import Image

T = TypeVar("T")
K = TypeVar("K")


@dataclass(frozen=True, slots=True, eq=False)
class Loaded(Generic[K]):
    """An item's picture, and what is to be known of the item once its picture is gone.

    Args:
        image: upright, in mode RGB, of any size.
    """

    known: K
    image: Image


@dataclass(frozen=True, slots=True, eq=False)
class Encoded(Generic[K]):
    """What is known of an item, its vector, and what is worn.

    Args:
        vector: float32 (d,), of length 1.
        worn: float32 (a,), the log-odds of the model's attributes; ``None`` for a model without attributes.
    """

    known: K
    vector: NDArray[np.float32]
    worn: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Failed(Generic[T]):
    """An item that has no vector, and why, in one line."""

    item: T
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class _Resized(Generic[K]):
    known: K
    pixels: NDArray[np.uint8]


def encode(
    encoder: Encoder, items: Iterable[T], load: Callable[[T], Loaded[K]], *, batch_size: int = 16, readers: int = 2
) -> Generator[Encoded[K] | Failed[T]]:
    """Encode the pictures of any items, one result for each item and in their order.

    Items are drawn, and loaded by ``readers`` threads, at most two batches ahead of the model, so memory stays bounded however many there
    are. The threads end with the iterator, whether it is exhausted, closed or stopped by an error.

    Args:
        load: from an item to its picture, called by several threads at once. A ``PasserbyError`` or a ``MemoryError`` in it makes the item
            ``Failed`` and nothing else; another error ends the loop.

    Raises:
        ModelError: from the encoder.
        ValueError: a batch of no pictures.
    """
    if batch_size < 1:
        raise ValueError(f"a batch needs at least one picture, found {batch_size}")
    resized = look_ahead(items, partial(_load, load=load, p=encoder.preprocessing), 2 * batch_size, readers)
    with closing(resized):
        while batch := list(islice(resized, batch_size)):
            yield from _encode(encoder, batch)


def encode_texts(encoder: Encoder, texts: Sequence[str], batch_size: int = 64) -> NDArray[np.float32]:
    """Vectors of texts, float32 (n, d), each of length 1."""
    batches = [encoder.embed_texts(texts[start : start + batch_size]) for start in range(0, len(texts), batch_size)]
    return np.concatenate([np.empty((0, encoder.dim), np.float32), *batches])


def _load(item: T, *, load: Callable[[T], Loaded[K]], p: Preprocessing) -> _Resized[K] | Failed[T]:
    try:
        loaded = load(item)
        return _Resized(loaded.known, resize(loaded.image, p.height, p.width, p.resample))
    except PasserbyError as error:
        return Failed(item, str(error))
    except MemoryError:
        return Failed(item, "expected a picture that fits the memory, found a larger one; make it smaller")


def _encode(encoder: Encoder, batch: Sequence[_Resized[K] | Failed[T]]) -> Iterator[Encoded[K] | Failed[T]]:
    pixels = [item.pixels for item in batch if isinstance(item, _Resized)]
    seen = zip(*see(encoder, normalise(np.stack(pixels), encoder.preprocessing)), strict=True) if pixels else iter(())
    for item in batch:
        if isinstance(item, Failed):
            yield item
        else:
            vector, worn = next(seen)
            yield Encoded(item.known, vector, worn if worn.size else None)
