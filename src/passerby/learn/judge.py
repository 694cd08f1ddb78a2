"""How a model in training is judged: on val, by the code that serves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from passerby.atomic import replacing
from passerby.learn.loop.run import Run
from passerby.measure.evaluation import Evaluation, evaluate
from passerby.measure.worn import worn_in
from passerby.model.encoder import Encoder, attributes_of
from passerby.types import Dataset

FIGURES = ("rank1", "rank5", "rank10", "mAP", "mINP", "queries", "protocol")
"""What a card tells of a judgement."""

RANK1: Final = "rank1"
AUC: Final = "attributes_auc"
"""The mean over attributes of the area under the ROC curve, as the log has it."""

NOTHING_TO_JUDGE_BY: Final = "has too few pictures of any attribute to judge by: the last step is kept"

ANSWERS = "answers.npz"
"""How the best model answered each caption of val: ``rank`` of the first right picture, int64 (q,), and ``precision``, float64 (q,)."""


def judge(run: Run, encoder: Encoder, val: Dataset, keep: Callable[[Evaluation | None], None], by: str = RANK1) -> None:
    """Evaluate on val; keep what it was where it is the best yet. Without a val split, or the figure, the latest is kept, for what it is.

    Args:
        by: the figure that decides, :data:`RANK1` or :data:`AUC`.
    """
    if not val.records:
        keep(None)
        return
    evaluation, report = ask_val(run, encoder, val, by)
    if by not in report or run.state.is_best(report[by]):
        keep(evaluation)


def ask_val(run: Run, encoder: Encoder, val: Dataset, by: str = RANK1) -> tuple[Evaluation, Mapping[str, Any]]:
    """Evaluate on val, for the log and for people: the evaluation, and its figures with :data:`AUC` where that could be measured."""
    evaluation = evaluate(encoder, val)
    report = evaluation.to_json()
    told = [f"Rank-1 {report['rank1']:.2f}", f"mAP {report['mAP']:.2f}"] if by == RANK1 else []
    if (names := attributes_of(encoder)) and (count := len((worn := worn_in(evaluation.split, names)).measured)):
        report |= {AUC: worn.auc, "attributes_measured": count}
        told.append(f"AUC {worn.auc:.2f} of {count} attributes")
    run.log.judged(run.state.step, report, "  ".join(told) or NOTHING_TO_JUDGE_BY)
    return evaluation, report


def save_answers(evaluation: Evaluation, folder: Path) -> None:
    """Write :data:`ANSWERS`, whole or not at all. Raises ``OSError``."""
    with replacing(folder / ANSWERS) as file:
        np.savez(file, rank=evaluation.per_query.first_hit_rank, precision=evaluation.per_query.average_precision)


def figures(evaluation: Evaluation | None) -> Mapping[str, Any]:
    """What a card tells of a judgement; nothing where there was none."""
    report = evaluation.to_json() if evaluation else {}
    return {key: report[key] for key in FIGURES if key in report}
