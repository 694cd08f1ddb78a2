"""The memory of earlier pairs against a list that keeps them all."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from passerby.learn.objectives.cross_batch_memory import Memory, Pairs


def batch(first: int, size: int) -> Pairs:
    """Pairs numbered from ``first``, each number its picture, its words with the sign changed, and its identity."""
    numbers = torch.arange(first, first + size)
    values = numbers.float()[:, None].repeat(1, 2)
    return Pairs(values, -values, numbers)


@pytest.mark.parametrize("size", [0, 1, 4, 7, 100])
@pytest.mark.parametrize("steps", [0, 1, 5])
def test_candidates_are_the_batch_and_the_last_pairs(size: int, steps: int) -> None:
    memory, told = Memory(size, 2), list[int]()
    for step in range(steps):
        memory.remember(batch(3 * step, 3))
        told += range(3 * step, 3 * step + 3)
    (images, identities), (texts, _) = memory.candidates(batch(90, 2))
    assert identities[:2].tolist() == [90, 91]
    assert sorted(identities[2:].tolist()) == told[max(0, len(told) - size) :]
    assert torch.equal(images[:, 0], identities.float())
    assert torch.equal(texts[:, 0], -identities.float())


def test_a_batch_longer_than_the_memory_leaves_its_end() -> None:
    memory = Memory(4, 2)
    memory.remember(batch(0, 9))
    assert sorted(memory.candidates(batch(0, 0))[0].identities.tolist()) == [5, 6, 7, 8]
    memory.forget()
    assert not len(memory.candidates(batch(0, 0))[0].identities)


def test_what_is_remembered_takes_no_gradient_and_the_batch_does() -> None:
    memory = Memory(4, 2)
    pairs = batch(0, 3)
    pairs.images.requires_grad_()
    memory.remember(pairs)
    candidates: Tensor = memory.candidates(pairs)[0].embeddings
    candidates.sum().backward()  # type: ignore[no-untyped-call]
    assert pairs.images.grad is not None
    assert torch.equal(pairs.images.grad, torch.ones_like(pairs.images))


def test_a_memory_that_was_saved_goes_on_where_it_was() -> None:
    memory, other = Memory(5, 2), Memory(5, 2)
    memory.remember(batch(0, 3))
    other.load_state_dict(memory.state_dict())
    for m in (memory, other):
        m.remember(batch(3, 4))
    assert torch.equal(memory.identities, other.identities)
