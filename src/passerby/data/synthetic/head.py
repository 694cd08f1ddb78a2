"""Heads: face, hair and hats."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from passerby.data.synthetic.canvas import Canvas
from passerby.data.synthetic.clothes import around, cloth, contrast, mix
from passerby.data.synthetic.figure import Figure
from passerby.data.synthetic.people import HAIR_COLOURS, PALETTE, Colour, Garment
from passerby.data.synthetic.surface import Patch, Points, View, barrel, disc, moved, tube

_SHELLS = {"short": (-0.05, 0.74, 0.05), "curly": (-0.14, 0.84, 0.30), "ponytail": (-0.04, 0.74, 0.05), "bun": (-0.04, 0.74, 0.05)}
"""Where hair starts and ends, in head heights, and how much wider than the head it is."""
_WIDTH, _DEPTH = 0.355, 0.43
"""Half width and half depth of a head, in head heights."""
_OUTLINE = np.array(
    [
        (0.0, 0.16),
        (0.03, 0.46),
        (0.09, 0.70),
        (0.2, 0.92),
        (0.35, 1.0),
        (0.5, 1.0),
        (0.64, 0.95),
        (0.78, 0.82),
        (0.9, 0.60),
        (0.97, 0.36),
        (1.0, 0.15),
    ]
)
"""Share of a head's height, share of its half width there."""


@dataclass(frozen=True, slots=True)
class Skull:
    """A head in place: ``surface`` reaches from the crown (v = 0) to the chin (v = 1)."""

    height: float
    view: View
    surface: Patch

    def shell(self, top: float, bottom: float, ease: float) -> Patch:
        """A layer around the head between two shares of its height, wider by a share of its width."""
        shares = np.linspace(top, bottom, 12)
        squeezed = np.interp(shares, (top, 0.3, max(bottom, 0.31)), (0.0, 0.3, max(bottom, 0.31)))
        return barrel(_rows(self.height, shares, np.interp(squeezed, *_OUTLINE.T) * (1 + ease)), self.view)

    def reach(self, azimuth: float, share: float, out: float, drop: float) -> Points:
        """(1, 2) a point that sticks out of the head by ``out`` head heights."""
        width = float(np.interp(share, *_OUTLINE.T)) * self.height
        side = math.sin(azimuth) * (width * _WIDTH + out * self.height)
        forward = math.cos(azimuth) * (width * _DEPTH + out * self.height)
        return self.view.project([(side, (share + drop) * self.height, forward)])


def skull_of(figure: Figure) -> Skull:
    """Where the head is."""
    height = figure.body.head
    return Skull(height, figure.gaze, barrel(_rows(height, _OUTLINE[:, 0], _OUTLINE[:, 1]), figure.gaze))


def neck(canvas: Canvas, figure: Figure) -> None:
    """The neck, down to the collar."""
    body = figure.body
    low = 0.034 if figure.away > 0 else 0.012
    thick = 0.029 + 0.3 * (body.arm - 0.027)
    rows = [
        (body.head * 0.8, thick, thick, 0.0),
        (body.down(0.012), thick * 1.05, thick * 1.05, -0.004),
        (body.down(low), thick * 0.9, thick, -0.004),
    ]
    patch = barrel(rows, figure.view, samples=10)
    canvas.patch(patch, figure.skin, edge=False)
    canvas.press(patch.region(0, 1, 0.0, 0.8), 0.22)


