"""What a detector learns: which cells are to find whom, held against slow and obvious references."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from passerby.detect.boxes import iou
from passerby.detect.grid import cells, decode
from passerby.learn.models.detector import SAYS, PersonDetector
from passerby.learn.objectives.detection import CELLS, Said, Truth, assign, boxes_of, detection_losses, overlaps

GRID = torch.from_numpy(cells(96, 128))
NONE = torch.empty(0, 4)


def guess(seed: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(0, 1, (len(GRID), SAYS)).astype(np.float32))


def test_boxes_in_training_are_those_in_use() -> None:
    raw = guess(1)

    np.testing.assert_allclose(boxes_of(raw, GRID).numpy(), decode(raw.numpy(), GRID.numpy()), rtol=1e-5, atol=1e-3)


def test_overlaps_are_those_of_boxes_in_use() -> None:
    rng = np.random.default_rng(2)
    a, b = (np.concatenate([low := rng.random((7, 2)), low + rng.random((7, 2)) + 0.1], axis=1).astype(np.float32) for _ in range(2))

    plain, generalised = overlaps(torch.from_numpy(a), torch.from_numpy(b))

    np.testing.assert_allclose(plain.numpy(), np.diag(iou(a, b)), rtol=1e-4, atol=1e-6)
    assert (generalised <= plain + 1e-6).all()
    assert (generalised >= -1).all()


def test_the_model_answers_for_every_cell() -> None:
    with torch.no_grad():
        said = PersonDetector(8).eval()(torch.zeros(2, 3, 96, 128))

    assert said.shape == (2, len(GRID), SAYS)


def test_everybody_has_cells_and_none_has_too_many() -> None:
    people = torch.tensor([[3.0, 3, 9, 15], [20, 10, 60, 90], [100, 40, 110, 70]])

    targets = assign(Said(boxes_of(guess(3), GRID), torch.rand(len(GRID))), None, Truth(people, NONE), GRID)

    counts = torch.bincount(targets.person[targets.person >= 0], minlength=3)
    assert (counts >= 1).all()
    assert (counts <= CELLS).all()
    assert ((targets.scores > 0) <= (targets.person >= 0)).all()
    assert (targets.scores <= 1).all()


def test_the_cell_that_finds_somebody_best_is_asked_for_the_overlap_that_it_has() -> None:
    person = torch.tensor([[20.0, 10, 60, 90]])
    boxes = boxes_of(guess(4), GRID)
    inside = int(((GRID[:, :2] + 0.5) * GRID[:, 2:] - torch.tensor([40.0, 50.0])).norm(dim=1).argmin())
    boxes[inside] = person[0] + 1.0
    scores = torch.full((len(GRID),), 0.01)
    scores[inside] = 0.9

    targets = assign(Said(boxes, scores), None, Truth(person, NONE), GRID)

    assert targets.scores.argmax() == inside
    assert targets.scores[inside] == pytest.approx(float(overlaps(boxes[inside], person[0])[0]), abs=1e-5)


def test_a_teacher_is_believed_where_a_label_agrees_and_nowhere_else() -> None:
    person = torch.tensor([[20.0, 10, 60, 90]])
    boxes = boxes_of(torch.full((len(GRID), SAYS), -3.0), GRID)
    boxes[5], boxes[6] = person[0] + 2, torch.tensor([80.0, 10, 120, 90])
    scores = torch.zeros(len(GRID))
    scores[5], scores[6] = 0.8, 0.9

    targets = assign(Said(boxes_of(guess(5), GRID), torch.zeros(len(GRID))), Said(boxes, scores), Truth(person, NONE), GRID)

    assert targets.scores[5] == pytest.approx(0.8)
    assert targets.person[5] == 0
    assert targets.scores[6] == 0


def test_nobody_is_learnt_where_people_are_not_boxed_one_by_one() -> None:
    crowd = torch.tensor([[0.0, 0, 64, 96]])

    targets = assign(Said(boxes_of(guess(6), GRID), torch.rand(len(GRID))), None, Truth(NONE, crowd), GRID)

    inside = (GRID[:, 0] + 0.5) * GRID[:, 2] < 64
    assert torch.equal(targets.counts, ~inside)
    assert (targets.person == -1).all()


def test_losses_fall_to_nothing_for_a_detector_that_is_right_and_their_gradients_are_finite() -> None:
    person = torch.tensor([[20.0, 10, 60, 90]])
    raw = torch.zeros(len(GRID), SAYS)
    stride = GRID[:, 2]
    raw[:, 0], raw[:, 1] = 40 / stride - GRID[:, 0], 50 / stride - GRID[:, 1]
    raw[:, 2], raw[:, 3] = (40 / stride).log(), (80 / stride).log()
    targets = assign(Said(boxes_of(raw, GRID), torch.full((len(GRID),), 0.5)), None, Truth(person, NONE), GRID)
    raw[:, 4] = targets.scores.clamp(1e-6, 1 - 1e-6).logit()

    right = detection_losses(raw[None], None, [Truth(person, NONE)], GRID)
    wrong_raw = guess(7)[None].requires_grad_()
    wrong = detection_losses(wrong_raw, None, [Truth(person, NONE)], GRID)
    torch.stack(list(wrong.values())).sum().backward()  # type: ignore[no-untyped-call]

    assert torch.stack(list(right.values())).sum().item() < 0.05
    assert wrong["box"].item() > 0.3
    assert wrong_raw.grad is not None
    assert wrong_raw.grad.isfinite().all()


def test_a_batch_without_anybody_has_finite_losses() -> None:
    raw = guess(8)[None].requires_grad_()

    losses = detection_losses(raw, None, [Truth(NONE, NONE)], GRID)

    assert losses["box"].item() == 0
    assert torch.isfinite(losses["score"])
