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
from passerby.model.encoder import Encoder, attributes_of, see
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
    """What is known of an item, its vector, what the vector was made of, and what is worn.

    Args:
        vector: float32 (d,), of length 1.
        pixels: uint8 (h, w, 3), RGB, as the tower takes them before they are normalised.
        worn: float32 (a,), the log-odds of the model's attributes; ``None`` for a model without attributes.
    """

    known: K
    vector: NDArray[np.float32]
    pixels: NDArray[np.uint8]
    worn: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class LoadedAll(Generic[K]):
    """An item's pictures, none or more, each looked at once by the thread that loads the item."""

    known: K
    images: Iterable[Image]


@dataclass(frozen=True, slots=True, eq=False)
class EncodedAll(Generic[K]):
    """What is known of an item of n pictures, and what :class:`Encoded` says of each.

    Args:
        vectors: float32 (n, d).
        pixels: uint8 (n, h, w, 3).
        worn: float32 (n, a); ``None`` for a model without attributes.
    """

    known: K
    vectors: NDArray[np.float32]
    pixels: NDArray[np.uint8]
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
    """Encode the pictures of any items, one result for each item and in their order: :func:`encode_all` of one picture each.

    Args:
        load: from an item to its picture, called by several threads at once. A ``PasserbyError`` or a ``MemoryError`` in it makes the item
            ``Failed`` and nothing else; another error ends the loop.

    Raises:
        ModelError: from the encoder.
        ValueError: a batch of no pictures.
    """

    def load_one(item: T) -> LoadedAll[K]:
        loaded = load(item)
        return LoadedAll(loaded.known, (loaded.image,))

    with closing(encode_all(encoder, items, load_one, batch_size=batch_size, readers=readers)) as results:
        for result in results:
            if isinstance(result, Failed):
                yield result
            else:
                yield Encoded(result.known, result.vectors[0], result.pixels[0], None if result.worn is None else result.worn[0])


def encode_all(
    encoder: Encoder,
    items: Iterable[T],
    load: Callable[[T], LoadedAll[K]],
    *,
    batch_size: int = 16,
    at_once: int | None = None,
    readers: int = 2,
) -> Generator[EncodedAll[K] | Failed[T]]:
    """Encode the pictures of items that have several or none, one result for each item and in their order.

    Items are drawn, and loaded by ``readers`` threads, at most two groups ahead of the model, so memory stays bounded however many there
    are. The threads end with the iterator, whether it is exhausted, closed or stopped by an error.

    Args:
        load: as of :func:`encode`.
        batch_size: pictures in one run of the tower, at most.
        at_once: items whose pictures are encoded together; ``batch_size`` by default.

    Raises:
        ModelError: from the encoder.
        ValueError: a batch of no pictures.
    """
    if batch_size < 1:
        raise ValueError(f"a batch needs at least one picture, found {batch_size}")
    group_size = at_once or batch_size
    resized = look_ahead(items, partial(_load, load=load, p=encoder.preprocessing), 2 * group_size, readers)
    with closing(resized):
        while group := list(islice(resized, group_size)):
            yield from _encode(encoder, group, batch_size)


def _load(item: T, *, load: Callable[[T], LoadedAll[K]], p: Preprocessing) -> _Resized[K] | Failed[T]:
    try:
        loaded = load(item)
        pixels = [resize(image, p.height, p.width, p.resample) for image in loaded.images]
        return _Resized(loaded.known, np.array(pixels, np.uint8).reshape(len(pixels), p.height, p.width, 3))
    except PasserbyError as error:
        return Failed(item, str(error))
    except MemoryError:
        return Failed(item, "expected a picture that fits the memory, found a larger one; make it smaller")


def _encode(encoder: Encoder, group: Sequence[_Resized[K] | Failed[T]], batch_size: int) -> Iterator[EncodedAll[K] | Failed[T]]:
    pixels = [item.pixels for item in group if isinstance(item, _Resized)]
    vectors, worn = encode_pixels(encoder, np.concatenate(pixels or [np.empty((0, 0, 0, 3), np.uint8)]), batch_size)
    start = 0
    for item in group:
        if isinstance(item, Failed):
            yield item
        else:
            own = slice(start, start := start + len(item.pixels))
            yield EncodedAll(item.known, vectors[own], item.pixels, worn[own] if worn.shape[1] else None)


def encode_pixels(encoder: Encoder, pixels: NDArray[np.uint8], batch_size: int = 16) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Vectors float32 (n, d) of pictures uint8 (n, h, w, 3) of the tower's size, and what is worn in them, float32 (n, a).

    Raises:
        ModelError: from the encoder.
    """
    batches = [pixels[start : start + batch_size] for start in range(0, len(pixels), batch_size)]
    seen = [see(encoder, normalise(batch, encoder.preprocessing)) for batch in batches]
    if not seen:
        return np.empty((0, encoder.dim), np.float32), np.empty((0, len(attributes_of(encoder))), np.float32)
    return np.concatenate([one.vectors for one in seen]), np.concatenate([one.log_odds for one in seen])
