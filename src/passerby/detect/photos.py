"""Photos to the people in them: files are read and looked at by several threads, one photo each."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from PIL.Image import Image

from passerby.detect.detector import Detections, Detector
from passerby.errors import PasserbyError
from passerby.look_ahead import look_ahead
from passerby.media.photo import read_picture
from passerby.model.onnx import available_cores
from passerby.types import Failure, Note

SIZE: Final = 640
"""Pixels of a photo's longer side when a detector looks at it."""
MIN_HEIGHT: Final = 40
"""Pixels of the photo that a person has at least."""

Cut = Callable[[int, int, Image], str]
"""Is given a photo's number, a person's, both from 0, and their crop; says where it keeps it."""


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """A photo and the people in it.

    Args:
        width, height: of the upright photo, in pixels.
        people: in pixels of it.
        notes: what had to be guessed of the photo.
        crops: where each person's is kept; empty where they are not.
    """

    path: Path
    width: int
    height: int
    people: Detections
    notes: tuple[Note, ...] = ()
    crops: tuple[str, ...] = ()


def detect_photos(
    detector: Detector,
    paths: Iterable[Path],
    *,
    size: int = SIZE,
    min_height: float = MIN_HEIGHT,
    cut: Cut | None = None,
    threads: int | None = None,
) -> Generator[Photo | Failure]:
    """Find the people in photos, one result for each path and in their order; photos with nobody have no people.

    Args:
        size: what a photo's longer side is shrunk or enlarged to before the detector looks, in pixels.
        min_height: people of fewer pixels of the photo are left out.
        cut: is given the crop of each person, by several threads at once.
        threads: photos that are read and looked at at once; ``None`` for one per core. With more than one, a detector is faster that
            uses one itself.

    Raises:
        ModelError: the detector cannot be trusted; a bad file never raises, it is a ``Failure``.
    """
    work = partial(_look, detector=detector, size=size, min_height=min_height, cut=cut)
    count = threads or available_cores()
    with closing(look_ahead(enumerate(paths), work, 2 * count, count)) as results:
        yield from results


def _look(item: tuple[int, Path], *, detector: Detector, size: int, min_height: float, cut: Cut | None) -> Photo | Failure:
    number, path = item
    try:
        picture = read_picture(path)
    except (PasserbyError, MemoryError) as error:
        return Failure(path.absolute(), _why_unread(error))
    image = picture.image
    people = tall(detector.detect(np.asarray(image), size), min_height)
    crops = tuple(cut(number, person, crop(image, box)) for person, box in enumerate(people.boxes)) if cut else ()
    notes = tuple(Note(path.absolute(), note) for note in picture.notes)
    return Photo(path.absolute(), image.width, image.height, people, notes, crops)


def _why_unread(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "expected a picture that fits the memory, found a larger one; shrink it"
    return str(error)


def tall(people: Detections, min_height: float) -> Detections:
    """Those who are at least so many pixels high."""
    stay = people.boxes[:, 3] - people.boxes[:, 1] >= min_height
    return Detections(people.boxes[stay], people.scores[stay])


def crop(image: Image, box: np.ndarray[tuple[int], np.dtype[np.float32]]) -> Image:
    """The pixels that a box touches."""
    left, top = np.floor(box[:2]).astype(int)
    right, bottom = np.ceil(box[2:]).astype(int)
    return image.crop((int(left), int(top), int(right), int(bottom)))
