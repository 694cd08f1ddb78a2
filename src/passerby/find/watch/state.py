"""How live cameras are doing: a small file of each in the local folder of the index, and whether anybody watches them at all."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from passerby.atomic import replacing
from passerby.errors import ConfigError
from passerby.index.base import Index
from passerby.types import utc

_FOLDER: Final = "watch"
_LOCK: Final = "lock"
_SUFFIX: Final = ".json"
_WAIT: Final = 1.0
"""Seconds in which whoever only asks whether an index is watched lets go of it again."""


@dataclass(frozen=True, slots=True)
class CameraState:
    """How a live camera is doing; times in seconds since 1970.

    Args:
        connected: whether frames come.
        since: when they began to come, or stopped.
        last_frame: when the last one came; ``None`` before the first.
        last_person: when the last person was seen of those who can be searched for; ``None`` before the first.
        lag: seconds from the moment when the last new person was first seen until they could be searched for; ``None`` likewise.
        dropped: frames that were to be looked at and came too fast.
        reconnects: how often frames came again after they had stopped.
        error: why none come, in one line; ``None`` while they do.
    """

    name: str
    connected: bool
    since: float
    last_frame: float | None = None
    last_person: float | None = None
    lag: float | None = None
    dropped: int = 0
    reconnects: int = 0
    error: str | None = None


@dataclass(frozen=True, slots=True)
class LiveState:
    """How a live camera is doing now.

    Args:
        state: as it was said last.
        watched: whether somebody watches it still.
    """

    state: CameraState
    watched: bool

    @property
    def said(self) -> str:
        """In a few words."""
        if not self.watched:
            return "not watched now"
        return "connected" if self.state.connected else "offline"

    def to_json(self) -> dict[str, Any]:
        """Ready for ``json.dumps``; moments in UTC."""
        state = self.state
        moments = {key: None if (at := getattr(state, key)) is None else utc(int(at)) for key in ("since", "last_frame", "last_person")}
        return {**asdict(state), **moments, "connected": self.watched and state.connected, "state": self.said}


def live_cameras(index: Index) -> list[LiveState]:
    """How the live cameras of an index that this machine watches are doing, by name."""
    folder = index.local_folder()
    if folder is None:
        return []
    watched = is_watched(folder)
    return [LiveState(state, watched) for state in read_states(folder)]


def write_state(index: Path, state: CameraState) -> None:
    """Say how a camera is doing, for whoever asks; that there is no room for it stops nothing."""
    with suppress(OSError), replacing(_file(index, state.name)) as file:
        file.write(json.dumps(asdict(state)).encode())


def read_states(index: Path) -> list[CameraState]:
    """How the cameras of an index were doing when it was last said, by name."""
    return [state for file in sorted((index / _FOLDER).glob(f"*{_SUFFIX}")) if (state := _read(file))]


def read_state(index: Path, name: str) -> CameraState:
    """How a camera was doing when it was last said; offline, if that was never said."""
    return _read(_file(index, name)) or CameraState(name, connected=False, since=time.time())


def stopped(state: CameraState, error: str | None) -> CameraState:
    """The same camera when nobody reads it any more."""
    return replace(state, connected=False, since=time.time() if state.connected else state.since, error=error)


def _file(index: Path, name: str) -> Path:
    return index / _FOLDER / f"{name}{_SUFFIX}"


def _read(file: Path) -> CameraState | None:
    with suppress(OSError, ValueError, TypeError):
        return CameraState(**json.loads(file.read_bytes()))
    return None


def is_watched(index: Path) -> bool:
    """Whether a process watches for an index now; that it was killed is known at once."""
    try:
        with (index / _FOLDER / _LOCK).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


@contextmanager
def watching_alone(index: Path) -> Iterator[None]:
    """Be the one process that watches for an index; what others said of its cameras is forgotten.

    Raises:
        ConfigError: another one does.
        OSError: the folder cannot be written.
    """
    folder = index / _FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("a+b") as file:
        _lock(file.fileno(), index, folder / _LOCK)
        file.truncate(0)
        file.write(str(os.getpid()).encode())
        file.flush()
        for state in folder.glob(f"*{_SUFFIX}"):
            state.unlink(missing_ok=True)
        yield


def _lock(number: int, index: Path, path: Path) -> None:
    until = time.monotonic() + _WAIT
    while True:
        try:
            return fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                who = path.read_text(encoding="ascii", errors="replace") or "another"
                do = f"end it first (kill {who}), and name all that is to be watched in one command"
                raise ConfigError(expected=f"an index at {index} that nobody watches yet", found=f"process {who}", do=do) from None
        time.sleep(_WAIT / 20)
