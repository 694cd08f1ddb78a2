"""What commands show: tables for people, one JSON document for programs, and the exit code that goes with it."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from passerby.demo import Demo
    from passerby.find.embed import Embeddings
    from passerby.find.index import IndexInfo
    from passerby.find.ingest import IndexReport, RemovalReport
    from passerby.find.query import Query
    from passerby.measure.evaluate import Evaluation
    from passerby.types import Failure, Hit

ALL_DONE, SOME_FAILED, NOTHING_DONE = 0, 1, 2


def printable(value: object) -> str:
    """A path or text as one line of characters that any terminal takes: line breaks and what is not UTF-8 are escaped."""
    text = str(value).encode("utf-8", "backslashreplace").decode()
    return "".join(character if character.isprintable() else character.encode("unicode_escape").decode() for character in text)


def note(text: object) -> None:
    """Say something to the person, on standard error."""
    print(printable(text), file=sys.stderr)  # noqa: T201


def show_error(error: object) -> None:
    note(f"passerby: error: {error}")


def show_json(document: dict[str, Any]) -> None:
    """One document on standard output, in ASCII, so that any name comes through."""
    print(json.dumps(document))  # noqa: T201


def exit_code(done: int, failed: int) -> int:
    """0 when all is done, 1 when some inputs failed, 2 when nothing was done."""
    if not done:
        return NOTHING_DONE
    return SOME_FAILED if failed else ALL_DONE


def show_index_report(report: IndexReport, *, as_json: bool) -> int:
    """Say what indexing did; returns the exit code."""
    if as_json:
        counts = {key: getattr(report, key) for key in ("indexed", "recognised", "unchanged", "removed", "not_crops", "skipped")}
        show_json({**counts, "failed": _failures_json(report.failed)})
    recognised = f" ({report.recognised} moved or copied)" if report.recognised else ""
    skipped = f"; {report.skipped} other files skipped" if report.skipped else ""
    summary = f"{report.indexed} indexed{recognised}, {report.unchanged} unchanged, {report.removed} removed, {len(report.failed)} failed"
    note(summary + skipped)
    if report.not_crops:
        note(f"{report.not_crops} do not look like crops of one person (wide, or large): each was indexed whole, as one person")
    _show_failures(report.failed)
    done = report.indexed + report.unchanged + report.removed
    if not done and not report.failed:
        note("nothing done: expected pictures, found none; name files, or folders that hold pictures")
    return exit_code(done, len(report.failed))


def show_removal(report: RemovalReport, *, as_json: bool) -> int:
    """Say what was deleted from an index; returns the exit code."""
    if as_json:
        show_json({"removed": report.removed, "failed": _failures_json(report.failed)})
    note(f"{report.removed} removed from the index")
    _show_failures(report.failed)
    return exit_code(report.removed, len(report.failed)) if report.failed else ALL_DONE


def show_hits(query: Query, hits: Sequence[Hit], sheet: Path | None, *, as_json: bool) -> int:
    """Say who was found; returns the exit code."""
    if query.cut:
        note(f"only the start of the description was read: the last {query.cut} word pieces are over the model's limit")
    if as_json:
        show_json({"query": query.text, "hits": [_hit_json(hit) for hit in hits]})
    elif hits:
        _show_hits(hits)
    if hits and sheet:
        note(f"drawn: {sheet}")
    if not hits:
        note("nobody found: expected people in the index, found none; index pictures with: passerby index PATH…")
    return ALL_DONE if hits else NOTHING_DONE


def show_info(info: IndexInfo, failures: Sequence[Failure], *, as_json: bool) -> int:
    """Say what an index holds; returns the exit code."""
    model = info.model and {"name": info.model.name, "digest": info.model.digest, "dim": info.model.dim}
    facts = {
        "path": str(info.folder),
        "people": info.people,
        "media": info.media,
        "embeddings": info.embeddings,
        "model": model,
        "bytes": info.bytes,
        "created": info.created,
    }
    if as_json:
        show_json({**facts, "failed": _failures_json(failures)})
        return ALL_DONE
    shown = {**facts, "model": f"{info.model.name} ({info.model.digest})" if info.model else "none yet", "bytes": f"{info.bytes:,}"}
    _show_table(("", ""), [*shown.items(), ("failed files", len(failures))])
    _show_failures(failures)
    return ALL_DONE


def show_embeddings(embeddings: Embeddings, path: Path, *, as_json: bool) -> int:
    """Say what was written; returns the exit code."""
    count = len(embeddings.names)
    if as_json:
        show_json({"embedded": count, "out": str(path), "failed": _failures_json(embeddings.failed)})
    note(f"{count} vectors written to {path}" if count else "nothing written: expected pictures or texts, found none; name some")
    _show_failures(embeddings.failed)
    return exit_code(count, len(embeddings.failed))


def show_demo(demo: Demo, *, as_json: bool) -> int:
    """Say what was asked and who was found; the sheet's name comes last. Returns the exit code."""
    if as_json:
        answers = [{"query": answer.query.text, "hits": [_hit_json(hit) for hit in answer.hits]} for answer in demo.answers]
        show_json({"gallery": str(demo.gallery), "index": str(demo.index), "sheet": str(demo.sheet), "answers": answers})
    else:
        _console(stderr=False).print(f"{demo.report.indexed} pictures of drawn people in {printable(demo.gallery)}", highlight=False)
        for answer in demo.answers:
            _console(stderr=False).print(f"\n[bold]{answer.query.text}[/bold]", highlight=False)
            _show_hits(answer.hits)
    _show_failures(demo.report.failed)
    (note if as_json else _console(stderr=False).print)(f"the answers, drawn: {printable(demo.sheet)}")
    return exit_code(demo.report.indexed, len(demo.report.failed))


