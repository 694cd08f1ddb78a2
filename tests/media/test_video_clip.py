"""Clips: the right stretch, playable, copied bit for bit where that can be, whole or not there at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av  # noqa: TID251
import numpy as np
import pytest
from PIL import Image
from videos import COUNT, HEIGHT, ORIENTATIONS, TOP_LEFT, WIDTH, drawn, number_of, write_turned, write_video

from passerby.errors import InputError, MissingExtra, VideoError
from passerby.media import clip as clip_module
from passerby.media.clip import Clip, cut
from passerby.media.frame import Frame, Pixels
from passerby.media.video import frames, open_video

LONG = [drawn(number % COUNT) for number in range(60)]
"""Six seconds, in which a second is numbered from 0 or from 10."""
REORDERED = {"bf": "2", "preset": "veryfast"}


def shown(path: Path) -> list[tuple[float, int]]:
    """Times, and which pictures are there."""
    with frames(path, None) as found:
        pictures = [(frame.time, number_of(frame.pixels)) for frame in found]
    assert (found.coverage.broken, found.coverage.cut_short_at) == (0, None)
    return pictures


def packets(path: Path, kind: str = "video") -> list[bytes]:
    with av.open(str(path)) as file:
        return [bytes(packet) for packet in file.demux(**{kind: 0}) if packet.size]


def streams(path: Path) -> list[tuple[str, str]]:
    with av.open(str(path)) as file:
        return [(one.type, one.codec_context.codec.canonical_name) for one in file.streams]


def first_frame(path: Path) -> Frame:
    with frames(path, None) as found:
        return next(found)


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A video of H.264 with reordered frames and sound in a container, made once. Not to be changed."""
    folder = tmp_path_factory.mktemp("long")

    def make(container: str) -> Path:
        path = folder / f"long.{container}"
        return path if path.exists() else write_video(path, pictures=LONG, sound=True, options=REORDERED)

    return make


@pytest.fixture
def video(long: Callable[[str], Path]) -> Path:
    return long("mp4")


def assert_clip(clip: Clip, start: float, end: float, count: int, *, copied: bool) -> None:
    assert [clip.start, clip.end] == pytest.approx([start, end], abs=1e-3)
    assert (clip.frames, clip.copied, clip.sound) == (count, copied, False)


def same(_: float, pixels: Pixels) -> Pixels:
    return pixels


# -- which frames -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("container", ["mp4", "mov", "mkv", "ts", "flv"])
@pytest.mark.parametrize(("start", "end"), [(2.55, 4.05), (3.0, 3.0), (-3, 1.2), (5.5, 99)])
def test_a_copy_has_the_videos_own_frames(tmp_path: Path, long: Callable[[str], Path], container: str, start: float, end: float) -> None:
    out = tmp_path / "clip.mp4"
    clip = cut(long(container), start, end, out)
    assert clip.copied
    assert max(0, start) - 1 <= clip.start <= max(0, start) + 1e-3, "from the keyframe before, of which there is one a second"
    assert min(end, 5.9) - 0.1 < clip.end <= min(end, 5.9) + 0.3, "to the last frame, or those that it needs"
    first = round(clip.start * 10)
    expected = [(number / 10, (first + number) % COUNT) for number in range(clip.frames)]
    assert [number for _, number in shown(out)] == [number for _, number in expected]
    assert [time for time, _ in shown(out)] == pytest.approx([time for time, _ in expected], abs=2e-3)
    assert clip.frames == round((clip.end - clip.start) * 10) + 1
    if container in ("mp4", "mov", "mkv", "flv"):  # MPEG-TS writes the same in another way
        assert set(packets(out)) <= set(packets(long(container)))
    assert streams(out) == [("video", "h264")]


