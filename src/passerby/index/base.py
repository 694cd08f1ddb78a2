"""What an index is, whatever keeps it: the Protocol of all kinds, and the nouns of their methods."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from passerby.index.score import Weights
from passerby.index.selection import EVERYBODY, Selection
from passerby.index.vectors import VectorTable
from passerby.inputs import require, wrong
from passerby.media.clock import Camera, Instant, KnownBy, clock_time, minutes_text
from passerby.model.calibration import Crowd
from passerby.model.encoder import Encoder, attributes_of
from passerby.types import Box, Crop, Failure, Media, MediaKind, ModelDigest, Person, Sought, Watched, is_tuple_of

Passes = Callable[[VectorTable], NDArray[np.bool_]]
"""Of the n vectors of an index, which may be an answer, bool (n,)."""


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
class Stamp:
    """A state of an index: equal stamps, equal embeddings.

    Args:
        index: 32 hexadecimal digits, drawn when the index was made.
        generation: the number of writing transactions so far.
    """

    index: str
    generation: int


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of a video that could not be read.

    Args:
        path: of the video.
        start, end: in seconds from its start.
        begun: what a clock that goes right showed when the video began; ``None`` where that is not known, or only by the file's own time.
    """

    path: Path
    start: float
    end: float
    begun: datetime | None = None

    @classmethod
    def of(cls, path: Path, watched: Watched | None, instant: Instant | None, offset_seconds: float) -> list[Self]:
        """Those of a video that was begun at an instant, by a clock that is to be corrected by so much."""
        known = instant is not None and instant.known_by is not KnownBy.FILE
        begun = clock_time(instant.at, instant.zone, offset_seconds) if known and instant else None
        return [cls(path, start, end, begun) for start, end in (watched.gaps if watched else ())]

    def to_json(self) -> dict[str, Any]:
        """Ready for ``json.dumps``; ``from``, ``to`` and ``begun`` are clock times."""
        clock = [self.begun and (self.begun + timedelta(seconds=at)).isoformat(timespec="seconds") for at in (self.start, self.end)]
        begun = self.begun and self.begun.isoformat()
        return {"path": str(self.path), "start": self.start, "end": self.end, "from": clock[0], "to": clock[1], "begun": begun}

    @property
    def text(self) -> str:
        """When, for people: by the clock, else in the video; seconds that were begun."""
        if self.begun is None:
            first, last = minutes_text(self.start), minutes_text(self.end)
        else:
            start, end = (self.begun + timedelta(seconds=at) for at in (self.start, self.end))
            first, last = f"{start:%Y-%m-%d %H:%M:%S}", f"{end:%H:%M:%S}"
        return first if first.endswith(last) else f"{first} to {last}"


@dataclass(frozen=True, slots=True)
class LookedInto:
    """In which photos and videos people were looked for, and whom that misses.

    Args:
        lowest, highest: of the heights below which people are mostly missed, in pixels of each media; 0 without any.
        videos: in how many videos, or stretches of time in them.
        seconds: of these videos.
        broken: frames or stretches of them that could not be read.
        cut_short: how many of them end earlier than they say.
        unfinished: how many of them were not read to their end yet.
        static: things in them that look like people and never move, who are hidden.
        gaps: stretches of them that could not be read, by path and time.
        still: frames of them that were not looked at, as nothing had moved.
    """

    photos: int = 0
    lowest: float = 0.0
    highest: float = 0.0
    videos: int = 0
    seconds: float = 0.0
    broken: int = 0
    cut_short: int = 0
    unfinished: int = 0
    static: int = 0
    gaps: tuple[Gap, ...] = ()
    still: int = 0

    @property
    def is_any(self) -> bool:
        return self.photos > 0 or self.videos > 0

    def watched_json(self) -> dict[str, Any]:
        """How much of videos was looked at, ready for ``json.dumps``."""
        return {
            "count": self.videos,
            "seconds": self.seconds,
            "broken": self.broken,
            "cut_short": self.cut_short,
            "unfinished": self.unfinished,
            "static": self.static,
            "gaps": [gap.to_json() for gap in self.gaps],
            "still": self.still,
        }

    @classmethod
    def of(
        cls, photos: int, heights: Iterable[float], watched: Iterable[tuple[Watched, float, bool]], static: int, gaps: Iterable[Gap]
    ) -> Self:
        """Summed up.

        Args:
            heights: below which people are mostly missed.
            watched: of each video also the seconds that count, and whether it was read to its end.
        """
        heights, watched = list(heights), list(watched)
        return cls(
            photos,
            min(heights, default=0.0),
            max(heights, default=0.0),
            len(watched),
            sum(seconds for _, seconds, _ in watched),
            sum(one.broken for one, _, _ in watched),
            sum(one.cut_short_at is not None for one, _, _ in watched),
            sum(not finished for _, _, finished in watched),
            static,
            tuple(sorted(gaps, key=lambda gap: (os.fsencode(gap.path), gap.start))),
            sum(one.still for one, _, _ in watched),
        )


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
    looked_into: LookedInto = LookedInto()
    kept_from: float | None = None


