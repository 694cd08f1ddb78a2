"""Folders of drawn streets: practice for a detector, and the streets of the demo."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from passerby.atomic import replacing
from passerby.data.synthetic.gallery import demo_people
from passerby.data.synthetic.street import Passer, Street, draw_street
from passerby.types import Split

SHOWS_ENOUGH = 0.3
"""The share of somebody that must show for their box to be one to find; with less of them to be seen, it is one to ignore."""

_NOBODY = 0.12
_MOST = 16


def write_scenes(
    folder: Path, seed: int, count: int, *, size: tuple[int, int] = (640, 480), split: Split = Split.TRAIN
) -> tuple[Path, ...]:
    """Writes JPEG pictures of streets to ``images``, one in eight without anybody, and ``boxes.json`` with everybody's exact box.

    The table has a row ``{image, width, height, boxes_xyxy, ignore_xyxy, source, split, labels}`` for each picture, its boxes in pixels as
    left, top, right, bottom. Each file is written whole or not at all; the table comes last, so a table stands for complete pictures.

    Args:
        folder: made if it does not exist.
        seed: 0 or more; the same arguments write the same files.
        count: pictures.
        size: width and height of each picture in pixels.

    Returns:
        The pictures' paths.

    Raises:
        OSError: the folder cannot be written to.
    """
    (folder / "images").mkdir(parents=True, exist_ok=True)
    rows, pictures = [], []
    for number in range(count):
        rng = np.random.Generator(np.random.PCG64([seed, number, 0x5C]))
        people = 0 if rng.random() < _NOBODY else int(rng.integers(1, _MOST + 1))
        street = draw_street(int(rng.integers(2**31)), size, people)
        name = f"images/drawn_{seed}_{number:05d}.jpg"
        _write(folder / name, street, quality=int(rng.integers(70, 96)))
        pictures.append(folder / name)
        boxes = [_corners(one) for one in street.people if one.visible >= SHOWS_ENOUGH]
        ignored = [_corners(one) for one in street.people if 0 < one.visible < SHOWS_ENOUGH]
        table = {"boxes_xyxy": boxes, "ignore_xyxy": ignored, "source": "drawn", "split": str(split), "labels": "exact"}
        rows.append({"image": name, "width": size[0], "height": size[1], **table})
    with replacing(folder / "boxes.json") as file:
        file.write(json.dumps(rows).encode())
    return tuple(pictures)


def demo_streets() -> Iterator[tuple[str, Street]]:
    """The streets of the demo, a file name for each: all of ``demo_people``, each seen well and in one street.

    Who answers one of ``DEMO_QUESTIONS`` walks among those who come close.
    """
    people = demo_people()
    for number, (who, (seed, place, daylight)) in enumerate(zip(DEMO_CROWDS, _STREETS, strict=True), 1):
        there = [people[one] for one in who]
        yield f"{number:02d}-{place}.jpg", draw_street(seed, (960, 640), there, smallest=120, place=place, daylight=daylight)


def write_demo_streets(folder: Path) -> dict[Path, Street]:
    """Writes the JPEG pictures of :func:`demo_streets`; gives their paths and what they show. Raises ``OSError``."""
    folder.mkdir(parents=True, exist_ok=True)
    streets = {folder / name: street for name, street in demo_streets()}
    for path, street in streets.items():
        _write(path, street, quality=92)
    return streets


def _write(path: Path, street: Street, quality: int) -> None:
    with replacing(path) as file:
        street.picture.save(file, "JPEG", quality=quality)


def _corners(one: Passer) -> tuple[int, int, int, int]:
    left, top, width, height = one.box
    return left, top, left + width, top + height


DEMO_CROWDS = (
    (0, 3, 4, 6, 15),
    (1, 9, 10, 11, 16),
    (2, 13, 14, 17, 18),
    (5, 7, 8, 19, 20),
    (12, 21, 22, 23, 24),
    *(tuple(range(first, first + 5)) for first in range(25, 60, 5)),
)
"""Places in ``demo_people`` of those in each street."""

_STREETS = (
    (315, "square", "clouds"),
    (1041, "shops", "sun"),
    (2303, "park", "sun"),
    (3152, "street", "sun"),
    (4013, "station", "clouds"),
    (5076, "shop", "clouds"),
    (6018, "street", "clouds"),
    (7007, "square", "dusk"),
    (8034, "park", "clouds"),
    (9033, "shops", "rain"),
    (10075, "station", "sun"),
    (11016, "street", "sun"),
)
"""Seed, place and daylight of each street; with these seeds everybody is seen well."""
