"""An index by its name: a folder, or a URL that says which kind it is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from passerby.errors import IndexFault
from passerby.extras import needs_extra
from passerby.index.base import Index
from passerby.inputs import AnyPath, as_path
from passerby.model.encoder import Encoder

_IN_POSTGRES: Final = re.compile(r"postgres(ql)?://")
_URL: Final = re.compile(r"[a-z][a-z0-9+.-]+:/")
"""Where a URL stands as a path, which has lost one of its slashes."""


def open_index(place: AnyPath) -> Index:
    """Open an index that exists.

    Args:
        place: its folder, or its URL.

    Raises:
        InputError: neither.
        IndexFault: there is none, or it is damaged, of a newer version, or of a kind that is not known.
    """
    from passerby.index.sqlite.index import Index as InFolder

    if (url := _in_postgres(place)) is not None:
        with needs_extra("cluster"):
            from passerby.index.postgres.index import Index as InPostgres
        return InPostgres.open_url(url)
    return InFolder.open(_folder(place))


def create_index(place: AnyPath, encoder: Encoder, *, rebuild: bool = False) -> Index:
    """Open an index to be written with ``encoder``, made where there is none.

    Args:
        place: its folder, or its URL.
        rebuild: forget everything it holds, whichever model that came from; who is kept out stays out.

    Raises:
        InputError: an argument of the wrong kind.
        IndexFault: it cannot be written, is damaged, of a newer version, of another model, or of a kind that is not known.
    """
    from passerby.index.memory import MemoryIndex
    from passerby.index.sqlite.index import Index as InFolder

    if place == "memory://":
        return MemoryIndex(encoder)
    if (url := _in_postgres(place)) is not None:
        with needs_extra("cluster"):
            from passerby.index.postgres.index import Index as InPostgres
        return InPostgres.create_at(url, encoder, rebuild=rebuild)
    return InFolder.create(_folder(place), encoder, rebuild=rebuild)


def is_url(place: object) -> bool:
    """Whether a place is the URL of an index, and no folder."""
    return isinstance(place, str) and _IN_POSTGRES.match(place) is not None


def _in_postgres(place: AnyPath) -> str | None:
    """The URL of an index in PostgreSQL, if it is one."""
    return place if isinstance(place, str) and is_url(place) else None


def _folder(place: AnyPath) -> Path:
    folder = as_path(place, "an index's folder, a str or a Path")
    if _URL.match(str(folder)):
        raise IndexFault(expected="an index's folder", found=f"{folder}, a URL of no known kind", do="name a folder")
    return folder
