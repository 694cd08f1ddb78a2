"""The vectors of an index at one moment, as every search scans them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from passerby.index.columns import columns_of, in_blocks, subtract_worn
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

    def spread(self, count: int) -> NDArray[np.float32]:
        """At most ``count`` vectors, evenly spread over the table: float32 (m, d)."""
        rows = np.arange(sum(map(len, self.parts))) if self.kept is None else np.flatnonzero(self.kept)
        chosen = rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(np.intp)]
        starts = np.cumsum([0, *map(len, self.parts)])
        by_part = np.split(chosen, np.searchsorted(chosen, starts[1:-1]))
        taken = [part[of_part - start] for part, of_part, start in zip(self.parts, by_part, starts, strict=False)]
        return np.concatenate(taken).astype(np.float32) if taken else np.empty((0, 0), np.float32)
