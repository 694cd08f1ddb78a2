"""Places behind the people: ground in perspective below a horizon, and what stands on it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from passerby.data.synthetic.canvas import Light
from passerby.data.synthetic.people import Colour, pick
from passerby.data.synthetic.sketch import shade

_SUPERSAMPLING = 2
_DRAB: tuple[Colour, ...] = ((92, 96, 104), (120, 110, 98), (74, 84, 92), (142, 136, 128), (104, 92, 86), (86, 98, 92))
_SIGNS: tuple[Colour, ...] = ((196, 84, 70), (70, 126, 168), (222, 184, 92), (104, 152, 108), (228, 226, 218), (150, 96, 140))


@dataclass(frozen=True, slots=True)
class Stage:
    """A picture under way, several times its final size.

    Args:
        horizon: row where the ground ends.
        vanishing: column where lines along the ground meet.
    """

    draw: ImageDraw.ImageDraw
    width: int
    height: int
    horizon: float
    vanishing: float
    rng: np.random.Generator

    def box(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        """A rectangle in shares of the width and of the height above the horizon (0 top, 1 horizon)."""
        corners = (left * self.width, top * self.horizon, right * self.width, bottom * self.horizon)
        if corners[2] > corners[0] and corners[3] > corners[1]:
            self.draw.rectangle(corners, fill=colour)

    def row(self, distance: float) -> float:
        """The row of a line across the ground; 1 is the nearest, larger is farther."""
        return self.horizon + (self.height - self.horizon) * 1.05 / distance

    def column(self, side: float, row: float) -> float:
        """The column of a line along the ground, ``side`` picture widths from the vanishing point at the bottom row."""
        return self.vanishing + side * self.width * (row - self.horizon) / (self.height - self.horizon)

    def lane(self, left: float, right: float, near: float, far: float, colour: Colour) -> None:
        """A rectangle on the ground: two sides and two distances."""
        low, high = self.row(near), self.row(far)
        corners = [
            (self.column(left, low), low),
            (self.column(right, low), low),
            (self.column(right, high), high),
            (self.column(left, high), high),
        ]
        self.draw.polygon(corners, fill=colour)

    def ground(self, colour: Colour) -> None:
        self.draw.rectangle((0, self.horizon, self.width, self.height), fill=colour)

    def tiles(self, colour: Colour, size: float, line: int = 1) -> None:
        """A grid of joints on the ground, ``size`` picture widths wide."""
        for place in range(-12, 13):
            side = place * size
            self.draw.line(
                (self.column(side, self.horizon), self.horizon, self.column(side, self.height), self.height), fill=colour, width=line
            )
        distance = 1.0
        while distance < 9:
            row = self.row(distance)
            self.draw.line((0, row, self.width, row), fill=colour, width=line)
            distance += size * 1.6


def scenery(width: int, height: int, rng: np.random.Generator, place: str) -> Image.Image:
    """A background without anybody in it: one of ``PLACES``, soft as something out of focus."""
    wide, high = width * _SUPERSAMPLING, height * _SUPERSAMPLING
    image = Image.new("RGB", (wide, high), (128, 128, 128))
    stage = Stage(ImageDraw.Draw(image), wide, high, high * (0.16 + 0.26 * rng.random()), wide * (0.2 + 0.6 * rng.random()), rng)
    PLACES[place](stage)
    soft = height * (0.001 + 0.0035 * rng.random())
    return weathered(image.reduce(_SUPERSAMPLING).filter(ImageFilter.GaussianBlur(soft)), rng)


def cast_shadow(cover: NDArray[np.float32], ground: float, light: Light) -> NDArray[np.float32]:
    """How much light reaches the ground around a figure.

    Args:
        cover: (h, w, 1) of the figure, 0..1.
        ground: row of the soles.

    Returns:
        (h, w, 1) in 0..1.
    """
    height, width = cover.shape[:2]
    mask = Image.fromarray(np.rint(cover[..., 0] * 255).astype(np.uint8))
    squash, slant = 3.2, 1.5 * math.sin(light.azimuth)
    cast = mask.transform(
        (width, height),
        Image.Transform.AFFINE,
        (1, -slant * squash, slant * squash * ground, 0, squash, ground * (1 - squash)),
        Image.Resampling.BILINEAR,
    )
    contact = Image.new("L", (width, height))
    middle = float((cover[..., 0].sum(axis=0) * np.arange(width)).sum() / max(float(cover.sum()), 1.0))
    reach = 0.085 * height
    ImageDraw.Draw(contact).ellipse((middle - reach, ground - reach * 0.34, middle + reach, ground + reach * 0.12), fill=255)
    cast = cast.filter(ImageFilter.GaussianBlur(height * 0.008))
    contact = contact.filter(ImageFilter.GaussianBlur(height * 0.014))
    dark = np.asarray(cast, dtype=np.float32) * (0.75 * light.direct) + np.asarray(contact, dtype=np.float32) * 0.5
    return (1 - np.minimum(dark / 255, 0.7))[..., None]


def weathered(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Large soft stains and a little grain, as on every real wall and road."""
    width, height = image.size
    stains = Image.fromarray(rng.integers(110, 144, (9, 5), dtype=np.uint8)).resize((width, height), Image.Resampling.BICUBIC)
    grain = rng.integers(-5, 6, (height, width), dtype=np.int16)
    factor = np.asarray(stains, dtype=np.float32)[..., None] / 128
    pixels = np.asarray(image, dtype=np.float32) * factor + grain[..., None]
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _facade(stage: Stage) -> None:
    wall = pick(stage.rng, _DRAB)
    stage.box(0, 0, 1, 1, wall)
    count = int(stage.rng.integers(2, 5))
    for place in range(count):
        left = (place + 0.18) / count
        stage.box(left, 0.08, left + 0.62 / count, 0.5, shade(wall, -34))
        stage.box(left + 0.02, 0.1, left + 0.58 / count, 0.3, (168, 184, 198))
    stage.box(0, 0.6, 1, 0.68, shade(wall, -24))
    start = stage.rng.random() * 0.7
    stage.box(start, 0.66, start + 0.3, 1, (54, 58, 66))
    stage.box(start + 0.34, 0.62, start + 0.8, 0.72, pick(stage.rng, _SIGNS))


