"""Clips: a stretch of a video as an MP4 of its own that browsers play, its frames copied where that can be, else encoded as H.264."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from fractions import Fraction
from heapq import merge
from itertools import chain, takewhile
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from passerby.atomic import replacing
from passerby.drafts import remove_abandoned
from passerby.errors import InputError, VideoError
from passerby.media.animation import is_animation
from passerby.media.frame import STAMP_STEP, Frame, Pixels, Video
from passerby.media.stream_copy import Dated, has_clock_reset, is_playable, packet_run, sound_run
from passerby.media.video import ffmpeg, frames, open_video, opened_container

if TYPE_CHECKING:
    from av import VideoStream
    from av.container import OutputContainer

Change = Callable[[float, Pixels], Pixels]
"""Of a moment in seconds since the video's start and its pixels, uint8 (h, w, 3), what is shown instead, of the same shape."""

SUFFIX: Final = ".mp4"
_LEAD: Final = 2.0
"""A copy begins at a keyframe; where that is by more seconds too early, the clip is encoded."""
_ENCODER: Final = "libx264"
_QUALITY: Final = {"preset": "veryfast", "crf": "20"}
_TICKS: Final = 90_000
"""Of a second: frames keep their own times."""
_USUAL_RATE: Final = 25.0
_BT709: Final = 1
_LIMITED: Final = 1


@dataclass(frozen=True, slots=True)
class Clip:
    """What was written.

    Args:
        start, end: when its first and its last frame are shown in the video that it is of, in seconds since that one's start.
        frames: how many there are.
        copied: whether they are the video's own, bit for bit.
        sound: whether it has any.
    """

    start: float
    end: float
    frames: int
    copied: bool
    sound: bool


def cut(video: Path, start: float, end: float, out: Path, *, change: Change | None = None, audio: bool = False, threads: int = 1) -> Clip:
    """Write the frames of a stretch of a video as an MP4 file that browsers play, whole or not at all.

    They are copied where a browser plays them as they are: H.264, VP9 or AV1 of 8 bits, upright, with square pixels and stamps, not
    interlaced. Such a clip begins at the last keyframe at or before ``start``, if one is near. What was copied is decoded as a proof,
    and encoded instead where that fails. Encoded frames are H.264, upright, each at its own time. What the file says of its camera and
    its place is left out.

    Args:
        start, end: seconds since the video's start, both of the stretch; what lies outside of the video is cut off.
        out: ends in ``.mp4``; a file that is there makes way, but for the video itself.
        change: makes of each frame what is shown, such as with a box drawn.
        audio: keep the sound as it is, where there is one that a browser plays and the video's clock does not jump back; otherwise there
            is none.
        threads: that encode.

    Raises:
        InputError: a stretch that ends before it starts, another suffix, or the video itself as ``out``.
        VideoError: the video cannot be read, has no frame there, or there is no encoder.
        MissingExtra: PyAV is not installed.
        OSError: the file cannot be written.
    """
    if not (-inf < start < inf and max(0.0, start) <= end < inf):
        raise InputError(expected="a stretch that ends after its start", found=f"{start!r} to {end!r} s", do="correct the times")
    require_name(out, video)
    start = max(0.0, start)
    facts = open_video(video)
    streams = not is_animation(video)
    seek = not (streams and _is_joined(video))
    sound = audio and streams and seek
    remove_abandoned(out)
    with replacing(out) as file:
        draft = Path(file.name)
        with _naming(draft, out):
            copied = _copy(video, start, end, draft, sound) if streams and seek and not change else None
            return copied or _encode(facts, start, end, draft, change, sound, threads, seek)


@contextmanager
def _naming(draft: Path, out: Path) -> Iterator[None]:
    """Let a full disk be said with the name of the clip, not that of its draft."""
    try:
        yield
    except OSError as error:
        if error.filename == _url(draft):
            raise OSError(error.errno, error.strerror, str(out)) from None
        raise


def require_name(out: Path, video: Path) -> None:
    """Refuse what no clip of a video can be called. Raises ``InputError``."""
    if out.suffix.lower() != SUFFIX:
        raise InputError(expected=f"a clip's name that ends in {SUFFIX}", found=repr(out.name), do="correct the name")
    if out.exists() and video.exists() and out.samefile(video):
        raise InputError(expected="a file of its own for the clip", found="the video itself", do="name another file")


def _is_joined(video: Path) -> bool:
    """Whether a time may be there twice, so that a seek leads anywhere."""
    try:
        with opened_container(video, threads=1) as source:
            return has_clock_reset(source)
    except ffmpeg().FFmpegError:
        return True


def _copy(video: Path, start: float, end: float, draft: Path, audio: bool) -> Clip | None:
    """The clip as a copy; ``None`` where there can be none."""
    try:
        with opened_container(video, threads=1) as source:
            if not is_playable(source):
                return None
        with packet_run(video, start, end) as run:
            if run is None or run.begin < start - _LEAD:
                return None
            with _writer(draft) as out:
                sound = _mux(out, run.dated(out.add_stream_from_template(run.template, opaque=True)), video, run.begin, end, audio)
    except ffmpeg().FFmpegError as error:
        if isinstance(error, OSError):
            raise
        return None
    clip = Clip(run.begin, run.last, run.count, copied=True, sound=sound)
    return clip if clip.end >= start - STAMP_STEP and _is_whole(draft, clip) else None


