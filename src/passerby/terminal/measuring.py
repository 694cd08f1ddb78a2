"""What the commands that measure a model show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from passerby.terminal.console import console_on, exit_code, failures_json, printable, show_failures, show_json, show_table

if TYPE_CHECKING:
    from passerby.measure.calibrate import Calibrated
    from passerby.measure.evaluate import Evaluation
    from passerby.measure.reliability import Reliability
    from passerby.model.bundle import Bundle
    from passerby.types import Failure, Problem


def show_evaluation(evaluation: Evaluation, *, as_json: bool) -> int:
    """Say how well a model did; returns the exit code."""
    document = evaluation.to_json()
    if as_json:
        show_json(document)
    else:
        title = f"{evaluation.model} on {evaluation.dataset} {evaluation.split}"
        size = f"{evaluation.queries} queries, {evaluation.gallery} pictures, {evaluation.identities} people"
        console_on(stderr=False).print(f"{printable(title)}: {size}, {evaluation.seconds:.0f} s", highlight=False)
        rows = [(name, f"{document[name]:.2f}", "{:.2f} to {:.2f}".format(*interval)) for name, interval in document["intervals"].items()]
        show_table(("", "percent", "95 % interval"), rows)
        console_on(stderr=False).print(document["protocol"], highlight=False)
    return _show_unused(evaluation.queries, evaluation.failures, evaluation.problems)


def show_calibration(calibrated: Calibrated, bundle: Bundle, *, as_json: bool) -> int:
    """Say what the probabilities of a calibrated bundle are worth; returns the exit code."""
    check = calibrated.check
    document = check.to_json()
    if as_json:
        made = {"model": bundle.name, "digest": bundle.digest, "out": str(bundle.folder)}
        problems = [asdict(problem) for problem in calibrated.problems]
        show_json({**made, **document, "failed": failures_json(calibrated.failures), "problems": problems})
    else:
        people = f"fitted on {check.fitted} people, checked on {check.checked} others with {check.queries} captions"
        console_on(stderr=False).print(f"{printable(bundle.name)} ({bundle.digest[:12]}): {people}", highlight=False)
        galleries = [("all of these", check.overall), *((f"{size} pictures", found) for size, found in check.galleries.items())]
        rates = [f"kept at {s.false_alarms:.0%} false alarms (from)" for s in check.overall.survivals]
        header = ("gallery", "answers", "right", "calibration error", "Brier skill", "AUROC", *rates)
        show_table(header, [_reliability_row(gallery, found) for gallery, found in galleries])
        show_table(("answers", "probability", "right"), [(b.answers, f"{b.probability:.1%}", f"{b.right:.1%}") for b in check.overall.bins])
        console_on(stderr=False).print(document["protocol"], highlight=False)
        console_on(stderr=False).print(f"written to {printable(bundle.folder)}", highlight=False)
    return _show_unused(check.queries, calibrated.failures, calibrated.problems)


def _reliability_row(gallery: str, found: Reliability) -> tuple[object, ...]:
    survivals = [f"{s.survive:.1%} ({s.min_probability:.1%})" for s in found.survivals]
    figures = [f"{figure:.3f}" for figure in (found.ece, found.brier_skill, found.auroc)]
    return (gallery, found.answers, f"{found.right:.1%}", *figures, *survivals)


def _show_unused(queries: int, failures: Sequence[Failure], problems: Sequence[Problem]) -> int:
    """Name what could not be used of a dataset; returns the exit code."""
    if problems:
        show_table(("record", "problem"), [(problem.record, problem.reason) for problem in problems], stderr=True)
    show_failures(failures)
    return exit_code(queries, len(failures) + len(problems))
