"""COCO's layout (Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014): its people as ``boxes.json`` has them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from passerby.data.raw import SPLITS
from passerby.errors import DatasetError

PERSON: Final = "person"
_NAME: Final = re.compile(r"instances_(([a-z]+)\d*)")


def instance_files(folder: Path) -> list[Path]:
    """``instances_*.json`` of a folder, or of ``annotations`` in it."""
    return sorted(file for place in (folder, folder / "annotations") for file in place.glob("instances_*.json"))


def split_name(file: Path) -> str | None:
    """What ``instances_val2017.json`` and its like say of their split; ``None`` for a name that says nothing."""
    named = _NAME.fullmatch(file.stem)
    return named[2] if named and named[2] in SPLITS else None


def coco_entries(document: Mapping[str, Any], file: Path, root: Path) -> Iterator[dict[str, object]]:
    """Each picture of a COCO document and its people, as an entry of ``boxes.json`` with paths below ``root``.

    Annotations with ``iscrowd`` are ignored regions; those without width or height, which COCO has a few of, are left out.

    Raises:
        DatasetError: parts that are missing or not what they should be.
    """
    try:
        people = {category["id"] for category in document["categories"] if category["name"] == PERSON}
        pictures = list(document["images"])
        boxes: dict[object, list[list[float]]] = defaultdict(list)
        ignored: dict[object, list[list[float]]] = defaultdict(list)
        for annotation in document["annotations"]:
            left, top, width, height = annotation["bbox"]
            if annotation["category_id"] in people and width and height:
                chosen = ignored if annotation.get("iscrowd") else boxes
                chosen[annotation["image_id"]].append([left, top, left + width, top + height])
        strangers = len((boxes.keys() | ignored.keys()) - {picture["id"] for picture in pictures})
        folder = _folder(root, file, [str(picture["file_name"]) for picture in pictures])
        entries = [
            {
                "image": f"{folder}{picture['file_name']}",
                "width": picture["width"],
                "height": picture["height"],
                "boxes_xyxy": boxes[picture["id"]],
                "ignore_xyxy": ignored[picture["id"]],
                "split": split_name(file) or "val",
            }
            for picture in pictures
        ]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        expected = f"images, annotations and categories as COCO has them in {file}"
        raise DatasetError(expected=expected, found=f"{type(error).__name__}: {error}", do="export it again") from None
    if not people:
        raise DatasetError(expected=f"a category {PERSON!r} in {file}", found="none", do="name people so")
    if strangers:
        found = f"annotations of {strangers} others"
        raise DatasetError(expected=f"annotations of the images of {file}", found=found, do="export it again")
    yield from entries


def _folder(root: Path, file: Path, names: list[str]) -> str:
    """Where the first picture lies: beside the document, in ``images``, or in a folder with the document's name."""
    named = _NAME.fullmatch(file.stem)
    own = [f"{named[1]}/", f"images/{named[1]}/"] if named else []
    return next((folder for folder in ("", "images/", *own) if names and (root / folder / names[0]).is_file()), "")
