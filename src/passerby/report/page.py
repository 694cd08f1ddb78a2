"""The report as one HTML file that asks nothing of the network, and its figures as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from passerby.atomic import replacing
from passerby.report.charts import Chart
from passerby.report.findings import findings_of
from passerby.report.prompts import Prompts
from passerby.report.sections import Datasets, Gallery, Table, sections

PAGE: Final = "report.html"
FIGURES: Final = "figures.json"

Pictures = Mapping[str, Mapping[str, str]]
"""Thumbnails as ``data:`` URIs, by the dataset's name on the page and the record's name."""


@dataclass(frozen=True, slots=True)
class Report:
    """What was written.

    Args:
        document: what the JSON file holds.
        prompts: the table of prompts, where one was asked for.
    """

    page: Path
    figures: Path
    document: dict[str, Any]
    prompts: Prompts | None = None


def write_report(datasets: Datasets, pictures: Pictures, folder: Path) -> Report:
    """Write ``report.html`` and ``figures.json`` into a folder, each whole or not at all.

    Args:
        datasets: one, or two to compare.
        pictures: empty to leave people out.

    Raises:
        OSError: the folder cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    document = document_of(datasets)
    with replacing(folder / FIGURES) as file:
        file.write(f"{json.dumps(document, indent=1)}\n".encode())
    with replacing(folder / PAGE) as file:
        file.write(render(datasets, pictures).encode("utf-8", "replace"))
    return Report(folder / PAGE, folder / FIGURES, document)


def document_of(datasets: Datasets) -> dict[str, Any]:
    """All figures and findings, ready for ``json.dumps``."""
    return {
        "datasets": [
            {**figures.to_json(), "dataset": label, "findings": [asdict(finding) for finding in findings_of(figures)]}
            for label, figures in datasets.items()
        ]
    }


def render(datasets: Datasets, pictures: Pictures) -> str:
    """The page; whatever comes from a dataset is escaped."""
    environment = Environment(
        loader=PackageLoader("passerby.report", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("page.html.jinja").render(
        title=" and ".join(datasets),
        datasets=datasets,
        findings={label: findings_of(figures) for label, figures in datasets.items()},
        sections=sections(datasets),
        pictures=pictures,
        kind=_kind,
        drawing=lambda chart: Markup(chart.svg),
    )


def _kind(block: Chart | Table | Gallery) -> str:
    return type(block).__name__.lower()
