"""The index in PostgreSQL: any number of devices write to it, one at a time, and any number of machines search it."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from threading import local
from typing import Any, Final, Self, cast
from uuid import uuid4

from passerby.errors import IndexFault
from passerby.index.base import PATIENCE
from passerby.index.info import TO_BE_READ, IndexedModel, IndexInfo, Stamp
from passerby.index.local import local_folder
from passerby.index.nearest import HNSW, Nearest, Passes
from passerby.index.postgres import hnsw, purging
from passerby.index.postgres.address import Address
from passerby.index.postgres.schema import ALL_DAYS, open_schema
from passerby.index.postgres.segment import Moment, Segment
from passerby.index.postgres.session import Session, Sessions
from passerby.index.postgres.writing import Writing, delete_people, hold, mark_unwiped, people_of
from passerby.index.region import region_of
from passerby.index.score import Weights
from passerby.index.selection import EVERYBODY, Selection
from passerby.index.sighting import Sighting, StoredRow
from passerby.index.sql import people as rows
from passerby.index.sql import selecting
from passerby.index.sql.embeddings import chunk_of, model_of
from passerby.index.sql.index import SqlIndex
from passerby.index.vectors import Chunk, VectorTable
from passerby.model.encoder import Encoder, as_encoder
from passerby.types import Crop, Media, Person

_PAGE: Final = 4096
"""People that are read at a time."""

_BEGUN: Final = """UPDATE state SET generation = generation + 1;
    SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'"""
"""The lock of whoever writes; and what is reported as done is on the disk, however the server is set."""


