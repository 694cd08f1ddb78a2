"""An index's database file: its schema and migrations, how it is opened, and SQLite's complaints in plain words."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from threading import Lock, Thread, current_thread
from uuid import uuid4

from passerby.errors import IndexFault
from passerby.index.sql.database import Database
from passerby.index.sql.people import TOKEN

FILE_NAME = "index.db"
APPLICATION_ID = 0x50534259
"""The letters ``PSBY``, in the file's header."""

BUSY_SECONDS = 30.0


MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID",
        """CREATE TABLE embeddings (
            id INTEGER PRIMARY KEY, digest TEXT NOT NULL, region TEXT NOT NULL, vector BLOB NOT NULL, UNIQUE (digest, region))""",
        """CREATE TABLE media (
            id INTEGER PRIMARY KEY,
            path BLOB NOT NULL UNIQUE, size INTEGER NOT NULL, modified_ns INTEGER NOT NULL, digest TEXT NOT NULL)""",
        """CREATE TABLE persons (
            id INTEGER PRIMARY KEY,
            media INTEGER NOT NULL REFERENCES media ON DELETE CASCADE,
            embedding INTEGER NOT NULL REFERENCES embeddings,
            x REAL, y REAL, width REAL, height REAL, time REAL, track INTEGER)""",
        """CREATE TABLE failures (
            path BLOB PRIMARY KEY, size INTEGER NOT NULL, changed_ns INTEGER NOT NULL, reason TEXT NOT NULL) WITHOUT ROWID""",
        "CREATE INDEX media_by_size ON media (size)",
        "CREATE INDEX persons_by_media ON persons (media)",
        "CREATE INDEX persons_by_embedding ON persons (embedding)",
        """CREATE TRIGGER embedding_of_nobody AFTER DELETE ON persons
            WHEN NOT EXISTS (SELECT 1 FROM persons WHERE embedding = OLD.embedding)
            BEGIN DELETE FROM embeddings WHERE id = OLD.embedding; END""",
        "INSERT INTO meta VALUES ('id', :id), ('generation', 0), ('created', strftime('%Y-%m-%dT%H:%M:%SZ'))",
    ),
    (
        "ALTER TABLE media ADD COLUMN changed_ns INTEGER",
        "ALTER TABLE media ADD COLUMN device INTEGER",
        "ALTER TABLE media ADD COLUMN away_since INTEGER",
        "DROP INDEX media_by_size",
        "CREATE INDEX media_by_size ON media (size, modified_ns)",
        # An embedding's id is never given twice, and deleted ones are known until the copy of the vectors holds nothing of them.
        "INSERT INTO meta VALUES ('epoch', :id), ('newest', (SELECT coalesce(max(id), 0) FROM embeddings))",
        "CREATE TABLE deleted (embedding INTEGER PRIMARY KEY, wiped INTEGER NOT NULL DEFAULT 0)",
        """CREATE TRIGGER embedding_given AFTER INSERT ON embeddings
            BEGIN UPDATE meta SET value = NEW.id WHERE key = 'newest'; END""",
        """CREATE TRIGGER embedding_deleted AFTER DELETE ON embeddings
            BEGIN INSERT INTO deleted (embedding) VALUES (OLD.id); END""",
    ),
    (
        "ALTER TABLE media ADD COLUMN kind TEXT NOT NULL DEFAULT 'photo'",
        "ALTER TABLE media ADD COLUMN camera TEXT",
        "ALTER TABLE media ADD COLUMN started_at REAL",
        "ALTER TABLE media ADD COLUMN zone TEXT",
        "ALTER TABLE media ADD COLUMN known_by TEXT",
        # Most media are found by the digest that their embedding has too; the few others by a small index of their own.
        "ALTER TABLE media ADD COLUMN embedded INTEGER NOT NULL DEFAULT 1",
        "CREATE INDEX media_by_digest ON media (digest) WHERE NOT embedded",
        """CREATE TABLE people (
            id INTEGER PRIMARY KEY,
            media INTEGER NOT NULL REFERENCES media ON DELETE CASCADE,
            track INTEGER, first REAL, last REAL)""",
        """CREATE TABLE crops (
            person INTEGER NOT NULL REFERENCES people ON DELETE CASCADE,
            number INTEGER NOT NULL,
            embedding INTEGER NOT NULL REFERENCES embeddings,
            x REAL, y REAL, width REAL, height REAL, time REAL, quality REAL,
            PRIMARY KEY (person, number)) WITHOUT ROWID""",
        "INSERT INTO people SELECT id, media, track, time, time FROM persons ORDER BY id",
        "INSERT INTO crops SELECT id, 0, embedding, x, y, width, height, time, NULL FROM persons ORDER BY id",
        "DROP TABLE persons",
        "CREATE INDEX people_by_media ON people (media)",
        "CREATE INDEX crops_by_embedding ON crops (embedding)",
        """CREATE TRIGGER embedding_of_nobody AFTER DELETE ON crops
            WHEN NOT EXISTS (SELECT 1 FROM crops WHERE embedding = OLD.embedding)
            BEGIN DELETE FROM embeddings WHERE id = OLD.embedding; END""",
        # A person's id is never given twice either.
        "INSERT INTO meta VALUES ('newest_person', (SELECT coalesce(max(id), 0) FROM people)), ('salt', lower(hex(randomblob(32))))",
        """CREATE TRIGGER person_given AFTER INSERT ON people
            BEGIN UPDATE meta SET value = NEW.id WHERE key = 'newest_person'; END""",
        "CREATE TABLE suppressed (digest BLOB PRIMARY KEY, region TEXT NOT NULL, person INTEGER NOT NULL) WITHOUT ROWID",
    ),
    (
        "ALTER TABLE embeddings ADD COLUMN worn BLOB",
        "CREATE TABLE cameras (name TEXT PRIMARY KEY, offset_seconds REAL NOT NULL DEFAULT 0, zone TEXT) WITHOUT ROWID",
        "CREATE INDEX media_by_camera ON media (camera, started_at)",
        "CREATE INDEX media_by_time ON media (kind, started_at)",
        # Beside the embeddings, as all of them are read at once, and vectors would be read with them. Those of older versions have none.
        "CREATE TABLE signatures (embedding INTEGER PRIMARY KEY, signature BLOB NOT NULL, bytes INTEGER NOT NULL, run INTEGER NOT NULL)",
        "CREATE TABLE copies (embedding INTEGER PRIMARY KEY, leader INTEGER NOT NULL)",
        "CREATE INDEX copies_by_leader ON copies (leader)",
        "CREATE TABLE unfolded (embedding INTEGER PRIMARY KEY)",
        "INSERT INTO meta VALUES ('signatures', 1), ('run', 0)",
        """CREATE TRIGGER signature_given AFTER INSERT ON signatures
            BEGIN INSERT INTO unfolded VALUES (NEW.embedding); END""",
        # A group that lost an embedding is no more until it is worked out anew.
        """CREATE TRIGGER group_lost AFTER DELETE ON embeddings
            BEGIN
                INSERT OR IGNORE INTO unfolded SELECT leader FROM copies WHERE embedding = OLD.id
                    UNION SELECT embedding FROM copies
                    WHERE leader = coalesce((SELECT leader FROM copies WHERE embedding = OLD.id), OLD.id);
                DELETE FROM copies WHERE leader = coalesce((SELECT leader FROM copies WHERE embedding = OLD.id), OLD.id);
                DELETE FROM unfolded WHERE embedding = OLD.id;
                DELETE FROM signatures WHERE embedding = OLD.id;
            END""",
    ),
    (
        # How people were looked for: the digest of a detector, none of a crop; NULL where that was never asked.
        "ALTER TABLE media ADD COLUMN detector TEXT",
        "ALTER TABLE media ADD COLUMN detect_size INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE media ADD COLUMN min_height REAL NOT NULL DEFAULT 0",
        "ALTER TABLE media ADD COLUMN smallest REAL NOT NULL DEFAULT 0",
        "CREATE INDEX media_looked_into ON media (smallest) WHERE detector > ''",
    ),
    (
        # How much of a video was looked at, and how; and where to go on with one that was not read to its end.
        "ALTER TABLE media ADD COLUMN fps REAL NOT NULL DEFAULT 0",
        "ALTER TABLE media ADD COLUMN quick INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE media ADD COLUMN seconds REAL",
        "ALTER TABLE media ADD COLUMN broken INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE media ADD COLUMN cut_short_at REAL",
        "ALTER TABLE media ADD COLUMN clock_reset INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE people ADD COLUMN static INTEGER NOT NULL DEFAULT 0",
        "CREATE INDEX people_static ON people (media) WHERE static",
        "DROP INDEX media_looked_into",
        "CREATE INDEX media_looked_into ON media (kind, smallest) WHERE detector > ''",
        "CREATE TABLE checkpoints (media INTEGER PRIMARY KEY REFERENCES media ON DELETE CASCADE, checkpoint TEXT NOT NULL)",
    ),
    (
        # A track is found again by its number as its video grows.
        "DROP INDEX people_by_media",
        "CREATE INDEX people_by_media ON people (media, track)",
        # From and to which second nothing could be read, in JSON.
        "ALTER TABLE media ADD COLUMN gaps TEXT",
        # Whether frames in which nothing moves were to be skipped, and how many were.
        "ALTER TABLE media ADD COLUMN motion INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE media ADD COLUMN still INTEGER NOT NULL DEFAULT 0",
    ),
    (
        # Of each person a random number: the sum of those in a media tells whether another index holds the same people, or those until one.
        "ALTER TABLE people ADD COLUMN token INTEGER NOT NULL DEFAULT 0",
        f"UPDATE people SET token = {TOKEN}",
        "CREATE TABLE thumbnails (embedding INTEGER PRIMARY KEY, jpeg BLOB NOT NULL)",
        """CREATE TRIGGER thumbnail_of_nobody AFTER DELETE ON embeddings
            BEGIN DELETE FROM thumbnails WHERE embedding = OLD.id; END""",
    ),
    (
        # Of live cameras too, whose pictures were files before.
        "ALTER TABLE thumbnails RENAME TO pictures",
    ),
)
"""Step ``i`` takes a database from schema version ``i`` to ``i + 1``. Paths are bytes, so that names that are not UTF-8 survive."""

