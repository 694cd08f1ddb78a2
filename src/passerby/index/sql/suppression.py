"""Who is kept out of an index: salted digests of the bytes that show them and where, which tell nobody who that is."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from passerby.index.info import TO_BE_READ
from passerby.index.region import kept_out
from passerby.index.sql.database import Database
from passerby.types import Media, MediaKind


def let_in(db: Database, media: Media, regions: Sequence[str]) -> list[bool]:
    """Which of the people of a media, by their regions, are not kept out."""
    out = kept_out(regions, _removed(db, media))
    return [number not in out for number in range(len(regions))]


def count(db: Database, path: Path) -> int:
    """How many people of the media at a path are kept out."""
    row = db.execute("SELECT path, digest, kind FROM media WHERE path = ?", (os.fsencode(path),)).fetchone()
    return len(_removed(db, _media(*row))) if row else 0


def _removed(db: Database, media: Media) -> list[str]:
    """The regions of a media from which people were removed."""
    regions = [row[0] for row in db.execute("SELECT DISTINCT region FROM suppressed")]
    return [region for region in regions if _any_kept_out(db, _digests(db, media, region))]


def keep_out(db: Database, media: Media, region: str, person: int) -> None:
    """Keep a person of a media out from now on."""
    db.executemany(
        "INSERT INTO suppressed VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        [(digest, region, person) for digest in _digests(db, media, region)],
    )


def unsuppress(db: Database, person: int) -> bool:
    """Let a person in again, and have the media that show them read again; whether they were kept out."""
    kept = dict(db.execute("SELECT digest, region FROM suppressed WHERE person = ?", (person,)))
    db.execute("DELETE FROM suppressed WHERE person = ?", (person,))
    for region in set(kept.values()):
        for row, path, digest, kind in db.execute("SELECT id, path, digest, kind FROM media").fetchall():
            if not kept.keys().isdisjoint(_digests(db, _media(path, digest, kind), region)):
                db.execute("UPDATE media SET changed_ns = ? WHERE id = ?", (TO_BE_READ, row))
                db.execute("DELETE FROM checkpoints WHERE media = ?", (row,))
    return bool(kept)


def _media(path: bytes, digest: str, kind: str) -> Media:
    return Media(Path(os.fsdecode(path)), 0, 0, digest, kind=MediaKind(kind))


def _digests(db: Database, media: Media, region: str) -> list[bytes]:
    (salt,) = db.execute("SELECT value FROM meta WHERE key = 'salt'").fetchone()
    return digests(salt, media, region)


def digests(salt: str, media: Media, region: str) -> list[bytes]:
    """What somebody is kept out by: the bytes of their media and, as those of a video may grow, its path too."""
    names = [media.digest.encode()] if media.digest else []
    names += [os.fsencode(media.path)] if media.kind is not MediaKind.PHOTO else []
    return [hashlib.sha256(b"\0".join([salt.encode(), name, region.encode()])).digest() for name in names]


def _any_kept_out(db: Database, digests: list[bytes]) -> bool:
    return any(db.execute("SELECT 1 FROM suppressed WHERE digest = ?", (digest,)).fetchone() for digest in digests)
