"""One pass over the pictures: each is read once, and what is kept of it is a row of 80 bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from passerby.errors import ImageError
from passerby.look_ahead import look_ahead
from passerby.media.files import read_media
from passerby.media.photo import read_image
from passerby.progress import Progress
from passerby.report.distribution import Distribution, distribution, percent
from passerby.types import Failure, Record

SIZE: Final = (192, 96)
"""Height and width, in pixels, at which pictures are compared: the same for all, and about what a person search model sees."""

ROW: Final = np.dtype(
    [
        ("record", np.int32),
        ("height", np.int32),
        ("width", np.int32),
        ("bytes", np.int64),
        ("digest", np.uint64),
        ("brightness", np.float32),
        ("contrast", np.float32),
        ("sharpness", np.float32),
        ("gradients", np.uint16, 8),
        ("colours", np.uint8, 24),
    ]
)
"""What is kept of a picture.

``record`` is its place among the records; ``height`` and ``width`` are of the upright picture, in pixels; ``digest`` is the start of the
SHA-256 of the file. ``brightness`` and ``contrast`` are mean and standard deviation of the grey picture, in [0, 1]. ``sharpness`` is the
variance of its Laplacian, in grey levels squared (Pech-Pacheco et al., ICPR 2000), at ``SIZE``. ``gradients`` and ``colours`` are what
near duplicates share: 128 bits and 4 x 2 mean colours.
"""

SHOWN: Final = 8
"""How many of the smallest, darkest and most blurred pictures are named."""

_MARGIN: Final = 2.0
"""Grey levels between neighbours that count as a step: more than what saving a picture again adds to an even wall."""

_AHEAD: Final = 256
"""Pictures in the hands of the threads at a time."""

_PIXELS: Final = np.geomspace(8, 8192, 61)
_ASPECT: Final = np.arange(0, 6.01, 0.25)
_KILOBYTES: Final = np.geomspace(0.1, 1e5, 49)
_UNIT: Final = np.linspace(0, 1, 41)
_SHARPNESS: Final = np.geomspace(0.1, 1e5, 49)


@dataclass(frozen=True, slots=True)
class Images:
    """How the pictures are.

    Args:
        readable, unreadable: pictures.
        height, width: in pixels.
        aspect: height / width.
        kilobytes: of the files, 1,000 bytes each.
        brightness, contrast: in [0, 1]; ``sharpness`` in grey levels squared; see ``ROW``.
        input_height, input_width: of the model the dataset is looked at for.
        smaller_than_input, smaller_percent: pictures with fewer pixels than that in height or width.
        wide, wide_percent: pictures wider than high.
        dark, dark_percent: pictures with a brightness below 0.15.
        smallest, darkest, most_blurred: names of records, worst first.
    """

    readable: int
    unreadable: int
    height: Distribution | None
    width: Distribution | None
    aspect: Distribution | None
    kilobytes: Distribution | None
    brightness: Distribution | None
    contrast: Distribution | None
    sharpness: Distribution | None
    input_height: int
    input_width: int
    smaller_than_input: int
    smaller_percent: float
    wide: int
    wide_percent: float
    dark: int
    dark_percent: float
    smallest: tuple[str, ...]
    darkest: tuple[str, ...]
    most_blurred: tuple[str, ...]


def measure_pictures(
    records: Sequence[Record], on_progress: Progress | None = None, *, readers: int = 2
) -> tuple[NDArray[Any], tuple[Failure, ...]]:
    """Read every picture once.

    Args:
        on_progress: told how many of how many are read.
        readers: threads.

    Returns:
        rows of ``ROW`` for the pictures that can be read, in the order of their records, and the failures.
    """
    rows = np.zeros(len(records), ROW)
    failures: list[Failure] = []
    for place, measured in enumerate(look_ahead((record.path for record in records), _measure_file, _AHEAD, readers)):
        if isinstance(measured, Failure):
            failures.append(measured)
        else:
            rows[place - len(failures)] = (place, *measured)
        if on_progress:
            on_progress(place + 1, len(records))
    return rows[: len(records) - len(failures)], tuple(failures)


def images_of(records: Sequence[Record], rows: NDArray[Any], model_input: tuple[int, int]) -> Images:
    """The figures of measured pictures.

    Args:
        rows: of ``ROW``.
        model_input: height and width in pixels.
    """
    height, width = rows["height"], rows["width"]
    smaller = int(np.sum((height < model_input[0]) | (width < model_input[1])))
    wide = int(np.sum(width > height))
    dark = int(np.sum(rows["brightness"] < 0.15))
    return Images(
        readable=len(rows),
        unreadable=len(records) - len(rows),
        height=distribution(height, _PIXELS),
        width=distribution(width, _PIXELS),
        aspect=distribution(height / np.maximum(width, 1), _ASPECT),
        kilobytes=distribution(rows["bytes"] / 1000, _KILOBYTES),
        brightness=distribution(rows["brightness"], _UNIT),
        contrast=distribution(rows["contrast"], _UNIT),
        sharpness=distribution(rows["sharpness"], _SHARPNESS),
        input_height=model_input[0],
        input_width=model_input[1],
        smaller_than_input=smaller,
        smaller_percent=percent(smaller, len(rows)),
        wide=wide,
        wide_percent=percent(wide, len(rows)),
        dark=dark,
        dark_percent=percent(dark, len(rows)),
        smallest=_lowest(records, rows, height.astype(np.int64) * width),
        darkest=_lowest(records, rows, rows["brightness"]),
        most_blurred=_lowest(records, rows, rows["sharpness"]),
    )


def measure(image: Image.Image) -> tuple[Any, ...]:
    """The fields of a ``ROW`` that the pixels of an RGB picture tell, from ``brightness`` on."""
    height, width = SIZE
    small = image.resize((width, height), Image.Resampling.BILINEAR)
    grey = small.convert("L")
    levels = np.asarray(grey, np.float32)
    laplacian = 4 * levels[1:-1, 1:-1] - levels[:-2, 1:-1] - levels[2:, 1:-1] - levels[1:-1, :-2] - levels[1:-1, 2:]
    colours = np.asarray(small.resize((2, 4), Image.Resampling.BOX)).reshape(-1)
    return levels.mean() / 255, levels.std() / 255, laplacian.var(), _gradients(grey), colours


def _gradients(grey: Image.Image) -> NDArray[np.uint16]:
    """Where a picture gets brighter to the right, and where downwards, on a grid of 8 x 8: 128 bits as uint16 (8,).

    A difference hash (Krawetz, 2013) in both directions.
    """
    grid = np.asarray(grey.resize((9, 9), Image.Resampling.BOX), np.float32)
    right = grid[:8, 1:] - grid[:8, :-1] > _MARGIN
    down = grid[1:, :8] - grid[:-1, :8] > _MARGIN
    return np.packbits(np.concatenate([right, down])).view(np.uint16)


def _measure_file(path: Path) -> tuple[Any, ...] | Failure:
    try:
        media, data = read_media(path)
        image = read_image(data)
    except ImageError as error:
        return Failure(path, str(error))
    return image.height, image.width, media.size, int(media.digest[:16], 16), *measure(image)


def _lowest(records: Sequence[Record], rows: NDArray[Any], values: NDArray[Any]) -> tuple[str, ...]:
    return tuple(records[rows["record"][place]].name for place in np.argsort(values, kind="stable")[:SHOWN])
