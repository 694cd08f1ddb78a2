"""Where the picture lies that a record names, in whatever way a path was written."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePath
from typing import Final
from urllib.parse import unquote, urlsplit

_QUOTES: Final = " \t\"'\u201c\u201d\u2018\u2019"
_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_OF_WINDOWS: Final = re.compile(r"[A-Za-z]:[\\/]|\\\\")


@dataclass(frozen=True, slots=True)
class Pictures:
    """Where a dataset's pictures are.

    Args:
        folder: that paths are relative to; absolute, links resolved.
        confined: whether none may lie elsewhere. So it is in a dataset's folder, which may come from anywhere; somebody's own table
            may name any file.
    """

    folder: Path
    confined: bool

    def locator(self) -> Callable[[str], tuple[str, Path]]:
        """What gives the name and the path of a picture from how it is written.

        The path as it is written counts. Only where there is no such file, quotes and white space around it are taken off, ``\\`` is read
        as ``/``, a ``file://`` address as its path, and, where pictures may lie anywhere, ``~`` and variables as the shell reads them.
        A name is relative to the folder where it can be, so that one picture has one name. It raises ValueError for a path that leaves a
        folder that it may not leave, and for one that cannot be of this machine.
        """
        real = cache(os.path.realpath)

        def locate(written: str) -> tuple[str, Path]:
            path = PurePath(self._chosen(written))
            if not _leaves(path):
                return path.as_posix(), self.folder / path
            found = Path(real(self.folder / path.parent)) / path.name
            return (found.relative_to(self.folder) if found.is_relative_to(self.folder) else found).as_posix(), found

        return locate

    def fault_finder(self) -> Callable[[Path], str | None]:
        """What says of the path of a picture why it cannot be used; the file is not opened."""

        @cache
        def is_inside(folder: Path) -> bool:
            return not self.confined or Path(os.path.realpath(folder)).is_relative_to(self.folder)

        return lambda path: self._fault(path) if is_inside(path.parent) else "leaves the folder by a link"

    def _chosen(self, written: str) -> str:
        ways = list(dict.fromkeys(_ways(written, self.confined)))
        allowed = [way for way in ways if not (self.confined and _leaves(PurePath(way)))]
        there = next((way for way in allowed if os.path.lexists(self.folder / way)), None) if len(ways) > 1 else None
        if there is not None:
            return there
        is_file = written.startswith("file:")
        if _ADDRESS.match(written) and not is_file:
            raise ValueError("is an address on a network; pictures must be files on this machine")
        if _OF_WINDOWS.match(written) and os.name != "nt":
            raise ValueError("is a path of Windows, where this machine has no file; write paths from the table's folder")
        if not allowed or (is_file and self.confined):
            raise ValueError("has a path that leaves the folder")
        return allowed[0]

    def _fault(self, path: Path) -> str | None:
        try:
            status = path.lstat()
            if stat.S_ISLNK(status.st_mode):
                target = path.resolve(strict=True)
                if self.confined and not target.is_relative_to(self.folder):
                    return "leaves the folder by a link"
                status = target.stat()
        except (OSError, RuntimeError) as error:
            if self._lies_from_here(path):
                return f"cannot be found in {self.folder}, though from {Path.cwd()} it can: paths start from the table's folder"
            return f"cannot be found ({error.strerror if isinstance(error, OSError) else 'a link loop'})"
        return None if stat.S_ISREG(status.st_mode) else "is not a file"

    def _lies_from_here(self, path: Path) -> bool:
        return not self.confined and path.is_relative_to(self.folder) and os.path.lexists(path.relative_to(self.folder))


def _leaves(path: PurePath) -> bool:
    return bool(path.anchor) or ".." in path.parts


def _ways(written: str, confined: bool) -> Iterator[str]:
    """What a path may mean, the likeliest first."""
    yield written
    bare = written.strip(_QUOTES) or written
    yield bare
    slashed = unquote(urlsplit(bare).path) if bare.startswith("file:") else bare.replace("\\", "/")
    if "\0" in slashed:
        return
    yield slashed
    if not confined:
        yield os.path.expanduser(os.path.expandvars(slashed))  # noqa: PTH111 - pathlib refuses the home of nobody
