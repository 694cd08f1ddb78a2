"""Drawn people side by side, each in a place of their own: what any person detector finds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from passerby.data.synthetic.people import DrawnPerson
from passerby.data.synthetic.picture import draw

_GREY: Final = 150


def lineup(people: Sequence[DrawnPerson], seed: int, height: int = 256) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """A picture uint8 (h, w, 3) of people in a row, and the box of each picture of one, float32 (n, 4).

    Args:
        seed: 0 or more; the same arguments give the same picture.
        height: of each person's picture, in pixels.
    """
    drawn = [np.asarray(draw(person, seed + number, height)) for number, person in enumerate(people)]
    margin = height // 8
    right = np.cumsum([margin + picture.shape[1] for picture in drawn])
    canvas = np.full((height + 2 * margin, right[-1] + margin, 3), _GREY, np.uint8)
    boxes = [(edge - picture.shape[1], margin, edge, margin + height) for edge, picture in zip(right, drawn, strict=True)]
    for (left, top, end, bottom), picture in zip(boxes, drawn, strict=True):
        canvas[top:bottom, left:end] = picture
    return canvas, np.array(boxes, np.float32)
