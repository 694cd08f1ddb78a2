"""Shoes and bags."""

from __future__ import annotations

import math

import numpy as np

from passerby.data.synthetic.body import Limb
from passerby.data.synthetic.canvas import Canvas
from passerby.data.synthetic.clothes import around, contrast, mix
from passerby.data.synthetic.figure import Figure
from passerby.data.synthetic.people import PALETTE, Colour
from passerby.data.synthetic.surface import Patch, Points, barrel, disc, hull, moved, tube

_SOLE = (46, 42, 40)
_RUBBER = (222, 220, 214)


def bare_leg(canvas: Canvas, figure: Figure, leg: Limb) -> None:
    """The skin of a leg, unless cloth hides it down to the ankle."""
    if figure.person.lower is not None and figure.person.lower.kind in ("trousers", "jeans"):
        return
    thick = figure.body.leg
    patch = tube(figure.view.project(leg.joints), (thick * 0.95, thick * 0.66, thick * 0.42), figure.view)
    canvas.patch(patch, figure.skin)


def shoe(canvas: Canvas, figure: Figure, leg: Limb) -> None:
    """One shoe, before the cloth of its leg."""
    garment = figure.person.shoes
    colour = PALETTE[garment.colour]
    upper, sole, toe = _foot(figure, leg)
    if garment.kind == "sandals":
        canvas.shape(sole, mix(colour, (0, 0, 0), 0.15))
        canvas.shape(upper, figure.skin)
        ankle, tip = figure.view.project(leg.joints[2:])[0], toe
        for share, reach in ((0.3, 0.024), (0.66, 0.028)):
            middle = ankle + (tip - ankle) * share
            canvas.line(middle + np.array([(-reach, 0.006), (0.0, 0.002), (reach, 0.008)]), colour, 0.016)
        return
    bottom = _SOLE if garment.kind != "sneakers" else (_RUBBER if garment.colour != "white" else (176, 178, 182))
    canvas.shape(sole, bottom)
    canvas.shape(upper, colour)
    if garment.kind == "sneakers":
        ankle = figure.view.project(leg.joints[2:])[0]
        for share in (0.38, 0.52):
            middle = ankle + (toe - ankle) * share
            canvas.line(middle + np.array([(-0.011, 0.0), (0.011, 0.003)]), contrast(garment.colour), 0.004)


def boot_shaft(canvas: Canvas, figure: Figure, leg: Limb) -> None:
    """The shaft of a boot, over the cloth of its leg."""
    if figure.person.shoes.kind != "boots":
        return
    _, knee, ankle = figure.view.project(leg.joints)
    thick = figure.body.leg
    radii = (thick * 0.78, thick * 0.66, thick * 0.6)
    patch = tube(np.stack([ankle + (knee - ankle) * 0.42, ankle + (knee - ankle) * 0.2, ankle - (knee - ankle) * 0.07]), radii, figure.view)
    canvas.patch(patch, PALETTE[figure.person.shoes.colour])
    canvas.crease(patch.at(np.linspace(0, 1, 7), np.full(7, 0.1)), 0.22, 0.004)


def backpack(canvas: Canvas, figure: Figure) -> None:
    """A pack on the back."""
    if figure.person.bag is None or figure.person.bag.kind != "backpack":
        return
    body, colour = figure.body, PALETTE[figure.person.bag.colour]
    behind = -(body.chest * body.depth + 0.045)
    rows = [
        (body.down(0.055), 0.03, 0.02, behind + 0.02),
        (body.down(0.075), 0.066, 0.04, behind + 0.01),
        (body.down(0.14), 0.082, 0.05, behind),
        (body.down(0.32), 0.086, 0.056, behind),
        (body.down(0.375), 0.076, 0.05, behind),
        (body.down(0.385), 0.05, 0.04, behind),
    ]
    patch = barrel(rows, figure.view)
    canvas.patch(patch, colour)
    trim = contrast(figure.person.bag.colour)
    if patch.shows(math.pi):
        canvas.crease(
            around(patch, np.linspace(math.pi - 1.0, math.pi + 1.0, 9), 0.34 - 0.2 * np.sin(np.linspace(0, math.pi, 9))), 0.35, 0.005
        )
        pocket = around(patch, [math.pi + a for a in (-0.75, 0.75, 0.72, -0.72, -0.75)], (0.52, 0.52, 0.92, 0.92, 0.52))
        canvas.crease(pocket, 0.32, 0.005)
        canvas.tint(around(patch, [math.pi + a for a in (-0.13, 0.13, 0.13, -0.13)], (0.6, 0.6, 0.66, 0.66)), mix(trim, colour, 0.3))


