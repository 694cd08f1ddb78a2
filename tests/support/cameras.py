"""Cameras for tests by RTSP on loopback: Debian's GStreamer serves them, as a child that can be killed, stalled and woken."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest
from PIL import Image

from passerby.media.frame import Pixels

SYSTEM_PYTHON = "/usr/bin/python3"
SERVER = Path(__file__).parent / "rtsp_server.py"
USER, PASSWORD = "viewer", "se/cr:et@7"


@cache
def has_gstreamer() -> bool:
    """Whether a camera can be served here."""
    check = [SYSTEM_PYTHON, str(SERVER), "--check"]
    return Path(SYSTEM_PYTHON).exists() and subprocess.run(check, capture_output=True, check=False).returncode == 0


def require_gstreamer() -> None:
    """Skip where no camera can be served."""
    if not has_gstreamer():
        pytest.skip("GStreamer's RTSP server is not here; .ci/run sees to it that it is")


def write_pictures(folder: Path, pictures: Iterable[Pixels]) -> Path:
    """What a camera shows, as JPEG files."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"{number:04}.jpg", quality=95, subsampling="4:2:0")
    return folder


class FilmCamera:
    """A camera that shows pictures again and again, in the port that it took first."""

    def __init__(self, pictures: Path, rate: int, password: str = "") -> None:
        self._pictures, self._rate, self._password = pictures, rate, password
        self.port = 0
        self._process: subprocess.Popen[str] | None = None

    @property
    def address(self) -> str:
        return f"rtsp://127.0.0.1:{self.port}/film"

    def start(self) -> None:
        password = [self._password] if self._password else []
        command = [SYSTEM_PYTHON, str(SERVER), str(self.port), str(self._pictures), str(self._rate), *password]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        assert said, "the camera did not start"
        self.port = int(said)

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


@contextmanager
def film_cameras() -> Iterator[Callable[..., FilmCamera]]:
    """Makes cameras, which are started and, in the end, gone."""
    made: list[FilmCamera] = []

    def make(pictures: Path, rate: int = 10, password: str = "") -> FilmCamera:
        made.append(FilmCamera(pictures, rate, password))
        made[-1].start()
        return made[-1]

    try:
        yield make
    finally:
        for camera in made:
            camera.kill()
