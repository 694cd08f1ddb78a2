"""Packets of a video's streams, as they are: which of them make a stretch that can be decoded, with stamps that begin anew."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from passerby.media.frame import STAMP_STEP
from passerby.media.orientation import AS_STORED
from passerby.media.video import Opened, demuxed, opened_container, orientation_of

if TYPE_CHECKING:
    from av import AudioStream, Packet, VideoStream
    from av.container import OutputContainer

Dated = tuple[float, Any]
"""When a packet is decoded, in seconds since the video's start, and the packet, ready for the file that it goes into."""

_BACK: Final = (0.0, 1.0, 10.0, inf)
"""How many seconds before a start is sought: some containers seek late."""
_CODECS: Final = frozenset({"h264", "vp9", "av1"})
_FORMATS: Final = frozenset({"yuv420p", "yuvj420p"})
_SOUNDS: Final = frozenset({"aac", "mp3", "opus", "flac"})
"""What browsers play in an MP4."""
_UNDATED: Final = frozenset({"avi", "h264", "hevc"})
"""Containers that do not say when a packet is shown."""
_JOINED: Final = frozenset({"mpegts", "mpeg"})
"""Containers whose files may be several, one after the other."""
_JUMP: Final = 1.0
_SOUND_LEAD: Final = 1.0


class PacketRun:
    """Packets of a video from a keyframe at or before a start to an end, in the order in which they are decoded.

    Args:
        begin: when the first frame is shown, in seconds since the video's start.
    """

    def __init__(self, source: Opened, packets: Iterator[Packet[VideoStream]], first: Packet[VideoStream]) -> None:
        self.begin = _shown_at(source, first)
        self.last = self.begin
        self.count = 0
        self._source = source
        self._first = first
        self._packets = packets

    @property
    def template(self) -> VideoStream:
        """The stream that they are of."""
        return self._source.stream

    def dated(self, stream: VideoStream) -> Iterator[Dated]:
        """The packets, for a stream in which the first frame is shown at 0."""
        shift = self._first.pts or 0
        packet: Packet[VideoStream] | None = self._first
        while packet:
            self.count += 1
            self.last = max(self.last, _shown_at(self._source, packet))
            yield _decoded_at(self._source, packet), _moved(packet, stream, shift)
            packet = next(self._packets, None)


def is_playable(source: Opened) -> bool:
    """Whether browsers play the frames of a video as they are: upright, with square pixels and stamps. Moves its place."""
    stream, context = source.stream, source.stream.codec_context
    if context.codec.canonical_name not in _CODECS or context.pix_fmt not in _FORMATS or stream.sample_aspect_ratio not in (None, 0, 1):
        return False
    if source.container.format.name in _UNDATED or source.origin is None:
        return False
    frame: Any = next((frame for packet in demuxed(source.container, stream) for frame in stream.decode(packet)), None)
    return frame is not None and orientation_of(frame) == AS_STORED


def has_clock_reset(source: Opened) -> bool:
    """Whether times jump back, so that one may be there twice; reads all of a container in which they may. Moves its place."""
    if source.container.format.name not in _JOINED:
        return False
    latest = -inf
    for packet in _sized(source, source.stream):
        time = _decoded_at(source, packet)
        if time < latest - _JUMP:
            return True
        latest = max(latest, time)
    return False


@contextmanager
def packet_run(video: Path, start: float, end: float) -> Iterator[PacketRun | None]:
    """The packets of a stretch; ``None`` where there are none that say where they belong."""
    for back in _BACK:
        with opened_container(video, threads=1) as source:
            sought = source.seek(start - back)
            packets = _until(source, _with_decoding_times(_from_keyframe(source, _sized(source, source.stream), start)), end)
            first = next(packets, None)
            if first is not None or not sought:
                yield None if first is None or first.dts is None else PacketRun(source, packets, first)
                return


