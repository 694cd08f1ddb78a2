"""Video files into an index, stretch by stretch: stopped at any moment, the next run goes on from the last one."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from passerby.errors import InputError, VideoError
from passerby.find.ingest.videos import Reel, Stretch, Watching, is_readable, seen_until, time_of
from passerby.find.retention import Keeping
from passerby.index.base import Index
from passerby.index.looked_into import Gap
from passerby.index.sqlite.vector_file import TAIL
from passerby.media.clock import Instant, KnownBy, instant_of
from passerby.media.frame import Video
from passerby.media.growing import begins_with, read_video_media
from passerby.media.video import open_video, why_no_video
from passerby.types import Media, Note

NO_DETECTOR = "expected a detector to find people in videos, found none; name one with --detector, and leave out --crops"

OnWatched = Callable[[int, int], None]
"""Told how many seconds of the new and changed videos are done, safely on the disk, and how many there are."""


@dataclass(slots=True)
class Tally:
    """What became of the videos of a run.

    Args:
        told: how far it is.
        total: seconds of all videos that are to be looked at, as their files say.
        videos: that were read to their end.
        tracks, static: people in them, and things that look like people.
        seconds: that were looked at.
        notes: what had to be guessed or left out.
        gaps: stretches that could not be read.
        still: frames that were not looked at, as nothing had moved.
    """

    told: OnWatched
    total: float = 0.0
    videos: int = 0
    tracks: int = 0
    static: int = 0
    seconds: float = 0.0
    notes: list[Note] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    still: int = 0
    _done: float = 0.0

    def add(self, stretch: Stretch, start: float) -> None:
        """Count a stretch of a video that begins at a second of it."""
        seconds = max(0.0, seen_until(stretch.media) - start)
        self.seconds += seconds
        self.tracks += sum(not one.static for one in stretch.people)
        self.static += sum(one.static for one in stretch.people)
        self.videos += stretch.checkpoint is None
        self.notes += [Note(stretch.media.path, note) for note in stretch.notes]
        self.skip(seconds)

    def skip(self, seconds: float) -> None:
        """Take seconds for done."""
        self._done += seconds
        self.told(round(self._done), round(max(self._done, self.total)))


def why_unwatchable(watching: Watching | None) -> str:
    """What is missing here to look at videos, in one line; empty if nothing is."""
    return NO_DETECTOR if watching is None else why_no_video()


def seconds_of(paths: Sequence[Path], heed: Callable[[], None]) -> float:
    """How long videos are, as their files say; ``heed`` is called before each."""
    total = 0.0
    for path in paths:
        heed()
        video = facts_of(path)
        total += (video and video.duration) or 0.0
    return total


def facts_of(path: Path) -> Video | None:
    """What a video's file says of it; ``None`` where it cannot be read."""
    with suppress(VideoError, OSError):
        return open_video(path)
    return None


def begun_at(video: Video | None, modified_ns: int) -> Instant | None:
    """When a video was begun, as its file says or, an estimate, so long before it was last changed as it takes; ``None`` if neither."""
    if video is None:
        return None
    if video.recorded_at is not None or video.duration is None:
        return video.recorded_at
    with suppress(InputError):
        return Instant(modified_ns / 1e9 - video.duration, None, KnownBy.FILE)
    return None


def reel_of(index: Index, path: Path, watching: Watching, dated: Callable[[Media, Video], Media]) -> Reel:
    """A video to be looked at from where an earlier run left off if there was one, or near where the file ended if it grew since.

    Args:
        dated: says of a media when and by which camera it was taken.

    Raises:
        VideoError: it cannot be read.
    """
    video = open_video(path)
    media = dated(read_video_media(path), video)
    return Reel(media, video, _checkpoint(index, media, watching))


def hold(index: Index, reel: Reel, stretches: Generator[Stretch], tally: Tally) -> None:
    """Commit what comes of a video, stretch by stretch.

    Raises:
        VideoError: it cannot be read; what was committed of it stays.
        ModelError: from the detector or the encoder; likewise.
    """
    media, keeping = reel.media, Keeping.of(index)
    until = time_of(reel.checkpoint) if reel.checkpoint else 0.0
    tally.skip(until)
    goes_on = reel.checkpoint is not None
    with closing(stretches):
        for stretch in stretches:
            people = keeping.people(stretch.media, stretch.people)
            with index.writing():
                if goes_on:
                    index.put_again(stretch.media, people, stretch.gone)
                else:
                    index.put(stretch.media, people)
                if stretch.checkpoint is None:
                    index.rest(media.path, stretch.rest)
                else:
                    index.leave_off(media.path, stretch.checkpoint)
            index.settle(TAIL)
            tally.add(stretch, until)
            if stretch.checkpoint is None:
                tally.still += stretch.media.watched.still if stretch.media.watched else 0
                tally.gaps += Gap.of(media.path, stretch.media.watched, instant_of(media), keeping.offsets.get(media.camera or "", 0.0))
            goes_on, until = True, seen_until(stretch.media)


def _checkpoint(index: Index, media: Media, watching: Watching) -> str | None:
    """From where a video is gone on with that was read before: as it is, or up to where its file ended then."""
    known = index.standing(media.path)
    if known is None or known.digest is None or not watching.is_current(known.sought):
        return None
    left_off = index.left_off(media.path)
    if known.digest == media.digest:
        return left_off if left_off and is_readable(left_off) else None
    checkpoint = left_off or index.rests(media.path)
    if checkpoint is None or not is_readable(checkpoint) or watching.quick:  # how often keyframes come is told by all of a file
        return None
    grew = known.size < media.size and begins_with(media.path, known.size, known.digest)
    return checkpoint if grew else None
