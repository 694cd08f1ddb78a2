"""An index in a database, whichever; what it is written and scanned by is the database's own."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from passerby.errors import OtherModel
from passerby.index.info import Expired, IndexedModel, IndexInfo
from passerby.index.region import Suppression, region_of
from passerby.index.sighting import Sighting, StoredRow, as_put
from passerby.index.sql import people as rows
from passerby.index.sql import selecting, suppression
from passerby.index.sql.files import Files
from passerby.index.sql.searching import Searching
from passerby.types import Media, ModelDigest


class SqlIndex(Files, Searching):
    """An open index in a database."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @abstractmethod
    def _forget_all(self) -> None:
        """Inside of ``writing``: all but who is kept out, and clocks that are corrected."""

    @abstractmethod
    def _next_run(self) -> None:
        """Inside of ``writing``: what comes from now on is of another run."""

    @abstractmethod
    def _with_bytes(self, digest: str) -> list[int]:
        """The rows of the media with these bytes; none of no bytes."""

    @abstractmethod
    def _rows_of_people(self, ids: Sequence[int]) -> dict[int, list[StoredRow]]:
        """What is stored of each crop of people, by their ids."""

    @abstractmethod
    def _bytes(self) -> int:
        """The size of its files."""

    @abstractmethod
    def _unworn(self) -> int:
        """How many embeddings there are of which it is not known what is worn."""

    def attributes(self) -> int | None:
        model = self.model
        return None if model is None else model.attributes

    def require_model(self, digest: ModelDigest, name: str) -> None:
        """Refuse vectors of a model other than the one that made this index.

        Raises:
            OtherModel: another made it.
        """
        model = self.model
        if model is not None and model.digest != digest:
            raise OtherModel(
                expected=f"an index made by model {name} ({digest[:12]})",
                found=f"one made by {model.name} ({model.digest[:12]}) at {self._shown}",
                do=f"name that model with --model, or index again: passerby index PATH… --index {quote(self._shown)} --rebuild",
            )

    @property
    def _shown(self) -> str:
        """Where it is, as people may see it."""
        return str(self.folder)

    def _adopt(self, model: IndexedModel, rebuild: bool) -> None:
        """Be of a model; of no other, and with signatures of no other version.

        Args:
            rebuild: forget everything first.
        """
        from passerby.index.sql import folding
        from passerby.media.signature import VERSION

        if rebuild or self._knows_less_than(model):
            with self.writing():
                if rebuild:
                    self._forget_all()
                if self._knows_less_than(model):
                    self._set_meta("model", json.dumps([model.name, model.digest, model.dim, model.attributes]))
        self.require_model(model.digest, model.name)
        if str(self._meta("signatures")) != str(VERSION):
            with self.writing():
                folding.forget(self._db)

    def _set_meta(self, key: str, value: str) -> None:
        self._db.execute("INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", (key, value))

    def _knows_less_than(self, model: IndexedModel) -> bool:
        """Whether it is of no model yet, or was begun when this one did not say what is worn."""
        known = self.model
        return known is None or (known.digest == model.digest and known.attributes < model.attributes)

    def add(
        self,
        media: Media,
        vector: NDArray[np.float32],
        signature: NDArray[np.uint8] | None = None,
        worn: NDArray[np.uint8] | None = None,
    ) -> None:
        """Hold one person, the whole of a photo, in place of what its path held.

        Args:
            vector: float32 (d,), L2-normalised; of equal bytes the first one stays.
            signature: uint8 (n,), as :func:`passerby.media.signature.signature` makes it.
            worn: uint8 (2a,), as :func:`passerby.model.worn.worn_bytes` makes it.
        """
        self.put(media, [Sighting.whole(vector, signature, worn)])

    def suppress(self, person: int) -> int:
        found = next(rows.read(self._db, "people.id = ?", (person,)), None)
        if found is None:
            return 0
        one, (crop, *_) = found
        region = region_of(one.track, crop)
        suppression.keep_out(self._db, one.media, region, person)
        (own,) = self._all("SELECT media FROM people WHERE id = ?", person)[0]
        media = sorted({own, *self._with_bytes(one.media.digest)})
        there = rows.read(self._db, "people.media IN (SELECT value FROM json_each(?))", (json.dumps(media),))
        same = [twin.id for twin, crops in there if twin.id and region_of(twin.track, crops[0]) == region]
        self.drop(same)
        return len(same)

    def unsuppress(self, person: int) -> bool:
        return suppression.unsuppress(self._db, person)

    def keep_from(self, bound: float | None) -> None:
        self._set_number("kept_from", bound)

    def kept_from(self) -> float | None:
        return self._number("kept_from")

    def keep_for(self, seconds: float | None) -> None:
        self._set_number("kept_for", seconds)

    def kept_for(self) -> float | None:
        return self._number("kept_for")

    def _set_number(self, key: str, number: float | None) -> None:
        if number is None:
            self._db.execute("DELETE FROM meta WHERE key = ?", (key,))
        else:
            self._set_meta(key, repr(float(number)))

    def _number(self, key: str) -> float | None:
        number = self._meta(key)
        return None if number is None else float(str(number))

    def expired(self, bound: float) -> Expired:
        with self.snapshot():
            return selecting.expired(self._db, bound)

    def kept_out(self, path: Path) -> int:
        with self._faults():
            return suppression.count(self._db, path)

    def fold(self) -> None:
        """After a run, outside of `writing`: work out which of the new crops count once with others."""
        if self._one("SELECT 1 FROM unfolded LIMIT 1") is None:
            return
        from passerby.index.sql import folding

        with self.snapshot():
            before, copies = self.stamp(), folding.found(self._db)
        with self.writing():
            if self.stamp().generation != before.generation + 1:
                copies = folding.found(self._db)
            folding.write(self._db, copies)
            self._next_run()

    def model_of_all(self) -> IndexedModel | None:
        return self.model

    def sightings(self, after: int, count: int) -> list[tuple[Media, Sighting]]:
        ids = [row[0] for row in self._all("SELECT id FROM people WHERE id > ? ORDER BY id LIMIT ?", after, count)]
        stored = self._rows_of_people(ids)
        return [(person.media, as_put(person, crops, stored[person.id or 0])) for person, crops in self.people(ids)]

    def media_after(self, path: bytes, count: int) -> list[Media]:
        with self._faults():
            return rows.media_after(self._db, path, count)

    def suppression(self) -> Suppression:
        known = self._all("SELECT digest, region, person FROM suppressed ORDER BY digest")
        return Suppression(str(self._meta("salt")), {digest: (region, person) for digest, region, person in known})

    def keep_out(self, suppression: Suppression) -> None:
        self._db.execute("DELETE FROM suppressed")
        removed = [(digest, *who) for digest, who in suppression.removed.items()]
        self._db.executemany("INSERT INTO suppressed VALUES (?, ?, ?)", removed)
        self._db.execute("UPDATE meta SET value = ? WHERE key = 'salt'", (suppression.salt,))

    def copy_from(self, origin: str) -> None:
        self._set_meta("copy_of", origin)

    def info(self) -> IndexInfo:
        with self.snapshot():
            away, away_since = self._all("SELECT count(*), min(away_since) FROM media WHERE away_since IS NOT NULL")[0]
            return IndexInfo(
                folder=self.folder,
                people=self._count("people"),
                media=self._count("media"),
                embeddings=self._count("embeddings"),
                failures=self._count("failures"),
                model=self.model,
                bytes=self._bytes(),
                created=str(self._meta("created")),
                away=away,
                away_since=away_since,
                alike=self._count("copies"),
                unworn=self._unworn() if self.model and self.model.attributes else 0,
                looked_into=self.looked_into(),
                kept_from=self.kept_from(),
                kept_for=self.kept_for(),
            )
