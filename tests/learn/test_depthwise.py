"""The fast depthwise convolution against torch's own, forward and backward."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from passerby.learn.models.depthwise import depthwise_conv

SHAPES = [(8, 8), (9, 12), (13, 7), (5, 5), (6, 5)]


def inputs(kernel: int, shape: tuple[int, int], dtype: torch.dtype, bias: bool) -> tuple[Tensor, Tensor, Tensor | None]:
    torch.manual_seed(kernel)
    x = torch.randn(3, 7, *shape, dtype=dtype).to(memory_format=torch.channels_last).requires_grad_()
    weight = torch.randn(7, 1, kernel, kernel, dtype=dtype, requires_grad=True)
    return x, weight, torch.randn(7, dtype=dtype, requires_grad=True) if bias else None


@pytest.mark.parametrize("bias", [False, True], ids=["plain", "bias"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [3, 5])
def test_values_and_gradients_equal_conv2d(kernel: int, stride: int, shape: tuple[int, int], bias: bool) -> None:
    x, weight, offset = inputs(kernel, shape, torch.float64, bias)
    variables = [v for v in (x, weight, offset) if v is not None]
    ours = depthwise_conv(x, weight, offset, stride)
    theirs = F.conv2d(x, weight, offset, stride=stride, groups=7)
    assert torch.allclose(ours, theirs, rtol=0, atol=1e-12)
    above = torch.randn_like(theirs)
    for a, b in zip(torch.autograd.grad(ours, variables, above), torch.autograd.grad(theirs, variables, above), strict=True):
        assert torch.allclose(a, b, rtol=0, atol=1e-11)


@pytest.mark.parametrize("wanted", ["input", "weight"])
def test_a_frozen_side_gets_no_gradient(wanted: str) -> None:
    x, weight, _ = inputs(5, (9, 9), torch.float64, bias=False)
    (weight if wanted == "input" else x).requires_grad_(False)
    depthwise_conv(x, weight, None, 2).sum().backward()  # type: ignore[no-untyped-call]
    assert (x.grad is not None) == (wanted == "input")
    assert (weight.grad is not None) == (wanted == "weight")


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [3, 5])
def test_autocast_stays_close_to_float32(kernel: int, stride: int) -> None:
    x, weight, offset = inputs(kernel, (12, 9), torch.float32, bias=True)
    variables = [v for v in (x, weight, offset) if v is not None]
    exact = F.conv2d(x, weight, offset, stride=stride, groups=7)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = depthwise_conv(x, weight, offset, stride)
    assert rounded.dtype is torch.bfloat16
    assert close(rounded.float(), exact)
    above = torch.randn_like(exact)
    found = torch.autograd.grad(rounded, variables, above.bfloat16())
    expected = torch.autograd.grad(exact, variables, above)
    assert [g.dtype for g in found] == [torch.float32] * len(variables)
    assert all(close(a, b) for a, b in zip(found, expected, strict=True))


def close(rounded: Tensor, exact: Tensor) -> bool:
    """Within two per cent of the exact values' size, as bfloat16's eight bits allow."""
    return float((rounded - exact).detach().norm() / exact.detach().norm()) < 0.02