WHOLE_PICTURE: Final = "whole"
"""The region of a crop that is the whole picture."""

_TRACK: Final = "track"


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """Somebody in a media, on the way into an index.

    Args:
        crops: at least one, the best first.
        vectors: of each crop, float32 (c, d), each of length 1.
        track, first, last, static: as of `Person`.
        signatures: of each crop, uint8 (c, n), as :mod:`passerby.media.signature` makes them; crops without are nobody's near-copies.
        worn: of each crop what is worn, uint8 (c, 2a), as :func:`passerby.model.worn.worn_bytes` makes it; ``None`` where it is not known.
        pictures: of each crop a JPEG to be kept, where the media cannot show it again; ``None`` otherwise.
        thumbnails: of each crop a small JPEG, or ``None``; of media whose files are on this machine there are none at all.
        id: that they had in another index, and have here if it is larger than any that was given.
        run: of that index, which put them.

    Raises:
        InputError: no crop, or not a vector, a signature, what is worn, or a picture, for each.
    """

    crops: tuple[Crop, ...]
    vectors: NDArray[np.float32]
    track: int | None = None
    first: float | None = None
    last: float | None = None
    signatures: NDArray[np.uint8] | None = None
    worn: NDArray[np.uint8] | None = None
    static: bool = False
    pictures: tuple[bytes, ...] | None = None
    thumbnails: tuple[bytes | None, ...] | None = None
    id: int | None = None
    run: int | None = None

    def __post_init__(self) -> None:
        if not is_tuple_of(Crop, self.crops) or not self.crops:
            raise wrong(self.crops, "a tuple of at least one crop", "correct the value")
        if self.vectors.dtype != np.float32 or self.vectors.ndim != 2 or len(self.vectors) != len(self.crops):
            raise wrong(self.vectors, f"vectors float32 ({len(self.crops)}, d), one for each crop", "correct the value")
        for rows, what in ((self.signatures, "signatures"), (self.worn, "what is worn")):
            if rows is not None and (rows.dtype != np.uint8 or rows.ndim != 2 or len(rows) != len(self.crops)):
                raise wrong(rows, f"{what} as uint8 ({len(self.crops)}, n), one for each crop", "correct the value")
        if self.pictures is not None and not (is_tuple_of(bytes, self.pictures) and len(self.pictures) == len(self.crops)):
            raise wrong(self.pictures, f"{len(self.crops)} pictures, one for each crop", "correct the value")
        if self.thumbnails is not None and len(self.thumbnails) != len(self.crops):
            raise wrong(self.thumbnails, "a thumbnail or None for each crop", "correct the value")

    @property
    def region(self) -> str:
        """Where in their media they are, by their first crop."""
        return region_of(self.track, self.crops[0])

    @classmethod
    def whole(cls, vector: NDArray[np.float32], signature: NDArray[np.uint8] | None = None, worn: NDArray[np.uint8] | None = None) -> Self:
        """Somebody of whom a photo shows nothing else: of a vector float32 (d,), a signature uint8 (n,) and what is worn, uint8 (2a,)."""
        signatures, worn_rows = (None if one is None else one[None] for one in (signature, worn))
        return cls((Crop(),), vector[None], signatures=signatures, worn=worn_rows)


class StoredRow(NamedTuple):
    """What is stored of a crop, in bytes.

    Args:
        worn, signature, thumbnail: ``None`` where there is none.
        run: which put its signature.
    """

    vector: bytes
    worn: bytes | None
    signature: bytes | None
    run: int | None
    thumbnail: bytes | None


