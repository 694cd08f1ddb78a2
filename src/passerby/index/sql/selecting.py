"""Selections and cameras in SQL: the database finds who is selected."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from passerby.index.info import TO_BE_READ, Expired, SeenBy
from passerby.index.looked_into import Gap, LookedInto
from passerby.index.selection import Conditions, Window
from passerby.index.sql.database import Database
from passerby.index.sql.media_row import WATCHED, watched_of
from passerby.media.clock import Camera, Instant, KnownBy, clock_time, in_zone
from passerby.types import MediaKind, Watched

_CROPS_OF: Final = "media CROSS JOIN people ON people.media = media.id CROSS JOIN crops ON crops.person = people.id"
"""A table at a time, so that most media are passed over before anybody in them is looked for."""

_MOVING: Final = ", ".join(f"'{kind}'" for kind in MediaKind if kind is not MediaKind.PHOTO)
_ANY_KIND: Final = f"kind IN ('{MediaKind.PHOTO}', {_MOVING})"
_MAY_BE_IN_TIME: Final = f"kind = '{MediaKind.PHOTO}' AND started_at >= ? AND started_at < ? OR kind IN ({_MOVING}) AND started_at < ?"
"""A photo is taken when it begins, and nobody is seen in a video before it does: few media are looked into."""


class Where(NamedTuple):
    """A condition in SQL on media, people and crops that are joined, and its values."""

    sql: str
    values: tuple[object, ...]


EVERYWHERE: Final = Where("TRUE", ())


class Chosen(NamedTuple):
    """Whose crops are selected.

    Args:
        embeddings: of these, int64 (n,), in any order.
        people: how many there are.
        undated: how many are not selected, only because it is not known when they were seen.
    """

    embeddings: NDArray[np.int64]
    people: int
    undated: int


def where(conditions: Conditions) -> Where:
    """What is true of those who are selected."""
    clauses = list(_clauses(conditions))
    return Where(" AND ".join(["TRUE", *(f"({sql})" for sql, _ in clauses)]), tuple(value for _, values in clauses for value in values))


def choose(db: Database, conditions: Conditions) -> Chosen:
    """Who is selected."""
    sql, values = where(conditions)
    found = np.array(db.execute(f"SELECT embedding, person FROM {_CROPS_OF} WHERE {sql}", values).fetchall(), np.int64).reshape(-1, 2)
    undated = _count_undated(db, replace(conditions, window=None)) if conditions.window else 0
    return Chosen(found[:, 0], len(np.unique(found[:, 1])), undated)


def static(db: Database) -> Chosen:
    """Things that look like people."""
    found = np.array(
        db.execute("SELECT embedding, person FROM people CROSS JOIN crops ON crops.person = people.id WHERE static").fetchall(), np.int64
    ).reshape(-1, 2)
    return Chosen(found[:, 0], len(np.unique(found[:, 1])), 0)


def portraits(db: Database) -> NDArray[np.int64]:
    """The embeddings of the first crop of everybody who is no thing, int64 (n,), rising."""
    first = "SELECT DISTINCT embedding FROM people CROSS JOIN crops ON crops.person = people.id WHERE number = 0 AND NOT static"
    return np.fromiter((row[0] for row in db.execute(f"{first} ORDER BY embedding")), np.int64)


def looked_into(db: Database, conditions: Conditions) -> LookedInto:
    """In which media people were looked for, of those selected."""
    everything = replace(conditions, static=True)
    sql, values = where(everything)
    photos, *heights = db.execute(
        f"""SELECT count(*), min(smallest), max(smallest)
        FROM media CROSS JOIN (SELECT CAST(NULL AS REAL) AS time) AS crops WHERE detector > '' AND kind = '{MediaKind.PHOTO}' AND {sql}""",
        values,
    ).fetchone()
    watched = list(_watched(db, everything))
    hidden = 0 if conditions.static else _count_static(db, everything)
    heights = [*(heights if photos else ()), *(one.smallest for one in watched)]
    counted = [(one.watched, one.seconds, one.is_finished) for one in watched]
    return LookedInto.of(photos, heights, counted, hidden, (gap for one in watched for gap in one.gaps))


class _Watched(NamedTuple):
    """A video that is selected, or a stretch of it: below which height people are missed, how much counts, and what could not be read."""

    smallest: float
    watched: Watched
    seconds: float
    is_finished: bool
    gaps: list[Gap]


def _watched(db: Database, conditions: Conditions) -> Iterator[_Watched]:
    sql, values = where(replace(conditions, window=None))
    rows = db.execute(
        f"""SELECT smallest, camera, started_at, zone, known_by, changed_ns, path, {WATCHED}
        FROM media WHERE detector > '' AND kind IN ({_MOVING}) AND seconds IS NOT NULL AND {sql}""",
        values,
    )
    offsets = {camera.name: camera.offset_seconds for camera in cameras(db)}
    for smallest, camera, started_at, zone, known_by, changed_ns, path, *columns in rows:
        watched = watched_of(*columns) or Watched()
        counted = conditions.seconds_of(camera, started_at, watched.seconds)
        instant = None if started_at is None or known_by is None else Instant(started_at, zone, KnownBy(known_by))
        gaps = Gap.of(Path(os.fsdecode(path)), watched, instant, offsets.get(camera, 0.0)) if watched.gaps else []
        inside = [gap for gap in gaps if conditions.holds_some_of(camera, started_at, gap.start, gap.end)]
        if counted or inside or not conditions.window:
            yield _Watched(smallest, watched, counted, changed_ns != TO_BE_READ, inside)


def _count_static(db: Database, conditions: Conditions) -> int:
    sql, values = where(conditions)
    hidden = f"""SELECT count(DISTINCT people.id) FROM people CROSS JOIN media ON media.id = people.media
        CROSS JOIN crops ON crops.person = people.id WHERE people.static AND {sql}"""
    return int(db.execute(hidden, values).fetchone()[0])


def _count_undated(db: Database, anytime: Conditions) -> int:
    sql, values = where(anytime)
    undated = f"SELECT count(*) FROM media JOIN people ON people.media = media.id WHERE {_ANY_KIND} AND started_at IS NULL AND {sql}"
    return int(db.execute(undated, values).fetchone()[0])


def expired(db: Database, bound: float) -> Expired:
    """Who was last seen before an instant, by clocks that go right."""
    offsets = {camera.name: camera.offset_seconds for camera in cameras(db)}
    latest = bound - min([0.0, *offsets.values()])
    people, estimated, lasting = list[int](), 0, dict[int, float]()
    seen = db.execute(
        f"""SELECT people.id, media, camera, started_at + coalesce(last, 0), known_by FROM media CROSS JOIN people ON media = media.id
        WHERE {_ANY_KIND} AND started_at < ? ORDER BY people.id""",
        (latest,),
    )
    for person, media, camera, last, known_by in seen:
        lasting[media] = max(last, lasting.get(media, last))
        if last + offsets.get(camera, 0.0) < bound:
            people.append(person)
            estimated += known_by == KnownBy.FILE
    looked_at = db.execute(
        f"""SELECT id, path, camera, started_at + coalesce(seconds, 0) FROM media
        WHERE {_ANY_KIND} AND started_at < ? AND (changed_ns IS NOT {TO_BE_READ} OR away_since IS NOT NULL) ORDER BY path""",
        (latest,),
    )
    media = [
        Path(os.fsdecode(path))
        for row, path, camera, end in looked_at
        if max(end, lasting.get(row, end)) + offsets.get(camera, 0.0) < bound
    ]
    return Expired(tuple(people), tuple(media), estimated, _count_undated(db, Conditions(static=True)))


def cameras(db: Database) -> list[Camera]:
    """All that are known, by name."""
    return [Camera(*row) for row in db.execute("SELECT name, offset_seconds, zone FROM cameras ORDER BY name")]


def seen_by(db: Database, camera: Camera) -> SeenBy:
    """What a camera has seen."""
    people = int(
        db.execute("SELECT count(*) FROM media JOIN people ON people.media = media.id WHERE camera = ?", (camera.name,)).fetchone()[0]
    )
    bounds = [
        db.execute(
            f"""SELECT started_at + coalesce({of}, 0), zone FROM media JOIN people ON people.media = media.id
            WHERE camera = ? AND started_at IS NOT NULL ORDER BY 1 {order} LIMIT 1""",
            (camera.name,),
        ).fetchone()
        for of, order in (("first", "ASC"), ("last", "DESC"))
    ]
    first, last = (bound and clock_time(bound[0], bound[1], camera.offset_seconds) for bound in bounds)
    return SeenBy(camera, people, first, last)


def meet(db: Database, camera: str | None) -> None:
    """Know a camera from now on."""
    if camera is not None:
        db.execute("INSERT INTO cameras (name) VALUES (?) ON CONFLICT DO NOTHING", (camera,))


def correct(db: Database, camera: Camera) -> None:
    """Keep a camera's clock, and read again what it told in another zone."""
    before = next((known for known in cameras(db) if known.name == camera.name), Camera(camera.name))
    db.execute(
        """INSERT INTO cameras VALUES (?, ?, ?)
        ON CONFLICT (name) DO UPDATE SET offset_seconds = excluded.offset_seconds, zone = excluded.zone""",
        (camera.name, camera.offset_seconds, camera.zone),
    )
    if camera.zone != before.zone:
        told = db.execute(
            "SELECT id, started_at, zone, known_by FROM media WHERE camera = ? AND started_at IS NOT NULL AND known_by IS NOT NULL",
            (camera.name,),
        ).fetchall()
        again = [(in_zone(Instant(at, zone, KnownBy(by)), before.zone, camera.zone), id) for id, at, zone, by in told]
        db.executemany("UPDATE media SET started_at = ?, zone = ? WHERE id = ?", [(one.at, one.zone, id) for one, id in again])


