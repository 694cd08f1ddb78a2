"""Samples of more than 8 bits as 8 bits, and how many bits they really have."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from PIL import Image, ImageFile, TiffImagePlugin
from PIL.ExifTags import Base as Exif

from passerby.errors import ImageError

_DEPTHS: Final = (8, 10, 12, 14)
"""Bits that 16-bit samples may hold instead of 16."""

_WHITE: Final = {"I;12": 4095, "I;16S": 32767, "I;16BS": 32767}
"""White in samples whose depth is known."""

_GREY_AND_ALPHA: Final = "LA;16B"

_LOW_BYTES: Final = {_GREY_AND_ALPHA: "RGBA"} | {
    f"{mode};16{order}": f"{mode};16{other}"
    for mode in ("RGB", "RGBA", "RGBX")
    for order, other in (("B", "L"), ("L", "B"), ("N", "B" if sys.byteorder == "little" else "L"))
}
"""How to read the low bytes of samples whose high bytes Pillow reads; of grey with alpha, the second of four is the low byte of grey."""


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """Pixels as they are stored.

    Args:
        image: loaded.
        raw: Pillow's name of how its file lays them out, such as ``RGB;16B``.
        again: opens the file another time; ``None`` for a picture that is in memory alone.
    """

    image: Image.Image
    raw: str
    again: Callable[[], ImageFile.ImageFile] | None


def eight_bit(stored: Stored, notes: list[str]) -> Image.Image:
    """The picture with samples of 8 bits; where their depth had to be guessed, a note is added.

    Raises:
        ImageError: samples of which it is not known what is black and what is white.
    """
    if stored.image.mode == "F":
        raise ImageError(expected="pixels of a known range", found="floating-point pixels", do="convert it to JPEG or PNG")
    if stored.image.mode.startswith("I"):
        return _from_deep_grey(stored, notes)
    if stored.again and stored.raw in _LOW_BYTES and np.max(stored.image.convert("RGB").getextrema()) < 1 << _DEPTHS[-1] - 8:
        return _from_deep_colours(stored, stored.again(), notes)
    return stored.image


def raw_mode(image: ImageFile.ImageFile) -> str:
    """Pillow's name of how the file of a picture that is not loaded lays out its pixels; empty where it has none."""
    args = image.tile[0].args if image.tile else ""
    raw = args[0] if isinstance(args, tuple) and args else args
    return raw if isinstance(raw, str) else ""


def _from_deep_grey(stored: Stored, notes: list[str]) -> Image.Image:
    wide = stored.image.convert("I")
    darkest, brightest = np.array(wide.getextrema()).tolist()
    if darkest < 0 or brightest > 65535:
        found = "32-bit pixels" if brightest > 65535 else "pixels below zero"
        raise ImageError(expected="pixels of at most 16 bits", found=found, do="convert it to JPEG or PNG")
    white = _WHITE.get(stored.raw) or _guessed_white(brightest, notes)
    levels = [(min(value, white) * 255 + white // 2) // white for value in range(65536)]
    if _is_white_zero(stored.image):
        levels = [255 - level for level in levels]
    grey = wide.point(levels, "L")
    clear = grey.info.pop("transparency", None)
    if clear is not None:
        grey.putalpha(Image.fromarray(np.asarray(wide) != clear).convert("L"))
    return grey


def _from_deep_colours(stored: Stored, low: ImageFile.ImageFile, notes: list[str]) -> Image.Image:
    """Pillow keeps the high byte of each sample; where next to nothing is in it, the low one is read too, from the file opened again."""
    low.tile = [tile._replace(args=_with_raw(tile.args, _LOW_BYTES[stored.raw])) for tile in low.tile]
    places = (1, 1, 1) if stored.raw == _GREY_AND_ALPHA else (0, 1, 2)
    samples = (np.asarray(stored.image)[..., :3].astype(np.uint32) << 8) + np.asarray(low)[..., places]
    white = _guessed_white(int(samples.max()), notes)
    colours = Image.fromarray(((samples * 255 + white // 2) // white).astype(np.uint8))
    if stored.image.mode == "RGBA":
        colours.putalpha(stored.image.getchannel("A"))
    return colours


def _guessed_white(brightest: int, notes: list[str]) -> int:
    """What white is in 16-bit samples of which this is the largest."""
    bits = next((bits for bits in _DEPTHS if 0 < brightest < 1 << bits), 16)
    if bits < 16:
        notes.append(f"{bits} bits in 16, judged by the brightest pixel")
    return (1 << bits) - 1


def _is_white_zero(image: Image.Image) -> bool:
    return isinstance(image, TiffImagePlugin.TiffImageFile) and image.tag_v2.get(Exif.PhotometricInterpretation) == 0


def _with_raw(args: tuple[Any, ...] | str | None, raw: str) -> tuple[Any, ...] | str:
    return (raw, *args[1:]) if isinstance(args, tuple) else raw
