"""An index in memory: the shortest one that keeps the contract, gone when it is closed."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from passerby.errors import IndexFault
from passerby.index.base import (
    TO_BE_READ,
    Expired,
    Found,
    Gap,
    IndexedModel,
    IndexInfo,
    Key,
    LookedInto,
    Nearest,
    Passes,
    SeenBy,
    Selected,
    Sighting,
    Standing,
    kept_out,
    key_of,
    no_picture,
)
from passerby.index.columns import in_blocks
from passerby.index.copies import counted, leaders, same_moment
from passerby.index.nearest import crowd_of, ranked
from passerby.index.score import Weights
from passerby.index.selection import EVERYBODY, Selection
from passerby.index.vectors import VectorTable
from passerby.media.clock import Camera, Instant, KnownBy, clock_time, in_zone, instant_of
from passerby.media.signature import LENGTH
from passerby.model.encoder import Encoder, attributes_of
from passerby.types import Crop, Failure, Media, MediaKind, ModelDigest, Person, Sought


@dataclass(frozen=True, slots=True, eq=False)
class _Embedding:
    """A crop's vector and signature, what is worn in it, the bytes of its file, and the run that put it."""

    vector: NDArray[np.float32]
    signature: NDArray[np.uint8] | None
    worn: NDArray[np.uint8] | None
    size: int
    run: int
    picture: bytes | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Somebody:
    path: Path
    seen: Sighting
    keys: tuple[Key, ...]


@dataclass(slots=True)
class _Held:
    """All that an index holds: people by id, embeddings by key, each in the order in which they came."""

    media: dict[Path, Media] = field(default_factory=dict)
    people: dict[int, _Somebody] = field(default_factory=dict)
    embeddings: dict[Key, _Embedding] = field(default_factory=dict)
    failed: dict[Path, Standing] = field(default_factory=dict)
    suppressed: dict[tuple[str, str], int] = field(default_factory=dict)
    cameras: dict[str, Camera] = field(default_factory=dict)
    checkpoints: dict[Path, str] = field(default_factory=dict)
    kept_from: float | None = None
    newest: int = 0
    run: int = 0
    groups: NDArray[np.intp] | None = None


