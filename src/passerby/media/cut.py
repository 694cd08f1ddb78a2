"""The crop of somebody out of a photo."""

from __future__ import annotations

import math
from typing import Final

from PIL.Image import Image

from passerby.types import Box

MARGIN: Final = 0.05
"""Of a box's width and height, what a crop shows beside it on each side: as person datasets are cut."""


def cut_out(image: Image, box: Box, margin: float = MARGIN) -> Image:
    """The pixels of a box and a margin around it, as far as they are in the picture; at least one."""
    beside, above = margin * box.width, margin * box.height
    left = min(max(math.floor(box.x - beside), 0), image.width - 1)
    top = min(max(math.floor(box.y - above), 0), image.height - 1)
    right = max(min(math.ceil(box.x + box.width + beside), image.width), left + 1)
    bottom = max(min(math.ceil(box.y + box.height + above), image.height), top + 1)
    return image.crop((left, top, right, bottom))
