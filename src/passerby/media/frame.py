"""A video and its frames, whoever decodes them: facts, moments, what could not be read, and which moments are looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, fields
from functools import cached_property
from math import ceil, floor
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from passerby.errors import InputError, VideoError
from passerby.media.clock import Instant
from passerby.media.photo import MAX_PIXELS
from passerby.types import Box

Pixels = NDArray[np.uint8]
"""(height, width, 3), sRGB, upright."""

STAMP_STEP: Final = 1e-3
"""Seconds by which containers round their stamps, so two stamps that are nearer are one."""
_JITTER: Final = 1.0
"""A stamp that goes back by more seconds is a clock that was set anew."""


@dataclass(frozen=True, slots=True)
class Video:
    """What a video's file says of it.

    Args:
        path: absolute.
        width, height: in pixels as it is to be looked at: turned upright, and with square pixels.
        duration: in seconds; ``None`` where the file does not say, as while it is written.
        rate: frames a second on average; ``None`` likewise.
        codec: as FFmpeg, or Pillow of an animation, names it.
        recorded_at: when it was begun, as its camera wrote it into the file; ``None`` where it did not.
        seeks_surely: a seek leads to the stamp that is asked for; not so in streams, in which a stamp may be there twice.
    """

    path: Path
    width: int
    height: int
    duration: float | None
    rate: float | None
    codec: str
    recorded_at: Instant | None = None
    seeks_surely: bool = True


Gaps = tuple[tuple[float, float], ...]
"""From and to which second of a video nothing could be read, rising."""

NEAR_GAPS: Final = 1.0
"""Seconds between two gaps that are told as one, if it is not more."""
_BELIEVED: Final = 60.0
"""Seconds by which the stamp of what cannot be read may be later than what was read."""
_MUCH: Final = 2.0
_MANY: Final = 10
"""Seconds, and frames, that are not just far apart in a file but missing in it: some containers leave out what they cannot read."""
_REORDERED: Final = 2.0
"""Seconds by which frames may be shown later than they are stored."""


def joined(gaps: Gaps, later: Gaps) -> Gaps:
    """Gaps and later ones, those that are near each other made one."""
    told = list(gaps)
    for start, end in later:
        if told and start - told[-1][1] <= NEAR_GAPS:
            told[-1] = told[-1][0], max(end, told[-1][1])
        else:
            told.append((start, end))
    return tuple(told)


@dataclass(slots=True)
class Coverage:
    """What was read of a video so far, and what could not be.

    Args:
        decoded: frames that were decoded, looked at or not.
        broken: frames or stretches that could not be, and were skipped.
        until: the end of the last frame that was decoded, in seconds since the video's start.
        estimated: the file has no times, or not of all frames: they were counted at its rate instead.
        deinterlaced: frames hold two half pictures, which were made one.
        clock_reset: times jumped back, and go on from where they were.
        cut_short_at: where the file ends, in seconds, if it says that it is longer; ``None`` if not, and before the end is reached.
        gaps: from and to which second nothing could be read, rising; those with less than ``NEAR_GAPS`` between them are one.
        missed: about when something was that could not be read, and whose gap did not come yet.
    """

    decoded: int = 0
    broken: int = 0
    until: float = 0.0
    estimated: bool = False
    deinterlaced: bool = False
    clock_reset: bool = False
    cut_short_at: float | None = None
    gaps: Gaps = ()
    missed: float | None = None

    def miss(self, time: float | None) -> None:
        """Count what could not be read; ``time`` is when that was, as far as its stamp can be believed."""
        self.broken += 1
        self.missed = time if time is not None and self.until <= time < self.until + _BELIEVED else self.until

    def reach(self, time: float, end: float, step: float) -> None:
        """Count a frame that was decoded; what was missed lies before it where frames are wanting, and much is wanting only for that."""
        self.decoded += 1
        wanting = time - self.until
        if wanting > max(_MUCH, _MANY * step) and self.decoded > 1:
            self._note_gap(self.until, time)
        elif self.missed is not None:
            if wanting > step / 2:
                self._note_gap(self.until, time)
            elif time > self.missed + _REORDERED:
                self._note_gap(self.missed, self.missed + step)
        self.until = end

    def finish(self, duration: float | None, step: float) -> None:
        """The end is reached, of a file that says that it is so long."""
        if self.cut_short_at is not None and duration is not None:
            self._note_gap(self.cut_short_at, duration)
        elif self.missed is not None:
            self._note_gap(self.until, max(self.missed, self.until + step))

    def _note_gap(self, start: float, end: float) -> None:
        self.gaps, self.missed = joined(self.gaps, ((round(start, 3), round(end, 3)),)), None

    def clear(self) -> None:
        """Forget what was read."""
        for item in fields(self):
            setattr(self, item.name, item.default)


@dataclass(eq=False)
class Frame:
    """A moment of a video; its pixels are made when they are asked for, out of what is decoded already.

    Args:
        time: seconds since the video's start.
        width, height: in pixels, upright.
        draw: makes uint8 pixels (height, width, 3) of a width and a height.
    """

    time: float
    width: int
    height: int
    draw: Callable[[int, int], Pixels] = field(repr=False)

    @cached_property
    def pixels(self) -> Pixels:
        """All pixels, uint8 (height, width, 3), sRGB, upright."""
        return self.draw(self.width, self.height)

    def shrunk(self, longer_side: int) -> Pixels:
        """The whole frame made smaller, uint8 (h, w, 3), so that its longer side has so many pixels; a smaller frame stays as it is.

        Raises:
            InputError: less than one pixel.
        """
        if longer_side < 1:
            raise InputError(expected="a side of at least 1 pixel", found=repr(longer_side), do="correct the size")
        scale = longer_side / max(self.width, self.height)
        return self.pixels if scale >= 1 else self.draw(max(1, round(self.width * scale)), max(1, round(self.height * scale)))

    def crop(self, box: Box) -> Pixels:
        """The pixels of a box in the full size, uint8 (h, w, 3), a copy: whole pixels that the box touches, within the frame.

        Raises:
            InputError: a box outside of the frame.
        """
        left, top = max(0, floor(box.x)), max(0, floor(box.y))
        right, bottom = min(self.width, ceil(box.x + box.width)), min(self.height, ceil(box.y + box.height))
        if left >= right or top >= bottom:
            raise InputError(expected=f"a box within {self.width} x {self.height} pixels", found=repr(box), do="correct the box")
        return self.pixels[top:bottom, left:right].copy()


def require_size(width: int, height: int) -> None:
    """Raises ``VideoError`` for frames without a pixel, or of more than ``MAX_PIXELS``."""
    if not 0 < width * height <= MAX_PIXELS:
        expected = f"a video of 1 pixel to {MAX_PIXELS // 10**6} megapixels"
        raise VideoError(expected=expected, found=f"one of {width} x {height}", do="scale it down")


class Timeline:
    """Stamps to seconds since the start, which never go back.

    Args:
        origin: the stamp of the start, in seconds; ``None`` takes the first one.
        step: seconds from a frame to the next, where stamps do not say.
    """

    def __init__(self, origin: float | None, step: float, coverage: Coverage) -> None:
        self._origin = origin
        self._step = step
        self._coverage = coverage
        self._shift = 0.0
        self._last: float | None = None

    def at(self, stamp: float | None) -> float | None:
        """When a stamp is, if nothing jumps until there; ``None`` before the start is known."""
        return None if stamp is None or self._origin is None else stamp - self._origin + self._shift

    def time(self, stamp: float | None) -> float:
        """The time of the next frame."""
        following = 0.0 if self._last is None else self._last + self._step
        if stamp is None:
            self._coverage.estimated = True
            time = following
        else:
            self._origin = stamp if self._origin is None else self._origin
            time = stamp - self._origin + self._shift
            if time < (self._last or 0.0) - _JITTER:
                self._coverage.clock_reset = True
                self._shift += following - time
                time = following
        self._last = max(time, self._last or 0.0)
        return self._last


def sampled(frames: Iterable[Frame], fps: float | None, start: float) -> Iterator[Frame]:
    """Of each 1/fps seconds the first frame, from a start on; without ``fps`` all.

    The seconds are cut from the video's start on, so a later start gives the same frames as an earlier one.
    """
    last = -1
    for frame in frames:
        if fps is not None:
            cell = floor((frame.time + STAMP_STEP) * fps)
            if cell <= last:
                continue
            last = cell
        if frame.time >= start - STAMP_STEP:
            yield frame


def sampling_start(fps: float | None, start: float) -> float:
    """From where frames are needed, so that those of ``sampled`` do not depend on it."""
    return start if fps is None else max(0.0, floor((start - STAMP_STEP) * fps) / fps - STAMP_STEP)
