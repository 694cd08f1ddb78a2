"""Pictures of streets with several people in them, and the exact truth about each: where they are, how much of them shows, who they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from passerby.data.synthetic.canvas import Canvas
from passerby.data.synthetic.figure import Figure
from passerby.data.synthetic.painting import paint
from passerby.data.synthetic.people import DrawnPerson
from passerby.data.synthetic.picture import INSIDE, exposed, lowest, span, stream
from passerby.data.synthetic.scene import weathered
from passerby.data.synthetic.sketch import SUPERSAMPLING, Camera, Layer, layer_of, paint_shapes
from passerby.data.synthetic.street_plan import SMALLEST, Plan, Standing, plan_street


@dataclass(frozen=True, slots=True)
class Passer:
    """Somebody in a street.

    Args:
        person: who, and how they are seen.
        box: left, top, width and height in pixels of all that the picture would show of the person and what they wear if nobody and nothing
            stood before them; a suitcase that they pull is not of it.
        visible: the share of the whole person, 0..1, that neither things, other people nor the picture's border hide.
    """

    person: DrawnPerson
    box: tuple[int, int, int, int]
    visible: float


@dataclass(frozen=True, slots=True)
class Street:
    """A picture and who is in it.

    Args:
        picture: RGB.
        people: everybody with a box, farthest first.
    """

    picture: Image.Image
    people: tuple[Passer, ...]


@dataclass(frozen=True, slots=True)
class Painted:
    """Somebody painted alone, whole even where the picture ends.

    Args:
        layer: with all that they have by them.
        body: how far they cover each pixel of the layer, (h, w, 1) in 0..1; without a suitcase.
    """

    standing: Standing
    layer: Layer
    body: NDArray[np.float32]


def draw_street(
    seed: int,
    size: tuple[int, int] = (640, 480),
    people: int | Sequence[DrawnPerson] = 8,
    *,
    smallest: int = SMALLEST,
    place: str | None = None,
    daylight: str | None = None,
) -> Street:
    """A street, a square, a park, a station or a shop with people in it.

    Args:
        seed: 0 or more; it chooses what is left open; the same arguments give the same pixels.
        size: width and height in pixels, each at least 64.
        people: how many, drawn by chance, or who.
        smallest: pixels of the height of grown people who stand farthest away.
        place: a name in ``SETTINGS``; by chance if not given.
        daylight: a name in ``DAYLIGHTS``; by chance if not given.

    Raises:
        ValueError: for a smaller picture, fewer people than none, people of no height, or an unknown place or daylight.
    """
    plan = plan_street(seed, size, people, smallest=smallest, place=place, daylight=daylight)
    crowd = [paint_person(plan, standing, figure) for standing, figure in plan.people]
    scene = empty_street(plan, stream(seed, 12)) * ground_shade(plan, crowd)
    seen = compose(scene, plan, crowd)
    return Street(as_taken(scene, plan, stream(seed, 13)), seen)


def paint_person(plan: Plan, standing: Standing, figure: Figure) -> Painted:
    """Somebody of a plan, painted alone."""
    camera = plan.camera
    scale = standing.tall * camera.focal / standing.away
    column, row = camera.pixel((standing.right, 0.0, standing.away))
    ends = span(figure)
    left, top = math.floor(column + (ends[0] - 0.1) * scale) - 1, math.floor(row - 1.12 * scale) - 1
    right, bottom = math.ceil(column + (ends[1] + 0.1) * scale) + 1, math.ceil(row + (lowest(figure) - 0.96) * scale) + 1

    def finished(figure: Figure) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        origin = (column - left, row - scale - top)
        canvas = Canvas(right - left, bottom - top, scale=scale, origin=origin, light=plan.light, tilt=0.0, keystone=0.04)
        paint(canvas, figure)
        return canvas.finish()

    colour, cover = finished(figure)
    pulls = figure.person.bag is not None and figure.person.bag.kind == "suitcase"
    body = finished(replace(figure, person=replace(figure.person, bag=None)))[1] if pulls else cover
    return Painted(standing, Layer(left, top, colour, cover), body)


def empty_street(plan: Plan, rng: np.random.Generator) -> NDArray[np.float32]:
    """(h, w, 3) of the place without anybody."""
    camera = plan.camera
    image = Image.new("RGB", (camera.width * SUPERSAMPLING, camera.height * SUPERSAMPLING), plan.daylight.sky)
    paint_shapes(image, plan.backdrop)
    return np.asarray(weathered(image.reduce(SUPERSAMPLING), rng), dtype=np.float32)


def ground_shade(plan: Plan, crowd: Sequence[Painted]) -> NDArray[np.float32]:
    """(h, w, 1) in 0..1: how much light people and things leave to the ground."""
    camera, light = plan.camera, plan.light
    dark = Image.new("L", (camera.width, camera.height))
    contact = ImageDraw.Draw(dark)
    squash, slant = 3.2, 1.5 * math.sin(light.azimuth)
    for one in crowd:
        standing, layer = one.standing, one.layer
        mask = Image.fromarray(np.rint(layer.cover[..., 0] * 255).astype(np.uint8))
        column, row = camera.pixel((standing.right, 0.0, standing.away))
        reach = abs(slant) * mask.height
        flat, lean, feet = math.ceil(mask.height / squash), slant * squash, row - layer.top
        size = (mask.width + math.ceil(reach), flat + 4)
        start = -math.ceil(reach) if slant > 0 else 0
        first = math.floor(feet) - flat
        back = (1, -lean, start + lean * (feet - first), 0, squash, feet * (1 - squash) + squash * first)
        cast = mask.transform(size, Image.Transform.AFFINE, back, Image.Resampling.BILINEAR)
        dark.paste(round(190 * light.direct), (layer.left + start, layer.top + first), cast)
        wide = 0.19 * camera.focal / standing.away
        contact.ellipse((column - wide, row - wide * 0.32, column + wide, row + wide * 0.2), fill=120)
    for _, sketch in plan.things:
        feet = max(row for shape in sketch.shapes for _, row in shape.corners)
        low = [column for shape in sketch.shapes for column, row in shape.corners if row > feet - 0.03 * camera.height]
        wide = max(low) - min(low)
        deep = min(0.1 * wide, 0.03 * camera.height) + 1
        contact.ellipse((min(low) - 0.06 * wide, feet - deep, max(low) + 0.06 * wide, feet + 0.5 * deep), fill=120)
    dark = dark.filter(ImageFilter.GaussianBlur(camera.height * 0.004))
    return 1 - np.asarray(dark, dtype=np.float32)[..., None] * np.float32(0.0035)


def compose(scene: NDArray[np.float32], plan: Plan, crowd: Sequence[Painted]) -> tuple[Passer, ...]:
    """Lays people and things over the place, farthest first, and tells what of everybody is seen in the end."""
    camera = plan.camera
    order = [*((one.standing.away, one.layer, one) for one in crowd), *((away, layer_of(sketch), None) for away, sketch in plan.things)]
    seen: list[tuple[Painted, NDArray[np.float32]]] = []
    for _, layer, one in sorted(order, key=lambda item: -item[0]):
        where, own = layer.within(camera.width, camera.height)
        scene[where] *= 1 - layer.cover[own]
        scene[where] += layer.colour[own]
        for behind, left in seen:
            _hide(left, behind.layer, layer)
        if one is not None:
            inside = np.zeros_like(one.body)
            inside[own] = one.body[own]
            seen.append((one, inside))
    return tuple(
        Passer(one.standing.person, box, min(float(left.sum() / one.body.sum()), 1.0))
        for one, left in seen
        if (box := box_of(one, camera.width, camera.height)) is not None
    )


def _hide(left: NDArray[np.float32], behind: Layer, front: Layer) -> None:
    """Takes from what is left of somebody all that a nearer layer covers."""
    high, wide = left.shape[:2]
    where, own = replace(front, left=front.left - behind.left, top=front.top - behind.top).within(wide, high)
    left[where] *= 1 - front.cover[own]


def box_of(one: Painted, width: int, height: int) -> tuple[int, int, int, int] | None:
    """Left, top, width and height of the pixels of a picture that a body covers by half or more; ``None`` if there are none."""
    (down, across), own = one.layer.within(width, height)
    covered = one.body[own][..., 0] >= 0.5
    rows, columns = (np.flatnonzero(covered.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return None
    left, top = across.start + int(columns[0]), down.start + int(rows[0])
    return left, top, int(columns[-1] - columns[0]) + 1, int(rows[-1] - rows[0]) + 1


def as_taken(scene: NDArray[np.float32], plan: Plan, rng: np.random.Generator) -> Image.Image:
    """The scene in its light, as a camera takes it."""
    gain = np.array((INSIDE if plan.inside else plan.daylight.weather).gain, dtype=np.float32)
    lit = scene * (gain + _lamplight(plan) if plan.daylight.dark and not plan.inside else gain)
    if plan.daylight.rain and not plan.inside:
        lit += _rain(plan.camera, rng)
    return exposed(lit, rng, blur=0.5)


def _lamplight(plan: Plan) -> NDArray[np.float32]:
    """(h, w, 3) of warm light around lamps and windows, the more the darker it is."""
    camera, coarse = plan.camera, 8
    lack = 1.8 * (1 - sum(plan.daylight.weather.gain) / 3)
    image = Image.new("L", (math.ceil(camera.width / coarse), math.ceil(camera.height / coarse)))
    draw = ImageDraw.Draw(image)
    for sketch in (plan.backdrop, *(sketch for _, sketch in plan.things)):
        for glow in sketch.glows:
            x, y, r = glow.column / coarse, glow.row / coarse, max(glow.radius / coarse, 0.5)
            draw.ellipse((x - r, y - r, x + r, y + r), fill=255)
    blurred = [image.filter(ImageFilter.GaussianBlur(size)) for size in (1.2, 0.16 * image.height)]
    near, wide = (np.asarray(one, dtype=np.float32) / np.float32(255) for one in blurred)
    light = Image.fromarray((0.5 * near + 1.4 * wide) * np.float32(lack)).resize((camera.width, camera.height), Image.Resampling.BILINEAR)
    return np.asarray(light)[..., None] * np.array((1.0, 0.84, 0.56), dtype=np.float32)


def _rain(camera: Camera, rng: np.random.Generator) -> NDArray[np.float32]:
    """(h, w, 1) of light that streaks of rain add."""
    image = Image.new("L", (camera.width, camera.height))
    draw = ImageDraw.Draw(image)
    length = camera.height / 24
    for x, y in rng.random((camera.width // 3, 2)) * (camera.width, camera.height):
        draw.line((x, y, x - 0.12 * length, y + length), fill=34)
    return np.asarray(image, dtype=np.float32)[..., None]
