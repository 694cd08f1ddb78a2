"""What a look at a dataset found."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from passerby.cli.show.console import console_on, exit_code, note, printable, show_json, show_table

if TYPE_CHECKING:
    from passerby.report.page import Report


def show_report(report: Report, *, as_json: bool) -> int:
    """Say what the figures of a dataset mean and where they are; returns the exit code."""
    looks = report.document["datasets"]
    if as_json:
        prompts = report.prompts and {**asdict(report.prompts), "file": str(report.prompts.file)}
        show_json(report.document | {"page": str(report.page), "figures": str(report.figures), "prompts": prompts})
    else:
        for look in looks:
            total = look["shape"]["total"]
            title = printable(look["dataset"])
            size = f"{total['images']} images of {total['identities']} people with {total['captions']} captions"
            console_on(stderr=False).print(f"{title}: {size}", highlight=False)
            show_table(("", "finding"), [(finding["weight"], finding["says"]) for finding in look["findings"]])
        console_on(stderr=False).print(f"written to {printable(report.page)} and {printable(report.figures)}", highlight=False)
    if report.prompts:
        kept = f"; {report.prompts.as_written} captions stay as written" if report.prompts.as_written else ""
        note(f"{report.prompts.prompts} prompts written to {printable(report.prompts.file)}{kept}")
    unused = sum(len(look["failed"]) + len(look["problems"]) for look in looks)
    if unused:
        note(f"{unused} pictures or records could not be used; the report lists them")
    return exit_code(sum(look["images"]["readable"] for look in looks), unused)
