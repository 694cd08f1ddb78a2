"""Pictures of people as files."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from PIL.Image import Image

CROPS: Final = "crops"
_QUALITY: Final = 95


def write_crop(folder: Path, name: str, image: Image) -> str:
    """Write a picture among the crops of a folder; says where, from that folder on. Raises ``OSError``."""
    written = f"{CROPS}/{name}.jpg"
    image.save(folder / written, quality=_QUALITY)
    return written