SCHEMA_VERSION = len(MIGRATIONS)

_NO_GAPS = "NULL AS gaps, 0 AS motion, 0 AS still"
_NOT_WATCHED = f"0.0 AS fps, 0 AS quick, NULL AS seconds, 0 AS broken, NULL AS cut_short_at, 0 AS clock_reset, {_NO_GAPS}"
_NOT_SOUGHT = f"NULL AS detector, 0 AS detect_size, 0.0 AS min_height, 0.0 AS smallest, {_NOT_WATCHED}"
_OF_A_PHOTO = f"'photo' AS kind, NULL AS camera, NULL AS started_at, NULL AS zone, NULL AS known_by, 1 AS embedded, {_NOT_SOUGHT}"
_WITHOUT_COPIES = (
    "CREATE TEMP VIEW embeddings AS SELECT *, NULL AS worn FROM main.embeddings",
    "CREATE TEMP TABLE cameras (name TEXT PRIMARY KEY, offset_seconds REAL NOT NULL DEFAULT 0, zone TEXT) WITHOUT ROWID",
    "CREATE TEMP TABLE signatures (embedding INTEGER PRIMARY KEY, signature BLOB NOT NULL, bytes INTEGER NOT NULL, run INTEGER NOT NULL)",
    "CREATE TEMP TABLE copies (embedding INTEGER PRIMARY KEY, leader INTEGER NOT NULL)",
)
_MEDIA_NOT_SOUGHT = f"CREATE TEMP VIEW media AS SELECT *, {_NOT_SOUGHT} FROM main.media"
_NO_CHECKPOINTS = "CREATE TEMP TABLE checkpoints (media INTEGER PRIMARY KEY, checkpoint TEXT NOT NULL)"
_NO_PICTURES = "CREATE TEMP TABLE pictures (embedding INTEGER PRIMARY KEY, jpeg BLOB NOT NULL)"
_NOBODY_STATIC = ("CREATE TEMP VIEW people AS SELECT *, 0 AS static, id AS token FROM main.people", _NO_CHECKPOINTS, _NO_PICTURES)
_NOTHING_PUSHED = ("CREATE TEMP VIEW people AS SELECT *, id AS token FROM main.people", _NO_PICTURES)
_PERSONS_AS_PEOPLE = (
    "CREATE TEMP VIEW people AS SELECT id, media, track, time AS first, time AS last, 0 AS static, id AS token FROM main.persons",
    _NO_CHECKPOINTS,
    _NO_PICTURES,
    """CREATE TEMP VIEW crops AS
        SELECT id AS person, 0 AS number, embedding, x, y, width, height, time, NULL AS quality FROM main.persons""",
)

