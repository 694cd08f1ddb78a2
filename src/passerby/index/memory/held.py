"""What an index in memory holds, and how people come into it and go."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from passerby.errors import IndexFault
from passerby.index.info import TO_BE_READ, IndexedModel, Standing
from passerby.index.region import Key, kept_out, key_of
from passerby.index.sighting import Sighting
from passerby.media.clock import Camera
from passerby.model.encoder import Encoder, attributes_of
from passerby.types import Media, MediaKind, Person


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """A crop's vector and signature, what is worn in it, the bytes of its file, the run that put it, and the picture that is kept."""

    vector: NDArray[np.float32]
    signature: NDArray[np.uint8] | None
    worn: NDArray[np.uint8] | None
    size: int
    run: int
    picture: bytes | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Somebody:
    path: Path
    seen: Sighting
    keys: tuple[Key, ...]


@dataclass(slots=True)
class Held:
    """All that an index holds: people by id, embeddings by key, each in the order in which they came."""

    media: dict[Path, Media] = field(default_factory=dict)
    people: dict[int, Somebody] = field(default_factory=dict)
    embeddings: dict[Key, Embedding] = field(default_factory=dict)
    failed: dict[Path, Standing] = field(default_factory=dict)
    suppressed: dict[tuple[str, str], int] = field(default_factory=dict)
    cameras: dict[str, Camera] = field(default_factory=dict)
    checkpoints: dict[Path, str] = field(default_factory=dict)
    kept_from: float | None = None
    kept_for: float | None = None
    newest: int = 0
    run: int = 0
    groups: NDArray[np.intp] | None = None


class Holding:
    """An index of one process and one thread."""

    def __init__(self, encoder: Encoder) -> None:
        self._model = IndexedModel(encoder.name, encoder.digest, encoder.dim, len(attributes_of(encoder)))
        self._held: Held | None = Held()

    @property
    def _all(self) -> Held:
        if self._held is None:
            raise IndexFault(expected="an open index in memory", found="a closed one", do="make it again")
        return self._held

    def _is_to_be_read(self, path: Path) -> bool:
        return path in self._all.media and self._all.media[path].changed_ns == TO_BE_READ

    def _person(self, person: int) -> Person:
        one = self._all.people[person]
        return Person(self._all.media[one.path], person, one.seen.track, one.seen.first, one.seen.last, one.seen.static)

    def _put(self, media: Media, people: Sequence[tuple[Sighting, tuple[Key, ...]]]) -> None:
        self._all.failed.pop(media.path, None)
        self._all.checkpoints.pop(media.path, None)
        self._all.media[media.path] = media
        self._meet(media.camera)
        out = kept_out([one.region for one, _ in people], self._removed(media))
        for number, (one, keys) in enumerate(people):
            if number not in out:
                crops = tuple(replace(crop, number=n) for n, crop in enumerate(one.crops))
                somebody = Somebody(media.path, replace(one, crops=crops), keys)
                self._all.newest = max(self._all.newest + 1, one.id or 0)
                self._all.people[self._all.newest] = somebody
                self._embed(somebody, media.size)

    def _embed(self, somebody: Somebody, size: int) -> None:
        """Of equal keys the first vector with what is worn, and the first signature, stay."""
        seen, nothing = somebody.seen, [None] * len(somebody.keys)
        signatures, worn_by = (nothing if rows is None else rows for rows in (seen.signatures, seen.worn))
        pictures = seen.pictures or nothing
        for key, vector, signature, worn, picture in zip(somebody.keys, seen.vectors, signatures, worn_by, pictures, strict=True):
            known = self._all.embeddings.get(key)
            if known is not None and picture is not None:
                known = self._all.embeddings[key] = replace(known, picture=picture)
            if known is None:
                self._all.embeddings[key] = Embedding(vector, signature, worn, size, self._all.run, picture)
            elif known.signature is None and signature is not None:
                self._all.embeddings[key] = replace(known, signature=signature, size=size, run=self._all.run)
            else:
                continue
            self._all.groups = None

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
        return {region for name, region in self._all.suppressed if name in names_of(media)}


def keys_of(media: Media, one: Sighting) -> tuple[Key, ...]:
    return tuple(key_of(media, one.track, *of) for of in zip(one.crops, one.vectors, strict=True))


def names_of(media: Media) -> list[str]:
    """What a media is known by: its bytes and, as those of a video may grow, its path."""
    return [media.digest] * bool(media.digest) + [str(media.path)] * (media.kind is not MediaKind.PHOTO)


def by_bytes(paths: Iterable[Path]) -> list[Path]:
    return sorted(paths, key=os.fsencode)
