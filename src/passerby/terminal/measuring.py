"""What the commands that measure a model show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from passerby.terminal.console import console_on, exit_code, printable, show_failures, show_json, show_table

if TYPE_CHECKING:
    from passerby.measure.evaluate import Evaluation


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
    if evaluation.problems:
        show_table(("record", "problem"), [(problem.record, problem.reason) for problem in evaluation.problems], stderr=True)
    show_failures(evaluation.failures)
    return exit_code(evaluation.queries, len(evaluation.failures) + len(evaluation.problems))