def collar(canvas: Canvas, figure: Figure) -> None:
    """What the upper garment has at the neck: a collar, a hood or a rim."""
    kind = figure.person.upper.kind
    colour = PALETTE[figure.person.upper.colour]
    body = figure.body
    band = barrel(
        [(body.down(-0.004), 0.037, 0.036, -0.006), (body.down(0.02), 0.045, 0.043, -0.006), (body.down(0.05), 0.056, 0.05, -0.004)],
        figure.view,
    )
    if kind in ("jacket", "coat", "shirt", "vest"):
        for side in (-1, 1):
            if band.shows(side * 0.7):
                flap = around(band, (side * 1.5, side * 0.75, side * 0.22, side * 0.75, side * 1.5), (0.0, 0.12, 0.75, 1.1, 0.7))
                canvas.shape(flap, colour, angle=side * 0.5)
    elif figure.away > 0.5:
        azimuths = np.linspace(-1.4, 1.4, 11)
        rim = around(band, azimuths, 0.2 + 0.55 * np.cos(azimuths))
        canvas.strap(rim, mix(colour, (0, 0, 0), 0.12), 0.006)


def hood(canvas: Canvas, figure: Figure) -> None:
    """A hood that lies on the shoulders."""
    if figure.person.upper.kind != "hoodie":
        return
    body = figure.body
    low = 0.06 if figure.away > 0 else 0.13
    rows = [(body.down(-0.012), 0.044, 0.03, -0.02), (body.down(0.02), 0.066, 0.045, -0.03), (body.down(low), 0.05, 0.03, -0.04)]
    patch = barrel(rows, figure.view)
    cloth(canvas, patch, Garment("hoodie", figure.person.upper.colour))
    if figure.away < 0:
        canvas.press(disc(patch.at([0.5], [0.3])[0], 0.034, 0.014), 0.35)


def hair_behind(canvas: Canvas, figure: Figure) -> None:
    """Hair that falls to the back: drawn before the trunk or after the head, as the figure faces."""
    colour = HAIR_COLOURS[figure.person.hair_colour]
    body, height = figure.body, figure.body.head
    style = figure.person.hair
    if style == "long":
        rows = [
            (height * 0.35, 0.046, 0.036, -0.016),
            (height * 0.8, 0.058, 0.034, -0.03),
            (body.down(0.08), 0.062, 0.028, -0.046),
            (body.down(0.15), 0.048, 0.02, -0.05),
        ]
        patch = barrel(rows, figure.view)
        canvas.patch(patch, colour)
        _strands(canvas, patch)
    elif style == "ponytail":
        root = np.array(
            [
                (0.0, height * 0.3, -height * 0.42),
                (0.0, height * 0.5, -height * 0.62),
                (0.0, height * 1.0, -height * 0.6),
                (0.0, height * 1.45, -height * 0.5),
            ]
        )
        patch = tube(figure.gaze.project(root), (0.012, 0.022, 0.021, 0.006), figure.view)
        canvas.patch(patch, colour)
        _strands(canvas, patch)
    elif style == "bun":
        centre = figure.gaze.project([(0.0, height * 0.16, -height * 0.48)])[0]
        canvas.shape(disc(centre, height * 0.2, height * 0.19), colour)


def head(canvas: Canvas, figure: Figure) -> None:
    """Face, hair and hat."""
    skull, person = skull_of(figure), figure.person
    for side in (-1, 1):
        if math.cos(side * 1.6 + skull.view.yaw) > -0.35:
            ear = skull.reach(side * 1.6, 0.55, 0.03, 0.0)[0]
            canvas.shape(disc(ear, skull.height * 0.07, skull.height * 0.115, n=12), figure.skin)
    nose = math.sin(skull.view.yaw)
    if abs(nose) > 0.45:
        bridge, tip, base = (skull.reach(0.0, share, out, 0.0)[0] for share, out in ((0.48, -0.03), (0.63, 0.075), (0.71, -0.05)))
        canvas.shape(np.stack([bridge, tip, moved(tip, 0.0, 0.004), base]), figure.skin, angle=0.6 * nose)
    canvas.patch(skull.surface, figure.skin)
    if person.beard:
        _beard(canvas, skull, figure.skin, mix(HAIR_COLOURS[person.hair_colour], figure.skin, 0.2))
    if person.hair != "bald":
        _hair(canvas, figure, skull)
    _face(canvas, figure, skull)
    if person.hat is not None:
        _HATS[person.hat.kind](canvas, skull, person.hat)