def backpack_straps(canvas: Canvas, figure: Figure, trunk: Patch) -> None:
    """The straps of a pack, over the shoulders and around the sides."""
    if figure.person.bag is None or figure.person.bag.kind != "backpack":
        return
    for side in (-1, 1):
        azimuths = side * np.array([0.95, 0.6, 0.5, 0.52, 0.7, 1.15, 1.6])
        down = np.array([0.085, 0.1, 0.2, 0.34, 0.46, 0.56, 0.6])
        shown = np.array([trunk.shows(float(a)) for a in azimuths])
        if shown.sum() > 2:
            canvas.strap(around(trunk, azimuths[shown], down[shown]), mix(PALETTE[figure.person.bag.colour], (0, 0, 0), 0.08), 0.024)


def shoulder_bag(canvas: Canvas, figure: Figure) -> None:
    """A bag at the hip, below its strap."""
    if figure.person.bag is None or figure.person.bag.kind != "shoulder bag":
        return
    body, view = figure.body, figure.view
    x, y = view.project([(figure.carrying * (body.hips + 0.03), body.down(0.40), 0.0)])[0]
    half = math.hypot(0.034 * math.cos(view.yaw), 0.082 * math.sin(view.yaw))
    _bag(canvas, figure.person.bag.colour, (x, y), (half, 0.115), taper=0.92)


def shoulder_strap(canvas: Canvas, figure: Figure, trunk: Patch) -> None:
    """A strap across the chest and the back."""
    if figure.person.bag is None or figure.person.bag.kind != "shoulder bag":
        return
    side = figure.carrying
    hip = 0.42 / 0.47 if trunk.length < 0.5 else 0.62
    for first, last in ((-0.85, 1.5), (-math.pi + 0.85, -2 * math.pi + 1.5)):
        share = np.linspace(0, 1, 14)
        azimuths = side * (first + (last - first) * share)
        shown = np.array([trunk.shows(float(a)) for a in azimuths])
        if shown.sum() > 2:
            canvas.strap(
                around(trunk, azimuths[shown], (0.06 + (hip - 0.06) * share)[shown]),
                mix(PALETTE[figure.person.bag.colour], (0, 0, 0), 0.1),
                0.014,
            )


def handbag(canvas: Canvas, figure: Figure, arm: Limb) -> None:
    """A bag that hangs from a hand."""
    if figure.person.bag is None or figure.person.bag.kind != "handbag" or arm.side != figure.carrying:
        return
    view = figure.view
    grip = view.project(arm.joints)[2:].mean(axis=0)
    half = math.hypot(0.05 * math.cos(view.yaw), 0.082 * math.sin(view.yaw))
    handle = np.array([(-half * 0.5, 0.07), (-half * 0.42, 0.02), (0.0, -0.004), (half * 0.42, 0.02), (half * 0.5, 0.07)])
    canvas.strap(grip + handle, mix(PALETTE[figure.person.bag.colour], (0, 0, 0), 0.15), 0.007)
    _bag(canvas, figure.person.bag.colour, (float(grip[0]), float(grip[1]) + 0.06), (half, 0.10), taper=1.16)


