"""Layers that a figure is drawn on: colours, cover, light and relief, at several times the final resolution."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from passerby.data.synthetic.people import Colour
from passerby.data.synthetic.surface import Patch, Points

SUPERSAMPLING = 4
_LIT = 170
_FLAT = 200
_ANGLES = np.linspace(-math.pi / 2, math.pi / 2, 11)
_ACROSS = 0.5 + 0.5 * np.sin(_ANGLES)


@dataclass(frozen=True, slots=True)
class Light:
    """Where the light comes from, and how hard it is.

    Args:
        azimuth: radians from the camera's direction; positive from the right.
        ambient, direct: shares of the light that has no direction and that has one; about 1 together.
    """

    azimuth: float
    ambient: float
    direct: float


class Canvas:
    """Draws polygons given in figure heights.

    Args:
        width, height: pixels of the finished picture.
        scale: pixels of the finished picture per figure height.
        origin: pixel of the finished picture at which the figure's (0, 0) lies.
        tilt: radians by which the camera is rolled.
        keystone: how much wider the head is seen than the feet, as a share.
    """

    def __init__(
        self, width: int, height: int, *, scale: float, origin: tuple[float, float], light: Light, tilt: float, keystone: float
    ) -> None:
        size = (width * SUPERSAMPLING, height * SUPERSAMPLING)
        self._layers = [Image.new("RGB", size), Image.new("L", size), Image.new("L", size, _LIT), Image.new("L", size, _FLAT)]
        self._colour, self._cover, self._tone, self._relief = map(ImageDraw.Draw, self._layers)
        self._scale, self._light, self._keystone = scale * SUPERSAMPLING, light, keystone
        self._bands = [self._lambert(float(angle)) for angle in (_ANGLES[:-1] + _ANGLES[1:]) / 2]
        self._origin = np.array(origin) * SUPERSAMPLING
        self._roll = np.array([[math.cos(tilt), math.sin(tilt)], [-math.sin(tilt), math.cos(tilt)]])

    def patch(self, patch: Patch, colour: Colour, *, edge: bool = True, joined: int = 0) -> None:
        """A rounded surface, shaded around its axis; its first ``joined`` rows take over the shade below them."""
        rows = len(patch.left)
        across = np.tile(_ACROSS, rows)
        mesh = self._pixels(patch.at(across, np.repeat(np.linspace(0, 1, rows), len(_ACROSS)))).reshape(rows, len(_ACROSS), 2)
        self._fill(np.concatenate([mesh[:, 0], mesh[-1, 1:-1], mesh[::-1, -1], mesh[0, -2:0:-1]]).ravel().tolist(), colour, edge=edge)
        for band, tone in enumerate(self._bands):
            self._tone.polygon(
                np.concatenate([mesh[joined:, band], mesh[: joined - 1 if joined else None : -1, band + 1]]).ravel().tolist(), fill=tone
            )

    def shape(self, points: Points, colour: Colour, *, edge: bool = True, angle: float = 0.0) -> None:
        """A flat surface whose normal is turned ``angle`` radians to the right."""
        corners = self._path(points)
        self._fill(corners, colour, edge=edge)
        self._tone.polygon(corners, fill=self._lambert(angle))

    def tint(self, points: Points, colour: Colour) -> None:
        """Colour on what is there already: a stripe, a button."""
        self._colour.polygon(self._path(points), fill=colour)

    def line(self, points: Points, colour: Colour, width: float) -> None:
        """A line of colour on what is there already, its width in figure heights."""
        self._colour.line(self._path(points), fill=colour, width=max(1, round(self._scale * width)), joint="curve")

    def strap(self, points: Points, colour: Colour, width: float) -> None:
        """A band that casts a little shadow and covers the background too."""
        thick = max(1, round(self._scale * width))
        corners = self._path(points)
        self._relief.line(corners, fill=140, width=round(thick * 1.6), joint="curve")
        self._colour.line(corners, fill=colour, width=thick, joint="curve")
        self._cover.line(corners, fill=255, width=thick, joint="curve")
        self._relief.line(corners, fill=_FLAT, width=thick, joint="curve")

    def press(self, points: Points, depth: float) -> None:
        """Light taken from (depth > 0) or given to (depth < 0) a region, as a share: folds and shadows."""
        self._relief.polygon(self._path(points), fill=round(_FLAT * (1 - depth)))

    def crease(self, points: Points, depth: float, width: float) -> None:
        """A seam, its width in figure heights."""
        self._relief.line(self._path(points), fill=round(_FLAT * (1 - depth)), width=max(1, round(self._scale * width)), joint="curve")

    def finish(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The figure at its final size: colours (h, w, 3) in 0..255 times cover, and cover (h, w, 1) in 0..1."""
        colour, cover, tone, relief = (layer.reduce(SUPERSAMPLING) for layer in self._layers)
        light = ImageChops.multiply(tone, relief).filter(ImageFilter.GaussianBlur(self._scale / SUPERSAMPLING * 0.003))
        factor = np.asarray(light, dtype=np.float32)[..., None] * np.float32(255 / (_LIT * _FLAT))
        return np.asarray(colour, dtype=np.float32) * factor, np.asarray(cover, dtype=np.float32)[..., None] / np.float32(255)

    def _fill(self, corners: list[float], colour: Colour, *, edge: bool) -> None:
        self._colour.polygon(corners, fill=colour)
        self._cover.polygon(corners, fill=255)
        self._relief.polygon(corners, fill=_FLAT)
        if edge:
            self._relief.line([*corners, *corners[:2]], fill=150, width=max(1, round(self._scale * 0.0032)))

    def _lambert(self, angle: float) -> int:
        return round(_LIT * (self._light.ambient + self._light.direct * max(0.0, math.cos(angle - self._light.azimuth))))

    def _pixels(self, points: Points) -> Points:
        figure = points.copy()
        figure[:, 0] *= 1 + self._keystone * (0.5 - figure[:, 1])
        return np.asarray(self._origin + (figure @ self._roll) * self._scale)

    def _path(self, points: Points) -> list[float]:
        path: list[float] = self._pixels(points).ravel().tolist()
        return path
