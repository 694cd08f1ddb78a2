"""Folders of scenes for tests: pictures with flat people on grey, and the boxes of each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIZE = 96, 64
"""Width and height of a picture."""

Corners = Sequence[Sequence[float]]


def write_picture(path: Path, boxes: Corners = (), size: tuple[int, int] = SIZE) -> Path:
    """A grey picture in which each box is white."""
    pixels = np.full((size[1], size[0], 3), 90, np.uint8)
    for left, top, right, bottom in np.array(boxes, int).reshape(-1, 4):
        pixels[top:bottom, left:right] = 255
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def entry(name: str, boxes: Corners = (), **more: object) -> dict[str, object]:
    """One of ``boxes.json``."""
    return {"image": name, "width": SIZE[0], "height": SIZE[1], "boxes_xyxy": [list(box) for box in boxes], **more}


def write_scenes(folder: Path, entries: Sequence[Mapping[str, object]]) -> Path:
    """The folder, with ``boxes.json`` and a picture for each entry."""
    for one in entries:
        write_picture(folder / str(one["image"]), one["boxes_xyxy"])  # type: ignore[arg-type]
    (folder / "boxes.json").write_text(json.dumps(entries))
    return folder


def boxes_of(*corners: Sequence[float]) -> NDArray[np.float32]:
    return np.array(corners, np.float32).reshape(-1, 4)
