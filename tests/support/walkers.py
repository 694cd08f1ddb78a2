"""Small videos of a grey street, on which people of saturated colours walk by or stand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import ImageDraw
from street import COLOURS, ColourDetector
from street import street as empty_street
from videos import RATE, write_video

from passerby.detect.detector import Detections
from passerby.index.sqlite.index import Index
from passerby.media.frame import Pixels
from passerby.types import Crop, Person

SIZE = (192, 96)
TALL, WIDE = 44, 14
Walk = tuple[float, float, Callable[[float], float], int, int]
"""From and to which second somebody is there, where their left side is at a second, their top, and their colour."""

PASSING: tuple[Walk, ...] = (
    (0.0, 5.0, lambda t: 10 + 30 * t, 4, 0),
    (1.0, 7.5, lambda t: 170 - 24 * (t - 1), 50, 1),
    (6.0, 9.0, lambda t: 20 + 20 * (t - 6), 4, 2),
)
"""Three people, of whom the last comes when the first is gone."""


def moments(walks: tuple[Walk, ...], seconds: float) -> Iterator[Pixels]:
    for number in range(round(seconds * RATE)):
        time = number / RATE
        image = empty_street(SIZE, [])
        draw = ImageDraw.Draw(image)
        for start, end, left_at, top, colour in walks:
            if start <= time < end:
                left = round(left_at(time))
                draw.rectangle((left, top, left + WIDE - 1, top + TALL - 1), COLOURS[colour])
        yield np.asarray(image)


def write_walkers(path: Path, walks: tuple[Walk, ...] = PASSING, seconds: float = 10.0, **how: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_video(path, pictures=moments(walks, seconds), options={"crf": "12"}, **how)  # type: ignore[arg-type]


class UnsureDetector(ColourDetector):
    """Finds the same and is not sure of it."""

    def detect(self, picture: Pixels, size: int) -> Detections:
        found = super().detect(picture, size)
        return Detections(found.boxes, np.full_like(found.scores, 0.55))


def everybody(index: Index) -> list[tuple[object, ...]]:
    """All that an index holds of the people in videos, to the bit, but for their ids."""
    return sorted(map(repr, (_facts(index, person, crops) for person, crops in index.people())))  # type: ignore[arg-type]


def _facts(index: Index, person: Person, crops: tuple[Crop, ...]) -> tuple[object, ...]:
    vectors = [index.vector_of(person, crop).tobytes() for crop in crops]
    return person.media.path.name, person.track, person.first, person.last, person.static, crops, vectors
