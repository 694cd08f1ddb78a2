"""Gradients in chunks are those of the plain step."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from passerby.learn.objectives.cross_batch_memory import Pairs
from passerby.learn.objectives.gradcache import cached_backward
from passerby.learn.objectives.losses import similarity_distribution_matching

CPU = torch.device("cpu")


def tower(dropout: float) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), nn.GELU(), nn.Dropout(dropout), nn.Linear(16, 4))


def contrast(embeddings: Tensor) -> Tensor:
    """SDM of the first half as pictures and the second as words, two of each person."""
    images, texts = F.normalize(embeddings, dim=-1).chunk(2)
    return similarity_distribution_matching(Pairs(images, texts, torch.arange(len(images)) // 2), 0.1)


def parts(model: nn.Module, inputs: Tensor, size: int) -> list[Callable[[], Tensor]]:
    return [lambda rows=rows: model(rows) for rows in torch.split(inputs, size)]  # type: ignore[misc]


def gradients(model: nn.Module) -> list[Tensor]:
    found = [parameter.grad for parameter in model.parameters()]
    assert all(gradient is not None for gradient in found)
    return [gradient for gradient in found if gradient is not None]


@given(size=st.integers(1, 17), dropout=st.sampled_from([0.0, 0.5]))
@settings(max_examples=20)
def test_equal_to_the_plain_step(size: int, dropout: float) -> None:
    inputs = torch.randn(16, 6, generator=torch.Generator().manual_seed(1))
    plain, cached = tower(dropout), tower(dropout)

    torch.manual_seed(7)
    loss = contrast(torch.cat([part() for part in parts(plain, inputs, size)]))
    loss.backward()  # type: ignore[no-untyped-call]
    after_plain = torch.rand(1)

    torch.manual_seed(7)
    assert torch.allclose(cached_backward(parts(cached, inputs, size), contrast, CPU), loss, atol=1e-6)
    assert torch.equal(torch.rand(1), after_plain), "as much luck is used up as by the plain step"
    for a, b in zip(gradients(plain), gradients(cached), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-5)


def test_without_dropout_chunks_do_not_matter() -> None:
    """In float64: towers round otherwise in batches of another size."""
    inputs = torch.randn(16, 6, dtype=torch.float64)
    whole, cached = tower(0.0).double(), tower(0.0).double()
    contrast(whole(inputs)).backward()  # type: ignore[no-untyped-call]
    cached_backward(parts(cached, inputs, 3), contrast, CPU)
    for a, b in zip(gradients(whole), gradients(cached), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-9)


def test_what_the_loss_learns_gets_its_gradient_too() -> None:
    scale = nn.Parameter(torch.tensor(2.0))
    cached_backward(parts(tower(0.0), torch.randn(4, 6), 2), lambda e: scale * e.sum(), CPU)
    assert scale.grad is not None


@pytest.mark.parametrize("still", [0, 1])
def test_a_tower_in_which_nothing_learns_is_left_as_it_is(still: int) -> None:
    inputs = torch.randn(8, 6, dtype=torch.float64)
    towers = [tower(0.0).double(), tower(0.0).double()]
    towers[still].requires_grad_(False)
    plain = [copy.deepcopy(one) for one in towers]
    contrast(torch.cat([one(inputs) for one in plain])).backward()  # type: ignore[no-untyped-call]
    cached_backward([part for one in towers for part in parts(one, inputs, 3)], contrast, CPU)
    assert all(parameter.grad is None for parameter in towers[still].parameters())
    for a, b in zip(gradients(plain[1 - still]), gradients(towers[1 - still]), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-9)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_teaches_nothing(bad: float) -> None:
    model = tower(0.0)
    assert not cached_backward(parts(model, torch.randn(4, 6), 2), lambda e: e.sum() * bad, CPU).isfinite()
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_graphs_of_two_chunks_are_never_held_at_once() -> None:
    alive, most = 0, 0

    class Counted(torch.autograd.Function):
        @staticmethod
        def forward(_: object, x: Tensor) -> Tensor:
            nonlocal alive, most
            if x.requires_grad:
                alive += 1
                most = max(most, alive)
            return x.clone()

        @staticmethod
        def backward(_: object, gradient: Tensor) -> Tensor:
            nonlocal alive
            alive -= 1
            return gradient

    model = tower(0.0)
    chunks = [lambda rows=rows: Counted.apply(model(rows)) for rows in torch.split(torch.randn(12, 6), 2)]  # type: ignore[no-untyped-call]
    cached_backward(chunks, contrast, CPU)
    assert (alive, most) == (0, 1)
