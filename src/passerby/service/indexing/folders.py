"""Folders that the operator lets others index, and what is told of them: names and ids, and no path."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from passerby.media.scan import absolute
from passerby.types import Failure

FOLDER_ID: Final = r"^[0-9a-f]{12}$"


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder that the operator lets others index.

    Args:
        id: what it is called from outside, where no path is told: 12 hexadecimal digits, the same each time.
        name: its last part, and more of it where several end alike.
    """

    id: str
    name: str
    path: Path

    def hide(self, text: str) -> str:
        """The text, with its name where its path was."""
        return text.replace(str(self.path), self.name)


@dataclass(frozen=True, slots=True)
class Indexing:
    """What may be indexed from outside, and how.

    Args:
        folders: that the operator allowed.
        command: what indexes a folder whose path follows it.
    """

    folders: tuple[Path, ...] = ()
    command: tuple[str, ...] = ()


NO_INDEXING: Final = Indexing()


def named_folders(paths: Sequence[Path]) -> list[Folder]:
    """Folders as they are called from outside, each once, in the order in which they were given."""
    each = list(dict.fromkeys(map(absolute, paths)))
    return [Folder(sha256(os.fsencode(path)).hexdigest()[:12], _name_among(path, each), path) for path in each]


def _name_among(path: Path, paths: Sequence[Path]) -> str:
    """The last parts of a path, as many as tell it from the others."""
    for count in range(1, len(path.parts)):
        if sum(one.parts[-count:] == path.parts[-count:] for one in paths) == 1:
            return shown_path(Path(*path.parts[-count:]))
    return shown_path(path)


def shown_path(path: Path) -> str:
    """A path as text; of bytes that are no UTF-8, what can be shown."""
    return os.fsencode(path).decode("utf-8", "replace")


def failures_below(folder: Folder, failures: Iterable[Failure]) -> list[tuple[str, str]]:
    """Of failures those in a folder, each with the file's name from there, and why; nothing tells where the folder is."""
    return [
        (shown_path(one.path.relative_to(folder.path)) if one.path != folder.path else folder.name, folder.hide(one.reason))
        for one in failures
        if one.path.is_relative_to(folder.path)
    ]
