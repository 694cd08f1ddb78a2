"""What is watched: folders and cameras' addresses as they are typed, and cameras from a file that only its owner can read."""

from __future__ import annotations

import os
import re
import shlex
import stat
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from passerby.errors import ConfigError, PasserbyError
from passerby.media.camera import CameraSource, is_address, require_address
from passerby.media.clock import Camera, as_camera_name, as_zone, read_correction

_TEXTS: Final = ("name", "address", "user", "password_env", "offset", "zone")
_KEYS: Final = (*_TEXTS, "fps")
_ASKS_FOR_PASSWORD: Final = re.compile(r"[?&;](?:pass|passwd|password|pwd)=", re.IGNORECASE)
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_TABLE: Final = "camera"


def read_sources(sources: Iterable[str], file: Path | None = None, fps: float = 5.0) -> tuple[tuple[Path, ...], tuple[CameraSource, ...]]:
    """The folders and the cameras that are named.

    Args:
        sources: folders, and addresses of cameras that ask for no password.
        file: of more cameras, as :func:`read_cameras` reads it.
        fps: of cameras that do not say it themselves.

    Raises:
        ConfigError: nothing is named, a folder is not there, a file cannot be used, or two cameras have one name.
        InputError: an address that cannot be.
    """
    named = list(sources)
    folders = tuple(Path(one) for one in named if not is_address(one))
    for folder in folders:
        if not folder.is_dir():
            found = "a file" if folder.exists() else "nothing"
            do = "name the folder that a recorder writes to, an rtsp:// address, or --cameras FILE"
            raise ConfigError(expected=f"a folder at {folder}", found=found, do=do)
    cameras = [_at(address, fps) for address in named if is_address(address)]
    cameras += [] if file is None else read_cameras(file, fps)
    if not (folders or cameras):
        do = "name a folder, an rtsp:// address, or a file with --cameras"
        raise ConfigError(expected="something to watch", found="nothing", do=do)
    twice = [name for name, count in Counter(camera.name for camera in cameras).items() if count > 1]
    if twice:
        raise ConfigError(expected="cameras of different names", found=f"two called {twice[0]!r}", do="rename one in a file for --cameras")
    return folders, tuple(cameras)


def read_cameras(file: Path, fps: float = 5.0, environment: Mapping[str, str] = os.environ) -> list[CameraSource]:
    """The cameras of a TOML file, a table ``[[camera]]`` each, with ``name``, ``address``, and what else is needed of ``user``,
    ``password_env``, ``fps``, ``offset`` and ``zone``.

    Raises:
        ConfigError: a file that is not there, that others may read, or of other keys or values; or a variable that is not set.
    """
    text = _read_private(file)
    try:
        written = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(expected=f"TOML in {file}", found=str(error), do="correct that line") from None
    if unknown := sorted(set(written) - {_TABLE}):
        raise _wrong(file, f"tables [[{_TABLE}]]", repr(unknown[0]))
    tables = written.get(_TABLE, [])
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise _wrong(file, f"at least one table [[{_TABLE}]]", "none")
    return [_camera(file, number, table, fps, environment) for number, table in enumerate(tables, 1)]


def _read_private(file: Path) -> str:
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
        if mode & _OTHERS:
            do = f"run: chmod 600 {shlex.quote(str(file))}"
            raise ConfigError(expected=f"a file that only its owner can read, {file}", found=f"mode {mode:o}", do=do)
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ConfigError(expected=f"TOML in {file}", found="bytes that are no UTF-8", do="save it as UTF-8") from None
    except OSError as error:
        found = (error.strerror or type(error).__name__).lower()
        raise ConfigError(expected=f"a file of cameras at {file}", found=found, do="correct --cameras") from None


def _camera(file: Path, number: int, table: Mapping[str, Any], fps: float, environment: Mapping[str, str]) -> CameraSource:
    which = f"camera {number} of {file}"
    if unknown := [key for key in table if key not in _KEYS]:
        raise _wrong(file, f"keys of a camera ({', '.join(_KEYS)})", repr(unknown[0]))
    for key in ("name", "address"):
        if key not in table:
            raise _wrong(file, f"{key} of camera {number}", "none")
    for key in _TEXTS:
        if key in table and not (isinstance(table[key], str) and table[key]):
            raise _wrong(file, f"{key} of camera {number}, a text", repr(table[key]))
    variable = table.get("password_env")
    if variable is not None and not environment.get(variable):
        found, do = "none that is set", f"set it where passerby is started: export {variable}=…"
        raise ConfigError(expected=f"the password of {which} in the variable {variable}", found=found, do=do)
    if variable is not None and "user" not in table:
        raise _wrong(file, f"user of camera {number}, beside its password", "none")
    password = None if variable is None else environment[variable]
    try:
        clock = _clock(table["name"], table.get("offset"), table.get("zone"))
        return CameraSource(table["name"], table["address"], table.get("user"), password, table.get("fps", fps), clock)
    except PasserbyError as error:
        raise ConfigError(expected=f"in {which} {error.expected}", found=error.found, do=error.do) from None


def _clock(name: str, offset: str | None, zone: str | None) -> Camera:
    """A camera's clock; what is not written down is no offset, and this machine's zone."""
    return Camera(as_camera_name(name), 0.0 if offset is None else read_correction(offset), None if zone is None else as_zone(zone))


def _at(address: str, fps: float) -> CameraSource:
    """A camera that is known by its host."""
    require_address(address)
    if _ASKS_FOR_PASSWORD.search(address):
        do = "name the address in a file for --cameras: others see what is typed"
        raise ConfigError(expected="an address without a password", found="one with a password in its query", do=do)
    return CameraSource(urlsplit(address).netloc, address, fps=fps)


def _wrong(file: Path, expected: str, found: str) -> ConfigError:
    return ConfigError(expected=f"{expected} in {file}", found=found, do="correct the file")
