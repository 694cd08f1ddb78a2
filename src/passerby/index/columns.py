"""Bytes of what is worn, column by column: a question asks about a few of some hundred attributes, and no others are read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from passerby.index.scan import in_parts

ROWS: Final = 1024
"""Rows of a block, in which each column's bytes are consecutive; in one block of all, no row could be added without moving others."""

_BLOCKS: Final = 16
"""Blocks that are read at a time: what one question asks of them stays in the processor's cache."""


def in_blocks(rows: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Rows uint8 (n, c) as blocks uint8 (b, c, ``ROWS``), the last filled up with zeros."""
    count, width = rows.shape
    blocks = np.zeros((blocks_for(count), width, ROWS), np.uint8)
    for block, start in zip(blocks, range(0, count, ROWS), strict=True):
        there = rows[start : start + ROWS]
        block[:, : len(there)] = there.T
    return blocks


def blocks_for(count: int) -> int:
    """How many blocks hold so many rows."""
    return -(-count // ROWS)


def columns_of(blocks: NDArray[np.uint8], columns: Sequence[int], count: int) -> NDArray[np.uint8]:
    """Some columns of the first ``count`` rows of blocks: uint8 (m, count)."""
    return blocks[:, list(columns)].transpose(1, 0, 2).reshape(len(columns), len(blocks) * ROWS)[:, :count]


def rows_of(blocks: NDArray[np.uint8], rows: NDArray[np.intp]) -> NDArray[np.uint8]:
    """Rows of these numbers with all their columns: uint8 (m, c)."""
    return blocks[rows // ROWS, :, rows % ROWS]


def subtract_worn(scores: NDArray[np.float32], blocks: NDArray[np.uint8], weights: Sequence[NDArray[np.float64]]) -> None:
    """Subtract from the scores of q questions what is worn counts against each row; nothing where no row has such bytes.

    Args:
        scores: float32 (q, n), changed in place.
        blocks: uint8 (b, 2a, ``ROWS``), of n rows and maybe more.
        weights: of each question, float64 (2a,), or (0,) for one that asks about nothing.
    """
    asked = [
        (of_question, columns, weight[columns].astype(np.float32))
        for of_question, weight in zip(scores, weights, strict=True)
        if len(columns := np.flatnonzero(weight))
    ]

    def work(part: slice) -> None:
        for start in range(part.start, part.stop, _BLOCKS):
            for of_question, columns, weight in asked:
                worn = blocks[start : min(start + _BLOCKS, part.stop), columns].astype(np.float32)
                there = of_question[start * ROWS : (start + len(worn)) * ROWS]
                there -= (weight @ worn).reshape(-1)[: len(there)]

    if asked and blocks.size:
        in_parts(work, blocks_for(scores.shape[1]))
