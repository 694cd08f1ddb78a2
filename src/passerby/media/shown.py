"""The picture that somebody is seen in, as upright RGB: a photo, or a frame of a video."""

from __future__ import annotations

from PIL import Image

from passerby.media.photo import read_image
from passerby.media.video import frame_at
from passerby.types import Crop, Media, MediaKind


def read_shown(media: Media, crop: Crop) -> Image.Image:
    """The whole picture that a crop of somebody is a part of.

    Raises:
        ImageError: a photo that cannot be read.
        VideoError: a video that cannot be read, or has no frame of that time any more.
        MissingExtra: it is a video, and PyAV is not installed.
    """
    if media.kind is MediaKind.PHOTO or crop.time is None:
        return read_image(media.path)
    seek = media.watched is None or not media.watched.clock_reset
    return Image.fromarray(frame_at(media.path, crop.time, seek=seek).pixels)
