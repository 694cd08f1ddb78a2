"""EfficientNet-Lite0: what the image tower of ``passerby-s`` and the trunk of ``passerby-d`` are made of.

Tan and Le, "EfficientNet" (ICML 2019), in its Lite form: ReLU6, no squeeze-and-excitation, TensorFlow's "same" padding.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from passerby.learn.models.depthwise import depthwise_conv
from passerby.learn.models.folding import gain_and_offset


class Blocks(NamedTuple):
    """A run of inverted residual blocks of one width."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    channels: int


LITE0_BLOCKS = (
    Blocks(1, 3, 1, 1, 16),
    Blocks(2, 3, 2, 6, 24),
    Blocks(2, 5, 2, 6, 40),
    Blocks(3, 3, 2, 6, 80),
    Blocks(3, 5, 1, 6, 112),
    Blocks(4, 5, 2, 6, 192),
    Blocks(1, 3, 1, 6, 320),
)
STEM_CHANNELS = 32
NORM_EPSILON = 1e-3


class ConvNorm(nn.Module):
    """Convolution, batch norm and, where asked, ReLU6; strides pad as TensorFlow does (one pixel more at the far side)."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1, active: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, groups=groups, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(outputs, eps=NORM_EPSILON)
        self.pad = (kernel - stride) // 2, (kernel - stride + 1) // 2
        self.grouped = groups > 1
        self.active = active

    def forward(self, x: Tensor) -> Tensor:
        near, far = self.pad
        if far > 0:
            x = F.pad(x, (near, far, near, far))
        learns_by_channel = self.training and self.grouped
        x = depthwise_conv(x, self.conv.weight, self.conv.bias, self.conv.stride[0]) if learns_by_channel else self.conv(x)
        x = self.norm(x)
        return F.relu6(x) if self.active else x

    def fold(self) -> None:
        """Make the batch norm part of the convolution, in place."""
        if isinstance(self.norm, nn.BatchNorm2d):
            gain, offset = gain_and_offset(self.norm)
            self.conv.weight.mul_(gain[:, None, None, None])
            self.conv.bias = nn.Parameter(offset, requires_grad=False)
            self.norm = nn.Identity()


class Skip(nn.Module):
    """Leaves a branch out of some samples of a batch while training, and makes up for it in the others.

    Huang et al., "Deep Networks with Stochastic Depth" (ECCV 2016).
    """

    def __init__(self) -> None:
        super().__init__()
        self.p = 0.0

    def forward(self, branch: Tensor) -> Tensor:
        if not self.training or not self.p:
            return branch
        kept = torch.rand((len(branch), 1, 1, 1), device=branch.device) >= self.p
        return branch * (kept / (1 - self.p)).to(branch.dtype)


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project; the input is added back where the shape allows."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        middle = inputs * expansion
        self.expand = ConvNorm(inputs, middle) if expansion != 1 else nn.Identity()
        self.depthwise = ConvNorm(middle, middle, kernel, stride, groups=middle)
        self.project = ConvNorm(middle, outputs, active=False)
        self.residual = stride == 1 and inputs == outputs
        self.skip = Skip()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.project(self.depthwise(self.expand(x)))
        return x + self.skip(y) if self.residual else y
