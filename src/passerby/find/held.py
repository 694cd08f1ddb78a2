"""Files that an index holds never make way for what is written."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

from passerby.errors import QueryError
from passerby.index.base import Index
from passerby.media.scan import absolute, find_file, same_file


def require_not_held(index: Index, out: Path, what: str) -> None:
    """Refuse to write over a file that an index holds, whichever folder, link or mount it is named through.

    Args:
        what: is to be written, for people.

    Raises:
        QueryError: the index holds it.
        OSError: it is not known whether it does: there is a file that cannot be looked at.
    """
    if held := _held(index, out):
        raise QueryError(expected=f"a file of its own for {what}", found=f"one that the index holds, {held}", do="name another file")


def _held(index: Index, out: Path) -> Path | None:
    named = absolute(out), out.resolve()
    if by_path := next((path for path in named if index.standing(path)), None):
        return by_path
    try:
        file = find_file(out)
    except (FileNotFoundError, NotADirectoryError):
        return None
    of_its_name = (path for path in index.paths_under(Path(named[0].anchor)) if path.name in (out.name, named[1].name))
    found = same_file(file, chain(index.with_size_and_time(file.size, file.modified_ns), of_its_name))  # which may have grown since
    return found.path if found else None
