"""Pictures of crops that their media cannot show again: a JPEG file for each embedding, in the index's folder, for its owner alone."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from passerby.errors import IndexFault
from passerby.index.sql.database import Database

_FOLDER: Final = "pictures"
_TOGETHER: Final = 1000
"""Files in a folder, at most."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """Files named by the ids of embeddings, written and deleted while a transaction keeps others from writing.

    An id is given to nobody else once it was committed, so a file of a later id is of a transaction that was not.
    """

    folder: Path

    @classmethod
    def of(cls, db: Database) -> Self:
        """Those beside an open database."""
        file = next(file for _, name, file in db.execute("PRAGMA database_list") if name == "main")
        return cls(Path(file).parent / _FOLDER)

    @classmethod
    def beside(cls, db: Database) -> Self | None:
        """The same, of a database that may have none beside it."""
        return cls.of(db) if isinstance(db, sqlite3.Connection) else None

    def path(self, embedding: int) -> Path:
        return self.folder / f"{embedding // _TOGETHER:06}" / f"{embedding}.jpg"

    def write(self, embedding: int, jpeg: bytes) -> None:
        """Keep a picture, on the disk when this returns. Raises ``IndexFault`` where there is no room for it."""
        path = self.path(embedding)
        try:
            self.folder.mkdir(mode=0o700, exist_ok=True)
            path.parent.mkdir(mode=0o700, exist_ok=True)
            with open(path, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
                file.write(jpeg)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            found = (error.strerror or type(error).__name__).lower()
            raise IndexFault(expected=f"room for pictures in {self.folder}", found=found, do="free some, or mend its permissions") from None

    def delete(self, embeddings: Iterable[int], newest: int) -> None:
        """Delete the pictures of some embeddings, and those that were never committed: of ids after the newest one. Raises ``OSError``."""
        if not self.folder.is_dir():
            return
        for embedding in embeddings:
            self.path(embedding).unlink(missing_ok=True)
        later = [folder for folder in self.folder.iterdir() if int(folder.name) >= (newest + 1) // _TOGETHER]
        for file in (file for folder in later for file in folder.iterdir()):
            if int(file.stem) > newest:
                file.unlink()

    def clear(self) -> None:
        """Delete all of them. Raises ``OSError``."""
        if self.folder.is_dir():
            shutil.rmtree(self.folder)

    def bytes(self) -> int:
        return sum(file.stat().st_size for file in self.folder.rglob("*.jpg"))
