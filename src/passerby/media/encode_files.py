"""Picture files to vectors: the loop of ``passerby.model.encode`` over paths."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from passerby.media.files import read_media
from passerby.media.photo import read_picture
from passerby.media.signature import signature
from passerby.media.taken import Clocks
from passerby.model.encode import Failed, Loaded, encode
from passerby.model.encoder import Encoder
from passerby.types import Failure, Media, Note


@dataclass(frozen=True, slots=True, eq=False)
class EncodedFile:
    """A picture's file, its vector, its signature, and what is worn.

    Args:
        width, height: of the upright picture, in pixels.
        vector: float32 (d,), of length 1.
        signature: uint8 (LENGTH,), by which its near-copies are known.
        notes: what had to be guessed of the picture.
        worn: float32 (a,), the log-odds of the model's attributes; ``None`` for a model without attributes.
    """

    media: Media
    width: int
    height: int
    vector: NDArray[np.float32]
    signature: NDArray[np.uint8]
    notes: tuple[Note, ...] = ()
    worn: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True)
class _File:
    media: Media
    width: int
    height: int
    notes: tuple[Note, ...]


def encode_files(
    encoder: Encoder,
    paths: Iterable[Path],
    *,
    change: Callable[[Image], Image] | None = None,
    clocks: Clocks | None = None,
    batch_size: int = 16,
    readers: int = 2,
) -> Generator[EncodedFile | Failure]:
    """Encode picture files, one result for each path and in their order, as :func:`passerby.model.encode.encode` does.

    Args:
        change: done to each upright RGB picture before it is resized, by several threads at once.
        clocks: by which each media says when it was taken; without them it does not.

    Raises:
        ModelError: from the encoder; a bad file never raises, it is a ``Failure``.
    """

    def load(path: Path) -> Loaded[_File]:
        media, data = read_media(path)
        picture = read_picture(data)
        image = picture.image
        media, guessed = clocks.date(media, picture.exif) if clocks else (media, ())
        file = _File(media, image.width, image.height, tuple(Note(media.path, note) for note in (*picture.notes, *guessed)))
        return Loaded(file, change(image) if change else image)

    with closing(encode(encoder, paths, load, batch_size=batch_size, readers=readers)) as results:
        for result in results:
            if isinstance(result, Failed):
                yield Failure(result.item.absolute(), result.reason)
            else:
                file = result.known
                yield EncodedFile(file.media, file.width, file.height, result.vector, signature(result.pixels), file.notes, result.worn)