@contextmanager
def sound_run(video: Path, begin: float, end: float, out: OutputContainer) -> Iterator[Iterator[Dated] | None]:
    """The sound of a stretch, for a stream that is added to a file in which ``begin`` is at 0; ``None`` where there is none to copy."""
    with opened_container(video, threads=1) as source:
        stream = next((one for one in source.container.streams.audio if one.codec_context and _name(one) in _SOUNDS), None)
        if stream is None or source.origin is None:
            yield None
        else:
            source.seek(begin - _SOUND_LEAD)
            yield _sound(source, stream, out.add_stream_from_template(stream, opaque=True), begin, end)


def _sound(source: Opened, stream: AudioStream, target: AudioStream, begin: float, end: float) -> Iterator[Dated]:
    for packet in _sized(source, stream):
        if packet.pts is None or (time := _shown_at(source, packet)) < begin:
            continue
        if time > end:
            return
        yield time, _moved(packet, target, round((begin + (source.origin or 0)) / packet.time_base))


def _name(stream: AudioStream) -> str:
    return str(stream.codec_context.codec.canonical_name)


def _sized(source: Opened, stream: Any) -> Iterator[Packet[Any]]:
    return (packet for packet in demuxed(source.container, stream) if packet.size)


def _from_keyframe(source: Opened, packets: Iterator[Packet[VideoStream]], start: float) -> Iterator[Packet[VideoStream]]:
    """Packets from the last keyframe at or before a start on, without those that are shown before it; none if it is not there."""
    gathered: list[Packet[VideoStream]] = []
    for packet in packets:
        if packet.pts is None:
            return
        if packet.is_keyframe and _shown_at(source, packet) <= start + STAMP_STEP:
            gathered = [packet]
        elif gathered:
            gathered.append(packet)
        if _decoded_at(source, packet) > start + STAMP_STEP:
            break
    if gathered:
        begin = gathered[0].pts or 0
        yield from (packet for packet in _chained(gathered, packets) if packet.pts is None or packet.pts >= begin)


def _chained(first: list[Packet[VideoStream]], then: Iterator[Packet[VideoStream]]) -> Iterator[Packet[VideoStream]]:
    while first:
        yield first.pop(0)
    yield from then


def _with_decoding_times(packets: Iterable[Packet[VideoStream]]) -> Iterator[Packet[VideoStream]]:
    """Packets of which the first have no time of decoding, as of Matroska where it was sought in: they get what leads up to the others."""
    undated: list[Packet[VideoStream]] = []
    for packet in packets:
        if packet.dts is None:
            undated.append(packet)
            continue
        step = max(1, packet.duration or 1)
        for number, one in enumerate(reversed(undated), 1):
            one.dts = packet.dts - number * step
        yield from undated
        yield packet
        undated = []
    yield from undated


def _until(source: Opened, packets: Iterable[Packet[VideoStream]], end: float) -> Iterator[Packet[VideoStream]]:
    """Packets of frames up to an end, of those that they need, and of what is shown in between."""
    latest = end + STAMP_STEP
    waiting: list[Packet[VideoStream]] = []
    for packet in packets:
        if _decoded_at(source, packet) > latest:
            return
        waiting.append(packet)
        if _shown_at(source, packet) <= latest:
            latest = max(latest, *(_shown_at(source, one) for one in waiting))
            yield from waiting
            waiting = []


def _moved(packet: Packet[Any], stream: Any, shift: int) -> Packet[Any]:
    """A packet for another stream, that many ticks earlier."""
    packet.pts = None if packet.pts is None else packet.pts - shift
    packet.dts = None if packet.dts is None else packet.dts - shift
    packet.stream = stream
    return packet


def _shown_at(source: Opened, packet: Packet[Any]) -> float:
    return _seconds(source, packet, packet.pts)


def _decoded_at(source: Opened, packet: Packet[Any]) -> float:
    return _seconds(source, packet, packet.pts if packet.dts is None else packet.dts)


def _seconds(source: Opened, packet: Packet[Any], stamp: int | None) -> float:
    return float((stamp or 0) * packet.time_base) - (source.origin or 0.0)
