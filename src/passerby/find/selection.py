"""Selections as they are typed and told: cameras, times, folders."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from passerby.devices import folder_of, is_device_name, path_at_centre, told
from passerby.errors import QueryError
from passerby.find.moment import read_moment
from passerby.index.base import Index
from passerby.index.selection import EVERYBODY, Selection
from passerby.inputs import AnyPaths, as_paths, as_texts
from passerby.media.clock import as_camera_name, clock_text


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
        zone: to read times in; ``None`` says the machine's.

    Raises:
        QueryError: a time that cannot be read, or an end that is not after the start.
        InputError: names or folders that cannot be, or a zone that this machine does not know.
    """
    from passerby.media.scan import absolute  # what walks folders is loaded for a selection alone

    first = None if start is None else read_moment(start, now, zone)
    last = None if end is None else read_moment(end, now, zone, ends=True)
    if first is not None and last is not None and first >= last:
        found = f"--from {start} ({clock_text(first, zone)}) and --to {end} ({clock_text(last, zone)})"
        raise QueryError(expected="a --to that is later than --from", found=found, do="correct one of them")
    names = dict.fromkeys(map(as_camera_name, as_texts(cameras)))
    return Selection(tuple(names), first, last, tuple(dict.fromkeys(map(absolute, as_paths(folders)))), zone)


def read_selection_in(
    index: Index, cameras: Sequence[str], start: str | None, end: str | None, folders: AnyPaths, devices: Sequence[str] = ()
) -> Selection:
    """A selection as it is typed now about an index. Times are read in the zone of :func:`zone_of`.

    Args:
        devices: that pushed to the index, by their names; folders are then those of the devices.

    Raises:
        As `read_selection`; ``QueryError`` too for a device that pushed nobody.
    """
    if not cameras and start is None and end is None and not folders and not devices:
        return EVERYBODY
    zone = zone_of(index, cameras) if start is not None or end is not None else None
    said = read_selection(cameras, start, end, folders, now=time.time(), zone=zone)
    return replace(said, folders=tuple(_of_devices(index, devices, said.folders))) if devices else said


def zone_of(index: Index, cameras: Sequence[str] = ()) -> str | None:
    """The zone in which times of these cameras, or of all, are read: the one that all of their clocks told; ``None``, which says the
    machine's, where they are several."""
    zones = index.zones(cameras)
    return zones.pop() if len(zones) == 1 else None


def _of_devices(index: Index, devices: Sequence[str], folders: Sequence[Path]) -> Iterator[Path]:
    """The folders of devices, or all that is of them."""
    for device in dict.fromkeys(as_texts(devices)):
        known = is_device_name(device) and index.selected(Selection(folders=(folder_of(device),), static=True)).people
        if not known:
            raise QueryError(expected="a device that pushed people here", found=f"no device {device!r}", do="correct --device")
        yield from (path_at_centre(device, folder) for folder in folders or [Path("/")])


def selected(selection: Selection) -> str:
    """What a selection says, in a few words; empty for everybody."""
    bounds = ("from", selection.start), ("to", selection.end)
    parts = [f"camera {name}" for name in selection.cameras]
    parts += [f"{word} {clock_text(at, selection.zone)}" for word, at in bounds if at is not None]
    return ", ".join([*parts, *map(told, selection.folders)])
