"""Where this machine keeps what belongs to an index and is not in it: how its live cameras are doing, and what its service keeps."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, quote, urlsplit

from passerby.errors import ConfigError
from passerby.index.postgres.address import DEFAULT_PORT, DEFAULT_SCHEMA, HERE, Address, Database
from passerby.places import IndexPlace, data_folder

TOKENS: Final = "tokens.json"
"""The file in the folder of a service that says who may use it."""

_SERVICE: Final = "service"

Written = tuple[str | None, int | str | None, str, str | None]
"""What of a URL the folder is named by: host, port, path and schema; ``None`` where it says nothing of them."""


def local_folder(index: IndexPlace) -> Path:
    """Where this machine keeps what belongs to an index: its folder, or one of the user's for one with a URL, however that is written.

    Earlier versions had a folder for each way of writing it; one that is there is gone on with: the one with tokens, else one of a service.

    Raises:
        ConfigError: no home, or tokens in two of these folders.
        IndexFault: a URL that cannot be read.
    """
    if isinstance(index, Path):
        return index
    address = Address.of(index)
    ways = dict.fromkeys((*_ways_to_write(address.database), _written(address.shown)))
    folders = [data_folder(f"index-{hashlib.sha256(repr(way).encode()).hexdigest()[:16]}") for way in ways]
    there = [folder for folder in folders if folder.is_dir()]
    guarded = [folder for folder in there if (folder / _SERVICE / TOKENS).exists()]
    if len(guarded) > 1:
        raise ConfigError(
            expected=f"the tokens of {address.shown} in one folder",
            found=" and ".join(str(folder / _SERVICE / TOKENS) for folder in guarded),
            do="keep the file with the names of those whom you let in, and delete the others",
        )
    serving = [folder for folder in there if (folder / _SERVICE).is_dir()]
    return (guarded or serving or there or folders)[0]


def service_folder(index: IndexPlace) -> Path:
    """Where a service of an index keeps its tokens and its log. Raises as :func:`local_folder` does."""
    return local_folder(index) / _SERVICE


def _ways_to_write(database: Database) -> Iterator[Written]:
    """How a database may be written, the shortest way first."""
    (host, port), *more = database.servers
    if more:
        yield ",".join(map(":".join, database.servers)), None, f"/{database.name}", database.schema
        return
    hosts = [host] if host else [None, *HERE]
    yield from product(
        [*hosts, *(quote(one, safe="") for one in hosts if one)],
        [*([None] if port == DEFAULT_PORT else []), *([int(port)] if port.isdecimal() else []), port],
        [f"/{database.name}", f"/{quote(database.name)}"],
        [*([None] if database.schema == DEFAULT_SCHEMA else []), database.schema],
    )


def _written(url: str) -> Written:
    """A URL as it is written."""
    parts = urlsplit(url)
    asked = dict(parse_qsl(parts.query))
    return parts.hostname or asked.get("host"), parts.port or asked.get("port"), parts.path, asked.get("schema")
