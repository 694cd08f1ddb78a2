"""People in photos as COCO has them: a folder with ``boxes.json`` and, where they are wanted, the crops.

The format is that of Lin et al., "Microsoft COCO: Common Objects in Context" (ECCV 2014): ``images``, ``annotations`` whose ``bbox`` is
left, top, width and height in pixels, and ``categories``; each annotation has a ``score`` beside, as COCO's results have.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from PIL.Image import Image

from passerby.atomic import replacing_folder, require_replaceable_place
from passerby.detect.detector import Detector
from passerby.detect.photos import MIN_HEIGHT, SIZE, Cut, Photo, detect_photos
from passerby.errors import ConfigError
from passerby.media.scan import scan_paths
from passerby.progress import Progress
from passerby.types import Failure, Note

BOXES: Final = "boxes.json"
CROPS: Final = "crops"
CATEGORIES: Final = [{"id": 1, "name": "person", "supercategory": "person"}]
_DESCRIPTION: Final = "People found by passerby detect"
_QUALITY: Final = 95


_START: Final = json.dumps({"info": {"description": _DESCRIPTION}}).rstrip("}").encode()


class _NothingSeen(Exception):
    """No photo could be looked at, so that nothing is to be written."""


@dataclass(frozen=True, slots=True)
class Detected:
    """What was written.

    Args:
        photos: that were looked at.
        people: in all of them.
        skipped: the number of files that are no pictures by their names.
    """

    photos: int
    people: int
    skipped: int
    failed: tuple[Failure, ...]
    notes: tuple[Note, ...]


def detect_into(
    folder: Path,
    detector: Detector,
    paths: Iterable[Path],
    *,
    size: int = SIZE,
    min_height: float = MIN_HEIGHT,
    save_crops: bool = False,
    on_progress: Progress = lambda _done, _total: None,
) -> Detected:
    """Find the people in files, the pictures in folders and what patterns name, and write them into a folder, as a whole or not at all.

    What an earlier call wrote there makes way, also where a link leads to it; nothing is written where no photo could be looked at.

    Args:
        size, min_height: as :func:`~passerby.detect.photos.detect_photos` takes them.
        save_crops: whether to write each person's crop, a JPEG, which its annotation names.

    Raises:
        ConfigError: something else is at the folder, or it cannot be written.
        ModelError: the detector cannot be trusted.
        OSError: no space.
    """
    folder = folder.resolve()
    require_detected_place(folder)
    scan = scan_paths(paths, leave_out=folder)
    failed = [Failure(path, "expected a file or folder, found nothing; check the path") for path in scan.missing] + scan.failed
    photos: dict[int, Photo] = {}
    with suppress(_NothingSeen), replacing_folder(folder) as draft:
        cut = _saving(draft / CROPS) if save_crops else None
        for done, outcome in enumerate(detect_photos(detector, scan.files, size=size, min_height=min_height, cut=cut), 1):
            if isinstance(outcome, Photo):
                photos[done] = outcome
            else:
                failed.append(outcome)
            on_progress(done, len(scan.files))
        if not photos:
            raise _NothingSeen
        info = {"description": _DESCRIPTION, "detector": detector.name, "digest": detector.digest, "size": size, "min_height": min_height}
        (draft / BOXES).write_text(json.dumps({"info": info, **coco(photos)}) + "\n", "utf-8")
    people = sum(len(photo.people) for photo in photos.values())
    return Detected(len(photos), people, scan.skipped, tuple(failed), tuple(note for photo in photos.values() for note in photo.notes))


def coco(photos: Mapping[int, Photo]) -> dict[str, Any]:
    """Photos, by their ids, and the people in them as COCO has them, whose ids count from 1."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, photo in photos.items():
        images.append({"id": number, "file_name": str(photo.path), "width": photo.width, "height": photo.height})
        for person, (box, score) in enumerate(zip(photo.people.boxes.tolist(), photo.people.scores.tolist(), strict=True)):
            left, top, right, bottom = box
            annotation = {
                "id": len(annotations) + 1,
                "image_id": number,
                "category_id": 1,
                "bbox": [round(side, 2) for side in (left, top, right - left, bottom - top)],
                "area": round((right - left) * (bottom - top), 2),
                "iscrowd": 0,
                "score": round(score, 4),
            }
            annotations.append(annotation | ({"crop": photo.crops[person]} if photo.crops else {}))
    return {"images": images, "annotations": annotations, "categories": CATEGORIES}


def require_detected_place(folder: Path) -> None:
    """Find out before the work whether a folder can be written in the end, one that was written so before making way.

    Raises:
        ConfigError: something else is there, it cannot make way, or it cannot be written.
    """
    if os.path.lexists(folder) and not folder.is_dir():
        raise _taken(folder, "a file")
    require_replaceable_place(folder.resolve(), "--out")
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if others := sorted(there - {BOXES, CROPS}):
        raise _taken(folder, ", ".join(others[:3]))
    if there and not _is_written(folder / BOXES):
        raise _taken(folder, f"a {BOXES} of another program" if BOXES in there else CROPS)


def _taken(folder: Path, found: str) -> ConfigError:
    expected = f"{folder} to be new, or what an earlier detect wrote and nothing else"
    return ConfigError(expected=expected, found=found, do="name another folder with --out")


def _is_written(boxes: Path) -> bool:
    """Whether a file begins as one of :func:`detect_into`."""
    try:
        with boxes.open("rb") as file:
            return file.read(len(_START)) == _START
    except OSError:
        return False


def _saving(folder: Path) -> Cut:
    """Write crops into a folder; each is named by its photo's id and its own number."""
    folder.mkdir()

    def save(number: int, person: int, crop: Image) -> str:
        name = f"{number + 1:06}_{person + 1:03}.jpg"
        crop.save(folder / name, quality=_QUALITY)
        return f"{CROPS}/{name}"

    return save
