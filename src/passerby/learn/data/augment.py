"""How training pictures are varied: what is done to each is drawn on the processor, and done to all at once where the model is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from passerby.learn.config import Pixels
from passerby.model.preprocess import Preprocessing

AREA = 0.02, 0.2
"""Smallest and largest share of a picture that erasing covers."""
SHAPE = 0.5, 2.0
"""Height over width of what erasing covers, at least and at most."""
HIDDEN = 0.5
"""Largest share of a picture's height that is hidden."""
COARSENESS = 2, 4
"""How many pixels of a side may become one."""


class Pictures(NamedTuple):
    """All pictures of a training stage, ``pixels`` uint8 (n, height, width, 3) where the model is, and how the model wants them."""

    pixels: Tensor
    preprocessing: Preprocessing


class Variation(NamedTuple):
    """What is done to each of ``n`` pictures.

    Args:
        shift: int64 (n, 2), pixels downwards and to the right.
        mirrored: bool (n,).
        erased: int64 (n, 4), top, left, bottom and right of a rectangle; an empty one where nothing is erased.
        colour: uint8 (n, 3), of the rectangle.
        light: float32 (n,), what brightness is multiplied with.
        coarseness: int64 (n,), how many pixels of a side become one; 1 where all is seen.
    """

    shift: Tensor
    mirrored: Tensor
    erased: Tensor
    colour: Tensor
    light: Tensor
    coarseness: Tensor


def draw_variation(how: Pixels, size: tuple[int, int], may_flip: NDArray[np.bool_], rng: np.random.Generator) -> Variation:
    """By chance, for as many pictures as ``may_flip`` has entries.

    Args:
        size: height and width of the pictures.
        may_flip: whose words name neither left nor right.
    """
    n = len(may_flip)
    mirrored = (rng.random(n) < how.flip) & may_flip
    shift = rng.integers(-how.padding, how.padding + 1, (n, 2))
    rectangles = _draw_rectangles(size, rng.random(n) < how.erasing, rng)
    colour = rng.integers(0, 256, (n, 3), dtype=np.uint8)
    light = rng.uniform(1 - how.light, 1 + how.light, n).astype(np.float32)
    hidden = (rng.random(n) < how.hidden)[:, None]
    erased = np.where(hidden, _lowest_parts(size, rng.uniform(0, HIDDEN, n)), rectangles)
    coarseness = np.where(rng.random(n) < how.coarse, rng.choice(COARSENESS, n), 1)
    return Variation(*(torch.from_numpy(drawn) for drawn in (shift, mirrored, erased, colour, light, coarseness)))


def _lowest_parts(size: tuple[int, int], shares: NDArray[np.float64]) -> NDArray[np.int64]:
    """int64 (n, 4), of such shares of the height."""
    height, width = size
    top = np.round(height * (1 - shares)).astype(np.int64)
    return np.stack([top, np.zeros_like(top), np.full_like(top, height), np.full_like(top, width)], axis=1)


def _draw_rectangles(size: tuple[int, int], erased: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.int64]:
    """int64 (n, 4), of 2 to 20 % of a picture where something is erased, empty elsewhere."""
    n, (height, width) = len(erased), size
    area, shape = rng.uniform(*AREA, n) * height * width, rng.uniform(*SHAPE, n)
    rows = np.clip(np.round((area * shape) ** 0.5), 1, height).astype(np.int64) * erased
    columns = np.clip(np.round((area / shape) ** 0.5), 1, width).astype(np.int64) * erased
    top, left = rng.integers(height - rows + 1), rng.integers(width - columns + 1)
    return np.stack([top, left, top + rows, left + columns], axis=1)


def vary(pictures: Pictures, rows: Tensor, how: Variation) -> Tensor:
    """The pictures of ``rows`` (int64, (n,)), varied: float32 (n, 3, height, width), as the tower takes them.

    A shifted picture's edge is repeated where nothing is left of it.
    """
    _, height, width, _ = pictures.pixels.shape
    device = pictures.pixels.device
    shift, mirrored, erased, colour, light, coarseness, rows = (t.to(device) for t in (*how, rows))
    y, x = torch.arange(height, device=device), torch.arange(width, device=device)
    from_y = (y - shift[:, :1]).clamp(0, height - 1)
    from_x = (torch.where(mirrored[:, None], width - 1 - x, x) - shift[:, 1:]).clamp(0, width - 1)
    moved = pictures.pixels[rows[:, None, None], from_y[:, :, None], from_x[:, None, :]]
    top, left, bottom, right = (edge[:, None] for edge in erased.T)
    inside = ((y >= top) & (y < bottom))[:, :, None] & ((x >= left) & (x < right))[:, None, :]
    lit = coarsened((moved * light[:, None, None, None]).clamp_(max=255), coarseness)
    return _normalised(torch.where(inside[..., None], colour[:, None, None].float(), lit), pictures.preprocessing)


def coarsened(pixels: Tensor, coarseness: Tensor) -> Tensor:
    """Pictures, float32 (n, height, width, 3), as if so many of their pixels a side (int64, (n,)) had been one."""
    for factor in COARSENESS:
        if (chosen := coarseness == factor).any():
            small = F.avg_pool2d(pixels[chosen].permute(0, 3, 1, 2), factor, ceil_mode=True)
            pixels[chosen] = F.interpolate(small, pixels.shape[1:3], mode="bilinear").permute(0, 2, 3, 1)
    return pixels


def show(pictures: Pictures, rows: slice) -> Tensor:
    """Some pictures as they are: float32 (n, 3, height, width)."""
    return _normalised(pictures.pixels[rows].float(), pictures.preprocessing)


def _normalised(pixels: Tensor, p: Preprocessing) -> Tensor:
    """What ``passerby.model.preprocess.normalise`` does, in place, where the pixels are; the channels stay the innermost in memory."""
    scale = torch.tensor([1 / (255 * s) for s in p.std], device=pixels.device)
    shift = torch.tensor([m / s for m, s in zip(p.mean, p.std, strict=True)], device=pixels.device)
    return pixels.mul_(scale).sub_(shift).permute(0, 3, 1, 2)