def _clauses(conditions: Conditions) -> Iterator[tuple[str, list[Any]]]:
    """Each condition in SQL, and its values."""
    if conditions.places is not None:
        sql = " OR ".join("path = ? OR path > ? AND path < ?" for _ in conditions.places)
        yield sql, [value for place in conditions.places for value in (place.path, place.below, place.beyond)]
    if not conditions.static:
        yield "NOT people.static", []
    if conditions.cameras is not None:
        yield f"camera IN ({', '.join('?' * len(conditions.cameras))})", list(conditions.cameras)
    if conditions.window is not None:
        windows = [conditions.window, *conditions.corrected.values()]
        start, end = min(one.start for one in windows), max(one.end for one in windows)
        yield _MAY_BE_IN_TIME, [start, end, end]
        yield _in_time(conditions.window, conditions.corrected)


def _in_time(others: Window, corrected: Mapping[str, Window]) -> tuple[str, list[Any]]:
    """That a crop was taken in the window of its camera."""
    within = "started_at + coalesce(crops.time, 0) >= ? AND started_at + coalesce(crops.time, 0) < ?"
    values = [value for name, window in corrected.items() for value in (name, window.start, window.end)]
    if not corrected:
        return within, [others.start, others.end]
    return f"CASE camera{f' WHEN ? THEN {within}' * len(corrected)} ELSE {within} END", [*values, others.start, others.end]
