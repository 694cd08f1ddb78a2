"""From a dataset to its figures: one pass over the pictures, two over the captions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from passerby.data.datasets import load_dataset
from passerby.model.encoder import CountsTokens, Encoder
from passerby.progress import Progress
from passerby.report.attributes import attributes_of
from passerby.report.duplicates import duplicates_of
from passerby.report.figures import Figures
from passerby.report.images import images_of, measure_pictures
from passerby.report.page import Report, write_report
from passerby.report.prompts import Prompts, export_prompts, require_place
from passerby.report.shape import shape_of
from passerby.report.thumbnails import thumbnails
from passerby.report.words import words_of
from passerby.types import Dataset


def explore_datasets(
    paths: Sequence[Path],
    encoder: Encoder,
    out: Path,
    *,
    pictures: bool = True,
    prompts: Path | None = None,
    on_progress: Progress | None = None,
) -> Report:
    """Look at one dataset, or at two side by side, and write the report.

    Args:
        paths: as ``load_dataset`` takes them.
        out: the folder for the page and its figures.
        pictures: whether the page shows people.
        prompts: where the first dataset goes with its captions rewritten as prompts, if anywhere.
        on_progress: told how far the look at each dataset is, one after the other.

    Raises:
        DatasetError: nothing of a dataset can be used, or prompts cannot be where they are to go.
        OSError: the folder cannot be written to.
    """
    if prompts:
        require_place(paths[0], prompts)
    out.mkdir(parents=True, exist_ok=True)
    datasets: dict[str, Figures] = {}
    exported: Prompts | None = None
    shown: dict[str, dict[str, str]] = {}
    for dataset in [load_dataset(path) for path in paths]:
        if prompts and not datasets:
            exported = export_prompts(dataset, prompts)
        label = dataset.name if dataset.name not in datasets else f"{dataset.name} (2)"
        datasets[label] = explore(dataset, encoder, on_progress)
        shown[label] = thumbnails(dataset.records, datasets[label].pictures()) if pictures else {}
    return replace(write_report(datasets, shown, out), prompts=exported)


def explore(dataset: Dataset, encoder: Encoder, on_progress: Progress | None = None) -> Figures:
    """Look at a dataset.

    Memory holds, beside the records, less than 100 bytes for each picture and caption, and each distinct word once.

    Args:
        encoder: whose input and limit of tokens the pictures and captions are held against; it encodes nothing.
        on_progress: told how far the passes are; a record is a step of each.
    """

    def after(passes: int) -> Progress | None:
        return on_progress and (lambda done, total: on_progress(passes * total + done, 3 * total))

    records = dataset.records
    rows, failed = measure_pictures(records, after(0))
    return Figures(
        dataset=dataset.name,
        shape=shape_of(records),
        images=images_of(records, rows, (encoder.preprocessing.height, encoder.preprocessing.width)),
        duplicates=duplicates_of(records, rows),
        words=words_of(records, encoder if isinstance(encoder, CountsTokens) else None, after(1)),
        attributes=attributes_of(records, after(2)),
        failed=failed,
        problems=dataset.problems,
    )
