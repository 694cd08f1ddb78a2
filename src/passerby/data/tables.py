"""Datasets in one table: a header and rows with any usual delimiter, or JSON, with ``path, caption[, id, split]``."""

from __future__ import annotations

import ast
import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final

from passerby.data.columns import columns_of, known_columns, require_columns
from passerby.data.raw import SPLITS, RawRecord, read_json
from passerby.data.text import text_lines
from passerby.errors import DatasetError
from passerby.types import Problem, Split

SUFFIXES = (".csv", ".jsonl")
"""What the one table of a folder may end in."""
NAMED_SUFFIXES = (*SUFFIXES, ".tsv", ".tab", ".txt", ".ndjson", ".json")
"""What a table may end in that is itself named."""

_JSON: Final = (".jsonl", ".ndjson", ".json")
_DELIMITERS: Final = ",;\t|"
_EXCEL_SAYS: Final = re.compile(r'"?sep=([^"\r\n ])"?\s*', re.IGNORECASE)
"""Excel's own first line, which tells the delimiter of the others."""

Row = dict[str, object]
"""Values by the names that `columns.KNOWN` gives the columns."""
_Key = tuple[object, object, object]
"""Path, id and split of a row."""


@dataclass(frozen=True, slots=True)
class Table:
    """What a table holds: records in the order of their first rows, then those that cannot be joined; and rows that are none."""

    records: tuple[RawRecord, ...]
    problems: tuple[Problem, ...]


def read_table(file: Path) -> Table:
    """Reads a table with a row for each caption; rows with equal path, id and split are one record.

    Columns are told by the names in `columns.KNOWN`; others are ignored. Without a column for ``id`` each path is its own identity.
    Without one for ``split`` all is val: what nobody has set apart for training is measured on, never learned from. Captions may be
    a list in one cell. A file that ends in ``.json``, ``.jsonl`` or ``.ndjson`` holds objects, one on each line or all in one list; any
    other has a header, and the delimiter that makes most of it. For text see `text.text_lines`. A table is read line by line, but for a
    list; memory holds the words of the records and a few hundred bytes for each.

    Raises:
        DatasetError: a file that is not text, whose ``path`` or ``caption`` cannot be told, or that holds one object instead of a list.
    """
    captions_of: dict[_Key, list[object]] = {}
    apart: list[RawRecord] = []
    problems: list[Problem] = []
    columns: set[str] = set()
    for item in _json_rows(file) if file.suffix.lower() in _JSON else _cell_rows(file):
        if isinstance(item, Problem):
            problems.append(item)
            continue
        place, row = item
        columns.update(row)
        key, captions = (row.get("path"), _as_text(row.get("id")), _as_split(row.get("split"))), _as_list(row.get("caption"))
        if _can_be_joined(key):
            captions_of.setdefault(key, []).extend(captions)
        else:
            apart.append(RawRecord(place, *key, captions))
    records = chain(_records(captions_of, file), apart)
    return Table(tuple(_with_defaults(record, columns) for record in records), tuple(problems))


def _as_text(identity: object) -> object:
    """A number as programs write it that have gaps in their columns: 1.0 stays so."""
    return str(identity) if isinstance(identity, float) and identity.is_integer() else identity


def _as_split(value: object) -> object:
    return SPLITS.get(value.strip().casefold(), value) if isinstance(value, str) else value


def _as_list(captions: object) -> list[object]:
    """The captions of a row: one, a list, or a list as JSON or Python write it into a cell."""
    if isinstance(captions, str) and captions.lstrip().startswith("["):
        for read in (json.loads, ast.literal_eval):
            try:
                found = read(captions.strip())
            except (ValueError, SyntaxError, MemoryError, RecursionError):
                continue
            if isinstance(found, list) and found and all(isinstance(text, str) for text in found):
                return found
    return captions if isinstance(captions, list) else [captions]


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


