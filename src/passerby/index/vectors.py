"""The vectors of an index at one moment, as every search scans them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from passerby.index.columns import columns_of, in_blocks, rows_of, subtract_worn
from passerby.index.scan import rough_scores
from passerby.index.score import Weights

Number = TypeVar("Number", np.float32, np.uint8)


class Chunk(NamedTuple):
    """Some embeddings as they were put, by id.

    Args:
        ids: int64 (n,), increasing.
        vectors: float32 (n, d).
        worn: uint8 (n, 2a); zeros of those that came without.
    """

    ids: NDArray[np.int64]
    vectors: NDArray[np.float32]
    worn: NDArray[np.uint8]


_FEW: Final = 8
"""Of fewer than one in so many rows a copy is scanned sooner than all."""
_ROWS: Final = 256
"""Rows that are widened at a time: they stay in the processor's cache."""
_SIGN_AND_NUMBER: Final = ~0x70000000
"""All bits of a float32 but the three of its exponent that float16 lacks."""


@dataclass(frozen=True, slots=True, eq=False)
class VectorTable:
    """Embeddings in float16, in consecutive parts: what lies in a file, and what has come since.

    Args:
        parts: float16 (n_i, d), none empty, each row of length 1 within rounding; read-only.
        kept: of all rows, those that were not deleted, bool (sum n_i,); ``None`` for all.
        ids: of the kept rows, int64 (n,), increasing.
        blocks: of each part the bytes of what is worn, uint8 (b_i, 2a, ROWS), of its rows and maybe more; zeros where it is not known.
    """

    parts: tuple[NDArray[np.float16], ...]
    kept: NDArray[np.bool_] | None
    ids: NDArray[np.int64]
    blocks: tuple[NDArray[np.uint8], ...]

    @classmethod
    def of(
        cls,
        parts: Sequence[NDArray[np.float16]],
        ids: NDArray[np.int64],
        gone: NDArray[np.intp],
        blocks: Sequence[NDArray[np.uint8]] | None = None,
    ) -> Self:
        """Of parts that may be empty, the ids of all their rows, the numbers of rows that were deleted, and what is worn, if known."""
        blocks = [in_blocks(np.empty((len(part), 0), np.uint8)) for part in parts] if blocks is None else blocks
        filled = tuple(part for part in parts if len(part))
        worn = tuple(block for part, block in zip(parts, blocks, strict=True) if len(part))
        if not len(gone):
            return cls(filled, None, ids, worn)
        kept = np.ones(len(ids), np.bool_)
        kept[gone] = False
        return cls(filled, kept, ids[kept], worn)

    def __len__(self) -> int:
        return len(self.ids)

    def scores(self, directions: NDArray[np.float64]) -> NDArray[np.float32]:
        """Cosine similarities within :data:`~passerby.index.scan.ROUNDING`: float32 (q, n), of directions float64 (q, d)."""
        return self._of_kept([rough_scores(part, directions) for part in self.parts], len(directions), np.float32)

    def weighted(self, questions: Sequence[Weights]) -> NDArray[np.float32]:
        """Scores of at least one question, within :func:`~passerby.index.scan.rounding_of` what is worn weighs in it: float32 (q, n)."""
        directions = np.stack([question.vector for question in questions])
        scored = [rough_scores(part, directions) for part in self.parts]
        for scores, blocks in zip(scored, self.blocks, strict=True):
            subtract_worn(scores, blocks, [question.worn for question in questions])
        return self._of_kept(scored, len(questions), np.float32)

    def worn(self, columns: Sequence[int]) -> NDArray[np.uint8]:
        """Some columns of what is worn: uint8 (n, m). Each must be one that the model of the index has."""
        found = [columns_of(blocks, columns, len(part)) for part, blocks in zip(self.parts, self.blocks, strict=True)]
        return self._of_kept(found, len(columns), np.uint8).T

    def unworn(self) -> int:
        """How many rows have no bytes of what is worn, though others of their model do."""
        if not any(blocks.size for blocks in self.blocks):
            return 0
        width = self.blocks[0].shape[1]
        # Whether the first attribute is worn or not cannot be certain to be both.
        return int(np.count_nonzero(~self.worn([0, width // 2]).any(axis=1)))

    def _of_kept(self, parts: Sequence[NDArray[Number]], height: int, kind: type[Number]) -> NDArray[Number]:
        """What is known of the rows of each part, (h, n_i), of all rows that were not deleted: (h, n)."""
        joined = parts[0] if len(parts) == 1 else np.concatenate([np.empty((height, 0), kind), *parts], axis=1)
        return joined if self.kept is None else joined[:, self.kept]

    def only(self, chosen: NDArray[np.bool_]) -> Self:
        """The table of some of its rows, bool (n,); of few, their vectors alone are looked at."""
        rows = self._rows()[chosen]
        if len(rows) * _FEW < len(chosen):
            taken = [(part[there], in_blocks(rows_of(block, there))) for part, block, there in self._by_part(rows) if len(there)]
            parts, blocks = zip(*taken, strict=True) if taken else ((), ())
            return type(self)(parts, None, self.ids[chosen], blocks)
        kept = np.zeros(sum(map(len, self.parts)), np.bool_)
        kept[rows] = True
        return type(self)(self.parts, kept, self.ids[chosen], self.blocks)

    def spread(self, count: int) -> NDArray[np.float32]:
        """At most ``count`` vectors, evenly spread over the table: float32 (m, d)."""
        rows = self._rows()
        chosen = rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(np.intp)]
        spread = np.empty((len(chosen), self.parts[0].shape[1] if self.parts else 0), np.float32)
        starts = np.cumsum([0, *map(len, self.parts)])
        edges = [0, *np.searchsorted(chosen, starts[1:])]
        for part, start, (first, end) in zip(self.parts, starts, pairwise(edges), strict=False):
            for rows_of_part in (slice(at, min(at + _ROWS, end)) for at in range(first, end, _ROWS)):
                widen(part[chosen[rows_of_part] - start], spread[rows_of_part])
        return spread

    def _rows(self) -> NDArray[np.intp]:
        """The numbers of the kept rows among all."""
        return np.arange(sum(map(len, self.parts))) if self.kept is None else np.flatnonzero(self.kept)

    def _by_part(self, rows: NDArray[np.intp]) -> Iterator[tuple[NDArray[np.float16], NDArray[np.uint8], NDArray[np.intp]]]:
        """Each part with its blocks and the numbers in it of rows, increasing."""
        starts = np.cumsum([0, *map(len, self.parts)])
        of_parts = np.split(rows, np.searchsorted(rows, starts[1:-1]))
        return ((part, block, there - start) for part, block, there, start in zip(self.parts, self.blocks, of_parts, starts, strict=False))


def widen(halves: NDArray[np.float16], singles: NDArray[np.float32]) -> None:
    """Write finite float16 numbers as float32, bit for bit as ``astype`` does, which takes three times as long.

    The bits of a number are moved to where float32 has them; its exponent is then too small by the difference of the biases, 127 - 15.
    """
    bits = singles.view(np.int32)
    bits[...] = halves.view(np.int16)
    bits <<= 13
    bits &= _SIGN_AND_NUMBER
    singles *= np.float32(2.0**112)
