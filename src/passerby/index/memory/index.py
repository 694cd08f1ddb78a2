"""An index in memory, by the Protocol."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from passerby.errors import OtherModel
from passerby.index.base import PATIENCE
from passerby.index.info import TO_BE_READ, IndexInfo, Standing
from passerby.index.memory.held import Somebody, by_bytes, keys_of, names_of
from passerby.index.memory.searching import Searching
from passerby.index.sighting import Sighting
from passerby.media.clock import Camera, Instant, in_zone, instant_of
from passerby.types import Failure, Media, ModelDigest, Sought


class MemoryIndex(Searching):
    """An index of one process and one thread."""

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
            raise OtherModel(expected=f"an index made by model {name}", found=f"one made by {self._model.name}", do="make it again")

    def attributes(self) -> int:
        return self._model.attributes

    def put(self, media: Media, people: Sequence[Sighting]) -> None:
        before = self._at(media.path)
        self.put_more(media, people)
        self._delete(before)

    def put_more(self, media: Media, people: Sequence[Sighting]) -> None:
        self._model.require_worn(people)
        self._put(media, [(one, keys_of(media, one)) for one in people])

    def put_again(self, media: Media, people: Sequence[Sighting], gone: Collection[int] = ()) -> None:
        tracks = {person: self._all.people[person].seen.track for person in self._at(media.path)}
        there = {track: person for person, track in tracks.items() if track is not None}
        again = [one for one in people if one.track in there]
        self._delete(there[track] for track in there.keys() & {*gone}.difference(one.track for one in again))
        for one in again:
            somebody = Somebody(media.path, one, keys_of(media, one))
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
        self._all.suppressed |= {(name, region): person for name in names_of(media)}
        same = {one.path, *(path for path, _ in self.with_digest(media.digest))}
        return self._delete_for_good(p for p, there in self._all.people.items() if there.path in same and there.seen.region == region)

    def unsuppress(self, person: int) -> bool:
        kept = {name for (name, _), of in self._all.suppressed.items() if of == person}
        self._all.suppressed = {key: of for key, of in self._all.suppressed.items() if of != person}
        for path, media in list(self._all.media.items()):
            if kept & set(names_of(media)):
                self._change(path, changed_ns=TO_BE_READ)
                self._all.checkpoints.pop(path, None)
        return bool(kept)

    def drop(self, people: Sequence[int]) -> None:
        self._delete_for_good(set(people) & self._all.people.keys())

    def keep_from(self, bound: float | None) -> None:
        self._all.kept_from = bound

    def kept_from(self) -> float | None:
        return self._all.kept_from

    def keep_for(self, seconds: float | None) -> None:
        self._all.kept_for = seconds

    def kept_for(self) -> float | None:
        return self._all.kept_for

    def kept_out(self, path: Path) -> int:
        media = self._all.media.get(path)
        return len(self._removed(media)) if media else 0

    def fold(self) -> None:
        """The next run begins; what counts once is worked out in every search."""
        self._all.run += 1

    def settle(self, least: int = 1) -> None:
        pass

    def purge(self, patience: float = PATIENCE) -> None:
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
            (path, self._all.media[path].device) for path in by_bytes(self._all.media) if digest and self._all.media[path].digest == digest
        ]

    def with_size_and_time(self, size: int, modified_ns: int) -> list[Path]:
        same = (path for path, media in self._all.media.items() if (media.size, media.modified_ns) == (size, modified_ns))
        return by_bytes(same)

    def paths_under(self, path: Path) -> list[Path]:
        return by_bytes(known for known in {*self._all.media, *self._all.failed} if known.is_relative_to(path))

    def seen_under(self, path: Path) -> list[tuple[Path, int | None, int | None]]:
        there = ((one, self._all.media[one]) for one in self.paths_under(path) if one in self._all.media)
        return [(one, media.changed_ns, media.device) for one, media in there]

    def failures(self) -> list[Failure]:
        return [Failure(path, str(self._all.failed[path].failure)) for path in by_bytes(self._all.failed)]

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
            kept_for=self.kept_for(),
        )

    def _unworn(self) -> int:
        return sum(one.worn is None and self._model.attributes > 0 for one in self._all.embeddings.values())
