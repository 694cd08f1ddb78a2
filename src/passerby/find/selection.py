"""Selections as they are typed and told: cameras, times, folders."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from passerby.errors import QueryError
from passerby.find.moment import read_moment
from passerby.index.selection import Selection
from passerby.inputs import AnyPaths, as_paths, as_texts
from passerby.media.clock import Camera, as_camera_name, clock_text
from passerby.media.scan import absolute


def read_selection(
    cameras: Sequence[str] = (),
    start: str | None = None,
    end: str | None = None,
    folders: AnyPaths = (),
    *,
    now: float,
    zone: str | None = None,
) -> Selection:
    """A selection as it is typed.

    Args:
        cameras: names.
        start, end: times, as :func:`passerby.find.moment.read_moment` reads them; a day as the end is part of it.
        folders: absolute, or from the working folder.
        now: in seconds since 1970.
        zone: to read times in; ``None`` says the machine's. See :func:`common_zone`.

    Raises:
        QueryError: a time that cannot be read, or an end that is not after the start.
        InputError: names or folders that cannot be, or a zone that this machine does not know.
    """
    first = None if start is None else read_moment(start, now, zone)
    last = None if end is None else read_moment(end, now, zone, ends=True)
    if first is not None and last is not None and first >= last:
        found = f"--from {start} ({clock_text(first, zone)}) and --to {end} ({clock_text(last, zone)})"
        raise QueryError(expected="a --to that is later than --from", found=found, do="correct one of them")
    names = dict.fromkeys(map(as_camera_name, as_texts(cameras)))
    return Selection(tuple(names), first, last, tuple(dict.fromkeys(map(absolute, as_paths(folders)))))


def common_zone(cameras: Iterable[Camera]) -> str | None:
    """The zone of all these cameras, so that times are read as they are shown; the machine's, ``None``, where they have several."""
    zones = {camera.zone for camera in cameras}
    return zones.pop() if len(zones) == 1 else None


def selected(selection: Selection, zone: str | None = None) -> str:
    """What a selection says, in a few words; empty for everybody."""
    parts = [f"camera {name}" for name in selection.cameras]
    parts += [f"{word} {clock_text(at, zone)}" for word, at in (("from", selection.start), ("to", selection.end)) if at is not None]
    return ", ".join([*parts, *(f"in {folder}" for folder in selection.folders)])
