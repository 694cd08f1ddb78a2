"""A run of `passerby index` in a process of its own: it leaves the processor to whoever searches, and ends when the service does."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Final

from passerby.places import IndexPlace, is_url
from passerby.progress import FILES, SECONDS

_NICE: Final = 10
"""How far it stands behind: where the processor is short, a search gets nine tenths of it."""
_ERROR: Final = "passerby: error: "
_ALL_DONE, _SOME_FAILED, _NOTHING_DONE = 0, 1, 2
_LINES: Final = 1000
"""Of what it says beside its progress, those that are kept."""
_PLACE: Final = re.compile(r"(?<!\w)[/~]")
_FOR_THE_LOG: Final = "it could not be done, and the log of the service tells why"

OnTold = Callable[[str, int, int], None]
"""Told how much is done, and of how much: ``FILES`` or ``SECONDS`` of video."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended.

    Args:
        report: what `passerby index --json` prints; empty of a run that printed nothing.
        problem: why nothing was done, without where anything is; empty where something was.
    """

    report: dict[str, Any] = field(default_factory=dict)
    problem: str = ""


def index_command(index: IndexPlace, model: str) -> tuple[str, ...]:
    """The command that brings an index up to date with a folder, which is to follow it.

    An index that ``$PASSERBY_INDEX`` names is not named again: a URL may hold a password, and others can list commands.
    """
    named = () if os.environ.get("PASSERBY_INDEX") == str(index) else ("--index", str(index))
    return sys.executable, "-P", "-m", "passerby", "index", *named, "--model", model, "--json", "--progress-lines"


class IndexProcess:
    """A run that has begun."""

    def __init__(self, command: Sequence[str], folder: Path, said: IO[bytes]) -> None:
        self._said = said
        self._places = (*command, os.environ.get("PASSERBY_INDEX", ""), str(folder))
        self._process = subprocess.Popen(
            [*command, str(folder)], stdin=subprocess.PIPE, stdout=said, stderr=subprocess.PIPE, process_group=0
        )
        with suppress(OSError):  # it has ended already, or the system knows no priorities
            os.setpriority(os.PRIO_PROCESS, self._process.pid, _NICE)

    def follow(self, on_told: OnTold) -> Outcome:
        """Tell how far it is until it ends, and how it did."""
        lines = deque((line for line in self._lines() if not _tell(line, on_told)), _LINES)
        code = self._process.wait()
        if code not in (_ALL_DONE, _SOME_FAILED, _NOTHING_DONE, -signal.SIGKILL):
            sys.stderr.writelines(f"{line}\n" for line in lines)
        self._said.seek(0)
        try:
            report = json.loads(self._said.read())
        except ValueError:
            report = {}
        if report and code in (_ALL_DONE, _SOME_FAILED):
            return Outcome(report)
        return Outcome(report, _without_places(_problem(lines, report, code), self._places))

    def _lines(self) -> Iterator[str]:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            yield line.decode("utf-8", "replace").rstrip()

    def kill(self) -> None:
        """End it at once, with all that it started; what it has done stays done."""
        if self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        self.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stderr):
            if stream is not None:
                stream.close()


@contextmanager
def index_process(command: Sequence[str], folder: Path) -> Iterator[IndexProcess]:
    """A run of a command on a folder, which has ended when the block does. Raises ``OSError`` where it cannot begin."""
    with TemporaryFile() as said:
        process = IndexProcess(command, folder, said)
        try:
            yield process
        finally:
            process.close()


def _tell(line: str, on_told: OnTold) -> bool:
    """Tell what a line says of progress; whether it does."""
    try:
        told = json.loads(line)
    except ValueError:
        return False
    for unit in (FILES, SECONDS):
        if isinstance(told, dict) and unit in told:
            on_told(unit, *told[unit])
            return True
    return False


def _problem(lines: Iterable[str], report: dict[str, Any], code: int) -> str:
    """Why nothing was done, by what was said of it."""
    errors = [line.removeprefix(_ERROR) for line in lines if line.startswith(_ERROR)]
    if errors:
        return errors[-1]
    if failed := report.get("failed"):
        return f"none of its {len(failed)} files could be used" if len(failed) > 1 else "its one file could not be used"
    if report:
        return "expected pictures or videos, found none; put some there"
    return f"it broke with {signal.Signals(-code).name if code < 0 else f'exit code {code}'}; the log of the service may tell more"


def _without_places(said: str, known: Iterable[str]) -> str:
    """What is said, with the name of what is known in place of where it is. What names yet another place goes to the log alone."""
    told = said
    for place in sorted((one for one in known if os.sep in one and not is_url(one)), key=len, reverse=True):
        told = told.replace(place, Path(place).name)
    if not _PLACE.search(told):
        return told
    sys.stderr.write(f"{_ERROR}{said}\n")
    return _FOR_THE_LOG
