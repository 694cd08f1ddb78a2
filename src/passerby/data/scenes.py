"""Photos with many people, and the box of each: what a person detector learns from and is judged on.

The layout is a folder with ``boxes.json``, a list of ``{image, width, height, boxes_xyxy, …}`` with paths below the folder and corners in
pixels of the picture. ``ignore_xyxy`` names regions in which people are not boxed one by one, ``split`` is ``train`` or ``val``, ``labels``
says by whom the boxes are (``human``, ``teachers``, ``exact``), ``source`` where the picture is from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from passerby.errors import DatasetError
from passerby.types import Split

BOXES: Final = "boxes.json"
HUMAN: Final = "human"


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """One photo and the people in it.

    Args:
        path: of the picture.
        size: its width and height in pixels.
        boxes: float32 (n, 4): left, top, right, bottom in pixels.
        ignored: float32 (m, 4): regions in which nothing is known of anybody who has no box.
        labels: by whom the boxes are, such as ``human``.
    """

    path: Path
    size: tuple[int, int]
    boxes: np.ndarray[Any, np.dtype[np.float32]]
    ignored: np.ndarray[Any, np.dtype[np.float32]]
    split: Split
    labels: str
    source: str


def load_scenes(folder: Path) -> list[Scene]:
    """The scenes of a dataset's folder, in the order of its ``boxes.json``.

    Raises:
        DatasetError: no such file, or one that is damaged or names pictures that are not there.
    """
    path = folder / BOXES
    try:
        entries = json.loads(path.read_bytes())
    except OSError as error:
        found = str(error.strerror).lower()
        raise DatasetError(expected=f"a dataset of scenes with {path}", found=found, do="name the folder that holds it") from None
    except ValueError as error:
        raise DatasetError(expected=f"{path} to be JSON", found=str(error), do="write it again") from None
    if not isinstance(entries, list) or not entries:
        raise DatasetError(expected=f"{path} to be a list of pictures", found=type(entries).__name__, do="see docs/datasets.md")
    scenes = [_scene(folder, i, entry) for i, entry in enumerate(entries)]
    missing = [scene.path for scene in scenes if not scene.path.is_file()]
    if missing:
        found = f"{len(missing)} that are not there, the first {missing[0]}"
        raise DatasetError(expected=f"the {len(scenes)} pictures of {path}", found=found, do="unpack them beside it")
    return scenes


def _scene(folder: Path, number: int, entry: object) -> Scene:
    try:
        assert isinstance(entry, Mapping)
        size = int(entry["width"]), int(entry["height"])
        return Scene(
            folder / str(entry["image"]),
            size,
            _boxes(entry["boxes_xyxy"]),
            _boxes(entry.get("ignore_xyxy", [])),
            Split(entry.get("split", "val")),
            str(entry.get("labels", HUMAN)),
            str(entry.get("source", "")),
        )
    except (AssertionError, KeyError, TypeError, ValueError) as error:
        expected = f"image, width, height and boxes_xyxy in entry {number} of {folder / BOXES}"
        raise DatasetError(expected=expected, found=f"{type(error).__name__}: {error}", do="mend that entry") from None


def _boxes(corners: Any) -> np.ndarray[Any, np.dtype[np.float32]]:
    boxes = np.array(corners, np.float32).reshape(-1, 4)
    if not np.isfinite(boxes).all() or (boxes[:, 2:] <= boxes[:, :2]).any():
        raise ValueError("boxes whose right and bottom lie beyond their left and top")
    return boxes
