"""Which files a list of files, folders and patterns names: one walk, in which each file has one path however many lead to it."""

from __future__ import annotations

import errno
import glob
import os
import stat
from collections.abc import Callable, Iterable, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final, Self

from passerby.media.formats import IMAGE_SUFFIXES
from passerby.types import Failure

_ALL_BELOW: Final = ("**", "*")
"""The pattern that a folder stands for."""


@dataclass(frozen=True, slots=True)
class Root:
    """What one of the given paths names.

    Args:
        path: as it was given, absolute.
        base: the file or folder it names, or the folder below which its pattern looks.
        parts: of the pattern, below ``base``; none without a pattern.
    """

    path: Path
    base: Path
    parts: tuple[str, ...] = ()

    @classmethod
    def of(cls, path: Path, is_there: Callable[[Path], bool] = os.path.lexists) -> Self:
        """Read a path; one that is there is no pattern, whatever its name."""
        path = absolute(path)
        first = next((number for number, part in enumerate(path.parts) if glob.has_magic(part)), None)
        if first is None or is_there(path):
            return cls(path, path)
        return cls(path, Path(*path.parts[:first]), _simplified(path.parts[first:]))

    def names(self, path: Path) -> bool:
        """Whether a path at or below ``base`` is named, itself or by a folder above it."""
        return not self.parts or _matches(path.relative_to(self.base).parts, self.parts)


@dataclass(frozen=True, slots=True)
class Found:
    """A file as it was found.

    Args:
        size: bytes.
        modified_ns, changed_ns: of its content, and of its status (permissions, name) too.
        device, inode: which file it is, whatever its path.
        named: itself, not through a folder or pattern.
    """

    path: Path
    size: int
    modified_ns: int
    changed_ns: int
    device: int
    inode: int
    named: bool = False

    @property
    def identity(self) -> tuple[object, ...]:
        """Equal for two paths of one file; size and time guard against file systems that number files carelessly, or not at all."""
        return self.device, self.inode or self.path, self.size, self.modified_ns


@dataclass(slots=True)
class Scan:
    """What was found.

    Args:
        files: by absolute path, in the order they are to be read.
        roots: what was named, each with the known paths that it names.
        missing: paths that were named and are not there, absolute.
        unseen: known paths that were named and cannot be seen, gone or not.
        aliases: known paths of files that are among ``files`` by another path.
        failed: folders and links that cannot be followed.
        skipped: the number of files that are no pictures by their names; hidden ones are not counted.
    """

    files: dict[Path, Found] = field(default_factory=dict)
    roots: dict[Root, list[Path]] = field(default_factory=dict)
    missing: list[Path] = field(default_factory=list)
    unseen: list[Path] = field(default_factory=list)
    aliases: set[Path] = field(default_factory=set)
    failed: list[Failure] = field(default_factory=list)
    skipped: int = 0


def scan_paths(
    paths: Iterable[Path],
    leave_out: Path | None = None,
    known_below: Callable[[Path], Iterable[Path]] = lambda _path: (),
    suffixes: Set[str] = IMAGE_SUFFIXES,
) -> Scan:
    """Find the pictures that ``paths`` name: files, folders with all below them, and patterns a shell did not expand.

    Each folder is read once, in the order of its names, however many links lead to it, and each file has one path: a known one if there
    is one, else the first. Hidden files and folders are skipped, and files that do not end like pictures, unless they are named
    themselves or known. A pattern's ``*``, ``?`` and ``[…]`` match within a name, ``**`` matches any folders; a part that starts with a
    dot matches hidden names.

    Args:
        leave_out: a folder not to go into, such as the index.
        known_below: the paths at or below a path that were found in earlier scans; they are looked for, whether or not the walk meets them.
        suffixes: what a folder's files must end with; by default as pictures do.
    """
    scan = Scan()
    for path in paths:
        root = Root.of(path)
        if root not in scan.roots:
            scan.roots[root] = [known for known in known_below(root.base) if root.names(known)]
    walk = _Walk(scan, leave_out, suffixes)
    for root in scan.roots:
        walk.read(root)
    walk.look_for_known()
    return scan


def find_file(path: Path, *, named: bool = False) -> Found:
    """Look at a file, through links.

    Raises:
        OSError: it cannot be seen; ``FileNotFoundError`` or ``NotADirectoryError`` if it is certainly gone, a folder in its place or none.
        ValueError: it is no path.
    """
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise FileNotFoundError(errno.ENOENT, "a folder in its place", path)
    return Found(path, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_dev, status.st_ino, named)


def same_file(file: Found, paths: Iterable[Path]) -> Found | None:
    """A file as the first of some paths that leads to it has it."""
    for path in paths:
        with suppress(OSError):
            found = find_file(path)
            if found.identity == file.identity:
                return found
    return None