_AS_IF_MIGRATED: dict[int, tuple[str, ...]] = {
    1: (
        f"CREATE TEMP VIEW media AS SELECT *, NULL AS changed_ns, NULL AS device, NULL AS away_since, {_OF_A_PHOTO} FROM main.media",
        """CREATE TEMP VIEW meta AS SELECT * FROM main.meta UNION ALL SELECT 'epoch', value FROM main.meta WHERE key = 'id'
            UNION ALL SELECT 'newest', coalesce(max(id), 0) FROM embeddings""",
        "CREATE TEMP TABLE deleted (embedding INTEGER PRIMARY KEY, wiped INTEGER NOT NULL)",
        *_PERSONS_AS_PEOPLE,
        *_WITHOUT_COPIES,
    ),
    2: (f"CREATE TEMP VIEW media AS SELECT *, {_OF_A_PHOTO} FROM main.media", *_PERSONS_AS_PEOPLE, *_WITHOUT_COPIES),
    3: (_MEDIA_NOT_SOUGHT, *_NOBODY_STATIC, *_WITHOUT_COPIES),
    4: (_MEDIA_NOT_SOUGHT, *_NOBODY_STATIC),
    5: (f"CREATE TEMP VIEW media AS SELECT *, {_NOT_WATCHED} FROM main.media", *_NOBODY_STATIC),
    6: (f"CREATE TEMP VIEW media AS SELECT *, {_NO_GAPS} FROM main.media", *_NOTHING_PUSHED),
    7: _NOTHING_PUSHED,
    8: ("CREATE TEMP VIEW pictures AS SELECT * FROM main.thumbnails",),
}
"""What lets a database of an older version be read where it cannot be written."""


