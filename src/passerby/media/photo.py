"""From a picture's bytes to upright sRGB pixels, whatever its format, its metadata and what is damaged of it."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import Final

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError
from PIL.ExifTags import IFD
from PIL.ExifTags import Base as Exif

from passerby.errors import ImageError
from passerby.media.colour import in_srgb
from passerby.media.depth import Stored, eight_bit, raw_mode
from passerby.media.files import read_media
from passerby.media.formats import DECODED, claimed_format, undecoded_format
from passerby.media.metadata import ended_jpegs, is_blank_at_end, jpeg2000_profile, without_metadata

MAX_PIXELS: Final = 100_000_000
"""A larger picture is refused before it is decoded: a few bytes can claim to be a picture that fills the memory."""

NO_ORIENTATION: Final = "EXIF that cannot be read: taken as upright"
NO_PROFILE: Final = "a colour profile that cannot be read: taken as sRGB"
NO_ALPHA: Final = "transparent everywhere: shown without its transparency"
FIRST_FRAME: Final = "several frames: the first was taken"
INVERTED_INK: Final = "CMYK that does not say where white is: taken as Adobe's"

_UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_PILLOWS: Final = ("ignore", None, Warning, re.compile(r"PIL\."), 0)
"""A filter of warnings as ``warnings.filters`` holds it."""
_QUIETENING: Final = Lock()
_UNSEEN_ALPHA: Final = 1
_JPEG2000_PIXELS: Final = b"\xff\x93"
"""What pixels begin with; without any, the decoder gives a black picture and no error."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A decoded picture.

    Args:
        image: upright sRGB.
        notes: what had to be guessed or left out, each in a few words that other pictures may share.
        exif: empty where it is damaged or there is none.
    """

    image: Image.Image
    notes: tuple[str, ...]
    exif: Image.Exif


def read_image(source: Path | bytes) -> Image.Image:
    """The pixels of :func:`read_picture`, upright sRGB in mode RGB."""
    return read_picture(source).image


def read_picture(source: Path | bytes) -> Picture:
    """Decode a picture to upright sRGB, and say what was guessed.

    Orientation from EXIF is applied, an embedded colour profile is converted from, transparency lies over white, deeper pixels are
    scaled to 8 bits, and an animation gives its first frame. Damaged metadata costs no picture. Safe to call from many threads.

    Args:
        source: a path, or the bytes of a file.

    Raises:
        ImageError: not a picture, a damaged one, one that shows nothing, or one of more than ``MAX_PIXELS``; the reason is one line.
    """
    data = source if isinstance(source, bytes) else read_media(source)[1]
    if not data:
        raise ImageError(expected="a picture", found="an empty file", do="replace the file")
    notes: list[str] = []
    with _refusing(partial(_unreadable, data)):
        return _picture(_load_whole(data, notes), notes)


def decoded(image: Image.Image) -> Picture:
    """A picture of Pillow's as upright sRGB: what :func:`read_picture` makes of its file. Raises ``ImageError``."""
    _require_size(image)
    with _refusing(_damaged):
        image.load()
        return _picture(Stored(image, image.mode, None), [])


def read_exif(source: Path | BytesIO) -> Image.Exif:
    """The EXIF of a picture, read without its pixels; empty where there is none or it cannot be read."""
    ignore_warnings_of_pillow()
    with suppress(Exception), Image.open(source, formats=tuple(DECODED)) as image:
        exif = image.getexif()
        for directory in (IFD.Exif, IFD.GPSInfo):  # while the file is open
            exif.get_ifd(directory)
        return exif
    return Image.Exif()


@contextmanager
def _refusing(refusal: Callable[[Exception], ImageError]) -> Iterator[None]:
    """Turn whatever Pillow raises into an ``ImageError``, and keep what it warns of to ourselves."""
    ignore_warnings_of_pillow()
    try:
        yield
    except ImageError:
        raise
    except MemoryError:
        raise ImageError(expected="a picture that fits the memory", found="a larger one", do="make it smaller") from None
    except Exception as error:  # Pillow's decoders raise many types, and one damaged file must never stop a run
        raise refusal(error) from None


def ignore_warnings_of_pillow() -> None:
    """Said in our errors or not at all; from the first picture on, not on import, and for good: threads share the filters, and one that
    put them back would do so while another reads. A filter that the program sets later comes first."""
    with _QUIETENING:
        if _PILLOWS not in warnings.filters:
            warnings.filterwarnings("ignore", module=_PILLOWS[3].pattern)
        if not (logger := logging.getLogger("PIL")).handlers:
            logger.addHandler(logging.NullHandler())


def _load_whole(data: bytes, notes: list[str]) -> Stored:
    """All pixels of a file, past metadata that is damaged."""
    try:
        return _load(data)
    except (ImageError, MemoryError):
        raise
    except Exception:  # Pillow's decoders raise many types
        for bare, kept in without_metadata(data):
            loaded = _load_or_none(bare)
            if loaded:
                notes += [note for what, note in (("exif", NO_ORIENTATION), ("icc", NO_PROFILE)) if what not in kept]
                return loaded
        raise


