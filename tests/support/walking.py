"""People who walk, as boxes with exact ids: drawn truth, public truth, and what a detector would see of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from passerby.detect.tracking.tracker import Track, Tracker
from passerby.measure.tracking import Tracked

WIDTH, HEIGHT = 1920, 1080
PEOPLE, CROSSINGS, HIDDEN = 12, 20, 0.2
RATE, SECONDS = 10, 20
"""Frames a second, and seconds, of what is drawn."""


@dataclass(frozen=True)
class Truth:
    """Boxes of people: one row each, sorted by frame; ``visible`` is the share of a box that nobody nearer covers."""

    rate: float
    frames: NDArray[np.int64]
    ids: NDArray[np.int64]
    boxes: NDArray[np.float64]
    visible: NDArray[np.float64]

    def at(self, rate: float) -> Truth:
        """The frames that a lower rate leaves."""
        kept = np.isin(self.frames, np.unique(np.round(np.arange(0, self.frames.max() + 1, self.rate / rate)).astype(int)))
        return Truth(self.rate, self.frames[kept], self.ids[kept], self.boxes[kept], self.visible[kept])

    def tracked(self) -> Tracked:
        """As it is measured against."""
        return Tracked(self.frames, self.ids, self.boxes)


@dataclass(frozen=True)
class Seen:
    """What a detector says of one frame."""

    frame: int
    time: float
    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]


@cache
def drawn(seed: int) -> Truth:
    """Twelve people on a square who pass each other 20 times; a fifth of all boxes is more than half hidden.

    Some go side by side, some halt, all turn at the edges. Streets are drawn until one is as told, the same ones for the same seed.
    """
    rng = np.random.default_rng(seed)
    for _ in range(1000):
        boxes = _walk(rng)
        if _crossings(boxes) == CROSSINGS and abs(((visible := _visible(boxes)) < 0.5).mean() - HIDDEN) < 0.02:
            frames, ids = np.indices(visible.shape)
            return Truth(RATE, frames.ravel(), ids.ravel() + 1, boxes.reshape(-1, 4), visible.ravel())
    raise AssertionError(f"no street of seed {seed} is as crowded as it should be")


def public(name: str) -> Truth:
    """The truth of a public video that motmetrics brings along: ``TUD-Campus`` or ``TUD-Stadtmitte``, 25 frames a second."""
    table = np.loadtxt(str(files("motmetrics") / "data" / name / "gt.txt"), delimiter=",")
    table = table[np.argsort(table[:, 0], kind="stable")]
    boxes = np.column_stack([table[:, 2:4], table[:, 2:4] + table[:, 4:6]])
    return Truth(25, table[:, 0].astype(int) - 1, table[:, 1].astype(int), boxes, np.ones(len(table)))


def detected(truth: Truth, seed: int, dropped: float = 0.12, jitter: float = 0.04) -> list[Seen]:
    """What a detector sees: some people are missed, boxes are inexact, and who is half hidden is unsure or not seen at all."""
    rng = np.random.default_rng(seed)
    seen = []
    for frame in np.unique(truth.frames):
        here = np.flatnonzero(truth.frames == frame)
        here = here[(rng.random(len(here)) >= dropped) & (truth.visible[here] >= rng.uniform(0.1, 0.3, len(here)))]
        boxes = truth.boxes[here]
        size = boxes[:, 2:] - boxes[:, :2]
        centre = (boxes[:, :2] + boxes[:, 2:]) / 2 + rng.normal(0, jitter, size.shape) * size
        half = size * np.exp(rng.normal(0, jitter, size.shape)) / 2
        scores = (0.9 * truth.visible[here] + rng.normal(0, 0.07, len(here))).clip(0.05, 0.99)
        seen.append(
            Seen(int(frame), frame / truth.rate, np.hstack([centre - half, centre + half]).astype(np.float32), scores.astype(np.float32))
        )
    return seen


def follow(tracker: Tracker, seen: list[Seen]) -> tuple[Tracked, list[Track]]:
    """Shows a tracker all frames: the boxes of people, by the ids that it gave each in its frame, and all tracks."""
    rows, tracks = [], []
    for frame in seen:
        ids = tracker.update(frame.time, frame.boxes, frame.scores)
        rows += [(frame.frame, track, *box) for track, box in zip(ids, frame.boxes.tolist(), strict=True) if track]
        tracks += tracker.closed()
    tracks += tracker.finish()
    people = {track.id for track in tracks}
    table = np.array([row for row in rows if row[1] in people], dtype=np.float64).reshape(-1, 6)
    return Tracked(table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2:]), tracks


def _walk(rng: np.random.Generator) -> NDArray[np.float64]:
    """Boxes of all frames: (frames, people, 4). The last six are three couples."""
    dt = 1 / RATE
    x, feet = rng.uniform(80, WIDTH - 80, PEOPLE), rng.uniform(420, HEIGHT - 20, PEOPLE)
    wish, way = rng.uniform(0.3, 0.9, PEOPLE) * rng.choice([-1, 1], PEOPLE), rng.uniform(-0.08, 0.08, PEOPLE)
    speed, phase, build = wish.copy(), rng.uniform(0, 6, PEOPLE), rng.uniform(0.92, 1.08, PEOPLE)
    boxes = []
    for step in range(RATE * SECONDS):
        tall = (100 + 0.2 * (feet - 300)) * build
        changes = rng.random(PEOPLE) < dt / 6
        wish[changes] = (rng.uniform(0.3, 0.9, PEOPLE) * rng.choice([-1, 0, 1], PEOPLE, p=[0.4, 0.2, 0.4]))[changes]
        way[changes] = rng.uniform(-0.08, 0.08, PEOPLE)[changes]
        wish = np.where(x < 60, np.abs(wish) + 0.1, np.where(x > WIDTH - 60, -np.abs(wish) - 0.1, wish)).clip(-0.9, 0.9)
        way = np.where(feet < 420, np.abs(way), np.where(feet > HEIGHT - 20, -np.abs(way), way))
        speed += (wish - speed) * dt / 0.4
        x, feet = x + speed * tall * dt, feet + way * tall * dt
        for second in (7, 9, 11):
            x[second] = x[second - 1] + (0.15 + 0.08 * np.sin(step * dt / 2 + phase[second])) * tall[second]
            feet[second] = feet[second - 1] - 10
        wide = (0.38 + 0.05 * np.sin(9 * step * dt + phase)) * tall
        boxes.append(np.column_stack([x - wide / 2, feet - tall, x + wide / 2, feet]))
    return np.array(boxes)


def _visible(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of each box that no box with lower feet covers, by a grid of 8 × 16 points: (frames, people)."""
    across, down = np.meshgrid((np.arange(8) + 0.5) / 8, (np.arange(16) + 0.5) / 16)
    x = boxes[..., [0]] + across.ravel() * (boxes[..., [2]] - boxes[..., [0]])
    y = boxes[..., [1]] + down.ravel() * (boxes[..., [3]] - boxes[..., [1]])
    free = np.ones(x.shape, dtype=bool)
    for other in range(boxes.shape[1]):
        x1, y1, x2, y2 = (boxes[:, other, edge, None, None] for edge in range(4))
        free &= ~((x > x1) & (x < x2) & (y > y1) & (y < y2) & (boxes[..., [3]] < y2))
    visible: NDArray[np.float64] = free.mean(axis=-1)
    return visible


def _crossings(boxes: NDArray[np.float64]) -> int:
    """How often one passes another: their order from left to right changes while one covers more than half of the other."""
    x = (boxes[..., 0] + boxes[..., 2]) / 2
    order = x[:, :, None] < x[:, None]
    one, other = boxes[:, :, None], boxes[:, None]
    shared = (np.minimum(one[..., 2:], other[..., 2:]) - np.maximum(one[..., :2], other[..., :2])).clip(min=0).prod(axis=-1)
    area = (boxes[..., 2:] - boxes[..., :2]).prod(axis=-1)
    covered = shared > np.minimum(area[:, :, None], area[:, None]) / 2
    return int((np.triu(order[1:] != order[:-1], 1) & covered[1:]).sum())
