"""Where somebody is and who else may be meant: the photo of the best answer with a frame, beside it the crops of the best few."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw

from passerby.draw.frames import PHOTO, frame, shown
from passerby.draw.sheet import (
    CARD,
    EDGE,
    FOOT,
    GAP,
    INK,
    LINE,
    MARGIN,
    PAPER,
    PICTURE,
    TITLE_SIZE,
    TOLD,
    Section,
    draw_card,
    font,
    shortened,
    stacked,
    told,
    wrapped,
    write_drawn,
)
from passerby.types import Hit

BESIDE: Final = 4
"""Crops beside a photo, at most."""
_NAME: Final = 40
"""Pixels below a photo, for its name."""
_WIDTH: Final = 2 * MARGIN + PHOTO[0] + BESIDE * (GAP + PICTURE[0])


def write_found(path: Path, sections: Sequence[Section]) -> None:
    """Draw answers to a file, as :func:`passerby.draw.sheet.write_sheet`."""
    write_drawn(path, sections, draw_found, "--out")


def draw_found(sections: Sequence[Section]) -> Image.Image:
    """An RGB picture of the sections from top to bottom: a title, the photo of the best hit, a card for each of the best ``BESIDE``."""
    return stacked([_draw_section(title, hits[:BESIDE]) for title, hits in sections], _WIDTH)


def _draw_section(title: str, hits: Sequence[Hit]) -> Image.Image:
    lines = wrapped(" ".join(title.split()), _WIDTH - 2 * MARGIN)
    head = len(lines) * LINE + GAP
    foot = FOOT + TOLD * any(map(told, hits))
    section = Image.new("RGB", (_WIDTH, head + (PICTURE[1] + foot + GAP) * bool(hits)), PAPER)
    draw = ImageDraw.Draw(section)
    for number, line in enumerate(lines):
        draw.text((MARGIN, number * LINE), line, INK, font(TITLE_SIZE))
    if hits:
        path, bottom = hits[0].person.media.path, head + PICTURE[1] + foot
        draw.rectangle((MARGIN - 1, head - 1, MARGIN + PHOTO[0], bottom), CARD, EDGE)
        there = [hit for hit in hits if hit.person.media.path == path]
        section.paste(frame(shown(there[0]), there, (PHOTO[0], PICTURE[1] + foot - _NAME)), (MARGIN, head))
        draw.text((MARGIN + 14, bottom - _NAME // 2), shortened(path.name, font(18), PHOTO[0] - 28), INK, font(18), anchor="lm")
    for number, hit in enumerate(hits):
        draw_card(section, draw, (MARGIN + PHOTO[0] + GAP + number * (PICTURE[0] + GAP), head), foot, hit)
    return section
