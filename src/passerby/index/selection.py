"""Who is searched at all: those of some cameras, of a stretch of time, of some folders; and what a database is asked for it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path
from typing import Final

from passerby.errors import QueryError
from passerby.inputs import wrong
from passerby.media.clock import Camera, as_zone
from passerby.types import is_tuple_of


@dataclass(frozen=True, slots=True)
class Selection:
    """Which people a question is about; those who fit all that is given.

    Args:
        cameras: names; none says all, and those of no known camera too.
        start: the first instant, in seconds since 1970, by a clock that goes right; ``None`` says all before ``end``.
        end: the first instant after it; ``None`` says all from ``start`` on.
        folders: absolute; files in them, however deep, and files that are named themselves; none says all.
        zone: to tell its times in; ``None`` says the machine's.
        static: also things that look like people and never move.

    Raises:
        InputError: none of these, or an end that is not after the start.
    """

    cameras: tuple[str, ...] = ()
    start: float | None = None
    end: float | None = None
    folders: tuple[Path, ...] = ()
    zone: str | None = field(default=None, compare=False)
    static: bool = False

    def __post_init__(self) -> None:
        if not is_tuple_of(str, self.cameras):
            raise wrong(self.cameras, "a tuple of cameras' names")
        if not is_tuple_of(Path, self.folders) or not all(folder.is_absolute() for folder in self.folders):
            raise wrong(self.folders, "a tuple of absolute folders, each a Path")
        for bound in (self.start, self.end):
            if bound is not None and (not isinstance(bound, int | float) or isinstance(bound, bool) or not -inf < bound < inf):
                raise wrong(bound, "finite seconds since 1970, or None")
        if self.start is not None and self.end is not None and self.start >= self.end:
            raise wrong((self.start, self.end), "an end after the start")
        if self.zone is not None:
            as_zone(self.zone)

    @property
    def is_timed(self) -> bool:
        return self.start is not None or self.end is not None

    @property
    def is_everybody(self) -> bool:
        """Whether nobody is left out but, maybe, things."""
        return replace(self, static=False) == Selection()

    def matches(self, path: Path, camera: str | None, at: float | None, offset_seconds: float = 0.0) -> bool:
        """Whether somebody is selected: the slow and obvious way, which :class:`Conditions` are held against.

        Args:
            path: of the file, absolute.
            camera: ``None`` where it is not known; then no camera that is asked for is it.
            at: seconds since 1970 as the camera's clock had it; ``None`` where it is not known; then it is in no stretch of time.
            offset_seconds: of the camera.
        """
        of_camera = not self.cameras or camera in self.cameras
        in_time = not self.is_timed or (at is not None and self._window.moved(-offset_seconds).holds(at))
        in_folder = not self.folders or any(path.is_relative_to(folder) for folder in self.folders)
        return of_camera and in_time and in_folder

    def conditions(self, cameras: Iterable[Camera] = ()) -> Conditions:
        """The same for an index, which keeps times as the cameras' clocks had them.

        Args:
            cameras: all that the index knows.

        Raises:
            QueryError: a camera is selected that is not among them.
        """
        known = {camera.name: camera for camera in cameras}
        if unknown := [name for name in self.cameras if name not in known]:
            found = f"no camera {unknown[0]!r}"
            raise QueryError(
                expected=f"a camera of this index: {', '.join(sorted(known)) or 'it has none'}", found=found, do="correct --camera"
            )
        asked = [camera for name, camera in known.items() if camera.offset_seconds and (not self.cameras or name in self.cameras)]
        return Conditions(
            cameras=self.cameras or None,
            window=self._window if self.is_timed else None,
            corrected={camera.name: self._window.moved(-camera.offset_seconds) for camera in asked} if self.is_timed else {},
            places=tuple(map(Place.of, self.folders)) or None,
            static=self.static,
        )

    @property
    def _window(self) -> Window:
        return Window(-inf if self.start is None else self.start, inf if self.end is None else self.end)


@dataclass(frozen=True, slots=True)
class Window:
    """From ``start`` on and before ``end``, in seconds since 1970."""

    start: float
    end: float

    def moved(self, seconds: float) -> Window:
        return Window(self.start + seconds, self.end + seconds)

    def holds(self, at: float) -> bool:
        return self.start <= at < self.end


@dataclass(frozen=True, slots=True)
class Place:
    """A folder and all below it, as bytes: paths that are ``path``, or that are more than ``below`` and less than ``beyond``."""

    path: bytes
    below: bytes
    beyond: bytes

    @classmethod
    def of(cls, folder: Path) -> Place:
        path, separator = os.fsencode(folder), os.fsencode(os.sep)
        below = path.removesuffix(separator) + separator
        return cls(path, below, below[:-1] + bytes([below[-1] + 1]))


@dataclass(frozen=True, slots=True)
class Conditions:
    """A selection as an index asks for it; all that are not ``None`` hold.

    Args:
        cameras: one of these.
        window: the time that is kept is in it, for cameras that are not in ``corrected``; who has no time is in none.
        corrected: likewise by camera.
        places: the path is in one of these.
        static: things that look like people pass, too.
    """

    cameras: tuple[str, ...] | None = None
    window: Window | None = None
    corrected: Mapping[str, Window] = field(default_factory=dict)
    places: tuple[Place, ...] | None = None
    static: bool = False

    def seconds_of(self, camera: str | None, started_at: float | None, seconds: float) -> float:
        """How much is in the window of a video that is so long; 0 too where there is a window and it is not known when it began."""
        if self.window is None:
            return seconds
        window = self.corrected.get(camera or "", self.window)
        return 0.0 if started_at is None else max(0.0, min(window.end, started_at + seconds) - max(window.start, started_at))

    def holds_some_of(self, camera: str | None, started_at: float | None, start: float, end: float) -> bool:
        """Whether some of a stretch of a video is in the window; all is where there is none."""
        return self.window is None or (started_at is not None and self.seconds_of(camera, started_at + start, end - start) > 0)


EVERYBODY: Final = Selection()
