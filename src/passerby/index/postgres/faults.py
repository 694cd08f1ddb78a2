"""What PostgreSQL and the way to it complain about, in plain words."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from asyncpg import exceptions as pg

from passerby.errors import IndexFault

BUSY_SECONDS: Final = 30

_AGAIN: Final = "run the same command again; it goes on where it stopped"
_LOST: Final = ("a server that goes on answering at {place}", "a connection that was lost", _AGAIN)
_UNREACHABLE: Final = ("a PostgreSQL server that answers at {place}", "none", "start it, or correct the URL")
_RIGHTS: Final = (
    "a role that may use the index at {place}",
    "one without the right",
    "have its owner grant it, or name another role in the URL",
)
_REFUSED: Final = (
    "a role that the server at {place} lets in",
    "one that it refuses",
    "correct the user in the URL, and its password in $PGPASSWORD or ~/.pgpass",
)

_FEW_LOCKS: Final = (
    "a server with room for more locks at {place}",
    "one whose max_locks_per_transaction is too low",
    "set max_locks_per_transaction = 1024 and restart the server",
)

_FAULTS: Final[tuple[tuple[tuple[type[BaseException], ...], tuple[str, str, str]], ...]] = (
    (
        (ssl.SSLError,),
        (
            "an encrypted connection that can be trusted to {place}",
            "one that cannot",
            "name the authority that signed the server's certificate with sslrootcert=FILE in the URL, or correct sslmode",
        ),
    ),
    ((ConnectionRefusedError,), _UNREACHABLE),
    ((pg.InvalidPasswordError, pg.InvalidAuthorizationSpecificationError), _REFUSED),
    (
        (pg.InvalidCatalogNameError,),
        ("a database at {place}", "none of that name", "make it with: createdb NAME, or correct the URL"),
    ),
    ((pg.InsufficientPrivilegeError,), _RIGHTS),
    (
        (pg.ReadOnlySQLTransactionError,),
        ("a server that can be written at {place}", "one that is read-only, such as a replica", "name the primary server"),
    ),
    (
        (pg.DiskFullError, pg.OutOfMemoryError),
        ("room for the index at {place}", "a server that has none", f"free some there, and {_AGAIN}"),
    ),
    (
        (pg.LockNotAvailableError, pg.DeadlockDetectedError),
        (
            f"the index at {{place}} to be free within {BUSY_SECONDS} s",
            "another process that uses it",
            "run the same command again later",
        ),
    ),
    (
        (pg.TooManyConnectionsError,),
        ("a free connection to {place}", "a server that has no more", "raise its max_connections, or close other programs"),
    ),
    (
        (pg.DataCorruptedError, pg.IndexCorruptedError),
        ("a whole database at {place}", "a damaged one", "restore it from a copy"),
    ),
    (
        (pg.CannotConnectNowError,),
        ("a server that is ready at {place}", "one that starts or stops", "run the same command again in a moment"),
    ),
    (
        (
            pg.PostgresConnectionError,
            pg.AdminShutdownError,
            pg.CrashShutdownError,
            pg.QueryCanceledError,
            pg.InterfaceError,
            pg.InternalClientError,
            ConnectionError,
        ),
        _LOST,
    ),
    ((OSError, TimeoutError), _UNREACHABLE),
    (
        (pg.PostgresSystemError, pg.InsufficientResourcesError, pg.InternalServerError, pg.OperatorInterventionError),
        ("a server that works at {place}", "one that fails", "look into its log, then run the same command again"),
    ),
)
"""The first that fits; what fits none is a fault of ours, and passes."""


@contextmanager
def plain_faults(place: str) -> Iterator[None]:
    """Turn what the driver says about the index at a place into an `IndexFault`; programming errors pass.

    Args:
        place: as it may be shown.
    """
    try:
        yield
    except Exception as error:
        if (parts := _parts_of(error)) is None:
            raise
        expected, found, do = parts
        raise IndexFault(expected=expected.format(place=place), found=f"{found}{_because(error)}", do=do) from None


def _parts_of(error: Exception) -> tuple[str, str, str] | None:
    """What is said of a fault, or nothing of one of ours. A full table of locks has the code of a full memory."""
    if isinstance(error, pg.OutOfMemoryError) and "max_locks_per_transaction" in str(error):
        return _FEW_LOCKS
    return next((parts for kinds, parts in _FAULTS if isinstance(error, kinds)), None)


def _because(error: BaseException) -> str:
    """What was said, in one line, of what says something."""
    said = " ".join((error.strerror if isinstance(error, OSError) and error.strerror else str(error)).split())
    return f" ({said})" if said else ""
