"""Sessions with a server as a synchronous program has them: one event loop, in a thread of its own, does what is asynchronous of it.

SQL that indexes of both kinds share is written as SQLite has it; :func:`translated` says what PostgreSQL has instead.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import wait
from contextlib import contextmanager, suppress
from functools import cache
from io import BytesIO
from threading import Lock, Thread, current_thread
from typing import Any, Final, TypeVar

import asyncpg

from passerby.errors import IndexFault
from passerby.index.postgres.address import Address
from passerby.index.postgres.faults import BUSY_SECONDS, plain_faults

Row = tuple[Any, ...]
T = TypeVar("T")

_CONNECT_SECONDS: Final = 15
_LOOK_SECONDS: Final = 1.0
_NAMED: Final = re.compile(r"(?<!:):([a-z_]+)")
_OF_LIST: Final = "IN (SELECT value FROM json_each(?))"
_TO_ARRAY: Final = "= ANY (ARRAY(SELECT json_array_elements_text(CAST(? AS json))::bigint))"
_IS_NOT: Final = re.compile(r"IS NOT(?= -?\d)")
_ORDERED_JOIN: Final = re.compile(r"CROSS JOIN (\w+(?: AS \w+)?) (ON|USING)\b")


@cache
def translated(sql: str) -> str:
    """SQL of SQLite as PostgreSQL has it: numbered values, lists of ids, and joins in an order that a planner is not told here."""
    joined = _ORDERED_JOIN.sub(r"JOIN \1 \2", sql.replace(_OF_LIST, _TO_ARRAY))
    *parts, last = _IS_NOT.sub("IS DISTINCT FROM", joined).split("?")
    return "".join(f"{part}${number}" for number, part in enumerate(parts, 1)) + last


@cache
def _numbered(sql: str) -> tuple[str, tuple[str, ...]]:
    """SQL of named values with numbered ones, and their names by number."""
    names = tuple(dict.fromkeys(_NAMED.findall(sql)))
    return _NAMED.sub(lambda match: f"${names.index(match[1]) + 1}", sql), names


class Rows:
    """What a statement gave, as a cursor of SQLite's gives it."""

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self._rows = list(rows)
        self._given = 0

    @property
    def rowcount(self) -> int:
        return len(self._rows)

    @property
    def lastrowid(self) -> None:
        return None

    def fetchall(self) -> list[Any]:
        return self._rows

    def fetchone(self) -> Any:
        return self._rows[0] if self._rows else None

    def fetchmany(self, size: int) -> list[Any]:
        start, self._given = self._given, self._given + size
        return self._rows[start : self._given]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._rows)