def show_evaluation(evaluation: Evaluation, *, as_json: bool) -> int:
    """Say how well a model did; returns the exit code."""
    document = evaluation.to_json()
    if as_json:
        show_json(document)
    else:
        title = f"{evaluation.model} on {evaluation.dataset} {evaluation.split}"
        size = f"{evaluation.queries} queries, {evaluation.gallery} pictures, {evaluation.identities} people"
        _console(stderr=False).print(f"{printable(title)}: {size}, {evaluation.seconds:.0f} s", highlight=False)
        rows = [(name, f"{document[name]:.2f}", "{:.2f} to {:.2f}".format(*interval)) for name, interval in document["intervals"].items()]
        _show_table(("", "percent", "95 % interval"), rows)
        _console(stderr=False).print(document["protocol"], highlight=False)
    if evaluation.problems:
        _show_table(("record", "problem"), [(problem.record, problem.reason) for problem in evaluation.problems], stderr=True)
    _show_failures(evaluation.failures)
    return exit_code(evaluation.queries, len(evaluation.failures) + len(evaluation.problems))


def _show_hits(hits: Sequence[Hit]) -> None:
    _show_table(("rank", "score", "path"), [(str(hit.rank), f"{hit.score:.3f}", hit.person.media.path) for hit in hits])


def _hit_json(hit: Hit) -> dict[str, Any]:
    person, box = hit.person, hit.person.box
    return {
        "rank": hit.rank,
        "score": hit.score,
        "path": str(person.media.path),
        "box": box and [box.x, box.y, box.width, box.height],
        "time": person.time,
        "track": person.track,
    }


def _failures_json(failures: Sequence[Failure]) -> list[dict[str, str]]:
    return [{"path": str(failure.path), "reason": failure.reason} for failure in failures]


def _show_failures(failures: Sequence[Failure]) -> None:
    if failures:
        _show_table(("failed", "reason"), [(failure.path, failure.reason) for failure in failures], stderr=True)


def _show_table(header: Sequence[str], rows: Sequence[Sequence[object]], *, stderr: bool = False) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(*header, box=SIMPLE_HEAD, pad_edge=False, show_header=any(header))
    for column in table.columns:
        column.overflow = "fold"
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    _console(stderr).print(table)


def _console(stderr: bool) -> Console:
    """A console as wide as the terminal, or, in a file or pipe, as wide as the longest line."""
    from rich.console import Console

    console = Console(stderr=stderr)
    if not console.is_terminal:
        console.width = 100_000
    return console
