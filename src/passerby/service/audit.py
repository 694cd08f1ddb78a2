"""Who asked what, when: a log that is only ever appended to, a file a day, and that forgets whole days."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Any, Final

from passerby.service.private import private_folder, written

DAYS: Final = 90
"""How long an entry is kept."""
_BLOCK: Final = 65_536
"""Bytes that are read of a log at once, from its end on."""


class Audit:
    """The log in a folder.

    Args:
        folder: made, for its owner alone, where there is none.
        days: how long entries are kept, from 1 to 36,500.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, folder: Path, days: int = DAYS) -> None:
        self._folder = private_folder(folder)
        self._days = days
        self._lock = Lock()
        self._today = date.min

    def append(self, entry: dict[str, Any]) -> None:
        """Add an entry, with the time in UTC; what is in it cannot break a line. Raises ``ServiceBusy`` where it cannot be written."""
        now = datetime.now(UTC)
        line = json.dumps({"at": now.isoformat(timespec="milliseconds"), **entry}) + "\n"
        with written("the log of who asks what"), self._lock:
            if now.date() != self._today:
                self._forget(now.date())
                self._today = now.date()
            _append(self._of(self._today), line)

    def latest(self, count: int) -> list[dict[str, Any]]:
        """The last entries, the newest first."""
        return list(islice(self._backwards(), count))

    def _backwards(self) -> Iterator[dict[str, Any]]:
        for day in sorted(self._folder.glob("*.jsonl"), reverse=True):
            for line in _lines_backwards(day):
                with suppress(ValueError):  # a line that a full disk cut short
                    yield json.loads(line)

    def _forget(self, today: date) -> None:
        """Delete the days that are over their time."""
        oldest = self._of(today - timedelta(days=self._days))
        for day in self._folder.glob("*.jsonl"):
            if day.name <= oldest.name:
                day.unlink(missing_ok=True)

    def _of(self, day: date) -> Path:
        return self._folder / f"{day.isoformat()}.jsonl"


def _append(log: Path, line: str) -> None:
    """Write a line as a whole. Raises ``OSError`` where it cannot be; what was written of it then spoils no other."""
    file = os.open(log, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        left = (line if _ends_well(file) else f"\n{line}").encode()
        while left:  # a disk that is nearly full takes a part, and says why it takes no more when it is asked again
            left = left[os.write(file, left) :]
    finally:
        os.close(file)


def _ends_well(file: int) -> bool:
    """Whether an open log ends with a whole line, or is empty; a full disk may have cut the last one short."""
    size = os.fstat(file).st_size
    return not size or os.pread(file, 1, size - 1) == b"\n"


def _lines_backwards(log: Path) -> Iterator[bytes]:
    """The lines of a log, the last one first; no more of it is read than is asked for."""
    with log.open("rb") as file:
        begin, rest = file.seek(0, os.SEEK_END), b""
        while begin:
            end, begin = begin, max(0, begin - _BLOCK)
            file.seek(begin)
            rest, *lines = (file.read(end - begin) + rest).split(b"\n")
            yield from reversed(lines)
        yield rest
