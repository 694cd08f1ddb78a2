"""How well an encoder finds the people of a dataset by their captions."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from passerby.find.query import weights
from passerby.index.score import Weights
from passerby.inputs import as_function, require
from passerby.measure.metrics import PROTOCOL, Estimate, Metrics, PerQuery, paired_difference, summarise
from passerby.measure.split import EmbeddedSplit, embed_split
from passerby.model.encoder import Encoder, as_encoder
from passerby.progress import PROGRESS, Progress
from passerby.types import Dataset

AS_ASKED: Final = (
    "The same captions are asked a second time as search asks them: slips mended, keywords as a sentence, what is denied counted against "
    "whoever has it. The gain is the Rank-1 as asked minus that as they stand, over the same queries."
)
FUSED: Final = "Of it, what is asked of what people wear brings the Rank-1 as asked minus that of its vectors alone."


@dataclass(frozen=True, slots=True, eq=False)
class AsAsked:
    """The figures of captions as search asks them, in percent.

    Args:
        per_query: one row per query.
        gain: Rank-1 as asked minus that of the captions as they stand, in points, with its paired 95 % interval.
        by_worn: the part of it that the attributes bring, Rank-1 as asked minus that as asked by vectors alone; ``None`` of a model
            whose score has no such part.
    """

    metrics: Metrics
    per_query: PerQuery
    gain: Estimate
    by_worn: Estimate | None = None

    def to_json(self) -> dict[str, Any]:
        """The figures in percent, their intervals and the gains; ready for ``json.dumps``."""
        by_worn = {"gain_by_worn": asdict(self.by_worn)} if self.by_worn else {}
        return {**_figures(self.metrics), "gain": asdict(self.gain), **by_worn, "protocol": self.protocol}

    @property
    def protocol(self) -> str:
        """What was done."""
        return f"{AS_ASKED} {FUSED}" if self.by_worn else AS_ASKED


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """A model's retrieval metrics on one split of a dataset, and what they were measured on.

    Args:
        split: what was measured.
        metrics: in percent, with 95 % intervals, of the captions as they stand.
        per_query: one row per query, to compare two models on the same queries with `paired_difference`.
        seconds: wall time of the measurement.
        as_asked: the same of the captions as search asks them.
    """

    split: EmbeddedSplit
    metrics: Metrics
    per_query: PerQuery
    seconds: float
    as_asked: AsAsked | None = None

    def to_json(self) -> dict[str, Any]:
        """The metrics in percent under their names, then their intervals and what was measured; ready for ``json.dumps``."""
        return {
            **_figures(self.metrics),
            "as_asked": self.as_asked and self.as_asked.to_json(),
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
    as_asked = _as_asked(split, weights(encoder, [query.text for query in split.queries]), per_query)
    return Evaluation(split, summarise(per_query, split.asked), per_query, time.perf_counter() - started, as_asked)


def _as_asked(split: EmbeddedSplit, questions: list[Weights], as_they_stand: PerQuery) -> AsAsked:
    asked, by_worn = split.rank(texts=questions), None
    if any(question.worn.any() for question in questions):
        by_vectors = split.rank(texts=[Weights(question.vector) for question in questions])
        by_worn = paired_difference(by_vectors, asked, split.asked)
    return AsAsked(summarise(asked, split.asked), asked, paired_difference(as_they_stand, asked, split.asked), by_worn)


def _figures(metrics: Metrics) -> dict[str, Any]:
    """The figures under their names, then their intervals."""
    estimates = {field.name: getattr(metrics, field.name) for field in fields(metrics)}
    intervals = {name: [estimate.low, estimate.high] for name, estimate in estimates.items()}
    return {**{name: estimate.mean for name, estimate in estimates.items()}, "intervals": intervals}
