"""A picture of a person as a street camera takes it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from passerby.data.synthetic.canvas import Canvas, Light
from passerby.data.synthetic.carried import suitcase_centre
from passerby.data.synthetic.figure import Figure, pose_figure
from passerby.data.synthetic.painting import paint
from passerby.data.synthetic.people import DrawnPerson, pick
from passerby.data.synthetic.scene import PLACES, cast_shadow, scenery


@dataclass(frozen=True, slots=True)
class Weather:
    """A kind of light: its shares, and what it does to red, green and blue."""

    ambient: float
    direct: float
    gain: tuple[float, float, float]


OUTSIDE = (
    Weather(0.58, 0.50, (1.05, 1.03, 1.0)),
    Weather(0.82, 0.22, (0.98, 1.0, 1.02)),
    Weather(0.70, 0.36, (1.02, 1.0, 0.98)),
    Weather(0.60, 0.42, (1.03, 0.99, 0.94)),
    Weather(0.70, 0.24, (0.93, 0.95, 0.97)),
)
INSIDE = Weather(0.80, 0.24, (1.03, 1.01, 0.98))


def draw(person: DrawnPerson, seed: int, height: int = 256) -> Image.Image:
    """A picture of one person, cropped like a detection of a street camera.

    Args:
        person: who; the seed chooses what is left open: the exact turn and gait, the place, the light and the camera.
        seed: 0 or more; the same person, seed and height give the same pixels.
        height: pixels; the width follows, between a third and a little over half of it.

    Returns:
        An RGB image.

    Raises:
        ValueError: for a height below 32.
    """
    if height < 32:
        raise ValueError(f"a picture is at least 32 pixels high; found {height}")
    figure = pose_figure(person, stream(seed, 1))
    rng = stream(seed, 2)
    place = pick(rng, tuple(PLACES))
    weather = INSIDE if place == "mall" else pick(rng, OUTSIDE)
    light = Light((rng.random() - 0.5) * 2.0, weather.ambient, weather.direct)
    scale = height * (0.82 + 0.06 * rng.random())
    left, right = span(figure)
    width = max(round((right - left + 0.05) * scale), round(height * (0.34 + 0.1 * rng.random())))
    soles = height * (0.955 + 0.02 * rng.random())
    origin = (width / 2 - (left + right) / 2 * scale + (rng.random() - 0.5) * 0.02 * height, soles - scale * lowest(figure))
    canvas = Canvas(width, height, scale=scale, origin=origin, light=light, tilt=(rng.random() - 0.5) * 0.05, keystone=0.09 * rng.random())
    paint(canvas, figure)
    colour, cover = canvas.finish()
    behind = np.asarray(scenery(width, height, stream(seed, 3), place), dtype=np.float32)
    lit = colour + behind * cast_shadow(cover, soles - 0.012 * height, light) * (1 - cover)
    return exposed(lit * np.array(weather.gain, dtype=np.float32), stream(seed, 4))


def exposed(scene: NDArray[np.float32], rng: np.random.Generator, *, blur: float = 1.0) -> Image.Image:
    """What a small camera makes of (h, w, 3) light: haze, vignette, blur (a factor to what is usual), coarse colour, noise."""
    height, width = scene.shape[:2]
    haze, gain = 10 * rng.random(), 0.98 + 0.12 * rng.random()
    down = np.linspace(-1, 1, height, dtype=np.float32)[:, None, None]
    over = np.linspace(-1, 1, width, dtype=np.float32)[None, :, None]
    exposed = (scene * (gain * (1 - haze / 255)) + haze) * (1.02 - 0.07 * down * down - 0.05 * over * over)
    image = Image.fromarray(np.clip(exposed, 0, 255).astype(np.uint8))
    image = image.filter(ImageFilter.GaussianBlur(height / 256 * (0.15 + 0.55 * rng.random() ** 2) * blur))
    luma, *chroma = image.convert("YCbCr").split()
    coarse = [part.reduce(2).resize((width, height), Image.Resampling.BILINEAR) for part in chroma]
    sigma = 1.0 + 3.0 * float(rng.random())
    noisy = np.asarray(luma, dtype=np.float32) + rng.standard_normal((height, width), dtype=np.float32) * sigma
    luma = Image.fromarray(np.clip(np.rint(noisy), 0, 255).astype(np.uint8))
    return Image.merge("YCbCr", (luma, *coarse)).convert("RGB")


def span(figure: Figure) -> tuple[float, float]:
    """The figure's left and right ends, in figure heights."""
    joints = np.concatenate([limb.joints for limb in (*figure.skeleton.arms, *figure.skeleton.legs)])
    feet = np.stack([leg.joints[2] + leg.foot * 0.1 for leg in figure.skeleton.legs])
    columns = [figure.view.project(np.concatenate([joints, feet]))[:, 0]]
    margin = 0.035
    if figure.person.bag is not None:
        columns.append(np.array({"handbag": (-0.15, 0.15), "backpack": (-0.16, 0.16)}.get(figure.person.bag.kind, (0.0, 0.0))))
    if figure.person.bag is not None and figure.person.bag.kind == "suitcase":
        x = float(figure.view.project([suitcase_centre(figure)])[0, 0])
        columns.append(np.array([x - 0.06, x + 0.06]))
    ends = np.concatenate(columns)
    return float(ends.min()) - margin, float(ends.max()) + margin


def lowest(figure: Figure) -> float:
    """Where the nearer foot ends, in figure heights."""
    feet = np.stack([leg.joints[2] + leg.foot * 0.1 for leg in figure.skeleton.legs])
    return float(figure.view.project(feet)[:, 1].max()) + 0.05


def stream(seed: int, part: int) -> np.random.Generator:
    """Chance for one part of a picture, so that a change in one leaves the others as they are."""
    return np.random.Generator(np.random.PCG64([seed, part]))
