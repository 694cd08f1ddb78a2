"""Videos that say of each frame which it is: made here, short and small."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from pathlib import Path

import av  # noqa: TID251
import numpy as np
from numpy.typing import NDArray

from passerby.media.frame import Pixels

WIDTH, HEIGHT, RATE, COUNT = 96, 64, 10, 20
"""Two seconds."""
TOP_LEFT = (200, 40, 60)
"""The colour there, by which it is seen which way is up."""


def drawn(number: int, width: int = WIDTH, height: int = HEIGHT) -> Pixels:
    """A grey that is lighter in each frame, with a red corner at the top left."""
    picture = np.full((height, width, 3), 40 + number * 9, np.uint8)
    picture[: height // 2, : width // 2] = TOP_LEFT
    return picture


def number_of(pixels: NDArray[np.uint8]) -> int:
    """Which frame this is, by its right lower quarter."""
    height, width = pixels.shape[:2]
    return round((float(pixels[height * 5 // 8 :, width * 5 // 8 :].mean()) - 40) / 9)


ORIENTATIONS = [(1, 0, 0, 1), (-1, 0, 0, 1), (1, 0, 0, -1), (-1, 0, 0, -1), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, -1, 0), (0, -1, -1, 0)]
"""The turns and mirrorings that there are, as a, b, c and d: what is stored at (x, y) is shown at (ax + cy, bx + dy)."""


def write_turned(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """An MP4 of three ``drawn`` pictures as a phone writes it: pixels as they came from the sensor, and how to show them."""
    a, b, c, d = matrix
    x, y = np.meshgrid(range(WIDTH if a else HEIGHT), range(HEIGHT if a else WIDTH))
    right, down = a * x + c * y, b * x + d * y
    write_video(path, pictures=[drawn(number)[down - down.min(), right - right.min()] for number in range(3)])
    fixed = [value * 65536 for value in matrix]
    patch(path, b"tkhd", 40, struct.pack(">9i", *fixed[:2], 0, *fixed[2:], 0, 0, 0, 1 << 30))
    return path


def patch(path: Path, after: bytes, offset: int, value: bytes) -> None:
    """Overwrite bytes after the first place of others."""
    data = bytearray(path.read_bytes())
    place = data.index(after) + len(after) + offset
    data[place : place + len(value)] = value
    path.write_bytes(data)


def write_video(
    path: Path,
    codec: str = "libx264",
    *,
    pixels: str = "yuv420p",
    pictures: Iterable[Pixels] | None = None,
    stamps: Callable[[int], int] | None = None,
    sound: bool = False,
    options: Mapping[str, str] | None = None,
    container: Mapping[str, str] | None = None,
    metadata: Mapping[str, str] | None = None,
    format: str | None = None,
    aspect: Fraction | None = None,
    keyframes: int = 10,
) -> Path:
    """A video of ``drawn`` pictures, ten each second or at ``stamps`` in hundredths of a second."""
    pictures = list(map(drawn, range(COUNT))) if pictures is None else list(pictures)
    height, width = pictures[0].shape[:2]
    quick = {"libx264": {"preset": "ultrafast"}, "libx265": {"preset": "ultrafast", "x265-params": "log-level=none:pools=none"}}
    quick |= {"libsvtav1": {"preset": "12"}, "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"}}
    with av.open(str(path), "w", format=format, options=dict(container or {})) as file:
        file.metadata.update(metadata or {})
        stream = file.add_stream(codec, rate=RATE, options={**quick.get(codec, {}), **(options or {})})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, pixels
        stream.codec_context.gop_size = keyframes
        stream.codec_context.thread_count = 1
        if codec in ("mjpeg", "mpeg4", "mpeg2video"):
            stream.codec_context.flags |= av.codec.context.Flags.qscale
            stream.codec_context.global_quality = 2 * 118
        base = Fraction(1, 100) if stamps else Fraction(1, RATE)
        stream.codec_context.time_base = base
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        beside = file.add_stream("aac" if path.suffix != ".avi" else "mp2", rate=48000) if sound else None
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=pixels)
            frame.pts, frame.time_base = stamps(number) if stamps else number, base
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
        if beside:
            write_silence(file, beside)
    return path


def write_silence(file: av.container.OutputContainer, stream: object, seconds: float = 2.0) -> None:
    assert isinstance(stream, av.AudioStream)
    for start in range(0, int(seconds * 48000), 1024):
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
        frame.rate, frame.pts = 48000, start
        file.mux(stream.encode(frame))
    file.mux(stream.encode())
