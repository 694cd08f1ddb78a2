"""What of a database goes to another index: media with the tallies of their people, and people as they were put."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from heapq import merge
from itertools import accumulate, groupby
from pathlib import Path
from typing import Any, Final

import numpy as np

from passerby.devices import CAMERAS
from passerby.index.base import Grown, Tallied
from passerby.index.sighting import Sighting
from passerby.index.sql.database import Database
from passerby.index.sql.people import CROP, MEDIA, Kept, crop_of, media_of
from passerby.types import Media

_PEOPLE: Final = f"""SELECT people.id, people.token, track, first, last, static, vector, worn, signature, {CROP}
    FROM people JOIN crops ON person = people.id JOIN embeddings ON embeddings.id = crops.embedding
    LEFT JOIN signatures ON signatures.embedding = crops.embedding
    WHERE people.media = ? AND people.id > ? ORDER BY people.id, number"""
_OF_PERSON: Final = 9
_FIRST: Final = os.fsencode(f"{CAMERAS}/")
"""What is told before the path of a live camera's media, which is relative."""


def tallies(db: Database) -> Iterator[Tallied]:
    """All media by the path that is told of them, each with the sum of the tokens of its people."""
    live = (one._replace(path=_FIRST + one.path) for one in _tallies(db, "path < X'2F' OR path >= X'30'"))
    return merge(_tallies(db, "path >= X'2F' AND path < X'30'"), live, key=lambda one: one.path)


def _tallies(db: Database, where: str) -> Iterator[Tallied]:
    """Those of which something in SQL is true, by path."""
    tally = "SELECT coalesce(sum(token), 0) FROM people WHERE media = media.id"
    return (
        Tallied(row[1], row[0], _facts(row[1:])) for row in db.execute(f"SELECT ({tally}), {MEDIA} FROM media WHERE {where} ORDER BY path")
    )


def _facts(row: tuple[Any, ...]) -> int:
    """A number for the columns ``MEDIA``, but for the path and what the file was last seen with on this machine."""
    told = repr(row[1:4] + row[6:]).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(told).digest()[:8], "big") >> 1


def grown(db: Database, path: Path, tally: int, kept: Kept) -> Grown | None:
    """Who came to a media since its tally was this, or all where it never was; their crops show what is kept of them."""
    found = db.execute(f"SELECT id, {MEDIA} FROM media WHERE path = ?", (os.fsencode(path),)).fetchone()
    if found is None:
        return None
    media, row = found[0], found[1:]
    tokens = db.execute("SELECT id, token FROM people WHERE media = ? ORDER BY id", (media,)).fetchall()
    sums = list(accumulate((token for _, token in tokens), initial=0))
    known = len(sums) - 1 - sums[::-1].index(tally) if tally in sums else None
    newest, start = (tokens[known - 1][0], tally) if known else (0, 0)
    seen_in = media_of(row)
    return Grown(seen_in, _facts(row), known is None, _after(db, media, seen_in, newest, start, kept))


def _after(db: Database, row: int, media: Media, newest: int, tally: int, kept: Kept) -> Iterator[tuple[Sighting, int]]:
    for (_, token), rows in groupby(db.execute(_PEOPLE, (row, newest)), key=lambda row: (row[0], row[1])):
        tally += token
        yield _sighting(list(rows), media, kept), tally


def _sighting(rows: list[tuple[Any, ...]], media: Media, kept: Kept) -> Sighting:
    _, _, track, first, last, static, *_ = rows[0]
    vectors, worn, signatures = ([row[column] for row in rows] for column in (6, 7, 8))
    return Sighting(
        tuple(crop_of(row[_OF_PERSON:], media, kept) for row in rows),
        np.stack([np.frombuffer(one, "<f4") for one in vectors]),
        track,
        first,
        last,
        np.stack([np.frombuffer(one, np.uint8) for one in signatures]) if all(signatures) else None,
        np.stack([np.frombuffer(one, np.uint8) for one in worn]) if all(worn) else None,
        bool(static),
    )
