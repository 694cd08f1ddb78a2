"""How well an encoder finds the people of a dataset by their captions."""

from __future__ import annotations

import time
from dataclasses import dataclass, fields
from typing import Any

from passerby.inputs import as_function, require
from passerby.measure.metrics import PROTOCOL, Metrics, PerQuery, summarise
from passerby.measure.split import EmbeddedSplit, embed_split
from passerby.model.encoder import Encoder, as_encoder
from passerby.progress import PROGRESS, Progress
from passerby.types import Dataset


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """A model's retrieval metrics on one split of a dataset, and what they were measured on.

    Args:
        split: what was measured.
        metrics: in percent, with 95 % intervals.
        per_query: one row per query, to compare two models on the same queries with `paired_difference`.
        seconds: wall time of the measurement.
    """

    split: EmbeddedSplit
    metrics: Metrics
    per_query: PerQuery
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """The metrics in percent under their names, then their intervals and what was measured; ready for ``json.dumps``."""
        estimates = {field.name: getattr(self.metrics, field.name) for field in fields(self.metrics)}
        return {
            **{name: estimate.mean for name, estimate in estimates.items()},
            "intervals": {name: [estimate.low, estimate.high] for name, estimate in estimates.items()},
            "protocol": PROTOCOL,
            **self.split.to_json(),
            "seconds": self.seconds,
        }


def evaluate(encoder: Encoder, dataset: Dataset, *, on_progress: Progress | None = None) -> Evaluation:
    """Asks for every person of a split by their own captions among all pictures of the split (`metrics.PROTOCOL`).

    A picture that cannot be read is reported and left out of the gallery; its captions are still asked while another picture of
    the person can be found.

    Args:
        dataset: the records of one split.
        on_progress: told how far the pictures are.

    Raises:
        InputError: an argument of the wrong kind.
        DatasetError: records of several splits, pictures of fewer than two people, or no caption to ask about a picture that can
            be read.
        ModelError: a tower that cannot be loaded or fails its self-test.
    """
    encoder = as_encoder(encoder)
    dataset = require(dataset, Dataset, "a dataset", "load it: load_dataset(path)")
    if on_progress is not None:
        on_progress = as_function(on_progress, PROGRESS)
    started = time.perf_counter()
    split = embed_split(encoder, dataset, on_progress=on_progress)
    per_query = split.rank()
    return Evaluation(split, summarise(per_query, split.asked), per_query, time.perf_counter() - started)
