"""A figure on its canvas: parts in the order in which they hide each other."""

from __future__ import annotations

from passerby.data.synthetic import carried, clothes
from passerby.data.synthetic import head as heads
from passerby.data.synthetic.body import Limb, by_distance, is_behind
from passerby.data.synthetic.canvas import Canvas
from passerby.data.synthetic.figure import Figure


def paint(canvas: Canvas, figure: Figure) -> None:
    """All of a figure, farthest parts first."""
    arms = by_distance(figure.skeleton.arms, figure.view)
    case_behind = figure.view.nearness(carried.suitcase_centre(figure)) < 0.05
    if case_behind:
        carried.suitcase(canvas, figure)
    _behind(canvas, figure)
    for arm in arms:
        if is_behind(arm, figure.view):
            _arm(canvas, figure, arm)
    _legs(canvas, figure)
    _trunk(canvas, figure)
    for arm in arms:
        if not is_behind(arm, figure.view):
            _arm(canvas, figure, arm)
    _head(canvas, figure)
    if not case_behind:
        carried.suitcase(canvas, figure)


def _hip_is_behind(figure: Figure) -> bool:
    return figure.view.nearness((figure.carrying, 0.0, 0.0)) < -0.3


def _behind(canvas: Canvas, figure: Figure) -> None:
    if _hip_is_behind(figure):
        carried.shoulder_bag(canvas, figure)
    if figure.away > -0.15:
        carried.backpack(canvas, figure)
    if figure.away > 0.35:
        heads.hair_behind(canvas, figure)


def _legs(canvas: Canvas, figure: Figure) -> None:
    for leg in by_distance(figure.skeleton.legs, figure.view):
        carried.bare_leg(canvas, figure, leg)
        carried.shoe(canvas, figure, leg)
        clothes.leg_clothes(canvas, figure, leg)
        carried.boot_shaft(canvas, figure, leg)
    clothes.lower_body(canvas, figure)


def _trunk(canvas: Canvas, figure: Figure) -> None:
    if figure.away > 0:
        heads.hood(canvas, figure)
    surface = clothes.upper_body(canvas, figure)
    carried.backpack_straps(canvas, figure, surface)
    carried.shoulder_strap(canvas, figure, surface)
    heads.neck(canvas, figure)
    heads.collar(canvas, figure)
    if figure.away <= 0:
        heads.hood(canvas, figure)
    if not _hip_is_behind(figure):
        carried.shoulder_bag(canvas, figure)
    if figure.away <= -0.15:
        carried.backpack(canvas, figure)


def _arm(canvas: Canvas, figure: Figure, arm: Limb) -> None:
    carried.handbag(canvas, figure, arm)
    clothes.sleeve(canvas, figure, arm)


def _head(canvas: Canvas, figure: Figure) -> None:
    heads.head(canvas, figure)
    if figure.away <= 0.35:
        heads.hair_behind(canvas, figure)
