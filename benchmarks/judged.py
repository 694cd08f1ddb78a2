"""How the best model of a training run answered every caption of val, as the run itself judged it."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from passerby.data.datasets import load_dataset
from passerby.learn.config import TrainConfig
from passerby.learn.judge import ANSWERS
from passerby.measure.metrics import Estimate
from passerby.measure.split import Query, own_captions
from passerby.types import Split


class Outcome(NamedTuple):
    """``float64 (q, 2)``, in percent: Rank-1 and average precision of each query, the queries, and the minutes of the whole run."""

    percent: NDArray[np.float64]
    queries: list[Query]
    minutes: float

    @property
    def asked(self) -> NDArray[np.str_]:
        """Who each query describes."""
        return np.array([query.record.identity for query in self.queries])


def outcome(config: TrainConfig) -> Outcome:
    """Of a run that has ended."""
    out = Path(config.out)
    with np.load(out / ANSWERS) as answers:
        percent = 100 * np.column_stack([answers["rank"] == 1, answers["precision"]])
    minutes = json.loads((out / "log.jsonl").read_text().splitlines()[-1]).get("minutes", np.nan)
    return Outcome(percent, queries(config.data), minutes)


@cache
def queries(data: str) -> list[Query]:
    """Val's captions in the order in which they are asked."""
    return own_captions(load_dataset(Path(data), {Split.VAL}).records)


def told(estimate: Estimate) -> str:
    return f"{estimate.mean:.1f} ({estimate.low:.1f} to {estimate.high:.1f})"
