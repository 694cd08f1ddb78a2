"""Frames of videos, by time, and the door to PyAV (FFmpeg), which is the extra ``[video]``."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import chain
from math import inf
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from passerby.errors import InputError, MissingExtra, VideoError
from passerby.extras import needs_extra
from passerby.media import animation
from passerby.media.clock import Instant, KnownBy, read_offset
from passerby.media.files import require_regular, unreadable
from passerby.media.formats import VIDEOS
from passerby.media.frame import STAMP_STEP, Coverage, Frame, Pixels, Timeline, Video, require_size, sampled, sampling_start
from passerby.media.orientation import AS_STORED, Orientation
from passerby.media.photo import MAX_PIXELS
from passerby.types import Box

if TYPE_CHECKING:
    import av
    from av.container import InputContainer
    from av.filter import Graph
    from av.video.stream import VideoStream

_USUAL_RATE: Final = 25.0
_BACK: Final = (1.0, 10.0)
"""How many seconds before a moment seeks aim: some containers seek late, and what is mended needs what was before."""
_FAR: Final = 20.0
"""Seconds between two moments from which on a seek is faster than decoding on, mostly."""
_TOLERANCE: Final = 0.5
"""Seconds by which a file may end before it says."""
_OBLONG: Final = 4
"""A pixel that is said to be more times as long as it is high, or the reverse, is taken for square."""
_HIGH_DEFINITION: Final = 720
"""From so many lines on, colours that are not named are BT.709's, below BT.601's."""
_BT709: Final = 1
_UNNAMED: Final = 2
_AVI: Final = "avi"
_ENDS: Final = ("matroska,webm", "asf")
"""Containers that say by the video's own stamps when it ends, not how long it takes."""
_LENGTH_TOLD: Final = "_STATISTICS_WRITING_APP"
"""Where a Matroska file has this, mkvmerge's, its ``DURATION`` is a length nevertheless."""
_STREAMS: Final = ("mpegts", "mpeg")
"""Containers that can be joined end to end, and do not say where a stamp is."""
_WRITTEN_AT: Final = ("com.apple.quicktime.creationdate", "creation_time")


def require_video() -> None:
    """Raises ``MissingExtra`` where PyAV is not installed."""
    ffmpeg()


def why_no_video() -> str:
    """What is missing here to read videos, in one line; empty if nothing is."""
    try:
        require_video()
    except MissingExtra as error:
        return str(error)
    return ""


def is_video(path: Path) -> bool:
    """Whether a file is a video by its content: an animated picture is one; a still one, music with a cover or an unreadable file is not.

    Raises:
        MissingExtra: PyAV is not installed.
    """
    try:
        open_video(path)
    except VideoError:
        return False
    return True


def open_video(path: Path) -> Video:
    """What a video's file says of it; its first frame is decoded as a proof.

    Raises:
        VideoError: the path is no regular file, may not be read, or holds no video; the reason is one line.
        MissingExtra: PyAV is not installed.
    """
    if _is_animation(path):
        return animation.read_facts(path)
    with opened_container(path, threads=1) as opened, closing(_decode(opened, Coverage())) as decoded:
        return opened.facts(next(decoded, None))


