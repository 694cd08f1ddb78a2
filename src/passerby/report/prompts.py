"""A dataset with its captions rewritten as structured prompts, as a table that training reads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from passerby.atomic import replacing
from passerby.errors import DatasetError
from passerby.types import Dataset, Record
from passerby.words.parser import parse
from passerby.words.prompts import reworded

SUFFIX: Final = ".jsonl"


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


def export_prompts(dataset: Dataset, file: Path, seed: int = 0) -> Prompts:
    """Write ``path, caption, id, split`` for each caption, reworded; equal ones of one picture once.

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
            do="name a file beside the dataset, and give that file to train",
        )
    prompts = as_written = 0
    with replacing(file) as out:
        for record in dataset.records:
            for caption, understood in _reworded(record, seed).items():
                row = {
                    "path": record.path.relative_to(folder).as_posix(),
                    "caption": caption,
                    "id": record.identity,
                    "split": record.split.value,
                }
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
