"""Scenes as a detector in training sees them: cut, enlarged, put together, mirrored, brighter or darker."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from passerby.data.scenes import Scene
from passerby.detect.boxes import Boxes, areas
from passerby.detect.letterbox import GREY, MULTIPLE
from passerby.learn.detection.config import Views

VISIBLE: Final = 0.3
"""Share of a box that a cut must leave, or the person is ignored."""
SMALLEST: Final = 8.0
"""Height of a box in pixels, below which a person is ignored."""
ASPECT: Final = 1.25
"""How much wider or higher than it was a picture becomes at most."""
NOBODY: Final = np.empty((0, 4), np.float32)


class View(NamedTuple):
    """One picture uint8 (h, w, 3) of a batch; float32 (k, 4) boxes in it, and regions in which nobody else is known."""

    pixels: NDArray[np.uint8]
    boxes: Boxes
    ignored: Boxes


@dataclass(frozen=True, slots=True, eq=False)
class ViewBatch:
    """Pictures of one size, uint8 (n, side, side, 3), and who is in each."""

    pixels: NDArray[np.uint8]
    boxes: tuple[Boxes, ...]
    ignored: tuple[Boxes, ...]

    def __len__(self) -> int:
        return len(self.pixels)


class Shown(NamedTuple):
    """A scene and its pixels, in memory.

    Args:
        nearest, farthest: how much it is enlarged at most and at least, beside fitting it into a picture.
    """

    image: Image.Image
    scene: Scene
    nearest: float
    farthest: float


def draw_batch(rng: np.random.Generator, chosen: Sequence[Shown], scenes: Sequence[Shown], crops: Sequence[Shown], how: Views) -> ViewBatch:
    """One view of each chosen scene, all of one size.

    Args:
        scenes, crops: what else may be in a mosaic.
    """
    side = MULTIPLE * int(rng.integers(how.smallest // MULTIPLE, how.largest // MULTIPLE + 1))
    views = [varied(rng, _composed(rng, shown, scenes, crops, side, how), how) for shown in chosen]
    return ViewBatch(np.stack([view.pixels for view in views]), tuple(view.boxes for view in views), tuple(view.ignored for view in views))


def _composed(rng: np.random.Generator, first: Shown, scenes: Sequence[Shown], crops: Sequence[Shown], side: int, how: Views) -> View:
    canvas = np.full((side, side, 3), GREY, np.uint8)
    if rng.random() >= how.mosaic:
        return _joined(canvas, [_tile(rng, canvas, (0, 0, side, side), first, side)])
    across, down = (int(side * rng.uniform(0.3, 0.7)) for _ in range(2))
    corners = [(0, 0, across, down), (across, 0, side, down), (0, down, across, side), (across, down, side, side)]
    rng.shuffle(corners)
    others = [crops if crops and rng.random() < how.crops else scenes for _ in corners[1:]]
    shown = [first, *(among[int(rng.integers(len(among)))] for among in others)]
    return _joined(canvas, [_tile(rng, canvas, tuple(corner), one, side) for corner, one in zip(corners, shown, strict=True)])


def _joined(canvas: NDArray[np.uint8], parts: Sequence[tuple[Boxes, Boxes]]) -> View:
    boxes, ignored = zip(*parts, strict=True)
    return View(canvas, np.concatenate(boxes), np.concatenate(ignored))


def _tile(rng: np.random.Generator, canvas: NDArray[np.uint8], cell: tuple[int, ...], shown: Shown, side: int) -> tuple[Boxes, Boxes]:
    """Show a part of a scene in a cell (left, top, right, bottom) of the canvas, in place; who is in it, and what is ignored."""
    left, top, right, bottom = cell
    room = np.array([right - left, bottom - top], np.float64)
    size = np.array(shown.image.size, np.float64)
    zoom = side / size.max() * np.exp(rng.uniform(np.log(shown.farthest), np.log(shown.nearest)))
    stretch = np.exp(rng.uniform(-1, 1) * np.log(ASPECT) / 2)
    scale = zoom * np.array([stretch, 1 / stretch])
    seen = np.minimum(room / scale, size)
    start = _window(rng, shown.scene.boxes, seen, size)
    part = np.maximum(np.round(seen * scale), 1).astype(int)
    offset = np.floor(rng.random(2) * (room - part + 1).clip(min=1)).astype(int) + np.array([left, top])
    box = (*start, *(start + seen))
    drawn = shown.image.resize((int(part[0]), int(part[1])), Image.Resampling.BILINEAR, box=box, reducing_gap=2.0)
    end = np.minimum(offset + part, (right, bottom))
    width, height = end - offset
    canvas[offset[1] : end[1], offset[0] : end[0]] = np.asarray(drawn)[:height, :width]
    shift, factor = np.tile(start, 2), np.tile(part / seen, 2)
    bounds = np.array([*offset, *offset], np.float64), np.array([*end, *end], np.float64)
    known, to = (shown.scene.boxes, shown.scene.ignored), np.tile(offset, 2)
    moved, regions = (((boxes - shift) * factor + to).astype(np.float32) for boxes in known)
    kept, lost = _clipped(moved, *bounds)
    return kept, np.concatenate([_within(regions, *bounds), lost])


def _window(rng: np.random.Generator, boxes: Boxes, seen: NDArray[np.float64], size: NDArray[np.float64]) -> NDArray[np.float64]:
    """The top left corner of what is seen of a scene: anywhere, or, every other time, somewhere with a person in it."""
    spare = size - seen
    if len(boxes) and rng.random() < 0.5:
        box = boxes[int(rng.integers(len(boxes)))]
        centre = (box[:2] + box[2:]) / 2
        start: NDArray[np.float64] = (centre - seen * rng.uniform(0.2, 0.8, 2)).clip(0, spare)
        return start
    return rng.random(2) * spare


def _within(boxes: Boxes, low: NDArray[np.float64], high: NDArray[np.float64]) -> Boxes:
    clipped = boxes.clip(low, high).astype(np.float32)
    return clipped[areas(clipped) > 0]


def _clipped(boxes: Boxes, low: NDArray[np.float64], high: NDArray[np.float64]) -> tuple[Boxes, Boxes]:
    """Boxes within bounds, and those of people of whom too little is left to be asked for."""
    clipped = boxes.clip(low, high).astype(np.float32)
    share = areas(clipped) / areas(boxes).clip(min=1e-6)
    there = areas(clipped) > 0
    asked = there & (share >= VISIBLE) & (clipped[:, 3] - clipped[:, 1] >= SMALLEST)
    return clipped[asked], clipped[there & ~asked]


def varied(rng: np.random.Generator, view: View, how: Views) -> View:
    """The same view, maybe mirrored, in other light, or grey."""
    pixels, boxes, ignored = view
    if rng.random() < 0.5:
        pixels, boxes, ignored = pixels[:, ::-1], _mirrored(boxes, pixels.shape[1]), _mirrored(ignored, pixels.shape[1])
    gain = 1 + how.light * rng.uniform(-1, 1) + how.tint * rng.uniform(-1, 1, 3)
    offset = how.light * 64 * rng.uniform(-1, 1)
    table = (np.arange(256)[:, None] * gain + offset).clip(0, 255).astype(np.uint8)
    pixels = np.stack([table[pixels[..., channel], channel] for channel in range(3)], axis=2)
    if rng.random() < how.grey:
        pixels = np.repeat(pixels.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
    return View(pixels, boxes, ignored)


def _mirrored(boxes: Boxes, width: int) -> Boxes:
    mirrored = boxes.copy()
    mirrored[:, [0, 2]] = width - boxes[:, [2, 0]]
    return mirrored


def passes(count: int, batch_size: int, seed: int, first: int, end: int) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """Each step from ``first`` on, and the scenes of its batch: all of them once in each pass, the last batch of a pass left out if it is
    not full."""
    per_epoch = count // batch_size
    for step in range(first, end):
        epoch, place = divmod(step, per_epoch)
        order = np.random.default_rng((seed, epoch)).permutation(count)
        yield step, order[place * batch_size : (place + 1) * batch_size]
