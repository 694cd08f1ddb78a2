"""From a picture to the numbers a tower takes: the one path that training, evaluation, indexing and serving share."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError
from PIL.ExifTags import Base as Exif

from passerby.errors import ImageError, ModelError
from passerby.model.media import read_media

Resample = Literal["bicubic", "bilinear"]

MAX_PIXELS: Final = 100_000_000
"""A larger picture is refused before it is decoded: a few bytes can claim to be a picture that fills the memory."""

FORMATS: Final = ("JPEG", "PNG", "BMP", "GIF", "PPM", "WEBP", "TIFF", "JPEG2000", "AVIF")

_FILTERS: Final = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}
_UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_HEIF_BRANDS: Final = frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"})

# What Pillow has to say about a picture is said by read_image, in its error or not at all.
warnings.filterwarnings("ignore", module=r"PIL\.")
logging.getLogger("PIL").addHandler(logging.NullHandler())


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How a model wants its pictures.

    Args:
        height, width: of the tower's input, in pixels.
        mean, std: per channel (red, green, blue), of pixels in [0, 1].
        resample: Pillow's antialiased filter.

    Raises:
        ModelError: a size that is not positive, a mean or std that is not finite, a std that is not positive.
    """

    height: int
    width: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    resample: Resample = "bicubic"

    def __post_init__(self) -> None:
        sizes_fit = all(type(size) is int and 0 < size <= 4096 for size in (self.height, self.width))
        _require(sizes_fit, "a height and width of 1 to 4096 pixels", f"{self.height!r} x {self.width!r}")
        _require(_three_finite(self.mean), "a mean of three finite numbers", repr(self.mean))
        _require(_three_finite(self.std) and min(self.std) > 0, "a std of three positive numbers", repr(self.std))
        _require(self.resample in get_args(Resample), f"resample to be one of {', '.join(get_args(Resample))}", repr(self.resample))

    @classmethod
    def from_json(cls, value: object) -> Preprocessing:
        """The inverse of :meth:`to_json`. Raises ``ModelError`` for anything else; ignores keys it does not know."""
        if not isinstance(value, Mapping):
            raise _unusable("preprocessing to be an object", repr(value))
        try:
            mean, std = tuple(value["mean"]), tuple(value["std"])
            return cls(value["height"], value["width"], mean, std, value.get("resample", "bicubic"))
        except (KeyError, TypeError) as error:
            raise _unusable("preprocessing with height, width, mean and std", repr(error)) from None

    def to_json(self) -> dict[str, object]:
        return asdict(self) | {"mean": list(self.mean), "std": list(self.std)}


def read_image(source: Path | bytes) -> Image.Image:
    """Decode a picture to upright RGB.

    Orientation from EXIF is applied, transparency lies over white, 16-bit grey is scaled to 8 bits, and an animation
    gives its first frame. Safe to call from many threads.

    Args:
        source: a path, or the bytes of a file.

    Raises:
        ImageError: not a picture, a damaged one, or one of more than ``MAX_PIXELS``; the reason is one line.
    """
    data = source if isinstance(source, bytes) else read_media(source)[1]
    image = _open(data)
    try:
        image.load()
        return _rgb(_upright(image))
    except ImageError:
        raise
    except Exception as error:  # Pillow's decoders raise many types, and one damaged file must never stop a run
        raise ImageError(expected="a whole picture", found=f"a damaged one ({_one_line(error)})", do="replace the file") from None


def resize(image: Image.Image, height: int, width: int, resample: Resample) -> NDArray[np.uint8]:
    """Squash an RGB picture to a size, antialiased: uint8 (height, width, 3)."""
    return np.asarray(image.resize((width, height), _FILTERS[resample]), dtype=np.uint8)


def normalise(pixels: NDArray[np.uint8], p: Preprocessing) -> NDArray[np.float32]:
    """``(pixels / 255 - mean) / std`` per channel.

    Args:
        pixels: uint8 (n, h, w, 3).

    Returns:
        float32 (n, 3, h, w), C-contiguous.
    """
    scale = np.array([1 / (255 * s) for s in p.std], np.float32)
    shift = np.array([m / s for m, s in zip(p.mean, p.std, strict=True)], np.float32)
    planes = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2), np.float32)
    planes *= scale[:, None, None]
    planes -= shift[:, None, None]
    return planes


def preprocess(image: Image.Image, p: Preprocessing) -> NDArray[np.float32]:
    """An RGB picture as a tower takes it: float32 (3, height, width)."""
    planes: NDArray[np.float32] = normalise(resize(image, p.height, p.width, p.resample)[None], p)[0]
    return planes


def _open(data: bytes) -> ImageFile.ImageFile:
    """Read the header alone, and refuse by it."""
    if not data:
        raise ImageError(expected="a picture", found="an empty file", do="replace the file")
    try:
        image = Image.open(BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError:
        raise _wrong_size("more pixels") from None
    except Exception as error:  # a damaged header raises many types too
        raise _not_a_picture(data, error) from None
    if not 0 < image.width * image.height <= MAX_PIXELS:
        raise _wrong_size(f"{image.width} x {image.height}")
    return image


def _not_a_picture(data: bytes, error: Exception) -> ImageError:
    if data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS:
        return ImageError(expected="a picture that can be decoded", found="HEIC", do="convert it to JPEG")
    if isinstance(error, UnidentifiedImageError):
        return ImageError(expected="a picture", found="no known picture format", do="convert it to JPEG or PNG")
    return ImageError(expected="a whole picture", found=f"a damaged one ({_one_line(error)})", do="replace the file")


def _wrong_size(found: str) -> ImageError:
    return ImageError(expected=f"a picture of 1 pixel to {MAX_PIXELS // 10**6} megapixels", found=found, do="scale it down")


def _upright(image: Image.Image) -> Image.Image:
    try:
        orientation = image.getexif().get(Exif.Orientation, 1)
    except Exception:  # damaged EXIF says nothing about the pixels
        return image
    turn = _UPRIGHT.get(orientation)
    return image if turn is None else image.transpose(turn)


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        return _from_16_bit(image)
    if image.mode == "F":
        raise ImageError(expected="pixels of a known range", found="floating-point pixels", do="convert it to JPEG or PNG")
    if image.has_transparency_data:
        return _over_white(image.convert("RGBA"))
    return image.convert("RGB")


def _over_white(image: Image.Image) -> Image.Image:
    paper = Image.new("RGB", image.size, "white")
    paper.paste(image, mask=image)
    return paper


def _from_16_bit(image: Image.Image) -> Image.Image:
    wide = image.convert("I")
    extremes = np.array(wide.getextrema())
    if extremes.min() < 0 or extremes.max() > 65535:
        raise ImageError(expected="pixels of at most 16 bits", found="32-bit pixels", do="convert it to JPEG or PNG")
    return wide.point([(value + 128) // 257 for value in range(65536)], "L").convert("RGB")


def _three_finite(values: object) -> bool:
    return isinstance(values, tuple) and len(values) == 3 and all(type(v) in (int, float) and math.isfinite(v) for v in values)


def _require(holds: bool, expected: str, found: str) -> None:
    if not holds:
        raise _unusable(expected, found)


def _unusable(expected: str, found: str) -> ModelError:
    return ModelError(expected=expected, found=found, do="correct the model's manifest")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
