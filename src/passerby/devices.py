"""Devices that push what they found to a centre: their names, and the paths that their media have there."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

ROOT: Final = Path("/device:")
"""Below it lie, in the index of a centre, the media of devices, each in a folder of the device's name; it is no folder of a disk."""

CAMERAS: Final = Path("/camera:")
"""Below it lie, as they are told to a centre, the media of live cameras, whose paths are relative."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)


def is_device_name(name: str) -> bool:
    """Whether a device can be called so: 1 to 63 letters, digits, dots, dashes and underscores, the first one no mark."""
    return _NAME.fullmatch(name) is not None


def folder_of(device: str) -> Path:
    """Where all media of a device lie."""
    return ROOT / device


def path_as_told(path: Path) -> Path:
    """The path by which a device tells of a media; absolute, whether or not it is a file."""
    return path if path.is_absolute() else CAMERAS / path


def path_on_device(path: Path) -> Path:
    """The same, the other way round."""
    return path.relative_to(CAMERAS) if path.is_relative_to(CAMERAS) else path


def path_at_centre(device: str, path: Path) -> Path:
    """The path that a device's media, or a folder of it, has at its centre."""
    told = path_as_told(path)
    return ROOT / device / told.relative_to(told.anchor)


def told(path: Path) -> str:
    """A path of a centre as people are told it: which device, and where there."""
    device, own = device_and_path(path)
    if device is None:
        return f"in {own}"
    return f"device {device}" if own == Path("/") else f"in {own} of device {device}"


def device_and_path(path: Path) -> tuple[str | None, Path]:
    """The device whose media this is, ``None`` for this machine, and the path that it has there."""
    text = os.fspath(path)
    prefix = f"{ROOT}/"
    if not text.startswith(prefix):
        return None, path
    device, _, rest = text.removeprefix(prefix).partition("/")
    return device, path_on_device(Path("/", rest))
