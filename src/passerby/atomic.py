"""Files and folders that are there as a whole or not at all."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from passerby.drafts import OLD, SUFFIX, held, remove_abandoned
from passerby.errors import ConfigError


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Write a file beside ``path``, which takes its place when the block ends well and vanishes otherwise. Raises ``OSError``."""
    unfinished = path.with_name(f"{path.name}-{os.getpid()}{SUFFIX}")
    try:
        with _naming(path), unfinished.open("w+b") as file, held(unfinished):
            yield file
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Fill a folder beside ``path``, which takes its place when the block ends well and vanishes otherwise. Raises ``OSError``.

    A link that is there makes way itself, not what it leads to. Drafts that were left by processes that were killed are deleted.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(path)
    work = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=SUFFIX, dir=path.parent))
    draft, old = work / "new", work / OLD
    try:
        draft.mkdir()
        with held(work):
            with _naming(path):
                yield draft
            _share(draft)
            _sync(draft)
            _swap(draft, path, aside=old)
    finally:
        if os.path.lexists(old) and not os.path.lexists(path):  # interrupted between two renames
            old.rename(path)
        shutil.rmtree(work, ignore_errors=True)


def _share(folder: Path) -> None:
    """Let a folder's files be read and written by whom the umask lets into the folder: some writers keep theirs to their owner."""
    wanted = folder.stat().st_mode & 0o666
    for path in folder.rglob("*"):
        mode = path.stat().st_mode
        if path.is_file() and wanted & ~mode:
            path.chmod(stat.S_IMODE(mode) | wanted)


def _sync(folder: Path) -> None:
    """See to it that a folder's files are on the disk before anybody finds them there."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("r+b") as file:
                os.fsync(file.fileno())


def _swap(new: Path, path: Path, aside: Path) -> None:
    """Put ``new`` at ``path``, at once where the system can; elsewhere what was there is aside for a moment."""
    if os.path.lexists(path) and _exchange(new, path):
        return
    if os.path.lexists(path):
        path.rename(aside)
    new.rename(path)


def _exchange(one: Path, other: Path) -> bool:
    """Let two paths take each other's place at once, as Linux can on most disks; whether they did."""
    renameat2 = getattr(ctypes.CDLL(None), "renameat2", None) if sys.platform == "linux" else None
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return renameat2 is not None and renameat2(here, os.fsencode(one), here, os.fsencode(other), exchange) == 0


def require_file_place(path: Path, option: str, *read: Path | None) -> None:
    """Find out before the work whether a file can be written in the end. Raises ``ConfigError`` that names the option.

    Args:
        read: files that it is made of, which must not make way for it.
    """
    if any(source and path.exists() and source.exists() and path.samefile(source) for source in read):
        raise ConfigError(expected=f"a file of its own for {option}", found=f"one that is read, {path}", do=f"correct {option}")
    if path.is_dir():
        raise ConfigError(expected=f"a file's name for {option}", found=f"a folder, {path}", do="name a file in it")
    _require_writable(path.parent, path, option)


def require_folder_place(path: Path, option: str) -> None:
    """Find out before the work whether a folder can be made or filled in the end. Raises ``ConfigError`` that names the option."""
    _require_writable(next(folder for folder in (path, *path.absolute().parents) if os.path.lexists(folder)), path, option)


def require_replaceable_place(path: Path, option: str) -> None:
    """Find out before the work whether ``replacing_folder`` can fill a folder in the end. Raises ``ConfigError`` that names the option."""
    place = path.absolute() if path.is_symlink() else path.resolve()
    if found := _what_stays(place):
        raise ConfigError(expected=f"a folder for {option} that can make way for a new one", found=found, do=f"correct {option}")
    require_folder_place(place.parent, option)


def _what_stays(place: Path) -> str:
    if os.path.lexists(place) and not place.is_dir():
        return f"a file, {place}"
    if place.is_mount():
        return f"a disk of its own, {place}"
    with suppress(FileNotFoundError):  # no current folder
        if Path.cwd().is_relative_to(place):
            return f"the current folder, or one above it, {place}"
    return ""


def _require_writable(folder: Path, path: Path, option: str) -> None:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return
    except FileNotFoundError:
        if not folder.name:  # the current folder itself is lost, which the command line says of all commands alike
            raise
        found = f"no folder {folder}"
    except NotADirectoryError:
        found = f"{folder}, which is no folder"
    except OSError as error:
        found = f"{folder}: {(error.strerror or str(error)).lower()}"
    raise ConfigError(expected=f"a place where {path} can be written", found=found, do=f"correct {option}, or make the folder")


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Let a full disk be said with the name of what was being written, which the system leaves out."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            error.filename = str(path)
        raise
