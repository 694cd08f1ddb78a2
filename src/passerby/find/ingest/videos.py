"""A video to the people in it, with a vector for each of their best crops; in stretches, each of which can be gone on from."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import islice, pairwise
from math import inf
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from passerby.detect.detector import Detections
from passerby.detect.following import Followed, Follower, Prepare, box_between
from passerby.detect.people import SMALLEST, Detecting
from passerby.detect.videos import FPS, guessed, look, size_for
from passerby.index.sighting import Sighting
from passerby.inputs import wrong
from passerby.media.frame import STAMP_STEP, Coverage, Gaps, Pixels, Video, joined
from passerby.media.motion import Motion
from passerby.media.signature import signature
from passerby.media.video import frame_at, frames, frames_at
from passerby.model.encode import encode_pixels
from passerby.model.encoder import Encoder
from passerby.model.preprocess import Preprocessing, resize
from passerby.model.worn import worn_bytes
from passerby.types import Crop, Media, Sought, Watched

MOST_FPS: Final = 60.0

STRETCH: Final = 15.0
"""Seconds of a video after which all that is known is committed; never depends on how fast it goes, so that every run does the same."""
AT_ONCE: Final = 16
"""People whose tracks ended who are committed at once, earlier."""

_SAFELY: Final = 3.0
_REORDERED: Final = 20
_FORM: Final = 2
"""How checkpoints are written, and frames looked at by default: changes with either."""
_KEYFRAMES: Final = 9
_EACH_SECOND: Final = 1.1
"""Seconds between keyframes that come each second."""


@dataclass(frozen=True, slots=True, eq=False)
class Watching:
    """How the videos of a run are looked at.

    Args:
        detecting: how people are looked for; its ``size`` 0 lets the video say, as :func:`passerby.detect.videos.size_for`.
        fps: frames that are looked at each second.
        quick: look at keyframes alone, where they come each second.
        motion: take people for where they were while nothing moves, as :mod:`passerby.media.motion` tells, and do not look.

    Raises:
        InputError: a number of frames that cannot be.
    """

    detecting: Detecting
    fps: float = FPS
    quick: bool = False
    motion: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.fps, bool) or not isinstance(self.fps, int | float) or not 0 < self.fps <= MOST_FPS:
            raise wrong(self.fps, f"frames a second, above 0 and at most {MOST_FPS:g}", "correct --fps")

    def size_of(self, video: Video) -> int:
        """What a video's longer side is brought to."""
        return size_for(self.detecting, video)

    def sought(self, smallest: float = 0.0) -> Sought:
        """How people are looked for, as an index keeps it."""
        detecting = self.detecting
        return Sought(
            detecting.detector.digest, detecting.size, float(detecting.min_height), smallest, float(self.fps), self.quick, self.motion
        )

    def sought_in(self, video: Video) -> Sought:
        """The same of a video, with whom that misses."""
        smallest = SMALLEST * max(video.width, video.height) / self.size_of(video)
        return self.sought(max(float(self.detecting.min_height), smallest))

    def is_current(self, sought: Sought | None) -> bool:
        """Whether people were looked for just so."""
        return sought is not None and sought.settings == self.sought().settings


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """What came of a stretch of a video.

    Args:
        media: the video, watched so far.
        people: whose tracks ended in it.
        checkpoint: from where to go on; ``None`` at the video's end.
        notes: at its end, what had to be guessed or left out of all.
        rest: at its end, from where to go on should the file grow.
        gone: at its end, tracks that an earlier run of less of it gave, and this one did not.
    """

    media: Media
    people: tuple[Sighting, ...]
    checkpoint: str | None
    notes: tuple[str, ...] = ()
    rest: str = ""
    gone: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Reel:
    """A video that is to be looked at.

    Args:
        media: as it is to be held.
        checkpoint: of an earlier run of the same settings and bytes, or of the bytes that the file began with then, to be gone on from;
            ``None`` for the whole video.
    """

    media: Media
    video: Video
    checkpoint: str | None = None