class Frames:
    """Frames of a video in their order, and what could not be read; closes the file at its end, or when it is left or closed.

    Args:
        frames: makes the frames, given where to note what was read.
    """

    def __init__(self, frames: Callable[[Coverage], Generator[Frame]]) -> None:
        self.coverage = Coverage()
        self._frames = frames(self.coverage)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Frame:
        return next(self._frames)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file now."""
        self._frames.close()


def frames(path: Path, fps: float | None, *, start: float = 0.0, keyframes: bool = False, seek: bool = True, threads: int = 1) -> Frames:
    """The frames of a video, a few each second, by their times.

    A frame that cannot be decoded is skipped and counted; interlaced ones are mended; stamps that jump back go on from where they were.
    Errors are raised when the first frame is asked for.

    Args:
        fps: of each 1/fps seconds the first frame is taken; ``None`` takes all.
        start: seconds from the video's start; the frames are those that a run from the start would give from there on.
        keyframes: decode only frames that need no other, which is several times as fast; whether the file is cut short is not told then.
        seek: go to the start at once; not so for a video whose ``clock_reset`` was told, in which a stamp may be there twice.
        threads: that decode.

    Raises:
        InputError: a rate that is not above 0, or a start below 0.
        VideoError: as ``open_video`` does.
        MissingExtra: PyAV is not installed.
    """
    if fps is not None and not 0 < fps < inf:
        raise InputError(expected="a number of frames a second above 0", found=repr(fps), do="correct the rate")
    if not 0 <= start < inf:
        raise InputError(expected="a start of at least 0 seconds", found=repr(start), do="correct the start")

    def read(coverage: Coverage) -> Generator[Frame]:
        begin = sampling_start(fps, start)
        decoded = animation.decode(path, coverage) if _is_animation(path) else _read(path, begin, coverage, keyframes, seek, threads)
        with closing(decoded):
            yield from sampled((frame for frame in decoded if frame.time >= begin), fps, start)

    return Frames(read)


def frame_at(path: Path, time: float, *, seek: bool = True) -> Frame:
    """The frame of a moment that ``frames`` gave before.

    Args:
        seek: as of ``frames``.

    Raises:
        VideoError: as ``open_video`` does, or the video has no frame of that time.
        MissingExtra: PyAV is not installed.
    """
    for start in dict.fromkeys((time, 0.0)):  # decoded from the start where a seek does not lead there
        with frames(path, None, start=start, seek=seek) as found:
            frame = next((frame for frame in found if frame.time >= time - STAMP_STEP), None)
        if frame is not None and frame.time <= time + STAMP_STEP:
            return frame
    raise VideoError(expected=f"a frame at {time:.3f} s", found="none", do="index the video again; its file may have changed")


def frames_at(path: Path, times: Sequence[float], *, seek: bool = True) -> Iterator[Frame]:
    """The frames of rising moments, as ``frame_at`` gives each; what lies between near ones is decoded once.

    Raises:
        VideoError: as ``frame_at`` does.
        MissingExtra: PyAV is not installed.
    """
    for near in _near(times):
        left = deque(near)
        with frames(path, None, start=left[0], seek=seek) as found:
            for frame in found:
                if frame.time > left[0] + STAMP_STEP:
                    break
                if frame.time >= left[0] - STAMP_STEP:
                    yield frame
                    left.popleft()
                if not left:
                    break
        for time in left:
            yield frame_at(path, time, seek=seek)


def _near(times: Sequence[float]) -> Iterator[list[float]]:
    """Rising times in groups, parted where it is further to the next one than decoding pays."""
    start = 0
    for end, time in enumerate(times, 1):
        if end == len(times) or times[end] - time > _FAR:
            yield list(times[start:end])
            start = end


def crop_pixels(path: Path, time: float, box: Box, *, seek: bool = True) -> Pixels:
    """The pixels of a box in the frame of a moment, uint8 (h, w, 3), as ``Frame.crop`` gave them.

    Args:
        seek: as of ``frames``.

    Raises:
        InputError: a box outside of the frame.
        VideoError: as ``frame_at`` does.
        MissingExtra: PyAV is not installed.
    """
    return frame_at(path, time, seek=seek).crop(box)


@dataclass(frozen=True, slots=True)
class Opened:
    """A container and the video in it.

    Args:
        origin: the stamp of its start, in seconds; ``None`` says that of its first frame.
        duration: in seconds; ``None`` where it does not say.
        step: seconds from a frame to the next, on average.
    """

    path: Path
    container: InputContainer
    stream: VideoStream
    origin: float | None
    duration: float | None
    step: float

    def facts(self, first: Frame | None) -> Video:
        """Raises ``VideoError`` where there is no first frame."""
        if first is None:
            raise VideoError(expected="a video", found="one without a frame that can be decoded", do="replace the file")
        rate = self.stream.average_rate or self.stream.guessed_rate
        recorded_at = _recorded_at(self.container.metadata, self.stream.metadata)
        codec = self.stream.codec_context.codec.canonical_name
        seeks_surely = self.container.format.name not in _STREAMS
        fps = float(rate) if rate else None
        return Video(self.path, first.width, first.height, self.duration, fps, codec, recorded_at, seeks_surely)

    def seek(self, moment: float) -> bool:
        """Aim at the last frame that needs no other before a moment; whether that could be tried."""
        if self.origin is None or not self.stream.time_base or moment <= 0:
            return False
        with suppress(ffmpeg().FFmpegError):
            self.container.seek(round((moment + self.origin) / self.stream.time_base), stream=self.stream)
            return True
        return False

    def frame(self, time: float, decoded: av.VideoFrame) -> Frame:
        """A decoded frame, upright and with square pixels."""
        width, height = decoded.width, decoded.height
        aspect = self.stream.sample_aspect_ratio
        if aspect and 1 < aspect <= _OBLONG:
            width = round(width * aspect)
        elif aspect and 1 / _OBLONG <= aspect < 1:
            height = round(height / aspect)
        orientation = orientation_of(decoded)
        if orientation.transposed:
            width, height = height, width
        return Frame(time, width, height, partial(_draw, decoded, orientation))


def _read(path: Path, start: float, coverage: Coverage, keyframes: bool, seek: bool, threads: int) -> Generator[Frame]:
    """Frames from one at or before ``start`` on, to the end; by a seek if one leads there."""
    for back in (*_BACK, inf) if seek else (inf,):
        with opened_container(path, threads) as opened:
            if keyframes:
                opened.stream.codec_context.skip_frame = "NONKEY"
            sought = opened.seek(start - back)
            with closing(_decode(opened, coverage, from_keyframe=sought)) as decoded:
                first = next(decoded, None)
                if not sought or (first and first.time <= start and not coverage.estimated):
                    yield from chain([first] if first else [], decoded)
                    if opened.duration and not keyframes and coverage.until < opened.duration - max(_TOLERANCE, 2 * opened.step):
                        coverage.cut_short_at = coverage.until
                    coverage.finish(opened.duration, opened.step)
                    return
            coverage.clear()


def _decode(opened: Opened, coverage: Coverage, *, from_keyframe: bool = False) -> Generator[Frame]:
    timeline = Timeline(opened.origin, opened.step, coverage)
    for decoded in _progressive(_whole_frames(opened, coverage, timeline, from_keyframe), coverage):
        time = timeline.time(_stamp(decoded))
        coverage.reach(time, time + (decoded.duration * float(decoded.time_base or 0) or opened.step), opened.step)
        yield opened.frame(time, decoded)


def _whole_frames(opened: Opened, coverage: Coverage, timeline: Timeline, from_keyframe: bool) -> Iterator[av.VideoFrame]:
    """Frames that can be decoded; the others are counted."""
    for packet in chain(_packets(opened, coverage, timeline, from_keyframe), [None]):  # None: what the decoder still holds
        try:
            decoded = opened.stream.decode(packet)
        except (ffmpeg().FFmpegError, EOFError):
            coverage.miss(timeline.at(_stamp(packet)) if packet else None)
            continue
        for frame in decoded:
            frame.time_base = frame.time_base or opened.stream.time_base  # which the decoder's last ones lack
            if frame.is_corrupt:
                coverage.miss(timeline.at(_stamp(frame)))
            else:
                yield frame


def _stamp(item: av.Packet[VideoStream] | av.VideoFrame) -> float | None:
    """When a frame, or what one is made of, is to be shown, in seconds as the file has it."""
    return float(item.pts * item.time_base) if item.pts is not None and item.time_base else None


def _packets(opened: Opened, coverage: Coverage, timeline: Timeline, from_keyframe: bool) -> Iterator[av.Packet[VideoStream]]:
    """What the container holds of the video, past stretches that it cannot read."""
    waiting, met, newest = from_keyframe, True, None
    while met:
        met = False
        try:
            for packet in demuxed(opened.container, opened.stream):
                met = True
                waiting = waiting and not packet.is_keyframe
                if packet.size and not waiting:
                    if from_keyframe and newest is None:
                        coverage.until = max(0.0, timeline.at(_stamp(packet)) or 0.0)  # nothing is missing before
                    newest = _stamp(packet)
                    yield packet
            return
        except ffmpeg().FFmpegError:
            coverage.miss(timeline.at(newest))


def demuxed(container: InputContainer, stream: Any) -> Iterator[av.Packet[Any]]:
    """Packets of a stream, past those of others that begin later: PyAV knows only streams that are there at the start, and stumbles."""
    while True:
        try:
            yield from container.demux(stream)
            return
        except IndexError:
            continue


def _progressive(frames: Iterable[av.VideoFrame], coverage: Coverage) -> Iterator[av.VideoFrame]:
    """Frames as they are, from the first interlaced one on through a filter that makes whole pictures of half ones."""
    graph, shape = None, None
    for frame in frames:
        if graph and shape != (shape := (frame.width, frame.height, frame.format.name)):
            yield from _pulled(graph, None)
            graph = None
        if graph is None and frame.interlaced_frame:
            graph, shape = _deinterlacer(frame), (frame.width, frame.height, frame.format.name)
            coverage.deinterlaced = True
        if graph is None:
            yield frame
        else:
            yield from _pulled(graph, frame)
    if graph:
        yield from _pulled(graph, None)


def _deinterlacer(frame: av.VideoFrame) -> Graph:
    graph: Graph = ffmpeg().filter.Graph()
    graph.threads = 1
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base)
    mended, sink = graph.add("bwdif", "mode=send_frame:deint=interlaced"), graph.add("buffersink")
    source.link_to(mended)
    mended.link_to(sink)
    graph.configure()
    return graph


def _pulled(graph: Graph, frame: av.VideoFrame | None) -> Iterator[av.VideoFrame]:
    """What a filter gives for a frame; for none, what it still holds."""
    graph.vpush(frame)
    with suppress(BlockingIOError, EOFError):
        while True:
            yield graph.vpull()


def orientation_of(decoded: av.VideoFrame) -> Orientation:
    """Which way up a frame is stored."""
    beside = ffmpeg().sidedata.sidedata.SideDataContainer(decoded)  # the frame's own one would keep it until garbage is collected
    matrix = beside.get("DISPLAYMATRIX")
    return AS_STORED if matrix is None else Orientation.of(np.frombuffer(matrix, np.int32).tolist())


def _draw(decoded: av.VideoFrame, orientation: Orientation, width: int, height: int) -> Pixels:
    if orientation.transposed:
        width, height = height, width
    colours = _BT709 if decoded.colorspace == _UNNAMED and decoded.height >= _HIGH_DEFINITION else None
    drawn = decoded.reformat(width, height, "rgb24", src_colorspace=colours, interpolation="AREA", threads=1)
    return orientation.upright(np.asarray(drawn.to_ndarray(), np.uint8))


def _is_animation(path: Path) -> bool:
    """Whether Pillow is to decode a file. Raises ``VideoError`` for a still picture and for what is no readable file."""
    try:
        require_regular(path.stat(), "videos", VideoError)
        with path.open("rb") as file:
            empty = not file.read(1)
    except (OSError, ValueError) as error:
        raise unreadable(error, VideoError) from None
    if empty:
        raise VideoError(expected="a video", found="an empty file", do="replace the file")
    if animation.is_animation(path):
        return True
    if animation.is_picture(path):  # FFmpeg would show it for a moment
        raise VideoError(expected="a video", found="a picture", do="name a video")
    return False


@contextmanager
def opened_container(path: Path, threads: int) -> Iterator[Opened]:
    with _container(path) as container:
        stream = moving(container, threads)
        rate = float(stream.guessed_rate or stream.average_rate or _USUAL_RATE)
        start = _first_stamp(path) if container.format.name == _AVI else stream.start_time
        origin = float(start * stream.time_base) if start is not None and stream.time_base else None
        yield Opened(path.absolute(), container, stream, origin, _duration(container, stream), 1 / rate)


def _container(path: Path) -> InputContainer:
    av = ffmpeg()
    only = {"format_whitelist": ",".join(VIDEOS), "protocol_whitelist": "file"}
    try:
        container: InputContainer = av.open(f"file:{path.absolute()}", options=only, metadata_errors="replace")
    except av.FFmpegError:
        raise VideoError(
            expected="a video", found="no known video format, or a damaged file", do="convert it to MP4, or replace it"
        ) from None
    return container


def _first_stamp(path: Path) -> int | None:
    """The stamp of the first frame, in AVI: there stamps are of decoding, so where the video starts is not said."""
    with _container(path) as container, suppress(ffmpeg().FFmpegError):
        return next((frame.pts for frame in container.decode(moving(container))), None)
    return None


def moving(container: InputContainer, threads: int = 1) -> VideoStream:
    """The largest video of a container that is no cover, to be decoded by so many threads. Raises ``VideoError``."""
    covers = ffmpeg().stream.Disposition.attached_pic | ffmpeg().stream.Disposition.timed_thumbnails
    videos = [one for one in container.streams.video if not one.disposition & covers and one.codec_context is not None]
    if not videos:
        raise VideoError(expected="a video", found="a file without moving pictures", do="name a file that holds a video")
    largest = max(videos, key=lambda one: one.width * one.height)
    require_size(largest.width, largest.height)
    largest.codec_context.options = {"max_pixels": str(MAX_PIXELS)}  # of frames that are larger than the first, too
    largest.codec_context.thread_count = threads
    largest.codec_context.thread_type = "AUTO" if threads > 1 else "NONE"
    return largest


def _duration(container: InputContainer, stream: VideoStream) -> float | None:
    """Seconds that a file says the video takes."""
    if container.format.name == _AVI and stream.frames and stream.average_rate:
        return float(stream.frames / stream.average_rate)  # which is guessed anew where the end is missing
    said = _said_duration(container, stream)
    if said is None or container.format.name not in _ENDS or _LENGTH_TOLD in stream.metadata:
        return said
    start = float((stream.start_time or 0) * (stream.time_base or 0))
    return said - start if start < said else said  # which cannot be an end then


def _said_duration(container: InputContainer, stream: VideoStream) -> float | None:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    if said := stream.metadata.get("DURATION"):
        with suppress(ValueError):
            hours, minutes, seconds = said.split(":")
            return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    alone = len(container.streams) == 1  # else it may be the sound's
    return container.duration / ffmpeg().time_base if alone and container.duration else None


def _recorded_at(*tags: dict[str, str]) -> Instant | None:
    """When a camera says it began; a time that names no offset is none."""
    for written in (one[name] for name in _WRITTEN_AT for one in tags if name in one):
        with suppress(ValueError):
            moment = datetime.fromisoformat(written)
            if offset := moment.utcoffset():
                return Instant(moment.timestamp(), read_offset(moment.strftime("%z")), KnownBy.CONTAINER)
            if offset is not None:
                return Instant(moment.timestamp(), None, KnownBy.CONTAINER)
    return None


def ffmpeg() -> Any:
    """PyAV, which logs nothing."""
    with needs_extra("video"):
        import av
        import av.logging
    av.logging.set_level(None)
    return av
