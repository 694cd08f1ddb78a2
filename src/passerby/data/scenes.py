"""Photos with many people, and the box of each: what a person detector learns from and is judged on.

The layout is a folder with ``boxes.json``, a list of ``{image, width, height, boxes_xyxy, …}`` with paths below the folder and corners in
pixels of the picture. ``ignore_xyxy`` names regions in which people are not boxed one by one, ``split`` is ``train``, ``val`` or ``test``,
``labels`` says by whom the boxes are (``human``, ``teachers``, ``exact``), ``source`` where the picture is from. What an entry does not
say is ``val`` and ``human``. COCO's ``instances_*.json`` are read too.
"""

from __future__ import annotations

import math
import reprlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from passerby.data.coco import coco_entries, instance_files, split_name
from passerby.data.pictures import Pictures
from passerby.data.raw import read_json, read_path, read_split
from passerby.errors import DatasetError
from passerby.types import Split

BOXES: Final = "boxes.json"
HUMAN: Final = "human"
EXACT: Final = "exact"
TRUSTED: Final = (HUMAN, EXACT)
"""Labels that say who is there; those of other detectors say what they found."""
TO_CHOOSE: Final = (Split.TRAIN, Split.VAL)
LARGEST: Final = 100_000
"""Pixels of a side, at most."""


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """One photo and the people in it.

    Args:
        path: of the picture.
        size: its width and height in pixels.
        boxes: float32 (n, 4): left, top, right, bottom in pixels, within the picture.
        ignored: float32 (m, 4): regions in which nothing is known of anybody who has no box.
        labels: by whom the boxes are, such as ``human``.
    """

    path: Path
    size: tuple[int, int]
    boxes: NDArray[np.float32]
    ignored: NDArray[np.float32]
    split: Split
    labels: str
    source: str


def load_scenes(path: Path, splits: Iterable[Split] = TO_CHOOSE) -> list[Scene]:
    """The scenes of a dataset, in the order of its ``boxes.json``, or of COCO's ``instances_*.json``.

    Args:
        path: the folder that holds such a file, or the file.
        splits: those wanted; nothing of others is looked at. A test split is only read where it is named.

    Raises:
        DatasetError: no such file, one that is damaged or names pictures that are not there, or none of these splits.
    """
    wanted = frozenset(splits)
    files = _files(path)
    entries = [(label, split, entry) for file in files for label, split, entry in _entries(file, wanted)]
    counts = Counter(split for _, split, _ in entries)
    root = _root(files[0])
    locate = Pictures(root.resolve(), confined=True).locator()
    scenes = [_scene(root, locate, label, split, entry) for label, split, entry in entries if split in wanted]
    if not scenes:
        there = ", ".join(f"{counts[split]} of {split}" for split in Split if counts[split]) or "no pictures"
        asked = " or ".join(split for split in Split if split in wanted)
        raise DatasetError(expected=f"scenes of {asked} in {path}", found=there, do="name another split or dataset")
    _require_once(scenes)
    _require_there(scenes)
    return scenes


def trusted(scenes: Iterable[Scene]) -> list[Scene]:
    """The scenes whose boxes are by people or exact: what a detector is judged on.

    Raises:
        DatasetError: there are none.
    """
    scenes = list(scenes)
    chosen = [scene for scene in scenes if scene.labels in TRUSTED]
    if not chosen:
        found = ", ".join(f"{count} by {labels}" for labels, count in Counter(scene.labels for scene in scenes).items()) or "no scenes"
        raise DatasetError(expected=f"scenes with labels {' or '.join(TRUSTED)}", found=found, do="judge on scenes that people labelled")
    return chosen


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    files = [path / BOXES] if (path / BOXES).is_file() else instance_files(path)
    if not files:
        found = "neither" if path.is_dir() else "no such folder"
        do = "name the folder that holds one of them"
        raise DatasetError(expected=f"{BOXES} or COCO's instances_*.json in {path}", found=found, do=do)
    return files


def _root(file: Path) -> Path:
    return file.parent.parent if file.parent.name == "annotations" else file.parent


