"""A picture as a caller has it, in a file or in memory, as upright RGB."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from passerby.errors import InputError
from passerby.inputs import AnyPath, as_path
from passerby.media.photo import Picture, decoded, read_picture

AnyPicture = AnyPath | Image.Image | NDArray[np.uint8]

_IN_MEMORY = Path("a picture")
_EXPECTED = "a picture: a str or a Path of a file, a PIL.Image, or a uint8 array (h, w, 3) in RGB or (h, w) in grey"


def as_picture(value: AnyPicture) -> tuple[Picture, Path]:
    """The upright sRGB picture and its file, or what to call it where it has none.

    Args:
        value: a file's path, a picture of Pillow's, or an array uint8 (h, w, 3) in RGB or (h, w) in grey.

    Raises:
        InputError: something else.
        ImageError: the file or the picture cannot be used.
    """
    if isinstance(value, Image.Image):
        return decoded(value), _IN_MEMORY
    if isinstance(value, np.ndarray):
        return decoded(_of_array(value)), _IN_MEMORY
    path = as_path(value, _EXPECTED)
    return read_picture(path), path


def _of_array(pixels: NDArray[np.uint8]) -> Image.Image:
    shape_fits = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)
    if pixels.dtype != np.uint8 or not shape_fits or not pixels.size:
        raise InputError(expected=_EXPECTED, found=f"an array of {pixels.dtype} {pixels.shape}", do="convert it")
    return Image.fromarray(np.ascontiguousarray(pixels))