def as_put(person: Person, crops: tuple[Crop, ...], stored: Sequence[StoredRow]) -> Sighting:
    """Somebody as they were put, of what is stored of their crops."""
    vectors = np.stack([np.frombuffer(one.vector, "<f4") for one in stored])
    worn, signatures = (
        None if None in rows else np.stack([np.frombuffer(row or b"", np.uint8) for row in rows])
        for rows in ([one.worn for one in stored], [one.signature for one in stored])
    )
    run = max((one.run for one in stored if one.run is not None), default=None)
    there = all(crop.kept is not None and crop.kept.is_file() for crop in crops)
    pictures = tuple(crop.kept.read_bytes() for crop in crops if crop.kept) if there else None
    thumbnails = tuple(one.thumbnail for one in stored)
    shown = pictures, thumbnails if any(thumbnails) else None
    seen = person.track, person.first, person.last, signatures, worn, person.static
    return Sighting(crops, vectors, *seen, *shown, person.id, run)


Key = tuple[str, str]
"""What an embedding is known by: of what, and where in it."""


def key_of(media: Media, track: int | None, crop: Crop, vector: NDArray[np.float32]) -> Key:
    """The key of a crop's embedding. Bytes of a photo say all; other media grow, but what their track had at a time is as it was."""
    if media.kind is MediaKind.PHOTO:
        return media.digest, region_of(track, crop)
    made_of = hashlib.sha256(vector.tobytes()).hexdigest()
    return hashlib.sha256(os.fsencode(media.path)).hexdigest(), f"{region_of(track, crop)} {crop.time!r} {made_of}"


TO_BE_READ: Final = -1
"""The status change time of a media that is to be read again, whatever is known of it."""


def region_of(track: int | None, crop: Crop) -> str:
    """Where in a media somebody is: their track or, in a photo, the box of their crop."""
    if track is not None:
        return f"{_TRACK} {track}"
    box = crop.box
    return WHOLE_PICTURE if box is None else " ".join(repr(float(number)) for number in (box.x, box.y, box.width, box.height))


def kept_out(regions: Sequence[str], removed: Iterable[str]) -> set[int]:
    """Which of the people in a media, by their regions, are those who were removed from it at other regions.

    Another detector draws other boxes, so who was removed is whoever is exactly there, else whoever's box is most like it. Whoever was
    removed as a whole picture is anybody in it, and a whole picture shows them all.
    """
    out = set[int]()
    for gone in removed:
        exactly = {n for n, region in enumerate(regions) if region == gone or WHOLE_PICTURE in (region, gone)}
        out |= exactly or _most_alike(regions, gone)
    return out


def _most_alike(regions: Sequence[str], gone: str) -> set[int]:
    if gone.startswith((_TRACK, WHOLE_PICTURE)):
        return set()
    box = _box_of(gone)
    overlaps = [(0.0 if region.startswith(_TRACK) else overlap(_box_of(region), box), n) for n, region in enumerate(regions)]
    best, nearest = max(overlaps, default=(0.0, 0))
    return {nearest} if best >= SAME_BOX else set()


def overlap(one: Box, other: Box) -> float:
    """Intersection over union."""
    across = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    down = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    common = max(across, 0.0) * max(down, 0.0)
    return common / (one.width * one.height + other.width * other.height - common)


SAME_BOX: Final = 0.5
"""Intersection over union, at least, of two detectors' boxes of one person."""


def _box_of(region: str) -> Box:
    return Box(*map(float, region.split()))


@dataclass(frozen=True, slots=True)
class Found:
    """Somebody, their crop that fits a question best, and its score, exact in float64.

    Args:
        copies: the ids of the others who share their place, as their pictures are near-copies of this one; rising.
        worn: what is worn in the crop, as `Index.worn_of` says it, where the index has it at hand.
    """

    person: Person
    crop: Crop
    score: float
    copies: tuple[int, ...] = ()
    worn: NDArray[np.uint8] | None = field(default=None, compare=False, repr=False)


EXACT: Final = "exact"
HNSW: Final = "hnsw"
"""Ways to search: everybody is looked at, or those whom a graph of near vectors leads to."""