def _entries(file: Path, wanted: Iterable[Split]) -> Iterator[tuple[str, Split, Mapping[str, Any]]]:
    """Each entry of a file, what it is called in an error, and its split; nothing is checked but that."""
    if (name := split_name(file)) and read_split(name) not in wanted:
        return
    document = read_json(file)
    if isinstance(document, Mapping):
        document = list(coco_entries(document, file, _root(file)))
    if not isinstance(document, Sequence) or isinstance(document, str):
        raise DatasetError(expected=f"a list of pictures in {file}", found=type(document).__name__, do="see docs/datasets.md")
    for number, entry in enumerate(document, start=1):
        label = f"picture {number} of {file}"
        if not isinstance(entry, Mapping):
            raise _damaged(label, f"{reprlib.repr(entry)} instead of an object")
        try:
            yield label, read_split(entry.get("split", Split.VAL)), entry
        except ValueError as error:
            raise _damaged(label, str(error)) from None


def _scene(root: Path, locate: Any, label: str, split: Split, entry: Mapping[str, Any]) -> Scene:
    try:
        name, _ = locate(read_path(entry.get("image")))
        size = _side(entry, "width"), _side(entry, "height")
        boxes, ignored = (_boxes(entry, key, size) for key in ("boxes_xyxy", "ignore_xyxy"))
        return Scene(root / name, size, boxes, ignored, split, _text(entry, "labels", HUMAN), _text(entry, "source", ""))
    except ValueError as error:
        raise _damaged(label, str(error)) from None


def _side(entry: Mapping[str, Any], key: str) -> int:
    value = entry.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= LARGEST:
        raise ValueError(f"has no {key} from 1 to {LARGEST} pixels, but {reprlib.repr(value)}")
    return value


def _text(entry: Mapping[str, Any], key: str, default: str) -> str:
    value = entry.get(key, default)
    if not isinstance(value, str):
        raise ValueError(f"has {key} that is not text: {reprlib.repr(value)}")
    return value


def _boxes(entry: Mapping[str, Any], key: str, size: tuple[int, int]) -> NDArray[np.float32]:
    """Corners within the picture; ``ignore_xyxy`` alone may be missing."""
    corners = entry.get(key, [] if key == "ignore_xyxy" else None)
    if not isinstance(corners, list):
        raise ValueError(f"has {key} that is no list: {reprlib.repr(corners)}")
    for corner in corners:
        if not _is_box(corner):
            raise ValueError(f"has in {key} what is not four finite numbers: {reprlib.repr(corner)}")
    boxes = np.array(corners, np.float64).reshape(-1, 4).clip(0, [*size, *size]).astype(np.float32)
    empty = np.nonzero((boxes[:, 2:] <= boxes[:, :2]).any(axis=1))[0]
    if empty.size:
        found = reprlib.repr(corners[empty[0]])
        raise ValueError(f"has in {key} a box without width or height in a picture of {size[0]}x{size[1]}: {found}")
    return boxes


def _is_box(corner: object) -> bool:
    return isinstance(corner, list) and len(corner) == 4 and all(map(_is_finite, corner))


def _is_finite(value: object) -> bool:
    try:
        return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:
        return False


def _require_once(scenes: Iterable[Scene]) -> None:
    """A picture that is there twice would count twice, or be learnt from and judged on."""
    again = next((path for path, count in Counter(scene.path for scene in scenes).items() if count > 1), None)
    if again is not None:
        raise DatasetError(expected="each picture once", found=f"{again} twice", do="leave one of its entries out")


def _require_there(scenes: Sequence[Scene]) -> None:
    missing = [scene.path for scene in scenes if not scene.path.is_file()]
    if missing:
        found = f"{len(missing)} that are not there, the first {missing[0]}"
        raise DatasetError(expected=f"the {len(scenes)} pictures of the dataset", found=found, do="unpack them beside its boxes")


def _damaged(label: str, found: str) -> DatasetError:
    expected = f"image, width, height and boxes_xyxy in {label}"
    return DatasetError(expected=expected, found=f"one that {found}" if found.startswith("has") else found, do="mend that entry")