def watch(encoder: Encoder, reel: Reel, watching: Watching) -> Generator[Stretch]:
    """Find and encode everybody in a video, stretch by stretch.

    After a checkpoint comes what a run from the start would give from there on, also of tracks that the earlier run gave, as the file
    ended in the midst of them.

    Raises:
        VideoError: the video cannot be read.
        ModelError: from the detector or the encoder.
    """
    video, checkpoint = reel.video, reel.checkpoint
    media = replace(reel.media, sought=watching.sought_in(video))
    cut = partial(prepare, p=encoder.preprocessing)
    known = _Place.from_json(checkpoint) if checkpoint else _Place(_Before(), Follower(cut).state())
    before, places, again = known.before, _Places(known, _margin(video)), set(known.again)
    seek = video.seeks_surely and not before.clock_reset
    follower = _went_on(known.people, media.path, cut, seek)
    keyframes = watching.quick and _come_each_second(media.path)
    looked_at = frame_at(media.path, known.looked_at.time, seek=seek) if watching.motion and known.looked_at.time is not None else None
    motion = Motion(looked_at) if watching.motion else None
    start = 0.0 if before.time is None else before.time + 2 * STAMP_STEP
    since, seen, ended, lately = before.time or 0.0, before, list[Followed](), known.looked_at
    with frames(media.path, watching.fps, start=start, keyframes=keyframes, seek=seek) as read:
        counted = 0 if before.time is None else None  # broken frames that the earlier run met, too
        with closing(look(read, watching.detecting, watching.size_of(video), motion, lately.found)) as looked:
            for frame, found, coverage in looked:
                counted = coverage.broken if counted is None else counted
                still = found is lately.found
                lately = lately if still or motion is None else _LookedAt(frame.time, found)
                seen = replace(before.followed_by(frame.time, coverage, counted), still=seen.still + still)
                ended += follower.see(frame, found).ended
                if frame.time - since >= STRETCH or len(ended) >= AT_ONCE:
                    again -= places.ended(ended)
                    place = _Place(seen, follower.state(), frozenset(again), lately)
                    places.reached(place)
                    yield Stretch(seen.watched(media), tuple(sightings(encoder, ended)), place.to_json())
                    since, ended = frame.time, []
        seen = replace(before.followed_by(seen.time, read.coverage, counted or 0), still=seen.still)
        ended += follower.finish()
        again -= places.ended(ended)
        whole = seen.watched(media, read.coverage.cut_short_at)
        notes, rest = tuple(guessed(whole.watched or Watched(), estimated=read.coverage.estimated)), places.last(seen.until).to_json()
        yield Stretch(whole, tuple(sightings(encoder, ended)), None, notes, rest, tuple(sorted(again)))


def seen_until(media: Media) -> float:
    """To which second a video was looked at."""
    return media.watched.seconds if media.watched else 0.0


def is_readable(checkpoint: str) -> bool:
    """Whether this version goes on from a checkpoint; from another's, a video is looked at from its start."""
    return bool(json.loads(checkpoint).get("form") == _FORM)


def time_of(checkpoint: str) -> float:
    """The second from which a checkpoint goes on."""
    return _Place.from_json(checkpoint).before.until


@dataclass(frozen=True, slots=True)
class _Before:
    """What was read of a video: up to which frame and second, what of it could not be, and whether its clock jumped back.

    Args:
        time: of the last frame that was looked at; ``None`` before the first.
    """

    time: float | None = None
    until: float = 0.0
    broken: int = 0
    clock_reset: bool = False
    gaps: Gaps = ()
    still: int = 0

    def followed_by(self, time: float | None, coverage: Coverage, known: int) -> _Before:
        """With what was read since, but for so many broken frames that were counted before."""
        reset = self.clock_reset or coverage.clock_reset
        gaps = joined(self.gaps, tuple((start, end) for start, end in coverage.gaps if end > self.until + STAMP_STEP))
        return _Before(time, max(self.until, coverage.until), self.broken + max(0, coverage.broken - known), reset, gaps, self.still)

    def watched(self, media: Media, cut_short_at: float | None = None) -> Media:
        return replace(media, watched=Watched(self.until, self.broken, cut_short_at, self.clock_reset, self.gaps, self.still))

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, known: dict[str, Any]) -> _Before:
        return cls(**{**known, "gaps": tuple((start, end) for start, end in known.get("gaps", ()))})