def absolute(path: Path) -> Path:
    """A path from the root and without ``..``, its links as they are."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - resolve() follows links


def is_gone(path: Path) -> bool:
    """Whether there is certainly no file at a path; one that cannot be looked at is not gone, a link to nothing is."""
    try:
        find_file(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def has_left(path: Path, device: int | None) -> bool:
    """Whether a file is gone though the disk it was on is there: the nearest folder above it can be read, and is on ``device``."""
    if os.path.lexists(path) or not is_gone(path):
        return False
    for folder in path.parents:
        try:
            with os.scandir(folder):
                return folder.stat().st_dev == device
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            return False
    return False


_Place = tuple[tuple[int, int] | None, tuple[str, ...]]
"""A folder, and what is wanted below it."""


class _Walk:
    """One walk through everything that was named; what it finds goes into a scan."""

    def __init__(self, scan: Scan, leave_out: Path | None, suffixes: Set[str]) -> None:
        self._scan = scan
        self._suffixes = suffixes
        self._known = {path for known in scan.roots.values() for path in known}
        self._leave_out = leave_out and _folder_identity(leave_out)
        self._visited: set[_Place] = set()
        self._paths: dict[tuple[object, ...], Path] = {}
        self._skipped: set[Path] = set()

    def read(self, root: Root) -> None:
        folder = os.path.isdir(root.base)  # noqa: PTH112 - Path.is_dir() raises where permission is missing
        if not root.parts and not folder:
            self._take(root.path, named=True)
        elif not (folder and self._visit(root.base, root.parts or _ALL_BELOW)) and root.parts:
            self._scan.missing.append(root.path)

    def look_for_known(self) -> None:
        """Take known paths that were not met: hidden ones, of any name, or behind a folder that shows nothing."""
        for path in dict.fromkeys(path for known in self._scan.roots.values() for path in known):
            if path not in self._scan.files and path not in self._scan.aliases:
                try:
                    self._add(find_file(path))
                except OSError:
                    self._scan.unseen.append(path)

    def _visit(self, root: Path, parts: tuple[str, ...]) -> bool:
        """Take what a pattern matches below a folder, and all below the folders it matches; whether there was anything."""
        met = False
        matched: set[_Place] = set()
        todo = [(root, parts)]
        while todo:
            folder, parts = todo.pop()
            visited = self._visited if parts == _ALL_BELOW else matched
            place = _folder_identity(folder), parts
            if place in visited:
                continue
            visited.add(place)
            below: list[tuple[Path, tuple[str, ...]]] = []
            for path in self._entries(folder):
                for head, *rest in [parts, parts[1:]] if parts[0] == "**" else [parts]:
                    if not _fits(path.name, head):
                        continue
                    met = met or not rest
                    if os.path.isdir(path):  # noqa: PTH112
                        below.append((path, (head, *rest) if head == "**" else tuple(rest) or _ALL_BELOW))
                    elif not rest:
                        self._take_by_name(path)
            todo += reversed([(path, wanted) for path, wanted in below if _folder_identity(path) != self._leave_out])
        return met

    def _entries(self, folder: Path) -> list[Path]:
        try:
            with os.scandir(folder) as entries:
                return [Path(entry.path) for entry in sorted(entries, key=lambda entry: entry.name)]
        except OSError as error:
            self._fail(folder, f"expected a folder that can be read, found: {_cause(error)}; check its permissions")
            return []

    def _take_by_name(self, path: Path) -> None:
        if path.suffix.lower() in self._suffixes:
            self._take(path)
        else:
            self._skipped.add(path)
            self._scan.skipped = len(self._skipped)

    def _take(self, path: Path, *, named: bool = False) -> None:
        try:
            self._add(find_file(path, named=named))
        except OSError as error:
            if os.path.islink(path) or not is_gone(path):  # noqa: PTH114 - Path.is_symlink() raises where permission is missing
                cause = "a link to nothing" if isinstance(error, FileNotFoundError) else _cause(error)
                self._fail(path, f"expected a file, found: {cause}; check the path and its permissions")
            elif named:
                self._scan.missing.append(path)
        except ValueError as error:
            self._fail(path, f"expected a path, found: {error}; correct it")

    def _add(self, file: Found) -> None:
        """Hold a file by its first path, but by a known one if there is one."""
        files = self._scan.files
        first = self._paths.setdefault(file.identity, file.path)
        before = files.get(first)
        if before is None:
            files[first] = file
            return
        named = file.named or before.named
        if file.path != first and file.path in self._known:
            if first in self._known:
                self._scan.aliases.add(file.path)
            else:
                del files[first]
                first = self._paths[file.identity] = file.path
        files[first] = replace(file, path=first, named=named)

    def _fail(self, path: Path, reason: str) -> None:
        failure = Failure(path, reason)
        if failure not in self._scan.failed:
            self._scan.failed.append(failure)


def _simplified(parts: Sequence[str]) -> tuple[str, ...]:
    """A pattern without ``**`` after ``**``, and with something after the last."""
    kept = [part for part, following in zip(parts, [*parts[1:], ""], strict=True) if part != "**" or following != "**"]
    return (*kept, *(["*"] if kept[-1] == "**" else []))


def _matches(names: Sequence[str], parts: Sequence[str]) -> bool:
    """Whether a pattern matches names below its base, or a folder among them."""
    if not parts or not names:
        return not parts
    if parts[0] == "**":
        return _matches(names, parts[1:]) or (_fits(names[0], "**") and _matches(names[1:], parts))
    return _fits(names[0], parts[0]) and _matches(names[1:], parts[1:])


def _fits(name: str, part: str) -> bool:
    return fnmatchcase(name, part) and (part.startswith(".") or not name.startswith("."))


def _folder_identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _cause(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()