def _load_or_none(data: bytes) -> Stored | None:
    try:
        return _load(data)
    except (ImageError, MemoryError):
        raise
    except Exception:
        return None


def _load(data: bytes) -> Stored:
    image = _open(data)
    if image.format == "JPEG2000":
        if _JPEG2000_PIXELS not in data:
            raise OSError("image file is truncated")
        if profile := jpeg2000_profile(data):
            image.info["icc_profile"] = profile
    raw = raw_mode(image)
    if image.format not in ("JPEG", "MPO"):
        image.load()
    elif is_blank_at_end(data):
        image = _load_without_end(data)
    else:
        try:
            image.load()
        except OSError:
            image = _load_without_end(data)
    return Stored(image, raw, partial(_open, data))


def _load_without_end(data: bytes) -> ImageFile.ImageFile:
    """A JPEG that lacks its end marker and nothing else."""
    endings = map(_open, ended_jpegs(data))
    first = next(endings, None)
    if first is None or any(other.tobytes() != first.tobytes() for other in endings):
        raise OSError("image file is truncated")
    return first


def _open(data: bytes) -> ImageFile.ImageFile:
    """Read the header alone, and refuse by it."""
    try:
        image = Image.open(BytesIO(data), formats=tuple(DECODED))
    except Image.DecompressionBombError:
        raise _wrong_size("more pixels") from None
    _require_size(image)
    return image


def _require_size(image: Image.Image) -> None:
    if not 0 < image.width * image.height <= MAX_PIXELS:
        raise _wrong_size(f"{image.width} x {image.height}")


def _unreadable(data: bytes, error: Exception) -> ImageError:
    if undecoded := undecoded_format(data):
        return ImageError(expected="a picture that can be decoded", found=undecoded, do="convert it to JPEG")
    if not isinstance(error, UnidentifiedImageError):
        return _damaged(error)
    if claimed := claimed_format(data):
        found = f"a {claimed} that is damaged, or of a kind that is not read"
        return ImageError(expected="a picture that can be decoded", found=found, do="replace it, or save it as an 8-bit RGB JPEG or PNG")
    return ImageError(expected="a picture", found="no known picture format", do="convert it to JPEG or PNG")


def _damaged(error: Exception) -> ImageError:
    return ImageError(expected="a whole picture", found=f"a damaged one ({_one_line(error)})", do="replace the file")


def _wrong_size(found: str) -> ImageError:
    return ImageError(expected=f"a picture of 1 pixel to {MAX_PIXELS // 10**6} megapixels", found=found, do="scale it down")


def _picture(loaded: Stored, notes: list[str]) -> Picture:
    exif = Image.Exif()
    with suppress(Exception):  # damaged EXIF says nothing about the pixels
        exif = loaded.image.getexif()
    return Picture(_upright(_rgb(loaded, notes), loaded.image, exif, notes), tuple(dict.fromkeys(notes)), exif)


def _upright(image: Image.Image, stored: Image.Image, exif: Mapping[int, object], notes: list[str]) -> Image.Image:
    if stored.info.get("exif") and not exif:
        notes.append(NO_ORIENTATION)
    orientation = exif.get(Exif.Orientation)
    turn = _UPRIGHT.get(orientation) if isinstance(orientation, int) else None
    return image if turn is None else image.transpose(turn)


def _rgb(loaded: Stored, notes: list[str]) -> Image.Image:
    image = loaded.image
    profile = image.info.get("icc_profile")
    if "icc_profile" in image.info and not profile:
        notes.append(NO_PROFILE)
    if getattr(image, "is_animated", False) and image.format != "MPO":
        notes.append(FIRST_FRAME)
    if image.format == "JPEG" and image.mode == "CMYK" and "adobe" not in image.info:
        notes.append(INVERTED_INK)
    shallow = eight_bit(loaded, notes)
    if not shallow.has_transparency_data:
        return _srgb(shallow, profile, notes)
    whole = shallow.convert("LA").convert("RGBA") if shallow.mode == "La" else shallow.convert("RGBA")
    colours = _srgb(shallow if shallow.mode == "LA" else whole, profile, notes)
    return _over_white(colours, whole.getchannel("A"), notes)


def _srgb(image: Image.Image, profile: bytes | None, notes: list[str]) -> Image.Image:
    if profile:
        try:
            return in_srgb(image, profile)
        except Exception:  # a damaged profile says nothing about the pixels
            notes.append(NO_PROFILE)
    return image if image.mode == "RGB" else image.convert("RGB")


def _over_white(colours: Image.Image, alpha: Image.Image, notes: list[str]) -> Image.Image:
    if np.max(alpha.getextrema()) <= _UNSEEN_ALPHA:
        if all(low == high for low, high in map(Image.Image.getextrema, colours.split())):
            raise ImageError(expected="a picture that shows something", found="one that is transparent everywhere", do="replace the file")
        notes.append(NO_ALPHA)
        return colours
    paper = Image.new("RGB", colours.size, "white")
    paper.paste(colours, mask=alpha)
    return paper


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
