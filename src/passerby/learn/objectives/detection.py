"""What a detector learns: which cells are to find whom, and how far they are from it.

Cells are assigned by how well they find somebody already, as in Feng et al., "TOOD" (ICCV 2021), counting a teacher's cells too; scores
learn how well a box fits, as in Li et al., "Generalized Focal Loss" (NeurIPS 2020); boxes learn by Rezatofighi et al., "Generalized
Intersection over Union" (CVPR 2019).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from passerby.detect.grid import LARGEST

SCORE_POWER: Final = 0.5
OVERLAP_POWER: Final = 4.0
"""A cell finds somebody as well as its score and its overlap, to these powers."""
CELLS: Final = 10
"""For each person, at most."""
REACH: Final = 0.75
"""How many strides beside a box a cell's middle may lie and still find the person, so that small people have cells at all."""
AGREES: Final = 0.5
"""Intersection over union of a teacher's box and a true one, above which the teacher is believed."""
BOX_WEIGHT: Final = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """Who is in one picture: float32 boxes ``(k, 4)``, and regions ``(m, 4)`` in which nobody else is known."""

    boxes: Tensor
    ignored: Tensor


class Said(NamedTuple):
    """What a detector says of the cells of one picture: boxes ``(a, 4)`` in pixels, scores ``(a,)`` from 0 to 1."""

    boxes: Tensor
    scores: Tensor


class Targets(NamedTuple):
    """What the cells of one picture should say.

    Args:
        scores: ``(a,)``, from 0 to 1.
        person: ``(a,)``, whose box each cell learns, -1 for none.
        counts: ``(a,)``, whether a cell's score is learnt.
    """

    scores: Tensor
    person: Tensor
    counts: Tensor


def boxes_of(raw: Tensor, cells: Tensor) -> Tensor:
    """Boxes ``(…, a, 4)`` in pixels from ``(…, a, 4 or more)``, as :func:`passerby.detect.grid.decode` has them."""
    stride = cells[:, 2:]
    centre = (raw[..., :2] + cells[:, :2]) * stride
    half = raw[..., 2:4].clamp(max=LARGEST).exp() * stride / 2
    return torch.cat([centre - half, centre + half], dim=-1)


def overlaps(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Intersection over union, and the generalised one, of boxes ``(…, 4)`` with boxes that broadcast."""
    common = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0).prod(dim=-1)
    hull = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).prod(dim=-1)
    union = (a[..., 2:] - a[..., :2]).prod(dim=-1) + (b[..., 2:] - b[..., :2]).prod(dim=-1) - common
    iou = common / union.clamp(min=1e-6)
    return iou, iou - (hull - union) / hull.clamp(min=1e-6)


@torch.no_grad()
def assign(student: Said, teacher: Said | None, truth: Truth, cells: Tensor) -> Targets:
    """What each cell should say, by what the student, and a teacher, say of the picture."""
    middles = (cells[:, :2] + 0.5) * cells[:, 2:]
    inside = _inside(middles, truth.ignored, 0 * cells[:, 2:]).any(dim=1)
    scores, person = torch.zeros(len(cells)), torch.full((len(cells),), -1)
    if not len(truth.boxes):
        return Targets(scores, person, ~inside)
    said = [student] if teacher is None else [student, teacher]
    overlap = torch.stack([overlaps(one.boxes[:, None], truth.boxes)[0] for one in said])
    fitness = (torch.stack([one.scores for one in said])[..., None] ** SCORE_POWER * overlap**OVERLAP_POWER).sum(dim=0)
    fitness = torch.where(_inside(middles, truth.boxes, REACH * cells[:, 2:]), fitness + 1e-9, 0)
    best = fitness.topk(min(CELLS, len(cells)), dim=0)
    chosen = torch.zeros_like(fitness).scatter_(0, best.indices, best.values)
    fits, person = chosen.max(dim=1)
    person = torch.where(fits > 0, person, -1)
    best_overlap = torch.where(chosen > 0, overlap.amax(dim=0), 0).amax(dim=0)
    scores = fits / chosen.amax(dim=0)[person.clamp(min=0)].clamp(min=1e-9) * best_overlap[person.clamp(min=0)] * (person >= 0)
    if teacher is not None:
        agrees, whose = overlap[1].max(dim=1)
        believed = teacher.scores * (agrees > AGREES)
        person = torch.where((person < 0) & (believed > 0), whose, person)
        scores = torch.maximum(scores, believed)
    return Targets(scores, person, ~inside | (person >= 0))


def _inside(middles: Tensor, boxes: Tensor, reach: Tensor) -> Tensor:
    """Whether each of a points lies in each of k boxes that reach so far beyond their borders: bool ``(a, k)``."""
    near = middles[:, None] > boxes[:, :2] - reach[:, None]
    far = middles[:, None] < boxes[:, 2:] + reach[:, None]
    return (near & far).all(dim=2)


def detection_losses(said: Tensor, taught: Tensor | None, truths: Sequence[Truth], cells: Tensor) -> dict[str, Tensor]:
    """How far a batch of answers is from the truth, in scores and in boxes.

    Args:
        said: float32 ``(n, a, 5)``, as :class:`~passerby.learn.models.detector.PersonDetector` answers.
        taught: what a teacher says of the same pictures, laid out alike, but scores from 0 to 1.
        cells: float32 ``(a, 3)``, as :func:`passerby.detect.grid.cells` gives them.
    """
    boxes, odds = boxes_of(said, cells), said[..., 4]
    chances = odds.detach().sigmoid()
    teacher_boxes = None if taught is None else boxes_of(taught, cells)
    score_loss, box_loss, weight = [], [], []
    for i, truth in enumerate(truths):
        teacher = None if taught is None or teacher_boxes is None else Said(teacher_boxes[i], taught[i, :, 4])
        targets = assign(Said(boxes[i].detach(), chances[i]), teacher, truth, cells)
        focus = (targets.scores - chances[i]).square() * targets.counts
        score_loss.append((focus * F.binary_cross_entropy_with_logits(odds[i], targets.scores, reduction="none")).sum())
        rows = (targets.person >= 0).nonzero()[:, 0]
        generalised = overlaps(boxes[i, rows], truth.boxes[targets.person[rows]])[1]
        box_loss.append(((1 - generalised) * targets.scores[rows]).sum())
        weight.append(targets.scores.sum())
    total = torch.stack(weight).sum().clamp(min=1)
    return {"score": torch.stack(score_loss).sum() / total, "box": BOX_WEIGHT * torch.stack(box_loss).sum() / total}
