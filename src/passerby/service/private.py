"""What a service keeps in its folder: for its owner alone, and changed by one process at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from passerby.atomic import replacing
from passerby.errors import ServiceBusy

_LOCK: Final = "lock"


def private_folder(folder: Path) -> Path:
    """The folder, made where there is none, for its owner alone, as are those above it that are made. Raises ``OSError``."""
    if not folder.parent.exists():
        private_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)
    return folder


@contextmanager
def changing(folder: Path) -> Iterator[None]:
    """Be the only one, in all processes, that changes what a folder keeps, until the block ends; others wait. Raises ``OSError``."""
    lock = os.open(private_folder(folder) / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def write_private(path: Path, data: bytes) -> None:
    """Write a file as a whole, in a folder made where there is none, both for their owner alone. Raises ``OSError``."""
    private_folder(path.parent)
    with replacing(path) as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(data)


@contextmanager
def written(what: str) -> Iterator[None]:
    """Let what a full or broken disk keeps from being written be said to whoever asked: ``ServiceBusy``.

    Args:
        what: is to be written, for people.
    """
    try:
        yield
    except OSError as error:
        found = (error.strerror or str(error)).lower()
        do = "have whoever runs it look at the disk that the service's folder is on"
        raise ServiceBusy(expected=f"{what} to be writable", found=found, do=do) from error