@dataclass(frozen=True, slots=True, eq=False)
class _LookedAt:
    """The frame that was looked at last, and who was in it; ``None`` before the first."""

    time: float | None = None
    found: Detections | None = None

    @classmethod
    def from_json(cls, known: dict[str, Any]) -> _LookedAt:
        if known["time"] is None:
            return cls()
        boxes, scores = np.array(known["boxes"], np.float32).reshape(-1, 4), np.array(known["scores"], np.float32)
        return cls(known["time"], Detections(boxes, scores))

    def to_json(self) -> dict[str, Any]:
        found = {} if self.found is None else {"boxes": self.found.boxes.tolist(), "scores": self.found.scores.tolist()}
        return {"time": self.time, **found}


@dataclass(frozen=True, slots=True)
class _Place:
    """A place in a video from where it is read on.

    Args:
        before: what was read until there.
        people: who is followed there, a :meth:`passerby.detect.following.Follower.state`.
        again: tracks that end later and were given before, by a run that read less of the file.
        looked_at: what was looked at last, where frames are skipped.
    """

    before: _Before
    people: dict[str, Any]
    again: frozenset[int] = frozenset()
    looked_at: _LookedAt = field(default_factory=_LookedAt)

    @classmethod
    def from_json(cls, text: str) -> _Place:
        known = json.loads(text)
        return cls(
            _Before.from_json(known["before"]),
            known["people"],
            frozenset(known.get("again", ())),
            _LookedAt.from_json(known.get("looked_at", {"time": None})),
        )

    def to_json(self) -> str:
        state = {"before": self.before.to_json(), "people": self.people, "again": sorted(self.again), "looked_at": self.looked_at.to_json()}
        return json.dumps({"form": _FORM, **state}, separators=(",", ":"))


class _Places:
    """Where a video is read on should it grow: of the places that were passed, the last one that is safely before its end.

    The last frames of a file that is being written may be there in part, and others that are shown before them not yet.
    """

    def __init__(self, start: _Place, margin: float) -> None:
        self._places, self._margin = [start], margin

    def ended(self, tracks: Sequence[Followed]) -> set[int]:
        """Tracks that ended since the last place; their ids."""
        ids = {one.track.id for one in tracks}
        self._places = [replace(place, again=place.again | ids) for place in self._places]
        return ids

    def reached(self, place: _Place) -> None:
        self._places.append(place)
        self._leave(place.before.until)

    def last(self, end: float) -> _Place:
        self._leave(end)
        return self._places[0]

    def _leave(self, end: float) -> None:
        """Keep the last place that is so far before an end, and those after it."""
        while len(self._places) > 1 and self._places[1].before.until <= end - self._margin:
            del self._places[0]


def _margin(video: Video) -> float:
    """How many seconds before its end a growing file is read on: more frames than a decoder puts into another order."""
    return max(_SAFELY, _REORDERED / video.rate) if video.rate else _SAFELY


def _went_on(people: dict[str, Any], path: Path, cut: Prepare, seek: bool) -> Follower:
    return Follower.from_state(people, cut, lambda times: frames_at(path, times, seek=seek))


def _come_each_second(path: Path) -> bool:
    with frames(path, None, keyframes=True) as read:
        times = [frame.time for frame in islice(read, _KEYFRAMES)]
    return max((late - early for early, late in pairwise(times)), default=inf) <= _EACH_SECOND


def prepare(image: Image.Image, p: Preprocessing) -> Pixels:
    return resize(image, p.height, p.width, p.resample)


def sightings(encoder: Encoder, ended: Sequence[Followed]) -> Iterator[Sighting]:
    """People with the vectors of their crops; none of whom there is no picture."""
    seen = [one for one in ended if one.crops]
    if not seen:
        return
    vectors, worn = encode_pixels(encoder, np.stack([crop.picture for one in seen for crop in one.crops]))
    start = 0
    for one in seen:
        track, own = one.track, slice(start, start := start + len(one.crops))
        yield Sighting(
            tuple(Crop(box_between(*crop.box), crop.time, round(crop.quality, 4)) for crop in one.crops),
            vectors[own],
            track.id,
            track.first,
            track.last,
            np.stack([signature(crop.picture) for crop in one.crops]),
            worn_bytes(worn[own]) if worn.shape[1] else None,
            track.static,
        )
