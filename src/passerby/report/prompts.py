"""A dataset with its captions rewritten as structured prompts, as a table that training reads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from passerby.atomic import replacing
from passerby.data.layouts import annotation_file, is_official
from passerby.errors import DatasetError
from passerby.types import Dataset, Record
from passerby.words.parser import parse
from passerby.words.prompts import reworded

SUFFIX: Final = ".jsonl"
COLUMNS: Final = ("path", "caption", "id", "split", "prompt")
"""Of each row, the last true where the caption became a prompt. By these a table is known that was made here."""


@dataclass(frozen=True, slots=True)
class Prompts:
    """A table of prompts.

    Args:
        prompts: how many captions became prompts.
        as_written: how many stayed as they were, because nothing in them was understood.
    """

    file: Path
    prompts: int
    as_written: int


def require_place(dataset: Path, file: Path) -> None:
    """Find out before the work whether a table of a dataset's prompts may be written to a file.

    Args:
        dataset: as ``load_dataset`` takes it.

    Raises:
        DatasetError: the file is the dataset's own or anything else that is there and no earlier export; or the dataset is a folder found
            by its one table, which would have two; or no such dataset.
    """
    own = annotation_file(dataset)
    if file.exists() and (file.samefile(own) or not _is_export(file)):
        found = f"the dataset's own table, {own}" if file.samefile(own) else f"{file}, which holds something else"
        raise DatasetError(expected="a new file for the prompts, or that of an earlier export", found=found, do="name another file")
    folder = dataset.resolve()
    if dataset.is_dir() and file.parent.resolve() == folder and not is_official(own, dataset):
        raise DatasetError(
            expected=f"{own.name} to stay the one table in {dataset}, by which that dataset is found",
            found=f"a second one for the prompts, {file}",
            do=f"name a file in {folder.parent}, such as {folder.parent / f'{folder.name}-prompts{SUFFIX}'}",
        )


def _is_export(file: Path) -> bool:
    try:
        with file.open(encoding="utf-8") as lines:
            row = json.loads(next(lines, ""))
    except (OSError, ValueError):
        return False
    return isinstance(row, dict) and tuple(row) == COLUMNS


def export_prompts(dataset: Dataset, file: Path, seed: int = 0) -> Prompts:
    """Write ``path, caption, id, split, prompt`` for each caption of every split, reworded; equal ones of one picture once.

    Args:
        file: a new ``.jsonl`` in a folder that holds all pictures, for a table names its pictures from where it lies.
        seed: the same makes the same wordings, whatever else is in the dataset.

    Raises:
        DatasetError: another ending, or pictures elsewhere.
        OSError: the file cannot be written.
    """
    folder = file.parent.resolve()
    outside = next((record for record in dataset.records if not record.path.is_relative_to(folder)), None)
    if file.suffix.lower() != SUFFIX or outside:
        raise DatasetError(
            expected=f"a {SUFFIX} file in a folder that holds the dataset's pictures",
            found=f"{file}" + (f", and a picture at {outside.path}" if outside else ""),
            do="name a file in a folder above all of them, such as the one above the dataset's, and give that file to train",
        )
    prompts = as_written = 0
    with replacing(file) as out:
        for record in dataset.records:
            for caption, understood in _reworded(record, seed).items():
                path = record.path.relative_to(folder).as_posix()
                row = dict(zip(COLUMNS, (path, caption, record.identity, record.split.value, understood), strict=True))
                out.write(f"{json.dumps(row, ensure_ascii=False)}\n".encode())
                prompts += understood
                as_written += not understood
    return Prompts(file, prompts, as_written)


def _reworded(record: Record, seed: int) -> dict[str, bool]:
    """The captions of a record, each once, and whether it was understood."""
    return dict(_prompts(record, seed))


def _prompts(record: Record, seed: int) -> Iterator[tuple[str, bool]]:
    for number, caption in enumerate(record.captions):
        description = parse(caption.text)
        understood = any(not item.negated for item in description.items)
        yield (reworded(description, f"{seed}/{record.name}/{number}") if understood else caption.text), understood