def _cell_rows(file: Path) -> Iterator[tuple[str, Row] | Problem]:
    lines = _cell_lines(file)
    header = next(lines, None)
    if isinstance(header, Problem):
        raise DatasetError(expected=f"a header in {file}", found=f"{header.record} {header.reason}", do="put path,caption,id,split there")
    names = _without_empty_end(header[1]) if header else []
    columns = columns_of(names, file)
    require_columns(columns, names, file)
    last = max(columns.values())
    for line in lines:
        if isinstance(line, Problem):
            yield line
            continue
        place, cells = line
        if len(cells) <= last or any(cell.strip() for cell in cells[len(names) :]):
            yield Problem(place, f"has {len(cells)} cells where the header has {len(names)} (text with commas needs quotes)")
        else:
            yield place, {role: cells[column] for role, column in columns.items()}


def _cell_lines(file: Path) -> Iterator[tuple[str, list[str]] | Problem]:
    """Where each line with something in it begins, and its cells; the header comes first."""
    lines = text_lines(file)
    above, delimiter, first = 0, None, ""
    for line in lines:
        if said := _EXCEL_SAYS.fullmatch(line):
            delimiter = said[1]
        elif line.strip(_DELIMITERS + ' "\r\n'):
            first = line
            break
        above += 1
    delimiter = delimiter or _delimiter(first)
    spaced = all(name.startswith(" ") for name in _cells(first, delimiter)[1:])
    reader = csv.reader(chain([first], lines), delimiter=delimiter, skipinitialspace=spaced, strict=True)
    while True:
        read = reader.line_num
        place = f"line {above + read + 1}"
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            lost = reader.line_num - read
            yield Problem(place, f"cannot be read: {error}" + (f"; an open quote takes in {lost} lines from here" if lost > 1 else ""))
            continue
        if any(cell.strip() for cell in cells):
            yield place, cells


def _delimiter(header: str) -> str:
    """That by which most columns get a name that is understood, and of these the one that makes most columns."""
    cells = {delimiter: _cells(header, delimiter) for delimiter in _DELIMITERS}
    return max(cells, key=lambda delimiter: (known_columns(cells[delimiter]), len(cells[delimiter])))


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return []


def _without_empty_end(names: Sequence[str]) -> list[str]:
    named = [place for place, name in enumerate(names) if name.strip()]
    return [name.strip() for name in names[: named[-1] + 1]]


def _json_rows(file: Path) -> Iterator[tuple[str, Row] | Problem]:
    columns_by_names: dict[tuple[str, ...], dict[str, int]] = {}
    for item in _json_objects(file):
        if isinstance(item, Problem):
            yield item
            continue
        place, found = item
        names = tuple(found)
        columns = columns_by_names.get(names)
        if columns is None:
            columns = columns_by_names[names] = columns_of(names, file)
        yield place, {role: found[names[column]] for role, column in columns.items()}
    if columns_by_names:
        require_columns(set(chain(*columns_by_names.values())), list(dict.fromkeys(chain(*columns_by_names))), file)


def _json_objects(file: Path) -> Iterator[tuple[str, dict[str, object]] | Problem]:
    for place, value in _json_list(file) if _is_one_document(file) else _json_lines(file):
        if isinstance(value, dict):
            yield place, value
        else:
            yield value if isinstance(value, Problem) else Problem(place, f"is not an object but {type(value).__name__}")


def _is_one_document(file: Path) -> bool:
    """Whether the first line begins a value that goes on below it, or is a list and all there is."""
    lines = (line.strip() for line in text_lines(file) if line.strip())
    first, second = next(lines, ""), next(lines, "")
    return first == "{" or (first.startswith("[") and not (second and _is_json(first)))


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _json_list(file: Path) -> Iterator[tuple[str, object]]:
    content = read_json(file)
    if not isinstance(content, list):
        raise DatasetError(
            expected=f"a list of records, or a record on each line, in {file}",
            found=f"one {type(content).__name__} over several lines",
            do="put the records into a list",
        )
    yield from ((f"record {number}", item) for number, item in enumerate(content, start=1))


def _json_lines(file: Path) -> Iterator[tuple[str, object]]:
    for number, line in enumerate(text_lines(file), start=1):
        if not line.strip():
            continue
        place = f"line {number}"
        try:
            yield place, json.loads(line)
        except (ValueError, RecursionError) as error:
            fault = "ends in a comma, which lines of JSON do not" if line.rstrip().endswith(",") else f"is not JSON: {error}"
            yield place, Problem(place, fault)
