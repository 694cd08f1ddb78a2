"""Somebody in a media, on the way into an index, and read back as they were put."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from passerby.errors import ImageError
from passerby.index.region import region_of
from passerby.inputs import wrong
from passerby.types import Crop, Media, Person, is_tuple_of


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """Somebody in a media, on the way into an index.

    Args:
        crops: at least one, the best first.
        vectors: of each crop, float32 (c, d), each of length 1.
        track, first, last, static: as of `Person`.
        signatures: of each crop, uint8 (c, n), as :mod:`passerby.media.signature` makes them; crops without are nobody's near-copies.
        worn: of each crop what is worn, uint8 (c, 2a), as :func:`passerby.model.worn.worn_bytes` makes it; ``None`` where it is not known.
        pictures: of each crop a JPEG to be kept, or ``None``; of media whose files are on this machine there are none at all.
        id: that they had in another index, and have here if it is larger than any that was given.
        run: of that index, which put them.

    Raises:
        InputError: no crop, or not a vector, a signature, what is worn, or a picture, for each.
    """

    crops: tuple[Crop, ...]
    vectors: NDArray[np.float32]
    track: int | None = None
    first: float | None = None
    last: float | None = None
    signatures: NDArray[np.uint8] | None = None
    worn: NDArray[np.uint8] | None = None
    static: bool = False
    pictures: tuple[bytes | None, ...] | None = None
    id: int | None = None
    run: int | None = None

    def __post_init__(self) -> None:
        if not is_tuple_of(Crop, self.crops) or not self.crops:
            raise wrong(self.crops, "a tuple of at least one crop", "correct the value")
        if self.vectors.dtype != np.float32 or self.vectors.ndim != 2 or len(self.vectors) != len(self.crops):
            raise wrong(self.vectors, f"vectors float32 ({len(self.crops)}, d), one for each crop", "correct the value")
        for rows, what in ((self.signatures, "signatures"), (self.worn, "what is worn")):
            if rows is not None and (rows.dtype != np.uint8 or rows.ndim != 2 or len(rows) != len(self.crops)):
                raise wrong(rows, f"{what} as uint8 ({len(self.crops)}, n), one for each crop", "correct the value")
        if self.pictures is not None and not (is_tuple_of(bytes | None, self.pictures) and len(self.pictures) == len(self.crops)):
            raise wrong(self.pictures, "a JPEG or None for each crop", "correct the value")

    @property
    def region(self) -> str:
        """Where in their media they are, by their first crop."""
        return region_of(self.track, self.crops[0])

    @classmethod
    def whole(cls, vector: NDArray[np.float32], signature: NDArray[np.uint8] | None = None, worn: NDArray[np.uint8] | None = None) -> Self:
        """Somebody of whom a photo shows nothing else: of a vector float32 (d,), a signature uint8 (n,) and what is worn, uint8 (2a,)."""
        signatures, worn_rows = (None if one is None else one[None] for one in (signature, worn))
        return cls((Crop(),), vector[None], signatures=signatures, worn=worn_rows)


class StoredRow(NamedTuple):
    """What is stored of a crop, in bytes.

    Args:
        worn, signature, picture: ``None`` where there is none.
        run: which put its signature.
    """

    vector: bytes
    worn: bytes | None
    signature: bytes | None
    run: int | None
    picture: bytes | None


def no_picture(media: Media) -> ImageError:
    """What is said of somebody in a media whose picture is not kept."""
    of = f"device {media.pushed_by}" if media.pushed_by else f"camera {media.camera}"
    return ImageError(
        expected=f"a picture from {of}", found="none: it could not be read, or is gone", do="search again, or look at it on the device"
    )


def as_put(person: Person, crops: tuple[Crop, ...], stored: Sequence[StoredRow]) -> Sighting:
    """Somebody as they were put, of what is stored of their crops."""
    vectors = np.stack([np.frombuffer(one.vector, "<f4") for one in stored])
    worn, signatures = (
        None if None in rows else np.stack([np.frombuffer(row or b"", np.uint8) for row in rows])
        for rows in ([one.worn for one in stored], [one.signature for one in stored])
    )
    run = max((one.run for one in stored if one.run is not None), default=None)
    pictures = tuple(one.picture for one in stored)
    seen = person.track, person.first, person.last, signatures, worn, person.static
    return Sighting(crops, vectors, *seen, pictures if any(pictures) else None, person.id, run)