@dataclass(frozen=True, slots=True)
class Nearest:
    """Who fits a question best, best first, and the scores of everybody that they stand out of.

    Args:
        way: how they were searched: ``EXACT``, or ``HNSW``, which may miss some and takes the crowd's scores from a sample.
    """

    people: tuple[Found, ...]
    crowd: Crowd
    way: str = EXACT


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
class Suppression:
    """Who is kept out of an index.

    Args:
        salt: of the digests.
        removed: of each digest the region and the person's id.
    """

    salt: str
    removed: Mapping[bytes, tuple[str, int]]


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


@runtime_checkable
class Index(Protocol):
    """Media, the people in them with a vector for each crop, and what could not be used; all of one model.

    What changes it stands inside of ``writing``, but for ``fold``, ``settle`` and ``purge``. Methods raise ``IndexFault`` where it cannot
    be read or written. All paths are absolute; orders by path are those of their bytes.
    """

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...

    def close(self) -> None:
        """End it for every thread."""
        ...

    def place(self) -> Path | None:
        """The folder that it lives in, in which nobody looks for pictures; ``None`` if in none."""
        ...

    def writing(self) -> AbstractContextManager[None]:
        """One transaction, all or nothing: what it holds is safe when it ends."""
        ...

    def snapshot(self) -> AbstractContextManager[None]:
        """Everything read inside is of one moment, whatever others write; one inside of another is the same."""
        ...

    def require_model(self, digest: ModelDigest, name: str) -> None:
        """Refuse vectors of a model other than the one that made this index. Raises ``IndexFault``."""
        ...

    def attributes(self) -> int | None:
        """Of how many it has room to say whether they are worn; ``None`` until something was indexed."""
        ...

    def put(self, media: Media, people: Sequence[Sighting]) -> None:
        """Hold a media and the people in it, in place of what its path held. People who are kept out stay out."""
        ...

    def put_more(self, media: Media, people: Sequence[Sighting]) -> None:
        """Hold a media and people in it beside those whom its path holds. People who are kept out stay out."""
        ...

    def put_again(self, media: Media, people: Sequence[Sighting], gone: Collection[int] = ()) -> None:
        """As ``put_more``; who is of a track that its path holds takes the place of who was there, and keeps their id.

        Args:
            gone: tracks that there are no more.
        """
        ...

    def leave_off(self, path: Path, checkpoint: str) -> None:
        """Remember of a media that it is to be read on, and from where; until it is put again."""
        ...

    def left_off(self, path: Path) -> str | None:
        """From where a media is to be read on; ``None`` for one that was read to its end."""
        ...

    def rest(self, path: Path, checkpoint: str) -> None:
        """Remember from where a media that was read to its end is to be read on, should it grow; until it is put again, or somebody in it
        is deleted."""
        ...

    def rests(self, path: Path) -> str | None:
        """From where a media that was read to its end is to be read on, should it grow; ``None`` says from its start."""
        ...

    def add(
        self,
        media: Media,
        vector: NDArray[np.float32],
        signature: NDArray[np.uint8] | None = None,
        worn: NDArray[np.uint8] | None = None,
    ) -> None:
        """Hold one person, the whole of a photo: as ``put`` of a single crop."""
        ...

    def link(self, media: Media) -> bool:
        """Hold the people that another media of the same bytes holds, or this one held, as they were found there; whether there is any
        such media."""
        ...

    def move(self, source: Path, target: Path) -> None:
        """Give a media another path, in place of what that path held."""
        ...

    def see(self, path: Path, changed_ns: int, device: int) -> None:
        """Remember that a media is there, with the bytes it had."""
        ...

    def date(self, path: Path, camera: str | None, instant: Instant | None) -> None:
        """Remember by which camera and when a media was taken, as the camera's clock had it."""
        ...

    def mark(self, path: Path, sought: Sought) -> None:
        """Remember how people were looked for in a media, whose people stay."""
        ...

    def correct(self, camera: Camera) -> None:
        """Remember a camera's clock. Times that it told in another zone, by EXIF or by names, are read again in this one."""
        ...

    def miss(self, path: Path, since: int) -> None:
        """Remember that a media cannot be seen, since a time in seconds since 1970, unless it is known to be away for longer."""
        ...

    def fail(self, path: Path, size: int, changed_ns: int, reason: str) -> None:
        """Remember that a file could not be used, in place of what its path held."""
        ...

    def forget(self, path: Path) -> int:
        """Delete a file and its people; the number of media deleted, 0 or 1."""
        ...

    def suppress(self, person: int) -> int:
        """Delete a person, in copies of their media too, and keep them out from now on; the number of people deleted.

        In photos another detector's box of them is known too, as :func:`kept_out` has it.
        """
        ...

    def unsuppress(self, person: int) -> bool:
        """Let a person in again when their media is next indexed; whether they were kept out."""
        ...

    def drop(self, people: Sequence[int]) -> None:
        """Delete people, who may come back when their media are indexed anew."""
        ...

    def keep_from(self, bound: float | None) -> None:
        """Remember from when on people are kept, in seconds since 1970; ``None`` says from ever."""
        ...

    def kept_from(self) -> float | None:
        """From when on people are kept; ``None`` if from ever."""
        ...

    def expired(self, bound: float) -> Expired:
        """Who was last seen before an instant, in seconds since 1970."""
        ...

    def kept_out(self, path: Path) -> int:
        """How many people of the media at a path are kept out."""
        ...

    def fold(self) -> None:
        """After a run of writing: work out which of the new crops are near-copies, or of one moment, and count once.

        Of such crops that counts which an earlier run put, then that of the larger file, then that which was put first. So what is added
        later changes nothing. Until then new crops count by themselves, and so do those that lost one of them.
        """
        ...

    def settle(self, least: int = 1) -> None:
        """After writing: make ready for searches, where at least so many embeddings were added."""
        ...

    def purge(self) -> None:
        """After a deletion: leave nothing of it anywhere."""
        ...

    def standing(self, path: Path) -> Standing | None:
        """What is known of a file; ``None`` for a new one."""
        ...

    def knows_size(self, size: int) -> bool:
        """Whether some media has this many bytes."""
        ...

    def with_digest(self, digest: str) -> list[tuple[Path, int | None]]:
        """The media with these bytes, by path, each with its device."""
        ...

    def with_size_and_time(self, size: int, modified_ns: int) -> list[Path]:
        """The media of this size and modification time, by path."""
        ...

    def paths_under(self, path: Path) -> list[Path]:
        """Media and failures at a path or, were it a folder, below it, by path."""
        ...

    def seen_under(self, path: Path) -> list[tuple[Path, int | None, int | None]]:
        """Media at a path or below it, by path, each with the ``changed_ns`` and the ``device`` that it was last seen with."""
        known = ((one, self.standing(one)) for one in self.paths_under(path))
        return [(one, there.changed_ns, there.device) for one, there in known if there and there.digest is not None]

    def failures(self) -> list[Failure]:
        """Files that could not be used, by path."""
        ...

    def people(self, ids: Iterable[int] | None = None) -> Iterator[tuple[Person, tuple[Crop, ...]]]:
        """People with these ids, or all, by id, each with their crops."""
        ...

    def beside(self, people: Sequence[int], seconds: float) -> list[tuple[int, int]]:
        """Who is in the same photo as each of some people or, in the same video, seen at the same time or at most so many seconds before or
        after: pairs of ids, rising."""
        ...

    def nearest(
        self,
        questions: Sequence[Weights],
        k: int,
        passes: Passes | None = None,
        *,
        selection: Selection = EVERYBODY,
        fold: bool = True,
    ) -> list[Nearest]:
        """For each question the ``k`` best people, by their best crop, exactly; people of equal score are in the order of their paths.

        The crowd is of one crop of each group of near-copies. Where it is not known what is worn, that part of the score is 0.

        Args:
            passes: whose crops may be an answer, of everybody's, also of those who are not selected; by default all.
            selection: who is searched at all, and the crowd; the rest is as if it were not there.
            fold: give those whose crops are near-copies, or of equal bytes, one place, by the crop that counts of those that may be an
                answer; else each has a place of their own.

        Raises:
            QueryError: a camera is selected that is not known.
        """
        ...

    def vectors(self) -> VectorTable:
        """The vectors of everybody, to be scanned; call it inside of a snapshot."""
        ...

    def portraits(self) -> NDArray[np.intp]:
        """Which rows of ``vectors`` are the first crop of somebody, not of a thing: intp (n,), rising; call it inside of a snapshot."""
        ...

    def sample(self, count: int, selection: Selection = EVERYBODY) -> NDArray[np.float32]:
        """At most ``count`` vectors of those selected, chosen by nothing that tells people apart: float32 (m, d)."""
        ...

    def selected(self, selection: Selection) -> Selected:
        """How many people are selected. Raises ``QueryError`` for a camera that is not known."""
        ...

    def looked_into(self, selection: Selection = EVERYBODY) -> LookedInto:
        """In which media people were looked for, of those selected. Raises ``QueryError`` for a camera that is not known."""
        ...

    def cameras(self) -> list[Camera]:
        """All cameras that are known, by name."""
        ...

    def seen_by_cameras(self) -> list[SeenBy]:
        """The same, with what each has seen, but for those that saw nobody and are not corrected."""
        ...

    def zones(self, cameras: Sequence[str] = ()) -> set[str | None]:
        """In which the times of these cameras' media, or of all, were told."""
        ...

    def vector_of(self, person: Person, crop: Crop | None = None) -> NDArray[np.float32]:
        """The vector of somebody's crop, or of their first, float32 (d,). Raises ``IndexFault`` if they are gone."""
        ...

    def worn_of(self, person: Person, crop: Crop | None = None) -> NDArray[np.uint8]:
        """What is worn in somebody's crop, or in their first, uint8 (2a,); zeros if not known. Raises ``IndexFault`` if they are gone."""
        ...

    def thumbnail_of(self, person: Person, crop: Crop | None = None) -> bytes | None:  # noqa: ARG002 - of an index without
        """The small JPEG that came with somebody's crop, or with their first, if one did."""
        return None

    def counts(self) -> tuple[int, int]:
        """How many people there are, and how many media that are away; call it inside of a snapshot."""
        ...

    def info(self) -> IndexInfo: ...