def _street(stage: Stage) -> None:
    _facade(stage)
    asphalt = shade((96, 98, 102), int(stage.rng.integers(-16, 20)))
    stage.ground(asphalt)
    edge = -0.9 + 1.8 * stage.rng.random()
    stage.lane(edge - 3, edge, 1, 40, shade((158, 154, 148), int(stage.rng.integers(-14, 14))))
    stage.lane(edge, edge + 0.06, 1, 40, (196, 194, 188))
    for near in (1.0, 1.5, 2.4, 4.2):
        stage.lane(edge + 0.75, edge + 0.83, near, near * 1.28, (214, 212, 204))
    if stage.rng.random() < 0.6:
        _car(stage)


def _car(stage: Stage) -> None:
    left = -0.3 + stage.rng.random()
    paint = pick(stage.rng, _SIGNS)
    stage.box(left, 0.62, left + 0.75, 0.99, paint)
    stage.box(left + 0.14, 0.42, left + 0.6, 0.64, shade(paint, -18))
    stage.box(left + 0.18, 0.46, left + 0.56, 0.62, (60, 70, 82))
    unit = stage.width * 0.075
    for x in (left + 0.16, left + 0.58):
        centre, row = x * stage.width, stage.horizon
        stage.draw.ellipse((centre - unit, row - unit, centre + unit, row + unit * 0.7), fill=(36, 36, 38))


def _pavement(stage: Stage) -> None:
    _facade(stage)
    stone = pick(stage.rng, ((168, 160, 150), (150, 150, 152), (178, 162, 146), (140, 132, 126)))
    stage.ground(stone)
    stage.tiles(shade(stone, -24), 0.16 + 0.14 * stage.rng.random(), 2)


