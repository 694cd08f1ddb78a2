"""Scenes for tests of a detector: grey noise with people who are upright red rectangles, and their boxes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

RED = (220, 30, 40)


def red_people(rng: np.random.Generator, width: int, height: int, count: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """A picture uint8 (height, width, 3), and the boxes float32 (count, 4) of people who do not hide each other."""
    picture = rng.integers(90, 150, (height, width, 3), np.uint8)
    boxes = np.empty((count, 4), np.float32)
    column = width // max(count, 1)
    for i in range(count):
        tall = int(rng.integers(height // 3, height * 3 // 4))
        wide = min(max(tall // 3, 4), column - 2)
        left, top = i * column + int(rng.integers(0, column - wide)), int(rng.integers(0, height - tall))
        picture[top : top + tall, left : left + wide] = RED
        boxes[i] = left, top, left + wide, top + tall
    return picture, boxes


def write_red_scenes(folder: Path, train: int, val: int, seed: int = 1) -> Path:
    """A dataset of such scenes with 0 to 3 people each."""
    rng = np.random.default_rng(seed)
    entries = []
    for i in range(train + val):
        width, height = int(rng.integers(80, 160)), int(rng.integers(80, 130))
        picture, boxes = red_people(rng, width, height, i % 4)
        Image.fromarray(picture).save(folder / f"{i}.png")
        split = "train" if i < train else "val"
        entries.append({"image": f"{i}.png", "width": width, "height": height, "boxes_xyxy": boxes.tolist(), "split": split})
    (folder / "boxes.json").write_text(json.dumps(entries))
    return folder
