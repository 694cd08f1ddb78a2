"""The tables of an index in PostgreSQL: made, brought up to date, and parted by day."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, date, datetime
from secrets import token_hex
from typing import Final
from uuid import uuid4

from asyncpg import FeatureNotSupportedError, UndefinedFileError, UndefinedObjectError, UniqueViolationError

from passerby.errors import IndexFault
from passerby.index.postgres.address import Address
from passerby.index.postgres.session import Session

MIGRATIONS: Final[tuple[str, ...]] = (
    """
    CREATE TABLE meta (key text PRIMARY KEY, value text NOT NULL);

    -- One row, which whoever writes locks first. So ids and generations are in the order in which their transactions end.
    CREATE TABLE state (
        epoch text NOT NULL, generation bigint NOT NULL DEFAULT 0, run bigint NOT NULL DEFAULT 0,
        newest bigint NOT NULL DEFAULT 0, newest_person bigint NOT NULL DEFAULT 0, newest_media bigint NOT NULL DEFAULT 0);

    CREATE TABLE media (
        id bigint PRIMARY KEY, path bytea NOT NULL UNIQUE, size bigint NOT NULL, modified_ns bigint NOT NULL, digest text NOT NULL,
        changed_ns bigint, device bigint, away_since bigint, kind text NOT NULL, camera text, started_at float8, zone text, known_by text,
        detector text, detect_size bigint NOT NULL, min_height float8 NOT NULL, smallest float8 NOT NULL, fps float8 NOT NULL,
        quick smallint NOT NULL, motion smallint NOT NULL, seconds float8, broken bigint NOT NULL, cut_short_at float8,
        clock_reset smallint NOT NULL, gaps text, still bigint NOT NULL);
    CREATE INDEX ON media (digest);
    CREATE INDEX ON media (size, modified_ns);
    CREATE INDEX ON media (camera, started_at);
    CREATE INDEX ON media (kind, started_at);
    CREATE INDEX ON media (kind, smallest) WHERE detector > '';
    CREATE INDEX ON media (away_since) WHERE away_since IS NOT NULL;
    CREATE TABLE checkpoints (media bigint PRIMARY KEY, checkpoint text NOT NULL);
    CREATE TABLE failures (path bytea PRIMARY KEY, size bigint NOT NULL, changed_ns bigint NOT NULL, reason text NOT NULL);
    CREATE TABLE cameras (name text PRIMARY KEY, offset_seconds float8 NOT NULL DEFAULT 0, zone text);
    CREATE TABLE suppressed (digest bytea PRIMARY KEY, region text NOT NULL, person bigint NOT NULL);

    CREATE TABLE people (
        id bigint PRIMARY KEY, media bigint NOT NULL, track bigint, first float8, last float8, static boolean NOT NULL DEFAULT false);
    CREATE INDEX ON people (media, track);
    CREATE INDEX ON people (media) WHERE static;

    -- Who an embedding is, once and for ever: another clock is another day, and not another embedding.
    CREATE TABLE embeddings (id bigint PRIMARY KEY, key bytea NOT NULL UNIQUE, digest text NOT NULL, day date NOT NULL);
    CREATE INDEX ON embeddings (digest);

    -- Of a day, when its embedding came: rows are where their embedding says, and go with it.
    CREATE TABLE crops (
        person bigint NOT NULL, number smallint NOT NULL, day date NOT NULL, embedding bigint NOT NULL,
        x float8, y float8, width float8, height float8, time float8, quality float8,
        PRIMARY KEY (person, number, day)) PARTITION BY LIST (day);
    CREATE INDEX ON crops (embedding);
    CREATE TABLE vectors (
        embedding bigint NOT NULL, day date NOT NULL, half halfvec NOT NULL, vector bytea NOT NULL, worn bytea,
        PRIMARY KEY (embedding, day)) PARTITION BY LIST (day);
    ALTER TABLE vectors ALTER half SET STORAGE PLAIN, ALTER vector SET STORAGE EXTERNAL, ALTER worn SET STORAGE MAIN;
    CREATE INDEX ON vectors (embedding) WHERE worn IS NULL;

    -- What counts once: signatures, what was found by them, and what is to be looked at.
    CREATE TABLE signatures (embedding bigint PRIMARY KEY, signature bytea NOT NULL, bytes bigint NOT NULL, run bigint NOT NULL);
    CREATE TABLE copies (embedding bigint PRIMARY KEY, leader bigint NOT NULL);
    CREATE INDEX ON copies (leader);
    CREATE TABLE unfolded (embedding bigint PRIMARY KEY);

    CREATE TABLE thumbnails (embedding bigint PRIMARY KEY, jpeg bytea NOT NULL);
    ALTER TABLE thumbnails ALTER jpeg SET STATISTICS 0;

    -- Ids that are gone, for those who keep vectors in memory; and the days whose files have bytes of them still.
    CREATE TABLE deleted (embedding bigint PRIMARY KEY, generation bigint NOT NULL);
    CREATE INDEX ON deleted (generation);
    CREATE TABLE unwiped (day date PRIMARY KEY);

    ALTER TABLE media ALTER path SET STATISTICS 0, ALTER digest SET STATISTICS 0;
    ALTER TABLE failures ALTER path SET STATISTICS 0, ALTER reason SET STATISTICS 0;
    ALTER TABLE embeddings ALTER key SET STATISTICS 0, ALTER digest SET STATISTICS 0;
    ALTER TABLE signatures ALTER signature SET STATISTICS 0;
    ALTER TABLE vectors ALTER half SET STATISTICS 0, ALTER vector SET STATISTICS 0, ALTER worn SET STATISTICS 0;
    """,
    "ALTER TABLE thumbnails RENAME TO pictures",
    """
    -- Infinity stands for the tables that all days share; the generation tells a mark from one that came while it was purged.
    ALTER TABLE unwiped ADD COLUMN generation bigint NOT NULL DEFAULT 0;
    INSERT INTO unwiped VALUES ('infinity');
    """,
)
"""Step ``i`` takes a schema from version ``i`` to ``i + 1``."""

UNDATED: Final = date.min
"""The day of those of whom it is not known when they were seen; minus infinity in the database."""

ALL_DAYS: Final = date.max
"""In place of a day, all tables that are not parted; infinity in the database."""

_PARTED: Final = ("vectors", "crops")

_NO_STATISTICS: Final = "ALTER half SET STATISTICS 0, ALTER vector SET STATISTICS 0, ALTER worn SET STATISTICS 0"
"""They are samples of what is stored, and would keep it when it is deleted; a table that is made like another has its own."""


def open_schema(session: Session, address: Address, *, make: bool) -> None:
    """Be sure that an index is there, of this version.

    Args:
        make: make it where there is none.

    Raises:
        IndexFault: there is none, or it is of a newer version, or of an older one and may not be changed, or pgvector is missing.
    """
    version = _version(session, address)
    if version is None and not make:
        raise IndexFault(
            expected=f"an index at {address.shown}", found="none", do=f"make it with: passerby index PATH… --index '{address.shown}'"
        )
    if (version or 0) < len(MIGRATIONS):
        _migrate(session, address)
    elif version is not None and version > len(MIGRATIONS):
        raise IndexFault(
            expected=f"an index of version {len(MIGRATIONS)} or older at {address.shown}",
            found=f"version {version}, made by a newer Passerby",
            do="upgrade Passerby, or name another schema: ?schema=NAME",
        )


def _version(session: Session, address: Address) -> int | None:
    """The version of a schema; ``None`` where there is nothing."""
    there = {row[0] for row in session.fetch("SELECT tablename FROM pg_tables WHERE schemaname = $1", address.schema)}
    if not there:
        return None
    if not {"meta", "state"} <= there:
        raise IndexFault(
            expected=f"an index at {address.shown}",
            found=f"tables of another program in the schema {address.schema}",
            do="name another schema: ?schema=NAME",
        )
    return int(session.fetch(f"SELECT value FROM \"{address.schema}\".meta WHERE key = 'version'")[0][0])


def _migrate(session: Session, address: Address) -> None:
    """Bring the schema up to date in one transaction; of two processes one does the work."""
    _need_pgvector(session, address)
    with session.transaction():
        session.fetch("SELECT pg_advisory_xact_lock(hashtext($1))", f"passerby {address.schema}")
        version = _version(session, address)
        if version is None:
            session.script(f'CREATE SCHEMA IF NOT EXISTS "{address.schema}"')
        for step in MIGRATIONS[version or 0 :]:
            session.script(step)
        if version is None:
            now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            facts = {"version": "0", "id": uuid4().hex, "salt": token_hex(32), "signatures": "1", "created": now}
            session.executemany("INSERT INTO meta VALUES (?, ?)", list(facts.items()))
            session.fetch("INSERT INTO state (epoch) VALUES ($1)", uuid4().hex)
        session.fetch("UPDATE meta SET value = $1 WHERE key = 'version'", str(len(MIGRATIONS)))


def _need_pgvector(session: Session, address: Address) -> None:
    try:
        with suppress(UniqueViolationError):  # of another first start, which made it at the same time
            session.script("CREATE EXTENSION IF NOT EXISTS vector")
        session.script("SELECT '[1]'::halfvec")
    except (FeatureNotSupportedError, UndefinedFileError, UndefinedObjectError):
        raise IndexFault(
            expected=f"pgvector 0.7 or newer at {address.shown}",
            found="a server without it",
            do="install it there, on Debian the package postgresql-NN-pgvector, and have an owner CREATE EXTENSION vector",
        ) from None


def day_of(started_at: float | None, time: float | None) -> date:
    """The day on which a crop was seen, in UTC, as the camera's clock had it."""
    return UNDATED if started_at is None else datetime.fromtimestamp(started_at + (time or 0.0), UTC).date()


def make_days(session: Session, days: Iterable[date]) -> None:
    """Inside of a transaction: have a place for the rows of days. Whoever reads is not kept waiting."""
    known = {row[0] for row in session.fetch("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")}
    for day in sorted(set(days)):
        for table in _PARTED:
            name = part_of(table, day)
            if name not in known:
                session.script(f"CREATE TABLE {name} (LIKE {table} INCLUDING ALL)")
                if table == "vectors":
                    session.script(f"ALTER TABLE {name} {_NO_STATISTICS}")
                session.script(f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES IN ('{_written(day)}')")


def part_of(table: str, day: date) -> str:
    """The part of a table that has the rows of a day."""
    return f"{table}_{'undated' if day == UNDATED else f'{day:%Y%m%d}'}"


def _written(day: date) -> str:
    return "-infinity" if day == UNDATED else day.isoformat()
