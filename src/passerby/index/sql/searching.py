"""Who is in an index in a database, who of them is selected, and who fits a question."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from passerby.index.info import SeenBy, Selected, Stamp
from passerby.index.looked_into import LookedInto
from passerby.index.nearest import Nearest, Passes, nearest
from passerby.index.score import Weights
from passerby.index.selection import EVERYBODY, Selection
from passerby.index.sighting import no_picture
from passerby.index.sql import people as rows
from passerby.index.sql import selecting
from passerby.index.sql.asking import Asking
from passerby.index.sql.selected import SelectedPeople
from passerby.index.vectors import Chunk
from passerby.media.clock import Camera
from passerby.types import Crop, Media, Person


class Searching(Asking):
    """People, their crops and their vectors."""

    _copies: tuple[Stamp, NDArray[np.int64]] | None
    _chosen: tuple[Stamp, Selection, SelectedPeople] | None

    @abstractmethod
    def embeddings(self, ids: Sequence[int]) -> Chunk:
        """The embeddings with these ids, by id."""

    @abstractmethod
    def _stored_of(self, column: str, person: Person, crop: Crop | None) -> Any:
        """What is in a column of somebody's crop, or of their first. Raises ``IndexFault`` if they are gone."""

    def people(self, ids: Iterable[int] | None = None) -> Iterator[tuple[Person, tuple[Crop, ...]]]:
        with self._faults():
            if ids is None:
                yield from rows.read(self._db, "TRUE", (), self._picture)
            else:
                yield from rows.read(self._db, "people.id IN (SELECT value FROM json_each(?))", (json.dumps(list(ids)),), self._picture)

    def beside(self, people: Sequence[int], seconds: float) -> list[tuple[int, int]]:
        with self._faults():
            return rows.beside(self._db, people, seconds)

    def seen_by(self, ids: Sequence[int], within: selecting.Where = selecting.EVERYWHERE) -> list[tuple[int, Person, Crop]]:
        """Whose crops have the embeddings with these ids and are selected, each with its embedding's id; by path and person."""
        with self._faults():
            return rows.seen_by(self._db, json.dumps(list(ids)), self._picture, within)

    def shown_by(self, ids: Sequence[int], within: selecting.Where = selecting.EVERYWHERE) -> list[tuple[int, int]]:
        """Whose crops have the embeddings with these ids, and are selected: each embedding's id and a person's."""
        with self._faults():
            return rows.shown_by(self._db, json.dumps(list(ids)), within)

    def copies(self) -> NDArray[np.int64]:
        """Embeddings that do not count, and those that count for them, in the order in which they would in turn: int64 (2, m)."""
        stamp, known = self.stamp(), self._copies
        if known is None or known[0] != stamp:
            pairs = self._all(
                """SELECT copies.embedding, leader FROM copies JOIN signatures USING (embedding)
                ORDER BY run, bytes DESC, copies.embedding"""
            )
            self._copies = known = stamp, np.array(pairs, np.int64).reshape(-1, 2).T
        return known[1]

    def nearest(
        self,
        questions: Sequence[Weights],
        k: int,
        passes: Passes | None = None,
        *,
        selection: Selection = EVERYBODY,
        fold: bool = True,
    ) -> list[Nearest]:
        """As :meth:`passerby.index.base.Index.nearest`."""
        with self.snapshot():
            if self._is_all(selection):
                return nearest(self.vectors(), self, questions, k, passes, fold=fold)
            chosen = self._choose(selection)
            may = passes(self.vectors())[chosen.rows] if passes else None
            return nearest(chosen.table, chosen, questions, k, None if may is None else lambda _: may, fold=fold)

    def portraits(self) -> NDArray[np.intp]:
        ids = self.vectors().ids
        if self._one("SELECT 1 FROM people WHERE static UNION ALL SELECT 1 FROM crops WHERE number > 0 LIMIT 1") is None:
            return np.arange(len(ids))
        with self._faults():
            return np.searchsorted(ids, selecting.portraits(self._db))

    def sample(self, count: int, selection: Selection = EVERYBODY) -> NDArray[np.float32]:
        """At most ``count`` vectors of those selected, evenly spread over all in the order in which they came: float32 (m, d)."""
        with self.snapshot():
            return (self.vectors() if self._is_all(selection) else self._choose(selection).table).spread(count)

    def selected(self, selection: Selection) -> Selected:
        with self.snapshot():
            return self._choose(selection).count

    def looked_into(self, selection: Selection = EVERYBODY) -> LookedInto:
        if selection.is_everybody:
            return self._once(("looked into", selection.static), lambda: self._look_into(selection))
        return self._look_into(selection)

    def _look_into(self, selection: Selection) -> LookedInto:
        conditions = selection.conditions(self.cameras())
        with self._faults():
            return selecting.looked_into(self._db, conditions)

    def cameras(self) -> list[Camera]:
        return list(self._once("cameras", self._read_cameras))

    def _read_cameras(self) -> list[Camera]:
        with self._faults():
            return selecting.cameras(self._db)

    def seen_by_cameras(self) -> list[SeenBy]:
        with self.snapshot():
            seen = [selecting.seen_by(self._db, camera) for camera in self.cameras()]
            return [one for one in seen if one.people or one.camera != Camera(one.camera.name)]

    def zones(self, cameras: Sequence[str] = ()) -> set[str | None]:
        of_these = f"AND camera IN ({', '.join('?' * len(cameras))})" if cameras else ""
        return {row[0] for row in self._all(f"SELECT DISTINCT zone FROM media WHERE started_at IS NOT NULL {of_these}", *cameras)}

    def _is_all(self, selection: Selection) -> bool:
        """Whether really nobody and nothing is left out."""
        return selection.is_everybody and (selection.static or not self._once("any static", self._has_static))

    def _has_static(self) -> bool:
        return self._one("SELECT 1 FROM people WHERE static LIMIT 1") is not None

    def _choose(self, selection: Selection) -> SelectedPeople:
        """Who is selected at this moment; the last ones are kept until something is written."""
        stamp, known = self.stamp(), self._chosen
        if known is None or known[:2] != (stamp, selection):
            conditions = selection.conditions(self.cameras())
            with self._faults():
                if selection.is_everybody:
                    chosen = SelectedPeople.all_but_static(self, conditions, selecting.static(self._db), self.counts()[0])
                else:
                    chosen = SelectedPeople.of(self, conditions, selecting.choose(self._db, conditions))
            known = stamp, selection, chosen
            self._chosen = known
        return known[2]

    def vector_of(self, person: Person, crop: Crop | None = None) -> NDArray[np.float32]:
        """The vector of somebody's crop, or of their first, float32 (d,).

        Raises:
            IndexFault: they are not there any more.
        """
        return np.frombuffer(self._stored_of("vector", person, crop), "<f4")

    def worn_of(self, person: Person, crop: Crop | None = None) -> NDArray[np.uint8]:
        """What is worn in somebody's crop, or in their first, uint8 (2a,); zeros where it is not known.

        Raises:
            IndexFault: they are not there any more.
        """
        stored = self._stored_of("worn", person, crop)
        attributes = self.model.attributes if self.model else 0
        return np.zeros(2 * attributes, np.uint8) if stored is None else np.frombuffer(stored, np.uint8)

    def _picture(self, media: Media, embedding: int) -> bytes:
        """The JPEG that is kept of an embedding. Raises ``ImageError`` where there is none."""
        row = self._one("SELECT jpeg FROM pictures WHERE embedding = ?", embedding)
        if row is None:
            raise no_picture(media)
        return bytes(row[0])

    def _is_crop(self, person: Person, crop: Crop | None) -> selecting.Where:
        """What is true of the row of somebody's crop, or of their first."""
        return selecting.Where("number = 0", ()) if crop is None or person.id is None else rows.is_crop(crop)

    def counts(self) -> tuple[int, int]:
        """How many people there are, and how many media that are away; call it inside of a snapshot."""
        return self._once("counts", lambda: (self._count("people"), self._count("media WHERE away_since IS NOT NULL")))
