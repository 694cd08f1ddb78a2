"""Flat shapes of a wide scene, given in metres and seen by an upright camera above flat ground."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from passerby.data.synthetic.people import Colour

SUPERSAMPLING = 2
_NEAREST = 0.4

Place = tuple[float, float, float]
"""Metres to the right of the camera, above the ground, and away from the camera."""


@dataclass(frozen=True, slots=True)
class Camera:
    """Where places are seen.

    Args:
        width, height: pixels of the picture.
        horizon: row at which the ground ends.
        middle: column to which all that leads away runs.
        focal: pixels of a metre that is a metre away.
        rise: metres of the camera above the ground.
    """

    width: int
    height: int
    horizon: float
    middle: float
    focal: float
    rise: float

    def pixel(self, place: Place) -> tuple[float, float]:
        """Column and row; what is behind the camera is seen as just before it."""
        right, up, away = place
        scale = self.focal / max(away, _NEAREST)
        return self.middle + right * scale, self.horizon + (self.rise - up) * scale

    def ends(self, away: float) -> tuple[float, float]:
        """Metres to the right at which the picture begins and ends."""
        return -self.middle * away / self.focal, (self.width - self.middle) * away / self.focal

    def distance(self, row: float) -> float:
        """Metres to the ground seen in a row below the horizon."""
        return self.focal * self.rise / (row - self.horizon)


@dataclass(frozen=True, slots=True)
class Shape:
    """A polygon of (column, row) corners, or the ellipse between two corners."""

    corners: list[tuple[float, float]]
    colour: Colour
    ellipse: bool = False


@dataclass(frozen=True, slots=True)
class Glow:
    """A light: column, row and radius in pixels."""

    column: float
    row: float
    radius: float


@dataclass(frozen=True, slots=True)
class Sketch:
    """Shapes as a camera sees them; later ones hide earlier ones."""

    camera: Camera
    shapes: list[Shape] = field(default_factory=list)
    glows: list[Glow] = field(default_factory=list)

    def polygon(self, places: Sequence[Place], colour: Colour) -> None:
        self.shapes.append(Shape([self.camera.pixel(place) for place in places], colour))

    def front(self, left: float, right: float, low: float, high: float, away: float, colour: Colour) -> None:
        """A rectangle that faces the camera."""
        self.polygon([(left, low, away), (right, low, away), (right, high, away), (left, high, away)], colour)

    def side(self, at: float, near: float, far: float, low: float, high: float, colour: Colour) -> None:
        """An upright rectangle that leads away from the camera."""
        self.polygon([(at, low, near), (at, low, far), (at, high, far), (at, high, near)], colour)

    def level(self, left: float, right: float, near: float, far: float, colour: Colour, up: float = 0.0) -> None:
        """A rectangle as flat as the ground."""
        self.polygon([(left, up, near), (right, up, near), (right, up, far), (left, up, far)], colour)

    def ball(self, centre: Place, radius: float, colour: Colour, flat: float = 1.0) -> None:
        column, row = self.camera.pixel(centre)
        wide = radius * self.camera.focal / max(centre[2], _NEAREST)
        self.shapes.append(Shape([(column - wide, row - wide * flat), (column + wide, row + wide * flat)], colour, ellipse=True))

    def prism(self, outline: Sequence[tuple[float, float]], near: float, far: float, face: Colour, edge: Colour, top: Colour) -> None:
        """A solid whose (right, up) outline, given around, is the same from its near end to its far one."""
        sides = sorted(zip(outline, [*outline[1:], outline[0]], strict=True), key=lambda ends: ends[0][1] + ends[1][1])
        for (x, y), (other_x, other_y) in sides:
            flat = abs(other_x - x) > abs(other_y - y)
            self.polygon([(x, y, near), (other_x, other_y, near), (other_x, other_y, far), (x, y, far)], top if flat else edge)
        self.polygon([(x, y, near) for x, y in outline], face)

    def block(self, left: float, right: float, low: float, high: float, near: float, far: float, colour: Colour) -> None:
        """A box: its face in the colour, its top lighter and its ends darker."""
        outline = [(left, low), (right, low), (right, high), (left, high)]
        self.prism(outline, near, far, colour, shade(colour, -26), shade(colour, 18))

    def glow(self, centre: Place, radius: float) -> None:
        column, row = self.camera.pixel(centre)
        self.glows.append(Glow(column, row, radius * self.camera.focal / max(centre[2], _NEAREST)))


@dataclass(frozen=True, slots=True)
class Layer:
    """Part of a picture, to be laid over what is behind it.

    Args:
        left, top: the pixel of the picture at which it begins; may lie outside.
        colour: (h, w, 3) float32 in 0..255, times the cover.
        cover: (h, w, 1) float32 in 0..1.
    """

    left: int
    top: int
    colour: NDArray[np.float32]
    cover: NDArray[np.float32]

    def within(self, width: int, height: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        """The rows and columns of a picture that it lies over, and those of its own that lie there."""
        high, wide = self.cover.shape[:2]
        top, left = min(max(self.top, 0), height), min(max(self.left, 0), width)
        bottom, right = max(min(self.top + high, height), top), max(min(self.left + wide, width), left)
        own = (slice(top - self.top, bottom - self.top), slice(left - self.left, right - self.left))
        return (slice(top, bottom), slice(left, right)), own


def shade(colour: Colour, change: int) -> Colour:
    """A colour lighter, or darker, by so much of 255."""
    red, green, blue = (min(255, max(0, part + change)) for part in colour)
    return red, green, blue


def layer_of(sketch: Sketch) -> Layer:
    """A sketch as it is seen, no larger than what the picture shows of it."""
    corners = np.array([corner for shape in sketch.shapes for corner in shape.corners])
    camera = sketch.camera
    first = np.clip(np.floor(corners.min(axis=0)) - 1, 0, (camera.width, camera.height)).astype(int)
    last = np.clip(np.ceil(corners.max(axis=0)) + 1, first + 1, np.array((camera.width, camera.height)) + 1).astype(int)
    (left, top), (right, bottom) = first.tolist(), last.tolist()
    size = ((right - left) * SUPERSAMPLING, (bottom - top) * SUPERSAMPLING)
    colour, cover = Image.new("RGB", size), Image.new("L", size)
    paint_shapes(colour, sketch, left, top)
    paint_shapes(cover, sketch, left, top, ink=255)
    covered = np.asarray(cover.reduce(SUPERSAMPLING), dtype=np.float32)[..., None] / np.float32(255)
    return Layer(left, top, np.asarray(colour.reduce(SUPERSAMPLING), dtype=np.float32), covered)


def paint_shapes(image: Image.Image, sketch: Sketch, left: int = 0, top: int = 0, ink: int | None = None) -> None:
    """All shapes onto an image of ``SUPERSAMPLING`` times the size that begins at a pixel; in one ink, if one is given."""
    draw = ImageDraw.Draw(image)
    for shape in sketch.shapes:
        path = [((column - left) * SUPERSAMPLING, (row - top) * SUPERSAMPLING) for column, row in shape.corners]
        (draw.ellipse if shape.ellipse else draw.polygon)(path, fill=shape.colour if ink is None else ink)
