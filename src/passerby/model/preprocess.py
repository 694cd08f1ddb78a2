"""From a picture to the numbers a tower takes: the one path that training, evaluation, indexing and serving share."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from passerby.errors import ModelError

if TYPE_CHECKING:
    from PIL import Image

Resample = Literal["bicubic", "bilinear"]


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


def resize(image: Image.Image, height: int, width: int, resample: Resample) -> NDArray[np.uint8]:
    """Squash an RGB picture to a size, antialiased: uint8 (height, width, 3)."""
    from PIL.Image import Resampling

    return np.asarray(image.resize((width, height), Resampling[resample.upper()]), dtype=np.uint8)


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


def _three_finite(values: object) -> bool:
    return isinstance(values, tuple) and len(values) == 3 and all(type(v) in (int, float) and math.isfinite(v) for v in values)


def _require(holds: bool, expected: str, found: str) -> None:
    if not holds:
        raise _unusable(expected, found)


def _unusable(expected: str, found: str) -> ModelError:
    return ModelError(expected=expected, found=found, do="correct the model's manifest")
