"""The contact sheet: people who were found, drawn in a grid with rank and probability, or score where there is none."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw, ImageFont, ImageOps

from passerby.atomic import replacing
from passerby.drafts import remove_abandoned
from passerby.errors import ImageError, MissingExtra, QueryError, VideoError
from passerby.media.clock import clock_of, seen_at
from passerby.media.shown import read_crop
from passerby.types import Hit, Person

FORMATS: Final = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}

MOST: Final = 150
"""People on a sheet: what the lowest of the formats' height limits takes."""

_COLUMNS: Final = 5
PICTURE: Final = (192, 384)
MARGIN: Final = 32
GAP: Final = 20
FOOT: Final = 52
TOLD: Final = 40
RADIUS: Final = 14
PAPER: Final = "#f4f5f7"
CARD: Final = "#ffffff"
EDGE: Final = "#e1e4e9"
EMPTY: Final = "#e9ecf0"
INK: Final = "#1b1f26"
FAINT: Final = "#7a828e"
TITLE_SIZE: Final = 26
_TITLE_LINES: Final = 3
LINE: Final = 34


Section = tuple[str, Sequence[Hit]]
"""A title, such as the question, and who was found for it."""


def write_sheet(path: Path, sections: Sequence[Section]) -> None:
    """Draw a sheet to a PNG, JPEG or WebP file, whole or not at all.

    Raises:
        QueryError: the name ends in none of these, or there are more than ``MOST`` hits.
        OSError: the file cannot be written.
    """
    write_drawn(path, sections, draw_sheet, "--sheet")


def write_drawn(path: Path, sections: Sequence[Section], draw: Callable[[Sequence[Section]], Image.Image], option: str) -> None:
    """The same of any picture of the sections, for a file that an option names."""
    image_format = format_of(path, option)
    require_room(sum(len(hits) for _, hits in sections))
    remove_abandoned(path)
    with replacing(path) as file:
        draw(sections).save(file, image_format)


def require_room(people: int) -> None:
    """Raises ``QueryError`` for more people than fit on a sheet."""
    if people > MOST:
        raise QueryError(expected=f"at most {MOST} people on a sheet", found=str(people), do="lower -k")


def format_of(path: Path, option: str) -> str:
    """Pillow's name of a file's format. Raises ``QueryError`` for a name that ends in none of ``FORMATS``."""
    image_format = FORMATS.get(path.suffix.lower())
    if image_format is None:
        raise QueryError(expected=f"a picture that ends in {', '.join(FORMATS)}", found=repr(path.name), do=f"correct {option}")
    return image_format


def draw_sheet(sections: Sequence[Section]) -> Image.Image:
    """An RGB picture of the sections from top to bottom: a title, then a card for each hit.

    A picture that cannot be read any more leaves its card empty.
    """
    columns = max(3, min(_COLUMNS, max((len(hits) for _, hits in sections), default=0)))
    drawn = [_draw_section(title, hits, columns) for title, hits in sections]
    return stacked(drawn, _width(columns))


def stacked(sections: Sequence[Image.Image], width: int) -> Image.Image:
    """Drawn sections of one width, from top to bottom on one sheet."""
    sheet = Image.new("RGB", (width, 2 * MARGIN - GAP + sum(section.height for section in sections)), PAPER)
    top = MARGIN
    for section in sections:
        sheet.paste(section, (0, top))
        top += section.height
    return sheet


def _draw_section(title: str, hits: Sequence[Hit], columns: int) -> Image.Image:
    lines = wrapped(" ".join(title.split()), _width(columns) - 2 * MARGIN)
    head = len(lines) * LINE + GAP
    foot = FOOT + TOLD * any(map(told, hits))
    card_height = PICTURE[1] + foot + GAP
    section = Image.new("RGB", (_width(columns), head + math.ceil(len(hits) / columns) * card_height), PAPER)
    draw = ImageDraw.Draw(section)
    for number, line in enumerate(lines):
        draw.text((MARGIN, number * LINE), line, INK, font(TITLE_SIZE))
    for place, hit in enumerate(hits):
        row, column = divmod(place, columns)
        draw_card(section, draw, (MARGIN + column * (PICTURE[0] + GAP), head + row * card_height), foot, hit)
    return section


