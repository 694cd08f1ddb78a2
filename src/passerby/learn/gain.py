"""What a run has gained over the model that it started from, on val."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import torch

from passerby.errors import DatasetError
from passerby.learn.judge import figures
from passerby.learn.loop.checkpoint import save
from passerby.measure.evaluation import Evaluation
from passerby.measure.metrics import Estimate, PerQuery, paired_difference

START: Final = "start.pt"
"""In a run's folder, how val's captions were answered before the first step."""


@dataclass(frozen=True, slots=True)
class Start:
    """How a model did on val before it learnt anything.

    Args:
        val: what a card tells of it.
        unread: how many pictures could not be read.
        asked: who each caption describes.
    """

    val: Mapping[str, Any]
    unread: int
    asked: tuple[str, ...]
    per_query: PerQuery


def save_start(folder: Path, evaluation: Evaluation) -> None:
    """Keep in a run's folder how the model did before the first step. Raises ``OSError``."""
    answers = {part.name: torch.from_numpy(getattr(evaluation.per_query, part.name)) for part in fields(PerQuery)}
    unread, asked = len(evaluation.split.failures), list(evaluation.split.asked)
    save(folder / START, {"val": dict(figures(evaluation)), "unread": unread, "asked": asked, "answers": answers})


def read_start(folder: Path) -> Start:
    """What :func:`save_start` kept. Raises ``OSError``."""
    kept = torch.load(folder / START, weights_only=True, map_location="cpu")
    answers = {name: answer.numpy() for name, answer in kept["answers"].items()}
    return Start(kept["val"], kept["unread"], tuple(kept["asked"]), PerQuery(**answers))


def gain_over(start: Start, evaluation: Evaluation) -> Estimate:
    """Rank-1 minus that of the start, in points, over the same captions.

    Raises:
        DatasetError: other pictures of val can be read than before.
    """
    asked = evaluation.split.asked
    if start.asked != asked:
        raise DatasetError(
            expected="the pictures of val that could be read when the run began",
            found=f"{len(asked)} captions to ask instead of {len(start.asked)}",
            do="put its pictures back, or name another folder for this run",
        )
    return paired_difference(start.per_query, evaluation.per_query, asked)
