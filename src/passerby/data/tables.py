"""Datasets in one table: CSV with a header or JSON Lines, with ``path, caption[, id, split]``."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from passerby.data.raw import RawRecord
from passerby.errors import DatasetError
from passerby.types import Problem, Split

SUFFIXES = (".csv", ".jsonl")
COLUMNS = ("path", "caption", "id", "split")

Row = dict[str, object]


@dataclass(frozen=True, slots=True)
class Table:
    """What a table holds: records in the order of their first rows, and rows that are none."""

    records: tuple[RawRecord, ...]
    problems: tuple[Problem, ...]


def read_table(file: Path) -> Table:
    """Reads a table with a row for each caption; rows with equal path, id and split are one record.

    Without an ``id`` column each path is its own identity. Without a ``split`` column all is val: what nobody has set apart for
    training is measured on, never learned from. Other columns are ignored. Text is UTF-8, with or without byte order mark.

    Raises:
        DatasetError: a file that is not UTF-8, or lacks ``path`` or ``caption``.
    """
    text = _decoded(file)
    items = list(_csv_rows(text, file) if file.suffix.lower() == ".csv" else _json_rows(text))
    problems = [item for item in items if isinstance(item, Problem)]
    rows = [item for item in items if not isinstance(item, Problem)]
    columns = {column for _, row in rows for column in row}
    if rows:
        _require_columns(columns, file)
    return Table(tuple(_merged(rows, columns)), tuple(problems))


def _merged(rows: Iterable[tuple[str, Row]], columns: set[str]) -> list[RawRecord]:
    """One record for each path, id and split; a row that only repeats another stays a record of its own, to be found out as such."""
    records: list[RawRecord] = []
    captions_of: dict[str, list[object]] = {}
    for place, row in rows:
        path, caption = row.get("path"), row.get("caption")
        identity = row.get("id") if "id" in columns else path
        split = row.get("split") if "split" in columns else Split.VAL
        known = captions_of.get(repr((path, identity, split)))
        if known is None or caption in known:
            captions = [caption]
            captions_of.setdefault(repr((path, identity, split)), captions)
            records.append(RawRecord(place, path, identity, split, captions))
        else:
            known.append(caption)
    return records


def _decoded(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError(expected=f"UTF-8 text in {file}", found=f"byte {error.start} that is not", do="save it as UTF-8") from error


def _require_columns(columns: Iterable[str], file: Path) -> None:
    if not {"path", "caption"} <= set(columns):
        found = ", ".join(map(repr, sorted(columns))) or "none"
        raise DatasetError(expected=f"the columns path and caption in {file}", found=found, do="name the columns so")


def _csv_rows(text: str, file: Path) -> Iterator[tuple[str, Row] | Problem]:
    lines = _csv_lines(text)
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


def _csv_lines(text: str) -> Iterator[tuple[str, list[str]] | Problem]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
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


def _json_rows(text: str) -> Iterator[tuple[str, Row] | Problem]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        place = f"line {number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield Problem(place, f"is not JSON: {error}")
            continue
        yield (place, row) if isinstance(row, dict) else Problem(place, f"is not an object but {type(row).__name__}")
