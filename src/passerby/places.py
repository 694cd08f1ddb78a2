"""Where things are that nobody named a place for: the user's index, and what is kept because it takes long to make.

A home is looked for only where nothing was named, and nothing here touches the disk.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from passerby.errors import ConfigError

IndexPlace = Path | str
"""Where an index is: a folder, or a URL as it was written."""

_URL: Final = re.compile(r"postgres(ql)?://")


def is_url(place: object) -> bool:
    """Whether a place is the URL of an index, and no folder."""
    return isinstance(place, str) and _URL.match(place) is not None


def index_folder(named: IndexPlace | None = None) -> IndexPlace:
    """Where the index is: where it is named, else in the user's data folder. Raises ``ConfigError`` without a home."""
    if isinstance(named, str):
        return named
    if named:
        return expanded(named)
    from platformdirs import user_data_path

    return _of_user(user_data_path, "index", "name the index with --index or PASSERBY_INDEX")


def data_folder(name: str) -> Path:
    """A folder of the user's data. Raises ``ConfigError`` without a home."""
    from platformdirs import user_data_path

    return _of_user(user_data_path, name, "use a machine with one")


def engines_folder() -> Path:
    """Where engines are kept: ``$PASSERBY_ENGINES``, else the user's cache. Raises ``ConfigError`` without a home."""
    if named := os.environ.get("PASSERBY_ENGINES"):
        return expanded(Path(named))
    from platformdirs import user_cache_path

    return _of_user(user_cache_path, "engines", "name their folder with PASSERBY_ENGINES")


def reference_folder() -> Path:
    """Where the CLIPs are kept that speed is measured beside: the user's cache. Raises ``ConfigError`` without a home."""
    from platformdirs import user_cache_path

    return _of_user(user_cache_path, "reference", "name a folder for caches with XDG_CACHE_HOME")


def expanded(path: Path) -> Path:
    """A path whose leading ``~`` is a home, so that no folder of that name is made. Raises ``ConfigError`` without such a home."""
    if not str(path).startswith("~"):
        return path
    try:
        full = path.expanduser()
    except RuntimeError:
        full = path
    if full.is_absolute():
        return full
    raise ConfigError(expected=f"a home folder for the ~ of {path}", found="none", do="write the path in full, or set HOME")


def _of_user(folder: Callable[..., Path], name: str, do: str) -> Path:
    try:
        return folder("passerby", appauthor=False) / name
    except RuntimeError:
        raise ConfigError(expected="a home folder for what Passerby keeps", found="none", do=f"{do}, or set HOME") from None
