"""A file's bytes, read once and safely, with what identifies them."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import Final

from passerby.errors import ImageError, PasserbyError
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
        _require_size(require_regular(path.stat(), "pictures", ImageError))
        with path.open("rb") as file:
            before = os.fstat(file.fileno())
            data = file.read(before.st_size + 1)
            after = os.fstat(file.fileno())
    except (OSError, ValueError) as error:
        raise unreadable(error, ImageError) from None
    if (len(data), after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise ImageError(expected="a finished file", found="one that changed while it was read", do="run again when it is complete")
    digest = hashlib.sha256(data).hexdigest()
    media = Media(path.absolute(), len(data), before.st_mtime_ns, digest, changed_ns=before.st_ctime_ns, device=before.st_dev)
    return media, data


def require_regular(status: os.stat_result, holding: str, refusal: type[PasserbyError]) -> os.stat_result:
    """A file's status, if that is no folder, pipe or device. Raises ``refusal`` otherwise."""
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "something else")
        raise refusal(expected="a regular file", found=kind, do=f"name files that hold {holding}")
    return status


def unreadable(error: OSError | ValueError, refusal: type[PasserbyError]) -> PasserbyError:
    """What is said of a file that cannot be opened or read."""
    if isinstance(error, OSError):
        cause = (error.strerror or type(error).__name__).lower()
        return refusal(expected="a readable file", found=cause, do="check the path and its permissions")
    return refusal(expected="a path", found=str(error), do="correct the path")


def _require_size(status: os.stat_result) -> None:
    if status.st_size > MAX_FILE_BYTES:
        found = f"a file of {status.st_size / 1e6:.0f} MB"
        raise ImageError(expected=f"at most {MAX_FILE_BYTES / 1e6:.0f} MB", found=found, do="make the picture smaller")
