"""What stands about in streets, and hides some of those who pass behind it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from passerby.data.synthetic.people import Colour, pick
from passerby.data.synthetic.sketch import Sketch, shade

_PAINTS: tuple[Colour, ...] = (
    (176, 64, 58), (64, 104, 150), (232, 232, 228), (58, 62, 70), (146, 152, 158), (208, 176, 92), (92, 132, 108), (120, 150, 176),
)  # fmt: skip
_WOODS: tuple[Colour, ...] = ((134, 96, 64), (112, 80, 54), (158, 118, 80))
_STONES: tuple[Colour, ...] = ((164, 160, 152), (142, 140, 138), (180, 170, 156))
_SIGNS: tuple[Colour, ...] = ((196, 84, 70), (70, 126, 168), (222, 184, 92), (104, 152, 108), (228, 226, 218), (150, 96, 140))
_POLE: Colour = (66, 70, 76)
_TYRE: Colour = (38, 38, 40)
_GLASS: Colour = (92, 108, 122)


@dataclass(frozen=True, slots=True)
class Thing:
    """A kind of thing.

    Args:
        sketch: draws one that stands at so many metres to the right and away.
        wide, deep: half the metres of ground that it takes, across and along the line of sight.
    """

    sketch: Callable[[Sketch, np.random.Generator, float, float], None]
    wide: float
    deep: float


def _car_across(sketch: Sketch, rng: np.random.Generator, x: float, z: float) -> None:
    paint = pick(rng, _PAINTS)
    way = 1 if rng.random() < 0.5 else -1
    body = [(-2.1, 0.26), (2.1, 0.26), (2.12, 0.66), (1.1, 0.86), (0.55, 1.4), (-1.25, 1.42), (-1.9, 0.92), (-2.12, 0.84)]
    glass = [(0.92, 0.88), (0.46, 1.32), (-0.3, 1.34), (-0.3, 0.88)], [(-0.4, 0.88), (-0.4, 1.34), (-1.16, 1.34), (-1.62, 0.9)]
    near = z - 0.8
    for wheel in (-1.3, 1.3):
        sketch.ball((x + way * wheel, 0.32, z + 0.8), 0.32, _TYRE)
    sketch.prism([(x + way * a, b) for a, b in body], near, z + 0.8, paint, shade(_GLASS, -16), shade(paint, 20))
    for pane in glass:
        sketch.polygon([(x + way * a, b, near) for a, b in pane], _GLASS)
    for wheel in (-1.3, 1.3):
        sketch.ball((x + way * wheel, 0.33, near), 0.34, _TYRE)
        sketch.ball((x + way * wheel, 0.33, near), 0.18, (150, 152, 156))
    sketch.front(x + way * 1.92, x + way * 2.1, 0.58, 0.68, near, (244, 232, 190))
    sketch.front(x - way * 1.95, x - way * 2.1, 0.62, 0.76, near, (186, 50, 46))
    sketch.front(x - way * 0.36 - 0.02, x - way * 0.36 + 0.02, 0.34, 0.86, near, shade(paint, -30))


def _car_along(sketch: Sketch, rng: np.random.Generator, x: float, z: float) -> None:
    paint = pick(rng, _PAINTS)
    coming = rng.random() < 0.5
    near, far = z - 2.1, z + 2.1
    for side in (-0.7, 0.7):
        sketch.block(x + side - 0.12, x + side + 0.12, 0.0, 0.6, z + 1.1, z + 1.7, _TYRE)
        sketch.block(x + side - 0.12, x + side + 0.12, 0.0, 0.6, z - 1.7, z - 1.1, _TYRE)
    sketch.prism(
        [(x - 0.86, 0.28), (x + 0.86, 0.28), (x + 0.84, 0.84), (x - 0.84, 0.84)], near, far, paint, shade(paint, -26), shade(paint, 18)
    )
    cabin = [(x - 0.8, 0.84), (x + 0.8, 0.84), (x + 0.62, 1.44), (x - 0.62, 1.44)]
    sketch.prism(cabin, near + 0.9, far - 0.5, shade(_GLASS, -8), shade(_GLASS, -24), shade(paint, 24))
    lamp = (246, 238, 206) if coming else (190, 46, 44)
    for side in (-0.64, 0.64):
        sketch.front(x + side - 0.16, x + side + 0.16, 0.56, 0.72, near, lamp)
    sketch.front(x - 0.3, x + 0.3, 0.4, 0.52, near, (232, 230, 220))
    sketch.front(x - 0.8, x + 0.8, 0.28, 0.36, near, shade(paint, -40))


def _tree(sketch: Sketch, rng: np.random.Generator, x: float, z: float) -> None:
    trunk = 0.13 + 0.09 * float(rng.random())
    bark = shade((102, 78, 58), int(rng.integers(-14, 15)))
    fork = 2.1 + 0.8 * float(rng.random())
    sketch.polygon([(x - trunk * 1.5, 0, z), (x + trunk * 1.5, 0, z), (x + trunk * 0.8, fork, z), (x - trunk * 0.8, fork, z)], bark)
    sketch.polygon([(x + trunk * 0.4, 0, z), (x + trunk * 1.5, 0, z), (x + trunk * 0.8, fork, z)], shade(bark, -18))
    crown(sketch, rng, x, fork + 1.2, z, 1.7)


def crown(sketch: Sketch, rng: np.random.Generator, x: float, y: float, z: float, size: float) -> None:
    """Leaves: dark balls behind, light ones in front and above."""
    green = int(rng.integers(86, 128))
    for layer, count in ((0, 7), (1, 6), (2, 5)):
        tone = green + 16 * layer
        for _ in range(count):
            angle, reach = 2 * math.pi * float(rng.random()), size * (0.85 - 0.22 * layer) * math.sqrt(float(rng.random()))
            place = (x + reach * math.cos(angle), y + 0.7 * reach * math.sin(angle) + size * 0.14 * layer, z)
            sketch.ball(place, size * (0.46 - 0.09 * layer), (tone // 2 + 12, tone, tone // 2 + 2))


def _lamp(sketch: Sketch, rng: np.random.Generator, x: float, z: float) -> None:
    height = 3.4 + 0.8 * float(rng.random())
    sketch.front(x - 0.09, x + 0.09, 0, 0.4, z, shade(_POLE, -10))
    sketch.front(x - 0.045, x + 0.045, 0.4, height, z, _POLE)
    sketch.front(x - 0.22, x + 0.22, height + 0.42, height + 0.5, z, shade(_POLE, -14))
    sketch.ball((x, height + 0.22, z), 0.24, (252, 240, 206))
    sketch.glow((x, height + 0.22, z), 0.7)


def _sign(sketch: Sketch, rng: np.random.Generator, x: float, z: float) -> None:
    height = 2.1 + 0.4 * float(rng.random())
    sketch.front(x - 0.035, x + 0.035, 0, height, z, (138, 142, 146))
    if rng.random() < 0.5:
        sketch.ball((x, height, z), 0.34, (236, 234, 230))
        sketch.ball((x, height, z), 0.29, pick(rng, ((190, 58, 54), (58, 100, 164))))
        sketch.front(x - 0.18, x + 0.18, height - 0.05, height + 0.05, z, (240, 240, 236))
    else:
        colour = pick(rng, _SIGNS)
        sketch.front(x - 0.45, x + 0.45, height - 0.3, height + 0.3, z, colour)
        for row in (-0.1, 0.1):
            sketch.front(x - 0.34, x + 0.3, height + row - 0.04, height + row + 0.04, z, shade(colour, 50))


def _bench(sketch: Sketch, rng: np.random.Generator, x: float, z: float) -> None:
    wood = pick(rng, _WOODS)
    for leg in (-0.7, 0.7):
        sketch.block(x + leg - 0.05, x + leg + 0.05, 0, 0.42, z - 0.2, z + 0.2, _POLE)
    for row in (0.55, 0.75):
        sketch.front(x - 0.85, x + 0.85, row, row + 0.13, z + 0.24, shade(wood, -12))
    sketch.block(x - 0.85, x + 0.85, 0.41, 0.48, z - 0.24, z + 0.24, wood)


def _bin(sketch: Sketch, rng: np.random.Generator, x: float, z: float) -> None:
    colour = pick(rng, ((74, 92, 82), (88, 92, 98), (94, 80, 70)))
    sketch.ball((x, 0.03, z), 0.26, shade(colour, -30), flat=0.3)
    sketch.front(x - 0.25, x + 0.25, 0.05, 0.85, z, colour)
    sketch.front(x + 0.08, x + 0.25, 0.05, 0.85, z, shade(colour, -16))
    sketch.ball((x, 0.85, z), 0.27, shade(colour, 16), flat=0.3)
    sketch.ball((x, 0.86, z), 0.17, shade(colour, -44), flat=0.3)


def _planter(sketch: Sketch, rng: np.random.Generator, x: float, z: float) -> None:
    sketch.block(x - 0.75, x + 0.75, 0, 0.5, z - 0.3, z + 0.3, pick(rng, _STONES))
    green = int(rng.integers(96, 134))
    for place in range(8):
        at = (x - 0.62 + 0.177 * place, 0.62 + 0.1 * float(rng.random()), z)
        tone = green + int(rng.integers(-14, 15))
        sketch.ball(at, 0.21, (tone // 2 + 10, tone, tone // 2))
    if rng.random() < 0.7:
        flower = pick(rng, ((222, 96, 110), (240, 208, 96), (236, 232, 226), (176, 120, 190)))
        for _ in range(12):
            sketch.ball((x + 1.3 * float(rng.random()) - 0.65, 0.6 + 0.24 * float(rng.random()), z), 0.045, flower)


def _bollard(sketch: Sketch, rng: np.random.Generator, x: float, z: float) -> None:
    colour = pick(rng, (*_STONES, (70, 74, 80)))
    sketch.front(x - 0.12, x + 0.12, 0, 0.8, z, colour)
    sketch.front(x + 0.03, x + 0.12, 0, 0.8, z, shade(colour, -18))
    sketch.ball((x, 0.8, z), 0.13, shade(colour, 10))
    sketch.front(x - 0.12, x + 0.12, 0.6, 0.68, z, (222, 218, 206))


def _column(sketch: Sketch, rng: np.random.Generator, x: float, z: float) -> None:
    """A round column with posters on it, as tall and a little wider than a person."""
    sketch.front(x - 0.6, x + 0.6, 0, 2.5, z, (196, 190, 178))
    sketch.front(x + 0.26, x + 0.6, 0, 2.5, z, (172, 166, 156))
    for left, low, high in ((-0.54, 0.5, 1.35), (-0.54, 1.45, 2.3), (-0.02, 0.7, 2.2)):
        colour = pick(rng, _SIGNS)
        sketch.front(x + left, x + left + 0.46, low, high, z, colour)
        sketch.ball((x + left + 0.23, high - 0.3, z), 0.14, shade(colour, 54))
        sketch.front(x + left + 0.06, x + left + 0.4, low + 0.08, low + 0.16, z, shade(colour, -50))
    sketch.ball((x, 2.52, z), 0.7, (92, 112, 98), flat=0.24)
    sketch.ball((x, 2.72, z), 0.34, (92, 112, 98), flat=0.6)
    sketch.front(x - 0.66, x + 0.66, 0, 0.22, z, (122, 118, 112))


def _board(sketch: Sketch, rng: np.random.Generator, x: float, z: float) -> None:
    sketch.polygon([(x - 0.36, 0, z), (x + 0.36, 0, z), (x + 0.3, 1.05, z + 0.15), (x - 0.3, 1.05, z + 0.15)], pick(rng, _WOODS))
    sketch.polygon([(x - 0.3, 0.16, z), (x + 0.3, 0.16, z), (x + 0.25, 0.98, z + 0.14), (x - 0.25, 0.98, z + 0.14)], (52, 58, 56))
    for row in (0.34, 0.5, 0.66, 0.82):
        sketch.front(x - 0.2, x + 0.05 + 0.16 * float(rng.random()), row, row + 0.05, z, (206, 206, 196))


def _cafe(sketch: Sketch, rng: np.random.Generator, x: float, z: float) -> None:
    """A parasol over a table and two chairs."""
    cloth = pick(rng, _SIGNS)
    for seat in (-0.85, 0.85):
        sketch.front(x + seat - 0.22, x + seat + 0.22, 0.5, 0.95, z + 0.1, shade(_WOODS[0], -14))
        sketch.block(x + seat - 0.22, x + seat + 0.22, 0.42, 0.48, z - 0.2, z + 0.2, _WOODS[0])
        for leg in (-0.18, 0.18):
            sketch.front(x + seat + leg - 0.02, x + seat + leg + 0.02, 0, 0.42, z - 0.2, _POLE)
    sketch.front(x - 0.03, x + 0.03, 0, 2.5, z, (190, 186, 178))
    sketch.ball((x, 0.74, z), 0.5, (214, 208, 196), flat=0.24)
    for place in range(6):
        left, right = -1.5 + 0.5 * place, -1.0 + 0.5 * place
        sketch.polygon([(x + left, 2.1, z), (x + right, 2.1, z), (x, 2.75, z)], cloth if place % 2 else (236, 232, 222))


def _statue(sketch: Sketch, rng: np.random.Generator, x: float, z: float) -> None:
    """Stone in the shape of somebody, on a pedestal: nobody to be found."""
    stone = pick(rng, ((150, 152, 148), (118, 138, 126), (132, 126, 120)))
    sketch.block(x - 0.7, x + 0.7, 0, 0.3, z - 0.7, z + 0.7, (158, 152, 144))
    sketch.block(x - 0.5, x + 0.5, 0.3, 1.5, z - 0.5, z + 0.5, (170, 164, 154))
    robe = [(-0.34, 1.5), (0.36, 1.5), (0.26, 2.2), (0.3, 2.85), (0.1, 2.98), (-0.14, 2.98), (-0.3, 2.8), (-0.24, 2.2)]
    sketch.polygon([(x + a, b, z) for a, b in robe], stone)
    sketch.polygon([(x + a, b, z) for a, b in ((0.06, 1.5), (0.36, 1.5), (0.26, 2.2), (0.3, 2.85), (0.14, 2.9))], shade(stone, -22))
    sketch.polygon([(x + a, b, z) for a, b in ((0.24, 2.76), (0.66, 3.1), (0.6, 3.2), (0.18, 2.92))], shade(stone, -10))
    sketch.ball((x, 3.14, z), 0.15, stone, flat=1.2)


def _pillar(sketch: Sketch, rng: np.random.Generator, x: float, z: float) -> None:
    stone = pick(rng, _STONES)
    sketch.block(x - 0.3, x + 0.3, 0, 4.6, z - 0.3, z + 0.3, stone)
    sketch.block(x - 0.36, x + 0.36, 0, 0.25, z - 0.36, z + 0.36, shade(stone, -24))
    if rng.random() < 0.6:
        sketch.front(x - 0.22, x + 0.22, 1.7, 2.3, z - 0.3, pick(rng, _SIGNS))


def _counter(sketch: Sketch, rng: np.random.Generator, x: float, z: float) -> None:
    wood = pick(rng, _WOODS + _STONES)
    sketch.block(x - 1.1, x + 1.1, 0, 0.95, z - 0.35, z + 0.35, wood)
    sketch.block(x - 1.18, x + 1.18, 0.95, 1.02, z - 0.42, z + 0.42, shade(wood, 34))
    sketch.front(x - 1.0, x + 1.0, 0.12, 0.8, z - 0.351, shade(wood, -14))
    left = -0.8 + 0.9 * float(rng.random())
    sketch.block(x + left, x + left + 0.45, 1.02, 1.3, z - 0.1, z + 0.2, (62, 66, 74))


def _rack(sketch: Sketch, rng: np.random.Generator, x: float, z: float) -> None:
    """Clothes on hangers, with nobody in them."""
    for end in (-0.72, 0.72):
        sketch.front(x + end - 0.025, x + end + 0.025, 0, 1.55, z, (150, 152, 156))
    sketch.front(x - 0.8, x + 0.8, 1.52, 1.57, z, (150, 152, 156))
    for place in range(7):
        colour = pick(rng, _PAINTS)
        middle, low = x - 0.6 + 0.2 * place, 0.62 + 0.22 * float(rng.random())
        cut = [(-0.13, low), (0.13, low), (0.11, 1.38), (0.03, 1.47), (-0.03, 1.47), (-0.11, 1.38)]
        sketch.polygon([(middle + a, b, z) for a, b in cut], colour)
        sketch.polygon([(middle + a, b, z) for a, b in ((0.05, low), (0.13, low), (0.11, 1.38))], shade(colour, -24))


def _coat_stand(sketch: Sketch, rng: np.random.Generator, x: float, z: float) -> None:
    """A coat and a hat on a stand: nearly somebody."""
    coat = pick(rng, _PAINTS)
    for foot in (-0.26, 0.26):
        sketch.polygon([(x, 0.16, z), (x + foot, 0, z), (x + foot * 0.8, 0, z), (x, 0.08, z)], _WOODS[1])
    sketch.front(x - 0.03, x + 0.03, 0.05, 1.85, z, _WOODS[1])
    sketch.polygon([(x + a, b, z) for a, b in ((-0.24, 0.55), (0.26, 0.6), (0.22, 1.4), (0.05, 1.56), (-0.2, 1.44))], coat)
    sketch.polygon([(x + a, b, z) for a, b in ((0.06, 0.56), (0.26, 0.6), (0.22, 1.4), (0.08, 1.5))], shade(coat, -22))
    sketch.ball((x, 1.8, z), 0.18, shade(coat, -20), flat=0.22)
    sketch.ball((x, 1.86, z), 0.1, shade(coat, -20))


def _mannequin(sketch: Sketch, rng: np.random.Generator, x: float, z: float) -> None:
    """A headless torso on a pole, dressed."""
    cloth = pick(rng, _PAINTS)
    sketch.ball((x, 0.03, z), 0.22, (120, 122, 126), flat=0.3)
    sketch.front(x - 0.02, x + 0.02, 0.03, 0.9, z, (150, 152, 156))
    sketch.polygon([(x + a, b, z) for a, b in ((-0.2, 0.85), (0.2, 0.85), (0.15, 1.1), (0.23, 1.42), (-0.23, 1.42), (-0.15, 1.1))], cloth)
    sketch.polygon([(x + a, b, z) for a, b in ((0.05, 0.85), (0.2, 0.85), (0.15, 1.1), (0.23, 1.42), (0.1, 1.42))], shade(cloth, -20))
    sketch.front(x - 0.05, x + 0.05, 1.42, 1.56, z, (226, 214, 196))


THINGS: Mapping[str, Thing] = MappingProxyType(
    {
        "car across": Thing(_car_across, 2.3, 1.0),
        "car along": Thing(_car_along, 1.1, 2.3),
        "tree": Thing(_tree, 0.35, 0.35),
        "lamp": Thing(_lamp, 0.25, 0.25),
        "sign": Thing(_sign, 0.25, 0.25),
        "bench": Thing(_bench, 1.0, 0.4),
        "bin": Thing(_bin, 0.35, 0.35),
        "planter": Thing(_planter, 0.9, 0.45),
        "bollard": Thing(_bollard, 0.2, 0.2),
        "column": Thing(_column, 0.75, 0.75),
        "board": Thing(_board, 0.45, 0.3),
        "cafe": Thing(_cafe, 1.2, 0.6),
        "statue": Thing(_statue, 0.8, 0.8),
        "pillar": Thing(_pillar, 0.5, 0.5),
        "counter": Thing(_counter, 1.3, 0.55),
        "rack": Thing(_rack, 0.9, 0.35),
        "coat stand": Thing(_coat_stand, 0.35, 0.3),
        "mannequin": Thing(_mannequin, 0.35, 0.3),
    }
)
"""Things by name."""
