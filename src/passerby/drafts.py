"""Drafts beside the files and folders that they become: held while they are written, deleted where whoever wrote one was killed."""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

if sys.platform != "win32":
    import fcntl

SUFFIX: Final = ".unfinished"
OLD: Final = "old"
"""What is in a folder's draft for a moment: the folder that makes way."""
_BEGUN: Final = 60.0
"""Seconds after which a draft is held by whoever began it."""


@contextmanager
def held(draft: Path) -> Iterator[None]:
    """Let other processes see that a draft is being written, until the block ends or this process is gone."""
    if sys.platform == "win32":
        yield
        return
    number = os.open(draft, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with suppress(OSError):  # where the file system knows no locks, nobody deletes drafts
            fcntl.flock(number, fcntl.LOCK_SH)
        yield
    finally:
        os.close(number)


def remove_abandoned(path: Path) -> None:
    """Delete drafts of a file or folder whose writers were killed, as far as that can be told."""
    name = re.escape(path.name)
    drafts = re.compile(rf"(\.{name}\.[a-z0-9_]{{8}}|{name}-[0-9]+){re.escape(SUFFIX)}")
    with suppress(OSError):
        for draft in [one for one in path.parent.iterdir() if drafts.fullmatch(one.name)]:
            _remove_if_abandoned(draft, path)


def _remove_if_abandoned(draft: Path, path: Path) -> None:
    if sys.platform == "win32" or time.time() - draft.lstat().st_mtime < _BEGUN:
        return
    with suppress(OSError):
        number = os.open(draft, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if (draft / OLD).exists() and not os.path.lexists(path):
                (draft / OLD).rename(path)
            if draft.is_dir():
                shutil.rmtree(draft)
            else:
                draft.unlink()
        finally:
            os.close(number)
