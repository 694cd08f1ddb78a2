"""A person detector in torch: the first stages of EfficientNet-Lite0, a small pyramid, and a head without anchors.

The pyramid passes what coarse maps know down to fine ones and back up, as in Liu et al., "Path Aggregation Network" (CVPR 2018), by
depthwise separable filters of 5×5 as NanoDet-Plus has them; what is said of each cell is laid out as in Ge et al., "YOLOX"
(arXiv:2107.08430).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from passerby.learn.models.lite0 import LITE0_BLOCKS, STEM_CHANNELS, ConvNorm, InvertedResidual

MIDDLE: Final = 127.5
"""Mean and deviation of the pixels, from 0 to 255, that EfficientNet-Lite was trained on."""
WIDTH: Final = 64
"""Channels of the pyramid and of the head."""
SAYS: Final = 5
"""Numbers for each cell: centre x and y beside the cell's corner, log width, log height, log-odds of a person."""
RARE: Final = -4.6
"""The log-odds that the head begins with: one cell in a hundred (Lin et al., "Focal Loss", ICCV 2017)."""


class Trunk(nn.Module):
    """EfficientNet-Lite0 as far as two blocks of its sixth stage: maps at an eighth, a sixteenth and a thirty-second of the picture."""

    channels = (LITE0_BLOCKS[2].channels, LITE0_BLOCKS[4].channels, LITE0_BLOCKS[5].channels)

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvNorm(3, STEM_CHANNELS, 3, 2)
        blocks, width, ends = [], STEM_CHANNELS, []
        for run in (*LITE0_BLOCKS[:5], LITE0_BLOCKS[5]._replace(repeats=2)):
            for i in range(run.repeats):
                blocks.append(InvertedResidual(width, run.channels, run.kernel, run.stride if i == 0 else 1, run.expansion))
                width = run.channels
            ends.append(len(blocks))
        self.blocks = nn.ModuleList(blocks)
        self.ends = ends[2], ends[4], ends[5]

    def forward(self, x: Tensor) -> list[Tensor]:
        x, maps = self.stem(x), []
        for number, block in enumerate(self.blocks, start=1):
            x = block(x)
            if number in self.ends:
                maps.append(x)
        return maps


def separable(inputs: int, outputs: int, kernel: int = 5, stride: int = 1) -> nn.Sequential:
    """A filter for each channel by itself, then a mix of all."""
    return nn.Sequential(ConvNorm(inputs, inputs, kernel, stride, groups=inputs), ConvNorm(inputs, outputs))


class Pyramid(nn.Module):
    """Three maps of one width, each of which knows what the others know."""

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__()
        self.enter = nn.ModuleList(ConvNorm(inputs, width) for inputs in channels)
        self.down = nn.ModuleList(separable(width, width) for _ in channels[1:])
        self.shrink = nn.ModuleList(separable(width, width, 3, 2) for _ in channels[1:])
        self.up = nn.ModuleList(separable(width, width) for _ in channels[1:])

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        fine, middle, coarse = (enter(x) for enter, x in zip(self.enter, maps, strict=True))
        middle = self.down[0](middle + F.interpolate(coarse, scale_factor=2.0))
        fine = self.down[1](fine + F.interpolate(middle, scale_factor=2.0))
        middle = self.up[0](middle + self.shrink[0](fine))
        return [fine, middle, self.up[1](coarse + self.shrink[1](middle))]


class Head(nn.Module):
    """What is said of each cell of one map, ``(n, cells, 5)``: where and who are read apart."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.where, self.who = separable(width, width), separable(width, width)
        self.box = nn.Conv2d(width, 4, 1)
        self.score = nn.Conv2d(width, 1, 1)
        nn.init.constant_(self.score.bias, RARE)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        said = torch.cat([self.box(self.where(x)), self.score(self.who(x))], dim=1)
        return said.flatten(2).transpose(1, 2)


class PersonDetector(nn.Module):
    """Pixels ``float32 (n, 3, h, w)``, RGB from 0 to 255, both sides multiples of 32, to ``float32 (n, a, 5)``.

    For each of the a cells of grids of 8, 16 and 32 pixels, row by row, finest first: where the box's centre is beside the cell's corner
    and the logarithm of its sides, in cells, and the log-odds that it is a person's.
    """

    architecture = "detector"

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        self.trunk = Trunk()
        self.pyramid = Pyramid(self.trunk.channels, width)
        self.heads = nn.ModuleList(Head(width) for _ in self.trunk.channels)

    def forward(self, pixels: Tensor) -> Tensor:
        maps = self.pyramid(self.trunk(pixels / MIDDLE - 1))
        said = torch.cat([head(x) for head, x in zip(self.heads, maps, strict=True)], dim=1)
        return said.float()


def scored(said: Tensor) -> Tensor:
    """The same answers with scores from 0 to 1 in place of log-odds."""
    return torch.cat([said[..., :-1], said[..., -1:].sigmoid()], dim=-1)
