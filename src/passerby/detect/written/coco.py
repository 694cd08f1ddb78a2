"""People in photos as COCO has them.

The format is that of Lin et al., "Microsoft COCO: Common Objects in Context" (ECCV 2014): ``images``, ``annotations`` whose ``bbox`` is
left, top, width and height in pixels, and ``categories``; each annotation has a ``score`` beside, as COCO's results have.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from passerby.detect.photos import Photo

CATEGORIES: Final = [{"id": 1, "name": "person", "supercategory": "person"}]


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
