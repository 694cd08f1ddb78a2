"""Cloth: its pattern, its folds, and the garments of the trunk and the limbs."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from passerby.data.synthetic.body import Limb
from passerby.data.synthetic.canvas import Canvas
from passerby.data.synthetic.figure import Figure
from passerby.data.synthetic.people import PALETTE, Colour, Garment
from passerby.data.synthetic.surface import Patch, Points, barrel, disc, moved, tube

_REACH = {"t-shirt": 0.445, "shirt": 0.475, "sweater": 0.455, "hoodie": 0.46, "jacket": 0.455, "coat": 0.66, "vest": 0.455, "dress": 0.68}
_EASE = {"t-shirt": 0.006, "shirt": 0.006, "sweater": 0.009, "hoodie": 0.011, "jacket": 0.012, "coat": 0.013, "vest": 0.013, "dress": 0.002}
_SHORT_SLEEVES = ("t-shirt", "dress")
_STEPS = np.linspace(0, 1, 7)
_LENS = np.sin(math.pi * _STEPS) * 0.5
_DARK, _PALE = (34, 34, 40), (244, 242, 238)


def cloth(canvas: Canvas, patch: Patch, garment: Garment, *, edge: bool = True, joined: int = 0) -> None:
    """A surface in a garment's colour and pattern."""
    canvas.patch(patch, PALETTE[garment.colour], edge=edge, joined=joined)
    if garment.pattern in _PATTERNS:
        _PATTERNS[garment.pattern](canvas, patch, contrast(garment.colour))


def contrast(name: str) -> Colour:
    """The tone that patterns and trimmings take on a colour of the palette."""
    red, green, blue = PALETTE[name]
    light = 0.3 * red + 0.59 * green + 0.11 * blue > 150
    return mix(PALETTE[name], _DARK if light else _PALE, 0.62 if light else 0.78)


