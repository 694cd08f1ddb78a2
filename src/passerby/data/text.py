"""The lines of a text file, as spreadsheets and scripts write them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from passerby.errors import DatasetError

_LONE_RETURN: Final = re.compile(r"(?<=\r)(?!\n)")
"""Where lines of old Macs end."""

_NO_TEXT: Final = {
    b"PK\x03\x04": "an Excel workbook or another archive",
    b"\xd0\xcf\x11\xe0": "a workbook of an old Excel",
    b"PAR1": "a Parquet file",
    b"ARROW1": "an Arrow file",
    b"SQLite format 3": "an SQLite database",
    b"\x1f\x8b": "a file compressed with gzip",
    b"\xff\xfe\0\0": "text in UTF-32",
}
"""What people keep tables in that is no text, by its first bytes."""


def require_text(file: Path) -> None:
    """Raises DatasetError for a workbook, a Parquet file and the like, whatever their names end in."""
    with file.open("rb") as stored:
        start = stored.read(16)
    if kind := next((kind for magic, kind in _NO_TEXT.items() if start.startswith(magic)), None):
        raise DatasetError(expected=f"a table in text, CSV or JSON, in {file}", found=kind, do="save it as CSV (in Excel: CSV UTF-8)")


def text_lines(file: Path) -> Iterator[str]:
    """The lines of a file one after the other, with what ends them, without byte order mark.

    Text is UTF-8 or UTF-16 (the "Unicode text" of Excel, with or without byte order mark); lines end as on any system.

    Raises:
        DatasetError: bytes that are neither.
    """
    encoding = _utf16(file)
    lines = _utf16_lines(file, encoding) if encoding else _utf8_lines(file)
    for number, line in enumerate(lines):
        text = line if number else line.removeprefix("\ufeff")
        yield from (part for part in _LONE_RETURN.split(text) if part) if "\r" in text else (text,)


def _utf16(file: Path) -> str | None:
    with file.open("rb") as stored:
        start = stored.read(2)
    if len(start) < 2 or (start not in (b"\xff\xfe", b"\xfe\xff") and start.count(0) != 1):
        return None
    return "utf-16-le" if start == b"\xff\xfe" or start[1] == 0 else "utf-16-be"


def _utf16_lines(file: Path, encoding: str) -> Iterator[str]:
    try:
        with file.open(encoding=encoding, newline="\n") as stored:
            yield from stored
    except UnicodeDecodeError as error:
        raise DatasetError(expected=f"UTF-16 text in {file}", found=str(error.reason), do="save it as UTF-8") from error


def _utf8_lines(file: Path) -> Iterator[str]:
    before = 0
    with file.open("rb") as stored:
        for number, line in enumerate(stored, start=1):
            try:
                yield line.decode()
            except UnicodeDecodeError as error:
                place, byte = before + error.start, line[error.start : error.start + 1]
                raise DatasetError(
                    expected=f"UTF-8 text in {file}",
                    found=f"byte {place}, in line {number}, that is not (Windows-1252: {byte.decode('cp1252', 'replace')!r})",
                    do="save it as UTF-8 (in Excel: CSV UTF-8)",
                ) from error
            before += len(line)
