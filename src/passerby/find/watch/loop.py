"""Watching: folders in rounds, each live camera by a process of its own, until told to end."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import get_context, parent_process
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, Final

from passerby.detect.people import Detecting
from passerby.errors import ConfigError, IndexFault, PasserbyError
from passerby.find.cameras import correct_camera, hold_clock
from passerby.find.ingest.left_alone import Memory
from passerby.find.ingest.report import IndexReport
from passerby.find.ingest.run import index_paths
from passerby.find.ingest.videos import Watching
from passerby.find.retention import forget_expired, remember_keep
from passerby.find.watch.live import watch_live
from passerby.find.watch.state import CameraState, read_state, read_states, stopped, watching_alone, write_state
from passerby.index.base import Index
from passerby.index.open import create_index
from passerby.media.camera import CameraSource, LiveCamera, Pace
from passerby.media.clock import Camera, correction_text
from passerby.media.video import require_video
from passerby.model.encoder import Encoder
from passerby.places import IndexPlace

Models = Callable[[], tuple[Encoder, Detecting]]
"""Loads an encoder, and how people are looked for; each camera's process calls it, so it is to be a function of a module, or a partial of
one."""

PAUSE: Final = 5.0
SETTLED: Final = 5.0
_LOOK: Final = 0.5
_FOLD: Final = 60.0
"""Seconds, at least, after which it is worked out again which crops count once; and times as long as that takes."""
_KEEP: Final = 60.0
"""Seconds, at least, after which whoever is kept no longer is deleted."""
_PATIENCE: Final = 20.0
"""Seconds that a camera's process may take to commit what it knows, before it is killed."""
_LONGEST_PAUSE: Final = 60.0
_LASTED: Final = 60.0
"""Seconds after which a process that ends is no longer said to end at once."""


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """How all is watched.

    Args:
        pause: seconds between two rounds of the folders.
        settled: seconds for which nobody may have written a file before it is read.
        pace: how long cameras are waited for.
        indexing: more arguments of :func:`passerby.find.ingest.run.index_paths`.
        keep: how long people are kept from when they were last seen, in seconds, as of :func:`passerby.find.retention.remember_keep`;
            ``None`` goes by what the index remembers.
    """

    pause: float = PAUSE
    settled: float = SETTLED
    pace: Pace = field(default_factory=Pace)
    indexing: Mapping[str, Any] = field(default_factory=dict)
    keep: float | None = None


def watch(
    place: IndexPlace,
    models: Models,
    folders: Sequence[Path],
    cameras: Sequence[CameraSource],
    say: Callable[[str], None],
    ended: Callable[[], bool],
    settings: WatchSettings = WatchSettings(),
) -> None:
    """Index what comes into folders, and whom live cameras see, until told to end; what was committed until then stays.

    Args:
        place: the index's folder or URL; it is made where there is none.
        say: is told what happens, a line each.
        ended: says whether it is to end; asked several times a second, and between two commits.

    Raises:
        ConfigError: another process watches for the same index.
        IndexFault: the index cannot be opened, or is of another model.
        ModelError: the models cannot be used.
        MissingExtra: PyAV is not installed.
    """
    require_video()
    encoder, detecting = models()
    with create_index(place, encoder) as index:
        folder = index.local_folder()
        if folder is None:
            raise ConfigError(expected="an index in a folder or in PostgreSQL", found=str(place), do="name another")
        with watching_alone(folder):
            with _Crew(place, folder, models, cameras, settings.pace, say) as crew:
                set_clocks(index, cameras, say)
                if settings.keep is not None:
                    remember_keep(index, settings.keep)
                _Rounds(index, encoder, detecting, folders, crew, say, ended, settings).run()
            try:
                index.fold()
            except IndexFault as error:
                say(str(error))


def set_clocks(index: Index, cameras: Sequence[CameraSource], say: Callable[[str], None]) -> None:
    """Let an index know cameras, and correct their clocks as it is said of them; past times follow.

    Args:
        say: is told what changes of a camera that was known, a line each.

    Raises:
        IndexFault: the index cannot be written.
    """
    for source in cameras:
        if source.clock is None:
            correct_camera(index, source.name, new=True)
            continue
        before = hold_clock(index, source.clock)
        if before is not None and before != source.clock:
            now = f"{_clock_text(source.clock)}, as the file of cameras says"
            say(f"{source.name}: its clock has {now}; before it had {_clock_text(before)}")


def _clock_text(camera: Camera) -> str:
    zone = "this machine's zone" if camera.zone is None else f"the zone {camera.zone}"
    offset = f"an offset of {correction_text(camera.offset_seconds)}" if camera.offset_seconds else "no offset"
    return f"{offset} and {zone}"


class _Ended(Exception):
    """It was told to end."""


