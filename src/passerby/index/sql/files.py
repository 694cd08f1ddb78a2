"""What an index in a database knows of files: media by their paths, where they are read on from, and what failed."""

from __future__ import annotations

import os
from dataclasses import asdict, replace
from pathlib import Path

from passerby.index.info import TO_BE_READ, Standing
from passerby.index.selection import Place
from passerby.index.sql import media_row, selecting
from passerby.index.sql.asking import Asking
from passerby.media.clock import Camera, Instant
from passerby.types import Failure, Sought, Watched


class Files(Asking):
    """Media and failures, by path."""

    def leave_off(self, path: Path, checkpoint: str) -> None:
        self._db.execute("UPDATE media SET changed_ns = ? WHERE path = ?", (TO_BE_READ, os.fsencode(path)))
        self.rest(path, checkpoint)

    def left_off(self, path: Path) -> str | None:
        return self._checkpoint(path, f"changed_ns = {TO_BE_READ}")

    def rest(self, path: Path, checkpoint: str) -> None:
        self._db.execute(
            """INSERT INTO checkpoints SELECT id, ? FROM media WHERE path = ?
            ON CONFLICT (media) DO UPDATE SET checkpoint = excluded.checkpoint""",
            (checkpoint, os.fsencode(path)),
        )

    def rests(self, path: Path) -> str | None:
        return self._checkpoint(path, f"changed_ns IS NOT {TO_BE_READ}")

    def _checkpoint(self, path: Path, where: str) -> str | None:
        row = self._one(f"SELECT checkpoint FROM checkpoints JOIN media ON media.id = media WHERE path = ? AND {where}", os.fsencode(path))
        return None if row is None else str(row[0])

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

    def knows_size(self, size: int) -> bool:
        return self._one("SELECT 1 FROM media WHERE size = ? LIMIT 1", size) is not None

    def with_size_and_time(self, size: int, modified_ns: int) -> list[Path]:
        known = self._all("SELECT path FROM media WHERE size = ? AND modified_ns = ? ORDER BY path", size, modified_ns)
        return [Path(os.fsdecode(row[0])) for row in known]

    def paths_under(self, path: Path) -> list[Path]:
        below = "path = :path OR path > :below AND path < :beyond"
        known = self._all(
            f"SELECT path FROM media WHERE {below} UNION SELECT path FROM failures WHERE {below} ORDER BY path", **asdict(Place.of(path))
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

    def failures(self) -> list[Failure]:
        return [Failure(Path(os.fsdecode(path)), reason) for path, reason in self._all("SELECT path, reason FROM failures ORDER BY path")]