def mix(colour: Colour, other: Colour, share: float) -> Colour:
    """A colour with a share of another."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(colour, other, strict=True))
    return red, green, blue


def _striped(canvas: Canvas, patch: Patch, ink: Colour) -> None:
    count = max(2, round(patch.length / 0.032))
    for place in range(count):
        canvas.tint(patch.region(0, 1, (place + 0.32) / count, (place + 0.68) / count), ink)


def _checked(canvas: Canvas, patch: Patch, ink: Colour) -> None:
    count = max(2, round(patch.length / 0.03))
    down = np.linspace(0, 1, len(patch.left))
    for place in range(count):
        canvas.line(patch.at(np.linspace(0, 1, 9), np.full(9, (place + 0.5) / count)), ink, 0.0055)
    for azimuth in np.arange(-math.pi, math.pi, 0.33):
        if patch.shows(azimuth):
            canvas.line(around(patch, [azimuth] * len(down), down), ink, 0.0055)


def _dotted(canvas: Canvas, patch: Patch, ink: Colour) -> None:
    count = max(2, round(patch.length / 0.026))
    for place in range(count):
        for azimuth in np.arange(-math.pi, math.pi, 0.36) + 0.18 * (place % 2):
            if patch.shows(azimuth):
                centre = around(patch, [azimuth], [(place + 0.5) / count])[0]
                canvas.tint(disc(centre, 0.0065 * math.cos(azimuth + patch.yaw), 0.0065, n=10), ink)


def _logo(canvas: Canvas, patch: Patch, ink: Colour) -> None:
    if not patch.shows(0.0):
        return
    canvas.tint(around(patch, [-0.3, 0.3, 0.22, 0.0, -0.22], [0.24, 0.24, 0.38, 0.43, 0.38]), ink)
    for v, reach in ((0.47, 0.34), (0.51, 0.22)):
        canvas.tint(around(patch, [-reach, reach, reach, -reach], [v, v, v + 0.022, v + 0.022]), ink)


_PATTERNS = {"striped": _striped, "checked": _checked, "dotted": _dotted, "logo": _logo}


def around(patch: Patch, azimuths: Iterable[float], down: Iterable[float]) -> Points:
    """(n, 2) points given by azimuth in radians and v."""
    return patch.at(patch.across(np.array(list(azimuths))), np.array(list(down)))


def fold(
    canvas: Canvas, patch: Patch, start: tuple[float, float], end: tuple[float, float], *, width: float = 0.02, depth: float = 0.2
) -> None:
    """A fold from one (u, v) to another: a dark lens with a lit rim."""
    u, v = (a + (b - a) * _STEPS for a, b in zip(start, end, strict=True))
    thick = width / patch.length * _LENS
    for shift, share in ((1.4, -0.45), (0.0, 1.0)):
        middle = v + thick * shift
        canvas.press(patch.at(np.concatenate([u, u[::-1]]), np.concatenate([middle - thick, (middle + thick)[::-1]])), depth * share)


def trunk(figure: Figure, top: float, bottom: float, ease: float, *, flare: float = 0.0) -> Patch:
    """The body between two shares of the way from chin to soles, ``ease`` wider than the skin and flared below the waist."""
    body = figure.body
    belly = max(0.0, body.waist - 0.085)
    table = np.array(
        [
            (0.0, 0.036, 0.036, -0.004),
            (0.022, 0.044, 0.042, -0.006),
            (0.046, body.shoulders * 0.74, 0.050, -0.008),
            (0.078, body.shoulders * 0.97, body.chest * body.depth * 0.92, -0.004),
            (0.11, (body.shoulders + body.chest) / 2, body.chest * body.depth, 0.002),
            (0.16, body.chest * 1.02, body.chest * body.depth, 0.006),
            (0.24, (body.chest + body.waist) / 2, (body.chest + body.waist) / 2 * body.depth, 0.004 + belly * 0.3),
            (0.32, body.waist, body.waist * body.depth, 0.002 + belly * 0.6),
            (0.42, body.hips, body.hips * body.depth * 1.08, -0.006),
            (0.50, body.hips * 1.0, body.hips * body.depth * 1.05, -0.006),
            (1.0, body.hips * 0.98, body.hips * body.depth, 0.0),
        ]
    )
    shares = np.unique(np.concatenate([[top, bottom], table[(table[:, 0] > top) & (table[:, 0] < bottom), 0]]))
    rows = np.stack([np.interp(shares, table[:, 0], table[:, column]) for column in range(4)], axis=1)
    rows[:, 1:3] += ease + (flare * np.clip((shares - 0.32) / 0.36, 0, None))[:, None]
    rows[:, 0] = figure.body.head + (1 - figure.body.head) * shares
    return barrel(rows, figure.view)


def lower_body(canvas: Canvas, figure: Figure) -> None:
    """The seat of trousers and shorts, or a skirt."""
    garment = figure.person.lower
    if garment is None:
        return
    rng = _creases(figure, 1)
    if garment.kind == "skirt":
        patch = trunk(figure, 0.34, 0.66, 0.006, flare=0.045)
        cloth(canvas, patch, garment)
        for u in np.linspace(0.14, 0.86, 6) + (rng.random(6) - 0.5) * 0.06:
            fold(canvas, patch, (0.5 + (u - 0.5) * 0.8, 0.35), (u, 1.0), width=0.012, depth=0.16)
        return
    patch = trunk(figure, 0.34, 0.475, 0.005)
    cloth(canvas, patch, garment, edge=False)
    if garment.kind == "jeans" and figure.away < -0.3:
        for side in (-1, 1):
            pocket = [math.pi + side * azimuth for azimuth in (0.3, 0.85, 0.85, 0.58, 0.3)]
            canvas.crease(around(patch, [*pocket, pocket[0]], (0.55, 0.55, 0.86, 0.95, 0.86, 0.55)), 0.25, 0.003)
    if patch.shows(0.0):
        canvas.crease(around(patch, (0, 0), (0.2, 0.95)), 0.22, 0.004)
    for side in (-1, 1):
        fold(canvas, patch, (0.5, 0.97), (0.5 + side * 0.36, 0.78 + 0.08 * rng.random()), width=0.012)


def leg_clothes(canvas: Canvas, figure: Figure, leg: Limb) -> None:
    """One leg's cloth, or nothing below a skirt or a dress."""
    garment = figure.person.lower
    if garment is None or garment.kind == "skirt":
        return
    rng = _creases(figure, 3 + leg.side)
    hip, knee, ankle = figure.view.project(leg.joints)
    thick = figure.body.leg
    if garment.kind == "shorts":
        patch = tube(
            np.stack([hip, hip + (knee - hip) * 0.45, hip + (knee - hip) * 0.9]), (thick * 1.08, thick * 1.06, thick * 1.04), figure.view
        )
        cloth(canvas, patch, garment)
        canvas.crease(patch.at(np.linspace(0, 1, 7), np.full(7, 0.94)), 0.18, 0.003)
        fold(canvas, patch, (0.1, 0.5), (0.8, 0.62 + 0.1 * rng.random()))
        return
    tight = 0.86 if garment.kind == "jeans" else 1.0
    radii = (thick * 1.04, thick * 0.82 * tight, thick * 0.68 * tight)
    patch = tube(np.stack([hip, knee, ankle + (ankle - knee) * 0.06]), radii, figure.view)
    cloth(canvas, patch, garment)
    for v in (0.44, 0.52, 0.9, 0.95):
        reach = 0.35 + 0.5 * rng.random()
        left = rng.random() < 0.5
        fold(canvas, patch, (0.0 if left else 1.0, v), (reach if left else 1 - reach, v + 0.03), width=0.014, depth=0.18)
    if garment.kind == "trousers" and patch.shows(0.0):
        down = np.linspace(0.15, 0.95, 12)
        canvas.crease(around(patch, [0.0] * 12, down), 0.1, 0.003)