def _is_whole(draft: Path, clip: Clip) -> bool:
    """Whether every frame of a copy can be decoded, and as it is."""
    try:
        with frames(draft, None) as found:
            times = [frame.time for frame in found]
    except VideoError:
        return False
    coverage = found.coverage
    return len(times) == clip.frames and times[0] <= STAMP_STEP and not (coverage.broken or coverage.deinterlaced or coverage.clock_reset)


def _encode(facts: Video, start: float, end: float, draft: Path, change: Change | None, audio: bool, threads: int, seek: bool) -> Clip:
    with frames(facts.path, None, start=start, seek=seek) as found:
        within = takewhile(lambda frame: frame.time <= end + STAMP_STEP, found)
        first = next(within, None)
        if first is None:
            until = f"a video that ends at {found.coverage.until:.2f} s" if found.coverage.until < start else "none"
            raise VideoError(expected=f"a frame between {start:.2f} and {end:.2f} s", found=until, do="name other times")
        encoding = _Encoding(first.time, first.time)
        try:
            with _writer(draft) as out:
                stream = _encoder(out, first, facts.rate or _USUAL_RATE, threads)
                sound = _mux(out, encoding.packets(stream, chain([first], within), change), facts.path, first.time, end, audio)
        except ffmpeg().FFmpegError as error:
            if isinstance(error, OSError):
                raise
            if audio:  # of which packets may be damaged
                return _encode(facts, start, end, draft, change, False, threads, seek)
            refused = f"{first.width} x {first.height} pixels, which the encoder refuses"
            raise VideoError(expected="frames that H.264 can hold", found=refused, do="convert the video") from None
    return Clip(first.time, encoding.last, encoding.count, copied=False, sound=sound)


@dataclass(slots=True)
class _Encoding:
    """Frames on the way into a stream.

    Args:
        begin: when the first one is shown.
        last: when the last one so far is.
        count: how many there were.
    """

    begin: float
    last: float
    count: int = 0

    def packets(self, stream: VideoStream, shown: Iterable[Frame], change: Change | None) -> Iterator[Dated]:
        stamp = -1
        for frame in shown:
            stamp = max(stamp + 1, round((frame.time - self.begin) * _TICKS))
            self.last, self.count = frame.time, self.count + 1
            pixels = frame.pixels if change is None else change(frame.time, frame.pixels)
            yield from self._dated(stream.encode(_prepared(pixels, stream, stamp)))
        yield from self._dated(stream.encode())

    def _dated(self, packets: Iterable[Any]) -> Iterator[Dated]:
        for packet in packets:
            yield self.begin + float(packet.dts * packet.time_base), packet


def _prepared(pixels: Pixels, stream: VideoStream, stamp: int) -> Any:
    """A frame as the encoder takes it: of even sides, in the colours of BT.709."""
    height, width = pixels.shape[:2]
    even = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    frame = ffmpeg().VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24")
    frame = frame.reformat(stream.width, stream.height, "yuv420p", dst_colorspace=_BT709, dst_color_range=_LIMITED, threads=1)
    frame.pts, frame.time_base = stamp, Fraction(1, _TICKS)
    return frame


def _encoder(out: OutputContainer, first: Frame, rate: float, threads: int) -> VideoStream:
    av = ffmpeg()
    try:
        stream: VideoStream = out.add_stream(_ENCODER, rate=Fraction(rate).limit_denominator(1001), options=dict(_QUALITY))
    except av.codec.codec.UnknownCodecError:
        raise VideoError(
            expected=f"an FFmpeg with {_ENCODER}", found="one without", do="install PyAV as its wheel (pip install av)"
        ) from None
    stream.width, stream.height = first.width + first.width % 2, first.height + first.height % 2
    context = stream.codec_context
    context.pix_fmt, context.time_base, context.thread_count = "yuv420p", Fraction(1, _TICKS), threads
    context.colorspace = context.color_primaries = context.color_trc = _BT709
    return stream


def _mux(out: OutputContainer, pictures: Iterator[Dated], video: Path, begin: float, end: float, audio: bool) -> bool:
    """Write packets in the order in which they are decoded, with the sound if it is wanted; whether there is one."""
    with sound_run(video, begin, end, out) if audio else nullcontext(None) as sound:
        for _, packet in merge(pictures, sound or (), key=lambda dated: dated[0]):
            out.mux(packet)
        return sound is not None


def _writer(draft: Path) -> OutputContainer:
    """An MP4 whose table of contents comes first, so that it plays while it is loaded."""
    written: OutputContainer = ffmpeg().open(_url(draft), "w", format="mp4", options={"movflags": "+faststart"})
    return written


def _url(path: Path) -> str:
    return f"file:{path.absolute()}"
