"""An index seen from outside, and an encoder that counts what it does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from passerby.find.ingest import IndexReport
from passerby.index.sqlite.index import Index
from passerby.model.bundle_encoder import BundleEncoder

NOTHING = IndexReport(indexed=0, recognised=0, unchanged=0, removed=0, failed=(), not_crops=0, skipped=0)


class CountingEncoder(BundleEncoder):
    """Counts the pictures it encodes."""

    encoded = 0

    def embed_images(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        self.encoded += len(pixels)
        return super().embed_images(pixels)


def held(index: Index) -> dict[Path, NDArray[np.float32]]:
    """Each person's path and vector."""
    return {person.media.path: index.vector_of(person) for person, _ in index.people()}


def away(index: Index) -> set[Path]:
    """The paths of media that an index says are away."""
    return {path for path in held(index) if (known := index.standing(path)) and known.away_since is not None}