def open_for_writing(folder: Path) -> sqlite3.Connection:
    """Open the index in ``folder``, made or migrated where needed.

    Raises:
        IndexFault: the folder is a file, or the database cannot be written, is damaged, or is of a newer version.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise _not_a_folder(folder) from error
    except OSError as error:
        raise IndexFault(
            expected=f"a folder that can be made at {folder}", found=error.strerror or str(error), do="name another with --index"
        ) from error
    with plain_faults(folder):
        _make_file(folder / FILE_NAME)
        connection = _connect(folder, "mode=rw")
        with _closed_on_error(connection):
            _require_ours(connection, folder)
            connection.execute("PRAGMA page_size = 4096")
            connection.execute("PRAGMA journal_mode = WAL")
            _migrate(connection, folder)
            _delete_taken_in(connection, folder)
    return connection


def open_for_reading(folder: Path) -> sqlite3.Connection:
    """Open the index in ``folder``, from a read-only disk too; one of an older version is migrated where it can be written.

    Raises:
        IndexFault: there is none, or it is damaged, or of a newer version.
    """
    try:
        found = (folder / FILE_NAME).exists()
        in_the_way = not found and folder.exists() and not folder.is_dir()
    except OSError as error:
        raise IndexFault(
            expected=f"an index at {folder}",
            found=error.strerror or str(error),
            do="give yourself permission to read it, or name another with --index",
        ) from error
    if in_the_way:
        raise _not_a_folder(folder)
    if not found:
        raise IndexFault(expected=f"an index at {folder}", found="none", do=f"make it with: passerby index PATH… --index {folder}")
    with plain_faults(folder):
        connection = _connect_to_existing(folder)
        with _closed_on_error(connection):
            _require_ours(connection, folder)
            version = schema_version(connection)
            if 0 < version < SCHEMA_VERSION:
                _migrate_if_writable(connection, folder, version)
        if version:
            return connection
        connection.close()
    return open_for_writing(folder)


class Connections:
    """The connections to an index, one for each thread that uses it; those of threads that have ended are closed when others come."""

    def __init__(self, folder: Path, connection: sqlite3.Connection) -> None:
        self._folder = folder
        self._lock = Lock()
        self._open: dict[Thread, sqlite3.Connection] | None = {current_thread(): connection}

    def of_this_thread(self) -> sqlite3.Connection:
        """Raises ``IndexFault`` once they are closed."""
        thread, known = current_thread(), self._open
        if known is not None and thread in known:
            return known[thread]
        connection = open_for_reading(self._folder)
        with self._lock:
            if self._open is None:
                connection.close()
                raise IndexFault(expected=f"an open index at {self._folder}", found="a closed one", do="open it again: Index.open(folder)")
            for ended in [thread for thread in self._open if not thread.is_alive()]:
                self._open.pop(ended).close()
            self._open[thread] = connection
        return connection

    def close(self) -> None:
        with self._lock:
            for connection in (self._open or {}).values():
                connection.close()
            self._open = None


@contextmanager
def plain_faults(folder: Path) -> Iterator[None]:
    """Turn what SQLite says about the index in ``folder`` into an `IndexFault`; programming errors pass."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_MISUSE) & 0xFF
        if code not in _FAULTS:
            raise
        expected, found, do = _FAULTS[code]
        raise IndexFault(expected=expected.format(folder=folder), found=f"{found} ({error})", do=do) from error


