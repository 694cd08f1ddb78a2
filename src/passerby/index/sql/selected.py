"""Those of a selection as a search looks at them: a table of their embeddings alone, and what stands behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from passerby.index.info import Selected
from passerby.index.selection import Conditions
from passerby.index.sql.selecting import Chosen, Where, where
from passerby.index.vectors import Chunk, VectorTable
from passerby.types import Crop, Person

if TYPE_CHECKING:
    from passerby.index.sql.searching import Searching


@dataclass(frozen=True, slots=True, eq=False)
class SelectedPeople:
    """Those of a selection, as a search looks at them.

    Args:
        rows: which of the vectors of everybody, bool (n,).
        table: these alone.
    """

    index: Searching
    within: Where
    rows: NDArray[np.bool_]
    table: VectorTable
    count: Selected

    @classmethod
    def of(cls, index: Searching, conditions: Conditions, found: Chosen) -> Self:
        everybody = index.vectors()
        chosen = np.isin(everybody.ids, found.embeddings)
        return cls(index, where(conditions), chosen, everybody.only(chosen), Selected(found.people, found.undated))

    @classmethod
    def all_but_static(cls, index: Searching, conditions: Conditions, static: Chosen, people: int) -> Self:
        """Everybody of so many people but things; if nothing is one, no row is left out."""
        everybody = index.vectors()
        chosen = np.ones(len(everybody), np.bool_) if conditions.static else ~np.isin(everybody.ids, static.embeddings)
        count = people if conditions.static else people - static.people
        return cls(index, where(conditions), chosen, everybody.only(chosen), Selected(count, 0))

    def embeddings(self, ids: Sequence[int]) -> Chunk:
        return self.index.embeddings(ids)

    def seen_by(self, ids: Sequence[int]) -> list[tuple[int, Person, Crop]]:
        return self.index.seen_by(ids, self.within)

    def shown_by(self, ids: Sequence[int]) -> list[tuple[int, int]]:
        return self.index.shown_by(ids, self.within)

    def copies(self) -> NDArray[np.int64]:
        """Those among the selected; a group whose leader is not is led by the next in turn."""
        copy, leader = self.index.copies()
        here = np.isin(copy, self.table.ids)
        copy, leader = copy[here], leader[here]
        lost = ~np.isin(leader, self.table.ids)
        groups, first = np.unique(leader[lost], return_index=True)
        leader[lost] = copy[lost][first][np.searchsorted(groups, leader[lost])]
        return np.stack([copy, leader])[:, copy != leader]
