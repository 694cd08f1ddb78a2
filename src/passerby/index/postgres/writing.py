"""Media and the people in them on their way into PostgreSQL: gathered, and written together by COPY."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date
from itertools import compress
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from passerby.errors import IndexFault
from passerby.index.info import IndexedModel
from passerby.index.postgres.schema import ALL_DAYS, UNDATED, day_of, make_days
from passerby.index.postgres.session import Session
from passerby.index.region import Key, kept_out, key_of
from passerby.index.sighting import Sighting
from passerby.index.sql.media_row import SOUGHT, WATCHED, sought_row, watched_row
from passerby.index.sql.people import KEEP_PICTURE
from passerby.index.sql.suppression import digests
from passerby.types import Media, ModelDigest

ROWS: Final = 2048
"""Crops, or media, that are gathered at most before they are written."""

_MEDIA: Final = tuple(
    f"path, size, modified_ns, digest, changed_ns, device, away_since, kind, camera, started_at, zone, known_by, {SOUGHT}, {WATCHED}".split(
        ", "
    )
)
_PEOPLE: Final = ("id", "media", "track", "first", "last", "static")
_CROPS: Final = ("person", "number", "day", "embedding", "x", "y", "width", "height", "time", "quality")
_MEDIA_SET: Final = ", ".join(f"{column} = ${number}" for number, column in enumerate(_MEDIA[1:], 2))
_EPOCH: Final = date(2000, 1, 1)
_BEFORE_ALL: Final = -(2**31)


Gathered = dict[bytes, tuple[Media, Sequence[Sighting]]]
"""Media and the people in them, by path."""


class _Crop(NamedTuple):
    """A crop with its vector and what goes with it, by the key of its embedding."""

    key: bytes
    digest: str
    day: date
    vector: NDArray[np.float32]
    worn: NDArray[np.uint8] | None
    signature: NDArray[np.uint8] | None
    size: int
    run: int | None
    picture: bytes | None


class Writing:
    """What one transaction of a session writes. It is gathered, and written before anything is read.

    Of many, those that were gathered are written by a thread of its own while the next are.
    """

    def __init__(self, session: Session, model: IndexedModel | None) -> None:
        self._session, self._model = session, model
        self._media: Gathered = {}
        self._beside = set[bytes]()
        self._crops = 0
        self._orphaned: list[int] = []
        self._kept_out: tuple[str, dict[bytes, str]] | None = None
        self._aside: Future[None] | None = None

    def put(self, media: Media, people: Sequence[Sighting], *, beside: bool) -> None:
        """Hold a media and those in it who are not kept out.

        Args:
            beside: those whom its path holds stay.
        """
        self._made_by.require_worn(people)
        path = os.fsencode(media.path)
        if path in self._media or self._orphaned:
            self.flush()
        elif self._crops >= ROWS or len(self._media) >= ROWS:
            self._write_aside()
        let_in = self.let_in(media, [one.region for one in people])
        self._media[path] = media, list(compress(people, let_in))
        self._beside |= {path} if beside else set()
        self._crops += sum(len(one.crops) for one in people)

    def put_again(self, media: Media, people: Sequence[Sighting], gone: Collection[int]) -> None:
        """Hold people beside those of a media, but in place of those of their tracks, whose ids they get; tracks that are gone go.

        The new crops stand before the old ones go, so that an embedding of both stays.
        """
        self.flush()
        there = [*compress(people, self.let_in(media, [one.region for one in people]))]
        tracks = {one.track for one in there if one.track is not None}
        found = self._session.fetch(
            """SELECT track, people.id FROM people JOIN media ON media.id = people.media
            WHERE path = $1 AND track IN (SELECT unnest($2::bigint[]))""",
            os.fsencode(media.path),
            sorted({*gone, *(one.track for one in people if one.track is not None)}),
        )
        kept = {track: person for track, person in found if track in tracks}
        ids = list(kept.values())
        self._session.fetch("UPDATE crops SET number = -1 - number WHERE person IN (SELECT unnest($1::bigint[]))", ids)
        self._session.fetch("DELETE FROM people WHERE id IN (SELECT unnest($1::bigint[]))", ids)
        self._made_by.require_worn(people)
        path = os.fsencode(media.path)
        _write(self._session, self._made_by.digest, {path: (media, there)}, {path}, kept)
        delete_crops(self._session, ids, "number < 0")
        delete_people(self._session, [person for track, person in found if track not in kept])

    def forget(self, path: Path) -> int:
        """Delete a file; its people go when what is gathered is written."""
        if self._media:
            self.flush()
        key = os.fsencode(path)
        failed = self._session.fetch("DELETE FROM failures WHERE path = $1 RETURNING 1", key)
        gone = [row[0] for row in self._session.fetch("DELETE FROM media WHERE path = $1 RETURNING id", key)]
        if failed or gone:
            mark_unwiped(self._session, [ALL_DAYS])
        self._orphaned += gone
        return len(gone)

    def flush(self) -> None:
        """Write what is gathered."""
        self.wait()
        orphaned, self._orphaned = self._orphaned, []
        if orphaned:
            self._session.fetch("DELETE FROM checkpoints WHERE media IN (SELECT unnest($1::bigint[]))", orphaned)
            delete_people(self._session, people_of(self._session, orphaned))
        self._write(*self._gathered())

    def wait(self) -> None:
        """Until nothing is being written any more."""
        aside, self._aside = self._aside, None
        if aside is not None:
            aside.result()

    def _write_aside(self) -> None:
        self.wait()
        writer = ThreadPoolExecutor(1, thread_name_prefix="writing")
        self._aside = writer.submit(self._write, *self._gathered())
        writer.shutdown(wait=False)

    def _gathered(self) -> tuple[Gathered, set[bytes]]:
        media, beside, self._media, self._beside, self._crops = self._media, self._beside, {}, set(), 0
        return media, beside

    def _write(self, media: Gathered, beside: set[bytes]) -> None:
        if media:
            _write(self._session, self._made_by.digest, media, beside)

    @property
    def _made_by(self) -> IndexedModel:
        if self._model is None:
            do = "make it again: passerby index PATH… --rebuild"
            raise IndexFault(expected="an index that a model made", found="one of no model", do=do)
        return self._model

    def let_in(self, media: Media, regions: Sequence[str]) -> list[bool]:
        """Which of the people of a media, by their regions, are not kept out."""
        if self._kept_out is None:
            (salt,) = self._session.fetch("SELECT value FROM meta WHERE key = 'salt'")[0]
            self._kept_out = salt, dict(self._session.fetch("SELECT digest, region FROM suppressed"))
        salt, known = self._kept_out
        if not known:
            return [True] * len(regions)
        removed = [region for region in sorted(set(known.values())) if not known.keys().isdisjoint(digests(salt, media, region))]
        out = kept_out(regions, removed)
        return [number not in out for number in range(len(regions))]

    def others_are_kept_out(self) -> None:
        """Look anew at who is kept out."""
        self._kept_out = None


def embedding_key(model: ModelDigest, key: Key) -> bytes:
    """What an embedding of a model is known by, in 32 bytes."""
    return hashlib.sha256("\0".join((model, *key)).encode()).digest()


def _write(session: Session, model: ModelDigest, gathered: Gathered, beside: set[bytes], kept: Mapping[int | None, int] = {}) -> None:
    """Write what is gathered.

    Args:
        kept: ids that people of tracks had before, and have again.
    """
    newest_media, newest_person, newest, run = session.fetch("SELECT newest_media, newest_person, newest, run FROM state")[0]
    known = hold(session, [media for media, _ in gathered.values()], newest_media)
    people, crops = [], []
    person = newest_person
    for path, (media, seen) in gathered.items():
        for one in seen:
            id = kept.get(one.track)
            if id is None:
                id = person = max(person + 1, one.id or 0)
            people.append((id, known[path], one.track, one.first, one.last, one.static))
            crops += [(id, number, crop, one) for number, crop in enumerate(_crops_of(model, media, one))]
    ids = _embed(session, [crop for _, _, crop, _ in crops], newest, run)
    session.copy_in("people", _PEOPLE, people)
    rows = []
    for of, number, crop, one in crops:
        shown = one.crops[number]
        place = (None,) * 4 if shown.box is None else (shown.box.x, shown.box.y, shown.box.width, shown.box.height)
        embedding, day = ids[crop.key]
        rows.append((of, number, day, embedding, *place, shown.time, shown.quality))
    session.copy_in("crops", _CROPS, rows)
    session.fetch("UPDATE state SET newest_person = $1", person)
    before = [known[path] for path in gathered if path not in beside and known[path] <= newest_media]
    if before:
        delete_people(session, people_of(session, before, newest_person))


def hold(session: Session, media: Sequence[Media], newest: int) -> dict[bytes, int]:
    """The rows of media by path, made or brought up to date; their people stay."""
    paths = [os.fsencode(one.path) for one in media]
    known: dict[bytes, int] = dict(session.fetch("SELECT path, id FROM media WHERE path IN (SELECT unnest($1::bytea[]))", paths))
    rows = [(path, *_media_row(one)) for path, one in zip(paths, media, strict=True)]
    given = {path: newest + number for number, path in enumerate((path for path in paths if path not in known), 1)}
    session.copy_in("media", ("id", *_MEDIA), [(given[row[0]], *row) for row in rows if row[0] in given])
    again = [row for row in rows if row[0] in known]
    if again:
        session.executemany_numbered(f"UPDATE media SET {_MEDIA_SET} WHERE path = $1", again)
        session.fetch("DELETE FROM checkpoints WHERE media IN (SELECT unnest($1::bigint[]))", list(known.values()))
    if given:
        session.fetch("UPDATE state SET newest_media = $1", newest + len(given))
    session.fetch("DELETE FROM failures WHERE path IN (SELECT unnest($1::bytea[]))", paths)
    cameras = sorted({one.camera for one in media if one.camera is not None})
    if cameras:
        session.fetch("INSERT INTO cameras (name) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING", cameras)
    return known | given


def people_of(session: Session, media: Sequence[int], newest: int = 2**63 - 1) -> list[int]:
    """Who is in the rows of media, of those with ids up to one."""
    return [
        row[0] for row in session.fetch("SELECT id FROM people WHERE media IN (SELECT unnest($1::bigint[])) AND id <= $2", media, newest)
    ]


def delete_people(session: Session, people: Sequence[int]) -> None:
    """Delete people, their crops, and embeddings that nobody is left of; a group that lost one is no more until it is worked out anew."""
    if not people:
        return
    if session.fetch("DELETE FROM people WHERE id IN (SELECT unnest($1::bigint[])) RETURNING 1", people):
        mark_unwiped(session, [ALL_DAYS])
    delete_crops(session, people)


def delete_crops(session: Session, people: Sequence[int], which: str = "TRUE") -> None:
    """Delete crops of people, and embeddings that nobody is left of."""
    shown = session.fetch(f"DELETE FROM crops WHERE person IN (SELECT unnest($1::bigint[])) AND {which} RETURNING embedding, day", people)
    mark_unwiped(session, {day for _, day in shown})
    gone = session.fetch(
        """DELETE FROM embeddings WHERE id IN (SELECT unnest($1::bigint[]))
            AND NOT EXISTS (SELECT 1 FROM crops WHERE embedding = embeddings.id) RETURNING id, day""",
        sorted({embedding for embedding, _ in shown}),
    )
    if gone:
        _delete_embeddings(session, gone)


def _delete_embeddings(session: Session, gone: Sequence[tuple[int, date]]) -> None:
    """What stands behind embeddings that are no more."""
    ids, days = [id for id, _ in gone], {day for _, day in gone}
    mark_unwiped(session, days)
    session.fetch(
        "DELETE FROM vectors WHERE embedding IN (SELECT unnest($1::bigint[])) AND day IN (SELECT unnest($2::date[]))", ids, sorted(days)
    )
    session.fetch("INSERT INTO deleted SELECT unnest($1::bigint[]), generation FROM state ON CONFLICT DO NOTHING", ids)
    groups = "SELECT leader FROM copies WHERE embedding IN (SELECT unnest($1::bigint[])) UNION SELECT unnest($1::bigint[])"
    lost = session.fetch(f"DELETE FROM copies WHERE leader IN ({groups}) RETURNING embedding, leader", ids)
    left = {one for pair in lost for one in pair}.difference(ids)
    session.fetch("INSERT INTO unfolded SELECT unnest($1::bigint[]) ON CONFLICT DO NOTHING", sorted(left))
    for table in ("unfolded", "signatures", "pictures"):
        session.fetch(f"DELETE FROM {table} WHERE embedding IN (SELECT unnest($1::bigint[]))", ids)


def mark_unwiped(session: Session, days: Iterable[date]) -> None:
    """Have a purge look at days, as soon as there is one: whose crops are replaced stays, and waits for it; who goes marks all days."""
    session.fetch(
        """INSERT INTO unwiped SELECT unnest($1::date[]), generation FROM state
        ON CONFLICT (day) DO UPDATE SET generation = excluded.generation""",
        sorted(days),
    )


def _media_row(media: Media) -> tuple[Any, ...]:
    """All columns but the path."""
    taken = media.camera, media.started_at, media.zone, media.known_by
    seen = media.size, media.modified_ns, media.digest, media.changed_ns, media.device, None
    return *seen, str(media.kind), *taken, *sought_row(media.sought), *watched_row(media.watched)


def _crops_of(model: ModelDigest, media: Media, one: Sighting) -> list[_Crop]:
    nothing = [None] * len(one.crops)
    signatures, worn_by, pictures = (nothing if rows is None else rows for rows in (one.signatures, one.worn, one.pictures))
    found = []
    for crop, vector, signature, worn, picture in zip(one.crops, one.vectors, signatures, worn_by, pictures, strict=True):
        key = key_of(media, one.track, crop, vector)
        known = None if worn is None or not worn.size else worn
        day = day_of(media.started_at, crop.time)
        found.append(_Crop(embedding_key(model, key), key[0], day, vector, known, signature, media.size, one.run, picture))
    return found


def _embed(session: Session, crops: Sequence[_Crop], newest: int, run: int) -> dict[bytes, tuple[int, date]]:
    """The ids and days of the embeddings of crops, by key; of equal keys the first vector, with what is worn, stays."""
    first: dict[bytes, _Crop] = {}
    for crop in crops:
        first.setdefault(crop.key, crop)
    found = session.fetch("SELECT key, id, day FROM embeddings WHERE key IN (SELECT unnest($1::bytea[]))", list(first))
    ids: dict[bytes, tuple[int, date]] = {key: (id, day) for key, id, day in found}
    new = [crop for key, crop in first.items() if key not in ids]
    if new:
        given = range(newest + 1, newest + len(new) + 1)
        make_days(session, (crop.day for crop in new))
        rows = [(id, crop.key, crop.digest, crop.day) for id, crop in zip(given, new, strict=True)]
        session.copy_in("embeddings", ("id", "key", "digest", "day"), rows)
        for binary in _binary(given, new):
            session.copy_bytes_in("vectors", ("embedding", "day", "half", "vector", "worn"), binary)
        session.fetch("UPDATE state SET newest = $1", given[-1])
        ids |= {crop.key: (id, crop.day) for id, crop in zip(given, new, strict=True)}
    _sign(session, crops, ids, newest, run)
    session.executemany(KEEP_PICTURE, [(ids[crop.key][0], crop.picture) for crop in crops if crop.picture is not None])
    return ids


def _sign(session: Session, crops: Sequence[_Crop], ids: dict[bytes, tuple[int, date]], newest: int, run: int) -> None:
    """Keep the signatures of embeddings, of this run or of a copied one, and of files of so many bytes; the first ones stay."""
    signed: dict[int, tuple[int, bytes, int, int]] = {}
    for crop in crops:
        if crop.signature is not None:
            id = ids[crop.key][0]
            signed.setdefault(id, (id, crop.signature.tobytes(), crop.size, run if crop.run is None else crop.run))
    if any(of > run for *_, of in signed.values()):
        session.fetch("UPDATE state SET run = $1", max(of for *_, of in signed.values()))
    before = [id for id in signed if id <= newest]
    if before:
        for (known,) in session.fetch("SELECT embedding FROM signatures WHERE embedding IN (SELECT unnest($1::bigint[]))", before):
            del signed[known]
    session.copy_in("signatures", ("embedding", "signature", "bytes", "run"), list(signed.values()))
    if before:
        session.fetch("INSERT INTO unfolded SELECT unnest($1::bigint[]) ON CONFLICT DO NOTHING", list(signed))
    else:
        session.copy_in("unfolded", ("embedding",), [(id,) for id in signed])


def _binary(ids: Sequence[int], crops: Sequence[_Crop]) -> Iterable[bytes]:
    """Rows of vectors as COPY takes them: those of whom it is known what is worn, and the others."""
    for known in (True, False):
        some = [(id, crop) for id, crop in zip(ids, crops, strict=True) if (crop.worn is not None) == known]
        if some:
            vectors = np.stack([crop.vector for _, crop in some])
            worn = np.stack([crop.worn for _, crop in some if crop.worn is not None]) if known else np.empty((len(some), 0), np.uint8)
            yield binary_rows([id for id, _ in some], vectors, worn, [crop.day for _, crop in some])


def binary_rows(ids: Sequence[int], vectors: NDArray[np.float32], worn: NDArray[np.uint8], days: Sequence[date]) -> bytes:
    """Rows of vectors as a binary COPY has them.

    Args:
        vectors: float32 (n, d).
        worn: uint8 (n, 2a), or (n, 0) where it is not known.
    """
    dim, width = vectors.shape[1], worn.shape[1]
    fields: list[Any] = [("fields", ">i2"), ("a", ">i4"), ("id", ">i8"), ("b", ">i4"), ("day", ">i4")]
    fields += [("c", ">i4"), ("dim", ">i2"), ("unused", ">i2"), ("half", ">f2", dim), ("d", ">i4"), ("vector", "<f4", dim), ("e", ">i4")]
    rows = np.zeros(len(ids), np.dtype([*fields, ("worn", np.uint8, width)]))
    rows["fields"], rows["a"], rows["b"], rows["c"], rows["d"], rows["e"] = 5, 8, 4, 4 + 2 * dim, 4 * dim, width or -1
    rows["id"], rows["dim"], rows["half"], rows["vector"], rows["worn"] = ids, dim, vectors, vectors, worn
    rows["day"] = [_BEFORE_ALL if day == UNDATED else (day - _EPOCH).days for day in days]
    return b"PGCOPY\n\xff\r\n\0" + bytes(8) + rows.tobytes() + b"\xff\xff"
