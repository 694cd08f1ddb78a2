"""Cameras whose clocks go wrong, corrected without indexing again."""

from __future__ import annotations

from dataclasses import replace

from passerby.errors import QueryError
from passerby.index.base import Index, as_index
from passerby.media.clock import Camera, as_camera_name, as_zone, read_correction


def correct_camera(index: Index, name: str, offset: str | None = None, zone: str | None = None, *, new: bool = False) -> Camera:
    """Correct a camera's clock: all times of its pictures follow, those that are indexed and those to come.

    Args:
        offset: what to add to what it shows, such as ``+1h 3m`` where it is slow; ``None`` leaves it.
        zone: in which it tells the time; ``None`` leaves it.
        new: whether it may be one that the index does not know yet.

    Returns:
        the camera as it is known now.

    Raises:
        InputError: an argument that cannot be read.
        QueryError: the index knows no such camera.
        IndexFault: the index cannot be written.
    """
    index, name = as_index(index), as_camera_name(name)
    known = {camera.name: camera for camera in index.cameras()}
    if name not in known and not new:
        there = ", ".join(sorted(known)) or "it has none"
        raise QueryError(expected=f"a camera of this index: {there}", found=f"no camera {name!r}", do="correct --camera")
    camera = known.get(name, Camera(name))
    if offset is not None:
        camera = replace(camera, offset_seconds=read_correction(offset))
    if zone is not None:
        camera = replace(camera, zone=as_zone(zone))
    hold_clock(index, camera)
    return camera


def hold_clock(index: Index, camera: Camera) -> Camera | None:
    """Let a camera's clock be corrected by this and by nothing else; how it was corrected before, ``None`` of one that was not known.

    Raises:
        IndexFault: the index cannot be written.
    """
    before = next((known for known in index.cameras() if known.name == camera.name), None)
    if camera != before:
        with index.writing():
            index.correct(camera)
    return before