class MemoryIndex:
    """An index of one process and one thread."""

    def __init__(self, encoder: Encoder) -> None:
        self._model = IndexedModel(encoder.name, encoder.digest, encoder.dim, len(attributes_of(encoder)))
        self._held: _Held | None = _Held()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._held = None

    def place(self) -> None:
        return None

    def local_folder(self) -> None:
        return None

    @property
    def _all(self) -> _Held:
        if self._held is None:
            raise IndexFault(expected="an open index in memory", found="a closed one", do="make it again")
        return self._held

    @contextmanager
    def writing(self) -> Iterator[None]:
        now = self._all
        before = replace(
            now,
            media=dict(now.media),
            people=dict(now.people),
            embeddings=dict(now.embeddings),
            failed=dict(now.failed),
            suppressed=dict(now.suppressed),
            cameras=dict(now.cameras),
            checkpoints=dict(now.checkpoints),
        )
        try:
            yield
        except BaseException:
            self._held = before
            raise

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        yield

    def require_model(self, digest: ModelDigest, name: str) -> None:
        if digest != self._model.digest:
            raise IndexFault(expected=f"an index made by model {name}", found=f"one made by {self._model.name}", do="make it again")

    def attributes(self) -> int:
        return self._model.attributes

    def put(self, media: Media, people: Sequence[Sighting]) -> None:
        before = self._at(media.path)
        self.put_more(media, people)
        self._delete(before)

    def put_more(self, media: Media, people: Sequence[Sighting]) -> None:
        self._model.require_worn(people)
        self._put(media, [(one, _keys_of(media, one)) for one in people])

    def put_again(self, media: Media, people: Sequence[Sighting], gone: Collection[int] = ()) -> None:
        tracks = {person: self._all.people[person].seen.track for person in self._at(media.path)}
        there = {track: person for person, track in tracks.items() if track is not None}
        again = [one for one in people if one.track in there]
        self._delete(there[track] for track in there.keys() & {*gone}.difference(one.track for one in again))
        for one in again:
            somebody = _Somebody(media.path, one, _keys_of(media, one))
            self._all.people[there[one.track or 0]] = somebody
            self._embed(somebody, media.size)
        self._forget_unseen()
        self.put_more(media, [one for one in people if one.track not in there])

    def leave_off(self, path: Path, checkpoint: str) -> None:
        self._change(path, changed_ns=TO_BE_READ)
        self._all.checkpoints[path] = checkpoint

    def left_off(self, path: Path) -> str | None:
        return self._all.checkpoints.get(path) if self._is_to_be_read(path) else None

    def rest(self, path: Path, checkpoint: str) -> None:
        self._all.checkpoints[path] = checkpoint

    def rests(self, path: Path) -> str | None:
        return None if self._is_to_be_read(path) else self._all.checkpoints.get(path)

    def _is_to_be_read(self, path: Path) -> bool:
        return path in self._all.media and self._all.media[path].changed_ns == TO_BE_READ

    def add(
        self,
        media: Media,
        vector: NDArray[np.float32],
        signature: NDArray[np.uint8] | None = None,
        worn: NDArray[np.uint8] | None = None,
    ) -> None:
        self.put(media, [Sighting.whole(vector, signature, worn)])

    def link(self, media: Media) -> bool:
        known = [path for path, _ in self.with_digest(media.digest) if self._all.media[path].changed_ns != TO_BE_READ]
        source = media.path if media.path in known else known[0] if known else None
        if source is not None:
            media = replace(media, sought=self._all.media[source].sought, watched=self._all.media[source].watched)
        if source == media.path:
            self._all.media[media.path] = media
            self._meet(media.camera)
        elif source is not None:
            before = self._at(media.path)
            self._put(media, [(one.seen, one.keys) for one in self._all.people.values() if one.path == source])
            self._delete(before)
        return bool(known)

    def move(self, source: Path, target: Path) -> None:
        self.forget(target)
        if source in self._all.media:
            self._all.media[target] = replace(self._all.media.pop(source), path=target)
        if source in self._all.checkpoints:
            self._all.checkpoints[target] = self._all.checkpoints.pop(source)
        for person, one in self._all.people.items():
            self._all.people[person] = replace(one, path=target if one.path == source else one.path)

    def see(self, path: Path, changed_ns: int, device: int) -> None:
        self._change(path, changed_ns=changed_ns, device=device, away_since=None)

    def date(self, path: Path, camera: str | None, instant: Instant | None) -> None:
        at, zone, known_by = (instant.at, instant.zone, instant.known_by) if instant else (None, None, None)
        self._change(path, camera=camera, started_at=at, zone=zone, known_by=known_by)
        self._meet(camera)

    def mark(self, path: Path, sought: Sought) -> None:
        self._change(path, sought=sought)

    def correct(self, camera: Camera) -> None:
        before = self._all.cameras.get(camera.name, Camera(camera.name))
        self._all.cameras[camera.name] = camera
        for path, media in list(self._all.media.items()):
            if media.camera == camera.name and (instant := instant_of(media)) and camera.zone != before.zone:
                self.date(path, camera.name, in_zone(instant, before.zone, camera.zone))

    def miss(self, path: Path, since: int) -> None:
        if path in self._all.media and self._all.media[path].away_since is None:
            self._change(path, away_since=since)

    def fail(self, path: Path, size: int, changed_ns: int, reason: str) -> None:
        self.forget(path)
        self._all.failed[path] = Standing(size, changed_ns, None, reason)

    def forget(self, path: Path) -> int:
        self._all.failed.pop(path, None)
        self._all.checkpoints.pop(path, None)
        self._delete(self._at(path))
        return int(self._all.media.pop(path, None) is not None)

    def suppress(self, person: int) -> int:
        if person not in self._all.people:
            return 0
        one = self._all.people[person]
        media, region = self._all.media[one.path], one.seen.region
        self._all.suppressed |= {(name, region): person for name in _names(media)}
        same = {one.path, *(path for path, _ in self.with_digest(media.digest))}
        return self._delete_for_good(p for p, there in self._all.people.items() if there.path in same and there.seen.region == region)

    def unsuppress(self, person: int) -> bool:
        kept = {name for (name, _), of in self._all.suppressed.items() if of == person}
        self._all.suppressed = {key: of for key, of in self._all.suppressed.items() if of != person}
        for path, media in list(self._all.media.items()):
            if kept & set(_names(media)):
                self._change(path, changed_ns=TO_BE_READ)
                self._all.checkpoints.pop(path, None)
        return bool(kept)

    def drop(self, people: Sequence[int]) -> None:
        self._delete_for_good(set(people) & self._all.people.keys())

    def keep_from(self, bound: float | None) -> None:
        self._all.kept_from = bound

    def kept_from(self) -> float | None:
        return self._all.kept_from

    def expired(self, bound: float) -> Expired:
        ends = {path: self._until(media, media.watched.seconds if media.watched else 0.0) for path, media in self._all.media.items()}
        lasts = {person: self._until(self._media_of(person), one.seen.last) for person, one in self._all.people.items()}
        people = sorted(person for person, last in lasts.items() if last is not None and last < bound)
        stay = {self._all.people[person].path for person in lasts.keys() - set(people)}
        stay |= {path for path, media in self._all.media.items() if media.changed_ns == TO_BE_READ and media.away_since is None}
        return Expired(
            tuple(people),
            tuple(_sorted(path for path, end in ends.items() if end is not None and end < bound and path not in stay)),
            sum(self._media_of(person).known_by == KnownBy.FILE for person in people),
            sum(last is None for last in lasts.values()),
        )

    def _until(self, media: Media, seconds: float | None) -> float | None:
        """When something ends that long after the start of a media, by a clock that goes right."""
        offset = self._all.cameras[media.camera].offset_seconds if media.camera else 0.0
        return None if media.started_at is None else media.started_at + (seconds or 0.0) + offset

    def kept_out(self, path: Path) -> int:
        media = self._all.media.get(path)
        return len(self._removed(media)) if media else 0

    def fold(self) -> None:
        """The next run begins; what counts once is worked out in every search."""
        self._all.run += 1

    def settle(self, least: int = 1) -> None:
        pass

    def purge(self) -> None:
        pass

    def standing(self, path: Path) -> Standing | None:
        media = self._all.media.get(path)
        if media is None:
            return self._all.failed.get(path)
        seen = media.changed_ns, media.device, media.away_since
        return Standing(
            media.size,
            media.modified_ns,
            media.digest,
            None,
            *seen,
            media.camera,
            media.started_at,
            media.zone,
            media.known_by,
            media.sought,
        )

    def knows_size(self, size: int) -> bool:
        return any(media.size == size for media in self._all.media.values())

    def with_digest(self, digest: str) -> list[tuple[Path, int | None]]:
        return [
            (path, self._all.media[path].device) for path in _sorted(self._all.media) if digest and self._all.media[path].digest == digest
        ]

    def with_size_and_time(self, size: int, modified_ns: int) -> list[Path]:
        same = (path for path, media in self._all.media.items() if (media.size, media.modified_ns) == (size, modified_ns))
        return _sorted(same)

    def paths_under(self, path: Path) -> list[Path]:
        return _sorted(known for known in {*self._all.media, *self._all.failed} if known.is_relative_to(path))

    def seen_under(self, path: Path) -> list[tuple[Path, int | None, int | None]]:
        there = ((one, self._all.media[one]) for one in self.paths_under(path) if one in self._all.media)
        return [(one, media.changed_ns, media.device) for one, media in there]

    def failures(self) -> list[Failure]:
        return [Failure(path, str(self._all.failed[path].failure)) for path in _sorted(self._all.failed)]

    def people(self, ids: Iterable[int] | None = None) -> Iterator[tuple[Person, tuple[Crop, ...]]]:
        for person in sorted(self._all.people if ids is None else set(ids) & self._all.people.keys()):
            yield self._person(person), self._crops(person)

    def beside(self, people: Sequence[int], seconds: float) -> list[tuple[int, int]]:
        def are(one: _Somebody, other: _Somebody) -> bool:
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

    def _picture(self, media: Media, key: Key) -> bytes:
        picture = self._all.embeddings[key].picture if key in self._all.embeddings else None
        if picture is None:
            raise no_picture(media)
        return picture

    def counts(self) -> tuple[int, int]:
        return len(self._all.people), sum(media.away_since is not None for media in self._all.media.values())

    def info(self) -> IndexInfo:
        away = [media.away_since for media in self._all.media.values() if media.away_since is not None]
        counts = len(self._all.people), len(self._all.media), len(self.vectors()), len(self._all.failed)
        return IndexInfo(
            Path(":memory:"),
            *counts,
            self._model,
            0,
            "",
            len(away),
            min(away, default=None),
            alike=self._alike(),
            unworn=self._unworn(),
            looked_into=self.looked_into(),
            kept_from=self.kept_from(),
        )

    def _unworn(self) -> int:
        return sum(one.worn is None and self._model.attributes > 0 for one in self._all.embeddings.values())

    def _worn(self) -> NDArray[np.uint8]:
        """What is worn in every crop, uint8 (n, 2a)."""
        rows = [self._worn_by(one) for one in self._all.embeddings.values()]
        return np.array(rows, np.uint8).reshape(len(rows), 2 * self._model.attributes)

    def _worn_by(self, one: _Embedding) -> NDArray[np.uint8]:
        return np.zeros(2 * self._model.attributes, np.uint8) if one.worn is None else one.worn

    def _embedding_of(self, person: Person, crop: Crop | None) -> _Embedding:
        one = self._all.people.get(person.id or 0)
        if one is None or (crop is not None and crop not in one.seen.crops):
            raise IndexFault(expected=f"{person.media.path} in the index", found="it is gone", do="search again")
        return self._all.embeddings[one.keys[one.seen.crops.index(crop) if crop else 0]]

    def _person(self, person: int) -> Person:
        one = self._all.people[person]
        return Person(self._all.media[one.path], person, one.seen.track, one.seen.first, one.seen.last, one.seen.static)

    def _crops(self, person: int) -> tuple[Crop, ...]:
        one, media = self._all.people[person], self._media_of(person)
        if media.has_file:
            return one.seen.crops
        return tuple(replace(crop, kept=partial(self._picture, media, key)) for crop, key in zip(one.seen.crops, one.keys, strict=True))

    def _put(self, media: Media, people: Sequence[tuple[Sighting, tuple[Key, ...]]]) -> None:
        self._all.failed.pop(media.path, None)
        self._all.checkpoints.pop(media.path, None)
        self._all.media[media.path] = media
        self._meet(media.camera)
        out = kept_out([one.region for one, _ in people], self._removed(media))
        for number, (one, keys) in enumerate(people):
            if number not in out:
                crops = tuple(replace(crop, number=n) for n, crop in enumerate(one.crops))
                somebody = _Somebody(media.path, replace(one, crops=crops), keys)
                self._all.newest = max(self._all.newest + 1, one.id or 0)
                self._all.people[self._all.newest] = somebody
                self._embed(somebody, media.size)

    def _embed(self, somebody: _Somebody, size: int) -> None:
        """Of equal keys the first vector with what is worn, and the first signature, stay."""
        seen, nothing = somebody.seen, [None] * len(somebody.keys)
        signatures, worn_by = (nothing if rows is None else rows for rows in (seen.signatures, seen.worn))
        pictures = seen.pictures or nothing
        for key, vector, signature, worn, picture in zip(somebody.keys, seen.vectors, signatures, worn_by, pictures, strict=True):
            known = self._all.embeddings.get(key)
            if known is not None and picture is not None:
                known = self._all.embeddings[key] = replace(known, picture=picture)
            if known is None:
                self._all.embeddings[key] = _Embedding(vector, signature, worn, size, self._all.run, picture)
            elif known.signature is None and signature is not None:
                self._all.embeddings[key] = replace(known, signature=signature, size=size, run=self._all.run)
            else:
                continue
            self._all.groups = None

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

    def _at(self, path: Path) -> list[int]:
        return [person for person, one in self._all.people.items() if one.path == path]

    def _meet(self, camera: str | None) -> None:
        if camera is not None:
            self._all.cameras.setdefault(camera, Camera(camera))

    def _media_of(self, person: int) -> Media:
        return self._all.media[self._all.people[person].path]

    def _change(self, path: Path, **facts: object) -> None:
        if path in self._all.media:
            self._all.media[path] = replace(self._all.media[path], **facts)  # type: ignore[arg-type]

    def _delete(self, people: Iterable[int]) -> int:
        gone = list(people)
        for person in gone:
            del self._all.people[person]
        if gone:
            self._forget_unseen()
        return len(gone)

    def _delete_for_good(self, people: Iterable[int]) -> int:
        """The same, and forget where those who were at the end of their media went."""
        gone = list(people)
        for path in {self._all.people[person].path for person in gone if not self._is_to_be_read(self._all.people[person].path)}:
            self._all.checkpoints.pop(path, None)
        return self._delete(gone)

    def _forget_unseen(self) -> None:
        left = {key for one in self._all.people.values() for key in one.keys}
        self._all.embeddings = {key: one for key, one in self._all.embeddings.items() if key in left}
        self._all.groups = None

    def _removed(self, media: Media) -> set[str]:
        """The regions of a media from which people were removed."""
        return {region for name, region in self._all.suppressed if name in _names(media)}


def _keys_of(media: Media, one: Sighting) -> tuple[Key, ...]:
    return tuple(key_of(media, one.track, *of) for of in zip(one.crops, one.vectors, strict=True))


def _names(media: Media) -> list[str]:
    """What a media is known by: its bytes and, as those of a video may grow, its path."""
    return [media.digest] * bool(media.digest) + [str(media.path)] * (media.kind is not MediaKind.PHOTO)


def _sorted(paths: Iterable[Path]) -> list[Path]:
    return sorted(paths, key=os.fsencode)