class EventLoop:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="postgresql", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T], is_lost: Callable[[], bool] = lambda: False) -> T:
        """Wait for what a coroutine gives; stopped meanwhile, so is the coroutine.

        Args:
            is_lost: whether its connection is, asked now and then; of one that is lost at a bad moment the driver may say nothing.

        Raises:
            ConnectionError: it is lost.
        """
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            while not wait([future], _LOOK_SECONDS).done:
                if is_lost() and not future.done():
                    raise ConnectionError("the server closed it")
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Session:
    """One connection, of one thread; ``in_transaction`` from the beginning of one to its end, even if it is lost meanwhile."""

    def __init__(self, loop: EventLoop, address: Address) -> None:
        self._loop, self._place = loop, address.shown
        self.in_transaction = False
        with plain_faults(self._place):
            self._connection = loop.run(asyncio.wait_for(_connect(address), 2 * _CONNECT_SECONDS))

    @property
    def is_lost(self) -> bool:
        return bool(self._connection.is_closed())

    def execute(self, sql: str, values: Sequence[object] | Mapping[str, object] = (), /) -> Rows:
        """What a statement gives; written as SQLite has it."""
        if isinstance(values, Mapping):
            named, names = _numbered(sql)
            return Rows(self.fetch(named, *(values[name] for name in names)))
        return Rows(self.fetch(translated(sql), *values))

    def executemany(self, sql: str, values: Sequence[Sequence[object]], /) -> Rows:
        """A statement for each of some rows, sent together; written as SQLite has it."""
        self.executemany_numbered(translated(sql), values)
        return Rows()

    def executemany_numbered(self, sql: str, values: Sequence[Sequence[object]]) -> None:
        """The same, written as PostgreSQL has it."""
        if values:
            self._run(self._connection.executemany(sql, values))

    def fetch(self, sql: str, *values: object) -> list[Any]:
        """The rows that a statement gives, tuples; written as PostgreSQL has it."""
        return [*map(tuple, self._run(self._connection.fetch(sql, *values)))]

    def script(self, sql: str) -> None:
        """Statements without values."""
        self._run(self._connection.execute(sql))

    def copy_in(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Rows into a table by COPY."""
        if rows:
            self._run(self._connection.copy_records_to_table(table, records=rows, columns=columns))

    def copy_bytes_in(self, table: str, columns: Sequence[str], binary: bytes) -> None:
        """The same of what is in PostgreSQL's binary form already."""
        self._run(self._connection.copy_to_table(table, source=BytesIO(binary), columns=columns, format="binary"))

    def copy_bytes_out(self, query: str, *values: object) -> bytes:
        """What a query gives, in PostgreSQL's binary form."""
        parts: list[bytes] = []

        async def keep(part: bytes) -> None:
            parts.append(part)

        self._run(self._connection.copy_from_query(query, *values, output=keep, format="binary"))
        return b"".join(parts)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing."""
        with self._begun("BEGIN"):
            yield
            self.script("COMMIT")

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Everything read inside is of one moment; what was read stands, even if the connection is lost before the end."""
        with self._begun("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"):
            yield
            self.roll_back()

    @contextmanager
    def _begun(self, begin: str) -> Iterator[None]:
        try:
            self.in_transaction = True
            self.script(begin)
            yield
        except BaseException:
            self.roll_back()
            raise
        finally:
            self.in_transaction = False

    def roll_back(self) -> None:
        """End a transaction that shall have done nothing; where that cannot be said any more, the server does it for a lost connection."""
        with suppress(IndexFault):
            try:
                self.script("ROLLBACK")
            except BaseException:
                self._loop.run(_end(self._connection))
                raise

    def close(self) -> None:
        with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
            self._loop.run(self._connection.close(timeout=5))

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        with plain_faults(self._place):
            return self._loop.run(work, lambda: self.is_lost)


class Sessions:
    """The sessions of an index, one for each thread that uses it; those of threads that have ended are closed when others come."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._lock = Lock()
        self._loop = EventLoop()
        self._open: dict[Thread, Session] | None = {}

    def of_this_thread(self) -> Session:
        """A new one in place of one that is lost, but not inside of its transaction. Raises ``IndexFault`` once they are closed."""
        thread, known = current_thread(), self._open
        if known is None:
            raise IndexFault(
                expected=f"an open index at {self._address.shown}", found="a closed one", do="open it again: passerby.open_index(place)"
            )
        session = known.get(thread)
        if session is not None and (session.in_transaction or not session.is_lost):
            return session
        session = Session(self._loop, self._address)
        with self._lock:
            for ended in [thread for thread in known if not thread.is_alive()]:
                known.pop(ended).close()
            known[thread] = session
        return session

    def close(self) -> None:
        with self._lock:
            if self._open is not None:
                for session in self._open.values():
                    session.close()
                self._open = None
                self._loop.close()


async def _connect(address: Address) -> asyncpg.Connection[asyncpg.Record]:
    settings = {"application_name": "passerby", "lock_timeout": f"{BUSY_SECONDS}s", "timezone": "UTC"}
    try:
        connection = await asyncpg.connect(address.url, timeout=_CONNECT_SECONDS, server_settings=settings)
    except (asyncpg.InterfaceError, ValueError) as error:
        if isinstance(error, OSError):
            raise
        raise IndexFault(
            expected=f"a URL that says how to get to {address.shown}",
            found="one that does not",
            do="correct its host, port, sslmode and sslrootcert",
        ) from None
    except (asyncpg.UndefinedObjectError, asyncpg.InvalidParameterValueError, asyncpg.CantChangeRuntimeParamError) as error:
        raise IndexFault(
            expected=f"settings in the URL that the server at {address.shown} knows",
            found=" ".join(str(error).split()),
            do="correct the URL",
        ) from None
    try:
        homes = await connection.fetch(
            "SELECT nspname FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = 'vector'"
        )
        path = ", ".join(f'"{name}"' for name in dict.fromkeys([address.schema, "public", *(home[0] for home in homes)]))
        await connection.execute(f"SET search_path = {path}")
    except BaseException:
        await _end(connection)
        raise
    return connection


async def _end(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    connection.terminate()
