"""Whole photos, and moments of videos, with a frame around everybody who was found in them, as a sheet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw, ImageOps

from passerby.draw.sheet import (
    CARD,
    EDGE,
    EMPTY,
    FAINT,
    GAP,
    INK,
    MARGIN,
    PAPER,
    Section,
    font,
    shortened,
    stacked,
    wrapped,
    write_drawn,
)
from passerby.errors import ImageError, MissingExtra, VideoError
from passerby.media.clock import seen_at
from passerby.media.shown import read_shown
from passerby.types import Hit

FRAME: Final = "#e0214b"
_COLUMNS: Final = 2
PHOTO: Final = (560, 420)
_FOOT: Final = 44
_LINE: Final = 34
_WIDTH: Final = 2 * MARGIN + _COLUMNS * (PHOTO[0] + GAP) - GAP


def write_frames(path: Path, sections: Sequence[Section]) -> None:
    """Draw photos to a file, as :func:`passerby.draw.sheet.write_sheet`."""
    write_drawn(path, sections, draw_frames, "--frames")


def draw_frames(sections: Sequence[Section]) -> Image.Image:
    """An RGB picture of the sections from top to bottom: a title, then each photo once, with the ranks of those who are in it.

    A photo that cannot be read any more leaves its place empty. Of a hit that is a whole picture, the whole picture is framed.
    """
    return stacked([_draw_section(title, hits) for title, hits in sections], _WIDTH)


def _draw_section(title: str, hits: Sequence[Hit]) -> Image.Image:
    photos: dict[tuple[Path, float | None], list[Hit]] = {}
    for hit in hits:
        photos.setdefault((hit.person.media.path, hit.crop.time), []).append(hit)
    lines = wrapped(" ".join(title.split()), _WIDTH - 2 * MARGIN)
    head = len(lines) * _LINE + GAP
    height = PHOTO[1] + _FOOT + GAP
    section = Image.new("RGB", (_WIDTH, head + math.ceil(len(photos) / _COLUMNS) * height), PAPER)
    draw = ImageDraw.Draw(section)
    for number, line in enumerate(lines):
        draw.text((MARGIN, number * _LINE), line, INK, font(26))
    for place, ((path, time), seen) in enumerate(photos.items()):
        row, column = divmod(place, _COLUMNS)
        left, top = MARGIN + column * (PHOTO[0] + GAP), head + row * height
        draw.rectangle((left - 1, top - 1, left + PHOTO[0], top + PHOTO[1] + _FOOT), CARD, EDGE)
        section.paste(frame(shown(seen[0]), seen), (left, top))
        moment = "" if time is None else f"{seen_at(seen[0])} in "
        name = shortened(f"{', '.join(str(hit.rank) for hit in seen)}: {moment}{path.name}", font(18), PHOTO[0] - 28)
        draw.text((left + 14, top + PHOTO[1] + _FOOT // 2), name, INK, font(18), anchor="lm")
    return section


def shown(hit: Hit) -> Image.Image | None:
    try:
        return read_shown(hit.person.media, hit.crop)
    except (ImageError, VideoError, MissingExtra):
        return None


def frame(photo: Image.Image | None, hits: Sequence[Hit], place: tuple[int, int] = PHOTO) -> Image.Image:
    """A photo fitted into its place without distortion, with the rank of each hit at their box; an empty place without one."""
    if photo is None:
        empty = Image.new("RGB", place, EMPTY)
        ImageDraw.Draw(empty).text((place[0] // 2, place[1] // 2), "picture not there", FAINT, font(18), anchor="mm")
        return empty
    small = ImageOps.contain(photo, place, Image.Resampling.LANCZOS)
    across, down = small.width / photo.width, small.height / photo.height
    draw = ImageDraw.Draw(small)
    for hit in reversed(hits):  # the best on top
        box = hit.crop.box
        whole = (0.0, 0.0, float(photo.width), float(photo.height))
        x, y, width, height = whole if box is None else (box.x, box.y, box.width, box.height)
        _mark(draw, (x * across, y * down, (x + width) * across - 1, (y + height) * down - 1), str(hit.rank))
    placed = Image.new("RGB", place, EMPTY)
    placed.paste(small, ((place[0] - small.width) // 2, (place[1] - small.height) // 2))
    return placed


def _mark(draw: ImageDraw.ImageDraw, sides: tuple[float, float, float, float], rank: str) -> None:
    left, top, right, bottom = sides
    draw.rectangle((left, top, max(right, left + 1), max(bottom, top + 1)), outline=FRAME, width=3)
    label = (left, max(top - 22, 0), left + font(16).getlength(rank) + 12, max(top - 22, 0) + 22)
    draw.rectangle(label, FRAME)
    draw.text((left + 6, label[1] + 11), rank, "white", font(16), anchor="lm")
