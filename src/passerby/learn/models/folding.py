"""Batch norms with settled statistics as a part of the layer before or after them."""

from __future__ import annotations

from torch import Tensor, nn


def gain_and_offset(norm: nn.BatchNorm1d | nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """What a batch norm with settled statistics does to its input: times the first, plus the second."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    gain = (norm.running_var + norm.eps).rsqrt() if norm.weight is None else norm.weight / (norm.running_var + norm.eps).sqrt()
    return gain, -norm.running_mean * gain if norm.bias is None else norm.bias - norm.running_mean * gain


def fold_into(norm: nn.BatchNorm1d, projection: nn.Linear) -> None:
    """Let a projection do what the batch norm before it does, in place."""
    gain, offset = gain_and_offset(norm)
    projection.bias.add_(projection.weight @ offset)
    projection.weight.mul_(gain)
