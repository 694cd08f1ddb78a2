"""What the commands that measure a model show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from math import inf
from typing import TYPE_CHECKING

from passerby.cli.show.console import console_on, exit_code, failures_json, note, printable, show_failures, show_json, show_table

if TYPE_CHECKING:
    from passerby.measure.binding import BindingReport
    from passerby.measure.calibration import Calibrated
    from passerby.measure.conditions import ConditionsReport
    from passerby.measure.detector import DetectionEvaluation, Figures
    from passerby.measure.evaluation import Evaluation
    from passerby.measure.groups import GroupsReport
    from passerby.measure.metrics import Estimate, Metrics
    from passerby.measure.reliability import Reliability
    from passerby.measure.split import EmbeddedSplit
    from passerby.measure.wears import WornCheck
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
            by_worn = evaluation.as_asked.by_worn
            part = f", of which {by_worn.mean:+.2f} ({_interval(by_worn)}) by what is worn" if by_worn else ""
            said = f"As asked, Rank-1 changes by {gain}{part}. {evaluation.as_asked.protocol}"
            console_on(stderr=False).print(said, highlight=False)
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


def show_detection(evaluation: DetectionEvaluation, untrusted: int, *, as_json: bool) -> int:
    """Say how well a detector finds people, besides scenes that were left out for their labels; returns the exit code."""
    document = {**evaluation.to_json(), "untrusted_labels": untrusted}
    if as_json:
        show_json(document)
    else:
        title = printable(f"{evaluation.detector} at {evaluation.size} pixels")
        console_on(stderr=False).print(f"{title}: {evaluation.milliseconds:.1f} ms a picture", highlight=False)
        _show_caution(evaluation.caution)
        rows = [("all", "", *_detection_row(evaluation.figures))]
        rows += [(group.kind, group.name, *_detection_row(group.figures)) for group in evaluation.groups]
        figures = [cell for name in ("AP50", "precision", "recall") for cell in (name, "95 % interval")]
        show_table(("", "group", "pictures", "people", *figures), rows)
        heights = [
            (_range(one.low, one.high), one.people, *(_estimate(one.recall) if one.recall else ("too few", "")))
            for one in evaluation.by_height
        ]
        show_table(("pixels high", "people", "recall", "95 % interval"), heights)
        best = "" if evaluation.best_threshold is None else f"; on these pictures the best F1 is at {evaluation.best_threshold:.2f}"
        console_on(stderr=False).print(f"The detector's threshold is {evaluation.threshold:.2f}{best}.", highlight=False)
        console_on(stderr=False).print(document["protocol"], highlight=False)
    if untrusted:
        note(f"left out, because only another detector labelled them: {untrusted} scenes")
    show_failures(evaluation.failures)
    return exit_code(evaluation.figures.pictures, len(evaluation.failures))


def show_calibration(calibrated: Calibrated, bundle: Bundle, *, as_json: bool) -> int:
    """Say what the probabilities of a calibrated bundle are worth; returns the exit code."""
    check = calibrated.check
    document = check.to_json()
    if as_json:
        made = {"model": bundle.name, "digest": bundle.digest, "out": str(bundle.folder)}
        problems = [asdict(problem) for problem in calibrated.problems]
        worn = {"wears": {one.name: one.to_json() for one in calibrated.wears}} if calibrated.wears else {}
        fusion = {"weights": dict(calibrated.calibration.fusion)} if calibrated.wears else {}
        show_json(
            {
                **made,
                **document,
                **fusion,
                **worn,
                "caution": check.caution,
                "failed": failures_json(calibrated.failures),
                "problems": problems,
            }
        )
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
        if calibrated.wears:
            _show_fusion(calibrated)
            _show_wears(calibrated.wears)
        console_on(stderr=False).print(f"written to {printable(bundle.folder)}", highlight=False)
    return _show_unused(check.queries, calibrated.failures, calibrated.problems)


def _show_fusion(calibrated: Calibrated) -> None:
    """What the attributes weigh, and what they bring."""
    check = calibrated.check
    show_table(("kind", "cosine per nat"), [(kind, f"{weight:.4f}") for kind, weight in calibrated.calibration.fusion.items()])
    rows = [(b.wording, *_figures(b.alone), *_figures(b.fused), f"{b.gain.mean:+.2f}", _interval(b.gain)) for b in check.brought]
    show_table(("words", "vectors: Rank-1", "mAP", "with attributes: Rank-1", "mAP", "gain", "95 % interval"), rows)
    if check.alone:
        errors = f"calibration error {check.alone.ece:.3f} and Brier skill {check.alone.brier_skill:.3f}"
        console_on(stderr=False).print(f"By vectors alone: {errors}. {check.to_json()['fusion']['protocol']}", highlight=False)


def _show_wears(checks: Sequence[WornCheck]) -> None:
    """How well the attributes are told that annotators know, and how many others there are."""
    from passerby.measure.wears import PROTOCOL

    annotated = [one for one in checks if one.wears.annotated]
    by_captions = sum(one.wears.n > 0 for one in checks) - len(annotated)
    rows = [
        (
            one.name,
            one.wears.n,
            *(cell for part in (one.auc, one.precision, one.recall) for cell in (_estimate(part) if part else ("", ""))),
        )
        for one in annotated
    ]
    if rows:
        header = ("attribute", "pictures", "AUC", "95 % interval", "precision", "95 % interval", "recall", "95 % interval")
        show_table(header, rows)
    unmeasured = len(checks) - len(annotated) - by_captions
    others = f"{by_captions} attributes by captions and {unmeasured} by nothing but all others are in --json"
    console_on(stderr=False).print(f"{others}. {PROTOCOL}", highlight=False)


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


def _range(low: float, high: float) -> str:
    return f"{low:.0f} and more" if high == inf else f"{low:.0f} to {high:.0f}"


def _detection_row(figures: Figures) -> tuple[object, ...]:
    precision = _estimate(figures.precision) if figures.precision else ("none", "")
    return (figures.pictures, figures.people, *_estimate(figures.ap50), *precision, *_estimate(figures.recall))


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
