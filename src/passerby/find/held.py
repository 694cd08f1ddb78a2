"""Files that an index holds never make way for what is written."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from passerby.errors import QueryError
from passerby.index.base import Index
from passerby.media.formats import is_named_like_a_video
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
    as_it_is = index.with_size_and_time(file.size, file.modified_ns)
    found = same_file(file, chain(as_it_is, _grown(index, *named)))
    return found.path if found else None


def _grown(index: Index, *named: Path) -> Iterator[Path]:
    """Recordings of the names of some paths, which may have grown since they were indexed."""
    names = {path.name for path in named if is_named_like_a_video(path)}
    if names:
        yield from (path for path in index.paths_under(Path(named[0].anchor)) if path.name in names)
