"""Which crops of a gallery are one picture, or one moment, and count once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from passerby.media.signature import REACH, Floats, Signatures, alike, outlines

Rows = NDArray[np.intp]
Links = NDArray[np.intp]
"""Rows that belong together, pair by pair: intp (2, m)."""

MOMENT: Final = 1.0
"""Seconds of a video that are one moment."""

OVERLAP: Final = 0.7
"""Intersection over union, at least, of boxes that show one person at one moment. Detectors leave two people with up to 0.55."""

_AXES: Final = 4
"""Numbers of an outline by which crops are sorted into the cells of a grid."""

_SIDE: Final = REACH * (1 + 1e-9)
_CELLS: Final = int(2 / _SIDE) + 4
"""Along an axis, whose numbers lie within ±1, with an empty cell at either end."""

_STRIDES: Final = _CELLS ** np.arange(_AXES)[::-1]

_ROWS: Final = 4096
"""Crops that are outlined at a time, in the processor's cache."""

_BLOCK: Final = 1 << 18
"""Pairs that are looked at together, about: outlines in 40 MB."""


def leaders(signatures: Signatures, links: Sequence[Links] = (), asking: NDArray[np.bool_] | None = None) -> Rows:
    """Of each crop, the first crop that is one with it: intp (n,).

    Crops are one where near-copies or links lead from one to the other, in however many steps. So groups do not depend on the order of
    the crops, and another crop joins groups or founds one, but never parts one. A crop costs a few searches in a sorted list; beside
    them, time grows with the pairs whose outlines are near each other, a small part of all.

    Args:
        signatures: uint8 (n, LENGTH).
        links: other evidence, such as :func:`same_moment`, or what was found before: crops and their leaders.
        asking: bool (n,); pairs of others were looked at before. By default everybody.
    """
    found: Rows = np.arange(len(signatures))
    for link in links:
        found = _joined(found, *link)
    asks = np.ones(len(signatures), np.bool_) if asking is None else asking
    numbers = _numbers(signatures)
    near = _near(_cells(numbers[:_AXES]), asks)
    distinct, first, place = np.unique(signatures[near], axis=0, return_index=True, return_inverse=True)
    rows = near[first]
    found = _joined(found, near, rows[place.ravel()])
    new = np.ones(len(distinct), np.bool_)
    new[place.ravel()[~asks[near]]] = False
    for pairs in _neighbours(numbers[:_AXES, rows], new):
        apart = pairs[:, np.not_equal(*found[rows[pairs]])]
        alikes = _within_reach(numbers[::-1, rows], apart)
        found = _joined(found, *rows[alikes[:, alike(*distinct[alikes])]])
    return found


def counted(led: Rows, among: Rows, detail: NDArray[np.integer[Any]]) -> Rows:
    """Of some crops one of each group, that of most detail, in rising order: who is ranked, and whose scores make the crowd.

    It depends on no question: the best score of many copies is better than the picture's own, by chance alone.

    Args:
        led: the leader of each crop of the gallery, intp (n,).
        among: crops that may be an answer, rising, intp (m,).
        detail: how much each crop of the gallery has, such as the bytes of its file, (n,); of equal ones the first counts.
    """
    by_detail = among[np.argsort(-detail[among], kind="stable")]
    _, best = np.unique(led[by_detail], return_index=True)
    return np.sort(by_detail[best])


def same_moment(media: NDArray[np.integer[Any]], times: Floats, boxes: Floats) -> Links:
    """Crops of one media whose boxes overlap, in a video within ``MOMENT``: links for :func:`leaders`.

    Args:
        media: a number for each content, (n,): equal bytes at two paths are one.
        times: float64 (n,), seconds from the start; 0 in a photo.
        boxes: float64 (n, 4), x, y, width and height in pixels.
    """
    order = np.lexsort((times, media))
    place, apart, found = np.arange(len(order)), 0, [np.empty((2, 0), np.intp)]
    while len(place):
        apart += 1
        place = place[place + apart < len(order)]
        pairs = order[np.stack([place, place + apart])]
        together = np.equal(*media[pairs]) & (np.ptp(times[pairs], axis=0) <= MOMENT)
        place, pairs = place[together], pairs[:, together]
        found.append(pairs[:, _overlap(*boxes[pairs]) >= OVERLAP])
    return np.concatenate(found, axis=1)


