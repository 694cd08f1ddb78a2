"""Drawn streets with people of saturated colours, and a detector that finds them by their colours."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from passerby.detect.detector import Detections, everyone
from passerby.detect.letterbox import letterbox
from passerby.errors import ModelError
from passerby.types import ModelDigest

Sides = tuple[int, int, int, int]
"""Left, top, right and bottom."""

COLOURS = ("#e00000", "#0000e0", "#00a000", "#d0a000", "#c000c0", "#00a0a0")


def street(size: tuple[int, int], people: Sequence[Sides]) -> Image.Image:
    """A grey picture with a person in each of some boxes, dressed in two colours."""
    image = Image.new("RGB", size, "#787878")
    draw = ImageDraw.Draw(image)
    for n, (left, top, right, bottom) in enumerate(people):
        waist = (top + bottom) // 2
        draw.rectangle((left, top, right - 1, waist), COLOURS[n % 6])
        draw.rectangle((left, waist, right - 1, bottom - 1), COLOURS[(n + 1 + n // 6) % 6])
    return image


def write_street(path: Path, people: Sequence[Sides], size: tuple[int, int] = (400, 300), **how: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    street(size, people).save(path, **how)  # type: ignore[arg-type]
    return path


def write_people_crops(folder: Path, count: int, seed: int = 0) -> list[Path]:
    """Crops of one person each, who fills them, all different."""
    rng = np.random.default_rng(seed)
    paths = []
    for n in range(count):
        left, top = rng.integers(1, 8, 2).tolist()
        image = street((50, 120), [(left, top, left + 34, top + 104)])
        image.putpixel((0, 0), (seed % 256, n % 256, n // 256))
        paths.append(folder / f"{n:04}.png")
        folder.mkdir(parents=True, exist_ok=True)
        image.save(paths[-1])
    return paths


class ColourDetector:
    """Finds patches of saturated colours that stand apart, from 6 pixels on as it looks at them; counts how often it looks."""

    def __init__(self, name: str = "colours", grow: int = 0, fails_on: int | None = None) -> None:
        self.name = name
        self.looked = 0
        self._grow, self._fails_on = grow, fails_on

    @property
    def digest(self) -> ModelDigest:
        return ModelDigest(hashlib.sha256(self.name.encode()).hexdigest())

    def detect(self, picture: NDArray[np.uint8], size: int) -> Detections:
        self.looked += 1
        if picture.shape[1] == self._fails_on:
            raise ModelError(expected="finite boxes", found="others", do="use another detector")
        canvas, (across, down) = letterbox(picture, size)
        coloured = np.ptp(canvas.astype(int), axis=2) > 100
        found = [box for box in patches(coloured) if box[3] - box[1] >= 6]
        boxes = np.array(found, np.float32).reshape(-1, 4) / np.array([across, down] * 2, np.float32)
        boxes += np.array([-self._grow, -self._grow, self._grow, self._grow], np.float32)
        return everyone(boxes.astype(np.float32), np.full(len(boxes), 0.9), picture.shape[1], picture.shape[0])


def patches(mask: NDArray[np.bool_], left: int = 0, top: int = 0) -> Iterator[Sides]:
    """The boxes of what stands apart in a mask, cut along empty columns and rows."""
    for first, last in runs(np.any(mask, axis=0)):
        column = mask[:, first:last]
        rows = runs(np.any(column, axis=1))
        for upper, lower in rows:
            if (first, last) == (0, mask.shape[1]) and len(rows) == 1:
                yield left, top + upper, left + last, top + lower
            else:
                yield from patches(column[upper:lower], left + first, top + upper)


def runs(filled: NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], filled.astype(np.int8), [0]])))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


class FindsEverything:
    """Finds somebody in every cell of a grid, as a detector does that went wrong."""

    name = "everything"
    digest = ModelDigest("e" * 64)

    def detect(self, picture: NDArray[np.uint8], size: int) -> Detections:
        height, width = picture.shape[:2]
        side = size // 20
        y, x = np.divmod(np.arange(side * side), side)
        sides = np.stack([x * width, y * height, (x + 1) * width, (y + 1) * height], axis=1) / side
        return everyone(sides.astype(np.float32), np.full(len(sides), 0.6), width, height)
