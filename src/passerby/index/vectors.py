"""The vectors of an index at one moment, as every search scans them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from passerby.index.scan import rough_scores

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
    """

    parts: tuple[NDArray[np.float16], ...]
    kept: NDArray[np.bool_] | None
    ids: NDArray[np.int64]

    @classmethod
    def of(cls, parts: Sequence[NDArray[np.float16]], ids: NDArray[np.int64], gone: NDArray[np.intp]) -> Self:
        """Of parts that may be empty, the ids of all their rows, and the numbers of rows that were deleted."""
        filled = tuple(part for part in parts if len(part))
        if not len(gone):
            return cls(filled, None, ids)
        kept = np.ones(len(ids), np.bool_)
        kept[gone] = False
        return cls(filled, kept, ids[kept])

    def __len__(self) -> int:
        return len(self.ids)

    def scores(self, directions: NDArray[np.float64]) -> NDArray[np.float32]:
        """Cosine similarities within :data:`~passerby.index.scan.ROUNDING`: float32 (q, n), of directions float64 (q, d)."""
        scored = [rough_scores(part, directions) for part in self.parts]
        scores = scored[0] if len(scored) == 1 else np.concatenate([np.empty((len(directions), 0), np.float32), *scored], axis=1)
        return scores if self.kept is None else scores[:, self.kept]

    def only(self, chosen: NDArray[np.bool_]) -> Self:
        """The table of some of its rows, bool (n,); of few, their vectors alone are looked at."""
        rows = self._rows()[chosen]
        if len(rows) * _FEW < len(chosen):
            return type(self)(tuple(part for part in self._taken(rows) if len(part)), None, self.ids[chosen])
        kept = np.zeros(sum(map(len, self.parts)), np.bool_)
        kept[rows] = True
        return type(self)(self.parts, kept, self.ids[chosen])

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

    def _taken(self, rows: NDArray[np.intp]) -> list[NDArray[np.float16]]:
        """Rows of these numbers, increasing, of each part."""
        starts = np.cumsum([0, *map(len, self.parts)])
        by_part = np.split(rows, np.searchsorted(rows, starts[1:-1]))
        return [part[of_part - start] for part, of_part, start in zip(self.parts, by_part, starts, strict=False)]


def widen(halves: NDArray[np.float16], singles: NDArray[np.float32]) -> None:
    """Write finite float16 numbers as float32, bit for bit as ``astype`` does, which takes three times as long.

    The bits of a number are moved to where float32 has them; its exponent is then too small by the difference of the biases, 127 - 15.
    """
    bits = singles.view(np.int32)
    bits[...] = halves.view(np.int16)
    bits <<= 13
    bits &= _SIGN_AND_NUMBER
    singles *= np.float32(2.0**112)
