"""Everybody in videos into a folder: the boxes of each track as text, and its best crops as pictures."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain, count
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Final

import numpy as np
from PIL import Image

from passerby.detect.following import Followed, Follower
from passerby.detect.people import Detecting
from passerby.detect.tracking.best_crops import BestCrop
from passerby.detect.tracking.tracker import TrackerSettings
from passerby.detect.videos import FPS, guessed, look, size_for
from passerby.detect.written import mot
from passerby.detect.written.crops import write_crop
from passerby.errors import VideoError
from passerby.media.frame import Pixels, Video
from passerby.media.motion import Motion
from passerby.media.video import frames, open_video
from passerby.progress import Progress
from passerby.types import Failure, Note, Watched

TRACKS: Final = "tracks"
_LONGEST_NAME: Final = 230
"""Bytes of a video's name, so that there is room for what follows it in names of files."""

Write = Callable[[str, Image.Image], str]
"""Writes a picture by what it is called; says where."""


@dataclass(frozen=True, slots=True, eq=False)
class Following:
    """How people are followed through videos.

    Args:
        detecting: how they are looked for; its ``size`` 0 lets the video say, as :func:`passerby.detect.videos.size_for`.
        fps: frames that are looked at each second.
        motion: take people for where they were while nothing moves, and do not look.
        min_score: what the detector's surest box of somebody has at least; ``None`` for what an index asks for.
        save_crops: whether to write the best crops as pictures.
    """

    detecting: Detecting
    fps: float = FPS
    motion: bool = False
    min_score: float | None = None
    save_crops: bool = False


@dataclass(frozen=True, slots=True)
class Track:
    """Somebody in a video.

    Args:
        first, last: seconds of the first and the last box.
        score: of the boxes, on average.
        boxes: how many there are.
        static: whether it is a thing that looks like a person and never moves.
        crops: the best ones, the best first, each with its second, box, quality and, where it is kept, file.
    """

    id: int
    first: float
    last: float
    score: float
    boxes: int
    static: bool
    crops: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Film:
    """What was written of a video.

    Args:
        size: what the longer side of its frames was brought to, in pixels.
        file: with the boxes, from the folder on.
        tracks: by their ids.
    """

    video: Video
    size: int
    file: str
    watched: Watched
    tracks: tuple[Track, ...]
    notes: tuple[Note, ...]

    def to_json(self) -> dict[str, Any]:
        """Ready for ``json.dumps``."""
        video, watched = self.video, self.watched
        told = {"path": str(video.path), "width": video.width, "height": video.height, "rate": video.rate, "duration": video.duration}
        cut_short_at = None if watched.cut_short_at is None else round(watched.cut_short_at, 3)
        read = {"watched": round(watched.seconds, 3), "gaps": watched.gaps, "cut_short_at": cut_short_at, "broken": watched.broken}
        looked = {"size": self.size, "still": watched.still, "file": self.file}
        return {**told, **read, **looked, "tracks": [asdict(track) for track in self.tracks]}


def write_films(folder: Path, paths: Sequence[Path], following: Following, on_watched: Progress) -> Generator[Film | Failure]:
    """Follow everybody through videos into a folder, one result for each path and in their order.

    Args:
        on_watched: is told how many seconds of all videos are done, and how many there are, as their files say.

    Raises:
        ModelError: from the detector; a bad video never raises, it is a ``Failure``.
        OSError: no space.
    """
    opened = [_opened(path) for path in paths]
    total = sum(video.duration or 0.0 for video in opened if isinstance(video, Video))
    done = 0.0

    def tell(before: float, at: float) -> None:
        on_watched(round(before + at), round(max(before + at, total)))

    for video, name in zip(opened, names_of(paths), strict=True):
        if isinstance(video, Failure):
            yield video
            continue
        try:
            film = write_film(folder, name, video, following, partial(tell, done))
        except VideoError as error:
            yield Failure(video.path, str(error))
        else:
            done += film.watched.seconds
            yield film


def _opened(path: Path) -> Video | Failure:
    try:
        return open_video(path)
    except VideoError as error:
        return Failure(path, str(error))


def names_of(paths: Iterable[Path]) -> Iterator[str]:
    """What each video is called: as its file without the ending, with a number behind it where an earlier one is called so."""
    taken = set[str]()
    for path in paths:
        own = os.fsdecode(os.fsencode(path.stem)[:_LONGEST_NAME])
        name = next(name for name in chain([own], (f"{own}-{number}" for number in count(2))) if name.casefold() not in taken)
        taken.add(name.casefold())
        yield name


def write_film(folder: Path, name: str, video: Video, following: Following, on_watched: Callable[[float], None]) -> Film:
    """Follow everybody through a video into a folder; nothing of it is there where it cannot be read.

    Memory holds the numbers of tracks, and pictures of people who are still there.

    Args:
        name: what the video is called in the folder.
        on_watched: is told to which second it was looked at.

    Raises:
        VideoError: the video cannot be read.
        ModelError: from the detector.
        OSError: no space.
    """
    write = partial(write_crop, folder) if following.save_crops else None
    settings = None if following.min_score is None else TrackerSettings(sure=following.min_score)
    follower = Follower(np.asarray if write else _nothing, settings)
    motion, size = Motion() if following.motion else None, size_for(following.detecting, video)
    tracks, still, last = list[Track](), 0, None
    with TemporaryFile("w+", dir=folder) as boxes, frames(video.path, following.fps) as read:
        with closing(look(read, following.detecting, size, motion)) as looked:
            for frame, found, coverage in looked:
                moment = follower.see(frame, found)
                boxes.writelines(mot.lines(coverage.decoded, moment.ids, found))
                tracks += [_track(one, name, write) for one in moment.ended]
                still, last = still + (found is last), found
                on_watched(coverage.until)
        tracks += [_track(one, name, write) for one in follower.finish()]
        file = f"{TRACKS}/{name}.txt"
        (folder / TRACKS).mkdir(exist_ok=True)
        boxes.seek(0)
        with (folder / file).open("w") as target:
            target.writelines(mot.lines_of(boxes, {track.id for track in tracks if not track.static}))
    seen = read.coverage
    watched = Watched(seen.until, seen.broken, seen.cut_short_at, seen.clock_reset, seen.gaps, still)
    notes = tuple(Note(video.path, said) for said in guessed(watched, estimated=seen.estimated))
    return Film(video, size, file, watched, tuple(sorted(tracks, key=lambda track: track.id)), notes)


def _nothing(_: Image.Image) -> Pixels:
    """What is kept of a crop that is not to be written."""
    return np.empty((0, 0, 3), np.uint8)


def _track(one: Followed, name: str, write: Write | None) -> Track:
    track, scores = one.track, one.track.trajectory.scores
    crops = tuple(_crop(crop, f"{name}_{track.id:04}_{rank}", write) for rank, crop in enumerate(one.crops, 1))
    score = round(float(scores.mean()), 4)
    return Track(track.id, round(track.first, 3), round(track.last, 3), score, track.trajectory.seen, track.static, crops)


def _crop(crop: BestCrop[Pixels], name: str, write: Write | None) -> dict[str, Any]:
    left, top, right, bottom = crop.box
    told = {"time": round(crop.time, 3), "box": [left, top, right - left, bottom - top], "quality": round(crop.quality, 4)}
    return told | ({"file": write(name, Image.fromarray(crop.picture))} if write else {})