def suitcase(canvas: Canvas, figure: Figure) -> None:
    """A wheeled case, its handle drawn up to the hand."""
    if figure.person.bag is None or figure.person.bag.kind != "suitcase":
        return
    view, colour = figure.view, PALETTE[figure.person.bag.colour]
    arm = figure.skeleton.arms[0 if figure.carrying < 0 else 1]
    centre = suitcase_centre(figure)
    half = math.hypot(0.078 * math.cos(view.yaw), 0.048 * math.sin(view.yaw))
    grip = view.project(arm.joints)[2:].mean(axis=0)
    x, floor = view.project([centre])[0]
    top = floor - 0.275
    for side in (-0.4, 0.4):
        canvas.strap(np.array([(x + side * half, top + 0.01), (grip[0] + side * half * 0.5, grip[1])]), (120, 122, 128), 0.007)
    for side in (-0.75, 0.75):
        canvas.shape(disc((x + side * half, floor - 0.008), 0.011, 0.011, n=12), _SOLE)
    edges = np.array([(top, 0.9), (top + 0.012, 1.0), (floor - 0.026, 1.0), (floor - 0.014, 0.93)])
    down = np.linspace(top, floor - 0.014, 14)
    wide = np.interp(down, edges[:, 0], edges[:, 1]) * half
    patch = Patch(np.stack([x - wide, down], axis=1), np.stack([x + wide, down], axis=1), np.full(14, 0.004), 0.0)
    canvas.patch(patch, colour)
    for u in (0.2, 0.4, 0.6, 0.8):
        canvas.crease(patch.at([u, u], [0.05, 0.95]), 0.24, 0.005)


def suitcase_centre(figure: Figure) -> tuple[float, float, float]:
    """Where a suitcase stands: sideways, down and forward."""
    return figure.carrying * (figure.body.hips + 0.115), 1.0, -0.11


def _bag(canvas: Canvas, colour: str, top: tuple[float, float], size: tuple[float, float], taper: float) -> None:
    half, height = size
    down = np.linspace(0, 1, 10)
    wide = half * (1 + (taper - 1) * down) * np.interp(down, (0, 0.1, 0.9, 1), (0.94, 1, 1, 0.94))
    middle = np.array(top) + np.stack([np.zeros(10), down * height], axis=1)
    shift = np.stack([wide, np.zeros(10)], axis=1)
    patch = Patch(middle - shift, middle + shift, np.full(10, 0.006), 0.0)
    canvas.press(moved(patch.outline(), 0.006, 0.01), 0.3)
    canvas.patch(patch, PALETTE[colour])
    canvas.crease(patch.at(np.linspace(0, 1, 9), 0.34 + 0.1 * np.sin(np.linspace(0, math.pi, 9))), 0.34, 0.005)
    canvas.tint(disc(patch.at([0.5], [0.46])[0], 0.005, 0.006, n=8), _clasp(colour))


def _clasp(colour: str) -> Colour:
    return (196, 170, 96) if colour not in ("yellow", "beige", "orange") else (96, 82, 60)


def _foot(figure: Figure, leg: Limb) -> tuple[Points, Points, Points]:
    """(n, 2) the shoe, (m, 2) its sole, (2,) its toe."""
    size = 0.9 + 1.2 * (figure.body.leg - 0.046)
    ankle, way = leg.joints[2], leg.foot
    down = np.array([0.0, 0.028, 0.0])
    heel, ball, toe = ankle + down - way * 0.022 * size, ankle + down + way * 0.062 * size, ankle + down + way * 0.096 * size
    places = figure.view.project([ankle - down / 7, heel, ball, toe])
    radii = np.array([0.023, 0.021, 0.025, 0.019]) * size
    flat = np.array([1.0, 0.62, 0.62, 0.55])
    upper = hull(np.concatenate([disc(place, r, r * f, n=12) for place, r, f in zip(places, radii, flat, strict=True)]))
    sole = hull(
        np.concatenate(
            [disc(moved(place, 0.0, 0.008), r * 1.04, r * f, n=12) for place, r, f in zip(places[1:], radii[1:], flat[1:], strict=True)]
        )
    )
    return upper, sole, places[3]
