"""Media, people and crops as rows: written inside of a transaction, and read back."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from passerby.index.info import TO_BE_READ
from passerby.index.region import Key, key_of
from passerby.index.sighting import Sighting, StoredRow
from passerby.index.sql.database import Database
from passerby.index.sql.media_row import SOUGHT, WATCHED, sought_of, sought_row, watched_of, watched_row
from passerby.index.sql.selecting import EVERYWHERE, Where, meet
from passerby.types import Box, Crop, Media, MediaKind, Person

TOKEN = "random() & 1099511627775"
"""A random number so small that eight million of them have a sum, and so large that two sums are equal by no chance."""

_TAKEN: Final = "kind, camera, started_at, zone, known_by"
_HELD: Final = f"path, size, modified_ns, digest, changed_ns, device, {_TAKEN}, {SOUGHT}, {WATCHED}".split(", ")
MEDIA: Final = f"path, size, modified_ns, digest, changed_ns, device, away_since, {_TAKEN}, {SOUGHT}, {WATCHED}"
_SOUGHT_AT: Final = MEDIA.split(", ").index("detector")
_WATCHED_AT: Final = MEDIA.split(", ").index("seconds")
_MEDIA_START: Final = 5
_MEDIA_END: Final = _MEDIA_START + len(MEDIA.split(", "))
_PERSON: Final = "people.id, track, first, last, static"
_LOOKS: Final = "x, y, width, height, time, quality"
CROP: Final = f"{_LOOKS}, number, crops.embedding"
KEEP_PICTURE: Final = """INSERT INTO pictures VALUES (?, ?)
    ON CONFLICT (embedding) DO UPDATE SET jpeg = excluded.jpeg WHERE pictures.jpeg != excluded.jpeg"""

Kept = Callable[[Media, int], bytes]
"""Reads the picture that is kept of an embedding of a media."""


def hold(db: Database, media: Media) -> int:
    """The row of a media, made or brought up to date; its people stay."""
    path = os.fsencode(media.path)
    db.execute("DELETE FROM failures WHERE path = ?", (path,))
    db.execute(
        f"""INSERT INTO media ({", ".join(_HELD)}) VALUES ({", ".join("?" * len(_HELD))})
        ON CONFLICT (path) DO UPDATE SET away_since = NULL, {", ".join(f"{column} = excluded.{column}" for column in _HELD[1:])}""",
        (
            path,
            media.size,
            media.modified_ns,
            media.digest,
            media.changed_ns,
            media.device,
            media.kind,
            media.camera,
            media.started_at,
            media.zone,
            media.known_by,
            *sought_row(media.sought),
            *watched_row(media.watched),
        ),
    )
    meet(db, media.camera)
    row = int(db.execute("SELECT id FROM media WHERE path = ?", (path,)).fetchone()[0])
    db.execute("DELETE FROM checkpoints WHERE media = ?", (row,))
    return row


def put(db: Database, row: int, media: Media, people: Sequence[Sighting]) -> None:
    """Put people into the row of a media in place of those who are there."""
    before = _newest(db)
    insert(db, row, media, people)
    _delete_until(db, row, before)


def insert(db: Database, row: int, media: Media, people: Sequence[Sighting]) -> None:
    """Put people into the row of a media beside those who are there."""
    for one in people:
        _insert_crops(db, _give(db, row, one), media, one)
    _note_embedded(db, row)


def insert_again(db: Database, row: int, media: Media, people: Sequence[Sighting], gone: Collection[int]) -> None:
    """The same, but those of tracks that are there take the place of who was there; and tracks that are gone are deleted."""
    tracks = json.dumps([*gone, *(one.track for one in people)])
    found = db.execute("SELECT track, id FROM people WHERE media = ? AND track IN (SELECT value FROM json_each(?))", (row, tracks))
    known = dict(found.fetchall())
    db.executemany("DELETE FROM people WHERE id = ?", [(known[track],) for track in known.keys() - {one.track for one in people}])
    for one in people:
        if one.track in known:
            _replace(db, known[one.track], media, one)
    insert(db, row, media, [one for one in people if one.track not in known])


def _replace(db: Database, person: int, media: Media, one: Sighting) -> None:
    """The new crops stand before the old ones go, so that an embedding of both stays."""
    db.execute(
        f"UPDATE people SET first = ?, last = ?, static = ?, token = {TOKEN} WHERE id = ?", (one.first, one.last, one.static, person)
    )
    db.execute("UPDATE crops SET number = -1 - number WHERE person = ?", (person,))
    _insert_crops(db, person, media, one)
    db.execute("DELETE FROM crops WHERE person = ? AND number < 0", (person,))


def _insert_crops(db: Database, person: int, media: Media, one: Sighting) -> None:
    nothing = [None] * len(one.crops)
    stored = one.signatures, one.worn, one.pictures
    every = zip(one.crops, one.vectors, *(nothing if rows is None else rows for rows in stored), strict=True)
    for number, (crop, vector, signature, worn, picture) in enumerate(every):
        box = crop.box
        place = (None,) * 4 if box is None else (box.x, box.y, box.width, box.height)
        embedding = _embed(db, key_of(media, one.track, crop, vector), vector, worn)
        if signature is not None:
            _sign(db, embedding, signature, media.size, one.run)
        if picture is not None:
            db.execute(KEEP_PICTURE, (embedding, picture))
        db.execute("INSERT INTO crops VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (person, number, embedding, *place, crop.time, crop.quality))


def copy(db: Database, people: Sequence[Person], target: int) -> None:
    """Put people of one media's row into another's, in place of those who are there."""
    before = _newest(db)
    for person in people:
        db.execute(
            """INSERT INTO crops SELECT ?, number, embedding, x, y, width, height, time, quality FROM crops WHERE person = ?""",
            (_give(db, target, person), person.id),
        )
    _delete_until(db, target, before)


def drop(db: Database, people: Sequence[int]) -> None:
    """Delete people of any media."""
    named = json.dumps(list(people))
    found = db.execute("SELECT DISTINCT media FROM people WHERE id IN (SELECT value FROM json_each(?))", (named,)).fetchall()
    db.execute("DELETE FROM people WHERE id IN (SELECT value FROM json_each(?))", (named,))
    for (row,) in found:
        _note_deleted(db, row)


def with_bytes(db: Database, digest: str, *, read: bool = False) -> list[int]:
    """The rows of the media with these bytes, by path; none of no bytes.

    Args:
        read: only of those that are not to be read again.
    """
    rows = db.execute(
        """SELECT id, path, changed_ns FROM media WHERE digest = :digest AND NOT embedded
        UNION SELECT media.id, path, changed_ns FROM embeddings JOIN crops ON embedding = embeddings.id JOIN people ON people.id = person
            JOIN media ON media.id = people.media WHERE embeddings.digest = :digest AND media.digest = :digest ORDER BY path""",
        {"digest": digest},
    )
    return [row for row, _, changed_ns in rows if digest and not (read and changed_ns == TO_BE_READ)]


def read(db: Database, where: str, values: Sequence[object], kept: Kept | None = None) -> Iterator[tuple[Person, tuple[Crop, ...]]]:
    """People by id, each with their crops, of whom something in SQL is true.

    Args:
        kept: what their crops are shown by, where their media have no file here.
    """
    cursor = db.execute(
        f"""SELECT {_PERSON}, {MEDIA}, {CROP}
        FROM people JOIN media ON media.id = people.media JOIN crops ON person = people.id WHERE {where} ORDER BY people.id, number""",
        values,
    )
    for _, rows in groupby(cursor, key=lambda row: row[0]):
        found = list(rows)
        person = _person(found[0])
        yield person, tuple(crop_of(row[_MEDIA_END:], person.media, kept) for row in found)


def by_person(found: Iterable[tuple[Any, ...]]) -> dict[int, list[StoredRow]]:
    """What is stored of crops, by the ids of their people, from rows of person, vector, worn, signature, run and picture."""
    people: dict[int, list[StoredRow]] = {}
    for person, *stored in found:
        people.setdefault(person, []).append(StoredRow(*stored))
    return people


def media_after(db: Database, path: bytes, count: int) -> list[Media]:
    """So many media with larger paths, by path."""
    return [media_of(row) for row in db.execute(f"SELECT {MEDIA} FROM media WHERE path > ? ORDER BY path LIMIT ?", (path, count))]


def seen_by(db: Database, embeddings: str, kept: Kept, within: Where = EVERYWHERE) -> list[tuple[int, Person, Crop]]:
    """Whose crops have these embeddings, a JSON list of ids, and are selected; by path, person and crop."""
    rows = db.execute(
        f"""SELECT {_PERSON}, {MEDIA}, {CROP}
        FROM crops JOIN people ON people.id = person JOIN media ON media.id = people.media
        WHERE embedding IN (SELECT value FROM json_each(?)) AND {within.sql} ORDER BY path, people.id, number""",
        (embeddings, *within.values),
    )
    found = list[tuple[int, Person, Crop]]()
    for row in rows:
        person = _person(row)
        found.append((row[-1], person, crop_of(row[_MEDIA_END:], person.media, kept)))
    return found


def shown_by(db: Database, embeddings: str, within: Where = EVERYWHERE) -> list[tuple[int, int]]:
    """Whose crops have these embeddings, a JSON list of ids, and are selected: each embedding and the id of a person."""
    return db.execute(
        f"""SELECT DISTINCT embedding, person FROM crops JOIN people ON people.id = person JOIN media ON media.id = people.media
        WHERE embedding IN (SELECT value FROM json_each(?)) AND {within.sql}""",
        (embeddings, *within.values),
    ).fetchall()


def beside(db: Database, people: Sequence[int], seconds: float) -> list[tuple[int, int]]:
    """Who is near each of some people in the same media and at most so many seconds before or after: pairs of ids, rising."""
    return db.execute(
        """SELECT one.id, other.id FROM people AS one JOIN people AS other ON other.media = one.media
        WHERE one.id IN (SELECT value FROM json_each(?)) AND other.id != one.id
            AND coalesce(other.first, 0) <= coalesce(one.last, 0) + ? AND coalesce(other.last, 0) >= coalesce(one.first, 0) - ?
        ORDER BY one.id, other.id""",
        (json.dumps(list(people)), seconds, seconds),
    ).fetchall()


def is_crop(crop: Crop) -> Where:
    """What is true of the row of a crop among those of its person."""
    box = crop.box
    place = (None,) * 4 if box is None else (box.x, box.y, box.width, box.height)
    return Where(" AND ".join(f"{column} IS ?" for column in _LOOKS.split(", ")), (*place, crop.time, crop.quality))


def _person(row: tuple[Any, ...]) -> Person:
    id, track, first, last, static = row[:_MEDIA_START]
    return Person(media_of(row[_MEDIA_START:_MEDIA_END]), id, track, first, last, bool(static))


def media_of(row: Sequence[Any]) -> Media:
    """A media as the columns ``MEDIA`` have it."""
    path, size, modified_ns, digest, changed_ns, device, away_since, kind, camera, started_at, zone, known_by = row[:_SOUGHT_AT]
    sought, watched = sought_of(*row[_SOUGHT_AT:_WATCHED_AT]), watched_of(*row[_WATCHED_AT:])
    where = Path(os.fsdecode(path)), size, modified_ns, digest, changed_ns, device, away_since
    return Media(*where, MediaKind(kind), camera, started_at, zone, known_by, sought, watched)


def crop_of(row: Sequence[Any], media: Media, kept: Kept | None) -> Crop:
    """A crop of a media as the columns ``CROP`` have it."""
    *box, time, quality, number, embedding = row
    shown = None if kept is None or media.has_file else partial(kept, media, embedding)
    return Crop(None if box[0] is None else Box(*box), time, quality, number, shown)


def _embed(db: Database, key: Key, vector: NDArray[np.float32], worn: NDArray[np.uint8] | None) -> int:
    """An embedding's id; of equal keys the first vector, with what is worn, stays."""
    db.execute(
        """INSERT OR IGNORE INTO embeddings (id, digest, region, vector, worn)
        VALUES ((SELECT value + 1 FROM meta WHERE key = 'newest'), ?, ?, ?, ?)""",
        (*key, np.ascontiguousarray(vector, "<f4").tobytes(), None if worn is None or not worn.size else worn.tobytes()),
    )
    return int(db.execute("SELECT id FROM embeddings WHERE digest = ? AND region = ?", key).fetchone()[0])


