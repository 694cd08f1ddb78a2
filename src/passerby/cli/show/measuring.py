"""What the commands that measure a model show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from passerby.cli.show.console import console_on, exit_code, failures_json, note, printable, show_failures, show_json, show_table

if TYPE_CHECKING:
    from passerby.measure.binding import BindingReport
    from passerby.measure.calibration import Calibrated
    from passerby.measure.conditions import ConditionsReport
    from passerby.measure.evaluation import Evaluation
    from passerby.measure.groups import GroupsReport
    from passerby.measure.metrics import Estimate, Metrics
    from passerby.measure.reliability import Reliability
    from passerby.measure.split import EmbeddedSplit
    from passerby.measure.wording import WordingReport
    from passerby.model.bundle import Bundle
    from passerby.types import Failure, Problem


def show_evaluation(evaluation: Evaluation, *, as_json: bool) -> int:
    """Say how well a model did; returns the exit code."""
    document = evaluation.to_json()
    if as_json:
        show_json(document)
    else:
        _show_split(evaluation.split, evaluation.seconds)
        ways = [evaluation.metrics, *([evaluation.as_asked.metrics] if evaluation.as_asked else [])]
        rows = [
            (name, *(cell for metrics in ways for cell in (f"{getattr(metrics, name).mean:.2f}", _interval(getattr(metrics, name)))))
            for name in document["intervals"]
        ]
        show_table(("", "percent", "95 % interval", *("as asked", "95 % interval") * (len(ways) - 1)), rows)
        console_on(stderr=False).print(document["protocol"], highlight=False)
        if evaluation.as_asked:
            gain = f"{evaluation.as_asked.gain.mean:+.2f} ({_interval(evaluation.as_asked.gain)})"
            console_on(stderr=False).print(f"As asked, Rank-1 changes by {gain}. {document['as_asked']['protocol']}", highlight=False)
    return _show_split_unused(evaluation.split)


def show_conditions(report: ConditionsReport, *, as_json: bool) -> int:
    """Say how well a model does under hard conditions; returns the exit code."""
    if as_json:
        show_json(report.to_json())
    else:
        _show_split(report.split, report.seconds)
        plain = ("plain", "nothing changed", *_figures(report.plain), "", "")
        meanings = [f"{o.meaning}; {o.unchanged} cannot be" if o.unchanged else o.meaning for o in report.outcomes]
        changed = [
            (o.name, meaning, *_figures(o.metrics), f"{o.fall.mean:.2f}", _interval(o.fall))
            for o, meaning in zip(report.outcomes, meanings, strict=True)
        ]
        show_table(("condition", "what it is", "Rank-1", "mAP", "fall", "95 % interval"), [plain, *changed])
        console_on(stderr=False).print(report.to_json()["protocol"], highlight=False)
    return _show_split_unused(report.split)


def show_wording(report: WordingReport, *, as_json: bool) -> int:
    """Say what becomes of clumsy words as they stand and as search asks them; returns the exit code."""
    if as_json:
        show_json(report.to_json())
    else:
        _show_split(report.split, report.seconds)
        rows = [
            (w.name, w.meaning, *_figures(w.plain), *_figures(w.asked), f"{w.gain.mean:+.2f}", _interval(w.gain)) for w in report.wordings
        ]
        show_table(("words", "what they are", "Rank-1", "mAP", "asked: Rank-1", "mAP", "gain", "95 % interval"), rows)
        console_on(stderr=False).print(report.to_json()["protocol"], highlight=False)
    return _show_split_unused(report.split)


def show_groups(report: GroupsReport, *, as_json: bool) -> int:
    """Say which groups of people a model finds less well than the rest; returns the exit code."""
    if as_json:
        show_json(report.to_json())
    else:
        _show_split(report.split, report.seconds)
        rows = [
            (g.kind, g.name, g.queries, g.people, *_estimate(g.rank1), *_estimate(g.difference), "behind" if g.behind else "")
            for g in report.groups
        ]
        everybody = ("all", "", len(report.split.queries), report.split.people, *_estimate(report.overall), "", "", "")
        header = ("", "group", "queries", "people", "Rank-1", "95 % interval", "difference", "95 % interval", "")
        show_table(header, [everybody, *rows])
        if report.left_out:
            small = ", ".join(f"{group.name} ({group.people})" for group in report.left_out)
            note(f"left out, because they or the rest have too few people: {small}")
        console_on(stderr=False).print(report.to_json()["protocol"], highlight=False)
    return _show_split_unused(report.split)


def show_binding(report: BindingReport, *, as_json: bool) -> int:
    """Say whether a model binds colours to garments; returns the exit code."""
    if as_json:
        show_json(report.to_json())
    else:
        _show_split(report.split, report.seconds)
        rows = [
            ("own caption over exchanged colours", report.pairs, *_estimate(report.bound)),
            ("the same without the picture", report.pairs, *_estimate(report.blind)),
            ("drawn people, both of two captions", report.drawn_pairs, *_estimate(report.drawn)),
        ]
        show_table(("", "pairs", "percent", "95 % interval"), rows)
        console_on(stderr=False).print(report.to_json()["protocol"], highlight=False)
    return _show_split_unused(report.split)


def show_calibration(calibrated: Calibrated, bundle: Bundle, *, as_json: bool) -> int:
    """Say what the probabilities of a calibrated bundle are worth; returns the exit code."""
    check = calibrated.check
    document = check.to_json()
    if as_json:
        made = {"model": bundle.name, "digest": bundle.digest, "out": str(bundle.folder)}
        problems = [asdict(problem) for problem in calibrated.problems]
        show_json({**made, **document, "caution": check.caution, "failed": failures_json(calibrated.failures), "problems": problems})
    else:
        people = f"fitted on {check.fitted} people, checked on {check.checked} others with {check.queries} captions"
        console_on(stderr=False).print(f"{printable(bundle.name)} ({bundle.digest[:12]}): {people}", highlight=False)
        galleries = [("all of these", check.overall), *((f"{size} pictures", found) for size, found in check.galleries.items())]
        rates = [f"kept at {s.false_alarms:.0%} false alarms (from)" for s in check.overall.survivals]
        header = ("gallery", "answers", "right", "calibration error", "Brier skill", "AUROC", *rates)
        show_table(header, [_reliability_row(gallery, found) for gallery, found in galleries])
        show_table(("answers", "probability", "right"), [(b.answers, f"{b.probability:.1%}", f"{b.right:.1%}") for b in check.overall.bins])
        console_on(stderr=False).print(document["protocol"], highlight=False)
        _show_caution(check.caution)
        console_on(stderr=False).print(f"written to {printable(bundle.folder)}", highlight=False)
    return _show_unused(check.queries, calibrated.failures, calibrated.problems)


def _show_split(split: EmbeddedSplit, seconds: float) -> None:
    title = printable(f"{split.model} on {split.dataset} {split.split}")
    size = f"{len(split.queries)} queries, {len(split.gallery)} pictures, {split.people} people"
    console_on(stderr=False).print(f"{title}: {size}, {seconds:.0f} s", highlight=False)
    _show_caution(split.caution)


def _show_caution(caution: str | None) -> None:
    """Where the figures are, for without it they say too much."""
    if caution:
        console_on(stderr=False).print(f"caution: {caution}", highlight=False)


def _show_split_unused(split: EmbeddedSplit) -> int:
    return _show_unused(len(split.queries), split.failures, split.problems)


def _figures(metrics: Metrics) -> tuple[str, str]:
    return f"{metrics.rank1.mean:.2f}", f"{metrics.mAP.mean:.2f}"


def _estimate(estimate: Estimate) -> tuple[str, str]:
    return f"{estimate.mean:.2f}", _interval(estimate)


def _interval(estimate: Estimate) -> str:
    return f"{estimate.low:.2f} to {estimate.high:.2f}"


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
