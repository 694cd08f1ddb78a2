"""What of a picture and of a text makes a model find them similar, drawn: heat over the crop, and each word on a ground as warm."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageOps

from passerby.atomic import replacing
from passerby.drafts import remove_abandoned
from passerby.draw.sheet import CARD, EDGE, EMPTY, FAINT, GAP, INK, MARGIN, PAPER, RADIUS, font, format_of, shortened, wrapped

_PICTURE: Final = (256, 512)
_HEAT: Final = (226, 61, 22)
_OPACITY: Final = 0.85
"""Of the heat where it is greatest."""
_WIDTH: Final = 2 * MARGIN + 2 * _PICTURE[0] + GAP
_WORD_SIZE: Final = 24
_SMALL_SIZE: Final = 15
_WORD_LINE: Final = 64
_PAD: Final = 6


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a text as it was written, and its share of what all words bring."""

    text: str
    share: float


@dataclass(frozen=True, slots=True, eq=False)
class Relevance:
    """What of a picture and of a text makes a model find them similar.

    Args:
        model, method: whose, and found how; for people.
        similarity: cosine of the pair.
        places: float32 (rows, columns) over the whole picture, from the top left: non-negative shares that add up to 1; zeros where no
            place speaks for the words.
        words: those that the model read, in their order; their shares add up likewise.
    """

    model: str
    method: str
    similarity: float
    places: NDArray[np.float32]
    words: tuple[Word, ...]


def draw_to(path: Path, picture: Image.Image, relevance: Relevance) -> None:
    """Draw to a PNG, JPEG or WebP file, whole or not at all.

    Raises:
        QueryError: the name ends in none of these.
        OSError: the file cannot be written.
    """
    image_format = format_of(path, "--out")
    remove_abandoned(path)
    with replacing(path) as file:
        draw_relevance(picture, relevance).save(file, image_format)


def draw_relevance(picture: Image.Image, relevance: Relevance) -> Image.Image:
    """An RGB picture: the words, then the crop as it is and under heat, then what was measured how."""
    lines = _rows(relevance.words)
    top = MARGIN + len(lines) * _WORD_LINE
    bottom = top + _PICTURE[1]
    told = [f"similarity {relevance.similarity:.3f}, {relevance.model}", *wrapped(relevance.method, _WIDTH - 2 * MARGIN, _SMALL_SIZE)]
    sheet = Image.new("RGB", (_WIDTH, bottom + GAP + len(told) * 22 + MARGIN // 2), PAPER)
    draw = ImageDraw.Draw(sheet)
    for number, line in enumerate(lines):
        _draw_words(draw, line, MARGIN + number * _WORD_LINE, most=max(word.share for word in relevance.words))
    for column, shown in enumerate((picture, heated(picture, relevance.places))):
        left = MARGIN + column * (_PICTURE[0] + GAP)
        draw.rounded_rectangle((left - 1, top - 1, left + _PICTURE[0], bottom), RADIUS // 2, CARD, EDGE)
        sheet.paste(ImageOps.pad(shown, _PICTURE, Image.Resampling.LANCZOS, color=EMPTY), (left, top))
    for number, text in enumerate(told):
        draw.text((MARGIN, bottom + GAP // 2 + number * 22), text, INK if number == 0 else FAINT, font(_SMALL_SIZE))
    return sheet


def heated(picture: Image.Image, places: NDArray[np.float32]) -> Image.Image:
    """The picture in grey, as large as a card takes it, under a colour that is as dense as each place's share of the greatest."""
    grey = ImageOps.grayscale(ImageOps.contain(picture, _PICTURE, Image.Resampling.LANCZOS)).convert("RGB")
    greatest = places.max()
    dense = places * (255 * _OPACITY / greatest) if greatest > 0 else places
    mask = Image.fromarray(dense.astype(np.uint8)).resize(grey.size, Image.Resampling.BICUBIC)
    return Image.composite(Image.new("RGB", grey.size, _HEAT), grey, mask)


def _rows(words: tuple[Word, ...]) -> list[list[Word]]:
    """Words side by side while they fit."""
    rows: list[list[Word]] = []
    right = _WIDTH
    for word in words:
        right += _width(word) + 2 * _PAD
        if right > _WIDTH - MARGIN:
            rows.append([])
            right = MARGIN + _width(word) + 2 * _PAD
        rows[-1].append(word)
    return rows


def _width(word: Word) -> int:
    return round(font(_WORD_SIZE).getlength(_shown(word))) + 2 * _PAD


def _shown(word: Word) -> str:
    return shortened(word.text, font(_WORD_SIZE), _WIDTH - 2 * MARGIN - 4 * _PAD)


def _draw_words(draw: ImageDraw.ImageDraw, words: list[Word], top: int, most: float) -> None:
    left = MARGIN
    for word in words:
        right = left + _width(word)
        warm = _OPACITY * word.share / most if most > 0 else 0.0
        ground = tuple(round(warm * heat + (1 - warm) * 255) for heat in _HEAT)
        draw.rounded_rectangle((left, top, right, top + 34), _PAD, ground)
        draw.text((left + _PAD, top + 17), _shown(word), INK, font(_WORD_SIZE), anchor="lm")
        draw.text(((left + right) // 2, top + 36), f"{word.share:.0%}", FAINT, font(_SMALL_SIZE - 1), anchor="ma")
        left = right + 2 * _PAD
