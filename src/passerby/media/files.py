"""A file's bytes, read once and safely, with what identifies them."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import Final

from passerby.errors import ImageError
from passerby.types import Media

MAX_FILE_BYTES: Final = 200_000_000

_KINDS: Final = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def read_media(path: Path) -> tuple[Media, bytes]:
    """The bytes of a file with its size, modification time and SHA-256, all of the same moment.

    Never waits for a pipe or a device, and holds at most ``MAX_FILE_BYTES``.

    Raises:
        ImageError: the path is no regular file, is too large, may not be read, or changed under the reader.
    """
    try:
        _require_readable(path.stat())
        with path.open("rb") as file:
            before = os.fstat(file.fileno())
            data = file.read(before.st_size + 1)
            after = os.fstat(file.fileno())
    except OSError as error:
        raise ImageError(expected="a readable file", found=_cause(error), do="check the path and its permissions") from None
    except ValueError as error:
        raise ImageError(expected="a path", found=str(error), do="correct the path") from None
    if (len(data), after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise ImageError(expected="a finished file", found="one that changed while it was read", do="run again when it is complete")
    digest = hashlib.sha256(data).hexdigest()
    media = Media(path.absolute(), len(data), before.st_mtime_ns, digest, changed_ns=before.st_ctime_ns, device=before.st_dev)
    return media, data


def _require_readable(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "something else")
        raise ImageError(expected="a regular file", found=kind, do="name files that hold pictures")
    if status.st_size > MAX_FILE_BYTES:
        found = f"a file of {status.st_size / 1e6:.0f} MB"
        raise ImageError(expected=f"at most {MAX_FILE_BYTES / 1e6:.0f} MB", found=found, do="make the picture smaller")


def _cause(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()
