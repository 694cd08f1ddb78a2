"""The batches of a run, one after another, from whichever step it stands at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice
from typing import Final

import numpy as np
from numpy.typing import NDArray

from passerby.learn.config import Optimiser, Pixels, Words
from passerby.learn.data.batches import Batch, draw_batch
from passerby.learn.data.sampler import epoch_batches
from passerby.learn.data.training_set import TrainingSet
from passerby.learn.loop.run import Span
from passerby.look_ahead import look_ahead

AHEAD: Final = 2
"""How many batches are drawn before they are needed."""


@dataclass(frozen=True, slots=True)
class Stream:
    """How batches are drawn.

    Args:
        seed: of the run.
        rows: of the training set, how many of the first take part.
        size: height and width of the pictures.
        swaps: how many captions of a batch at most come with exchanged colours as well.
    """

    seed: int
    rows: int
    batch_size: int
    size: tuple[int, int]
    pixels: Pixels
    words: Words
    pictures_per_identity: int = 1
    swaps: int = 0

    @classmethod
    def of(cls, seed: int, rows: int, size: tuple[int, int], pixels: Pixels, words: Words, how: Optimiser, *, swaps: bool) -> Stream:
        """As a config says it."""
        return cls(seed, rows, how.batch_size, size, pixels, words, how.pictures_per_identity, words.swaps if swaps else 0)

    @property
    def per_epoch(self) -> int:
        """Batches of one pass over all rows; the last incomplete one is left out."""
        return self.rows // self.batch_size


def batches_of(training: TrainingSet, how: Stream, span: Span, start: int) -> Iterator[Batch]:
    """The batches of a span from a step of it on, the next one drawn while the last one is learnt from."""

    def draw(item: tuple[int, NDArray[np.int64]]) -> Batch:
        step, chosen = item
        return draw_batch(
            training.words,
            training.identities,
            chosen,
            size=how.size,
            how_pixels=how.pixels,
            how_words=how.words,
            swaps=how.swaps,
            rng=np.random.default_rng((how.seed, step)),
        )

    start = max(start, span.first)
    return look_ahead(islice(_chosen(training, how, span.first, start), max(0, span.end - start)), draw, AHEAD, threads=1)


def _chosen(training: TrainingSet, how: Stream, first: int, start: int) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """The steps from ``start`` on, and whose pictures each sees, epoch after epoch from the step ``first``; without end."""
    for epoch in count((start - first) // how.per_epoch):
        begins = first + epoch * how.per_epoch
        batches = epoch_batches(
            training.identities[: how.rows],
            batch_size=how.batch_size,
            pictures_per_identity=how.pictures_per_identity,
            seed=how.seed,
            epoch=begins,
        )
        yield from ((begins + i, chosen) for i, chosen in enumerate(batches) if begins + i >= start)