def upper_body(canvas: Canvas, figure: Figure) -> Patch:
    """The trunk of the upper garment; returns its surface."""
    garment = figure.person.upper
    flare = {"dress": 0.06, "coat": 0.018}.get(garment.kind, 0.0)
    patch = trunk(figure, 0.012, _REACH[garment.kind], _EASE[garment.kind], flare=flare)
    below = moved(patch.region(0, 1, 0.9, 1.0), 0.0, 0.014)
    canvas.press(below, 0.35)
    cloth(canvas, patch, garment)
    _trunk_folds(canvas, patch, figure)
    if figure.person.under is not None:
        _opening(canvas, patch, figure.person.under)
    if garment.kind in _DETAILS:
        _DETAILS[garment.kind](canvas, patch, figure)
    return patch


def _trunk_folds(canvas: Canvas, patch: Patch, figure: Figure) -> None:
    rng = _creases(figure, 0)
    if figure.person.upper.kind in ("dress", "coat"):
        for u in np.linspace(0.15, 0.85, 5) + (rng.random(5) - 0.5) * 0.08:
            fold(canvas, patch, (0.5 + (u - 0.5) * 0.7, 0.56), (u, 1.0), width=0.014, depth=0.16)
        fold(canvas, patch, (0.05, 0.47), (0.95, 0.48), width=0.012, depth=0.14)
    waist = 0.66 if figure.person.upper.kind not in ("dress", "coat") else 0.42
    for side in (0, 1):
        for v, length in ((waist - 0.4 * waist, 0.38), (waist, 0.42), (waist * 1.16, 0.3)):
            inward = length * (0.7 + 0.5 * rng.random())
            fold(canvas, patch, (abs(side - 0.02), v), (abs(side - inward), v + 0.05 * (rng.random() + 0.4)), width=0.015, depth=0.2)


def _opening(canvas: Canvas, patch: Patch, under: Garment) -> None:
    if not patch.shows(0.55) and not patch.shows(-0.55):
        return
    down = np.linspace(0.0, 1.0, 12)
    reach = 0.30 + 0.16 * down
    rims = [around(patch, side * reach, down) for side in (-1, 1)]
    canvas.tint(np.concatenate([rims[0], rims[1][::-1]]), PALETTE[under.colour])
    if under.pattern == "striped":
        ink = contrast(under.colour)
        for row in range(1, len(down) - 1, 2):
            canvas.tint(np.concatenate([rims[0][row : row + 2], rims[1][row : row + 2][::-1]]), ink)
    for rim in rims:
        canvas.crease(rim, 0.4, 0.007)


def _hem(canvas: Canvas, patch: Patch, v: float) -> None:
    canvas.crease(patch.at(np.linspace(0, 1, 9), np.full(9, v)), 0.22, 0.003)


def _ribbed(canvas: Canvas, patch: Patch, _: Figure) -> None:
    _hem(canvas, patch, 0.94)


def _buttoned(canvas: Canvas, patch: Patch, figure: Figure) -> None:
    if not patch.shows(0.0) or figure.person.under is not None:
        return
    canvas.crease(around(patch, [0.07] * 8, np.linspace(0.02, 1, 8)), 0.25, 0.003)
    for v in np.linspace(0.14, 0.9, 6):
        canvas.tint(disc(around(patch, [0.0], [v])[0], 0.0035, 0.0035, n=8), contrast(figure.person.upper.colour))


def _zipped(canvas: Canvas, patch: Patch, figure: Figure) -> None:
    _hem(canvas, patch, 0.93)
    if figure.person.under is None and patch.shows(0.0):
        canvas.crease(around(patch, [0.0] * 8, np.linspace(0.02, 1, 8)), 0.3, 0.006)
        canvas.line(
            around(patch, [0.0] * 8, np.linspace(0.02, 1, 8)), mix(contrast(figure.person.upper.colour), (150, 150, 150), 0.5), 0.0022
        )
    for side in (-1, 1):
        if patch.shows(side * 0.8):
            canvas.crease(around(patch, (side * 0.65, side * 1.0), (0.66, 0.84)), 0.32, 0.004)


