"""Which column of somebody's table holds what."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from passerby.errors import DatasetError

KNOWN: Final[Mapping[str, tuple[str, ...]]] = {
    "path": ("path", "file_path", "image_path", "img_path", "image", "img", "file", "filename"),
    "caption": ("caption", "captions", "text", "sentence", "description"),
    "id": ("id", "identity", "person_id", "pid"),
    "split": ("split", "set", "subset"),
}
"""The names that each column may have, in any case and with or without what stands between their words."""

_BARE: Final = {role: frozenset(re.sub(r"\W|_", "", name) for name in names) for role, names in KNOWN.items()}

_UNSURE: Final = "id"
"""A table may number its rows under this name; any other column that is called as its role is that column, whatever stands beside it."""

_PICTURE: Final = re.compile(r"\.(jpe?g|png|webp|bmp|tiff?)\b", re.IGNORECASE)


def known_columns(names: Iterable[str]) -> int:
    """How many of the columns of a table these names are."""
    bare = set(map(_bare, names))
    return sum(not bare.isdisjoint(known) for known in _BARE.values())


def columns_of(names: Sequence[str], file: Path) -> dict[str, int]:
    """Where among the columns with these names are ``path``, ``caption``, ``id`` and ``split``, of those there are.

    Raises:
        DatasetError: two columns that could be the same.
    """
    places = {role: _places(role, names) for role in KNOWN}
    for role, found in places.items():
        if len(found) > 1:
            raise _ambiguous(role, [names[place] for place in found], file)
    return {role: found[0] for role, found in places.items() if found}


def require_columns(found: Collection[str], names: Sequence[str], file: Path) -> None:
    """Raises DatasetError unless ``path`` and ``caption`` were found; it shows the names there are and those there may be."""
    if {"path", "caption"} <= set(found):
        return
    is_row = any(_PICTURE.search(name) for name in names)
    do = "put a first line path,caption,id,split above this one, which is a row" if is_row else "name the columns path,caption,id,split"
    raise DatasetError(
        expected=f"names of columns in {file}: {' or '.join(KNOWN['path'])}; and {' or '.join(KNOWN['caption'])}",
        found=", ".join(map(_short, names)) or "none",
        do=f"{do}; a caption has a row of its own",
    )


def _places(role: str, names: Sequence[str]) -> list[int]:
    places = [place for place, name in enumerate(names) if _bare(name) in _BARE[role]]
    called_so = [place for place in places if _bare(names[place]) == role]
    return called_so if called_so and role != _UNSURE else places


def _ambiguous(role: str, names: Sequence[str], file: Path) -> DatasetError:
    same = len(set(map(_bare, names))) == 1
    return DatasetError(
        expected=f"each column once in {file}",
        found=f"{names[0]} more than once" if same else f"{' and '.join(map(_short, names))}, which could all be the column {role}",
        do="give a caption a row of its own" if role == "caption" else f"call the right one {role}, and the others something else",
    )


def _bare(name: str) -> str:
    return re.sub(r"\W|_", "", name.casefold())


def _short(name: str) -> str:
    return reprlib.repr(name)