@pytest.mark.parametrize("container", ["mp4", "mkv", "ts"])
def test_a_copy_has_no_frame_without_those_that_it_needs(tmp_path: Path, container: str) -> None:
    """Frames between two that they need; of those before a keyframe in time, but after it in the file, one is not in the copy."""
    options = {"preset": "veryfast", "x264-params": "open-gop=1:bframes=3:b-adapt=0:b-pyramid=none:scenecut=0"}
    pictures = [np.roll(np.random.default_rng(1).integers(0, 256, (64, 96, 3), np.uint8), number, axis=1) for number in range(40)]
    video = write_video(tmp_path / f"open.{container}", pictures=pictures, options=options)
    with av.open(str(video)) as file:
        stamps = [(packet.pts or 0, packet.is_keyframe) for packet in file.demux(video=0) if packet.size]
    assert any(key and after < stamp for (stamp, key), (after, _) in pairwise(stamps)), "there are such frames"
    with frames(video, None) as found:
        whole = [frame.pixels.astype(int) for frame in found]
    for start, end in [(2.15, 2.15 + tenth / 10) for tenth in range(12)]:
        clip = cut(video, start, end, tmp_path / "clip.mp4")
        assert clip.copied
        first = round(clip.start * 10)
        with frames(tmp_path / "clip.mp4", None) as found:
            copied = list(found)
        assert [frame.time for frame in copied] == pytest.approx([number / 10 for number in range(clip.frames)], abs=2e-3)
        assert all(np.array_equal(frame.pixels, whole[first + number]) for number, frame in enumerate(copied))


@pytest.mark.parametrize(("codec", "container"), [("libvpx-vp9", "webm"), ("libsvtav1", "mp4"), ("libvpx-vp9", "mkv")])
def test_what_else_browsers_play_is_copied(tmp_path: Path, codec: str, container: str) -> None:
    video = write_video(tmp_path / f"it.{container}", codec)
    out = tmp_path / "clip.mp4"
    assert_clip(cut(video, 1.25, 1.6, out), 1.0, 1.6, 7, copied=True)
    assert [number for _, number in shown(out)] == list(range(10, 17))


