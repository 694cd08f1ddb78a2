"""An index seen from outside, and an encoder that counts what it does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from passerby.find.ingest.report import IndexReport
from passerby.index.sqlite.index import Index
from passerby.model.bundle_encoder import BundleEncoder
from passerby.model.encoder import Seen

NOTHING = IndexReport(indexed=0, recognised=0, unchanged=0, removed=0, failed=(), skipped=0)


class CountingEncoder(BundleEncoder):
    """Counts the pictures it encodes."""

    encoded = 0

    def see(self, pixels: NDArray[np.float32]) -> Seen:
        self.encoded += len(pixels)
        return super().see(pixels)


class DressedEncoder(BundleEncoder):
    """Says of three things whether they are worn, by its vectors."""

    @property
    def attributes(self) -> tuple[str, ...]:
        return "hat", "bag", "coat"

    def see(self, pixels: NDArray[np.float32]) -> Seen:
        vectors = super().see(pixels).vectors
        return Seen(vectors, 8 * vectors[:, :3])


def held(index: Index) -> dict[Path, NDArray[np.float32]]:
    """Each person's path and vector."""
    return {person.media.path: index.vector_of(person) for person, _ in index.people()}


def away(index: Index) -> set[Path]:
    """The paths of media that an index says are away."""
    return {path for path in held(index) if (known := index.standing(path)) and known.away_since is not None}