class Index(SqlIndex):
    """An open index in PostgreSQL; close it, or use it in a ``with``.

    It is nobody's device: no `Outgoing`.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self.folder = Path(address.shown)
        self._sessions = Sessions(address)
        self._local = local()
        self._segment = Segment()
        self._graph = hnsw.Graph()
        self._table: tuple[Stamp, VectorTable] | None = None
        self._copies = self._chosen = None
        self._facts = {}
        self._moment = local()

    @classmethod
    def open_url(cls, url: str) -> Self:
        """Open an index that exists.

        Raises:
            IndexFault: there is none, or none that can be got at, or it is of a newer version.
        """
        return cls._opened(url, make=False)

    @classmethod
    def create_at(cls, url: str, encoder: Encoder, *, rebuild: bool = False) -> Self:
        """Open an index to be written with ``encoder``, made where there is none.

        Args:
            rebuild: forget everything it holds, whichever model that came from.

        Raises:
            IndexFault: it cannot be got at or written, is of a newer version, or of another model.
        """
        return cls.create_at_of(url, IndexedModel.of(as_encoder(encoder)), rebuild=rebuild)

    @classmethod
    def create_at_of(cls, url: str, model: IndexedModel, *, rebuild: bool = False) -> Self:
        """The same of a model that is known by name only."""
        index = cls._opened(url, make=True)
        try:
            index._adopt(model, rebuild)
        except BaseException:
            index.close()
            raise
        return index

    @classmethod
    def _opened(cls, url: str, *, make: bool) -> Self:
        index = cls(Address.of(url))
        try:
            open_schema(index.session, index.address, make=make)
        except BaseException:
            index.close()
            raise
        return index

    def close(self) -> None:
        self._sessions.close()

    def place(self) -> None:
        return None

    def local_folder(self) -> Path:
        return local_folder(self.address.shown)

    @property
    def session(self) -> Session:
        """Of this thread."""
        return self._sessions.of_this_thread()

    @property
    def _writing(self) -> Writing | None:
        found: Writing | None = getattr(self._local, "writing", None)
        return found

    @property
    def _db(self) -> Session:
        if self._writing is not None:
            self._writing.flush()
        return self.session

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction, all or nothing. Whoever writes holds the state's row meanwhile, so one writes at a time."""
        session = self.session
        with session.transaction():
            session.script(_BEGUN)
            self._local.writing = writing = Writing(session, self.model)
            try:
                yield
                writing.flush()
            except BaseException:
                with suppress(Exception):
                    writing.wait()
                raise
            finally:
                self._local.writing = None

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        session = self.session
        if session.in_transaction:
            yield
            return
        with session.snapshot():
            self._moment.stamp = self.stamp()
            try:
                yield
            finally:
                self._moment.stamp = None

    # -- the model -------------------------------------------------------------------------------------------------------------

    @property
    def _shown(self) -> str:
        return self.address.shown

    def _forget_all(self) -> None:
        for table in (
            "media",
            "failures",
            "checkpoints",
            "people",
            "crops",
            "embeddings",
            "vectors",
            "signatures",
            "copies",
            "unfolded",
            "pictures",
            "deleted",
        ):
            self._db.script(f"TRUNCATE {table}")
        self._db.script("DELETE FROM meta WHERE key = 'model'; DELETE FROM cameras WHERE offset_seconds = 0 AND zone IS NULL")
        self._db.fetch("UPDATE state SET epoch = $1", uuid4().hex)
        mark_unwiped(self._db, [ALL_DAYS])

    # -- writing, inside `writing` ---------------------------------------------------------------------------------------------

    @property
    def _now_writing(self) -> Writing:
        if self._writing is None:
            raise IndexFault(expected="an index that is being written", found="one that is not", do="use `with index.writing():`")
        return self._writing

    def put(self, media: Media, people: Sequence[Sighting]) -> None:
        self._now_writing.put(media, people, beside=False)

    def put_more(self, media: Media, people: Sequence[Sighting]) -> None:
        self._now_writing.put(media, people, beside=True)

    def put_again(self, media: Media, people: Sequence[Sighting], gone: Collection[int] = ()) -> None:
        self._now_writing.put_again(media, people, gone)

    def link(self, media: Media) -> bool:
        known = self._with_digest(media.digest, read=True)
        if known:
            own = [row for row, path in known if path == os.fsencode(media.path)]
            source = own[0] if own else known[0][0]
            there = list(rows.read(self._db, "people.media = ?", [source]))
            sought, watched = self._sought(source)
            newest_media, newest_person = self._db.fetch("SELECT newest_media, newest_person FROM state")[0]
            held = hold(self._db, [replace(media, sought=sought, watched=watched)], newest_media)
            row = held[os.fsencode(media.path)]
            if row != source:
                regions = [region_of(one.track, crop) for one, (crop, *_) in there]
                let_in = self._now_writing.let_in(media, regions)
                self._copy([one.id or 0 for (one, _), may in zip(there, let_in, strict=True) if may], row, newest_person)
                delete_people(self._db, people_of(self._db, [row], newest_person))
        return bool(known)

    def _copy(self, people: Sequence[int], row: int, newest: int) -> None:
        """Put people of one media's row into another's."""
        given = list(range(newest + 1, newest + len(people) + 1))
        pairs = "unnest($1::bigint[], $2::bigint[]) AS pairs (old, new)"
        columns = "track, first, last, static"
        self._db.fetch(
            f"INSERT INTO people (id, media, {columns}) SELECT new, $3, {columns} FROM {pairs} JOIN people ON id = old", people, given, row
        )
        columns = "number, day, embedding, x, y, width, height, time, quality"
        self._db.fetch(
            f"INSERT INTO crops (person, {columns}) SELECT new, {columns} FROM {pairs} JOIN crops ON person = old", people, given
        )
        self._db.fetch("UPDATE state SET newest_person = $1", newest + len(people))

    def forget(self, path: Path) -> int:
        return self._now_writing.forget(path)

    def drop(self, people: Sequence[int]) -> None:
        self._db.fetch(
            """DELETE FROM checkpoints USING media WHERE media.id = checkpoints.media AND changed_ns IS DISTINCT FROM $2
            AND media.id IN (SELECT people.media FROM people WHERE id IN (SELECT unnest($1::bigint[])))""",
            list(people),
            TO_BE_READ,
        )
        delete_people(self._db, list(people))

    def suppress(self, person: int) -> int:
        self._now_writing.others_are_kept_out()
        return super().suppress(person)

    def unsuppress(self, person: int) -> bool:
        self._now_writing.others_are_kept_out()
        return super().unsuppress(person)

    def _next_run(self) -> None:
        self._db.script("UPDATE state SET run = run + 1")

    def settle(self, least: int = 1) -> None:  # noqa: ARG002
        """After writing, outside of `writing`: make the graph, where it is to be searched by and is not there yet."""
        if self.address.way == HNSW and (model := self.model) and not self._graph.is_there(self.session):
            hnsw.build(self.session, model.dim)

    def purge(self, patience: float = PATIENCE) -> None:
        """After a deletion, outside of `writing`: leave nothing of it in any file of this server's data.

        Args:
            patience: for how many seconds others who read it still, or purge, are waited for.

        Raises:
            IndexFault: another process holds on to deleted data, or purges for long.
        """
        purging.purge(self.session, self.address, patience)

    # -- reading ---------------------------------------------------------------------------------------------------------------

    def _with_digest(self, digest: str, *, read: bool = False) -> list[tuple[int, bytes]]:
        """The rows and paths of the media with these bytes, by path; none of no bytes.

        Args:
            read: only of those that are not to be read again.
        """
        if not digest:
            return []
        found = self._db.fetch("SELECT id, path, changed_ns FROM media WHERE digest = $1 ORDER BY path", digest)
        return [(row, path) for row, path, changed_ns in found if not (read and changed_ns == TO_BE_READ)]

    def _with_bytes(self, digest: str) -> list[int]:
        return [row for row, _ in self._with_digest(digest)]

    def with_digest(self, digest: str) -> list[tuple[Path, int | None]]:
        known = self._db.fetch("SELECT path, device FROM media WHERE digest = $1 AND digest > '' ORDER BY path", digest)
        return [(Path(os.fsdecode(path)), device) for path, device in known]

    def people(self, ids: Iterable[int] | None = None) -> Iterator[tuple[Person, tuple[Crop, ...]]]:
        if ids is not None:
            yield from super().people(ids)
            return
        newest = 0
        while page := [row[0] for row in self._db.fetch("SELECT id FROM people WHERE id > $1 ORDER BY id LIMIT $2", newest, _PAGE)]:
            yield from super().people(page)
            newest = page[-1]

    def stamp(self) -> Stamp:
        if known := getattr(self._moment, "stamp", None):
            return cast(Stamp, known)
        id, generation = self._db.fetch("SELECT value, generation FROM meta, state WHERE key = 'id'")[0]
        return Stamp(id, generation)

    def nearest(
        self,
        questions: Sequence[Weights],
        k: int,
        passes: Passes | None = None,
        *,
        selection: Selection = EVERYBODY,
        fold: bool = True,
    ) -> list[Nearest]:
        """As :meth:`passerby.index.base.Index.nearest`; by the graph where the URL says so, it is there, and nothing else filters."""
        if self.address.way != HNSW or passes is not None or not self._graph.is_there(self.session):
            return super().nearest(questions, k, passes, selection=selection, fold=fold)
        with self.snapshot():
            return self._graph.nearest(self, self._now(), questions, k, selection, fold=fold)

    def vectors(self) -> VectorTable:
        stamp, known = self.stamp(), self._table
        if known is None or known[0] != stamp:
            self._table = known = stamp, self._segment.table(self._db, self._now())
        return known[1]

    def _now(self) -> Moment:
        return self._once("now", self._read_now)

    def _read_now(self) -> Moment:
        facts = "SELECT epoch, generation, newest, (SELECT value FROM meta WHERE key = 'model') FROM state"
        epoch, generation, newest, said = self._db.fetch(facts)[0]
        model = model_of(said)
        return Moment(epoch, generation, newest, *((model.dim, 2 * model.attributes) if model else (0, 0)))

    def embeddings(self, ids: Sequence[int]) -> Chunk:
        found = self._db.fetch(
            """SELECT id, vector, worn FROM embeddings JOIN vectors ON embedding = id AND vectors.day = embeddings.day
            WHERE id IN (SELECT unnest($1::bigint[])) ORDER BY id""",
            list(ids),
        )
        return chunk_of(found, self._now().width)

    def _is_crop(self, person: Person, crop: Crop | None) -> selecting.Where:
        known = super()._is_crop(person, crop)
        return known._replace(sql=known.sql.replace("IS ?", "IS NOT DISTINCT FROM CAST(? AS float8)"))

    def _stored_of(self, column: str, person: Person, crop: Crop | None) -> Any:
        this, values = self._is_crop(person, crop)
        row = self._one(f"SELECT {column} FROM crops JOIN vectors USING (embedding, day) WHERE person = ? AND {this}", person.id, *values)
        if row is None:
            raise IndexFault(expected=f"{person.media.path} in the index", found="it is gone", do="search again")
        return row[0]

    # -- to be copied ----------------------------------------------------------------------------------------------------------

    def _rows_of_people(self, ids: Sequence[int]) -> dict[int, list[StoredRow]]:
        found = self._db.fetch(
            """SELECT person, vector, worn, signature, run, jpeg
            FROM crops JOIN vectors USING (embedding, day) LEFT JOIN signatures USING (embedding)
            LEFT JOIN pictures USING (embedding)
            WHERE person IN (SELECT unnest($1::bigint[])) ORDER BY person, number""",
            list(ids),
        )
        return rows.by_person(found)

    def copied(self) -> tuple[str, int]:
        return str(self._meta("copy_of") or ""), int(self._db.fetch("SELECT newest_person FROM state")[0][0])

    def info(self) -> IndexInfo:
        return replace(super().info(), folder=self.address.shown)

    def _bytes(self) -> int:
        sizes = (
            "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'"
        )
        return int(self._db.fetch(sizes)[0][0])

    def _unworn(self) -> int:
        return int(self._db.fetch("SELECT count(*) FROM vectors WHERE worn IS NULL")[0][0])
