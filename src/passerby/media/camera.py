"""Frames of live cameras by RTSP: the newest alone, from a thread that connects again whenever it must."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from math import floor, inf
from pathlib import Path
from threading import Condition, Event, Thread
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import quote, urlsplit

from passerby.errors import InputError, VideoError
from passerby.media.clock import Camera, as_camera_name
from passerby.media.frame import Frame
from passerby.media.video import Opened, ffmpeg, moving

if TYPE_CHECKING:
    import av
    from av.container import InputContainer

PORT: Final = 554
"""Of RTSP, where an address names none."""
MOST_FPS: Final = 60.0
_LONGEST_NAME: Final = 80
_SCHEMES: Final = ("rtsp", "rtsps")


@dataclass(frozen=True, slots=True)
class CameraSource:
    """A camera, and how it is reached.

    Args:
        name: in the index, one line without a slash that does not begin with a dot: what is kept of it bears this name.
        address: ``rtsp://host:port/path``, without a user or a password.
        user, password: what the camera asks for; ``None`` if nothing.
        fps: frames that are looked at each second.
        clock: what is to be added to the times at which its frames arrive, and the zone to tell them in; ``None`` goes by what the index
            knows.

    Raises:
        InputError: none of these. No message holds a password.
    """

    name: str
    address: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    fps: float = 5.0
    clock: Camera | None = None

    def __post_init__(self) -> None:
        self._require_name()
        require_address(self.address)
        if isinstance(self.fps, bool) or not isinstance(self.fps, int | float) or not 0 < self.fps <= MOST_FPS:
            found = repr(self.fps)
            raise InputError(expected=f"frames a second, above 0 and at most {MOST_FPS:g}", found=found, do=f"correct fps of {self.name}")

    def _require_name(self) -> None:
        spelt = as_camera_name(self.name) == self.name and len(self.name) <= _LONGEST_NAME
        if not spelt or "/" in self.name or self.name.startswith("."):
            expected = f"a camera's name of at most {_LONGEST_NAME} characters, without a slash and with no dot before it"
            raise InputError(expected=expected, found=repr(self.name), do="choose another name")

    @property
    def url(self) -> str:
        """Its address with user and password, to be told to nobody."""
        parts = urlsplit(self.address)
        if self.user is None:
            return self.address
        secret = f":{quote(self.password, safe='')}" if self.password is not None else ""
        return parts._replace(netloc=f"{quote(self.user, safe='')}{secret}@{parts.netloc}").geturl()


def is_address(text: str) -> bool:
    """Whether a text is meant as a camera's address, not as a path."""
    return text.partition("://")[0].lower() in _SCHEMES


def require_address(address: str) -> None:
    """Raises ``InputError`` for what is no address of a camera, or one that holds a user or a password, which is not repeated."""
    if "@" in address:
        do = "name user and password_env, a variable of the environment that holds it, in a file for --cameras: others see what is typed"
        raise InputError(expected="an address without a user or a password", found="one with an @", do=do)
    expected, do = "a camera's address such as rtsp://192.168.1.20:554/stream", "correct the address"
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise InputError(expected=expected, found="one with a host or a port that cannot be", do=do) from None
    if parts.scheme not in _SCHEMES or not host or not address.isprintable():
        raise InputError(expected=expected, found=repr(f"{parts.scheme}://{parts.netloc}"), do=do)


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a camera is waited for, in seconds.

    Args:
        patience: without a frame, after which it is offline; more than the time between keyframes.
        timeout: of a connection that says nothing; it is given up after up to twice that.
        pause: before it is connected to again for the first time, twice that for the next.
        longest_pause: the longest one. A camera that comes back is seen this, and the time to connect, later at most.
        refused_pause: after a wrong password, as cameras lock out who tries often.
    """

    patience: float = 8.0
    timeout: float = 4.0
    pause: float = 1.0
    longest_pause: float = 4.0
    refused_pause: float = 30.0


class LiveCamera:
    """The newest frame of a camera; close it, or use it in a ``with``.

    A thread reads all that comes, keeps of each 1/fps seconds one frame, and of these the newest: those that nobody took in time are
    dropped and counted. When the camera is gone it connects again and again, after pauses that grow.

    Frames' times are seconds of :func:`time.monotonic`, when they arrived.
    """

    def __init__(self, source: CameraSource, pace: Pace = Pace()) -> None:
        self._source, self._pace = source, pace
        self._news, self._ended = Condition(), Event()
        self._newest: Frame | None = None
        self.last_frame = -inf
        """When the last frame came."""
        self.dropped = 0
        self.connections = 0
        """How often frames came after none did."""
        self.error: VideoError | None = None
        """Why there are no frames; ``None`` while they come."""
        self._thread = Thread(target=self._read, name=f"passerby-{source.name}", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let it go; a connection that says nothing is left to end by itself."""
        self._ended.set()
        self._thread.join(timeout=1.0)

    @property
    def is_connected(self) -> bool:
        return time.monotonic() - self.last_frame < self._pace.patience

    def take(self, timeout: float) -> Frame | None:
        """The newest frame that was not taken yet; ``None`` where none comes for so many seconds."""
        with self._news:
            self._news.wait_for(lambda: self._newest is not None, timeout)
            frame, self._newest = self._newest, None
            return frame

    def _read(self) -> None:
        pause = self._pace.pause
        while not self._ended.is_set():
            came = False
            try:
                for frame in _received(self._source, self._pace.timeout, self._ended):
                    self._offer(frame, again=not came)
                    came = True
                self.error = VideoError(expected="a camera that goes on", found="one that ended the stream", do="check it")
            except VideoError as error:
                self.error = error
            pause = self._pace.pause if came else pause
            self._ended.wait(self._pace.refused_pause if isinstance(self.error, _Refused) else pause)
            pause = min(2 * pause, self._pace.longest_pause)

    def _offer(self, frame: Frame, *, again: bool) -> None:
        fps = self._source.fps
        is_due = again or floor(frame.time * fps) > floor(self.last_frame * fps)
        self.last_frame, self.error = frame.time, None
        self.connections += again
        if is_due:
            with self._news:
                self.dropped += self._newest is not None
                self._newest = frame
                self._news.notify()