@contextmanager
def waiting_at_most(connection: sqlite3.Connection, seconds: float) -> Iterator[None]:
    """Let statements of a connection wait for others so long, not as long as they do otherwise."""
    connection.execute(f"PRAGMA busy_timeout = {1000 * seconds:.0f}")
    try:
        yield
    finally:
        connection.execute(f"PRAGMA busy_timeout = {1000 * BUSY_SECONDS:.0f}")


def _make_file(path: Path) -> None:
    """An empty database where there is none, for whom the folder and the umask want; SQLite would keep all but its owner from writing.

    Its side files take after it. What stands in the way is left for SQLite to say.
    """
    with suppress(OSError):
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o666))


def schema_version(connection: Database) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _connect(folder: Path, options: str) -> sqlite3.Connection:
    uri = f"{(folder / FILE_NAME).absolute().as_uri()}?{options}"
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = ON")
    return connection


def _connect_to_existing(folder: Path) -> sqlite3.Connection:
    """Connect for reading; where SQLite may not make its side files, take the database as immutable, if no write waits in the log."""
    try:
        connection = _connect(folder, "mode=rw")
        with _closed_on_error(connection):
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.OperationalError as error:
        log = folder / f"{FILE_NAME}-wal"
        if error.sqlite_errorcode & 0xFF not in _REFUSED or (log.exists() and log.stat().st_size):
            raise
        return _connect(folder, "mode=ro&immutable=1")
    return connection


