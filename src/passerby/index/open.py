"""An index by its name: a folder, or a URL that says which kind it is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from passerby.errors import IndexFault
from passerby.extras import needs_extra
from passerby.index.base import Copyable, Index
from passerby.index.info import IndexedModel
from passerby.inputs import AnyPath, as_path
from passerby.model.encoder import Encoder
from passerby.places import is_url

if TYPE_CHECKING:
    from passerby.index.postgres.index import Index as InPostgres

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

    if is_url(place):
        return _in_postgres().open_url(str(place))
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
    from passerby.index.memory.index import MemoryIndex
    from passerby.index.sqlite.index import Index as InFolder

    if place == "memory://":
        return MemoryIndex(encoder)
    if is_url(place):
        return _in_postgres().create_at(str(place), encoder, rebuild=rebuild)
    return InFolder.create(_folder(place), encoder, rebuild=rebuild)


def create_index_of(place: AnyPath, model: IndexedModel) -> Copyable:
    """Open an index to be written with rows of a model, made where there is none.

    Raises:
        InputError: no place.
        IndexFault: as of `create_index`.
    """
    from passerby.index.sqlite.index import Index as InFolder

    if is_url(place):
        return _in_postgres().create_at_of(str(place), model)
    return InFolder.create_of(_folder(place), model)


def _in_postgres() -> type[InPostgres]:
    with needs_extra("cluster"):
        from passerby.index.postgres.index import Index

    return Index


def _folder(place: AnyPath) -> Path:
    folder = as_path(place, "an index's folder, a str or a Path")
    if _URL.match(str(folder)):
        raise IndexFault(expected="an index's folder", found=f"{folder}, a URL of no known kind", do="name a folder")
    return folder