class _Refused(VideoError):
    """A camera that does not let one in."""


def _received(source: CameraSource, timeout: float, ended: Event) -> Iterator[Frame]:
    """Frames as they come, until the camera goes or the event says so. Raises ``VideoError``."""
    av = ffmpeg()
    _require_host(source)
    soon = {"rtsp_transport": "tcp", "protocol_whitelist": "rtsp,rtp,tcp,tls", "analyzeduration": "5000000", "fpsprobesize": "0"}
    try:
        with av.open(source.url, options=soon, timeout=(timeout, timeout), metadata_errors="replace") as container:
            opened = _opened(container, source)
            for decoded in _decoded(opened, ended):
                yield opened.frame(time.monotonic(), decoded)
    except av.FFmpegError as error:
        raise _fault(error, source) from None


def _opened(container: InputContainer, source: CameraSource) -> Opened:
    """Raises ``VideoError`` where nothing of it can be decoded."""
    if not any(one.codec_context and one.width and one.height for one in container.streams.video):
        expected = "a stream with pictures in H.264, H.265 or another codec that FFmpeg reads"
        raise VideoError(expected=expected, found="none", do=f"correct the address of {source.name}, or set the camera to H.264")
    stream = moving(container)
    rate = float(stream.guessed_rate or stream.average_rate or 0)
    return Opened(Path(source.name), container, stream, None, None, 1 / rate if rate else 0.0)


def _decoded(opened: Opened, ended: Event) -> Iterator[av.VideoFrame]:
    """Frames that can be decoded; others are skipped."""
    for packet in opened.container.demux(opened.stream):
        if ended.is_set():
            return
        with suppress(ffmpeg().error.InvalidDataError):
            yield from (frame for frame in opened.stream.decode(packet) if not frame.is_corrupt)


def _require_host(source: CameraSource) -> None:
    """Raises ``VideoError`` where the address leads nowhere, which FFmpeg does not tell apart."""
    parts = urlsplit(source.address)
    try:
        socket.getaddrinfo(parts.hostname, parts.port or PORT, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        found = f"no machine of the name {parts.hostname}"
        raise VideoError(expected="the address of a camera", found=found, do=f"correct the address of {source.name}") from None


def _fault(error: Any, source: CameraSource) -> VideoError:
    """What FFmpeg says, in plain words and without the address, which may hold a password."""
    av, parts = ffmpeg(), urlsplit(source.address)
    where = f"{parts.hostname}:{parts.port or PORT}"
    if isinstance(error, av.error.HTTPUnauthorizedError | av.error.HTTPForbiddenError):
        found = "one that asks for a user and a password" if source.user is None else f"one that refuses user {source.user}"
        return _Refused(expected=f"a camera at {where} that lets one in", found=found, do="correct user and password_env")
    if isinstance(error, av.error.HTTPNotFoundError):
        return VideoError(expected=f"a stream at {where}", found=f"none called {parts.path or '/'}", do="correct the path of the address")
    if isinstance(error, av.error.ExitError | TimeoutError):
        return VideoError(expected=f"frames from {where}", found="silence", do="check the camera and the network")
    found = (error.strerror or type(error).__name__).lower()
    return VideoError(expected=f"a camera at {where}", found=found, do="check that it is on, and its address")
