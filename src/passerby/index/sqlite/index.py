"""The index: one SQLite file that is the truth about media, the people in them, their embeddings, and what failed."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import compress
from pathlib import Path
from shlex import quote
from threading import local
from types import TracebackType
from typing import Any, Self, TypeVar, cast
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from passerby.errors import IndexFault
from passerby.index import base
from passerby.index.base import IndexedModel, IndexInfo, LookedInto, Nearest, Passes, SeenBy, Selected, Sighting, Stamp, Standing
from passerby.index.nearest import nearest
from passerby.index.score import Weights
from passerby.index.selection import EVERYBODY, Place, Selection
from passerby.index.sql import Database
from passerby.index.sqlite import media_row, outgoing, selecting, suppression
from passerby.index.sqlite import people as rows
from passerby.index.sqlite.database import Connections, open_for_reading, open_for_writing, plain_faults, roll_back
from passerby.index.sqlite.embeddings import Embeddings, model_of
from passerby.index.sqlite.selected import SelectedPeople
from passerby.index.sqlite.vector_file import TAIL, VectorFile
from passerby.index.vectors import Chunk, VectorTable
from passerby.inputs import AnyPath, as_path, require
from passerby.media.clock import Camera, Instant
from passerby.model.encoder import Encoder, as_encoder
from passerby.types import Crop, Failure, Media, ModelDigest, Person, Sought, Watched

Known = TypeVar("Known")


class Index(base.Index):
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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._connections.close()

    def place(self) -> Path:
        return self.folder

    def local_folder(self) -> Path:
        return self.folder

    @property
    def _db(self) -> Database:
        return self._connections.of_this_thread()

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

    @property
    def model(self) -> IndexedModel | None:
        return self._once("model", lambda: model_of(self._meta("model")))

    def attributes(self) -> int | None:
        model = self.model
        return None if model is None else model.attributes

    def require_model(self, digest: ModelDigest, name: str) -> None:
        """Refuse vectors of a model other than the one that made this index.

        Raises:
            IndexFault: another made it.
        """
        model = self.model
        if model is not None and model.digest != digest:
            raise IndexFault(
                expected=f"an index made by model {name} ({digest[:12]})",
                found=f"one made by {model.name} ({model.digest[:12]}) at {self._shown}",
                do=f"name that model with --model, or index again: passerby index PATH… --index {quote(self._shown)} --rebuild",
            )

    @property
    def _shown(self) -> str:
        """Where it is, as people may see it."""
        return str(self.folder)

    def _adopt(self, model: IndexedModel, rebuild: bool) -> None:
        if rebuild or self._knows_less_than(model):
            with self.writing():
                if rebuild:
                    self._db.execute("DELETE FROM media")
                    self._db.execute("DELETE FROM failures")
                    self._db.execute("DELETE FROM meta WHERE key = 'model'")
                    self._db.execute("DELETE FROM deleted")
                    self._db.execute("DELETE FROM cameras WHERE offset_seconds = 0 AND zone IS NULL")
                    self._db.execute("UPDATE meta SET value = ? WHERE key = 'epoch'", (uuid4().hex,))
                if self._knows_less_than(model):
                    said = json.dumps([model.name, model.digest, model.dim, model.attributes])
                    self._db.execute("INSERT OR REPLACE INTO meta VALUES ('model', ?)", (said,))
        if rebuild:
            with suppress(IndexFault):  # of another process that reads still; what it reads goes with the next deletion
                self.purge()
        self.require_model(model.digest, model.name)
        from passerby.index.sqlite import folding
        from passerby.media.signature import VERSION

        if self._meta("signatures") != VERSION:
            with self.writing():
                folding.forget(self._db)

    def _knows_less_than(self, model: IndexedModel) -> bool:
        """Whether it is of no model yet, or was begun when this one did not say what is worn."""
        known = self.model
        return known is None or (known.digest == model.digest and known.attributes < model.attributes)

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

    def leave_off(self, path: Path, checkpoint: str) -> None:
        self._db.execute("UPDATE media SET changed_ns = ? WHERE path = ?", (base.TO_BE_READ, os.fsencode(path)))
        self.rest(path, checkpoint)

    def left_off(self, path: Path) -> str | None:
        return self._checkpoint(path, f"changed_ns = {base.TO_BE_READ}")

    def rest(self, path: Path, checkpoint: str) -> None:
        self._db.execute(
            """INSERT INTO checkpoints SELECT id, ? FROM media WHERE path = ?
            ON CONFLICT (media) DO UPDATE SET checkpoint = excluded.checkpoint""",
            (checkpoint, os.fsencode(path)),
        )

    def rests(self, path: Path) -> str | None:
        return self._checkpoint(path, f"changed_ns IS NOT {base.TO_BE_READ}")

    def _checkpoint(self, path: Path, where: str) -> str | None:
        row = self._one(f"SELECT checkpoint FROM checkpoints JOIN media ON media.id = media WHERE path = ? AND {where}", os.fsencode(path))
        return None if row is None else str(row[0])

    def add(
        self,
        media: Media,
        vector: NDArray[np.float32],
        signature: NDArray[np.uint8] | None = None,
        worn: NDArray[np.uint8] | None = None,
    ) -> None:
        """Hold one person, the whole of a photo, in place of what its path held.

        Args:
            vector: float32 (d,), L2-normalised; of equal bytes the first one stays.
            signature: uint8 (n,), as :func:`passerby.media.signature.signature` makes it.
            worn: uint8 (2a,), as :func:`passerby.model.worn.worn_bytes` makes it.
        """
        self.put(media, [Sighting.whole(vector, signature, worn)])

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
                let_in = suppression.let_in(self._db, media, [base.region_of(one.track, crop) for one, (crop, *_) in there])
                rows.copy(self._db, [*compress((one for one, _ in there), let_in)], row)
        return bool(known)

    def move(self, source: Path, target: Path) -> None:
        self.forget(target)
        self._db.execute("UPDATE media SET path = ? WHERE path = ?", (os.fsencode(target), os.fsencode(source)))

    def see(self, path: Path, changed_ns: int, device: int) -> None:
        self._db.execute(
            "UPDATE media SET changed_ns = ?, device = ?, away_since = NULL WHERE path = ?", (changed_ns, device, os.fsencode(path))
        )

    def date(self, path: Path, camera: str | None, instant: Instant | None) -> None:
        taken = (instant.at, instant.zone, instant.known_by) if instant else (None, None, None)
        self._db.execute(
            "UPDATE media SET camera = ?, started_at = ?, zone = ?, known_by = ? WHERE path = ?", (camera, *taken, os.fsencode(path))
        )
        selecting.meet(self._db, camera)

    def mark(self, path: Path, sought: Sought) -> None:
        self._db.execute(
            f"UPDATE media SET {', '.join(f'{column} = ?' for column in media_row.SOUGHT.split(', '))} WHERE path = ?",
            (*media_row.sought_row(sought), os.fsencode(path)),
        )

    def correct(self, camera: Camera) -> None:
        selecting.correct(self._db, camera)

    def miss(self, path: Path, since: int) -> None:
        self._db.execute("UPDATE media SET away_since = ? WHERE path = ? AND away_since IS NULL", (since, os.fsencode(path)))

    def fail(self, path: Path, size: int, changed_ns: int, reason: str) -> None:
        """Remember that a file could not be used, in place of what its path held.

        Args:
            changed_ns: its status change time, so that a change of permissions is a change too.
        """
        self.forget(path)
        self._db.execute("INSERT INTO failures VALUES (?, ?, ?, ?)", (os.fsencode(path), size, changed_ns, reason))

    def forget(self, path: Path) -> int:
        """Delete a file, its people, and embeddings nobody is left of.

        Returns:
            the number of media deleted, 0 or 1.
        """
        key = (os.fsencode(path),)
        self._db.execute("DELETE FROM failures WHERE path = ?", key)
        return self._db.execute("DELETE FROM media WHERE path = ?", key).rowcount

    def suppress(self, person: int) -> int:
        return suppression.suppress(self._db, person)

    def unsuppress(self, person: int) -> bool:
        return suppression.unsuppress(self._db, person)

    def drop(self, people: Sequence[int]) -> None:
        rows.drop(self._db, people)

    def keep_from(self, bound: float | None) -> None:
        self._db.execute("DELETE FROM meta WHERE key = 'kept_from'")
        if bound is not None:
            self._db.execute("INSERT INTO meta VALUES ('kept_from', ?)", (bound,))

    def fold(self) -> None:
        """After a run, outside of `writing`: work out which of the new crops count once with others."""
        if self._one("SELECT 1 FROM unfolded LIMIT 1") is None:
            return
        from passerby.index.sqlite import folding

        with self.snapshot():
            before, copies = self.stamp(), folding.found(self._db)
        with self.writing():
            if self.stamp().generation != before.generation + 1:
                copies = folding.found(self._db)
            folding.write(self._db, copies)
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

    def purge(self) -> None:
        """After a deletion, outside of `writing`: leave nothing of it in any file.

        Raises:
            IndexFault: another process holds on to the log, or deleted vectors cannot be overwritten.
        """
        self._wipe()
        with plain_faults(self.folder):
            busy = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        if busy:
            raise IndexFault(
                expected=f"no other process at {self.folder}",
                found="one that still reads deleted data",
                do="run the same command again later",
            )

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

    def standing(self, path: Path) -> Standing | None:
        row = self._one(
            f"""SELECT size, modified_ns, digest, NULL, changed_ns, device, away_since, camera, started_at, zone, known_by,
                {media_row.SOUGHT}
                FROM media WHERE path = :path
            UNION ALL SELECT size, changed_ns, NULL, reason, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, 0, 0, 0, 0, 0
                FROM failures WHERE path = :path""",
            path=os.fsencode(path),
        )
        return replace(Standing(*row[:11]), sought=media_row.sought_of(*row[11:])) if row else None

    def _sought(self, media: int) -> tuple[Sought | None, Watched | None]:
        row = self._all(f"SELECT {media_row.SOUGHT}, {media_row.WATCHED} FROM media WHERE id = ?", media)[0]
        return media_row.sought_of(*row[:7]), media_row.watched_of(*row[7:])

    def kept_from(self) -> float | None:
        bound = self._meta("kept_from")
        return None if bound is None else float(str(bound))

    def expired(self, bound: float) -> base.Expired:
        with self.snapshot():
            return selecting.expired(self._db, bound)

    def knows_size(self, size: int) -> bool:
        return self._one("SELECT 1 FROM media WHERE size = ? LIMIT 1", size) is not None

    def kept_out(self, path: Path) -> int:
        with plain_faults(self.folder):
            return suppression.count(self._db, path)

    def with_digest(self, digest: str) -> list[tuple[Path, int | None]]:
        with plain_faults(self.folder):
            found = json.dumps(rows.with_bytes(self._db, digest))
        known = self._all("SELECT path, device FROM media WHERE id IN (SELECT value FROM json_each(?)) ORDER BY path", found)
        return [(Path(os.fsdecode(path)), device) for path, device in known]

    def with_size_and_time(self, size: int, modified_ns: int) -> list[Path]:
        known = self._all("SELECT path FROM media WHERE size = ? AND modified_ns = ? ORDER BY path", size, modified_ns)
        return [Path(os.fsdecode(row[0])) for row in known]

    def paths_under(self, path: Path) -> list[Path]:
        """Media and failures at a path or, were it a folder, below it; sorted."""
        key = os.fsencode(path)
        separator = os.sep.encode()
        below = key.removesuffix(separator) + separator
        known = self._all(
            """SELECT path FROM media WHERE path = :key OR path > :below AND path < :beyond
            UNION SELECT path FROM failures WHERE path = :key OR path > :below AND path < :beyond ORDER BY path""",
            key=key,
            below=below,
            beyond=below[:-1] + bytes([below[-1] + 1]),
        )
        return [Path(os.fsdecode(row[0])) for row in known]

    def seen_under(self, path: Path) -> list[tuple[Path, int | None, int | None]]:
        place = Place.of(path)
        known = self._all(
            "SELECT path, changed_ns, device FROM media WHERE path = ? OR path > ? AND path < ? ORDER BY path",
            place.path,
            place.below,
            place.beyond,
        )
        return [(Path(os.fsdecode(one)), changed_ns, device) for one, changed_ns, device in known]

    def tallies(self) -> Iterator[base.Tallied]:
        with plain_faults(self.folder):
            yield from outgoing.tallies(self._db)

    def grown(self, path: Path, tally: int) -> base.Grown | None:
        with plain_faults(self.folder):
            return outgoing.grown(self._db, path, tally, self._picture)

    def failures(self) -> list[Failure]:
        return [Failure(Path(os.fsdecode(path)), reason) for path, reason in self._all("SELECT path, reason FROM failures ORDER BY path")]

    def stamp(self) -> Stamp:
        if known := getattr(self._moment, "stamp", None):
            return cast(Stamp, known)
        facts = dict(self._all("SELECT key, value FROM meta WHERE key IN ('id', 'generation')"))
        return Stamp(str(facts["id"]), int(facts["generation"]))

    def _once(self, what: Hashable, read: Callable[[], Known]) -> Known:
        """What is read in a snapshot, kept until something is written; elsewhere it is read each time."""
        stamp = getattr(self._moment, "stamp", None)
        if stamp is None:
            return read()
        known = self._facts.get(what)
        if known is None or known[0] != stamp:
            self._facts[what] = known = stamp, read()
        return cast(Known, known[1])

    def vectors(self) -> VectorTable:
        stamp = self.stamp()
        if self._table is None or self._table[0] != stamp:
            with plain_faults(self.folder):
                self._table = stamp, self._file.table(Embeddings(self._db))
        return self._table[1]

    def embeddings(self, ids: Sequence[int]) -> Chunk:
        """The embeddings with these ids, by id."""
        with plain_faults(self.folder):
            return Embeddings(self._db).with_ids(ids)

    def people(self, ids: Iterable[int] | None = None) -> Iterator[tuple[Person, tuple[Crop, ...]]]:
        with plain_faults(self.folder):
            if ids is None:
                yield from rows.read(self._db, "TRUE", (), self._picture)
            else:
                yield from rows.read(self._db, "people.id IN (SELECT value FROM json_each(?))", (json.dumps(list(ids)),), self._picture)

    def beside(self, people: Sequence[int], seconds: float) -> list[tuple[int, int]]:
        with plain_faults(self.folder):
            return rows.beside(self._db, people, seconds)

    def seen_by(self, ids: Sequence[int], within: selecting.Where = selecting.EVERYWHERE) -> list[tuple[int, Person, Crop]]:
        """Whose crops have the embeddings with these ids and are selected, each with its embedding's id; by path and person."""
        with plain_faults(self.folder):
            return rows.seen_by(self._db, json.dumps(list(ids)), self._picture, within)

    def shown_by(self, ids: Sequence[int], within: selecting.Where = selecting.EVERYWHERE) -> list[tuple[int, int]]:
        """Whose crops have the embeddings with these ids, and are selected: each embedding's id and a person's."""
        with plain_faults(self.folder):
            return rows.shown_by(self._db, json.dumps(list(ids)), within)

    def copies(self) -> NDArray[np.int64]:
        """Embeddings that do not count, and those that count for them, in the order in which they would in turn: int64 (2, m)."""
        stamp, known = self.stamp(), self._copies
        if known is None or known[0] != stamp:
            pairs = self._all(
                """SELECT copies.embedding, leader FROM copies JOIN signatures USING (embedding)
                ORDER BY run, bytes DESC, copies.embedding"""
            )
            self._copies = known = stamp, np.array(pairs, np.int64).reshape(-1, 2).T
        return known[1]

    def nearest(
        self,
        questions: Sequence[Weights],
        k: int,
        passes: Passes | None = None,
        *,
        selection: Selection = EVERYBODY,
        fold: bool = True,
    ) -> list[Nearest]:
        """As :meth:`passerby.index.base.Index.nearest`."""
        with self.snapshot():
            if self._is_all(selection):
                return nearest(self.vectors(), self, questions, k, passes, fold=fold)
            chosen = self._choose(selection)
            may = passes(self.vectors())[chosen.rows] if passes else None
            return nearest(chosen.table, chosen, questions, k, None if may is None else lambda _: may, fold=fold)

    def portraits(self) -> NDArray[np.intp]:
        ids = self.vectors().ids
        if self._one("SELECT 1 FROM people WHERE static UNION ALL SELECT 1 FROM crops WHERE number > 0 LIMIT 1") is None:
            return np.arange(len(ids))
        with plain_faults(self.folder):
            return np.searchsorted(ids, selecting.portraits(self._db))

    def sample(self, count: int, selection: Selection = EVERYBODY) -> NDArray[np.float32]:
        """At most ``count`` vectors of those selected, evenly spread over all in the order in which they came: float32 (m, d)."""
        with self.snapshot():
            return (self.vectors() if self._is_all(selection) else self._choose(selection).table).spread(count)

    def selected(self, selection: Selection) -> Selected:
        with self.snapshot():
            return self._choose(selection).count

    def looked_into(self, selection: Selection = EVERYBODY) -> LookedInto:
        if selection.is_everybody:
            return self._once(("looked into", selection.static), lambda: self._look_into(selection))
        return self._look_into(selection)

    def _look_into(self, selection: Selection) -> LookedInto:
        conditions = selection.conditions(self.cameras())
        with plain_faults(self.folder):
            return selecting.looked_into(self._db, conditions)

    def cameras(self) -> list[Camera]:
        return list(self._once("cameras", self._read_cameras))

    def _read_cameras(self) -> list[Camera]:
        with plain_faults(self.folder):
            return selecting.cameras(self._db)

    def seen_by_cameras(self) -> list[SeenBy]:
        with self.snapshot():
            seen = [selecting.seen_by(self._db, camera) for camera in self.cameras()]
            return [one for one in seen if one.people or one.camera != Camera(one.camera.name)]

    def zones(self, cameras: Sequence[str] = ()) -> set[str | None]:
        of_these = "AND camera IN (SELECT value FROM json_each(?))" if cameras else ""
        values = [json.dumps(list(cameras))] if cameras else []
        return {row[0] for row in self._all(f"SELECT DISTINCT zone FROM media WHERE started_at IS NOT NULL {of_these}", *values)}

    def _is_all(self, selection: Selection) -> bool:
        """Whether really nobody and nothing is left out."""
        return selection.is_everybody and (selection.static or not self._once("any static", self._has_static))

    def _has_static(self) -> bool:
        return self._one("SELECT 1 FROM people WHERE static LIMIT 1") is not None

    def _choose(self, selection: Selection) -> SelectedPeople:
        """Who is selected at this moment; the last ones are kept until something is written."""
        stamp, known = self.stamp(), self._chosen
        if known is None or known[:2] != (stamp, selection):
            conditions = selection.conditions(self.cameras())
            with plain_faults(self.folder):
                if selection.is_everybody:
                    chosen = SelectedPeople.all_but_static(self, conditions, selecting.static(self._db), self.counts()[0])
                else:
                    chosen = SelectedPeople.of(self, conditions, selecting.choose(self._db, conditions))
            known = stamp, selection, chosen
            self._chosen = known
        return known[2]

    def vector_of(self, person: Person, crop: Crop | None = None) -> NDArray[np.float32]:
        """The vector of somebody's crop, or of their first, float32 (d,).

        Raises:
            IndexFault: they are not there any more.
        """
        return np.frombuffer(self._stored_of("vector", person, crop), "<f4")

    def worn_of(self, person: Person, crop: Crop | None = None) -> NDArray[np.uint8]:
        """What is worn in somebody's crop, or in their first, uint8 (2a,); zeros where it is not known.

        Raises:
            IndexFault: they are not there any more.
        """
        stored = self._stored_of("worn", person, crop)
        attributes = self.model.attributes if self.model else 0
        return np.zeros(2 * attributes, np.uint8) if stored is None else np.frombuffer(stored, np.uint8)

    def _picture(self, media: Media, embedding: int) -> bytes:
        """The JPEG that is kept of an embedding. Raises ``ImageError`` where there is none."""
        row = self._one("SELECT jpeg FROM pictures WHERE embedding = ?", embedding)
        if row is None:
            raise base.no_picture(media)
        return bytes(row[0])

    def _is_crop(self, person: Person, crop: Crop | None) -> selecting.Where:
        """What is true of the row of somebody's crop, or of their first."""
        return selecting.Where("number = 0", ()) if crop is None or person.id is None else rows.is_crop(crop)

    def _stored_of(self, column: str, person: Person, crop: Crop | None) -> Any:
        this, values = self._is_crop(person, crop)
        row = self._one(f"SELECT {column} FROM crops JOIN embeddings ON id = embedding WHERE person = ? AND {this}", person.id, *values)
        if row is None:
            raise IndexFault(expected=f"{person.media.path} in the index", found="it is gone", do="search again")
        return row[0]

    # -- to be copied ----------------------------------------------------------------------------------------------------------

    def model_of_all(self) -> IndexedModel | None:
        return self.model

    def sightings(self, after: int, count: int) -> list[tuple[Media, Sighting]]:
        ids = [row[0] for row in self._all("SELECT id FROM people WHERE id > ? ORDER BY id LIMIT ?", after, count)]
        stored = self._rows_of_people(ids)
        return [(person.media, base.as_put(person, crops, stored[person.id or 0])) for person, crops in self.people(ids)]

    def _rows_of_people(self, ids: Sequence[int]) -> dict[int, list[base.StoredRow]]:
        """What is stored of each crop of people, by their ids."""
        found = self._all(
            """SELECT person, vector, worn, signature, run, jpeg FROM crops JOIN embeddings ON embeddings.id = crops.embedding
            LEFT JOIN signatures USING (embedding) LEFT JOIN pictures USING (embedding)
            WHERE person IN (SELECT value FROM json_each(?)) ORDER BY person, number""",
            json.dumps(ids),
        )
        return rows.by_person(found)

    def media_after(self, path: bytes, count: int) -> list[Media]:
        with plain_faults(self.folder):
            return rows.media_after(self._db, path, count)

    def suppression(self) -> base.Suppression:
        known = self._all("SELECT digest, region, person FROM suppressed ORDER BY digest")
        return base.Suppression(str(self._meta("salt")), {digest: (region, person) for digest, region, person in known})

    def keep_out(self, suppression: base.Suppression) -> None:
        self._db.execute("DELETE FROM suppressed")
        removed = [(digest, *who) for digest, who in suppression.removed.items()]
        self._db.executemany("INSERT INTO suppressed VALUES (?, ?, ?)", removed)
        self._db.execute("UPDATE meta SET value = ? WHERE key = 'salt'", (suppression.salt,))

    def copied(self) -> tuple[str, int]:
        return str(self._meta("copy_of") or ""), int(str(self._meta("newest_person")))

    def copy_from(self, origin: str) -> None:
        self._db.execute("INSERT INTO meta VALUES ('copy_of', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", (origin,))

    def info(self) -> IndexInfo:
        with self.snapshot():
            away, away_since = self._all("SELECT count(*), min(away_since) FROM media WHERE away_since IS NOT NULL")[0]
            return IndexInfo(
                folder=self.folder,
                people=self._count("people"),
                media=self._count("media"),
                embeddings=self._count("embeddings"),
                failures=self._count("failures"),
                model=self.model,
                bytes=self._bytes(),
                created=str(self._meta("created")),
                away=away,
                away_since=away_since,
                alike=self._count("copies"),
                unworn=self._unworn() if self.model and self.model.attributes else 0,
                looked_into=self.looked_into(),
                kept_from=self.kept_from(),
            )

    def _bytes(self) -> int:
        return sum(file.stat().st_size for file in self.folder.iterdir() if file.is_file())

    def _unworn(self) -> int:
        return self.vectors().unworn()

    def counts(self) -> tuple[int, int]:
        """How many people there are, and how many media that are away; call it inside of a snapshot."""
        return self._once("counts", lambda: (self._count("people"), self._count("media WHERE away_since IS NOT NULL")))

    def _count(self, table: str) -> int:
        return int(self._all(f"SELECT count(*) FROM {table}")[0][0])

    def _meta(self, key: str) -> object:
        row = self._one("SELECT value FROM meta WHERE key = ?", key)
        return row[0] if row else None

    def _one(self, sql: str, *values: object, **named: object) -> tuple[Any, ...] | None:
        return next(iter(self._all(sql, *values, **named)), None)

    def _all(self, sql: str, *values: object, **named: object) -> list[tuple[Any, ...]]:
        with plain_faults(self.folder):
            return self._db.execute(sql, named or values).fetchall()
