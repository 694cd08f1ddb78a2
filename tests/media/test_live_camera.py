"""A live camera by itself: its newest frame, and why there is none."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise

import pytest
from cameras import PASSWORD, USER, FilmCamera, film_cameras, require_gstreamer, write_pictures
from walkers import PASSING, SIZE, moments

from passerby.media.camera import CameraSource, LiveCamera, Pace

PACE = Pace(patience=2.0, timeout=1.0, pause=0.1, longest_pause=0.4)


@pytest.fixture(scope="module")
def camera(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FilmCamera]:
    """One that asks for a password."""
    require_gstreamer()
    pictures = write_pictures(tmp_path_factory.mktemp("street"), moments(PASSING, 2.0))
    with film_cameras() as make:
        yield make(pictures, 10, PASSWORD)


def source(camera: FilmCamera, address: str = "", password: str | None = PASSWORD, fps: float = 5.0) -> CameraSource:
    at = address.format(port=camera.port) or camera.address
    return CameraSource("gate", at, None if password is None else USER, password, fps=fps)


def test_frames_are_new_and_those_that_nobody_took_are_counted(camera: FilmCamera) -> None:
    with LiveCamera(source(camera), PACE) as live:
        first = live.take(10.0)
        assert first is not None and (first.width, first.height) == SIZE == first.pixels.shape[1::-1]
        assert live.is_connected and live.error is None and live.connections == 1
        time.sleep(1.5)
        second = live.take(10.0)
        assert second is not None and time.monotonic() - second.time < 1.0, "the newest, not the next"
        assert 3 <= live.dropped <= 10
        times = [frame.time for _ in range(6) if (frame := live.take(10.0))]
        assert min(late - early for early, late in pairwise(times[1:])) > 0.05
        assert (times[-1] - times[0]) / 5 == pytest.approx(0.2, abs=0.1)


@pytest.mark.parametrize(
    ("address", "password", "said"),
    [
        ("", None, "that lets one in, found one that asks for a user and a password; correct user and password_env"),
        ("", "wr@ng", "that lets one in, found one that refuses user viewer; correct user and password_env"),
        (
            "rtsp://127.0.0.1:{port}/nothing",
            PASSWORD,
            "expected a stream at 127.0.0.1:{port}, found none called /nothing; correct the path",
        ),
        (
            "rtsp://127.0.0.1:{port}/sound",
            PASSWORD,
            "codec that FFmpeg reads, found none; correct the address of gate, or set the camera to",
        ),
        ("rtsp://127.0.0.1:1/film", None, "expected a camera at 127.0.0.1:1, found connection refused; check that it is on"),
        ("rtsp://gate..invalid/film", None, "the address of a camera, found no machine of the name gate..invalid; correct the address of"),
    ],
)
def test_why_there_are_no_frames_is_said_without_a_password(camera: FilmCamera, address: str, password: str | None, said: str) -> None:
    with LiveCamera(source(camera, address, password), PACE) as live:
        start = time.monotonic()
        while live.error is None and time.monotonic() - start < 10:
            time.sleep(0.02)
        assert said.format(port=camera.port) in str(live.error) and not live.is_connected
        assert PASSWORD not in str(live.error) and "wr@ng" not in str(live.error)
