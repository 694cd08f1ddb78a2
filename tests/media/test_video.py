"""Frames of videos: the right ones, at the right times, upright, whatever the container, the codec and what is damaged."""

from __future__ import annotations

import gc
import os
import struct
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from fractions import Fraction
from itertools import pairwise
from math import floor
from pathlib import Path

import av  # noqa: TID251
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from videos import COUNT, HEIGHT, ORIENTATIONS, TOP_LEFT, WIDTH, drawn, number_of, patch, write_silence, write_turned, write_video

from passerby.errors import InputError, MissingExtra, VideoError
from passerby.find.ingest.video_files import begun_at
from passerby.media import frame as frame_module
from passerby.media import video as video_module
from passerby.media.clock import KnownBy
from passerby.media.formats import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from passerby.media.frame import NEAR_GAPS, Coverage, Frame, Pixels, Timeline, joined, sampled, sampling_start
from passerby.media.video import crop_pixels, frame_at, frames, frames_at, is_video, open_video
from passerby.types import Box

CODECS = {
    "h264": ("libx264", "yuv420p", ["mp4", "mov", "mkv", "avi", "ts", "flv", "3gp"]),
    "hevc": ("libx265", "yuv420p", ["mp4", "mov", "mkv", "ts"]),
    "hevc of 10 bits": ("libx265", "yuv420p10le", ["mp4", "mov", "mkv", "ts"]),
    "av1": ("libsvtav1", "yuv420p", ["mp4", "mkv", "webm"]),
    "vp9": ("libvpx-vp9", "yuv420p", ["mp4", "mkv", "webm"]),
    "mjpeg": ("mjpeg", "yuvj420p", ["mov", "mkv", "avi"]),
    "mpeg4": ("mpeg4", "yuv420p", ["mp4", "mov", "mkv", "avi", "ts"]),
    "mpeg2video": ("mpeg2video", "yuv420p", ["mpg", "mkv", "ts"]),
}
KINDS = [(codec, container) for codec, (_, _, containers) in CODECS.items() for container in containers]
ANIMATIONS = ["gif", "webp", "png", "avif"]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """A video of two seconds for each codec and container, made once. Not to be changed."""
    folder = tmp_path_factory.mktemp("videos")

    def make(codec: str, container: str) -> Path:
        path = folder / f"{codec}.{container}"
        if path.exists():
            return path
        if codec == "animation":
            first, *others = (Image.fromarray(drawn(number)) for number in range(COUNT))
            first.save(path, save_all=True, append_images=others, duration=100, lossless=True)
            return path
        encoder, pixels, _ = CODECS[codec]
        return write_video(path, encoder, pixels=pixels)

    return make


@pytest.fixture
def video(made: Callable[[str, str], Path]) -> Path:
    return made("h264", "mp4")


def seen(path: Path, fps: float | None = None, start: float = 0.0) -> list[tuple[float, int]]:
    """Times, and which pictures are there."""
    with frames(path, fps, start=start) as found:
        return [(frame.time, number_of(frame.pixels)) for frame in found]


def read(path: Path) -> tuple[list[int], Coverage]:
    with frames(path, None) as found:
        return [number_of(frame.pixels) for frame in found], found.coverage


