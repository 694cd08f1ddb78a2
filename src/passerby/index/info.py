"""What an index says of itself: its model and state, its files, its cameras, and how many people it holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, Self

from passerby.index.looked_into import LookedInto
from passerby.index.sighting import Sighting
from passerby.inputs import wrong
from passerby.media.clock import Camera
from passerby.model.encoder import Encoder, attributes_of
from passerby.types import ModelDigest, Sought


@dataclass(frozen=True, slots=True)
class IndexedModel:
    """Which model made the embeddings of an index.

    Args:
        attributes: of how many it says whether they are worn, a.
    """

    name: str
    digest: ModelDigest
    dim: int
    attributes: int = 0

    @classmethod
    def of(cls, encoder: Encoder) -> Self:
        return cls(encoder.name, encoder.digest, encoder.dim, len(attributes_of(encoder)))

    def require_worn(self, people: Sequence[Sighting]) -> None:
        """Refuse bytes of other attributes. Raises ``InputError``."""
        for one in people:
            if one.worn is not None and one.worn.shape[1] != 2 * self.attributes:
                raise wrong(one.worn, f"what is worn as uint8 (c, {2 * self.attributes}), as {self.name} says it", "correct the value")


@dataclass(frozen=True, slots=True)
class Stamp:
    """A state of an index: equal stamps, equal embeddings.

    Args:
        index: 32 hexadecimal digits, drawn when the index was made.
        generation: the number of writing transactions so far.
    """

    index: str
    generation: int


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """What an index holds.

    Args:
        folder: where it is, or its URL.
        model: ``None`` until something was indexed.
        bytes: the size of its files on disk.
        created: UTC, ISO 8601.
        away: media whose files could not be seen when they were last looked for.
        away_since: the first time of that of them all, in seconds since 1970.
        alike: embeddings that do not count, as others do for them, whose near-copies they are.
        unworn: embeddings of which it is not known what is worn, though the model says it.
        looked_into: photos and videos in which people were looked for.
        kept_from: from when on people are kept, in seconds since 1970; ``None`` if from ever.
        kept_for: how long they are kept from when they were last seen, in seconds; ``None`` if for ever. Whichever says less holds.
    """

    folder: Path | str
    people: int
    media: int
    embeddings: int
    failures: int
    model: IndexedModel | None
    bytes: int
    created: str
    away: int
    away_since: int | None
    alike: int = 0
    unworn: int = 0
    looked_into: LookedInto = field(default_factory=LookedInto)
    kept_from: float | None = None
    kept_for: float | None = None


TO_BE_READ: Final = -1
"""The status change time of a media that is to be read again, whatever is known of it."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What an index knows of a file.

    Args:
        size: in bytes, when it was read.
        time_ns: its modification time or, of a failure, its status change time.
        digest: SHA-256 of its bytes; ``None`` of a failure.
        failure: why it could not be used, if so.
        changed_ns, device, away_since, camera, started_at, zone, known_by, sought: as of `Media`; ``None`` of a failure.
    """

    size: int
    time_ns: int
    digest: str | None
    failure: str | None
    changed_ns: int | None = None
    device: int | None = None
    away_since: int | None = None
    camera: str | None = None
    started_at: float | None = None
    zone: str | None = None
    known_by: str | None = None
    sought: Sought | None = None


@dataclass(frozen=True, slots=True)
class SeenBy:
    """What an index holds of a camera.

    Args:
        first, last: when people are seen by it for the first and the last time, by a clock that goes right; ``None`` where not known.
    """

    camera: Camera
    people: int
    first: datetime | None
    last: datetime | None


@dataclass(frozen=True, slots=True)
class Selected:
    """How many people a selection says.

    Args:
        people: who are selected.
        undated: who are not, only because it is not known when they were seen.
    """

    people: int
    undated: int


@dataclass(frozen=True, slots=True)
class Expired:
    """Who was last seen before an instant, by clocks that go right.

    Args:
        people: their ids, rising.
        media: those of which nothing is later, by path; a video that is to be read on is none, unless its file is away.
        estimated: how many of the people are dated by when their file was last changed.
        undated: how many others there are of whom it is not known when they were seen.
    """

    people: tuple[int, ...] = ()
    media: tuple[Path, ...] = ()
    estimated: int = 0
    undated: int = 0
