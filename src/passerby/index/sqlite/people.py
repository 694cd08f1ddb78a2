"""Media, people and crops as rows: written inside of a transaction, and read back."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from passerby.index.base import TO_BE_READ, Key, Sighting, StoredRow, key_of
from passerby.index.sql import Database
from passerby.index.sqlite.selecting import EVERYWHERE, Where, meet
from passerby.types import Box, Crop, Media, MediaKind, ModelDigest, Person, Sought, Watched

SOUGHT: Final = "detector, detect_size, min_height, smallest, fps, quick"
WATCHED: Final = "seconds, broken, cut_short_at, clock_reset"
_MEDIA: Final = (
    f"path, size, modified_ns, digest, changed_ns, device, away_since, kind, camera, started_at, zone, known_by, {SOUGHT}, {WATCHED}"
)
_MEDIA_END: Final = 5 + _MEDIA.count(",") + 1
_PERSON: Final = "people.id, track, first, last, static"
_CROP: Final = "x, y, width, height, time, quality"


def hold(db: Database, media: Media) -> int:
    """The row of a media, made or brought up to date; its people stay."""
    path = os.fsencode(media.path)
    db.execute("DELETE FROM failures WHERE path = ?", (path,))
    db.execute(
        f"""INSERT INTO media
            (path, size, modified_ns, digest, changed_ns, device, kind, camera, started_at, zone, known_by, {SOUGHT}, {WATCHED})
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (path) DO UPDATE SET size = excluded.size, modified_ns = excluded.modified_ns, digest = excluded.digest,
            changed_ns = excluded.changed_ns, device = excluded.device, away_since = NULL, kind = excluded.kind,
            camera = excluded.camera, started_at = excluded.started_at, zone = excluded.zone, known_by = excluded.known_by,
            detector = excluded.detector, detect_size = excluded.detect_size, min_height = excluded.min_height,
            smallest = excluded.smallest, fps = excluded.fps, quick = excluded.quick, seconds = excluded.seconds,
            broken = excluded.broken, cut_short_at = excluded.cut_short_at, clock_reset = excluded.clock_reset""",
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


def sought_row(sought: Sought | None) -> tuple[str | None, int, float, float, float, bool]:
    """How people were looked for as a row has it: no digest of a crop."""
    if sought is None:
        return None, 0, 0.0, 0.0, 0.0, False
    return sought.detector or "", sought.size, sought.min_height, sought.smallest, sought.fps, sought.quick


def sought_of(detector: str | None, size: int, min_height: float, smallest: float, fps: float, quick: int) -> Sought | None:
    """The same, read back."""
    return None if detector is None else Sought(ModelDigest(detector) if detector else None, size, min_height, smallest, fps, bool(quick))


def watched_row(watched: Watched | None) -> tuple[float | None, int, float | None, bool]:
    """How much of a video was looked at as a row has it."""
    return (None, 0, None, False) if watched is None else (watched.seconds, watched.broken, watched.cut_short_at, watched.clock_reset)


def watched_of(seconds: float | None, broken: int, cut_short_at: float | None, clock_reset: int) -> Watched | None:
    """The same, read back."""
    return None if seconds is None else Watched(seconds, broken, cut_short_at, bool(clock_reset))


def put(db: Database, row: int, media: Media, people: Sequence[Sighting]) -> None:
    """Put people into the row of a media in place of those who are there."""
    before = _newest(db)
    insert(db, row, media, people)
    _delete_until(db, row, before)


def insert(db: Database, row: int, media: Media, people: Sequence[Sighting]) -> None:
    """Put people into the row of a media beside those who are there."""
    for one in people:
        person = _give(db, row, one)
        nothing = [None] * len(one.crops)
        signatures, worn_by = (nothing if rows is None else rows for rows in (one.signatures, one.worn))
        for number, (crop, vector, signature, worn) in enumerate(zip(one.crops, one.vectors, signatures, worn_by, strict=True)):
            box = crop.box
            place = (None,) * 4 if box is None else (box.x, box.y, box.width, box.height)
            embedding = _embed(db, key_of(media, one.track, crop, vector), vector, worn)
            if signature is not None:
                _sign(db, embedding, signature, media.size, one.run)
            db.execute("INSERT INTO crops VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (person, number, embedding, *place, crop.time, crop.quality))
    _note_embedded(db, row)


def copy(db: Database, people: Sequence[Person], target: int) -> None:
    """Put people of one media's row into another's, in place of those who are there."""
    before = _newest(db)
    for person in people:
        db.execute(
            """INSERT INTO crops SELECT ?, number, embedding, x, y, width, height, time, quality FROM crops WHERE person = ?""",
            (_give(db, target, person), person.id),
        )
    _delete_until(db, target, before)


def delete(db: Database, row: int, people: Sequence[int]) -> None:
    """Delete people of a media's row."""
    db.executemany("DELETE FROM people WHERE id = ?", [(person,) for person in people])
    _note_embedded(db, row)


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


