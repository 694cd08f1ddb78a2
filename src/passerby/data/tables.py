"""Datasets in one table: CSV with a header or JSON Lines, with ``path, caption[, id, split]``."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final

from passerby.data.raw import RawRecord
from passerby.errors import DatasetError
from passerby.types import Problem, Split

SUFFIXES = (".csv", ".jsonl")
COLUMNS = ("path", "caption", "id", "split")

_LONE_RETURN: Final = re.compile(r"(?<=\r)(?!\n)")
"""Where lines of old Macs end."""

Row = dict[str, object]
_Key = tuple[object, object, object]
"""Path, id and split of a row."""


@dataclass(frozen=True, slots=True)
class Table:
    """What a table holds: records in the order of their first rows, then those that cannot be joined; and rows that are none."""

    records: tuple[RawRecord, ...]
    problems: tuple[Problem, ...]


def read_table(file: Path) -> Table:
    """Reads a table with a row for each caption; rows with equal path, id and split are one record.

    Without an ``id`` column each path is its own identity. Without a ``split`` column all is val: what nobody has set apart for
    training is measured on, never learned from. Other columns are ignored. Text is UTF-8, with or without byte order mark. It is read
    line by line; memory holds the words of the records and a few hundred bytes for each.

    Raises:
        DatasetError: a file that is not UTF-8, or lacks ``path`` or ``caption``.
    """
    captions_of: dict[_Key, list[object]] = {}
    apart: list[RawRecord] = []
    problems: list[Problem] = []
    columns: set[str] = set()
    for item in _csv_rows(file) if file.suffix.lower() == ".csv" else _json_rows(file):
        if isinstance(item, Problem):
            problems.append(item)
            continue
        place, row = item
        columns.update(row)
        key, caption = (row.get("path"), row.get("id"), row.get("split")), row.get("caption")
        if _can_be_joined(key):
            captions_of.setdefault(key, []).append(caption)
        else:
            apart.append(RawRecord(place, *key, [caption]))
    if columns:
        _require_columns(columns, file)
    records = chain(_records(captions_of, file), apart)
    return Table(tuple(_with_defaults(record, columns) for record in records), tuple(problems))


def _can_be_joined(key: _Key) -> bool:
    """Whether a row names a picture in values that are equal only where they are the same."""
    return isinstance(key[0], str) and bool(key[0].strip()) and all(type(value) in (str, int, type(None)) for value in key)


def _records(captions_of: Mapping[_Key, Sequence[object]], file: Path) -> Iterator[RawRecord]:
    """One record for each key; a row that only repeats another is a record of its own, to be found out as such."""
    for key, captions in captions_of.items():
        repeated = len(captions) - len(set(captions)) if all(isinstance(caption, str) for caption in captions) else 0
        yield RawRecord(file.name, *key, list(dict.fromkeys(captions)) if repeated else captions)
        yield from (RawRecord(file.name, *key, []) for _ in range(repeated))


def _with_defaults(record: RawRecord, columns: Iterable[str]) -> RawRecord:
    identity = record.identity if "id" in columns else record.path
    split = record.split if "split" in columns else Split.VAL
    return RawRecord(record.place, record.path, identity, split, record.captions)


def _lines(file: Path) -> Iterator[str]:
    """The lines of a file one after the other, with what ends them, without byte order mark."""
    before = 0
    with file.open("rb") as stored:
        for line in stored:
            try:
                yield line.decode().removeprefix("" if before else "\ufeff")
            except UnicodeDecodeError as error:
                place = before + error.start
                raise DatasetError(expected=f"UTF-8 text in {file}", found=f"byte {place} that is not", do="save it as UTF-8") from error
            before += len(line)


def _require_columns(columns: Iterable[str], file: Path) -> None:
    if not {"path", "caption"} <= set(columns):
        found = ", ".join(map(repr, sorted(columns))) or "none"
        raise DatasetError(expected=f"the columns path and caption in {file}", found=found, do="name the columns so")


def _csv_rows(file: Path) -> Iterator[tuple[str, Row] | Problem]:
    lines = _csv_lines(file)
    header = next(lines, None)
    names = [name.strip() for name in header[1]] if isinstance(header, tuple) else []
    _require_columns(names, file)
    repeated = [name for name in COLUMNS if names.count(name) > 1]
    if repeated:
        raise DatasetError(
            expected=f"each column once in {file}", found=f"{repeated[0]} more than once", do="give a caption a row of its own"
        )
    for line in lines:
        if isinstance(line, Problem):
            yield line
            continue
        place, cells = line
        if len(cells) != len(names):
            yield Problem(place, f"has {len(cells)} cells where the header has {len(names)} (text with commas needs quotes)")
        else:
            yield place, dict(zip(names, cells, strict=True))


def _csv_lines(file: Path) -> Iterator[tuple[str, list[str]] | Problem]:
    reader = csv.reader((part for line in _lines(file) for part in _LONE_RETURN.split(line) if part), strict=True)
    while True:
        place = f"line {reader.line_num + 1}"
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Problem(place, f"cannot be read: {error}")
            continue
        if cells:
            yield place, cells


def _json_rows(file: Path) -> Iterator[tuple[str, Row] | Problem]:
    for number, line in enumerate(_lines(file), start=1):
        if not line.strip():
            continue
        place = f"line {number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield Problem(place, f"is not JSON: {error}")
            continue
        yield (place, row) if isinstance(row, dict) else Problem(place, f"is not an object but {type(row).__name__}")