@contextmanager
def _closed_on_error(connection: sqlite3.Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.close()
        raise


def _require_ours(connection: sqlite3.Connection, folder: Path) -> None:
    version, application, tables = connection.execute(
        "SELECT user_version, application_id, (SELECT count(*) FROM sqlite_schema) FROM pragma_user_version, pragma_application_id"
    ).fetchone()
    if application != APPLICATION_ID and (application or version or tables):
        raise IndexFault(
            expected=f"a Passerby index at {folder}", found="a database of another program", do="name another folder with --index"
        )
    if version > SCHEMA_VERSION:
        raise IndexFault(
            expected=f"an index of version {SCHEMA_VERSION} or older at {folder}",
            found=f"version {version}, made by a newer Passerby",
            do="upgrade Passerby, or name another folder with --index",
        )


def _migrate(connection: sqlite3.Connection, folder: Path) -> None:
    """Bring the schema up to date in one transaction; a kill leaves the old one, and of two processes one does the work."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        if missing := MIGRATIONS[schema_version(connection) :]:
            for statement in chain.from_iterable(missing):
                connection.execute(statement, {"id": uuid4().hex} if ":id" in statement else {})
            _take_in_pictures(connection, folder)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        roll_back(connection)
        raise


def _take_in_pictures(connection: sqlite3.Connection, folder: Path) -> None:
    """Have those of live cameras that were files in the database; those of nobody go."""
    for embedding, file in _picture_files(folder):
        taken = connection.execute("INSERT INTO pictures SELECT id, ? FROM embeddings WHERE id = ?", (file.read_bytes(), embedding))
        if not taken.rowcount:
            file.unlink()


def _delete_taken_in(connection: sqlite3.Connection, folder: Path) -> None:
    """Delete files that the database has now, and the folders that they leave empty."""
    for embedding, file in list(_picture_files(folder)):
        if connection.execute("SELECT jpeg FROM pictures WHERE embedding = ?", (embedding,)).fetchone() == (file.read_bytes(),):
            file.unlink()
            with suppress(OSError):
                file.parent.rmdir()
                file.parent.parent.rmdir()


def _picture_files(folder: Path) -> Iterator[tuple[int, Path]]:
    """Pictures of live cameras as versions before 9 kept them: a thousand to a folder, named by ids of embeddings."""
    for file in (folder / "pictures").glob("[0-9]*/*.jpg"):
        if file.stem.isdecimal() and file.parent.name == f"{int(file.stem) // 1000:06}":
            yield int(file.stem), file


def _migrate_if_writable(connection: sqlite3.Connection, folder: Path, version: int) -> None:
    try:
        _migrate(connection, folder)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in _REFUSED:
            raise
        connection.execute("PRAGMA temp_store = MEMORY")
        for statement in _AS_IF_MIGRATED[version]:
            connection.execute(statement)


def roll_back(connection: sqlite3.Connection) -> None:
    """End a failed transaction; SQLite may have done so itself, on a full disk for one."""
    with suppress(sqlite3.Error):
        connection.execute("ROLLBACK")


def _not_a_folder(folder: Path) -> IndexFault:
    return IndexFault(expected=f"a folder for the index at {folder}", found="a file", do="name another with --index")


_REFUSED = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}
_WRITABLE = ("an index that can be written at {folder}", "a read-only one", "give yourself write permission, or name another with --index")
_DAMAGED = ("an index at {folder}", "a damaged file", "restore it from a copy, or move it away and index again")
_LOCKED = (
    f"the index at {{folder}} to be free within {BUSY_SECONDS:.0f} s",
    "another process that writes to it",
    "run the same command again later",
)
_FAULTS = {
    sqlite3.SQLITE_FULL: (
        "room on the disk for the index at {folder}",
        "none",
        "free some and run the same command again; it goes on where it stopped",
    ),
    sqlite3.SQLITE_IOERR: (
        "a disk that works at {folder}",
        "a failed read or write",
        "check its free space and health, then run the same command again",
    ),
    sqlite3.SQLITE_READONLY: _WRITABLE,
    sqlite3.SQLITE_PERM: _WRITABLE,
    sqlite3.SQLITE_CANTOPEN: (
        "a readable and writable index at {folder}",
        "one that does not open",
        "check its permissions, or name another with --index",
    ),
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
}
