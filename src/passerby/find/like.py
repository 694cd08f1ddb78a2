"""Who of the people in a photo is meant by it."""

from __future__ import annotations

from PIL.Image import Image

from passerby.detect.boxes import box_of
from passerby.detect.people import Detecting
from passerby.errors import QueryError
from passerby.media.cut import cut_out
from passerby.types import Box


def person_in(image: Image, box: Box | None, detecting: Detecting | None) -> tuple[Image, str | None]:
    """The picture of one person out of an upright photo, and which of them was taken where there was a choice.

    Args:
        box: around somebody, whom it then is; ``None`` takes the largest that is found, or the whole picture where it is a crop of one
            person or nobody is found.
        detecting: how people are looked for; ``None`` takes the whole picture.

    Raises:
        QueryError: a box outside of the photo.
        ModelError: the detector fails.
    """
    if box is not None:
        if box.x >= image.width or box.y >= image.height or box.x + box.width <= 0 or box.y + box.height <= 0:
            raise QueryError(
                expected=f"a box in a photo of {image.width} x {image.height} pixels",
                found=box.text,
                do="correct --box: left,top,width,height",
            )
        return cut_out(image, box), None
    people = detecting.people(image) if detecting else None
    if people is None or people.is_crop:
        return image, None
    if not len(people.found):
        return image, "nobody was found in it: the whole picture was taken"
    boxes = [box_of(row) for row in people.found.boxes]
    largest = max(boxes, key=lambda one: one.width * one.height)
    who = f"one person, at {largest.text}" if len(boxes) == 1 else f"{len(boxes)} people; the largest was taken, at {largest.text}"
    return cut_out(image, largest), f"{who}: --box names another"
