"""The devices that push to a service: when each was there, of which model it is, and which of them must upgrade."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from passerby.devices import folder_of
from passerby.errors import ConfigError
from passerby.index.base import Index
from passerby.index.selection import Selection
from passerby.service.private import changing, write_private, written

FILE_NAME: Final = "devices.json"


@dataclass(frozen=True, slots=True)
class Device:
    """What is kept of a device.

    Args:
        index: the id of its index that the centre holds; empty before the first.
        model, digest: that made its index, as it said the last time.
        seen: when it was there for the last time, in seconds since 1970.
        ahead: how many seconds its clock was ahead then.
    """

    name: str
    index: str = ""
    model: str = ""
    digest: str = ""
    seen: float = 0.0
    ahead: float = 0.0


@dataclass(frozen=True, slots=True)
class Standing:
    """How a device stands to its centre.

    Args:
        people: whom it pushed.
        must_upgrade: whether its model is another than the centre's, so that it pushes nobody any more.
    """

    device: Device
    people: int
    must_upgrade: bool

    def to_json(self) -> dict[str, Any]:
        """Ready for ``json.dumps``."""
        return {**asdict(self.device), "people": self.people, "must_upgrade": self.must_upgrade}


class Devices:
    """The devices that were there, in a file of a service's folder."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE_NAME

    def all(self) -> dict[str, Device]:
        """By name. Raises ``ConfigError`` for a file that cannot be read."""
        try:
            kept = json.loads(self._file.read_text(encoding="utf-8"))
            return {one["name"]: Device(**one) for one in kept}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError) as error:
            found = str(error) or type(error).__name__
            raise ConfigError(expected=f"devices in {self._file}", found=found, do="mend the file, or delete it") from error

    def get(self, name: str) -> Device:
        return self.all().get(name, Device(name))

    def keep(self, name: str, **facts: Any) -> None:
        """Keep what is new of a device. Raises ``ServiceBusy`` where it cannot be written, and as :meth:`all` does."""
        with written("the list of devices"), changing(self._file.parent):
            known = self.all()
            known[name] = replace(known.get(name, Device(name)), **facts)
            write_private(self._file, json.dumps([asdict(one) for _, one in sorted(known.items())], indent=1).encode())


def standings(index: Index, folder: Path) -> list[Standing]:
    """How the devices that were there stand to an index, by name; in a folder is what its service keeps. Raises ``ConfigError``."""
    model = index.info().model
    return [
        Standing(
            device,
            index.selected(Selection(folders=(folder_of(name),), static=True)).people,
            model is not None and device.digest != model.digest,
        )
        for name, device in sorted(Devices(folder).all().items())
    ]
