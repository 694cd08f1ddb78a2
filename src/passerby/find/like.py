"""Who of the people in a photo is meant by it."""

from __future__ import annotations

from dataclasses import dataclass

from PIL.Image import Image

from passerby.detect.boxes import box_of
from passerby.detect.people import Detecting
from passerby.errors import QueryError
from passerby.inputs import require
from passerby.media.cut import cut_out
from passerby.types import Box


@dataclass(frozen=True, slots=True, eq=False)
class Meant:
    """Somebody in a photo, or all of it.

    Args:
        image: their picture.
        box: around them, in pixels of the photo; ``None`` where all of it is meant.
        people: the boxes of everybody who was found in it, the largest first; nobody where none was looked for, or it is a crop of one
            person.
        choice: which of them was taken, in words; ``None`` where there was nothing to choose.
    """

    image: Image
    box: Box | None = None
    people: tuple[Box, ...] = ()
    choice: str | None = None


def person_in(image: Image, box: Box | None, detecting: Detecting | None) -> Meant:
    """Who is meant by an upright photo.

    Args:
        box: around somebody, whom it then is; ``None`` takes the largest that is found, or the whole picture where it is a crop of one
            person or nobody is found.
        detecting: how people are looked for; ``None`` takes the whole picture.

    Raises:
        InputError: an argument of the wrong kind.
        QueryError: a box outside of the photo.
        ModelError: the detector fails.
    """
    if detecting is not None:
        require(detecting, Detecting, "how people are looked for, a Detecting")
    if box is not None:
        require(box, Box, "a Box")
        if box.x >= image.width or box.y >= image.height or box.x + box.width <= 0 or box.y + box.height <= 0:
            raise QueryError(
                expected=f"a box in a photo of {image.width} x {image.height} pixels",
                found=box.text,
                do="correct --box: left,top,width,height",
            )
        return Meant(cut_out(image, box), box)
    people = _people_in(image, detecting) if detecting else None
    if people is None:
        return Meant(image)
    if not people:
        return Meant(image, choice="nobody was found in it: the whole picture was taken")
    largest = people[0]
    who = f"one person, at {largest.text}" if len(people) == 1 else f"{len(people)} people; the largest was taken, at {largest.text}"
    return Meant(cut_out(image, largest), largest, people, f"{who}: --box names another")


def _people_in(image: Image, detecting: Detecting) -> tuple[Box, ...] | None:
    """The boxes of the people in a photo, the largest first; ``None`` where it is a crop of one person."""
    people = detecting.people(image)
    if people.is_crop:
        return None
    return tuple(sorted(map(box_of, people.found.boxes), key=lambda one: one.width * one.height, reverse=True))