OTHERS = {
    "hevc.mp4": ("libx265", "yuv420p"),
    "ten_bits.mkv": ("libx264", "yuv420p10le"),
    "full_colour.mp4": ("libx264", "yuv444p"),
    "mpeg4.avi": ("mpeg4", "yuv420p"),
    "h264.avi": ("libx264", "yuv420p"),
    "mjpeg.mkv": ("mjpeg", "yuvj420p"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_browsers_do_not_play_is_encoded(tmp_path: Path, name: str) -> None:
    codec, pixels = OTHERS[name]
    out = tmp_path / "clip.mp4"
    clip = cut(write_video(tmp_path / name, codec, pixels=pixels), 0.45, 1.5, out)
    assert_clip(clip, 0.5, 1.5, 11, copied=False)
    assert [number for _, number in shown(out)] == list(range(5, 16))
    assert [time for time, _ in shown(out)] == pytest.approx([number / 10 for number in range(11)], abs=1e-3)
    assert streams(out) == [("video", "h264")]
    with av.open(str(out)) as file:
        context = file.streams.video[0].codec_context
        colours = [context.colorspace, context.color_primaries, context.color_trc, context.color_range]
        assert (context.pix_fmt, list(map(int, colours))) == ("yuv420p", [1, 1, 1, 1])
    assert np.abs(first_frame(out).pixels[10, 10].astype(int) - TOP_LEFT).max() <= 8


def test_bare_streams_and_animations_are_encoded(tmp_path: Path) -> None:
    out = tmp_path / "clip.mp4"
    bare = write_video(tmp_path / "bare.h264", format="h264")
    assert not cut(bare, 0, 9, out).copied
    assert [number for _, number in shown(out)] == list(range(COUNT))
    moving = tmp_path / "moving.webp"
    first, *others = (Image.fromarray(drawn(number)) for number in range(COUNT))
    first.save(moving, save_all=True, append_images=others, duration=100, lossless=True)
    assert_clip(cut(moving, 0.5, 0.75, out, audio=True), 0.5, 0.7, 3, copied=False)
    assert [number for _, number in shown(out)] == [5, 6, 7]


def test_interlaced_frames_are_mended(tmp_path: Path) -> None:
    video = write_video(tmp_path / "half.mp4", options={"x264-params": "tff=1"})
    assert not cut(video, 0, 2, tmp_path / "clip.mp4").copied
    with frames(tmp_path / "clip.mp4", None) as found:
        assert len(list(found)) == COUNT
    assert not found.coverage.deinterlaced


@pytest.mark.parametrize("matrix", ORIENTATIONS)
def test_turned_and_mirrored_videos_are_upright(tmp_path: Path, matrix: tuple[int, int, int, int]) -> None:
    """Also for who knows of no matrix."""
    clip = cut(write_turned(tmp_path / "turned.mp4", matrix), 0, 1, tmp_path / "clip.mp4")
    assert clip.copied == (matrix == (1, 0, 0, 1))
    with av.open(str(tmp_path / "clip.mp4")) as file:
        frame = next(file.decode(video=0))
    assert frame.side_data.get("DISPLAYMATRIX") is None
    assert np.abs(frame.to_ndarray(format="rgb24").astype(int) - drawn(0)).mean() < 4


def test_pixels_become_square_and_sides_even(tmp_path: Path) -> None:
    out = tmp_path / "clip.mp4"
    cut(write_video(tmp_path / "oblong.mp4", aspect=Fraction(2, 1)), 0, 1, out)
    assert (open_video(out).width, open_video(out).height) == (2 * WIDTH, HEIGHT)
    for width, height in ((97, 65), (1, 1), (3, 2)):
        pictures = [np.full((height, width, 3), TOP_LEFT, np.uint8)] * 3
        assert cut(write_video(tmp_path / "odd.mkv", "ffv1", pixels="bgr0", pictures=pictures), 0, 1, out).frames == 3
        assert (open_video(out).width, open_video(out).height) == (width + width % 2, height + height % 2)
        assert np.abs(first_frame(out).pixels.astype(int) - TOP_LEFT).max() <= 5


@pytest.mark.parametrize("change", [None, same])
def test_times_stay_where_the_rate_varies(tmp_path: Path, change: Callable[[float, Pixels], Pixels] | None) -> None:
    stamps = [0, 4, 7, 31, 32, 90, 91, 95, 130, 240]
    video = write_video(tmp_path / "varied.mkv", pictures=map(drawn, range(10)), stamps=stamps.__getitem__)
    clip = cut(video, 0.05, 1.3, tmp_path / "clip.mp4", change=change)
    assert clip.copied == (change is None)
    kept = range(9) if change is None else range(2, 9)
    assert [number for _, number in shown(tmp_path / "clip.mp4")] == list(kept)
    expected = [(stamps[number] - stamps[kept[0]]) / 100 for number in kept]
    assert [time for time, _ in shown(tmp_path / "clip.mp4")] == pytest.approx(expected, abs=2e-3)


def test_a_keyframe_that_is_far_off_is_none(tmp_path: Path) -> None:
    video = write_video(tmp_path / "one_keyframe.mp4", pictures=LONG, keyframes=600)
    assert cut(video, 1.9, 3, tmp_path / "clip.mp4").start == 0
    assert_clip(cut(video, 2.5, 3, tmp_path / "clip.mp4"), 2.5, 3, 6, copied=False)


def test_what_is_shown_instead_is_shown_at_its_time(tmp_path: Path, video: Path) -> None:
    told = []

    def change(time: float, pixels: Pixels) -> Pixels:
        told.append(time)
        return np.full_like(pixels, 40 + 9 * (len(told) + 3))

    clip = cut(video, 2.0, 2.5, tmp_path / "clip.mp4", change=change)
    assert told == pytest.approx([2.0, 2.1, 2.2, 2.3, 2.4, 2.5])
    assert not clip.copied
    assert [number for _, number in shown(tmp_path / "clip.mp4")] == [4, 5, 6, 7, 8, 9]


# -- sound, and what a file says of itself --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("container", ["mp4", "mkv", "ts"])
@pytest.mark.parametrize("change", [None, same])
def test_sound_is_kept_if_it_is_wanted(
    tmp_path: Path, long: Callable[[str], Path], container: str, change: Callable[[float, Pixels], Pixels] | None
) -> None:
    out = tmp_path / "clip.mp4"
    clip = cut(long(container), 0.55, 1.55, out, change=change, audio=True)
    assert clip.sound
    assert streams(out) == [("video", "h264"), ("audio", "aac")]
    length = (clip.end - clip.start) * 48000 / 1024
    assert abs(len(packets(out, "audio")) - length) <= 6
    assert len(shown(out)) == clip.frames
    assert not cut(long(container), 0.55, 1.55, out, change=change).sound
    assert streams(out) == [("video", "h264")]


def test_sound_that_browsers_do_not_play_is_left_out(tmp_path: Path) -> None:
    assert not cut(write_video(tmp_path / "it.avi", "mpeg4", sound=True), 0, 1, tmp_path / "clip.mp4", audio=True).sound
    assert not cut(write_video(tmp_path / "mute.mp4"), 0, 1, tmp_path / "clip.mp4", audio=True).sound


@pytest.mark.parametrize("change", [None, same])
def test_nothing_is_said_of_camera_and_place_and_the_contents_come_first(
    tmp_path: Path, change: Callable[[float, Pixels], Pixels] | None
) -> None:
    told = {"location": "+48.8584+002.2945/", "creation_time": "2026-11-28T10:42:13.000000Z", "comment": "camera 3"}
    video = write_video(tmp_path / "told.mov", metadata=told, container={"movflags": "use_metadata_tags"})
    assert b"48.8584" in video.read_bytes()
    cut(video, 0, 1, tmp_path / "clip.mp4", change=change)
    data = (tmp_path / "clip.mp4").read_bytes()
    assert b"48.8584" not in data
    assert b"camera 3" not in data
    assert open_video(tmp_path / "clip.mp4").recorded_at is None
    assert data.index(b"moov") < data.index(b"mdat")


# -- what goes wrong ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("container", ["mp4", "mkv", "ts"])
def test_a_video_that_is_cut_short(tmp_path: Path, container: str) -> None:
    options = {"movflags": "faststart"} if container == "mp4" else {}
    data = write_video(tmp_path / f"whole.{container}", pictures=LONG, container=options).read_bytes()
    video = tmp_path / f"short.{container}"
    video.write_bytes(data[: len(data) * 2 // 3])
    clip = cut(video, 2.5, 9, tmp_path / "clip.mp4")
    assert 3 < clip.end < 5.5
    first = round(clip.start * 10)
    assert [number for _, number in shown(tmp_path / "clip.mp4")] == [(first + number) % COUNT for number in range(clip.frames)]


@pytest.mark.parametrize("change", [None, same])
def test_a_clock_that_jumps_back(tmp_path: Path, change: Callable[[float, Pixels], Pixels] | None) -> None:
    """Stamps are there twice, and say nothing of where to seek."""
    video = tmp_path / "joined.ts"
    with video.open("wb") as file:
        for start, count in ((0, 57), (10, 300)):
            part = write_video(tmp_path / "part.ts", pictures=[drawn(start + number % 10) for number in range(count)])
            file.write(part.read_bytes())
    for moment, expected in ((2.5, [5, 6, 7, 8, 9, 0]), (8.5, [18, 19, 10, 11, 12, 13])):
        clip = cut(video, moment, moment + 0.5, tmp_path / "clip.mp4", change=change, audio=True)
        assert clip.start == pytest.approx(moment, abs=0.01)
        assert not clip.copied
        assert [number for _, number in shown(tmp_path / "clip.mp4")] == expected


def test_a_sound_that_begins_later(tmp_path: Path) -> None:
    mute = write_video(tmp_path / "mute.flv", pictures=LONG * 2)
    loud = write_video(tmp_path / "loud.flv", sound=True)
    (tmp_path / "both.flv").write_bytes(mute.read_bytes() + loud.read_bytes()[13:])  # without its header
    for change in (None, same):
        assert cut(tmp_path / "both.flv", 10, 20, tmp_path / "clip.mp4", change=change, audio=True).frames >= 20
        assert [number for _, number in shown(tmp_path / "clip.mp4")][:20] == list(range(20))


def test_damaged_sound_is_left_out(tmp_path: Path, long: Callable[[str], Path]) -> None:
    video = tmp_path / "loud.ts"
    video.write_bytes(long("ts").read_bytes().replace(b"\xff\xf1", b"\xff\x71"))
    for change in (None, same):
        clip = cut(video, 1, 2, tmp_path / "clip.mp4", change=change, audio=True)
        assert len(shown(tmp_path / "clip.mp4")) == clip.frames


def test_frames_of_one_time_stay_frames(tmp_path: Path) -> None:
    """As AVI says of those that are decoded in another order than they are shown."""
    video = write_video(tmp_path / "reordered.avi", options=REORDERED)
    with frames(video, None) as found:
        times = [frame.time for frame in found]
    assert len(set(times)) < len(times)
    assert cut(video, 0, 9, tmp_path / "clip.mp4").frames == len(times)
    assert len(shown(tmp_path / "clip.mp4")) == len(times)


def test_a_size_that_changes(tmp_path: Path) -> None:
    small = write_video(tmp_path / "small.h264", format="h264")
    large = write_video(tmp_path / "large.h264", format="h264", pictures=[drawn(number, 192, 128) for number in range(5)])
    (tmp_path / "both.h264").write_bytes(small.read_bytes() + large.read_bytes())
    assert cut(tmp_path / "both.h264", 0, 9, tmp_path / "clip.mp4").frames == COUNT + 5
    with frames(tmp_path / "clip.mp4", None) as found:
        assert [(frame.width, frame.height, number_of(frame.pixels)) for frame in found] == [
            (WIDTH, HEIGHT, number) for number in [*range(COUNT), *range(5)]
        ]


def test_damaged_packets_are_encoded_around(tmp_path: Path) -> None:
    chance = np.random.default_rng(3)
    noisy = [chance.integers(0, 255, (64, 96, 3), np.uint8) for _ in range(20)]
    video = write_video(tmp_path / "noisy.mkv", pictures=noisy, keyframes=5)
    data = bytearray(video.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 100] = chance.bytes(100)
    video.write_bytes(data)
    with frames(video, None) as found:
        expected = [frame.time for frame in found]
    assert found.coverage.broken
    assert cut(video, 0, 9, tmp_path / "clip.mp4").frames == len(expected)
    assert [time for time, _ in shown(tmp_path / "clip.mp4")] == pytest.approx(expected, abs=2e-3)


def test_whatever_is_damaged_is_cut_or_refused(tmp_path: Path, long: Callable[[str], Path]) -> None:
    chance = np.random.default_rng(7)
    out = tmp_path / "clip.mp4"
    for container in ("mp4", "mkv", "ts", "flv") * 3:
        data = bytearray(long(container).read_bytes())
        for place in chance.integers(64, len(data), 12):
            data[place] ^= 1 << int(chance.integers(8))
        video = tmp_path / f"damaged.{container}"
        video.write_bytes(data[: chance.integers(len(data) // 2, len(data))])
        out.unlink(missing_ok=True)
        with suppress(VideoError):
            clip = cut(video, 1.5, 3, out, audio=True)
            assert len(shown(out)) == clip.frames
        assert set(tmp_path.iterdir()) <= {video, out, *tmp_path.glob("damaged.*")}


def test_a_stretch_without_a_frame(tmp_path: Path, video: Path) -> None:
    out = tmp_path / "clip.mp4"
    with pytest.raises(VideoError, match=r"expected a frame between 7.00 and 9.00 s, found a video that ends at 6.00 s; name other"):
        cut(video, 7, 9, out)
    with pytest.raises(VideoError, match=r"expected a frame between 2.52 and 2.57 s, found none"):
        cut(video, 2.52, 2.57, out, change=same)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("start", "end"), [(3, 2), (-5, -1), (float("nan"), 2), (0, float("inf")), (float("-inf"), 3)])
def test_a_stretch_that_cannot_be(tmp_path: Path, video: Path, start: float, end: float) -> None:
    with pytest.raises(InputError, match="a stretch that ends after its start"):
        cut(video, start, end, tmp_path / "clip.mp4")


def test_names_that_no_clip_has(tmp_path: Path) -> None:
    video = write_video(tmp_path / "it.mp4")
    before = video.read_bytes()
    (tmp_path / "link.mp4").symlink_to(video)
    os.link(video, tmp_path / "second.mp4")
    for name in ("it.mp4", "link.mp4", "second.mp4"):
        with pytest.raises(InputError, match="expected a file of its own for the clip, found the video itself"):
            cut(video, 0, 1, tmp_path / name)
    with pytest.raises(InputError, match=r"a clip's name that ends in \.mp4, found 'clip.avi'"):
        cut(video, 0, 1, tmp_path / "clip.avi")
    assert video.read_bytes() == before


def test_names_are_names(tmp_path: Path, video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("http:x.mp4", "%03d.mp4", "a b'ü.mp4", os.fsdecode(b"\xff\xfe.mp4"), "UPPER.MP4"):
        for change in (None, same):
            cut(video, 0, 0.5, Path(name), change=change)
            assert len(shown(Path(name))) >= 6
        Path(name).unlink()


def test_no_video(tmp_path: Path) -> None:
    Image.fromarray(drawn(0)).save(tmp_path / "photo.jpg")
    for name in ("photo.jpg", "nothing.mp4"):
        with pytest.raises(VideoError):
            cut(tmp_path / name, 0, 1, tmp_path / "clip.mp4")
    assert not (tmp_path / "clip.mp4").exists()


def test_without_the_encoder(tmp_path: Path, video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip_module, "_ENCODER", "libx000")
    with pytest.raises(VideoError, match="expected an FFmpeg with libx000, found one without; install PyAV as its wheel") as refused:
        cut(video, 0, 1, tmp_path / "clip.mp4", change=same)
    assert "\n" not in str(refused.value)
    assert not list(tmp_path.iterdir())


def test_frames_that_no_encoder_takes(tmp_path: Path) -> None:
    wide = write_video(tmp_path / "wide.mkv", "ffv1", pixels="bgr0", pictures=[np.zeros((16, 20_000, 3), np.uint8)])
    with pytest.raises(VideoError, match=r"expected frames that H.264 can hold, found 20000 x 16 pixels, which the encoder refuses"):
        cut(wide, 0, 1, tmp_path / "clip.mp4")
    assert list(tmp_path.iterdir()) == [wide]


def test_without_the_extra(tmp_path: Path, video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moving = tmp_path / "moving.gif"
    Image.fromarray(drawn(0)).save(moving, save_all=True, append_images=[Image.fromarray(drawn(9))], duration=100)
    monkeypatch.setitem(sys.modules, "av", None)
    for path in (video, moving):
        with pytest.raises(MissingExtra, match=r"the packages of the extra \[video\], found no av"):
            cut(path, 0, 1, tmp_path / "clip.mp4")
    assert list(tmp_path.iterdir()) == [moving]


@pytest.mark.parametrize("change", ["None", "lambda time, pixels: pixels"])
def test_a_full_disk_leaves_what_was_there(tmp_path: Path, video: Path, change: str) -> None:
    out = tmp_path / "clip.mp4"
    out.write_bytes(b"before")
    program = (
        "import sys, signal, resource\nfrom pathlib import Path\nfrom passerby.media.clip import cut\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nresource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))\n"
        f"cut(Path(sys.argv[1]), 0, 6, Path(sys.argv[2]), change={change})"
    )
    done = subprocess.run([sys.executable, "-c", program, video, out], capture_output=True, text=True, check=False)
    assert done.stderr.strip().endswith(f"OSError: [Errno 27] File too large: '{out}'")
    assert out.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [out]


def test_who_kills_it_finds_no_half_clip(tmp_path: Path, video: Path) -> None:
    out = tmp_path / "clip.mp4"
    program = (
        "import sys, time\nfrom pathlib import Path\nfrom passerby.media.clip import cut\n"
        "def change(at, pixels):\n    print('.', flush=True)\n    time.sleep(0.01)\n    return pixels\n"
        "cut(Path(sys.argv[1]), 0, 6, Path(sys.argv[2]), change=change)"
    )
    child = subprocess.Popen([sys.executable, "-c", program, video, out], stdout=subprocess.PIPE)
    assert child.stdout
    for _ in range(30):
        child.stdout.readline()
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert child.returncode == -signal.SIGKILL
    (draft,) = tmp_path.iterdir()
    os.utime(draft, (1, 1))
    cut(video, 0, 1, out)
    assert list(tmp_path.iterdir()) == [out], "and the next one leaves none"


def test_a_change_that_fails_leaves_nothing(tmp_path: Path, video: Path) -> None:
    def change(time: float, pixels: Pixels) -> Pixels:
        if time > 1:
            raise InputError(expected="less", found="more", do="stop")
        return pixels

    with pytest.raises(InputError, match="expected less, found more"):
        cut(video, 0, 3, tmp_path / "clip.mp4", change=change)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_may_not_be_written(tmp_path: Path, video: Path, ordinary: Sequence[str]) -> None:
    tmp_path.chmod(0o555)
    program = "import sys; from pathlib import Path; from passerby.media.clip import cut; cut(Path(sys.argv[1]), 0, 1, Path(sys.argv[2]))"
    command: list[str | Path] = [*ordinary, sys.executable, "-c", program, video, tmp_path / "clip.mp4"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    tmp_path.chmod(0o755)
    assert "PermissionError: [Errno 13] Permission denied" in done.stderr
