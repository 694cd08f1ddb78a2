"""What every command says in the same way: lines and tables for people, one JSON document for programs, exit codes."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from passerby.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from passerby.types import Failure, Note

_ANY_WIDTH: Final = 100_000
LISTED: Final = 3
"""How many of many a line names."""
ALL_DONE, SOME_FAILED, NOTHING_DONE = 0, 1, 2
INTERRUPTED, TERMINATED = 130, 143
"""By Ctrl-C and by SIGTERM: 128 and the signal's number, as shells have it."""


def open_streams() -> None:
    """Let standard output and error take any character, whatever the locale, and nothing at all where they were closed.

    The numbers of closed ones are taken, so that no file is opened under them and written to by mistake.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)
    for number, name in enumerate(("stdout", "stderr"), 1):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w", closefd=False))
        getattr(sys, name).reconfigure(errors="backslashreplace")


def plain(error: Exception) -> Exception:
    """An error as a person understands it: the system does not say that it is the current folder that is missing."""
    if isinstance(error, OSError) and not os.path.isabs(error.filename or ""):  # noqa: PTH117 - names may be bytes
        try:
            Path.cwd()
        except OSError as lost:
            found = (lost.strerror or type(lost).__name__).lower()
            return ConfigError(expected="a current folder for what has no full path", found=found, do="cd to another folder")
    return error


def printable(value: object) -> str:
    """A path or text as one line of characters that any terminal takes: line breaks and what is not UTF-8 are escaped."""
    text = str(value).encode("utf-8", "backslashreplace").decode()
    return "".join(character if character.isprintable() else character.encode("unicode_escape").decode() for character in text)


def duration_text(seconds: float) -> str:
    """How long, for people: seconds, minutes or hours."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def listed(paths: Sequence[Path]) -> str:
    """The first few of some paths, and how many more there are."""
    more = len(paths) - LISTED
    return ", ".join(map(str, paths[:LISTED])) + (f" and {more} more" if more > 0 else "")


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


def local_time(seconds: int) -> str:
    """A moment in seconds since 1970 as people here write it, to the minute."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M")


def local_second(seconds: float) -> str:
    """The same to the second."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def failures_json(failures: Sequence[Failure]) -> list[dict[str, str]]:
    return [{"path": str(failure.path), "reason": failure.reason} for failure in failures]


def show_failures(failures: Sequence[Failure]) -> None:
    if failures:
        show_table(("failed", "reason"), [(failure.path, failure.reason) for failure in failures], whole="failed", stderr=True)


def notes_json(notes: Sequence[Note]) -> list[dict[str, str]]:
    return [{"path": str(one.path), "note": one.note} for one in notes]


def show_notes(notes: Sequence[Note]) -> None:
    """One line for each kind of guess, with the first of its pictures."""
    for said, count in Counter(one.note for one in notes).items():
        named = next(one.path for one in notes if one.note == said)
        note(f"guessed at {named}{f' and {count - 1} more' if count > 1 else ''}: {said}")


def show_table(header: Sequence[str], rows: Sequence[Sequence[object]], *, whole: str | None = None, stderr: bool = False) -> None:
    """Show rows under a header.

    Args:
        whole: the column that is never broken over lines, so that it can be copied, such as a path; where a terminal is too narrow for
            it beside the others, it has lines of its own.
    """
    stream = sys.stderr if stderr else sys.stdout
    if stream.isatty() or os.environ.get("FORCE_COLOR"):
        _show_on_terminal(header, rows, whole, stderr)
    else:
        for line in _plain_table(header, [[printable(cell) for cell in row] for row in rows]):
            print(line, file=stream)


def _plain_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The lines of a table as a terminal wide enough shows it. For files and pipes: Rich takes longer to load than to search an index."""
    shown = [header, *rows] if any(header) else rows
    widths = [max(map(_width, column)) for column in zip(*shown, strict=True)]

    def line(cells: Sequence[str]) -> str:
        return f" {'   '.join(cell + ' ' * (width - _width(cell)) for cell, width in zip(cells, widths, strict=True))} "

    edge = " " * len(line([" "] * len(widths)))
    yield edge
    if any(header):
        yield line(header)
        yield f" {'─' * (len(edge) - 2)} "
    yield from map(line, rows)
    yield edge


def _width(text: str) -> int:
    """Columns of a terminal that a text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _show_on_terminal(header: Sequence[str], rows: Sequence[Sequence[object]], whole: str | None, stderr: bool) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(*header, box=SIMPLE_HEAD, pad_edge=False, show_header=any(header))
    for column in table.columns:
        column.overflow = "fold"
    cells = [[Text(printable(cell)) for cell in row] for row in rows]
    for row in cells:
        table.add_row(*row)
    if whole in header and cells:
        column = table.columns[header.index(whole)]
        column.no_wrap, column.min_width = True, max(row[header.index(whole)].cell_len for row in cells)
    console = console_on(stderr)
    if whole in header and console.measure(table, options=console.options.update(width=_ANY_WIDTH)).minimum > console.width:
        _show_one_by_one(console, header, rows, header.index(whole))
    else:
        console.print(table)


def _show_one_by_one(console: Console, header: Sequence[str], rows: Sequence[Sequence[object]], whole: int) -> None:
    for row in rows:
        for part in (slice(whole), slice(whole + 1, None)):
            said = [f"{name} {printable(cell)}".strip() for name, cell in zip(header[part], row[part], strict=True) if printable(cell)]
            if part.start:
                console.print(printable(row[whole]), highlight=False, markup=False, soft_wrap=True)
            if said:
                console.print(", ".join(said), highlight=False, markup=False)
        console.print()


def console_on(stderr: bool) -> Console:
    """A console as wide as the terminal, or, in a file or pipe, as wide as the longest line."""
    from rich.console import Console

    console = Console(stderr=stderr)
    if not console.is_terminal:
        console.width = _ANY_WIDTH
    return console
