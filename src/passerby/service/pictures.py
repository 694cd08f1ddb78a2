"""Pictures of people in an index, as JPEG: their crops, and the photos they are in. Only what was indexed is shown."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from io import BytesIO
from threading import Lock
from typing import Final

from PIL import Image, ImageDraw, ImageOps

from passerby.errors import ImageError, MissingExtra, VideoError
from passerby.index.base import Index
from passerby.media.files import read_media
from passerby.media.photo import read_image
from passerby.media.shown import read_shown, require_unchanged
from passerby.service.problems import Refused
from passerby.types import Box, Crop, Media, MediaKind, Person

CROP_SIZE: Final = (320, 640)
PHOTO_SIZE: Final = (1600, 1200)
KEPT: Final = 512
"""Crops whose JPEG is kept in memory, about 20 KB each."""
_QUALITY: Final = 88
_FRAME: Final = "#e0214b"


def somebody(index: Index, person: int) -> tuple[Person, tuple[Crop, ...]]:
    """A person of an index and their crops. Raises ``Refused`` where there is nobody of this id."""
    found = next(index.people([person]), None)
    if found is None:
        expected, do = "somebody in the index", "search again"
        raise Refused(HTTPStatus.NOT_FOUND, expected=expected, found=f"nobody of id {person}", do=do)
    return found


def crop_of(index: Index, person: int, number: int) -> tuple[Person, Crop]:
    """A crop of a person. Raises ``Refused`` where there is none."""
    who, crops = somebody(index, person)
    return who, crop_at(who, crops, number)


def crop_at(person: Person, crops: Sequence[Crop], number: int) -> Crop:
    """One of the crops of a person. Raises ``Refused`` where there are not so many."""
    if number >= len(crops):
        found = f"no crop {number} of person {person.id}"
        raise Refused(HTTPStatus.NOT_FOUND, expected="a crop in the index", found=found, do="search again")
    return crops[number]


def kept_jpeg(crop: Crop) -> bytes | None:
    """The picture that the index keeps of a crop; ``None`` of files, which are looked at themselves. Raises ``Refused`` where none came."""
    try:
        return crop.kept() if crop.kept else None
    except ImageError as error:
        raise Refused(HTTPStatus.GONE, expected=error.expected, found=error.found, do=error.do) from None


def crop_image(media: Media, crop: Crop) -> Image.Image:
    """The pixels of a crop, upright RGB. Raises ``Refused`` where the file is not there, or not the one that was indexed."""
    if (kept := kept_jpeg(crop)) is not None:
        return read_image(kept)
    photo = _indexed(media, crop)
    return photo if crop.box is None else photo.crop(_corners(crop.box))


class Crops:
    """The crops of an index as JPEG; those that were shown last are kept in memory, and nowhere else."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._known: OrderedDict[tuple[str, Crop], bytes] = OrderedDict()
        self._lock = Lock()

    def jpeg(self, media: Media, crop: Crop) -> bytes:
        """A crop, at most ``CROP_SIZE``. Raises as :func:`crop_image` does."""
        if (kept := kept_jpeg(crop)) is not None:
            return kept
        key = media.digest or str(media.path), crop
        with self._lock:
            known = self._known
            if key in known:
                known.move_to_end(key)
                return known[key]
        drawn = jpeg(crop_image(media, crop), CROP_SIZE)
        with self._lock:
            known[key] = drawn
            while len(self._known) > self._kept:
                self._known.popitem(last=False)
        return drawn

    def forget(self) -> None:
        """Keep nothing any more, and nothing that is being drawn now."""
        with self._lock:
            self._known = OrderedDict()


def photo_jpeg(media: Media, crop: Crop) -> bytes:
    """A whole photo or frame, at most ``PHOTO_SIZE``, with a frame around somebody; nothing else of its file.

    Raises as :func:`crop_image` does.
    """
    photo, box = _indexed(media, crop), crop.box
    if box is not None:
        wide = max(2, round(max(photo.size) / 300))
        left, top, right, bottom = _corners(box)
        ImageDraw.Draw(photo).rectangle((left - wide, top - wide, right + wide, bottom + wide), outline=_FRAME, width=wide)
    return jpeg(photo, PHOTO_SIZE)


def _indexed(media: Media, crop: Crop) -> Image.Image:
    with gone():
        if media.kind is MediaKind.VIDEO:
            require_unchanged(media)
        if media.kind is not MediaKind.PHOTO:
            return read_shown(media, crop)
        now, data = read_media(media.path)
        if now.digest != media.digest:
            found = "other bytes in its place"
            raise Refused(HTTPStatus.GONE, expected="the file that was indexed", found=found, do="index again")
        return read_image(data)


@contextmanager
def gone() -> Iterator[None]:
    """Raises ``Refused`` for a file that is not there any more, or cannot be read."""
    try:
        yield
    except (ImageError, VideoError, MissingExtra) as error:
        raise Refused(HTTPStatus.GONE, expected="the file that was indexed", found=error.found, do=error.do) from None


def _corners(box: Box) -> tuple[int, int, int, int]:
    return round(box.x), round(box.y), round(box.x + box.width), round(box.y + box.height)


def jpeg(image: Image.Image, size: tuple[int, int]) -> bytes:
    """A picture as JPEG, at most of a size."""
    target = BytesIO()
    fitted = ImageOps.contain(image, size, Image.Resampling.LANCZOS) if image.width > size[0] or image.height > size[1] else image
    fitted.save(target, "JPEG", quality=_QUALITY)
    return target.getvalue()
