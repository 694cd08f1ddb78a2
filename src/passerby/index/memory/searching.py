"""Who is in an index in memory, who of them is selected, and who fits a question: slow and obvious."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from passerby.errors import IndexFault
from passerby.index.columns import in_blocks
from passerby.index.copies import counted, leaders, same_moment
from passerby.index.info import TO_BE_READ, Expired, SeenBy, Selected
from passerby.index.looked_into import Gap, LookedInto
from passerby.index.memory.held import Embedding, Holding, Somebody, by_bytes
from passerby.index.nearest import Found, Nearest, Passes, crowd_of, ranked
from passerby.index.region import Key
from passerby.index.score import Weights
from passerby.index.selection import EVERYBODY, Selection
from passerby.index.sighting import no_picture
from passerby.index.vectors import VectorTable
from passerby.media.clock import Camera, KnownBy, clock_time, instant_of
from passerby.media.signature import LENGTH
from passerby.types import Crop, Media, MediaKind, Person


class Searching(Holding):
    """People, their crops and their vectors."""

    def people(self, ids: Iterable[int] | None = None) -> Iterator[tuple[Person, tuple[Crop, ...]]]:
        for person in sorted(self._all.people if ids is None else set(ids) & self._all.people.keys()):
            yield self._person(person), self._crops(person)

    def beside(self, people: Sequence[int], seconds: float) -> list[tuple[int, int]]:
        def are(one: Somebody, other: Somebody) -> bool:
            starts, ends = ([getattr(two.seen, name) or 0.0 for two in (one, other)] for name in ("first", "last"))
            return one.path == other.path and starts[1] <= ends[0] + seconds and ends[1] >= starts[0] - seconds

        named = sorted(set(people) & self._all.people.keys())
        everybody = sorted(self._all.people.items())
        return [(one, n) for one in named for n, other in everybody if n != one and are(self._all.people[one], other)]

    def nearest(
        self,
        questions: Sequence[Weights],
        k: int,
        passes: Passes | None = None,
        *,
        selection: Selection = EVERYBODY,
        fold: bool = True,
    ) -> list[Nearest]:
        everybody = list(self._all.embeddings.values())
        vectors = np.array([one.vector for one in everybody], np.float64).reshape(len(everybody), self._model.dim)
        worn = self._worn().astype(np.float64)
        shown = self._shown_of(selection)
        selected = self._selected_rows(shown)
        may = selected & passes(self.vectors()) if passes else selected
        led, detail = self._groups(), np.empty(len(everybody), np.intp)
        detail[sorted(range(len(everybody)), key=lambda row: (everybody[row].run, -everybody[row].size, row))] = -np.arange(len(everybody))
        crowd = counted(led, np.flatnonzero(selected), detail)
        counts = set((counted(led, np.flatnonzero(may), detail) if fold else np.flatnonzero(may)).tolist())
        results = []
        for question in questions:
            scores = np.sum(vectors * question.vector, axis=1)
            if question.worn.size and worn.size:
                scores -= np.sum(worn * question.worn, axis=1)
            found = [
                (row, Found(self._person(person), self._crops(person)[n], float(scores[row]))) for row, person, n in shown if row in counts
            ]
            best = [
                replace(one, copies=tuple(sorted({p for r, p, _ in shown if led[r] == led[row] and may[r]} - {one.person.id or 0})))
                if fold
                else one
                for row, one in ranked(found, k, fold=fold)
            ]
            results.append(Nearest(tuple(best), crowd_of(scores[crowd])))
        return results

    def vectors(self) -> VectorTable:
        rows = [one.vector for one in self._all.embeddings.values()]
        table = np.array(rows, np.float16).reshape(len(rows), self._model.dim)
        return VectorTable.of([table], np.arange(1, len(table) + 1), np.empty(0, np.intp), [in_blocks(self._worn())])

    def portraits(self) -> NDArray[np.intp]:
        first = {row for row, person, n in self._shown() if n == 0 and not self._all.people[person].seen.static}
        return np.array(sorted(first), np.intp)

    def sample(self, count: int, selection: Selection = EVERYBODY) -> NDArray[np.float32]:
        return self.vectors().only(self._selected_rows(self._shown_of(selection))).spread(count)

    def selected(self, selection: Selection) -> Selected:
        anytime = replace(selection, start=None, end=None)
        within, chosen = ({person for _, person, _ in self._shown_of(one)} for one in (anytime, selection))
        undated = {person for person in within if self._media_of(person).started_at is None} if selection.is_timed else set()
        return Selected(len(chosen), len(undated))

    def looked_into(self, selection: Selection = EVERYBODY) -> LookedInto:
        conditions = selection.conditions(self.cameras())
        photos = [one for one in self._sought(MediaKind.PHOTO) if self._matches(selection, one)]
        anytime = replace(selection, start=None, end=None)
        sought = [one for kind in (MediaKind.VIDEO, MediaKind.CAMERA) for one in self._sought(kind)]
        moving = [one for one in sought if one.watched and self._matches(anytime, one)]
        gaps = [
            gap
            for one in moving
            for gap in Gap.of(one.path, one.watched, instant_of(one), self._all.cameras[one.camera].offset_seconds if one.camera else 0.0)
            if conditions.holds_some_of(one.camera, one.started_at, gap.start, gap.end)
        ]
        with_gaps = {gap.path for gap in gaps}
        counted = [(one, conditions.seconds_of(one.camera, one.started_at, one.watched.seconds)) for one in moving if one.watched]
        counted = [(one, seconds) for one, seconds in counted if seconds or one.path in with_gaps or not selection.is_timed]
        heights = [one.sought.smallest for one in [*photos, *(one for one, _ in counted)] if one.sought]
        watched = [(one.watched, seconds, one.changed_ns != TO_BE_READ) for one, seconds in counted if one.watched]
        things = {person for _, person, _ in self._shown_of(replace(selection, static=True)) if self._all.people[person].seen.static}
        return LookedInto.of(len(photos), heights, watched, 0 if selection.static else len(things), gaps)

    def _sought(self, kind: MediaKind) -> list[Media]:
        """The media of a kind in which people were looked for."""
        return [one for one in self._all.media.values() if one.kind is kind and one.sought and one.sought.detector]

    def cameras(self) -> list[Camera]:
        return [self._all.cameras[name] for name in sorted(self._all.cameras)]

    def seen_by_cameras(self) -> list[SeenBy]:
        seen = [self._seen_by(camera) for camera in self.cameras()]
        return [one for one in seen if one.people or one.camera != Camera(one.camera.name)]

    def zones(self, cameras: Sequence[str] = ()) -> set[str | None]:
        dated = (media for media in self._all.media.values() if media.started_at is not None)
        return {media.zone for media in dated if not cameras or media.camera in cameras}

    def _seen_by(self, camera: Camera) -> SeenBy:
        people = [self._person(person) for person in self._all.people if self._media_of(person).camera == camera.name]
        dated = [(one, one.media.started_at) for one in people if one.media.started_at is not None]
        clocks = [
            clock_time(at + (time or 0.0), one.media.zone, camera.offset_seconds) for one, at in dated for time in (one.first, one.last)
        ]
        return SeenBy(camera, len(people), min(clocks, default=None), max(clocks, default=None))

    def _shown_of(self, selection: Selection) -> list[tuple[int, int, int]]:
        """What `_shown` gives of the crops that are selected."""
        selection.conditions(self.cameras())
        return [(row, person, n) for row, person, n in self._shown() if self._is_chosen(selection, person, n)]

    def _selected_rows(self, shown: Sequence[tuple[int, int, int]]) -> NDArray[np.bool_]:
        """Which embeddings some crops have, bool (n,)."""
        selected = np.zeros(len(self._all.embeddings), np.bool_)
        selected[[row for row, _, _ in shown]] = True
        return selected

    def _is_chosen(self, selection: Selection, person: int, number: int) -> bool:
        seen = self._all.people[person].seen
        return (selection.static or not seen.static) and self._matches(selection, self._media_of(person), seen.crops[number].time)

    def _matches(self, selection: Selection, media: Media, time: float | None = None) -> bool:
        at = None if media.started_at is None else media.started_at + (time or 0.0)
        offset = self._all.cameras[media.camera].offset_seconds if media.camera else 0.0
        return selection.matches(media.path, media.camera, at, offset)

    def vector_of(self, person: Person, crop: Crop | None = None) -> NDArray[np.float32]:
        return self._embedding_of(person, crop).vector

    def worn_of(self, person: Person, crop: Crop | None = None) -> NDArray[np.uint8]:
        return self._worn_by(self._embedding_of(person, crop))

    def _crops(self, person: int) -> tuple[Crop, ...]:
        one, media = self._all.people[person], self._media_of(person)
        if media.has_file:
            return one.seen.crops
        return tuple(replace(crop, kept=partial(self._picture, media, key)) for crop, key in zip(one.seen.crops, one.keys, strict=True))

    def _picture(self, media: Media, key: Key) -> bytes:
        picture = self._all.embeddings[key].picture if key in self._all.embeddings else None
        if picture is None:
            raise no_picture(media)
        return picture

    def _embedding_of(self, person: Person, crop: Crop | None) -> Embedding:
        one = self._all.people.get(person.id or 0)
        if one is None or (crop is not None and crop not in one.seen.crops):
            raise IndexFault(expected=f"{person.media.path} in the index", found="it is gone", do="search again")
        return self._all.embeddings[one.keys[one.seen.crops.index(crop) if crop else 0]]

    def _worn(self) -> NDArray[np.uint8]:
        """What is worn in every crop, uint8 (n, 2a)."""
        rows = [self._worn_by(one) for one in self._all.embeddings.values()]
        return np.array(rows, np.uint8).reshape(len(rows), 2 * self._model.attributes)

    def _worn_by(self, one: Embedding) -> NDArray[np.uint8]:
        return np.zeros(2 * self._model.attributes, np.uint8) if one.worn is None else one.worn

    def _groups(self) -> NDArray[np.intp]:
        """Of each embedding, the first one that is one with it, kept until one comes or goes; those without a signature are nobody's."""
        if self._all.groups is not None:
            return self._all.groups
        everybody = list(self._all.embeddings.values())
        led, signed = np.arange(len(everybody)), [row for row, one in enumerate(everybody) if one.signature is not None]
        signatures = np.array([everybody[row].signature for row in signed], np.uint8).reshape(len(signed), LENGTH)
        rows, content, times, boxes = [], [], [], [np.empty(4)]
        for row, person, n in self._shown():
            one = self._all.people[person]
            crop = one.seen.crops[n]
            if crop.box is not None and row in signed:
                rows.append(signed.index(row))
                content.append(one.keys[n][0])
                times.append(crop.time or 0.0)
                boxes.append(np.array([crop.box.x, crop.box.y, crop.box.width, crop.box.height]))
        numbers = np.unique(np.array(content, np.str_), return_inverse=True)[1]
        links = np.array(rows, np.intp)[same_moment(numbers, np.array(times), np.stack(boxes)[1:])]
        led[signed] = np.array(signed, np.intp)[leaders(signatures, [links])]
        self._all.groups = led
        return led

    def _alike(self) -> int:
        led = self._groups()
        return int(np.sum(led != np.arange(len(led))))

    def _shown(self) -> Iterator[tuple[int, int, int]]:
        """Of each crop its embedding's place, its person, and its number of theirs."""
        place = {key: row for row, key in enumerate(self._all.embeddings)}
        return ((place[key], person, n) for person, one in self._all.people.items() for n, key in enumerate(one.keys))

    def counts(self) -> tuple[int, int]:
        return len(self._all.people), sum(media.away_since is not None for media in self._all.media.values())

    def expired(self, bound: float) -> Expired:
        ends = {path: self._until(media, media.watched.seconds if media.watched else 0.0) for path, media in self._all.media.items()}
        lasts = {person: self._until(self._media_of(person), one.seen.last) for person, one in self._all.people.items()}
        people = sorted(person for person, last in lasts.items() if last is not None and last < bound)
        stay = {self._all.people[person].path for person in lasts.keys() - set(people)}
        stay |= {path for path, media in self._all.media.items() if media.changed_ns == TO_BE_READ and media.away_since is None}
        return Expired(
            tuple(people),
            tuple(by_bytes(path for path, end in ends.items() if end is not None and end < bound and path not in stay)),
            sum(self._media_of(person).known_by == KnownBy.FILE for person in people),
            sum(last is None for last in lasts.values()),
        )

    def _until(self, media: Media, seconds: float | None) -> float | None:
        """When something ends that long after the start of a media, by a clock that goes right."""
        offset = self._all.cameras[media.camera].offset_seconds if media.camera else 0.0
        return None if media.started_at is None else media.started_at + (seconds or 0.0) + offset