def _hooded(canvas: Canvas, patch: Patch, figure: Figure) -> None:
    _hem(canvas, patch, 0.93)
    if not patch.shows(0.0) or figure.person.under is not None:
        return
    canvas.crease(around(patch, (-0.75, -0.45, 0.45, 0.75), (0.86, 0.64, 0.64, 0.86)), 0.28, 0.004)
    for side in (-1, 1):
        canvas.line(around(patch, (side * 0.16, side * 0.18), (0.09, 0.3)), contrast(figure.person.upper.colour), 0.003)


def _quilted(canvas: Canvas, patch: Patch, figure: Figure) -> None:
    for v in np.linspace(0.2, 0.95, 7):
        canvas.crease(patch.at(np.linspace(0, 1, 9), np.full(9, v)), 0.24, 0.006)
    _zipped(canvas, patch, figure)


def _coat(canvas: Canvas, patch: Patch, figure: Figure) -> None:
    _buttoned(canvas, patch, figure)
    for side in (-1, 1):
        if patch.shows(side * 0.5):
            lapel = around(patch, (side * 0.75, side * 0.1, side * 0.5, side * 0.85), (0.0, 0.26, 0.17, 0.14))
            canvas.crease(np.concatenate([lapel, lapel[:1]]), 0.35, 0.004)
        if patch.shows(side * 0.8):
            canvas.crease(around(patch, (side * 0.6, side * 1.05), (0.6, 0.58)), 0.3, 0.006)


_DETAILS = {
    "shirt": _buttoned,
    "sweater": _ribbed,
    "hoodie": _hooded,
    "jacket": _zipped,
    "vest": _quilted,
    "coat": _coat,
}


def sleeve(canvas: Canvas, figure: Figure, arm: Limb) -> None:
    """One arm: its cloth, its skin, its hand."""
    person, view = figure.person, figure.view
    shoulder, elbow, wrist, tips = view.project(arm.joints)
    garment = person.under if person.upper.kind == "vest" and person.under is not None else person.upper
    thick = figure.body.arm
    bare = tube(np.stack([shoulder, elbow, wrist]), (thick, thick * 0.86, thick * 0.62), view, rounded=True)
    short = garment.kind in _SHORT_SLEEVES
    loose = 0.004 + _EASE[garment.kind] * 0.55
    joints = (
        np.stack([shoulder, shoulder + (elbow - shoulder) * 0.35, shoulder + (elbow - shoulder) * 0.7])
        if short
        else np.stack([shoulder, elbow, wrist])
    )
    radii = (
        (thick * 0.85 + loose, thick + loose, thick + loose * 1.2)
        if short
        else (thick * 0.9 + loose, thick * 0.88 + loose, thick * 0.68 + loose)
    )
    cover = tube(joints, radii, view, rounded=True)
    shadow = bare if short else cover
    canvas.press(moved(shadow.region(0, 1, 0.25, 1), -0.008 if shoulder[0] > 0 else 0.008, 0.004), 0.3)
    _hand(canvas, figure, wrist, tips)
    if short:
        canvas.patch(bare, figure.skin)
    printed = replace(garment, pattern="plain") if garment.pattern == "logo" else garment
    cloth(canvas, cover, printed, edge=False, joined=7 if short else 6)
    for u in (0, 1):
        canvas.crease(cover.at(np.full(9, u), np.linspace(0.3, 1, 9)), 0.25, 0.0035)
    if short:
        canvas.crease(cover.at(np.linspace(0, 1, 7), np.full(7, 0.92)), 0.2, 0.003)
        return
    rng = _creases(figure, 7 + arm.side)
    for v in (0.2, 0.5, 0.56, 0.62, 0.88):
        start = 0.0 if rng.random() < 0.5 else 1.0
        fold(canvas, cover, (start, v), (0.5 + (0.5 - start) * 0.7, v + 0.04 * rng.random()), width=0.013, depth=0.2)
    canvas.crease(cover.at(np.linspace(0, 1, 7), np.full(7, 0.93)), 0.2, 0.003)


def _hand(canvas: Canvas, figure: Figure, wrist: Points, tips: Points) -> None:
    thick = figure.body.arm
    way = tips - wrist
    canvas.patch(tube(np.stack([wrist, wrist + way * 0.5, tips]), (thick * 0.55, thick * 0.66, thick * 0.3), figure.view), figure.skin)


def _creases(figure: Figure, part: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64([figure.creases, part]))