def assert_upright(pixels: Pixels) -> None:
    height, width = pixels.shape[:2]
    corner = pixels[height // 8 : height * 3 // 8, width // 8 : width * 3 // 8].reshape(-1, 3).mean(0)
    assert np.abs(corner - TOP_LEFT).max() < 14


# -- what there is ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("codec", "container"), [*KINDS, *(("animation", kind) for kind in ANIMATIONS)])
def test_each_codec_in_each_container(made: Callable[[str, str], Path], codec: str, container: str) -> None:
    path = made(codec, container)
    facts = open_video(path)
    assert (facts.path, facts.width, facts.height) == (path, WIDTH, HEIGHT)
    if codec != "animation":
        assert facts.codec == codec.partition(" ")[0]
        assert facts.duration == pytest.approx(2, abs=0.6 if container == "mpg" else 0.01)  # which has few stamps
        assert facts.rate == pytest.approx(10, abs=0.1)
    with frames(path, None) as found:
        pictures = list(found)
    assert [number_of(frame.pixels) for frame in pictures] == list(range(COUNT))
    assert [frame.time for frame in pictures] == pytest.approx([number / 10 for number in range(COUNT)], abs=1e-3)
    assert found.coverage.decoded == COUNT
    assert found.coverage.until == pytest.approx(2, abs=1e-3)
    assert (found.coverage.broken, found.coverage.estimated, found.coverage.cut_short_at) == (0, False, None)
    for frame in pictures:
        assert frame.pixels.shape == (HEIGHT, WIDTH, 3)
        assert_upright(frame.pixels)
    assert [time for time, _ in seen(path, 5)] == pytest.approx([number / 5 for number in range(10)], abs=1e-3)


@pytest.mark.parametrize(("codec", "container"), [*KINDS, ("animation", "webp")])
def test_a_moment_again_has_the_same_pixels(made: Callable[[str, str], Path], codec: str, container: str) -> None:
    path = made(codec, container)
    with frames(path, 3) as found:
        pictures = list(found)
    box = Box(10.5, 20, 41, 30)
    for frame in pictures:
        assert np.array_equal(frame_at(path, frame.time).pixels, frame.pixels)
    assert np.array_equal(crop_pixels(path, pictures[-1].time, box), pictures[-1].crop(box))
    with pytest.raises(VideoError, match=r"expected a frame at 1.050 s, found none"):
        frame_at(path, 1.05)


@pytest.mark.parametrize("container", ["mp4", "avi", "ts", "mkv"])
def test_moments_again_are_those_of_one_pass(made: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch, container: str) -> None:
    path = made("h264", container)
    with frames(path, None) as found:
        all_of = {frame.time: frame.pixels for frame in found}
    times = [time for number, time in enumerate(all_of) if number in (0, 3, 4, 11, 19)]
    for far in (20.0, 0.35):  # decoded on, or sought
        monkeypatch.setattr(video_module, "_FAR", far)
        again = list(frames_at(path, times))
        assert [frame.time for frame in again] == pytest.approx(times, abs=1e-9)
        assert all(np.array_equal(frame.pixels, all_of[time]) for frame, time in zip(again, times, strict=True))
    assert list(frames_at(path, [])) == []
    with pytest.raises(VideoError, match="at 5"):
        list(frames_at(path, [times[0], 5.0]))


@pytest.mark.parametrize(("codec", "container"), [("h264", "mp4"), ("h264", "ts"), ("h264", "avi"), ("vp9", "mkv"), ("animation", "gif")])
@pytest.mark.parametrize("fps", [None, 5, 3, 25])
def test_a_later_start_gives_the_same_frames(made: Callable[[str, str], Path], codec: str, container: str, fps: float | None) -> None:
    path = made(codec, container)
    whole = seen(path, fps)
    for start in (0.05, 0.4, 1.23, 1.9, 2.5):
        assert seen(path, fps, start) == [one for one in whole if one[0] >= start - 1e-3]


@pytest.mark.parametrize("container", ["mp4", "mkv", "ts", "avi"])
def test_a_late_start_is_sought(tmp_path: Path, container: str) -> None:
    path = write_video(tmp_path / f"long.{container}", pictures=[drawn(number % COUNT) for number in range(120)])
    with frames(path, None, start=11) as found:
        assert [number_of(frame.pixels) for frame in found] == list(range(10, 20))
    assert found.coverage.decoded < 40


def test_times_are_those_of_stamps_where_the_rate_varies(tmp_path: Path) -> None:
    stamps = [0, 4, 7, 31, 32, 90, 91, 95, 130, 240]
    for container in ("mp4", "mkv", "ts"):
        path = write_video(tmp_path / f"varied.{container}", pictures=map(drawn, range(10)), stamps=stamps.__getitem__)
        assert [time for time, _ in seen(path)] == pytest.approx([stamp / 100 for stamp in stamps], abs=1e-3)
        assert [number for _, number in seen(path, 2)] == [0, 5, 8, 9]


def test_a_video_without_stamps_is_counted_and_says_so(tmp_path: Path) -> None:
    path = write_video(tmp_path / "bare.h264", format="h264")
    assert [number for _, number in seen(path)] == list(range(COUNT))
    with frames(path, None, start=1) as found:
        times = [frame.time for frame in found]
    assert found.coverage.estimated
    step = 1 / 25 if times[1] - times[0] < 0.05 else 0.1
    assert [later - sooner for sooner, later in pairwise(times)] == pytest.approx([step] * (len(times) - 1))


def test_only_keyframes(video: Path) -> None:
    with frames(video, None, keyframes=True) as found:
        assert [number_of(frame.pixels) for frame in found] == [0, 10]


def test_threads_change_nothing(made: Callable[[str, str], Path]) -> None:
    for codec in ("h264", "hevc"):
        with frames(made(codec, "mp4"), None) as alone, frames(made(codec, "mp4"), None, threads=2) as together:
            assert all(np.array_equal(one.pixels, other.pixels) for one, other in zip(alone, together, strict=True))


# -- as it is to be looked at -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("matrix", ORIENTATIONS)
def test_a_turned_or_mirrored_video_is_shown_upright(tmp_path: Path, matrix: tuple[int, int, int, int]) -> None:
    path = write_turned(tmp_path / "phone.mp4", matrix)
    facts = open_video(path)
    assert (facts.width, facts.height) == (WIDTH, HEIGHT)
    frame = frame_at(path, 0.2)
    assert (frame.pixels.shape, frame.shrunk(48).shape) == ((HEIGHT, WIDTH, 3), (32, 48, 3))
    assert_upright(frame.pixels)
    assert_upright(frame.shrunk(48))
    assert number_of(frame.pixels) == 2


def test_turned_frames_are_let_go(tmp_path: Path) -> None:
    """A matrix that is read keeps no frame: large ones would fill the memory before garbage is collected."""
    gc.collect()
    gc.disable()
    try:
        with frames(write_turned(tmp_path / "phone.mp4", (0, 1, -1, 0)), None) as found:
            assert sum(1 for _ in found) == 3
        assert not [one for one in gc.get_objects() if isinstance(one, av.VideoFrame)]
    finally:
        gc.enable()


def test_pixels_that_are_not_square_are_made_so(tmp_path: Path) -> None:
    path = write_video(tmp_path / "recorder.mp4", aspect=Fraction(2, 1))
    assert (open_video(path).width, open_video(path).height) == (2 * WIDTH, HEIGHT)
    frame = frame_at(path, 0.3)
    assert (frame.pixels.shape, frame.shrunk(96).shape) == ((HEIGHT, 2 * WIDTH, 3), (32, 96, 3))
    assert_upright(frame.pixels)


def test_a_shape_of_pixels_that_cannot_be_is_not_believed(tmp_path: Path) -> None:
    path = write_video(tmp_path / "mad.mp4", aspect=Fraction(60_000, 1))
    assert open_video(path).width == WIDTH


def test_interlaced_frames_are_mended_and_only_those(tmp_path: Path) -> None:
    """Something that moves to the right shows combs: every other line is of another moment."""
    moving = []
    for number in range(8):
        picture = np.full((64, 96, 3), 40, np.uint8)
        picture[0::2, 8 + number * 8 : 24 + number * 8] = 220
        picture[1::2, 12 + number * 8 : 28 + number * 8] = 220
        moving.append(picture)
    half = write_video(tmp_path / "half.ts", pictures=moving, options={"x264-params": "tff=1", "crf": "5"})
    whole = write_video(tmp_path / "whole.ts", pictures=moving, options={"crf": "5"})
    with frames(half, None) as mended, frames(whole, None) as kept:
        of_half, of_whole = list(mended), list(kept)
    assert (mended.coverage.deinterlaced, kept.coverage.deinterlaced) == (True, False)
    assert [frame.time for frame in of_half] == pytest.approx([frame.time for frame in of_whole])
    assert combs(of_whole) > 4 * combs(of_half)
    assert np.array_equal(frame_at(half, of_half[-1].time).pixels, of_half[-1].pixels)


def combs(pictures: Sequence[Frame]) -> float:
    return float(np.mean([np.abs(np.diff(frame.pixels.astype(int), axis=0)).mean() for frame in pictures]))


@pytest.mark.parametrize(("named", "lines", "space"), [(1, 64, 1), (5, 64, 5), (1, 720, 1), (5, 720, 5), (2, 64, 5), (2, 720, 1)])
def test_colours_are_read_by_the_space_that_is_named_or_usual(tmp_path: Path, named: int, lines: int, space: int) -> None:
    path = tmp_path / "colours.mp4"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=10, options={"preset": "ultrafast", "crf": "5"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, lines, "yuv420p"
        if named != 2:
            stream.codec_context.colorspace = named
        frame = av.VideoFrame.from_ndarray(np.full((lines, 64, 3), TOP_LEFT, np.uint8), format="rgb24")
        frame = frame.reformat(format="yuv420p", dst_colorspace=space, dst_color_range=1)
        frame.colorspace, frame.pts = named, 0
        file.mux(stream.encode(frame))
        file.mux(stream.encode())
    assert np.abs(frame_at(path, 0).pixels[10, 10].astype(int) - TOP_LEFT).max() <= 4


def test_the_largest_of_several_videos_is_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as file:
        streams = [file.add_stream("mpeg4", rate=10) for _ in range(2)]
        for stream, scale in zip(streams, (1, 2), strict=True):
            assert isinstance(stream, av.VideoStream)
            stream.width, stream.height, stream.pix_fmt = WIDTH * scale, HEIGHT * scale, "yuv420p"
        for number in range(5):
            for stream, scale in zip(streams, (1, 2), strict=True):
                assert isinstance(stream, av.VideoStream)
                frame = av.VideoFrame.from_ndarray(drawn(number, WIDTH * scale, HEIGHT * scale), format="rgb24")
                frame.pts = number
                file.mux(stream.encode(frame))
        for stream in streams:
            assert isinstance(stream, av.VideoStream)
            file.mux(stream.encode())
    assert open_video(path).width == 2 * WIDTH
    assert len(seen(path)) == 5


@pytest.mark.parametrize(
    ("written", "zone", "at"),
    [
        ({"creation_time": "2026-11-28T10:42:13.000000Z"}, None, 1795862533),
        ({"com.apple.quicktime.creationdate": "2026-11-28T11:42:13+0100"}, "+01:00", 1795862533),
        ({"creation_time": "never"}, None, None),
        ({}, None, None),
    ],
)
def test_when_it_was_recorded(tmp_path: Path, written: dict[str, str], zone: str | None, at: int | None) -> None:
    options = {"movflags": "use_metadata_tags"}
    path = write_video(tmp_path / "dated.mov", pictures=[drawn(0)], metadata=written, container=options)
    instant = open_video(path).recorded_at
    assert (instant and (instant.at, instant.zone, instant.known_by)) == (at and (at, zone, KnownBy.CONTAINER))


def test_crops_and_smaller_pictures(video: Path) -> None:
    frame = frame_at(video, 0.5)
    assert np.array_equal(frame.crop(Box(3.7, 5.2, 10, 4)), frame.pixels[5:10, 3:14])
    assert np.array_equal(frame.crop(Box(-5, -5, 500, 500)), frame.pixels)
    assert frame.shrunk(48).shape == (32, 48, 3)
    assert np.abs(frame.shrunk(48).astype(int) - frame.pixels[::2, ::2])[4:12, 4:20].max() < 4
    assert np.array_equal(frame.shrunk(1000), frame.pixels)
    assert frame.shrunk(1).shape == (1, 1, 3)
    with pytest.raises(InputError, match="a box within 96 x 64 pixels"):
        frame.crop(Box(96, 0, 5, 5))
    with pytest.raises(InputError, match="at least 1 pixel"):
        frame.shrunk(0)


# -- what is damaged, and what is none ----------------------------------------------------------------------------------------------


def test_a_file_that_ends_early_says_where(tmp_path: Path, made: Callable[[str, str], Path]) -> None:
    whole = write_video(tmp_path / "whole.mp4", container={"movflags": "faststart"}, options={"crf": "5"})
    for path in (whole, made("h264", "mkv"), made("mjpeg", "avi")):
        data = path.read_bytes()
        cut = tmp_path / f"cut{path.suffix}"
        cut.write_bytes(data[: len(data) * 55 // 100])
        numbers, coverage = read(cut)
        assert numbers == list(range(len(numbers)))
        assert 2 <= len(numbers) < 17
        assert coverage.cut_short_at == pytest.approx(len(numbers) / 10, abs=0.11)
        assert open_video(cut).duration == pytest.approx(2, abs=0.01)


RUNNING = {
    "a.mkv": ("libx264", ""),
    "a.webm": ("libvpx-vp9", ""),
    "a.mp4": ("libx264", ""),
    "from_zero.mp4": ("libx264", "frag_keyframe+empty_moov"),
    "fragments.mp4": ("libx264", "frag_keyframe+empty_moov+delay_moov"),
    "a.ts": ("libx264", ""),
    "a.flv": ("libx264", ""),
    "a.wmv": ("mpeg4", ""),
}


@pytest.mark.parametrize("name", [*RUNNING, "sound.mkv"])
def test_stamps_that_go_on_from_another_file_make_none_longer(tmp_path: Path, name: str) -> None:
    """As where a stream is cut into files: some containers say when they end, not how long they are."""
    codec, flags = RUNNING.get(name, RUNNING["a.mkv"])
    container = {"movflags": flags} if flags else {}
    sound = name == "sound.mkv"
    path = write_video(tmp_path / name, codec, stamps=lambda number: 3000 + number * 10, container=container, sound=sound)
    assert open_video(path).duration == pytest.approx(2, abs=0.01)
    numbers, coverage = read(path)
    assert numbers == list(range(COUNT))
    assert (coverage.cut_short_at, coverage.gaps) == (None, ())
    begun = begun_at(open_video(path), path.stat().st_mtime_ns)
    assert begun and begun.at == pytest.approx(path.stat().st_mtime - 2, abs=0.01)


def test_a_length_that_mkvmerge_tells_is_one(tmp_path: Path) -> None:
    """Beside stamps that go on from another file, too."""
    path = tmp_path / "told.mkv"
    with (
        av.open(str(write_video(tmp_path / "running.mkv", stamps=lambda number: 100 + number * 10))) as source,
        av.open(str(path), "w") as file,
    ):
        stream = file.add_stream_from_template(source.streams.video[0])
        stream.metadata["_STATISTICS_WRITING_APP"] = "mkvmerge"
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                file.mux(packet)
    patch(path, b"DURATION", 3, b"00:00:02.0")
    assert open_video(path).duration == pytest.approx(2, abs=0.01)


@pytest.mark.parametrize(("codec", "container"), KINDS)
def test_garbage_in_the_middle_ends_no_video(tmp_path: Path, codec: str, container: str, capfd: pytest.CaptureFixture[str]) -> None:
    encoder, pixels, _ = CODECS[codec]
    clusters = {"cluster_time_limit": "500"} if container in ("mkv", "webm") else {}
    chance = np.random.default_rng(3)
    noisy = [chance.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8) for _ in range(COUNT)]
    path = write_video(tmp_path / f"garbled.{container}", encoder, pixels=pixels, pictures=noisy, container=clusters, keyframes=5)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 100] = chance.bytes(100)
    path.write_bytes(data)
    capfd.readouterr()
    with frames(path, None) as found:
        times = [frame.time for frame in found]
    assert len(times) >= 10
    assert times[-1] > 1.5
    assert times == sorted(times)
    assert tuple(capfd.readouterr()) == ("", ""), "FFmpeg says nothing"


@pytest.mark.parametrize(
    ("name", "codec", "clusters"),
    [("a.mkv", "libx264", True), ("a.ts", "libx264", False), ("a.mp4", "libx264", False), ("a.webm", "libvpx-vp9", True)],
)
def test_what_could_not_be_read_is_told_by_time(tmp_path: Path, name: str, codec: str, clusters: bool) -> None:
    """Where frames are wanting, and in no other place; also where the container skips what it cannot read without a word."""
    chance = np.random.default_rng(3)
    noisy = [chance.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8) for _ in range(150)]
    container = {"cluster_time_limit": "500"} if clusters else {}
    path = write_video(tmp_path / name, codec, pictures=noisy, container=container)
    whole, calm = path.read_bytes(), read(path)[1]
    assert calm.gaps == ()
    middle, size = len(whole) // 2, len(whole) // 6
    path.write_bytes(whole[:middle] + bytes(size) + whole[middle + size :])
    with frames(path, None) as found:
        times = [frame.time for frame in found]
    ((start, end),) = found.coverage.gaps
    (hole,) = [(early + 0.1, late) for early, late in pairwise(times) if late - early > 1]
    assert (start, end) == pytest.approx(hole, abs=0.02) and 2 < end - start < 5
    with frames(path, 5, start=end + 1) as later:
        list(later)
    assert all(gap == (start, end) for gap in later.coverage.gaps)


def test_frames_that_are_rare_are_not_missing(tmp_path: Path) -> None:
    """A video with a frame now and then has no gaps, nor has one whose frames last for long."""
    rare = write_video(tmp_path / "rare.mp4", stamps=lambda number: number * number * 10)
    assert read(rare)[1].gaps == ()


@given(
    st.lists(st.tuples(st.floats(0, 50), st.floats(0, 5)), max_size=8),
    st.integers(0, 8),
)
def test_gaps_are_the_same_in_whatever_parts_they_come(parts: list[tuple[float, float]], place: int) -> None:
    gaps, at = list[tuple[float, float]](), 0.0
    for space, length in parts:
        start, at = at + space, at + space + length
        gaps.append((start, at))
    whole = joined((), tuple(gaps))
    assert joined(joined((), tuple(gaps[:place])), tuple(gaps[place:])) == whole
    assert all(late[0] - early[1] > NEAR_GAPS for early, late in pairwise(whole))
    assert not gaps or (whole[0][0], whole[-1][1]) == (gaps[0][0], gaps[-1][1])


def test_whatever_is_damaged_is_read_or_refused(tmp_path: Path, made: Callable[[str, str], Path]) -> None:
    chance = np.random.default_rng(7)
    for codec, container in [*KINDS, *(("animation", kind) for kind in ANIMATIONS)] * 2:
        data = bytearray(made(codec, container).read_bytes())
        for place in chance.integers(64, len(data), 12):
            data[place] ^= 1 << int(chance.integers(8))
        path = tmp_path / f"damaged.{container}"
        path.write_bytes(data[: chance.integers(len(data) // 2, len(data))])
        for act in (
            open_video,
            lambda path: list(frames(path, 5)),
            lambda path: list(frames(path, 5, start=1)),
            lambda path: frame_at(path, 1),
        ):
            with suppress(VideoError):
                act(path)


def test_a_moving_picture_that_would_fill_the_memory(
    tmp_path: Path, made: Callable[[str, str], Path], recwarn: pytest.WarningsRecorder
) -> None:
    path = tmp_path / "huge.gif"
    data = made("animation", "gif").read_bytes()
    path.write_bytes(data[:6] + struct.pack("<HH", 11_000, 11_000) + data[10:])
    with pytest.raises(VideoError, match="1 pixel to 100 megapixels, found one of 11000 x 11000; scale it down"):
        open_video(path)
    assert not recwarn.list


def test_an_avi_that_cannot_be_rewound(tmp_path: Path, made: Callable[[str, str], Path]) -> None:
    data = made("mpeg4", "avi").read_bytes()
    path = tmp_path / "garbled.avi"
    path.write_bytes(data[:200] + b"\xff" * 11 + data[200:])
    assert [number for _, number in seen(path)] == list(range(COUNT))
    assert [number for _, number in seen(path, None, 1.5)] == [15, 16, 17, 18, 19]


def test_broken_frames_are_skipped_and_counted(tmp_path: Path, made: Callable[[str, str], Path]) -> None:
    data = made("mjpeg", "avi").read_bytes()
    pieces = data.split(b"\xff\xd8\xff")
    pieces[5] = bytes(len(pieces[5]) - 8) + pieces[5][-8:]  # the next one's header stays
    path = tmp_path / "broken.avi"
    path.write_bytes(b"\xff\xd8\xff".join(pieces))
    numbers, coverage = read(path)
    assert coverage.broken == 1
    assert numbers == [number for number in range(COUNT) if number != 4]


def test_a_clock_that_jumps_back_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "joined.ts"
    first = write_video(tmp_path / "first.ts", pictures=[drawn(number % 10) for number in range(60)])
    second = write_video(tmp_path / "second.ts", pictures=[drawn(10 + number % 10) for number in range(60)])
    path.write_bytes(first.read_bytes() + second.read_bytes())
    with frames(path, None) as found:
        pictures = list(found)
    assert found.coverage.clock_reset
    assert [frame.time for frame in pictures] == pytest.approx([number / 10 for number in range(120)], abs=0.01)
    for frame in pictures[::9]:
        assert np.array_equal(frame_at(path, frame.time, seek=False).pixels, frame.pixels), "a stamp is there twice"


@pytest.mark.parametrize("container", ["ts", "mkv", "h264"])
def test_a_file_that_grows_is_read_on_from_where_it_was(tmp_path: Path, container: str) -> None:
    pictures = [drawn(number % COUNT) for number in range(60)]
    options = {"cluster_time_limit": "500"} if container == "mkv" else {}
    path = write_video(
        tmp_path / f"whole.{container}", pictures=pictures, container=options, format="h264" if container == "h264" else None
    )
    with frames(path, 5) as found:
        whole = list(found)
    data = path.read_bytes()
    growing = tmp_path / f"growing.{container}"
    for share in (0.3, 0.62, 0.9):
        growing.write_bytes(data[: int(len(data) * share)])
        with frames(growing, 5) as found:
            before = list(found)
        growing.write_bytes(data)
        with frames(growing, 5, start=before[-1].time) as found:
            after = list(found)
        assert len(whole) * (share - 0.2) < len(before) < len(whole)
        together = before[:-1] + after  # the last one may have been half written
        assert [frame.time for frame in together] == [frame.time for frame in whole]
        assert all(np.array_equal(one.pixels, other.pixels) for one, other in zip(together, whole, strict=True))


def test_a_sound_that_begins_later(tmp_path: Path) -> None:
    """PyAV takes stock of a file's streams when it is opened, and stumbles over packets of others."""
    mute = write_video(tmp_path / "mute.flv", pictures=[drawn(number % COUNT) for number in range(100)])
    loud = write_video(tmp_path / "loud.flv", sound=True)
    path = tmp_path / "both.flv"
    path.write_bytes(mute.read_bytes() + loud.read_bytes()[13:])  # without its header
    with frames(path, None) as found:
        assert [number_of(frame.pixels) for frame in found] == [number % COUNT for number in range(100 + COUNT)]
    assert found.coverage.broken == 0
    assert is_video(path)


def test_a_size_that_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interlaced = {"x264-params": "tff=1"}
    small = write_video(tmp_path / "small.h264", format="h264", options=interlaced)
    large = write_video(
        tmp_path / "large.h264", format="h264", options=interlaced, pictures=[drawn(number, 192, 128) for number in range(5)]
    )
    path = tmp_path / "both.h264"
    path.write_bytes(small.read_bytes() + large.read_bytes())
    with frames(path, None) as found:
        sizes = [frame.pixels.shape[:2] for frame in found]
    assert sizes == [(64, 96)] * COUNT + [(128, 192)] * 5
    for module in (video_module, frame_module):
        monkeypatch.setattr(module, "MAX_PIXELS", 10_000)
    with frames(path, None) as found:
        assert {frame.pixels.shape[:2] for frame in found} == {(64, 96)}, "what is too large is as good as broken"
    assert found.coverage.broken
    with pytest.raises(VideoError, match="found one of 192 x 128; scale it down"):
        open_video(large)


def test_a_length_that_is_a_lie(tmp_path: Path, made: Callable[[str, str], Path]) -> None:
    path = tmp_path / "liar.mkv"
    path.write_bytes(made("h264", "mkv").read_bytes())
    patch(path, b"\x44\x89\x88", 0, struct.pack(">d", 36_000_000.0))
    patch(path, b"DURATION", 0, path.read_bytes().split(b"DURATION", 1)[1].split(b"00:00:02.000", 1)[0] + b"10:00:00.000")
    assert open_video(path).duration == 36_000
    numbers, coverage = read(path)
    assert numbers == list(range(COUNT))
    assert coverage.cut_short_at == pytest.approx(2)
    with pytest.raises(VideoError, match="a frame at 30000"):
        frame_at(path, 30_000)


def test_one_frame_and_few_pixels(tmp_path: Path) -> None:
    one = write_video(tmp_path / "one.mp4", pictures=[drawn(7)])
    assert seen(one, 5) == [(0.0, 7)]
    tiny = write_video(tmp_path / "tiny.mkv", "ffv1", pixels="bgr0", pictures=[np.full((3, 3, 3), TOP_LEFT, np.uint8)] * 3)
    with frames(tiny, None) as found:
        assert [frame.shrunk(416).tolist() for frame in found] == [[[list(TOP_LEFT)] * 3] * 3] * 3


def sound_alone(path: Path) -> None:
    with av.open(str(path), "w") as file:
        write_silence(file, file.add_stream("aac", rate=48000), 0.3)


def sound_with_a_cover(path: Path) -> None:
    with av.open(str(path), "w") as file:
        sound, cover = file.add_stream("aac", rate=48000), file.add_stream("mjpeg", rate=1)
        assert isinstance(cover, av.VideoStream)
        cover.width, cover.height, cover.pix_fmt = WIDTH, HEIGHT, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        file.mux(cover.encode(av.VideoFrame.from_ndarray(drawn(0), format="rgb24").reformat(format="yuvj420p")))
        file.mux(cover.encode())
        write_silence(file, sound, 0.3)


def without_an_index(path: Path) -> None:
    path.write_bytes(write_video(path.with_name("whole.mp4")).read_bytes()[:1500])


NONE = {
    "an empty file": lambda path: path.touch(),
    "a folder": lambda path: path.mkdir(),
    "a named pipe": os.mkfifo,
    "no such file": lambda _: None,
    "a picture": lambda path: Image.fromarray(drawn(0)).save(path, "JPEG"),
    "a file without moving pictures": sound_alone,
    "without moving pictures": sound_with_a_cover,
    "no known video format": lambda path: path.write_text("people walk by\n" * 100),
    "no known video": lambda path: path.write_text("#EXTM3U\n#EXTINF:2,\nwhole.mp4\n#EXT-X-ENDLIST\n"),
    "a damaged file": without_an_index,
}
"""What is said, and of what."""


@pytest.mark.parametrize("said", NONE)
def test_what_is_no_video(tmp_path: Path, said: str, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "it.mp4"
    NONE[said](path)
    capfd.readouterr()
    assert not is_video(path)
    for act in (open_video, lambda path: next(frames(path, 5)), lambda path: frame_at(path, 0)):
        with pytest.raises(VideoError, match=f"expected .*, found .*{said}.*; ") as refused:
            act(path)
        assert "\n" not in str(refused.value)
    assert tuple(capfd.readouterr()) == ("", "")


def test_names_of_videos_are_none_of_pictures() -> None:
    assert {f".{container}" for _, container in KINDS} <= VIDEO_SUFFIXES
    assert not VIDEO_SUFFIXES & IMAGE_SUFFIXES


def test_what_is_a_video(tmp_path: Path, video: Path, made: Callable[[str, str], Path]) -> None:
    misnamed = tmp_path / "photo.jpg"
    misnamed.write_bytes(video.read_bytes())
    assert is_video(misnamed)
    assert is_video(made("animation", "webp"))
    for kind in ANIMATIONS:
        still = tmp_path / f"still.{kind}"
        Image.fromarray(drawn(0)).save(still)
        assert not is_video(still)


def test_names_are_names(tmp_path: Path, video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no addresses, patterns or lists, as FFmpeg would have them; nor need they be text."""
    monkeypatch.chdir(tmp_path)
    for name in ("concat:a|b.mp4", "http:x.mp4", "%03d.mp4", "a b'ü.mp4", os.fsdecode(b"\xff\xfe.mp4")):
        path = Path(name)
        path.write_bytes(video.read_bytes())
        assert len(seen(path, 5)) == 10
        path.unlink()


def test_a_file_that_may_not_be_read(tmp_path: Path, video: Path, ordinary: Sequence[str]) -> None:
    path = tmp_path / "locked.mp4"
    path.write_bytes(video.read_bytes())
    path.chmod(0)
    program = "import sys, pathlib; from passerby.media.video import *; open_video(pathlib.Path(sys.argv[1]))"
    done = subprocess.run([*ordinary, sys.executable, "-c", program, path], capture_output=True, text=True, check=False)
    assert "expected a readable file, found permission denied; check the path and its permissions" in done.stderr


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_the_file_is_closed_at_once(video: Path) -> None:
    def is_open() -> bool:
        return any(os.path.realpath(link) == str(video) for link in Path("/proc/self/fd").iterdir())

    found = frames(video, 5)
    next(found)
    assert is_open()
    found.close()
    assert not is_open()
    with frames(video, 5) as left:
        next(left)
    assert not is_open()
    list(frames(video, 5))
    frame_at(video, 0.5)
    open_video(video)
    assert not is_open()


def test_what_cannot_be_asked(video: Path) -> None:
    for fps in (0, -1, float("nan"), float("inf")):
        with pytest.raises(InputError, match="frames a second above 0"):
            frames(video, fps)
    for start in (-1, float("nan"), float("inf")):
        with pytest.raises(InputError, match="a start of at least 0"):
            frames(video, 5, start=start)


def test_without_the_extra(video: Path, made: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtra, match=r"the packages of the extra \[video\], found no av"):
        open_video(video)
    assert len(seen(made("animation", "webp"))) == COUNT, "Pillow reads it"


# -- laws ---------------------------------------------------------------------------------------------------------------------------

STAMPS = st.lists(st.integers(0, 400), min_size=1, max_size=40).map(lambda ticks: [tick / 100 for tick in sorted(ticks)])


@given(times=STAMPS, fps=st.sampled_from([1, 2, 3, 5, 7.5, 30]), start=st.integers(0, 420).map(lambda tick: tick / 100))
def test_of_each_part_of_a_second_the_first_frame_is_taken(times: list[float], fps: float, start: float) -> None:
    every = [Frame(time, 1, 1, lambda width, height: np.zeros((height, width, 3), np.uint8)) for time in times]
    taken = list(sampled(every, fps, 0))
    cells = [floor((time + 1e-3) * fps) for time in times]
    assert [frame.time for frame in taken] == [time for number, time in enumerate(times) if cells[number] not in cells[:number]]
    begin = sampling_start(fps, start)
    later = list(sampled([frame for frame in every if frame.time >= begin], fps, start))
    assert later == [frame for frame in taken if frame.time >= start - 1e-3]


@given(stamps=st.lists(st.none() | st.integers(-500, 5000).map(lambda tick: tick / 10), max_size=30), origin=st.none() | st.just(1.4))
def test_times_never_go_back(stamps: list[float | None], origin: float | None) -> None:
    coverage = Coverage()
    timeline = Timeline(origin, 0.1, coverage)
    times = [timeline.time(stamp) for stamp in stamps]
    assert times == sorted(times)
    assert all(time >= 0 for time in times)
    assert coverage.estimated == (None in stamps)


# -- real videos --------------------------------------------------------------------------------------------------------------------


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "codec", "seconds", "size"),
    [("vtest.avi", "msmpeg4v3", 79.5, (768, 576)), ("one-by-one-person-detection.mp4", "h264", 139.4, (768, 432))],
)
def test_street_videos(name: str, codec: str, seconds: float, size: tuple[int, int]) -> None:
    path = Path(os.environ.get("PASSERBY_DATA") or "/nowhere").parent / "street" / name
    if not path.is_file():
        pytest.skip("beside what PASSERBY_DATA names there is no folder of street videos")
    facts = open_video(path)
    assert (facts.width, facts.height, facts.codec) == (*size, codec)
    assert facts.duration == pytest.approx(seconds)
    with frames(path, 5) as found:
        pictures = list(found)
    assert len(pictures) == pytest.approx(seconds * 5, abs=1)
    assert (found.coverage.broken, found.coverage.estimated, found.coverage.cut_short_at) == (0, False, None)
    for frame in pictures[50::150]:
        assert np.array_equal(frame_at(path, frame.time).pixels, frame.pixels)