class Tallied(NamedTuple):
    """What tells whether another index holds the same of a media.

    Args:
        path: as :func:`passerby.devices.path_as_told` says it, as the bytes that it is sorted by.
        tally: of its people, a number that is equal only for equal people: it grows by a random number with each that comes, from 0.
        facts: a number that is another for other facts of the media itself.
    """

    path: bytes
    tally: int
    facts: int


@dataclass(frozen=True, slots=True)
class Grown:
    """A media, and who came to it since its people had a tally.

    Args:
        facts: as of `Tallied`.
        whole: whether they never had that tally: then these are all of its people.
        people: each with the tally up to them, in the order in which they came.
    """

    media: Media
    facts: int
    whole: bool
    people: Iterator[tuple[Sighting, int]]


@runtime_checkable
class Outgoing(Index, Protocol):
    """An index whose people can be told to another one."""

    @property
    def model(self) -> IndexedModel | None: ...

    def stamp(self) -> Stamp: ...

    def tallies(self) -> Iterator[Tallied]:
        """What tells all media apart, by path; inside of a snapshot."""
        ...

    def grown(self, path: Path, tally: int) -> Grown | None:
        """Who came to a media since a tally; ``None`` if it is there no more. Inside of a snapshot."""
        ...


@runtime_checkable
class Copyable(Index, Protocol):
    """An index of which another can be made as it is."""

    def model_of_all(self) -> IndexedModel | None:
        """The model that made it; ``None`` until something was indexed."""
        ...

    def stamp(self) -> Stamp: ...

    def sightings(self, after: int, count: int) -> list[tuple[Media, Sighting]]:
        """So many people with larger ids, by id, as they were put; of a person without signatures in all crops there are none."""
        ...

    def media_after(self, path: bytes, count: int) -> list[Media]:
        """So many media with larger paths, by path."""
        ...

    def suppression(self) -> Suppression: ...

    def keep_out(self, suppression: Suppression) -> None:
        """Inside of ``writing``: keep others out instead of those who are."""
        ...

    def copied(self) -> tuple[str, int]:
        """What it becomes a copy of, empty for nothing, and the largest id of a person that was ever given."""
        ...

    def copy_from(self, origin: str) -> None:
        """Inside of ``writing``: remember what it becomes a copy of; empty once it is one."""
        ...


def as_index(value: object) -> Index:
    """The value, if it is an index. Raises ``InputError``."""
    return require(value, Index, "an open index", "open it: Index.open(folder)")  # type: ignore[type-abstract]