def _rows(height: float, shares: Points, widths: Points) -> Points:
    forward = 0.03 * height * np.clip(shares, 0, 1)
    return np.stack([shares * height, widths * _WIDTH * height, widths * _DEPTH * height, forward], axis=1)


def _hair(canvas: Canvas, figure: Figure, skull: Skull) -> None:
    colour = HAIR_COLOURS[figure.person.hair_colour]
    style = figure.person.hair
    shell = _falling(skull, 1.04 if style == "bob" else 0.95) if style in ("bob", "long") else skull.shell(*_SHELLS[style])
    if style == "curly":
        edge = shell.outline()
        for point in edge[:: max(1, len(edge) // 26)]:
            canvas.shape(disc(point, 0.013, 0.013, n=10), colour, edge=False)
    canvas.patch(shell, colour, edge=style != "curly")
    _strands(canvas, shell)
    face = _face_opening(skull, style)
    canvas.tint(face, figure.skin)
    if figure.person.beard:
        _beard(canvas, skull, figure.skin, mix(colour, figure.skin, 0.2))


def _falling(skull: Skull, bottom: float) -> Patch:
    shares = np.linspace(-0.04, bottom, 14)
    widths = np.interp(shares, (-0.04, 0.02, 0.1, 0.25, 0.5, bottom), (0.25, 0.6, 0.85, 1.05, 1.14, 1.1))
    return barrel(_rows(skull.height, shares, widths), skull.view)


def _face_opening(skull: Skull, style: str) -> Points:
    side = 1.0 if style in ("bob", "long") else 1.32
    azimuths = np.array([0.0, 0.55, side * 0.82, side, side, side * 0.95, 0.62, 0.3])
    down = np.array([0.24, 0.25, 0.31, 0.45, 0.68, 0.85, 0.97, 1.0])
    return around(skull.surface, np.concatenate([azimuths, -azimuths[::-1]]), np.concatenate([down, down[::-1]]))


def _strands(canvas: Canvas, patch: Patch) -> None:
    down = np.linspace(0.06, 0.98, 8)
    for u, depth in ((0.2, 0.14), (0.36, -0.14), (0.52, 0.1), (0.66, -0.16), (0.82, 0.14)):
        canvas.crease(patch.at(0.5 + (u - 0.5) * (0.6 + 0.4 * down), down), depth, 0.004)


def _face(canvas: Canvas, figure: Figure, skull: Skull) -> None:
    skin, surface, unit = figure.skin, skull.surface, skull.height
    brow = mix(HAIR_COLOURS[figure.person.hair_colour], mix(skin, (20, 10, 10), 0.7), 0.5)
    for side in (-1, 1):
        azimuth = side * 0.40
        if not surface.shows(azimuth):
            continue
        narrow = math.cos(azimuth + skull.view.yaw)
        eye = around(surface, [azimuth], [0.52])[0]
        canvas.tint(disc(eye, unit * 0.058 * narrow, unit * 0.03, n=12), mix(skin, (255, 255, 255), 0.75))
        canvas.tint(disc(eye, unit * 0.032 * narrow, unit * 0.034, n=10), (40, 28, 24))
        canvas.line(around(surface, np.linspace(side * 0.2, side * 0.62, 5), (0.455, 0.435, 0.43, 0.435, 0.455)), brow, unit * 0.028)
        if figure.person.glasses:
            canvas.line(
                np.concatenate([disc(eye, unit * 0.1 * narrow, unit * 0.072), disc(eye, unit * 0.1 * narrow, unit * 0.072)[:1]]),
                (36, 34, 38),
                unit * 0.022,
            )
            canvas.line(around(surface, (side * 0.66, side * 1.4), (0.51, 0.5)), (36, 34, 38), unit * 0.02)
    if surface.shows(0.0):
        turn = 0.12 if skull.view.yaw >= 0 else -0.12
        canvas.crease(around(surface, (turn, turn * 1.4, 0.0), (0.5, 0.68, 0.71)), 0.16, unit * 0.02)
        canvas.line(
            around(surface, np.linspace(-0.24, 0.24, 5), (0.815, 0.825, 0.83, 0.825, 0.815)), mix(skin, (150, 50, 56), 0.5), unit * 0.03
        )


def _beard(canvas: Canvas, skull: Skull, skin: Colour, colour: Colour) -> None:
    if not (skull.surface.shows(0.6) or skull.surface.shows(-0.6)):
        return
    azimuths = np.array([0.0, 0.45, 0.85, 1.25, 1.25, 0.9, 0.4])
    down = np.array([0.745, 0.75, 0.72, 0.58, 0.8, 0.95, 1.0])
    canvas.tint(around(skull.surface, np.concatenate([azimuths, -azimuths[::-1]]), np.concatenate([down, down[::-1]])), colour)
    canvas.tint(around(skull.surface, (-0.3, 0.3, 0.22, -0.22), (0.8, 0.8, 0.85, 0.85)), skin)


def _cap(canvas: Canvas, skull: Skull, hat: Garment) -> None:
    dome = skull.shell(-0.06, 0.31, 0.07)
    cloth(canvas, dome, hat)
    for azimuth in (-1.05, 0.0, 1.05, 2.1, -2.1):
        if dome.shows(azimuth):
            canvas.crease(around(dome, [azimuth] * 6, np.linspace(0.05, 0.95, 6)), 0.16, 0.003)
    colour = PALETTE[hat.colour]
    if math.cos(skull.view.yaw) > -0.55:
        angles = np.linspace(-1.05, 1.05, 13)
        rim = [skull.reach(float(a), 0.29, 0.02, -0.02 - 0.03 * math.cos(float(a)))[0] for a in angles]
        tip = [skull.reach(float(a), 0.29, 0.02 + 0.40 * math.cos(float(a) * 1.45), 0.06 * math.cos(float(a)))[0] for a in angles]
        canvas.press(np.stack([*rim, *[moved(point, 0.0, 0.012) for point in tip[::-1]]]), 0.3)
        canvas.shape(np.stack([*rim, *tip[::-1]]), mix(colour, (0, 0, 0), 0.14))
    else:
        canvas.crease(around(dome, np.linspace(math.pi - 0.7, math.pi + 0.7, 7), 1 - 0.35 * np.sin(np.linspace(0, math.pi, 7))), 0.3, 0.004)


def _hat(canvas: Canvas, skull: Skull, hat: Garment) -> None:
    unit = skull.height
    centre = skull.view.project([(0.0, 0.27 * unit, 0.0)])[0]
    canvas.press(disc(moved(centre, 0.0, 0.014), unit * 0.6, unit * (0.6 * skull.view.pitch + 0.09)), 0.3)
    canvas.shape(disc(centre, unit * 0.68, unit * (0.62 * skull.view.pitch + 0.05), n=28), mix(PALETTE[hat.colour], (0, 0, 0), 0.06))
    rows = [
        (-0.17 * unit, 0.27 * unit, 0.33 * unit, 0.0),
        (-0.12 * unit, 0.32 * unit, 0.39 * unit, 0.0),
        (0.26 * unit, 0.39 * unit, 0.46 * unit, 0.0),
    ]
    crown = barrel(rows, skull.view)
    cloth(canvas, crown, hat)
    canvas.tint(crown.region(0, 1, 0.72, 0.95), mix(contrast(hat.colour), PALETTE[hat.colour], 0.35))


def _beanie(canvas: Canvas, skull: Skull, hat: Garment) -> None:
    dome = skull.shell(-0.15, 0.34, 0.10)
    cloth(canvas, dome, hat)
    band = skull.shell(0.17, 0.36, 0.15)
    cloth(canvas, band, hat)
    for u in np.linspace(0.06, 0.94, 12):
        canvas.crease(band.at([u, u], [0.05, 0.95]), 0.14, 0.003)


_HATS = {"cap": _cap, "hat": _hat, "beanie": _beanie}
