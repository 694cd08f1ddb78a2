"""Pictures of people whose files are on devices: their frames, asked of the device, or else the small pictures that it pushed."""

from __future__ import annotations

import time
import tomllib
from collections import OrderedDict
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import Any, Final

from PIL import Image

from passerby.devices import is_device_name
from passerby.errors import ConfigError, ServiceFault
from passerby.find.push.link import Frames, Unreachable, read_token
from passerby.types import Crop, Person

_SECONDS: Final = 5.0
_KEPT: Final = 32
_AWAY: Final = 30.0
"""Seconds for which a device that did not answer is not asked again."""
_LARGEST: Final = (4096, 4096)


@dataclass(slots=True)
class Elsewhere:
    """Devices that may be asked for frames: those that the operator wrote into a file, and no others.

    Args:
        devices: by name.
    """

    devices: dict[str, Frames] = field(default_factory=dict)
    _known: OrderedDict[tuple[str, str, Crop], bytes] = field(default_factory=OrderedDict)
    _away: dict[str, float] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    @classmethod
    def read(cls, file: Path | None) -> Elsewhere:
        """The devices of a TOML file: a table for each by its name, with ``url``, ``token_file`` and, where needed, ``ca``.

        Raises:
            ConfigError: the file cannot be read, or says something else.
        """
        if file is None:
            return cls()
        try:
            said = tomllib.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigError(expected=f"devices in TOML at {file}", found=str(error), do="correct --devices") from None
        return cls({name: _device(file, name, table) for name, table in said.items()})

    def frame(self, person: Person, crop: Crop) -> bytes | None:
        """The whole photo or frame that somebody is in, as JPEG with a frame around them; ``None`` where their device is away.

        It is asked for at most once in a while, and what it answered is kept for a moment.
        """
        device, path = person.media.pushed_by, person.media.own_path
        if device is None or device not in self.devices:
            return None
        key = device, str(path), crop
        with self._lock:
            known = self._known
            if key in known or time.monotonic() < self._away.get(device, 0.0):
                return known.get(key)
        picture = self._ask(device, person, crop)
        if picture is not None:
            with self._lock:
                known[key] = picture
                while len(known) > _KEPT:
                    known.popitem(last=False)
        return picture

    def forget(self) -> None:
        """Keep no picture any more, and none that is being asked for now."""
        with self._lock:
            self._known = OrderedDict()

    def _ask(self, device: str, person: Person, crop: Crop) -> bytes | None:
        try:
            picture = self.devices[device].frame(person.media.own_path, person.track, crop)
        except Unreachable:
            self._away[device] = time.monotonic() + _AWAY
            return None
        except ServiceFault:  # the file is not there any more, or the device does not know this centre
            return None
        return picture if _is_jpeg(picture) else None


def _device(file: Path, name: str, table: Any) -> Frames:
    """Raises ``ConfigError`` for a table that names no device."""
    match table:
        case {"url": str(url), "token_file": str(token), **rest} if is_device_name(name) and not rest.keys() - {"ca"}:
            ca = rest.get("ca")
            return Frames(url, read_token(file.parent / token), None if ca is None else file.parent / str(ca), _SECONDS)
    expected = "a table of a device's name with url, token_file and, where needed, ca"
    raise ConfigError(expected=expected, found=f"[{name}] in {file}", do="correct --devices")


def _is_jpeg(data: bytes) -> bool:
    try:
        with Image.open(BytesIO(data), formats=("JPEG",)) as picture:
            return picture.width <= _LARGEST[0] and picture.height <= _LARGEST[1]
    except Exception:
        return False
