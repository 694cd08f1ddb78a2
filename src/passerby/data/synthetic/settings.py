"""Wide places for several people: what is behind them, and the ground that they stand on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType

import numpy as np

from passerby.data.synthetic.people import Colour, pick
from passerby.data.synthetic.picture import OUTSIDE, Weather
from passerby.data.synthetic.sketch import Sketch, shade
from passerby.data.synthetic.things import crown

_FAR = 70.0
_WALLS: tuple[Colour, ...] = (
    (198, 180, 156), (176, 152, 136), (186, 186, 180), (160, 120, 100), (206, 196, 176), (150, 160, 168), (190, 164, 150), (170, 176, 160),
)  # fmt: skip
_PAVINGS: tuple[Colour, ...] = ((170, 164, 154), (158, 156, 154), (182, 168, 150), (150, 144, 138))
_SIGNS: tuple[Colour, ...] = ((186, 82, 70), (72, 118, 158), (214, 178, 92), (98, 142, 104), (222, 218, 208), (140, 92, 132))
_LIT: Colour = (255, 226, 164)


@dataclass(frozen=True, slots=True)
class Daylight:
    """A time of day or a weather: its light, its sky, and whether lamps are on or rain falls."""

    weather: Weather
    sky: Colour
    dark: bool = False
    rain: bool = False


@dataclass(frozen=True, slots=True)
class Ground:
    """Where people and things stand, in metres.

    Args:
        left, right: to the right of the camera, from and to.
        far: the farthest away.
        road: left, right, near and far of the part that is for cars, if there is one.
    """

    left: float
    right: float
    far: float
    road: tuple[float, float, float, float] | None = None


@dataclass(frozen=True, slots=True)
class Setting:
    """A kind of place.

    Args:
        sketch: draws the place at a time of day.
        things: names of what may stand there, in ``THINGS``.
        inside: whether there is a roof over it, and its light is the same at all times.
    """

    sketch: Callable[[Sketch, np.random.Generator, Daylight], Ground]
    things: tuple[str, ...]
    inside: bool = False


def _sky(sketch: Sketch, rng: np.random.Generator, time: Daylight) -> None:
    camera = sketch.camera
    blue = shade(time.sky, int(rng.integers(-12, 13)))
    for band in range(6):
        top = -1.0 + (camera.horizon + 1.0) * band / 6
        row = -1.0 + (camera.horizon + 1.0) * (band + 1) / 6
        left, right = camera.ends(_FAR)
        high, low = (camera.rise - (at - camera.horizon) * _FAR / camera.focal for at in (top, row))
        sketch.front(left, right, low - 0.5, high, _FAR, shade(blue, 6 * band))
    if not time.dark and not time.rain:
        for _ in range(int(rng.integers(0, 4))):
            at = left + (right - left) * float(rng.random())
            up = 12 + 14 * float(rng.random())
            for puff in range(4):
                sketch.ball((at + 2.4 * puff, up + float(rng.random()), _FAR), 1.6 + float(rng.random()), (232, 236, 240), flat=0.6)


def _floor(sketch: Sketch, colour: Colour) -> None:
    sketch.level(-200, 200, 0.1, 400, colour)


def _joints(sketch: Sketch, colour: Colour, size: float, far: float) -> None:
    """The joints of paving stones, thin and getting thinner."""
    left, right = sketch.camera.ends(far)
    for place in range(int(left / size) - 1, int(right / size) + 2):
        sketch.level(place * size - 0.012, place * size + 0.012, 0.5, far, colour)
    away = size
    while away < far:
        sketch.level(left * 1.2, right * 1.2, away - 0.012, away + 0.02, colour)
        away += size * (1 if away < 12 else 2)


def _window(sketch: Sketch, rng: np.random.Generator, left: float, low: float, away: float, wide: float, high: float, dark: bool) -> None:
    lit = dark and rng.random() < 0.4
    sketch.front(left - 0.09, left + wide + 0.09, low - 0.09, low + high + 0.09, away, (226, 222, 212))
    pane = _LIT if lit else shade((112, 132, 150), int(rng.integers(-18, 22)))
    sketch.front(left, left + wide, low, low + high, away, pane)
    if not lit:
        gleam = [(left, low, away), (left + wide * 0.5, low, away), (left + wide * 0.2, low + high, away), (left, low + high, away)]
        sketch.polygon(gleam, shade(pane, 16))
    sketch.front(left + wide / 2 - 0.03, left + wide / 2 + 0.03, low, low + high, away, (226, 222, 212))
    if lit:
        sketch.glow((left + wide / 2, low + high / 2, away), wide * 0.6)


def _house(sketch: Sketch, rng: np.random.Generator, left: float, right: float, away: float, dark: bool) -> None:
    """A house front: a shop below, rows of windows above."""
    wall = shade(pick(rng, _WALLS), int(rng.integers(-10, 11)))
    high = 7.5 + 5 * float(rng.random())
    sketch.front(left, right, 0, high, away, wall)
    sketch.front(left, right, 3.1, 3.35, away, shade(wall, -22))
    sketch.front(left - 0.1, right + 0.1, high - 0.3, high + 0.1, away, shade(wall, -40))
    columns = max(1, int((right - left) / 2.0))
    pitch = (right - left) / columns
    for floor in range(int((high - 3.6) / 2.6)):
        for column in range(columns):
            _window(sketch, rng, left + pitch * column + pitch / 2 - 0.5, 4.1 + 2.6 * floor, away, 1.0, 1.5, dark)
    _shop_front(sketch, rng, left + 0.3, right - 0.3, away, dark)


def _shop_front(sketch: Sketch, rng: np.random.Generator, left: float, right: float, away: float, dark: bool) -> None:
    wide = right - left
    door = left + (0.08 + 0.6 * float(rng.random())) * wide
    frame = pick(rng, ((70, 76, 82), (92, 70, 56), (70, 92, 88), (120, 60, 58)))
    sketch.front(left, right, 0, 2.9, away, frame)
    inside = (255, 222, 158) if dark else shade((176, 178, 172), int(rng.integers(-24, 24)))
    for low_left, low_right in ((left + 0.12, door - 0.1), (door + 1.1, right - 0.12)):
        if low_right - low_left < 0.4:
            continue
        sketch.front(low_left, low_right, 0.5, 2.25, away, inside)
        for _ in range(int((low_right - low_left) * 2.2)):
            at = low_left + 0.1 + (low_right - low_left - 0.5) * float(rng.random())
            sketch.front(at, at + 0.16 + 0.2 * float(rng.random()), 0.5, 0.8 + 0.8 * float(rng.random()), away, pick(rng, _SIGNS))
        if low_right - low_left > 1:
            gleam = [(low_left + 0.1, 0.5, away), (low_left + 0.5, 0.5, away), (low_left + 0.9, 2.25, away), (low_left + 0.5, 2.25, away)]
            sketch.polygon(gleam, shade(inside, 16))
        if dark:
            sketch.glow(((low_left + low_right) / 2, 1.4, away), (low_right - low_left) * 0.4)
    sketch.front(door, door + 1.0, 0.05, 2.25, away, shade(frame, 26))
    sketch.front(door + 0.14, door + 0.86, 0.7, 2.1, away, inside)
    sign = pick(rng, _SIGNS)
    sketch.front(left, right, 2.4, 2.95, away, sign)
    at = left + 0.3
    while at < right - 0.5:
        step = 0.14 + 0.22 * float(rng.random())
        sketch.front(at, at + step, 2.58, 2.78, away, shade(sign, 60 if sum(sign) < 480 else -90))
        at += step + 0.1
    if rng.random() < 0.45:
        _awning(sketch, left, right, away, sign)


def _awning(sketch: Sketch, left: float, right: float, away: float, colour: Colour) -> None:
    strips = max(4, round((right - left) / 0.5))
    for strip in range(strips):
        start, end = (left + (right - left) * place / strips for place in (strip, strip + 1))
        paint = colour if strip % 2 else (234, 230, 220)
        sketch.polygon([(start, 2.45, away), (end, 2.45, away), (end, 2.15, away - 0.9), (start, 2.15, away - 0.9)], paint)
        sketch.front(start, end, 1.98, 2.16, away - 0.9, shade(paint, -14))


def _row_of_houses(sketch: Sketch, rng: np.random.Generator, away: float, dark: bool) -> None:
    left, right = sketch.camera.ends(away)
    at = left - 4 * float(rng.random())
    while at < right:
        wide = 5 + 5 * float(rng.random())
        _house(sketch, rng, at, at + wide, away, dark)
        at += wide


def _side_houses(sketch: Sketch, rng: np.random.Generator, at: float, dark: bool) -> None:
    """Houses along one side of a street, farthest first."""
    ends = [0.4]
    while ends[-1] < 46:
        ends.append(ends[-1] + 5 + 5 * float(rng.random()))
    for near, far in reversed(list(pairwise(ends))):
        wall = shade(pick(rng, _WALLS), int(rng.integers(-18, 4)))
        high = 7 + 5 * float(rng.random())
        sketch.side(at, near, far, 0, high, wall)
        sketch.side(at, near, far, high - 0.3, high + 0.1, shade(wall, -40))
        sketch.side(at, near, far, 0, 0.4, shade(wall, -30))
        for floor in range(int((high - 3.4) / 2.6) if high > 6 else 1):
            start = near + 0.7
            while start + 1.1 < far:
                lit = dark and rng.random() < 0.4
                low = 3.9 + 2.6 * floor
                sketch.side(at, start - 0.08, start + 1.08, low - 0.08, low + 1.5, (222, 218, 208))
                sketch.side(at, start, start + 1.0, low, low + 1.42, _LIT if lit else shade((108, 126, 144), int(rng.integers(-16, 16))))
                start += 2.0
        sign = pick(rng, _SIGNS)
        shop = (255, 222, 158) if dark else (128, 134, 138)
        sketch.side(at, near + 0.5, far - 1.9, 0.5, 2.3, shop)
        sketch.side(at, near + 0.5, far - 1.9, 2.4, 2.9, sign)
        sketch.side(at, far - 1.6, far - 0.6, 0.05, 2.3, shade(sign, -70))
        for post in np.arange(near + 0.5, far - 1.9, 1.4):
            sketch.side(at, float(post) - 0.05, float(post) + 0.05, 0.5, 2.3, shade(wall, -46))
        if dark:
            sketch.glow((at, 1.4, (near + far) / 2), 1.2)


def _street(sketch: Sketch, rng: np.random.Generator, time: Daylight) -> Ground:
    """A street seen along it: a road between two pavements, houses on both sides."""
    _sky(sketch, rng, time)
    middle = 7 * (float(rng.random()) - 0.5)
    paving = pick(rng, _PAVINGS)
    _floor(sketch, paving)
    for row in range(3):
        for _ in range(7):
            crown(sketch, rng, middle - 8 + 16 * float(rng.random()), 2.6 - 0.6 * row, 52 - 2 * row, 2.6)
    road = shade((104, 106, 110), int(rng.integers(-12, 13)))
    sketch.level(middle - 7, middle + 7, 0.3, 60, paving)
    sketch.level(middle - 3.2, middle + 3.2, 0.3, 60, road)
    for kerb in (-3.2, 3.2):
        sketch.level(middle + kerb - 0.14, middle + kerb + 0.14, 0.3, 60, (196, 192, 184))
    if rng.random() < 0.6:
        for place in range(16):
            sketch.level(middle - 0.07, middle + 0.07, 1.5 + 3.4 * place, 3.3 + 3.4 * place, (214, 212, 204))
    crossing = 5 + 8 * float(rng.random())
    if rng.random() < 0.6:
        for place in range(7):
            left = middle - 2.95 + 0.88 * place
            sketch.level(left, left + 0.5, crossing, crossing + 2.6, (222, 220, 214))
    for side in (-7.0, 7.0):
        _side_houses(sketch, rng, middle + side, time.dark)
    return Ground(middle - 6.4, middle + 6.4, 44, road=(middle - 3.2, middle + 3.2, 0, 44))


def _square(sketch: Sketch, rng: np.random.Generator, time: Daylight) -> Ground:
    """A square before a row of houses."""
    _sky(sketch, rng, time)
    away = 18 + 14 * float(rng.random())
    paving = pick(rng, _PAVINGS)
    _floor(sketch, paving)
    _joints(sketch, shade(paving, -16), 1.2, away)
    _row_of_houses(sketch, rng, away, time.dark)
    return Ground(-40, 40, away - 1.5)


def _shops(sketch: Sketch, rng: np.random.Generator, time: Daylight) -> Ground:
    """Shops along a pavement, seen from across a road."""
    _sky(sketch, rng, time)
    away = 10 + 7 * float(rng.random())
    kerb = away * (0.45 + 0.2 * float(rng.random()))
    paving = pick(rng, _PAVINGS)
    _floor(sketch, paving)
    _joints(sketch, shade(paving, -18), 0.9, away)
    sketch.level(-60, 60, 0.2, kerb, shade((108, 110, 114), int(rng.integers(-14, 15))))
    sketch.level(-60, 60, kerb, kerb + 0.2, (198, 194, 186))
    _row_of_houses(sketch, rng, away, time.dark)
    return Ground(-30, 30, away - 0.8, road=(-60, 60, 0, kerb))


def _park(sketch: Sketch, rng: np.random.Generator, time: Daylight) -> Ground:
    """Lawns and a path between trees."""
    _sky(sketch, rng, time)
    grass = shade((122, 152, 88), int(rng.integers(-12, 13)))
    _floor(sketch, grass)
    for _ in range(8):
        at = 40 * (float(rng.random()) - 0.5)
        away = 6 + 30 * float(rng.random())
        sketch.level(at - 4, at + 5, away, away + 2, shade(grass, int(rng.integers(-8, 9))))
    left, right = sketch.camera.ends(48)
    for row in range(3):
        for _ in range(14):
            crown(sketch, rng, left + (right - left) * float(rng.random()), 3.4 - row, 48 - 3 * row, 2.8)
    middle, wide = 4 * (float(rng.random()) - 0.5), 1.4 + 1.6 * float(rng.random())
    gravel = pick(rng, ((206, 192, 164), (190, 184, 174), (200, 178, 148)))
    bend = 8 * (float(rng.random()) - 0.5)
    steps = [0.5 * 1.22**place for place in range(23)]
    edge = [(middle + bend * (away / 40) ** 2, away) for away in steps]
    outline = [(x - wide, 0.0, away) for x, away in edge] + [(x + wide, 0.0, away) for x, away in reversed(edge)]
    sketch.polygon([(x, y, away) for x, y, away in outline], gravel)
    if rng.random() < 0.4:
        at = middle + (9 if rng.random() < 0.5 else -9)
        sketch.ball((at, 0, 20), 6, shade((126, 168, 190), -50 if time.dark else 0), flat=0.16)
    return Ground(-40, 40, 34)


def _station(sketch: Sketch, rng: np.random.Generator, time: Daylight) -> Ground:
    """A platform under a roof, with a train beside it."""
    _sky(sketch, rng, time)
    floor = pick(rng, ((172, 170, 166), (160, 158, 156), (184, 178, 170)))
    way = 1 if rng.random() < 0.5 else -1
    edge = way * (2.6 + 1.6 * float(rng.random()))
    far = 46.0
    _floor(sketch, floor)
    sketch.front(*sketch.camera.ends(far + 8), 0, 5, far + 8, (152, 156, 158))
    wall = edge - way * 9
    sketch.side(wall, 0.4, far + 8, 0, 4.6, shade((202, 196, 184), int(rng.integers(-12, 13))))
    for near in range(1, 44, 5):
        sketch.side(wall, near, near + 2.2, 1.1, 2.5, pick(rng, _SIGNS))
        sketch.side(wall, near + 0.3, near + 1.9, 1.3, 1.8, pick(rng, _SIGNS))
    _joints(sketch, shade(floor, -14), 1.5, far)
    sketch.level(min(edge, edge + way * 6), max(edge, edge + way * 6), 0.3, far + 8, (74, 76, 80))
    line = edge - way * 0.68
    sketch.level(line - 0.08, line + 0.08, 0.3, far, (232, 204, 96))
    if rng.random() < 0.75:
        _train(sketch, rng, edge + way * 0.12, time.dark)
    for beam in range(40, 2, -4):
        sketch.front(*sketch.camera.ends(beam), 4.6, 4.9, beam, shade((124, 130, 134), beam // 2 - 10))
        sketch.front(edge - way * 4.5 - 0.6, edge - way * 4.5 + 0.6, 4.5, 4.6, beam, (255, 248, 226))
        if time.dark:
            sketch.glow((edge - way * 4.5, 4.5, beam), 0.8)
    sketch.block(edge - way * 3.4 - 0.9, edge - way * 3.4 + 0.9, 3.1, 3.8, 12, 12.3, (52, 74, 108))
    for row in (3.3, 3.55):
        sketch.front(edge - way * 3.4 - 0.7, edge - way * 3.4 + 0.4, row, row + 0.1, 12, (226, 224, 214))
    ends = (wall + way * 0.6, edge - way * 0.5)
    return Ground(min(ends), max(ends), 40)


def _train(sketch: Sketch, rng: np.random.Generator, at: float, dark: bool) -> None:
    paint = pick(rng, ((188, 66, 60), (66, 110, 158), (222, 222, 216), (76, 132, 108)))
    sketch.side(at, 0.4, 44, 0.05, 3.5, paint)
    sketch.side(at, 0.4, 44, 3.3, 3.6, shade(paint, -30))
    sketch.side(at, 0.4, 44, 0.9, 1.05, (236, 232, 222))
    pane = _LIT if dark else (96, 112, 126)
    for near in range(1, 43, 3):
        if near % 4 == 1:
            sketch.side(at, near, near + 1.5, 0.1, 2.9, shade(paint, -36))
            sketch.side(at, near + 0.2, near + 1.3, 1.2, 2.6, pane)
        else:
            sketch.side(at, near, near + 2.1, 1.4, 2.6, pane)


def _shop(sketch: Sketch, rng: np.random.Generator, _: Daylight) -> Ground:
    """A shop seen from inside: shelves along the walls, lamps in the ceiling."""
    away = 10 + 7 * float(rng.random())
    half = 5 + 3 * float(rng.random())
    wall = shade((214, 206, 192), int(rng.integers(-14, 15)))
    floor = pick(rng, ((198, 190, 178), (182, 178, 172), (190, 160, 128)))
    sketch.level(-200, 200, 0.1, 400, shade(wall, 20), up=3.6)
    _floor(sketch, floor)
    _joints(sketch, shade(floor, -14), 1.0, away)
    sketch.front(-half, half, 0, 3.6, away, wall)
    for side in (-half, half):
        sketch.side(side, 0.3, away, 0, 3.6, shade(wall, -12))
        for shelf in (0.1, 0.75, 1.4, 2.0):
            sketch.side(side, 1.2, away - 0.5, shelf, shelf + 0.06, shade(wall, -60))
            near = 1.3
            while near < away - 1:
                step = 0.16 + 0.3 * float(rng.random())
                sketch.side(side, near, near + step, shelf + 0.06, shelf + 0.25 + 0.26 * float(rng.random()), pick(rng, _SIGNS + _WALLS))
                near += step + 0.08
    at = -half + 0.4
    while at + 2.2 < half:
        sketch.front(at, at + 2.1, 0, 2.5, away, shade(wall, -44))
        for shelf in (0.12, 0.7, 1.28, 1.86):
            x = at + 0.1
            while x < at + 1.8:
                step = 0.12 + 0.22 * float(rng.random())
                sketch.front(x, x + step, shelf, shelf + 0.22 + 0.24 * float(rng.random()), away, pick(rng, _SIGNS + _WALLS))
                x += step + 0.05
        at += 2.5
    sketch.front(-1.4, 1.4, 2.75, 3.3, away, pick(rng, _SIGNS))
    for lamp in range(int(away) - 1, 1, -2):
        for x in (-half / 2, half / 2):
            sketch.level(x - 0.5, x + 0.5, lamp, lamp + 0.4, (255, 252, 240), up=3.58)
    return Ground(-half + 0.6, half - 0.6, away - 0.7)


SETTINGS: Mapping[str, Setting] = MappingProxyType(
    {
        "street": Setting(_street, ("car along", "car along", "tree", "lamp", "sign", "bin", "bollard", "bench", "board")),
        "square": Setting(_square, ("tree", "lamp", "bench", "planter", "column", "cafe", "cafe", "statue", "bin", "bollard")),
        "shops": Setting(_shops, ("car across", "car across", "tree", "lamp", "sign", "bin", "board", "cafe", "planter", "bollard")),
        "park": Setting(_park, ("tree", "tree", "bench", "lamp", "bin", "statue", "planter")),
        "station": Setting(_station, ("pillar", "bench", "bin", "sign", "counter", "planter"), inside=True),
        "shop": Setting(_shop, ("counter", "rack", "mannequin", "coat stand", "pillar", "planter", "rack"), inside=True),
    }
)
"""Wide places by name."""

DAYLIGHTS: Mapping[str, Daylight] = MappingProxyType(
    {
        "sun": Daylight(OUTSIDE[0], (158, 194, 228)),
        "clouds": Daylight(OUTSIDE[1], (196, 206, 216)),
        "dusk": Daylight(Weather(0.72, 0.34, (0.96, 0.80, 0.70)), (232, 186, 160), dark=True),
        "night": Daylight(Weather(0.80, 0.22, (0.46, 0.49, 0.62)), (74, 82, 118), dark=True),
        "rain": Daylight(Weather(0.86, 0.14, (0.80, 0.84, 0.88)), (176, 184, 192), rain=True),
    }
)
"""Times of day and weathers by name."""
