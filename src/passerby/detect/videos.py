"""Videos to the people in them: which frames are looked at, and how, by several threads at once."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Final

import numpy as np

from passerby.detect.detector import Detections, Detector, TunableDetector
from passerby.detect.people import Detecting
from passerby.detect.photos import tall
from passerby.look_ahead import look_ahead
from passerby.media.frame import Coverage, Frame, Video
from passerby.media.motion import Motion
from passerby.media.video import Frames
from passerby.types import Watched

FPS: Final = 5.0
"""Frames that are looked at each second: at fewer, tracks break."""
SIZE: Final = 512
"""Pixels that a frame's longer side is brought to for the detector."""
LARGER_SIZE: Final = 832
"""The same of a video of at least ``LARGE`` lines."""
LARGE: Final = 1080
WORKERS: Final = 2
"""Threads that look at frames, each at one: they beat one look by two threads."""
AHEAD: Final = 2 * WORKERS
UNSURE: Final = 0.5
"""Share of a detector's own threshold from which boxes continue tracks; what is less sure is mostly nobody."""


def size_for(detecting: Detecting, video: Video) -> int:
    """What a video's longer side is brought to, in pixels: to what is asked for, or else to ``SIZE``, or ``LARGER_SIZE`` if it is large."""
    return detecting.size or (LARGER_SIZE if min(video.width, video.height) >= LARGE else SIZE)


def look(
    read: Frames, detecting: Detecting, size: int, motion: Motion | None = None, last: Detections | None = None
) -> Generator[tuple[Frame, Detections, Coverage]]:
    """Each frame of a video, who is in it, and what was read until then.

    Args:
        size: what a frame's longer side is brought to.
        motion: tells in which frames nothing moved; these have the very people of the last one that was looked at.
        last: who those are before the first frame.

    Raises:
        VideoError: the video cannot be read.
        ModelError: from the detector.
    """
    detector = unsure_too(detecting.detector)

    def work(item: tuple[Frame, bool, Coverage]) -> tuple[Frame, Detections | None, Coverage]:
        frame, moves, coverage = item
        return frame, people_in(frame, detector, size, detecting.min_height) if moves else None, coverage

    items = ((frame, motion is None or motion.is_seen(frame), replace(read.coverage)) for frame in read)
    with closing(look_ahead(items, work, AHEAD, WORKERS)) as looked:
        for frame, found, coverage in looked:
            last = last if found is None else found
            if last is not None:
                yield frame, last, coverage


def people_in(frame: Frame, detector: Detector, size: int, min_height: float) -> Detections:
    """Who is in a frame whose longer side is brought to ``size``, but for those of less than ``min_height`` pixels of the frame."""
    small = frame.shrunk(size)
    found = detector.detect(small, size)
    scale = np.array([frame.width / small.shape[1], frame.height / small.shape[0]] * 2, np.float32)
    return tall(Detections((found.boxes * scale).astype(np.float32), found.scores), min_height)


def unsure_too(detector: Detector) -> Detector:
    """A detector that says of whom it is unsure, too: such boxes continue tracks of people who are half hidden."""
    return detector.at(UNSURE * detector.threshold) if isinstance(detector, TunableDetector) else detector


def guessed(watched: Watched, *, estimated: bool) -> Iterator[str]:
    """What had to be guessed or left out of a video, in lines for people.

    Args:
        estimated: whether times of frames were.
    """
    if watched.cut_short_at is not None:
        yield "the file ends earlier than it says, and was read to there"
    if watched.broken:
        yield "frames that cannot be decoded were skipped"
    if watched.clock_reset:
        yield "its clock jumps back: times go on from where they were"
    if estimated:
        yield "its file has no times of all frames: they were counted at its rate"
