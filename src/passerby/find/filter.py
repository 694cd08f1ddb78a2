"""Whether people pass filters: who fits each thing better than three quarters of the index, and who does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from passerby.errors import QueryError
from passerby.find.explain import FEWEST, phrase_directions
from passerby.index.vectors import VectorTable
from passerby.model.encoder import Encoder
from passerby.types import FITS
from passerby.words.filters import Filter


@dataclass(frozen=True, slots=True, eq=False)
class Sieve:
    """Filters as one model sees them.

    Args:
        directions: float32 (f, d), a higher product with a vector meaning that somebody rather has the thing.
        denied: bool (f,), which of them must not be had.
    """

    directions: NDArray[np.float32]
    denied: NDArray[np.bool_]

    @classmethod
    def of(cls, encoder: Encoder, filters: Sequence[Filter]) -> Sieve:
        """What filters, at least one, are to a model."""
        denied = np.array([one.item.negated for one in filters])
        return cls(
            phrase_directions(encoder, [one.phrase for one in filters]) * np.where(denied, -1, 1)[:, None].astype(np.float32), denied
        )

    def passes(self, vectors: VectorTable) -> NDArray[np.bool_]:
        """Who passes all filters, bool (n,), of the n that an index holds.

        Raises:
            QueryError: too few to hold anybody against.
        """
        if len(vectors) < FEWEST:
            raise QueryError(
                expected=f"at least {FEWEST} people in the index: filters hold each against the others",
                found=str(len(vectors)),
                do="ask in words alone, or index more",
            )
        scores = vectors.scores(self.directions.astype(np.float64)).astype(np.float64)
        passing: NDArray[np.bool_] = np.all((scores >= np.quantile(scores, FITS, axis=1, keepdims=True)) != self.denied[:, None], axis=0)
        return passing
