"""Selections and cameras in SQL: who is selected is found by the database, and never row by row here."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from passerby.index.base import SeenBy
from passerby.index.selection import Conditions, Window
from passerby.media.clock import Camera, Instant, KnownBy, clock_time, in_zone

_CROPS_OF: Final = "media CROSS JOIN people ON people.media = media.id CROSS JOIN crops ON crops.person = people.id"
"""A table at a time, so that most media are passed over before anybody in them is looked for."""


class Where(NamedTuple):
    """A condition in SQL on media, people and crops that are joined, and its values."""

    sql: str
    values: tuple[object, ...]


EVERYWHERE: Final = Where("1", ())


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


def where(conditions: Conditions, *, undated: bool = False) -> Where:
    """What is true of those who are selected.

    Args:
        undated: take those whose time is not known too.
    """
    clauses = list(_clauses(conditions))
    may = " OR started_at IS NULL" if undated else ""
    return Where(
        " AND ".join(["1", *(f"({sql}{may if timed else ''})" for timed, sql, _ in clauses)]),
        tuple(value for *_, values in clauses for value in values),
    )


def choose(db: sqlite3.Connection, conditions: Conditions) -> Chosen:
    """Who is selected, in one pass."""
    sql, values = where(conditions, undated=True)
    rows = db.execute(f"SELECT embedding, person, started_at IS NULL FROM {_CROPS_OF} WHERE {sql}", values).fetchall()
    found = np.array(rows, np.int64).reshape(-1, 3)
    has_time = found[:, 2] == 0 if conditions.window else np.ones(len(found), np.bool_)
    return Chosen(found[has_time, 0], len(np.unique(found[has_time, 1])), len(np.unique(found[~has_time, 1])))


def cameras(db: sqlite3.Connection) -> list[Camera]:
    """All that are known, by name."""
    return [Camera(*row) for row in db.execute("SELECT name, offset_seconds, zone FROM cameras ORDER BY name")]


def seen_by(db: sqlite3.Connection, camera: Camera) -> SeenBy:
    """What a camera has seen."""
    people = int(
        db.execute("SELECT count(*) FROM media JOIN people ON people.media = media.id WHERE camera = ?", (camera.name,)).fetchone()[0]
    )
    bounds = [
        db.execute(
            f"""SELECT {bound}(started_at + coalesce({bound_of}, 0)), zone FROM media JOIN people ON people.media = media.id
            WHERE camera = ?""",
            (camera.name,),
        ).fetchone()
        for bound, bound_of in (("min", "first"), ("max", "last"))
    ]
    first, last = (None if at is None else clock_time(at, zone, camera.offset_seconds) for at, zone in bounds)
    return SeenBy(camera, people, first, last)


def meet(db: sqlite3.Connection, camera: str | None) -> None:
    """Know a camera from now on."""
    if camera is not None:
        db.execute("INSERT OR IGNORE INTO cameras (name) VALUES (?)", (camera,))


def correct(db: sqlite3.Connection, camera: Camera) -> None:
    """Keep a camera's clock, and read again what it told in another zone."""
    before = next((known for known in cameras(db) if known.name == camera.name), Camera(camera.name))
    db.execute("INSERT OR REPLACE INTO cameras VALUES (?, ?, ?)", (camera.name, camera.offset_seconds, camera.zone))
    if camera.zone != before.zone:
        told = db.execute(
            "SELECT id, started_at, zone, known_by FROM media WHERE camera = ? AND started_at IS NOT NULL AND known_by IS NOT NULL",
            (camera.name,),
        ).fetchall()
        again = [(in_zone(Instant(at, zone, KnownBy(by)), before.zone, camera.zone), id) for id, at, zone, by in told]
        db.executemany("UPDATE media SET started_at = ?, zone = ? WHERE id = ?", [(one.at, one.zone, id) for one, id in again])


def _clauses(conditions: Conditions) -> Iterator[tuple[bool, str, list[Any]]]:
    """Each condition: whether it is one of time, its SQL and its values; those of media alone come first."""
    if conditions.places is not None:
        sql = " OR ".join("path = ? OR path > ? AND path < ?" for _ in conditions.places)
        yield False, sql, [value for place in conditions.places for value in (place.path, place.below, place.beyond)]
    if conditions.cameras is not None:
        yield False, f"camera IN ({', '.join('?' * len(conditions.cameras))})", list(conditions.cameras)
    if conditions.window is not None:
        # A photo is taken when it begins, and nobody is seen in a video before.
        yield True, *_by_camera(conditions, "started_at < ? AND (started_at >= ? OR kind <> 'photo')", lambda one: [one.end, one.start])
        at = "started_at + coalesce(crops.time, 0)"
        yield True, *_by_camera(conditions, f"{at} >= ? AND {at} < ?", lambda one: [one.start, one.end])


def _by_camera(conditions: Conditions, sql: str, values: Callable[[Window], list[Any]]) -> tuple[str, list[Any]]:
    """A condition on times, of each camera by its own window."""
    assert conditions.window is not None
    if not conditions.corrected:
        return sql, values(conditions.window)
    cases = "".join(f" WHEN ? THEN {sql}" for _ in conditions.corrected)
    own = [value for name, window in conditions.corrected.items() for value in (name, *values(window))]
    return f"CASE camera{cases} ELSE {sql} END", [*own, *values(conditions.window)]
