"""The contact sheet: people who were found, drawn in a grid with rank and probability, or score where there is none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw, ImageFont, ImageOps

from passerby.atomic import replacing
from passerby.errors import ImageError, QueryError
from passerby.model.preprocess import read_image
from passerby.types import Hit, Person

FORMATS: Final = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}

MOST: Final = 150
"""People on a sheet: what the lowest of the formats' height limits takes."""

_COLUMNS: Final = 5
_PICTURE: Final = (192, 384)
_MARGIN: Final = 32
_GAP: Final = 20
_FOOT: Final = 52
_RADIUS: Final = 14
_PAPER: Final = "#f4f5f7"
_CARD: Final = "#ffffff"
_EDGE: Final = "#e1e4e9"
_EMPTY: Final = "#e9ecf0"
_INK: Final = "#1b1f26"
_FAINT: Final = "#7a828e"
_TITLE_SIZE: Final = 26
_TITLE_LINES: Final = 3
_LINE: Final = 34


Section = tuple[str, Sequence[Hit]]
"""A title, such as the question, and who was found for it."""


def write_sheet(path: Path, sections: Sequence[Section]) -> None:
    """Draw a sheet to a PNG, JPEG or WebP file, whole or not at all.

    Raises:
        QueryError: the name ends in none of these, or there are more than ``MOST`` hits.
        OSError: the file cannot be written.
    """
    image_format = FORMATS.get(path.suffix.lower())
    if image_format is None:
        raise QueryError(expected=f"a sheet that ends in {', '.join(FORMATS)}", found=repr(path.name), do="correct --sheet")
    people = sum(len(hits) for _, hits in sections)
    if people > MOST:
        raise QueryError(expected=f"at most {MOST} people on a sheet", found=str(people), do="lower -k")
    with replacing(path) as file:
        draw_sheet(sections).save(file, image_format)


def draw_sheet(sections: Sequence[Section]) -> Image.Image:
    """An RGB picture of the sections from top to bottom: a title, then a card for each hit.

    A picture that cannot be read any more leaves its card empty.
    """
    columns = max(3, min(_COLUMNS, max((len(hits) for _, hits in sections), default=0)))
    drawn = [_draw_section(title, hits, columns) for title, hits in sections]
    sheet = Image.new("RGB", (_width(columns), 2 * _MARGIN - _GAP + sum(section.height for section in drawn)), _PAPER)
    top = _MARGIN
    for section in drawn:
        sheet.paste(section, (0, top))
        top += section.height
    return sheet


def _draw_section(title: str, hits: Sequence[Hit], columns: int) -> Image.Image:
    lines = _wrapped(" ".join(title.split()), _width(columns) - 2 * _MARGIN)
    head = len(lines) * _LINE + _GAP
    card_height = _PICTURE[1] + _FOOT + _GAP
    section = Image.new("RGB", (_width(columns), head + math.ceil(len(hits) / columns) * card_height), _PAPER)
    draw = ImageDraw.Draw(section)
    for number, line in enumerate(lines):
        draw.text((_MARGIN, number * _LINE), line, _INK, _font(_TITLE_SIZE))
    for place, hit in enumerate(hits):
        row, column = divmod(place, columns)
        _draw_card(section, draw, (_MARGIN + column * (_PICTURE[0] + _GAP), head + row * card_height), hit)
    return section


def _width(columns: int) -> int:
    return 2 * _MARGIN + columns * (_PICTURE[0] + _GAP) - _GAP


def _draw_card(sheet: Image.Image, draw: ImageDraw.ImageDraw, corner: tuple[int, int], hit: Hit) -> None:
    left, top = corner
    width, height = _PICTURE
    right, bottom = left + width, top + height
    draw.rounded_rectangle((left - 1, top - 1, right, bottom + _FOOT), _RADIUS, _CARD, _EDGE)
    picture = _picture(hit.person)
    if picture is None:
        picture = Image.new("RGB", _PICTURE, _EMPTY)
        ImageDraw.Draw(picture).text((width // 2, height // 2), "picture\nnot there", _FAINT, _font(18), anchor="mm", align="center")
    sheet.paste(picture, corner, _rounded_top(_PICTURE))
    draw.text((left + 14, bottom + _FOOT // 2), str(hit.rank), _INK, _font(22), anchor="lm")
    worth = f"{hit.score:.3f}" if hit.probability is None else f"{hit.probability:.0%}"
    draw.text((right - 14, bottom + _FOOT // 2), worth, _FAINT, _font(18), anchor="rm")


def _picture(person: Person) -> Image.Image | None:
    """The person, fitted into a card without distortion; ``None`` when the file cannot be read."""
    try:
        image = read_image(person.media.path)
    except ImageError:
        return None
    if person.box is not None:
        box = person.box
        image = image.crop((round(box.x), round(box.y), round(box.x + box.width), round(box.y + box.height)))
    return ImageOps.pad(image, _PICTURE, Image.Resampling.LANCZOS, color=_EMPTY)


def _rounded_top(size: tuple[int, int]) -> Image.Image:
    """A mask with two round corners, drawn four times too large for smooth edges."""
    width, height = size
    large = Image.new("L", (width * 4, height * 4), 0)
    ImageDraw.Draw(large).rounded_rectangle((0, 0, width * 4 - 1, height * 4 - 1), _RADIUS * 4, 255, corners=(True, True, False, False))
    return large.resize(size, Image.Resampling.BOX)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _wrapped(text: str, width: int) -> tuple[str, ...]:
    """Lines no wider than ``width`` pixels, at most ``_TITLE_LINES``; what does not fit ends in an ellipsis."""
    font = _font(_TITLE_SIZE)
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width:
            lines[-1] = longer
        elif len(lines) < _TITLE_LINES:
            lines.append(_shortened(word, font, width))
        else:
            lines[-1] = _shortened(f"{longer}…", font, width)
            break
    return tuple(line for line in lines if line)


def _shortened(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    if font.getlength(text) <= width:
        return text
    text = text.removesuffix("…")[:500]
    while text and font.getlength(f"{text}…") > width:
        text = text[:-1]
    return f"{text.rstrip()}…"
