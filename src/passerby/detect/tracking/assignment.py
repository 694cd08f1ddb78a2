"""Who belongs to whom: the assignment of rows to columns with the greatest total gain."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from passerby.errors import InputError

Pairs = tuple[NDArray[np.intp], NDArray[np.intp]]


def assign(gain: NDArray[np.floating]) -> Pairs:
    """Maximum-weight bipartite matching: pairs of a row and a column, each used at most once, whose gains add up to the most.

    The Hungarian method (Kuhn, "The Hungarian Method for the Assignment Problem", 1955) by shortest augmenting paths
    (Jonker and Volgenant, "A Shortest Augmenting Path Algorithm for Dense and Sparse Linear Assignment Problems", 1987).

    Args:
        gain: finite (n, m). What is zero or less is never paired.

    Returns:
        The rows, ascending, and the column of each: intp (k,) and intp (k,).

    Raises:
        InputError: a gain that is not finite, or not a matrix.
    """
    if gain.ndim != 2 or not np.isfinite(gain).all():
        raise InputError(
            expected="a matrix of finite gains", found=f"one of shape {gain.shape}", do="leave out what cannot be paired by a gain of 0"
        )
    useful = gain > 0
    rows, columns = np.flatnonzero(useful.any(axis=1)), np.flatnonzero(useful.any(axis=0))
    cost = -np.maximum(gain[np.ix_(rows, columns)], 0).astype(np.float64)
    if len(rows) > len(columns):
        row_of = _cheapest(cost.T)
        first, second = row_of, np.arange(len(columns))
    else:
        first, second = np.arange(len(rows)), _cheapest(cost)
    kept = cost[first, second] < 0
    first, second = rows[first[kept]], columns[second[kept]]
    order = np.argsort(first)
    return first[order], second[order]


def _cheapest(cost: NDArray[np.float64]) -> NDArray[np.intp]:
    """The column of each row, all different, with the least total cost: intp (n,), for costs (n, m) with n <= m."""
    count, width = cost.shape
    row_price, column_price = cost.min(axis=1, initial=0), np.zeros(width)
    column_of, row_of = np.full(count, -1), np.full(width, -1)
    for row, column in enumerate(cost.argmin(axis=1).tolist() if count else ()):
        if row_of[column] < 0:
            row_of[column], column_of[row] = row, column
    for row in np.flatnonzero(column_of < 0).tolist():
        _augment(cost, row_price, column_price, column_of, row_of, row)
    return column_of


def _augment(
    cost: NDArray[np.float64],
    row_price: NDArray[np.float64],
    column_price: NDArray[np.float64],
    column_of: NDArray[np.intp],
    row_of: NDArray[np.intp],
    start: int,
) -> None:
    """Gives the row ``start`` a column by the shortest path of exchanges to a free one; changes prices and assignment in place."""
    width = cost.shape[1]
    distance, came_from = np.full(width, np.inf), np.full(width, start)
    reached = np.zeros(width, dtype=bool)
    row, base = start, 0.0
    while True:
        through = base + cost[row] - row_price[row] - column_price
        nearer = ~reached & (through < distance)
        distance[nearer], came_from[nearer] = through[nearer], row
        waiting = np.where(reached, np.inf, distance)
        base = waiting.min()
        nearest = np.flatnonzero(waiting == base)
        free = nearest[row_of[nearest] < 0]
        if len(free):
            column = free[0]
            break
        reached[nearest[0]] = True
        row = row_of[nearest[0]]
    row_price[start] += base
    row_price[row_of[reached]] += base - distance[reached]
    column_price[reached] -= base - distance[reached]
    while True:
        row = came_from[column]
        row_of[column] = row
        column_of[row], column = column, column_of[row]
        if row == start:
            return
