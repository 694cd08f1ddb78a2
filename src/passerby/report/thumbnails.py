"""Pictures small enough to live in a page."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from typing import Final

from PIL import Image

from passerby.errors import ImageError
from passerby.media.photo import read_image
from passerby.types import Record

_BOX: Final = (160, 200)
"""The width and height that a thumbnail fits into, in pixels."""


def thumbnails(records: Iterable[Record], names: frozenset[str]) -> dict[str, str]:
    """The pictures of some records as ``data:`` URIs by name; one that cannot be read any more is missing."""
    return {record.name: uri for record in records if record.name in names and (uri := _data_uri(record))}


def _data_uri(record: Record) -> str | None:
    try:
        image = read_image(record.path)
    except ImageError:
        return None
    image.thumbnail(_BOX, Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=72)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
