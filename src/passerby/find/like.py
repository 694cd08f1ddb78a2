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
    found = people_in(image, detecting) if detecting else None
    if found is None:
        return image, None
    if not found:
        return image, "nobody was found in it: the whole picture was taken"
    largest = found[0]
    who = f"one person, at {largest.text}" if len(found) == 1 else f"{len(found)} people; the largest was taken, at {largest.text}"
    return cut_out(image, largest), f"{who}: --box names another"


def people_in(image: Image, detecting: Detecting) -> list[Box] | None:
    """The boxes of the people in an upright photo, the largest first; ``None`` where it is a crop of one person.

    Raises:
        ModelError: the detector fails.
    """
    people = detecting.people(image)
    if people.is_crop:
        return None
    return sorted(map(box_of, people.found.boxes), key=lambda one: one.width * one.height, reverse=True)
