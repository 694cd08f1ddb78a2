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

from passerby.service.tokens import private_folder

DAYS: Final = 90
"""How long an entry is kept."""


class Audit:
    """The log in a folder.

    Args:
        folder: made, for its owner alone, where there is none.
        days: how long entries are kept, at least one.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, folder: Path, days: int = DAYS) -> None:
        self._folder = private_folder(folder)
        self._days = days
        self._lock = Lock()
        self._today = date.min

    def append(self, entry: dict[str, Any]) -> None:
        """Add an entry, with the time in UTC; what is in it cannot break a line. Raises ``OSError``."""
        now = datetime.now(UTC)
        line = json.dumps({"at": now.isoformat(timespec="milliseconds"), **entry}) + "\n"
        with self._lock:
            if now.date() != self._today:
                self._today = now.date()
                self._forget()
            file = os.open(self._of(self._today), os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.write(file, (line if _ends_well(file) else f"\n{line}").encode())
            finally:
                os.close(file)

    def latest(self, count: int) -> list[dict[str, Any]]:
        """The last entries, the newest first."""
        return list(islice(self._backwards(), count))

    def _backwards(self) -> Iterator[dict[str, Any]]:
        for day in sorted(self._folder.glob("*.jsonl"), reverse=True):
            for line in reversed(day.read_text(encoding="utf-8").splitlines()):
                with suppress(ValueError):  # a line that a full disk cut short
                    yield json.loads(line)

    def _forget(self) -> None:
        """Delete the days that are over their time."""
        oldest = self._of(self._today - timedelta(days=self._days))
        for day in self._folder.glob("*.jsonl"):
            if day.name <= oldest.name:
                day.unlink(missing_ok=True)

    def _of(self, day: date) -> Path:
        return self._folder / f"{day.isoformat()}.jsonl"


def _ends_well(file: int) -> bool:
    """Whether an open log ends with a whole line, or is empty; a full disk may have cut the last one short."""
    size = os.fstat(file).st_size
    return not size or os.pread(file, 1, size - 1) == b"\n"
