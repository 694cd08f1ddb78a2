"""A picture that was sent, and whom of the people in it is asked about: nothing of it is kept beyond the answer."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from passerby.detect.people import Detecting
from passerby.find.like import person_in
from passerby.media.cut import cut_out
from passerby.service.pictures import jpeg
from passerby.service.uploads import decode_upload
from passerby.types import Box

if TYPE_CHECKING:
    from PIL.Image import Image

CROP_SIZE: Final = (192, 384)
"""Of the crops that go back to who sent the picture; models look at less."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What came.

    Args:
        data: a file's bytes.
        box: around whom it is meant, in pixels of the picture when it is upright.
        is_crop: whether it is of one person whole; nobody is looked for in it then.
    """

    data: bytes
    box: Box | None = None
    is_crop: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Sent:
    """A picture, looked at.

    Args:
        whole: upright RGB.
        person: the part of it that is asked about, likewise.
        taken: where in it that is; ``None`` for all of it.
        people: everybody who was found in it, the largest first; nobody where none was looked for, or it is a crop of one person.
    """

    whole: Image
    person: Image
    taken: Box | None
    people: tuple[Box, ...]

    def crops(self, most: int) -> list[str]:
        """The largest people as JPEG in Base64."""
        return [b64encode(jpeg(cut_out(self.whole, box), CROP_SIZE)).decode() for box in self.people[:most]]


def look_at(picture: Picture, detecting: Detecting | None) -> Sent:
    """Decode a picture and find who is meant: whoever is in its box, else the largest person, else all of it.

    Raises:
        ImageError, ServiceBusy: as :func:`decode_upload` does.
        QueryError: a box outside of the picture.
        ModelError: the detector fails.
    """
    whole = decode_upload(picture.data)
    meant = person_in(whole, picture.box, None if picture.is_crop else detecting)
    return Sent(whole, meant.image, meant.box, meant.people)
