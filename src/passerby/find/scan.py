"""Which files a list of files, folders and patterns names."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from passerby.model.formats import IMAGE_SUFFIXES
from passerby.types import Failure


@dataclass(frozen=True, slots=True)
class Found:
    """A file as it was found.

    Args:
        size: bytes.
        modified_ns, changed_ns: of its content, and of its status (permissions, name) too.
        named: itself, not through its folder.
    """

    path: Path
    size: int
    modified_ns: int
    changed_ns: int
    named: bool


@dataclass(slots=True)
class Scan:
    """What was found.

    Args:
        files: by absolute path, in the order they are to be read.
        folders: that were named, absolute.
        missing: paths that were named and are not there, absolute.
        failed: folders and links that cannot be followed.
        skipped: the number of files in folders that are no pictures by their names; hidden ones are not counted.
    """

    files: dict[Path, Found] = field(default_factory=dict)
    folders: list[Path] = field(default_factory=list)
    missing: list[Path] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    skipped: int = 0


def scan_paths(paths: Iterable[Path], leave_out: Path | None = None) -> Scan:
    """Find the pictures that ``paths`` name: files, folders with all below them, and patterns a shell did not expand.

    Each folder is read once, in the order of its names, however many links lead to it; hidden files and folders are skipped.

    Args:
        leave_out: a folder not to go into, such as the index.
    """
    scan = Scan()
    seen = {_identity(leave_out)} if leave_out else set()
    for path in _expanded(paths):
        if os.path.isdir(path):  # noqa: PTH112 - Path.is_dir() raises where permission is missing
            scan.folders.append(path)
            _walk(path, scan, seen)
        else:
            _take(path, scan, named=True)
    return scan


def absolute(path: Path) -> Path:
    """A path from the root and without ``..``, its links as they are."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - resolve() follows links


def is_gone(path: Path) -> bool:
    """Whether a path is certainly not there; one that cannot be looked at is not gone."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _expanded(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        pattern = str(path)
        literal = os.path.lexists(path) or not glob.has_magic(pattern)
        matches = [] if literal else sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 - Path.glob() takes no absolute pattern
        yield from map(absolute, map(Path, matches) if matches else [path])


def _walk(root: Path, scan: Scan, seen: set[tuple[int, int] | None]) -> None:
    folders = [root]
    seen.add(_identity(root))
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as entries:
                visible = sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)
        except OSError as error:
            scan.failed.append(Failure(folder, f"expected a folder that can be read, found: {_cause(error)}; check its permissions"))
            continue
        below = []
        for entry in visible:
            path = Path(entry.path)
            if os.path.isdir(path):  # noqa: PTH112
                if _first_visit(path, seen):
                    below.append(path)
            elif path.suffix.lower() in IMAGE_SUFFIXES:
                _take(path, scan, named=False)
            else:
                scan.skipped += 1
        folders += reversed(below)


def _first_visit(folder: Path, seen: set[tuple[int, int] | None]) -> bool:
    identity = _identity(folder)
    if identity in seen:
        return False
    seen.add(identity)
    return True


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _take(path: Path, scan: Scan, *, named: bool) -> None:
    try:
        status = path.stat()
    except OSError as error:
        if not is_gone(path):
            cause = "a link to nothing" if isinstance(error, FileNotFoundError) else _cause(error)
            scan.failed.append(Failure(path, f"expected a file, found: {cause}; check the path and its permissions"))
        elif named:
            scan.missing.append(path)
        return
    except ValueError as error:
        scan.failed.append(Failure(path, f"expected a path, found: {error}; correct it"))
        return
    named = named or (path in scan.files and scan.files[path].named)
    scan.files[path] = Found(path, status.st_size, status.st_mtime_ns, status.st_ctime_ns, named)


def _cause(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()
