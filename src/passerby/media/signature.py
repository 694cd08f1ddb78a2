"""Near-copies: whether two crops are one picture that was re-encoded, resized, moved by a few pixels or made a little brighter.

A signature is a thumbnail: brightness in 16 × 6 cells, two colour differences in 8 × 2. To first order a small shift adds some of a
thumbnail's own slopes to it, and another exposure some of itself and a constant. So two thumbnails are compared by what of their
difference these four do not explain: the tangent distance (Simard, LeCun and Denker, "Efficient Pattern Recognition Using a New
Transformation Distance", 1993), in units of their contrast. They are smoothed first, for slopes say little of what changes from cell to
cell, and their edges count less, where a shift brings in what was not there. `benchmarks/bursts.py` measures the bounds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

VERSION: Final = 1
"""Signatures of two versions cannot be compared."""

LENGTH: Final = 128
"""Bytes of a signature: brightness first, then the differences of blue and of red, each row by row from the top."""

MOST_UNLIKE: Final = 0.15
"""The tangent distance that near-copies have at most. In crops of CUHK-PEDES, 99 of 100 copies have 0.13 or less that were moved by 4
pixels of 128 × 384, brightened and encoded at quality 30; the nearest two people have 0.20, of 41 million pairs."""

REACH: Final = 0.12
"""How far the outlines of near-copies are apart at most, in each number: 0.09 for 99 % of copies that were moved by 4 pixels."""

Signatures = NDArray[np.uint8]
Floats = NDArray[np.float64]

_PLANES: Final = ((0, 16, 6), (96, 8, 2), (112, 8, 2))
"""Where each plane begins in a signature, its rows and its columns."""

_BRIGHTNESS: Final = slice(0, 96)
_IS_BRIGHTNESS: Final = np.arange(LENGTH) < 96
_NEUTRAL: Final = np.where(_IS_BRIGHTNESS, 0.0, 128.0)

_GAIN: Final = 0.05
_OFFSET: Final = np.where(_IS_BRIGHTNESS, 5.0, 0.0)
"""A usual change of contrast, and one of brightness in levels: each costs a fit one level, as does a shift of `_ACROSS` or `_DOWN`."""

_PAIRS: Final = 4096
"""Pairs that are fitted at a time, in 16 MB."""


def signature(pixels: NDArray[np.uint8]) -> Signatures:
    """What to keep of a crop to know its near-copies by: uint8 (LENGTH,).

    Args:
        pixels: uint8 (h, w, 3), RGB, as a tower takes them before they are normalised.
    """
    thumbnail = Image.fromarray(pixels).resize((6, 16), Image.Resampling.BILINEAR)
    brightness, blue, red = thumbnail.convert("YCbCr").split()
    planes = (brightness, *(colour.resize((2, 8), Image.Resampling.BILINEAR) for colour in (blue, red)))
    return np.concatenate([np.asarray(plane, np.uint8).ravel() for plane in planes])


def alike(one: Signatures, other: Signatures) -> NDArray[np.bool_]:
    """Whether the crops of two signatures are near-copies, pair by pair: bool (n,).

    It is symmetric, and a crop is a near-copy of itself; two near-copies of one crop need not be near-copies of each other.

    Args:
        one, other: signatures uint8 (n, LENGTH).
    """
    near: NDArray[np.bool_] = np.all(np.abs(outlines(one) - outlines(other)) <= REACH, axis=1)
    found = np.flatnonzero(near)
    for start in range(0, len(found), _PAIRS):
        some = found[start : start + _PAIRS]
        near[some] = unlikeness(one[some], other[some]) <= MOST_UNLIKE
    return near


def unlikeness(one: Signatures, other: Signatures) -> Floats:
    """The tangent distances of signatures uint8 (n, LENGTH), pair by pair, in units of contrast: float64 (n,), 0 for equal ones."""
    first, second = ((signatures - _NEUTRAL) @ _SMOOTH for signatures in (one, other))
    middle = (first + second) / 2
    tangents = _tangents(middle) * _WEIGHTS
    difference = (second - first) * _WEIGHTS
    normal = np.einsum("npd,nqd->npq", tangents, tangents) + np.eye(tangents.shape[1])
    amounts = np.linalg.solve(normal, np.einsum("npd,nd->np", tangents, difference)[..., None])
    left = np.linalg.norm(difference - np.sum(amounts * tangents, axis=1), axis=1)
    contrast = np.linalg.norm(_without_means(middle) * _WEIGHTS, axis=1)
    distances: Floats = np.divide(left, contrast, out=np.where(left > 0, np.inf, 0.0), where=contrast > 0)
    return distances


def outlines(signatures: Signatures) -> Floats:
    """Where crops of signatures uint8 (n, LENGTH) are bright and where dark, in ten numbers within ±1 that exposure leaves alone.

    They are the correlations of a crop's brightness with smooth waves. The first few tell most crops apart.

    Returns:
        float64 (n, 10), 0 for crops of even brightness.
    """
    brightness = _without_means(signatures[:, _BRIGHTNESS].astype(np.float64), ((0, 16, 6),))
    contrast = np.linalg.norm(brightness, axis=1, keepdims=True)
    unit: Floats = np.divide(brightness, contrast, out=np.zeros_like(brightness), where=contrast > 0)
    return unit @ _WAVES


def _tangents(middle: Floats) -> Floats:
    """What usual changes add to thumbnails (n, LENGTH): float64 (n, 4, LENGTH)."""
    return np.stack([middle @ _ACROSS, middle @ _DOWN, middle * _GAIN, np.broadcast_to(_OFFSET, middle.shape)], axis=1)


def _without_means(thumbnails: Floats, planes: tuple[tuple[int, int, int], ...] = _PLANES) -> Floats:
    """Each plane of thumbnails (n, LENGTH) less its mean."""
    parts = (thumbnails[:, begin : begin + rows * columns] for begin, rows, columns in planes)
    return np.concatenate([part - part.mean(axis=1, keepdims=True) for part in parts], axis=1)


def _waves() -> Floats:
    """Smooth waves over the cells of brightness, each of length 1: float64 (96, 10)."""
    half_periods = ((1, 0), (2, 0), (3, 0), (0, 2), (4, 0), (5, 0), (1, 1), (1, 2), (2, 2), (3, 2))
    _, rows, columns = _PLANES[0]
    waves = np.stack([np.outer(_wave(down, rows), _wave(across, columns)).ravel() for down, across in half_periods], axis=1)
    unit: Floats = waves / np.linalg.norm(waves, axis=0)
    return unit


def _wave(half_periods: int, cells: int) -> Floats:
    return np.cos(np.pi * half_periods * (np.arange(cells) + 0.5) / cells)


def _matrix(down: Callable[[int], Floats], across: Callable[[int], Floats]) -> Floats:
    """What is done to the columns and the rows of each plane, as one matrix that thumbnails (n, LENGTH) are multiplied by."""
    matrix = np.zeros((LENGTH, LENGTH))
    for begin, rows, columns in _PLANES:
        cells = slice(begin, begin + rows * columns)
        matrix[cells, cells] = np.kron(down(rows), across(columns)).T
    return matrix


def _smooth(cells: int) -> Floats:
    """Each cell mixed with 0.3 of its neighbours, an edge with itself; two cells stay what they are."""
    if cells == 2:
        return np.eye(2)
    padded = np.pad(np.eye(cells), ((1, 1), (0, 0)), mode="edge")
    return (0.3 * padded[:-2] + padded[1:-1] + 0.3 * padded[2:]) / 1.6


def _slope(cells: int) -> Floats:
    """Change over the whole picture, from the neighbours on both sides."""
    return np.stack([np.gradient(cell) for cell in np.eye(cells)], axis=1) * cells


def _weights() -> Floats:
    """How much each cell counts, (LENGTH,): each plane as a whole 1, whatever its cells, and their edges less."""
    planes = [np.outer(_edged(rows, 0.7), _edged(columns, 0.5)).ravel() for _, rows, columns in _PLANES]
    weights: Floats = np.concatenate([plane / np.linalg.norm(plane) for plane in planes])
    return weights


def _edged(cells: int, weight: float) -> Floats:
    return np.ones(2) if cells == 2 else np.pad(np.ones(cells - 2), 1, constant_values=weight)


_WAVES: Final = _waves()
_WEIGHTS: Final = _weights()
_SMOOTH: Final = _matrix(_smooth, _smooth)
_ACROSS: Final = 0.03 * _matrix(np.eye, _slope)
_DOWN: Final = 0.012 * _matrix(_slope, np.eye)