def read(db: Database, where: str, values: Sequence[object]) -> Iterator[tuple[Person, tuple[Crop, ...]]]:
    """People by id, each with their crops, of whom something in SQL is true."""
    cursor = db.execute(
        f"""SELECT {_PERSON}, {_MEDIA}, {_CROP} FROM people JOIN media ON media.id = people.media JOIN crops ON person = people.id
        WHERE {where} ORDER BY people.id, number""",
        values,
    )
    for _, rows in groupby(cursor, key=lambda row: row[0]):
        found = list(rows)
        yield _person(found[0]), tuple(_crop(row) for row in found)


def by_person(found: Iterable[tuple[Any, ...]]) -> dict[int, list[StoredRow]]:
    """What is stored of crops, by the ids of their people, from rows of person, vector, worn, signature and run."""
    people: dict[int, list[StoredRow]] = {}
    for person, vector, worn, signature, run in found:
        people.setdefault(person, []).append(StoredRow(vector, worn, signature, run))
    return people


def media_after(db: Database, path: bytes, count: int) -> list[Media]:
    """So many media with larger paths, by path."""
    return [_media(row) for row in db.execute(f"SELECT {_MEDIA} FROM media WHERE path > ? ORDER BY path LIMIT ?", (path, count))]


def seen_by(db: Database, embeddings: str, within: Where = EVERYWHERE) -> list[tuple[int, Person, Crop]]:
    """Whose crops have these embeddings, a JSON list of ids, and are selected; by path, person and crop."""
    rows = db.execute(
        f"""SELECT {_PERSON}, {_MEDIA}, {_CROP}, embedding
        FROM crops JOIN people ON people.id = person JOIN media ON media.id = people.media
        WHERE embedding IN (SELECT value FROM json_each(?)) AND {within.sql} ORDER BY path, people.id, number""",
        (embeddings, *within.values),
    )
    return [(row[-1], _person(row), _crop(row[:-1])) for row in rows]


def shown_by(db: Database, embeddings: str, within: Where = EVERYWHERE) -> list[tuple[int, int]]:
    """Whose crops have these embeddings, a JSON list of ids, and are selected: each embedding and the id of a person."""
    return db.execute(
        f"""SELECT DISTINCT embedding, person FROM crops JOIN people ON people.id = person JOIN media ON media.id = people.media
        WHERE embedding IN (SELECT value FROM json_each(?)) AND {within.sql}""",
        (embeddings, *within.values),
    ).fetchall()


def is_crop(crop: Crop) -> Where:
    """What is true of the row of a crop among those of its person."""
    box = crop.box
    place = (None,) * 4 if box is None else (box.x, box.y, box.width, box.height)
    return Where(" AND ".join(f"{column} IS ?" for column in _CROP.split(", ")), (*place, crop.time, crop.quality))


def _person(row: tuple[Any, ...]) -> Person:
    id, track, first, last, static = row[:5]
    return Person(_media(row[5:_MEDIA_END]), id, track, first, last, bool(static))


def _media(row: tuple[Any, ...]) -> Media:
    path, size, modified_ns, digest, changed_ns, device, away_since, kind, *taken = row[:12]
    media = Media(Path(os.fsdecode(path)), size, modified_ns, digest, changed_ns, device, away_since, MediaKind(kind), *taken)
    return replace(media, sought=sought_of(*row[12:18]), watched=watched_of(*row[18:]))


def _crop(row: tuple[Any, ...]) -> Crop:
    *box, time, quality = row[_MEDIA_END:]
    return Crop(None if box[0] is None else Box(*box), time, quality)


def _embed(db: Database, key: Key, vector: NDArray[np.float32], worn: NDArray[np.uint8] | None) -> int:
    """An embedding's id; of equal keys the first vector, and what is worn with it, stays."""
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
        """INSERT INTO people (id, media, track, first, last, static)
        VALUES ((SELECT max(value + 1, coalesce(?, 0)) FROM meta WHERE key = 'newest_person'), ?, ?, ?, ?, ?)""",
        (asked, row, one.track, one.first, one.last, one.static),
    )
    return int(given.lastrowid or 0)


def _newest(db: Database) -> int:
    return int(db.execute("SELECT value FROM meta WHERE key = 'newest_person'").fetchone()[0])


def _delete_until(db: Database, row: int, newest: int) -> None:
    """The new ones stand before the old ones go, so that an embedding of both stays."""
    db.execute("DELETE FROM people WHERE media = ? AND id <= ?", (row, newest))
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
