"""How well an encoder finds the people of a dataset by their captions."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from passerby.errors import DatasetError
from passerby.measure.metrics import PROTOCOL, Metrics, PerQuery, rank_queries, summarise
from passerby.model.encode import encode_images, encode_texts
from passerby.model.encoder import Encoder
from passerby.types import Dataset, Failure, ModelDigest, Origin, Problem, Record, Split

Progress = Callable[[int, int], None]
"""Called with the pictures read so far and the pictures in all."""


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """A model's retrieval metrics on one split of a dataset, and what they were measured on.

    Args:
        dataset: its name.
        split: the split that was measured.
        model: the model's name.
        metrics: in percent, with 95 % intervals.
        per_query: one row per query, to compare two models on the same queries with `paired_difference`.
        query_identities: who each query describes, in the order of ``per_query``.
        gallery: pictures searched.
        unanswerable: captions left out because no picture of their person could be read.
        failures: pictures that could not be read.
        problems: what was wrong with the dataset's records.
        seconds: wall time of the measurement.
    """

    dataset: str
    split: Split
    model: str
    digest: ModelDigest
    metrics: Metrics
    per_query: PerQuery
    query_identities: tuple[str, ...]
    gallery: int
    unanswerable: int
    failures: tuple[Failure, ...]
    problems: tuple[Problem, ...]
    seconds: float

    @property
    def queries(self) -> int:
        """Captions asked."""
        return len(self.query_identities)

    @property
    def identities(self) -> int:
        """People asked for."""
        return len(set(self.query_identities))

    def to_json(self) -> dict[str, Any]:
        """The metrics in percent under their names, then their intervals and what was measured; ready for ``json.dumps``."""
        estimates = {field.name: getattr(self.metrics, field.name) for field in fields(self.metrics)}
        return {
            **{name: estimate.mean for name, estimate in estimates.items()},
            "intervals": {name: [estimate.low, estimate.high] for name, estimate in estimates.items()},
            "protocol": PROTOCOL,
            "dataset": self.dataset,
            "split": self.split.value,
            "queries": self.queries,
            "gallery": self.gallery,
            "identities": self.identities,
            "unanswerable": self.unanswerable,
            "model": self.model,
            "digest": self.digest,
            "seconds": self.seconds,
            "failed": [{"path": str(failure.path), "reason": failure.reason} for failure in self.failures],
            "problems": [{"record": problem.record, "reason": problem.reason} for problem in self.problems],
        }


def evaluate(encoder: Encoder, dataset: Dataset, *, on_progress: Progress | None = None) -> Evaluation:
    """Asks for every person of a split by their own captions among all pictures of the split (`metrics.PROTOCOL`).

    A picture that cannot be read is reported and left out of the gallery; its captions are still asked while another picture of
    the person can be found.

    Args:
        dataset: the records of one split.
        on_progress: told how far the pictures are.

    Raises:
        DatasetError: records of several splits, or no caption to ask about a picture that can be read.
        ModelError: a tower that cannot be loaded or fails its self-test.
    """
    started = time.perf_counter()
    split = _only_split(dataset)
    shown, vectors, failures = [], [], []
    results = encode_images(encoder, [record.path for record in dataset.records])
    for done, (record, result) in enumerate(zip(dataset.records, results, strict=True), start=1):
        if isinstance(result, Failure):
            failures.append(result)
        else:
            shown.append(record.identity)
            vectors.append(result.vector)
        if on_progress:
            on_progress(done, len(dataset.records))

    captions = _own_captions(dataset.records)
    findable = set(shown)
    asked = [(identity, text) for identity, text in captions if identity in findable]
    if not asked:
        raise DatasetError(
            expected=f"pictures with captions of their own in {dataset.name}",
            found=f"{len(vectors)} pictures that can be read, {len(captions)} captions, none of the same person",
            do="check the dataset's split and paths",
        )
    query_identities = tuple(identity for identity, _ in asked)
    queries = encode_texts(encoder, [text for _, text in asked])
    per_query = rank_queries(queries, np.stack(vectors), query_identities, shown)
    return Evaluation(
        dataset=dataset.name,
        split=split,
        model=encoder.name,
        digest=encoder.digest,
        metrics=summarise(per_query, query_identities),
        per_query=per_query,
        query_identities=query_identities,
        gallery=len(shown),
        unanswerable=len(captions) - len(asked),
        failures=tuple(failures),
        problems=dataset.problems,
        seconds=time.perf_counter() - started,
    )


def _only_split(dataset: Dataset) -> Split:
    splits = {record.split for record in dataset.records}
    if len(splits) != 1:
        raise DatasetError(
            expected=f"records of one split in {dataset.name}",
            found=", ".join(sorted(splits)) or "no records",
            do="name the split to evaluate",
        )
    return splits.pop()


def _own_captions(records: tuple[Record, ...]) -> list[tuple[str, str]]:
    """(identity, text) of the captions written for the very pictures, in the dataset's order."""
    return [(record.identity, caption.text) for record in records for caption in record.captions if caption.origin is Origin.OWN]
