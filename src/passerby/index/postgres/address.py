"""Where an index in PostgreSQL is, as a URL says it, and how it is told to people: never with a password."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, Self
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from passerby.errors import IndexFault
from passerby.index.nearest import EXACT, HNSW

SCHEMES: Final = ("postgresql", "postgres")
EXAMPLE: Final = "postgresql://user@host/database"
WAYS: Final = (EXACT, HNSW)
DEFAULT_PORT: Final = "5432"
DEFAULT_SCHEMA: Final = "passerby"
HERE: Final = ("localhost", "127.0.0.1", "::1", "/run/postgresql", "/var/run/postgresql", "/tmp", "/private/tmp")
"""Hosts that are this machine: its names, and the folders of sockets in which the driver looks where no host is named."""

_SCHEMA: Final = re.compile(r"(?!pg_)[a-z_][a-z0-9_]{0,62}")
_FILES: Final = ("sslrootcert", "sslcert", "sslkey", "sslcrl", "passfile")
_OURS: Final = ("schema", "search")
_SERVER: Final = re.compile(r"(\[[^\]]*\]|/.*|[^:]*)(?::(\d*))?")


class Database(NamedTuple):
    """Where an address leads, whoever goes there: the same however a URL says it.

    Args:
        servers: host and port of each, in order; a host is in small letters, empty for this machine, or a folder with a socket.
    """

    servers: tuple[tuple[str, str], ...]
    name: str
    schema: str


@dataclass(frozen=True, slots=True)
class Address:
    """What a URL says of an index.

    Args:
        url: as the driver takes it, with all that is secret.
        shown: the same for people, without a password.
        schema: of the database, in which all of the index is.
        way: how it is searched, ``exact`` or ``hnsw``.
    """

    url: str
    shown: str
    schema: str
    way: str

    @classmethod
    def of(cls, url: str) -> Self:
        """Raises ``IndexFault`` for a URL that says something else; it is not shown, as it may have a password in it."""
        try:
            parts = urlsplit(url)
            _ = parts.port
            asked = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        except ValueError:
            raise _wrong("one that cannot be read") from None
        if "@" in (parts.path or parts.query):  # what is before it may be a part of a password
            raise _wrong("one that cannot be read", "write / as %2F, ? as %3F and # as %23 in a password")
        if parts.scheme not in SCHEMES or parts.fragment:
            raise _wrong("one of another form")
        own = {"schema": DEFAULT_SCHEMA, "search": WAYS[0]} | {name: value for name, value in asked if name in _OURS}
        if not _SCHEMA.fullmatch(own["schema"]):
            raise _wrong(f"the schema {own['schema']!r}", "name it in small letters, digits and underscores, and not pg_…")
        if own["search"] not in WAYS:
            raise _wrong(f"search={own['search']}", f"name one of {' and '.join(WAYS)}")
        for name, value in asked:
            if "password" in name.lower() and name != name.lower():
                raise _wrong(f"{name}=", "write that name in small letters")
            if name in _FILES and not Path(value).is_file():
                raise IndexFault(expected=f"the file of {name}", found=f"none at {value}", do="correct the URL")
        rest = [(name, value) for name, value in asked if name not in _OURS]
        told = [(name, value) for name, value in asked if "password" not in name]
        return cls(
            urlunsplit(parts._replace(query=urlencode(rest))),
            urlunsplit(parts._replace(netloc=_without_password(parts.netloc), query=urlencode(told, safe="/"))),
            own["schema"],
            own["search"],
        )

    @property
    def database(self) -> Database:
        """Where it leads, with what it leaves out as it is by default; read as the driver reads it, but for ``$PGHOST`` and the like."""
        parts = urlsplit(self.url)
        asked = dict(parse_qsl(parts.query))
        user, _, hosts = parts.netloc.rpartition("@")
        servers = _servers(hosts, "") if hosts else _servers(asked.get("host", ""), asked.get("port", ""))
        name = unquote(parts.path[1:]) or asked.get("dbname") or asked.get("database")
        return Database(servers, name or unquote(user.partition(":")[0]) or asked.get("user", ""), self.schema)


def _servers(hosts: str, ports: str) -> tuple[tuple[str, str], ...]:
    """Several hosts have a port each, or one together."""
    several, given = hosts.split(","), ports.split(",")
    given *= len(several) if len(given) == 1 else 1
    return tuple(sorted({_server(host, port) for host, port in zip(several, given, strict=False)}))


def _server(written: str, port: str) -> tuple[str, str]:
    match = _SERVER.fullmatch(written)
    host, own = match.groups() if match else (written, None)
    host = unquote(host).strip("[]")
    host = posixpath.normpath(host) if host.startswith("/") else host.rstrip(".").lower()
    return "" if host in HERE else host, port or own or DEFAULT_PORT


def _without_password(netloc: str) -> str:
    user, at, host = netloc.rpartition("@")
    return f"{quote(user.partition(':')[0], safe='%')}{at}{host}"


def _wrong(found: str, do: str = f"write it as {EXAMPLE}") -> IndexFault:
    return IndexFault(expected=f"the URL of an index in PostgreSQL, such as {EXAMPLE}", found=found, do=do)
