"""An index in memory: the shortest one that keeps the contract, gone when it is closed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from passerby.errors import IndexFault
from passerby.index.base import TO_BE_READ, Found, IndexedModel, IndexInfo, Moments, Nearest, Passes, Sighting, Standing, region_of
from passerby.index.columns import in_blocks
from passerby.index.nearest import crowd_of, ranked
from passerby.index.score import Weights
from passerby.index.vectors import VectorTable
from passerby.model.encoder import Encoder, attributes_of
from passerby.types import Crop, Failure, Media, MediaKind, ModelDigest, Person


@dataclass(slots=True)
class _Held:
    """All that an index holds; people by id, each with their vectors."""

    media: dict[Path, Media] = field(default_factory=dict)
    people: dict[int, tuple[Path, Sighting]] = field(default_factory=dict)
    failed: dict[Path, Standing] = field(default_factory=dict)
    suppressed: dict[tuple[str, str], int] = field(default_factory=dict)
    newest: int = 0


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

    @property
    def _all(self) -> _Held:
        if self._held is None:
            raise IndexFault(expected="an open index in memory", found="a closed one", do="make it again")
        return self._held

    @contextmanager
    def writing(self) -> Iterator[None]:
        now = self._all
        before = replace(now, media=dict(now.media), people=dict(now.people), failed=dict(now.failed), suppressed=dict(now.suppressed))
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

    def put(self, media: Media, people: Sequence[Sighting]) -> None:
        self._model.require_worn(people)
        self._hold(media)
        for one in people:
            if not self._suppressed(media, region_of(one.track, one.crops[0])):
                self._all.newest += 1
                self._all.people[self._all.newest] = media.path, one

    def add(self, media: Media, vector: NDArray[np.float32], *, worn: NDArray[np.uint8] | None = None) -> None:
        self.put(media, [Sighting.whole(vector, worn=worn)])

    def link(self, media: Media) -> bool:
        known = [path for path, _ in self.with_digest(media.digest) if self._all.media[path].changed_ns != TO_BE_READ]
        if media.path in known:
            self._all.media[media.path] = media
        elif known:
            self.put(media, [one for path, one in self._all.people.values() if path == known[0]])
        return bool(known)

    def move(self, source: Path, target: Path) -> None:
        self.forget(target)
        if source in self._all.media:
            self._all.media[target] = replace(self._all.media.pop(source), path=target)
        for person, (path, one) in self._all.people.items():
            self._all.people[person] = (target if path == source else path), one

    def see(self, path: Path, changed_ns: int, device: int) -> None:
        self._change(path, changed_ns=changed_ns, device=device, away_since=None)

    def miss(self, path: Path, since: int) -> None:
        if path in self._all.media and self._all.media[path].away_since is None:
            self._change(path, away_since=since)

    def fail(self, path: Path, size: int, changed_ns: int, reason: str) -> None:
        self.forget(path)
        self._all.failed[path] = Standing(size, changed_ns, None, reason)

    def forget(self, path: Path) -> int:
        self._all.failed.pop(path, None)
        self._delete(person for person, (of, _) in self._all.people.items() if of == path)
        return int(self._all.media.pop(path, None) is not None)

    def suppress(self, person: int) -> int:
        if person not in self._all.people:
            return 0
        path, one = self._all.people[person]
        media, region = self._all.media[path], region_of(one.track, one.crops[0])
        self._all.suppressed |= {(name, region): person for name in _names(media)}
        same = {path, *(path for path, _ in self.with_digest(media.digest))}
        return self._delete(n for n, (of, o) in self._all.people.items() if of in same and region_of(o.track, o.crops[0]) == region)

    def unsuppress(self, person: int) -> bool:
        kept = {name for (name, _), of in self._all.suppressed.items() if of == person}
        self._all.suppressed = {key: of for key, of in self._all.suppressed.items() if of != person}
        for path, media in list(self._all.media.items()):
            if kept & set(_names(media)):
                self._change(path, changed_ns=TO_BE_READ)
        return bool(kept)

    def kept_out(self, path: Path) -> int:
        media = self._all.media.get(path)
        return sum(self._suppressed(media, region) for region in {region for _, region in self._all.suppressed}) if media else 0

    def settle(self, least: int = 1) -> None:
        pass

    def purge(self) -> None:
        pass

    def standing(self, path: Path) -> Standing | None:
        media = self._all.media.get(path)
        if media is None:
            return self._all.failed.get(path)
        return Standing(media.size, media.modified_ns, media.digest, None, media.changed_ns, media.device, media.away_since)

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

    def failures(self) -> list[Failure]:
        return [Failure(path, str(self._all.failed[path].failure)) for path in _sorted(self._all.failed)]

    def people(self, ids: Iterable[int] | None = None) -> Iterator[tuple[Person, tuple[Crop, ...]]]:
        for person in sorted(self._all.people if ids is None else set(ids) & self._all.people.keys()):
            yield self._person(person), self._all.people[person][1].crops

    def nearest(self, questions: Sequence[Weights], k: int, passes: Passes | None = None) -> list[Nearest]:
        rows = [(person, n) for person, (_, one) in self._all.people.items() for n in range(len(one.crops))]
        vectors = np.array([self._all.people[person][1].vectors[n] for person, n in rows], np.float64).reshape(len(rows), self._model.dim)
        worn = self._worn().astype(np.float64)
        may = passes(self.vectors()) if passes else np.ones(len(rows), np.bool_)
        results = []
        for question in questions:
            scores = np.sum(vectors * question.vector, axis=1)
            if question.worn.size and worn.size:
                scores -= np.sum(worn * question.worn, axis=1)
            found = [
                Found(self._person(person), self._all.people[person][1].crops[n], float(score))
                for (person, n), score, can in zip(rows, scores, may, strict=True)
                if can
            ]
            results.append(Nearest(ranked(found, k), crowd_of(scores)))
        return results

    def vectors(self) -> VectorTable:
        rows = [one.vectors for _, one in self._all.people.values()]
        table = np.concatenate([np.empty((0, self._model.dim), np.float32), *rows]).astype(np.float16)
        return VectorTable.of([table], np.arange(1, len(table) + 1), np.empty(0, np.intp), [in_blocks(self._worn())])

    def sample(self, count: int) -> NDArray[np.float32]:
        return self.vectors().spread(count)

    def moments(self) -> Moments:
        return Moments.of(self.vectors())

    def vector_of(self, person: Person, crop: Crop | None = None) -> NDArray[np.float32]:
        one, number = self._crop_of(person, crop)
        return np.asarray(one.vectors[number])

    def worn_of(self, person: Person, crop: Crop | None = None) -> NDArray[np.uint8]:
        one, number = self._crop_of(person, crop)
        return np.asarray(self._worn_by(one)[number])

    def counts(self) -> tuple[int, int]:
        return len(self._all.people), sum(media.away_since is not None for media in self._all.media.values())

    def info(self) -> IndexInfo:
        away = [media.away_since for media in self._all.media.values() if media.away_since is not None]
        counts = len(self._all.people), len(self._all.media), len(self.vectors()), len(self._all.failed)
        return IndexInfo(Path(":memory:"), *counts, self._model, 0, "", len(away), min(away, default=None), self._unworn())

    def _unworn(self) -> int:
        return sum(len(one.crops) for _, one in self._all.people.values() if one.worn is None and self._model.attributes)

    def _worn(self) -> NDArray[np.uint8]:
        """What is worn in every crop, uint8 (n, 2a)."""
        rows = [self._worn_by(one) for _, one in self._all.people.values()]
        return np.concatenate([np.empty((0, 2 * self._model.attributes), np.uint8), *rows])

    def _worn_by(self, one: Sighting) -> NDArray[np.uint8]:
        return np.zeros((len(one.crops), 2 * self._model.attributes), np.uint8) if one.worn is None else one.worn

    def _crop_of(self, person: Person, crop: Crop | None) -> tuple[Sighting, int]:
        _, one = self._all.people.get(person.id or 0, (None, None))
        if one is None or (crop is not None and crop not in one.crops):
            raise IndexFault(expected=f"{person.media.path} in the index", found="it is gone", do="search again")
        return one, one.crops.index(crop) if crop else 0

    def _person(self, person: int) -> Person:
        path, one = self._all.people[person]
        return Person(self._all.media[path], person, one.track, one.first, one.last)

    def _hold(self, media: Media) -> None:
        self.forget(media.path)
        self._all.media[media.path] = media

    def _change(self, path: Path, **facts: object) -> None:
        if path in self._all.media:
            self._all.media[path] = replace(self._all.media[path], **facts)  # type: ignore[arg-type]

    def _delete(self, people: Iterable[int]) -> int:
        gone = list(people)
        for person in gone:
            del self._all.people[person]
        return len(gone)

    def _suppressed(self, media: Media, region: str) -> bool:
        return any((name, region) in self._all.suppressed for name in _names(media))


def _names(media: Media) -> list[str]:
    """What a media is known by: its bytes and, as those of a video may grow, its path."""
    return [media.digest] * bool(media.digest) + [str(media.path)] * (media.kind is not MediaKind.PHOTO)


def _sorted(paths: Iterable[Path]) -> list[Path]:
    return sorted(paths, key=os.fsencode)
