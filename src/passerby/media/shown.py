"""Pictures of somebody as upright RGB: their crop, and the photo or the frame of a video that it is a part of."""

from __future__ import annotations

from PIL import Image

from passerby.errors import ImageError, VideoError
from passerby.media.cut import cut_out
from passerby.media.files import unreadable
from passerby.media.growing import read_digest
from passerby.media.photo import read_image
from passerby.media.video import frame_at
from passerby.types import Crop, Media, MediaKind


def read_shown(media: Media, crop: Crop) -> Image.Image:
    """The whole picture that a crop of somebody is a part of.

    Raises:
        ImageError: a photo that cannot be read, or a live camera's frame, which is gone.
        VideoError: a video that cannot be read, or has no frame of that time any more.
        MissingExtra: it is a video, and PyAV is not installed.
    """
    if media.kind is MediaKind.CAMERA:
        raise ImageError(expected="a whole picture", found="none: of a live camera only people are kept", do="look at the crop")
    if media.kind is MediaKind.PHOTO or crop.time is None:
        return read_image(media.path)
    seek = media.watched is None or not media.watched.clock_reset
    return Image.fromarray(frame_at(media.path, crop.time, seek=seek).pixels)


def read_crop(media: Media, crop: Crop) -> Image.Image:
    """The pixels of somebody's crop. Raises as :func:`read_shown` does, but for those that an index keeps, and where its is closed."""
    if crop.kept is not None:
        return read_image(crop.kept())
    picture = read_shown(media, crop)
    return picture if crop.box is None else cut_out(picture, crop.box, margin=0)


def require_unchanged(media: Media) -> None:
    """Refuse a file of other bytes than were indexed; those of the same size and times are taken as the same. Raises ``VideoError``."""
    try:
        status = media.path.stat()
    except OSError as error:
        raise unreadable(error, VideoError) from None
    if (status.st_size, status.st_mtime_ns, status.st_ctime_ns) == (media.size, media.modified_ns, media.changed_ns):
        return
    if read_digest(media.path).hex != media.digest:
        found = f"another one at {media.path}, or one that was added to"
        raise VideoError(expected="the video that was indexed", found=found, do="index it again; people get other ids then")
