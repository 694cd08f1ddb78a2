"""Small pictures of people for a centre, which does not have the files that they are seen in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from io import BytesIO
from typing import Final

from PIL import Image, ImageOps

from passerby.errors import ImageError, MissingExtra, VideoError
from passerby.find.push.wire import LARGEST_THUMBNAIL, THUMBNAIL
from passerby.media.files import read_media
from passerby.media.growing import begins_as
from passerby.media.photo import read_image
from passerby.media.shown import read_crop
from passerby.media.video import frames_at
from passerby.types import Box, Crop, Media, MediaKind

_QUALITY: Final = 80

Pictures = dict[Crop, bytes]
"""Of each crop a JPEG; of those that cannot be seen there is none."""


def thumbnails(media: Media, crops: Sequence[Crop]) -> Pictures:
    """The crops of a media as JPEG of at most 160 x 320 pixels; none of a file that is not there, or that does not
    begin with what was indexed."""
    drawn: Pictures = {}
    try:
        for crop, picture in _pictures(media, crops):
            small = _small(picture)
            if len(small) <= LARGEST_THUMBNAIL:
                drawn[crop] = small
    except (ImageError, VideoError, MissingExtra, OSError):
        pass
    return drawn


def _pictures(media: Media, crops: Sequence[Crop]) -> Iterator[tuple[Crop, Image.Image]]:
    """Each crop with its pixels."""
    if media.kind is MediaKind.PHOTO:
        now, data = read_media(media.path)
        if now.digest == media.digest:
            photo = read_image(data)
            yield from ((crop, _cut(photo, crop.box)) for crop in crops)
    elif media.kind is MediaKind.VIDEO and begins_as(media):
        seek = media.watched is None or not media.watched.clock_reset
        times = sorted({crop.time for crop in crops if crop.time is not None})
        for time, frame in zip(times, frames_at(media.path, times, seek=seek), strict=True):
            picture = Image.fromarray(frame.pixels)
            yield from ((crop, _cut(picture, crop.box)) for crop in crops if crop.time == time)
    elif media.kind is MediaKind.CAMERA:
        for crop in crops:
            with suppress(ImageError):
                yield crop, read_crop(media, crop)


def _cut(picture: Image.Image, box: Box | None) -> Image.Image:
    return picture if box is None else picture.crop((round(box.x), round(box.y), round(box.x + box.width), round(box.y + box.height)))


def _small(picture: Image.Image) -> bytes:
    if picture.width > THUMBNAIL[0] or picture.height > THUMBNAIL[1]:
        picture = ImageOps.contain(picture, THUMBNAIL, Image.Resampling.LANCZOS)
    target = BytesIO()
    picture.save(target, "JPEG", quality=_QUALITY)
    return target.getvalue()
