"""How an index asks its database: each fact once a state, faults in plain words."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from threading import local
from typing import Any, TypeVar, cast

from passerby.index import base
from passerby.index.info import IndexedModel, Stamp
from passerby.index.sql.database import Database
from passerby.index.sql.embeddings import model_of

Known = TypeVar("Known")


class Asking(base.Index):
    """An index that is in a database; each thread has a connection of its own."""

    folder: Path
    _facts: dict[Hashable, tuple[Stamp, Any]]
    _moment: local

    @property
    @abstractmethod
    def _db(self) -> Database:
        """The connection of this thread."""

    @abstractmethod
    def stamp(self) -> Stamp:
        """The state that is read."""

    def _faults(self) -> AbstractContextManager[None]:
        """Says in plain words what the database complains of, where asking it does not say that by itself."""
        return nullcontext()

    @property
    def model(self) -> IndexedModel | None:
        return self._once("model", lambda: model_of(self._meta("model")))

    def _once(self, what: Hashable, read: Callable[[], Known]) -> Known:
        """What is read in a snapshot, kept until something is written; elsewhere it is read each time."""
        stamp = getattr(self._moment, "stamp", None)
        if stamp is None:
            return read()
        known = self._facts.get(what)
        if known is None or known[0] != stamp:
            self._facts[what] = known = stamp, read()
        return cast(Known, known[1])

    def _count(self, table: str) -> int:
        return int(self._all(f"SELECT count(*) FROM {table}")[0][0])

    def _meta(self, key: str) -> object:
        row = self._one("SELECT value FROM meta WHERE key = ?", key)
        return row[0] if row else None

    def _one(self, sql: str, *values: object, **named: object) -> tuple[Any, ...] | None:
        return next(iter(self._all(sql, *values, **named)), None)

    def _all(self, sql: str, *values: object, **named: object) -> list[tuple[Any, ...]]:
        with self._faults():
            return self._db.execute(sql, named or values).fetchall()