def _wall(stage: Stage) -> None:
    base = stage.height * (0.62 + 0.2 * stage.rng.random())
    plaster = pick(stage.rng, ((176, 168, 156), (150, 112, 94), (134, 140, 146), (188, 184, 172), (146, 156, 148)))
    stage.draw.rectangle((0, 0, stage.width, base), fill=plaster)
    if stage.rng.random() < 0.6:
        brick = stage.height / 34
        for course in range(int(base / brick) + 1):
            row = course * brick
            stage.draw.line((0, row, stage.width, row), fill=shade(plaster, 26), width=2)
            for joint in range(8):
                column = (joint + 0.5 * (course % 2)) * brick * 2.4
                stage.draw.line((column, row, column, row + brick), fill=shade(plaster, 26), width=2)
    else:
        left, wide, rim = stage.rng.random() * 0.6 * stage.width, 0.42 * stage.width, 0.03 * stage.width
        stage.draw.rectangle((left, base * 0.12, left + wide, base * 0.46), fill=pick(stage.rng, _SIGNS))
        stage.draw.rectangle((left + rim, base * 0.14, left + wide - rim, base * 0.3), fill=pick(stage.rng, _DRAB))
    stage.draw.rectangle((0, base, stage.width, stage.height), fill=(142, 140, 138))
    stage.draw.rectangle((0, base - stage.height * 0.02, stage.width, base), fill=shade(plaster, -40))


def _park(stage: Stage) -> None:
    rng = stage.rng
    stage.draw.rectangle((0, 0, stage.width, stage.horizon), fill=(176, 198, 214))
    for _ in range(26):
        x, y, r = rng.random() * stage.width, (0.1 + 0.85 * rng.random()) * stage.horizon, (0.08 + 0.12 * rng.random()) * stage.width
        green = int(rng.integers(70, 122))
        stage.draw.ellipse((x - r, y - r, x + r, y + r), fill=(green // 2 + 14, green, green // 2))
    for _ in range(3):
        x = rng.random() * stage.width
        stage.draw.rectangle((x, 0.45 * stage.horizon, x + 0.035 * stage.width, 1.05 * stage.horizon), fill=(84, 66, 50))
    stage.ground((106, 136, 74))
    middle = -0.5 + rng.random()
    width = 0.5 + 0.5 * rng.random()
    stage.lane(middle - width, middle + width, 1, 60, pick(rng, ((190, 176, 150), (164, 160, 154), (180, 158, 132))))
    if rng.random() < 0.5:
        left = rng.random() * 0.6
        stage.box(left, 0.82, left + 0.4, 0.88, (110, 78, 52))
        stage.box(left, 0.94, left + 0.4, 1.0, (110, 78, 52))


def _mall(stage: Stage) -> None:
    rng = stage.rng
    stage.box(0, 0, 1, 1, (214, 208, 198))
    count = int(rng.integers(2, 4))
    for place in range(count):
        left = (place + 0.06) / count
        stage.box(left, 0.24, left + 0.88 / count, 1, (240, 226, 196))
        stage.box(left, 0.08, left + 0.88 / count, 0.24, pick(rng, _SIGNS))
        for shelf in range(3):
            top = 0.42 + 0.18 * shelf
            stage.box(left + 0.04, top, left + 0.8 / count, top + 0.09, pick(rng, _DRAB + _SIGNS))
    floor = pick(rng, ((206, 200, 190), (190, 184, 178), (214, 206, 190)))
    stage.ground(floor)
    stage.tiles(shade(floor, -16), 0.3, 2)
    for _ in range(3):
        side = -0.8 + 1.6 * rng.random()
        stage.lane(side, side + 0.12, 1.15, 6, shade(floor, 20))


def _crossing(stage: Stage) -> None:
    _facade(stage)
    stage.ground(shade((90, 92, 96), int(stage.rng.integers(-12, 18))))
    stage.lane(-4, 4, 5, 60, (150, 148, 144))
    start = stage.rng.random() * 0.3
    for place in range(-7, 8):
        stage.lane(start + place * 0.34, start + place * 0.34 + 0.18, 1, 3.2, (212, 212, 208))


PLACES: dict[str, Callable[[Stage], None]] = {
    "street": _street,
    "pavement": _pavement,
    "wall": _wall,
    "park": _park,
    "mall": _mall,
    "crossing": _crossing,
}