@dataclass(slots=True)
class _Rounds:
    """What is done again and again."""

    index: Index
    encoder: Encoder
    detecting: Detecting
    folders: Sequence[Path]
    crew: _Crew
    say: Callable[[str], None]
    ended: Callable[[], bool]
    settings: WatchSettings
    said: set[str] = field(default_factory=set)
    keep_at: float = 0.0
    memory: Memory = field(default_factory=Memory)
    fold_at: float = 0.0
    look_at: float = 0.0

    def run(self) -> None:
        with suppress(_Ended):
            while True:
                self._heed()
                self._round()
                self._rest()

    def _round(self) -> None:
        wrong = self.said if self.folders else set()
        try:
            if time.monotonic() >= self.keep_at:
                self._forget()
            if self.folders:
                wrong = self._index()
            if time.monotonic() >= self.fold_at:
                self._fold()
        except IndexFault as error:
            self._say_new({*wrong, str(error)})
        else:
            self._say_new(wrong)

    def _forget(self) -> None:
        """Delete whom the index keeps no longer, before anything else is read."""
        forget_expired(self.index, time.time())
        self.keep_at = time.monotonic() + _KEEP

    def _index(self) -> set[str]:
        """Index what came; what is wrong with which file, a line each."""
        report = index_paths(
            self.index,
            self.encoder,
            self.folders,
            self._heed,
            detecting=self.detecting,
            settled=self.settings.settled,
            memory=self.memory,
            on_watched=self._heed,
            fold=False,
            **self.settings.indexing,
        )
        if report.indexed or report.removed:
            self.say(_summary(report))
        return {f"{failure.path}: {failure.reason}" for failure in report.failed}

    def _fold(self) -> None:
        """Work out what counts once; of a large index that takes a while, and is done more seldom."""
        start = time.monotonic()
        self.index.fold()
        took = time.monotonic() - start
        self.fold_at = time.monotonic() + max(_FOLD, _FOLD * took)

    def _rest(self) -> None:
        until = time.monotonic() + self.settings.pause
        while time.monotonic() < until:
            self._heed()
            time.sleep(min(_LOOK, self.settings.pause))

    def _heed(self, *_: int) -> None:
        """Between two files and between two commits: look after the cameras, and end if told to."""
        now = time.monotonic()
        if now >= self.look_at:
            self.crew.look()
            self.look_at = now + _LOOK
        if self.ended():
            raise _Ended

    def _say_new(self, wrong: set[str]) -> None:
        """Say what is wrong, but not again what was wrong in the round before."""
        for text in sorted(wrong - self.said):
            self.say(text)
        self.said = wrong


def _summary(report: IndexReport) -> str:
    people = report.tracks + report.people + report.crops
    return f"{report.indexed} files indexed with {people} people" + (f", {report.removed} removed" if report.removed else "")


@dataclass(slots=True)
class _Member:
    """A camera, its process, and when that is to be started again if it ended by itself."""

    source: CameraSource
    process: SpawnProcess | None = None
    started: float = 0.0
    again: float = 0.0
    pause: float = 1.0
    told: tuple[bool, str | None] = (False, None)


class _Crew:
    """A process for each camera, started again when it ends; all end when this is left."""

    def __init__(
        self,
        place: IndexPlace,
        folder: Path,
        models: Models,
        cameras: Sequence[CameraSource],
        pace: Pace,
        say: Callable[[str], None],
    ) -> None:
        self._place, self._folder, self._models, self._pace, self._say = place, folder, models, pace, say
        self._context = get_context("spawn")
        self._members = [_Member(camera) for camera in cameras]

    def __enter__(self) -> _Crew:
        return self

    def __exit__(self, *_: object) -> None:
        processes = [member.process for member in self._members if member.process]
        for process in processes:
            process.terminate()
        until = time.monotonic() + _PATIENCE
        for process in processes:
            process.join(max(0.0, until - time.monotonic()))
            process.kill()
            process.join()

    def look(self) -> None:
        """Start who is to be started, and say what became of each camera."""
        states = {state.name: state for state in read_states(self._folder)} if self._members else {}
        for member in self._members:
            if member.process and not member.process.is_alive():
                self._rest(member)
            elif member.process is None and time.monotonic() >= member.again:
                self._start(member)
            elif state := states.get(member.source.name):
                self._tell(member, state)

    def _start(self, member: _Member) -> None:
        arguments = self._place, self._folder, self._models, member.source, self._pace
        member.process = self._context.Process(target=run_camera, args=arguments, name=member.source.name, daemon=True)
        member.process.start()
        member.started = time.monotonic()

    def _rest(self, member: _Member) -> None:
        """After a process ended by itself."""
        lasted = time.monotonic() - member.started
        member.pause = 1.0 if lasted > _LASTED else min(2 * member.pause, _LONGEST_PAUSE)
        member.again, member.process = time.monotonic() + member.pause, None
        before = read_state(self._folder, member.source.name)
        now = stopped(before, (None if before.connected else before.error) or "its process ended")
        write_state(self._folder, now)
        self._tell(member, now)

    def _tell(self, member: _Member, state: CameraState) -> None:
        told = state.connected, state.error
        if told != member.told and (state.connected or state.error):
            self._say(f"{state.name}: {'connected' if state.connected else 'offline'}{f': {state.error}' if state.error else ''}")
            member.told = told


def run_camera(place: IndexPlace, folder: Path, models: Models, source: CameraSource, pace: Pace) -> None:
    """What a camera's process does, until SIGTERM or until its parent is gone. What stops it is said in the camera's state, in a folder."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; the parent tells when to end
    parent = parent_process()

    def go_on() -> bool:
        return not told() and (parent is None or parent.is_alive())

    with ended_by(signal.SIGTERM) as told:
        _run(place, folder, models, source, pace, go_on)


def _run(place: IndexPlace, folder: Path, models: Models, source: CameraSource, pace: Pace, go_on: Callable[[], bool]) -> None:
    try:
        encoder, detecting = models()
        with create_index(place, encoder) as index, LiveCamera(source, pace) as camera:
            watch_live(index, folder, encoder, Watching(detecting, source.fps), camera, source.name, go_on)
    except (PasserbyError, OSError) as error:
        write_state(folder, stopped(read_state(folder, source.name), str(error)))
        raise SystemExit(1) from None


@contextmanager
def ended_by(*signals: signal.Signals) -> Iterator[Callable[[], bool]]:
    """Says whether one of some signals came; the same once more ends the process, as if nobody had listened."""
    before = {number: signal.getsignal(number) for number in signals}
    came: list[int] = []

    def end(number: int, _: object) -> None:
        came.append(number)
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, end)
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
