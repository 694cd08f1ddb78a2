"""The index: one SQLite file that is the truth about media, the people in them, their embeddings, and what failed."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Collection, Hashable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from itertools import compress
from pathlib import Path
from threading import local
from typing import Any, Final, Self, cast
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from passerby.errors import IndexFault
from passerby.index.base import PATIENCE, Grown, Tallied
from passerby.index.info import IndexedModel, Stamp
from passerby.index.region import region_of
from passerby.index.selection import Selection
from passerby.index.sighting import Sighting, StoredRow
from passerby.index.sql import people as rows
from passerby.index.sql import suppression
from passerby.index.sql.database import Database
from passerby.index.sql.embeddings import Embeddings
from passerby.index.sql.index import SqlIndex
from passerby.index.sql.selected import SelectedPeople
from passerby.index.sqlite import outgoing
from passerby.index.sqlite.database import Connections, open_for_reading, open_for_writing, plain_faults, roll_back, waiting_at_most
from passerby.index.sqlite.vector_file import TAIL, VectorFile
from passerby.index.vectors import Chunk, VectorTable
from passerby.inputs import AnyPath, as_path, require
from passerby.model.encoder import Encoder, as_encoder
from passerby.types import Crop, Media, Person

_MOMENT: Final = 0.1
"""Seconds for which a purge keeps others from writing, and lets them, in turn."""


class Index(SqlIndex):
    """An open index folder; close it, or use it in a ``with``.

    Any number of threads and processes may use it at once: each thread reads by a connection of its own, and one writes at a time.
    """

    def __init__(self, folder: Path, connection: sqlite3.Connection) -> None:
        self.folder = folder.absolute()
        self._connections = Connections(self.folder, connection)
        self._file = VectorFile(self.folder)
        self._table: tuple[Stamp, VectorTable] | None = None
        self._copies: tuple[Stamp, NDArray[np.int64]] | None = None
        self._chosen: tuple[Stamp, Selection, SelectedPeople] | None = None
        self._facts: dict[Hashable, tuple[Stamp, Any]] = {}
        self._moment = local()

    @classmethod
    def open(cls, folder: AnyPath) -> Self:
        """Open an index that exists.

        Raises:
            InputError: ``folder`` is no path.
            IndexFault: there is none, or it is damaged, or of a newer version.
        """
        path = as_path(folder, "an index's folder, a str or a Path")
        index = cls(path, open_for_reading(path))
        with suppress(IndexFault):
            index.settle(TAIL)
        return index

    @classmethod
    def create(cls, folder: AnyPath, encoder: Encoder, *, rebuild: bool = False) -> Self:
        """Open an index to be written with ``encoder``, made where there is none.

        Args:
            rebuild: forget everything it holds, whichever model that came from.

        Raises:
            InputError: an argument of the wrong kind.
            IndexFault: it cannot be written, is damaged, of a newer version, or of another model.
        """
        return cls.create_of(folder, IndexedModel.of(as_encoder(encoder)), rebuild=rebuild)

    @classmethod
    def create_of(cls, folder: AnyPath, model: IndexedModel, *, rebuild: bool = False) -> Self:
        """The same of a model that is known by name only."""
        path = as_path(folder, "an index's folder, a str or a Path")
        rebuild = require(rebuild, bool, "rebuild to be True or False")
        index = cls(path, open_for_writing(path))
        try:
            index._adopt(model, rebuild)
        except BaseException:
            index.close()
            raise
        return index

    def close(self) -> None:
        self._connections.close()

    def place(self) -> Path:
        return self.folder

    def local_folder(self) -> Path:
        return self.folder

    @property
    def _db(self) -> Database:
        return self._connections.of_this_thread()

    def _faults(self) -> AbstractContextManager[None]:
        return plain_faults(self.folder)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction, all or nothing: what it holds is on the disk when it ends. Keep it short: one writes at a time."""
        with self._locked():
            # The first thing, as SQLite refuses a transaction on a read-only disk no earlier.
            self._db.execute("UPDATE main.meta SET value = value + 1 WHERE key = 'generation'")
            yield

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Everything read inside is of one moment, whatever other processes write; one inside of another is the same."""
        connection = self._connections.of_this_thread()
        if connection.in_transaction:
            yield
            return
        with plain_faults(self.folder):
            connection.execute("BEGIN")
            try:
                self._moment.stamp = self.stamp()
                yield
            finally:
                self._moment.stamp = None
                roll_back(connection)

    # -- the model -------------------------------------------------------------------------------------------------------------

    def _adopt(self, model: IndexedModel, rebuild: bool) -> None:
        super()._adopt(model, rebuild)
        if rebuild:
            with suppress(IndexFault):  # of another process that reads still; what it reads goes with the next deletion
                self.purge()

    def _forget_all(self) -> None:
        self._db.execute("DELETE FROM media")
        self._db.execute("DELETE FROM failures")
        self._db.execute("DELETE FROM meta WHERE key = 'model'")
        self._db.execute("DELETE FROM deleted")
        self._db.execute("DELETE FROM cameras WHERE offset_seconds = 0 AND zone IS NULL")
        self._db.execute("UPDATE meta SET value = ? WHERE key = 'epoch'", (uuid4().hex,))

    # -- writing, inside `writing` ---------------------------------------------------------------------------------------------

    def put(self, media: Media, people: Sequence[Sighting]) -> None:
        """Hold a media and the people in it, in place of what its path held. People who are kept out stay out.

        Of equal places in photos of equal bytes the first vector stays.
        """
        rows.put(self._db, rows.hold(self._db, media), media, self._let_in(media, people))

    def put_more(self, media: Media, people: Sequence[Sighting]) -> None:
        """Hold a media and people in it beside those whom its path holds. People who are kept out stay out."""
        rows.insert(self._db, rows.hold(self._db, media), media, self._let_in(media, people))

    def put_again(self, media: Media, people: Sequence[Sighting], gone: Collection[int] = ()) -> None:
        """As ``put_more``; who is of a track that its path holds takes the place of who was there, and keeps their id."""
        row = rows.hold(self._db, media)
        rows.insert_again(self._db, row, media, self._let_in(media, people), gone)

    def _let_in(self, media: Media, people: Sequence[Sighting]) -> list[Sighting]:
        """Those who are not kept out. Raises ``InputError`` where what is worn is of other attributes."""
        if any(one.pictures is not None for one in people):
            self._keep_private()
        if any(one.worn is not None for one in people) and (model := self.model):
            model.require_worn(people)
        return [*compress(people, suppression.let_in(self._db, media, [one.region for one in people]))]

    def link(self, media: Media) -> bool:
        """Hold the people of a media whose bytes are known: a moved, copied or merely touched file.

        Returns:
            whether they are; where not, nothing is changed.
        """
        known = rows.with_bytes(self._db, media.digest, read=True)
        if known:
            own = self._one("SELECT id FROM media WHERE path = ?", os.fsencode(media.path))
            source = own[0] if own and own[0] in known else known[0]
            there = list(rows.read(self._db, "people.media = ?", [source]))
            sought, watched = self._sought(source)
            row = rows.hold(self._db, replace(media, sought=sought, watched=watched))
            if row != source:
                let_in = suppression.let_in(self._db, media, [region_of(one.track, crop) for one, (crop, *_) in there])
                rows.copy(self._db, [*compress((one for one, _ in there), let_in)], row)
        return bool(known)

    def forget(self, path: Path) -> int:
        """Delete a file, its people, and embeddings nobody is left of.

        Returns:
            the number of media deleted, 0 or 1.
        """
        key = (os.fsencode(path),)
        self._db.execute("DELETE FROM failures WHERE path = ?", key)
        return self._db.execute("DELETE FROM media WHERE path = ?", key).rowcount

    def drop(self, people: Sequence[int]) -> None:
        rows.drop(self._db, people)

    def _next_run(self) -> None:
        self._db.execute("UPDATE meta SET value = value + 1 WHERE key = 'run'")

    def settle(self, least: int = 1) -> None:
        """After writing, outside of `writing`: bring the copy of the vectors up to date, and leave nothing in it of what was deleted.

        Where there is no room for it, searches read the database instead.

        Args:
            least: added embeddings below which nothing is done.

        Raises:
            IndexFault: deleted vectors cannot be overwritten.
        """
        self._settle_vectors(least)
        if self._one("SELECT 1 FROM pictures LIMIT 1"):
            self._keep_private()

    def _settle_vectors(self, least: int) -> None:
        deleted = self._one("SELECT 1 FROM deleted WHERE NOT wiped LIMIT 1")
        if self._file.lacks(Embeddings(self._db)) < least and (least > 1 or not deleted):
            return
        self._wipe()
        with suppress(OSError):
            more = True
            while more:
                with self._locked():
                    more = self._file.append(Embeddings(self._db))

    def _keep_private(self) -> None:
        """Pictures of people come into the index: its folder and its files are for their owner alone from now on."""
        with suppress(OSError):  # of a folder that belongs to somebody else
            self.folder.chmod(0o700)
            for file in self.folder.iterdir():
                if file.is_file():
                    file.chmod(0o600)

    def purge(self, patience: float = PATIENCE) -> None:
        """After a deletion, outside of `writing`: leave nothing of it in any file.

        Args:
            patience: for how many seconds others who read it still are waited for; who writes waits for a moment at most.

        Raises:
            IndexFault: another process holds on to the log, or deleted vectors cannot be overwritten.
        """
        self._wipe()
        until = time.monotonic() + patience
        while not self._empty_log(min(patience, _MOMENT)):
            if time.monotonic() > until:
                raise IndexFault(
                    expected=f"no other process at {self.folder}",
                    found="one that still reads deleted data",
                    do="run the same command again later",
                )
            time.sleep(_MOMENT)

    def _empty_log(self, seconds: float) -> bool:
        """Bring the log into the database and leave it empty; whether that could be done.

        Args:
            seconds: for which those who read an earlier state are waited for; nobody can write meanwhile.
        """
        connection = self._connections.of_this_thread()
        with plain_faults(self.folder), waiting_at_most(connection, seconds):
            return not connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]

    def _wipe(self) -> None:
        """Overwrite in the copy of the vectors what was deleted since the last time."""
        with self._locked():
            source = Embeddings(self._db)
            ids = [row[0] for row in self._all("SELECT embedding FROM deleted WHERE NOT wiped")]
            try:
                self._file.wipe(source, np.array(ids, np.int64))
                self._db.execute("UPDATE deleted SET wiped = 1 WHERE NOT wiped")
                if self._file.is_mostly_dead(source):
                    self._file.drop()
                    self._db.execute("DELETE FROM deleted")
            except OSError as error:
                raise IndexFault(
                    expected=f"vectors at {self.folder} that can be overwritten",
                    found=(error.strerror or str(error)).lower(),
                    do="free some room, or give yourself write permission, and run the same command again",
                ) from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """A transaction that nobody else writes beside, for work on the files that belong to the database."""
        connection = self._connections.of_this_thread()
        with plain_faults(self.folder):
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                connection.execute("COMMIT")
            except BaseException:
                roll_back(connection)
                raise

    # -- reading ---------------------------------------------------------------------------------------------------------------

    def _with_bytes(self, digest: str) -> list[int]:
        return rows.with_bytes(self._db, digest)

    def with_digest(self, digest: str) -> list[tuple[Path, int | None]]:
        with plain_faults(self.folder):
            found = json.dumps(self._with_bytes(digest))
        known = self._all("SELECT path, device FROM media WHERE id IN (SELECT value FROM json_each(?)) ORDER BY path", found)
        return [(Path(os.fsdecode(path)), device) for path, device in known]

    def tallies(self) -> Iterator[Tallied]:
        with plain_faults(self.folder):
            yield from outgoing.tallies(self._db)

    def grown(self, path: Path, tally: int) -> Grown | None:
        with plain_faults(self.folder):
            return outgoing.grown(self._db, path, tally, self._picture)

    def stamp(self) -> Stamp:
        if known := getattr(self._moment, "stamp", None):
            return cast(Stamp, known)
        facts = dict(self._all("SELECT key, value FROM meta WHERE key IN ('id', 'generation')"))
        return Stamp(str(facts["id"]), int(facts["generation"]))

    def vectors(self) -> VectorTable:
        stamp, known = self.stamp(), self._table
        if known is None or known[0] != stamp:
            with plain_faults(self.folder):
                self._table = known = stamp, self._file.table(Embeddings(self._db))
        return known[1]

    def embeddings(self, ids: Sequence[int]) -> Chunk:
        """The embeddings with these ids, by id."""
        with plain_faults(self.folder):
            return Embeddings(self._db).with_ids(ids)

    def _stored_of(self, column: str, person: Person, crop: Crop | None) -> Any:
        this, values = self._is_crop(person, crop)
        row = self._one(f"SELECT {column} FROM crops JOIN embeddings ON id = embedding WHERE person = ? AND {this}", person.id, *values)
        if row is None:
            raise IndexFault(expected=f"{person.media.path} in the index", found="it is gone", do="search again")
        return row[0]

    # -- to be copied ----------------------------------------------------------------------------------------------------------

    def _rows_of_people(self, ids: Sequence[int]) -> dict[int, list[StoredRow]]:
        """What is stored of each crop of people, by their ids."""
        found = self._all(
            """SELECT person, vector, worn, signature, run, jpeg FROM crops JOIN embeddings ON embeddings.id = crops.embedding
            LEFT JOIN signatures USING (embedding) LEFT JOIN pictures USING (embedding)
            WHERE person IN (SELECT value FROM json_each(?)) ORDER BY person, number""",
            json.dumps(ids),
        )
        return rows.by_person(found)

    def copied(self) -> tuple[str, int]:
        return str(self._meta("copy_of") or ""), int(str(self._meta("newest_person")))

    def _bytes(self) -> int:
        return sum(file.stat().st_size for file in self.folder.iterdir() if file.is_file())

    def _unworn(self) -> int:
        return self.vectors().unworn()