def _sign(db: Database, embedding: int, signature: NDArray[np.uint8], size: int, run: int | None) -> None:
    """Keep the signature of an embedding of this run, or of a copied one, of a file of so many bytes; the first one stays."""
    if run is not None:
        db.execute("UPDATE meta SET value = max(value, ?) WHERE key = 'run'", (run,))
    db.execute(
        "INSERT OR IGNORE INTO signatures VALUES (?, ?, ?, coalesce(?, (SELECT value FROM meta WHERE key = 'run')))",
        (embedding, signature.tobytes(), size, run),
    )


def _give(db: Database, row: int, one: Sighting | Person) -> int:
    """A person of an id that nobody had; of a copied one it is theirs, if it can be."""
    asked = one.id if isinstance(one, Sighting) else None
    given = db.execute(
        f"""INSERT INTO people (id, media, track, first, last, static, token)
        VALUES ((SELECT max(value + 1, coalesce(?, 0)) FROM meta WHERE key = 'newest_person'), ?, ?, ?, ?, ?, {TOKEN})""",
        (asked, row, one.track, one.first, one.last, one.static),
    )
    return int(given.lastrowid or 0)


def _newest(db: Database) -> int:
    return int(db.execute("SELECT value FROM meta WHERE key = 'newest_person'").fetchone()[0])


def _delete_until(db: Database, row: int, newest: int) -> None:
    """The new ones stand before the old ones go, so that an embedding of both stays."""
    db.execute("DELETE FROM people WHERE media = ? AND id <= ?", (row, newest))
    _note_embedded(db, row)


def _note_deleted(db: Database, row: int) -> None:
    """Where those who were there at the end of a media went may be of somebody who was deleted."""
    db.execute(f"DELETE FROM checkpoints WHERE media = ? AND media IN (SELECT id FROM media WHERE changed_ns IS NOT {TO_BE_READ})", (row,))
    _note_embedded(db, row)


def _note_embedded(db: Database, row: int) -> None:
    """Whether an embedding has the digest of a media, by which both are found."""
    db.execute(
        """UPDATE media SET embedded = EXISTS (
            SELECT 1 FROM people JOIN crops ON person = people.id JOIN embeddings ON embeddings.id = embedding
            WHERE people.media = media.id AND embeddings.digest = media.digest)
        WHERE id = ?""",
        (row,),
    )