def _overlap(one: Floats, other: Floats) -> Floats:
    """Intersection over union of boxes (n, 4), pair by pair."""
    low, high = np.maximum(one[:, :2], other[:, :2]), np.minimum(one[:, :2] + one[:, 2:], other[:, :2] + other[:, 2:])
    common = np.prod(np.maximum(high - low, 0), axis=1)
    overlap: Floats = common / (np.prod(one[:, 2:], axis=1) + np.prod(other[:, 2:], axis=1) - common)
    return overlap


def _joined(found: Rows, one: Rows, other: Rows) -> Rows:
    """Leaders (n,) after the groups of some crops are joined with those of others, pair by pair."""
    found = found.copy()
    while np.any(apart := found[one] != found[other]):
        one, other = found[one[apart]], found[other[apart]]
        np.minimum.at(found, np.maximum(one, other), np.minimum(one, other))
        while np.any(found != (led := found[found])):
            found = led
    return found


def _within_reach(numbers: Floats, pairs: Links) -> Links:
    """Those pairs that are within reach in each of several numbers (m, n) of all crops. Most pairs fail by the first."""
    for number in numbers:
        pairs = pairs[:, np.abs(np.subtract(*number[pairs])) <= REACH]
    return pairs


def _numbers(signatures: Signatures) -> Floats:
    """Outlines (n, 10), number by number: float64 (10, n)."""
    some = [outlines(signatures[start : start + _ROWS]) for start in range(0, len(signatures), _ROWS)]
    return np.ascontiguousarray(np.concatenate([np.empty((0, 10)), *some]).T)


def _cells(numbers: Floats) -> Rows:
    """The cell of each crop, of numbers (``_AXES``, n), in a grid whose sides are as long as the reach."""
    cells: Rows = _STRIDES @ (np.floor((numbers + 1) / _SIDE).astype(np.int64) + 1)
    return cells


def _near(cells: Rows, asking: NDArray[np.bool_]) -> Rows:
    """Crops whose cell touches that of one who asks."""
    touched = np.zeros(_CELLS**_AXES, np.bool_)
    asked = np.unique(cells[asking])
    for steps in product((-1, 0, 1), repeat=_AXES):
        touched[asked + np.dot(steps, _STRIDES)] = True
    return np.flatnonzero(touched[cells])


def _neighbours(numbers: Floats, asking: NDArray[np.bool_]) -> Iterator[Links]:
    """Every pair of crops, of which one asks, that is within reach in ``_AXES`` numbers (``_AXES``, n): once, among others; in blocks.

    Only crops in cells that touch are compared. Cells that touch along the last axis follow each other in the order of their numbers.
    """
    cells = _cells(numbers)
    order = np.argsort(cells, kind="stable")
    ordered, rows = cells[order], np.flatnonzero(asking)
    for steps in product((-1, 0, 1), repeat=_AXES - 1):
        centre = cells[rows] + np.dot(steps, _STRIDES[:-1])
        begin, end = np.searchsorted(ordered, centre - 1), np.searchsorted(ordered, centre + 1, side="right")
        for block in _blocks(end - begin):
            one, other = np.repeat(rows[block], (end - begin)[block]), order[_ranges(begin[block], end[block])]
            once = (other < one) | ~asking[other]
            yield np.stack([one[once], other[once]])


def _blocks(counts: Rows) -> Iterator[slice]:
    """Slices of counts, each with a sum of ``_BLOCK`` at most or of one count."""
    until = np.cumsum(counts)
    start = 0
    while start < len(counts):
        before = until[start] - counts[start]
        end = max(start + 1, int(np.searchsorted(until, before + _BLOCK, side="right")))
        yield slice(start, end)
        start = end


def _ranges(begin: Rows, end: Rows) -> Rows:
    """The numbers of ranges, one range after the other."""
    counts = end - begin
    numbers: Rows = np.arange(counts.sum()) + np.repeat(begin - np.cumsum(counts) + counts, counts)
    return numbers
