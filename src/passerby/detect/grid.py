"""What an anchor-free detector answers, cell by cell, as boxes in pixels.

The layout is that of Ge et al., "YOLOX: Exceeding YOLO Series in 2021" (arXiv:2107.08430): for each stride a grid of cells, row by row,
finest first; each cell says where a box's centre is, beside its own corner, and the logarithm of the box's sides, all in strides.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from passerby.detect.boxes import Boxes

STRIDES: Final = (8, 16, 32)
"""Pixels between the cells of each grid."""
LARGEST: Final = 12.0
"""Of the logarithm of a side: what a damaged model says beyond it is not taken at its word, and never overflows."""


def cells(height: int, width: int, strides: tuple[int, ...] = STRIDES) -> NDArray[np.float32]:
    """The cells of a picture whose sides are multiples of the largest stride: float32 ``(a, 3)``, x and y of the corner in strides, and
    the stride."""
    grids = []
    for stride in strides:
        rows, columns = height // stride, width // stride
        y, x = np.divmod(np.arange(rows * columns), columns)
        grids.append(np.stack([x, y, np.full_like(x, stride)], axis=1))
    return np.concatenate(grids).astype(np.float32)


def decode(raw: NDArray[np.float32], grid: NDArray[np.float32]) -> Boxes:
    """Boxes of one picture, float32 ``(a, 4)``, left, top, right, bottom in pixels.

    Args:
        raw: float32 ``(a, 4 or more)``: centre x and y beside the cell's corner, log width and log height, in strides.
        grid: as :func:`cells` gives it.
    """
    stride = grid[:, 2:]
    with np.errstate(over="ignore"):
        centre = (raw[:, :2] + grid[:, :2]) * stride
    half = np.exp(raw[:, 2:4].clip(max=LARGEST)) * stride / 2
    return np.concatenate([centre - half, centre + half], axis=1)
