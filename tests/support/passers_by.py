"""Two people who pass each other on a street of noise, as a video and in an index."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from crops import random_vectors
from videos import RATE, write_video

from passerby.index.base import Index
from passerby.index.sighting import Sighting
from passerby.media.frame import Pixels
from passerby.media.growing import read_digest
from passerby.types import Box, Crop, Media, MediaKind

STREET_WIDTH, STREET_HEIGHT, SECONDS = 192, 96, 6.0
RED, BLUE = (220, 30, 40), (30, 60, 220)
KNOWN = (1.0, 2.0, 3.5, 5.0)
"""At which seconds an index knows where they are."""


def red_at(time: float) -> Box:
    return Box(20 + 25 * time, 30, 20, 50)


def blue_at(time: float) -> Box:
    """Where the red one is at 3 s, and nowhere near before 2 s."""
    return Box(170 - 25 * time, 24, 20, 60)


def street_at(time: float) -> Pixels:
    """A frame: noise that stays, and both people, striped so that they have detail."""
    picture = np.random.default_rng(5).integers(0, 256, (STREET_HEIGHT, STREET_WIDTH, 3), np.uint8)
    for box, colour in ((red_at(time), RED), (blue_at(time), BLUE)):
        left, top = round(box.x), round(box.y)
        inside = picture[top : top + round(box.height), left : left + round(box.width)]
        inside[:] = colour
        inside[::6] = 255 - np.array(colour)
    return picture


def write_street(path: Path, **how: object) -> Path:
    pictures = [street_at(number / RATE) for number in range(round(SECONDS * RATE))]
    return write_video(path, pictures=pictures, options={"crf": "12"}, **how)  # type: ignore[arg-type]


def put_street(index: Index, video: Path, places: Sequence[Callable[[float], Box] | None] = (red_at, blue_at), dim: int = 16) -> list[int]:
    """Let an index hold the people of a street, as `index` does; their ids. Of ``None`` it does not know where they are."""
    status, digest = video.stat(), read_digest(video).hex
    media = Media(video, status.st_size, status.st_mtime_ns, digest, changed_ns=status.st_ctime_ns, kind=MediaKind.VIDEO)
    vectors = random_vectors(len(places) * len(KNOWN), dim=dim).reshape(len(places), len(KNOWN), -1)
    people = [
        Sighting(tuple(Crop(at and at(time), time) for time in KNOWN), vectors[number], number, KNOWN[0], KNOWN[-1])
        for number, at in enumerate(places)
    ]
    with index.writing():
        index.put(media, people)
    return [person.id or 0 for person, _ in index.people() if person.media.path == video]