def _width(columns: int) -> int:
    return 2 * MARGIN + columns * (PICTURE[0] + GAP) - GAP


def draw_card(sheet: Image.Image, draw: ImageDraw.ImageDraw, corner: tuple[int, int], foot: int, hit: Hit) -> None:
    left, top = corner
    width, height = PICTURE
    right, bottom = left + width, top + height
    draw.rounded_rectangle((left - 1, top - 1, right, bottom + foot), RADIUS, CARD, EDGE)
    picture = _picture(hit)
    if picture is None:
        picture = Image.new("RGB", PICTURE, EMPTY)
        ImageDraw.Draw(picture).text((width // 2, height // 2), _absence(hit.person), FAINT, font(18), anchor="mm", align="center")
    sheet.paste(picture, corner, _rounded_top(PICTURE))
    draw.text((left + 14, bottom + FOOT // 2), str(hit.rank), INK, font(22), anchor="lm")
    if hit.alike:
        draw.text((left + width // 2, bottom + FOOT // 2), f"+{hit.alike} alike", FAINT, font(14), anchor="mm")
    worth = f"{hit.score:.3f}" if hit.probability is None else f"{hit.probability:.0%}"
    draw.text((right - 14, bottom + FOOT // 2), worth, FAINT, font(18), anchor="rm")
    for line, text in enumerate(told(hit)):
        draw.text((left + 14, bottom + FOOT + line * TOLD // 2), shortened(text, font(12), width - 20), FAINT, font(12), anchor="lm")


def told(hit: Hit) -> list[str]:
    """When, or else where in its video, and by which camera a picture was taken, a line each, where known."""
    return [text for text in (clock_of(hit) or seen_at(hit), hit.person.media.camera) if text]


def _absence(person: Person) -> str:
    since, device = person.media.away_since, person.media.pushed_by
    if device is not None:
        return f"on device\n{device}"
    return "picture\nnot there" if since is None else f"away since\n{datetime.fromtimestamp(since).astimezone():%Y-%m-%d %H:%M}"


def _picture(hit: Hit) -> Image.Image | None:
    """The person, fitted into a card without distortion; ``None`` when the file cannot be read."""
    try:
        image = read_crop(hit.person.media, hit.crop)
    except (ImageError, VideoError, MissingExtra):
        return None
    return ImageOps.pad(image, PICTURE, Image.Resampling.LANCZOS, color=EMPTY)


def _rounded_top(size: tuple[int, int]) -> Image.Image:
    """A mask with two round corners, drawn four times too large for smooth edges."""
    width, height = size
    large = Image.new("L", (width * 4, height * 4), 0)
    ImageDraw.Draw(large).rounded_rectangle((0, 0, width * 4 - 1, height * 4 - 1), RADIUS * 4, 255, corners=(True, True, False, False))
    return large.resize(size, Image.Resampling.BOX)


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def wrapped(text: str, width: int, size: int = TITLE_SIZE) -> tuple[str, ...]:
    """Lines no wider than ``width`` pixels, at most ``_TITLE_LINES``; what does not fit ends in an ellipsis."""
    used = font(size)
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if used.getlength(longer) <= width:
            lines[-1] = longer
        elif len(lines) < _TITLE_LINES:
            lines.append(shortened(word, used, width))
        else:
            lines[-1] = shortened(f"{longer}…", used, width)
            break
    return tuple(line for line in lines if line)


def shortened(text: str, used: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    if used.getlength(text) <= width:
        return text
    text = text.removesuffix("…")[:500]
    while text and used.getlength(f"{text}…") > width:
        text = text[:-1]
    return f"{text.rstrip()}…"
