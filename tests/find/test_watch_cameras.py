"""Live cameras, real ones by RTSP on loopback: who is seen can be found within seconds, and one that is gone troubles nobody else."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from resource import RLIM_INFINITY, RLIMIT_FSIZE, prlimit
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM
from statistics import median

import numpy as np
import pytest
from cameras import PASSWORD, USER, FilmCamera, film_cameras, require_gstreamer, write_pictures
from tiny import write_tiny_bundle
from walkers import PASSING, moments
from watching import QUICK, small_models, watching, write_cameras

from passerby.data.synthetic.street import draw_street
from passerby.find.ingest.videos import Watching
from passerby.find.removal import remove_from
from passerby.find.watch import live
from passerby.find.watch.state import CameraState, is_watched, live_cameras, read_states, watching_alone
from passerby.index.selection import Selection
from passerby.index.sqlite.index import Index
from passerby.media.camera import CameraSource, LiveCamera, Pace
from passerby.media.frame import Pixels
from passerby.media.shown import read_crop
from passerby.model.bundle import read_bundle
from passerby.model.bundle_encoder import BundleEncoder
from passerby.types import Crop, MediaKind, Person

RATE = 10
START = 90.0
"""Seconds that processes may take to start on a busy machine."""
SLACK = 4.0
"""Seconds that a busy machine may take beside."""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("street"), moments(PASSING, 10.0))


@pytest.fixture
def camera() -> Iterator[Callable[..., FilmCamera]]:
    require_gstreamer()
    with film_cameras() as make:
        yield make


def state(index: Path, name: str) -> CameraState:
    return next((one for one in read_states(index) if one.name == name), CameraState(name, connected=False, since=0.0))


def within(seconds: float, holds: Callable[[], bool]) -> float:
    """How long it took until something held."""
    start = time.monotonic()
    while not holds():
        assert time.monotonic() - start < seconds, f"not within {seconds} s"
        time.sleep(0.05)
    return time.monotonic() - start


def lags(folder: Path, people: int, since: Callable[[Person, Sequence[Crop]], float]) -> list[float]:
    """How long it took from a frame of each of so many people, who come next, until they could be searched for."""
    found: dict[int, float] = {}
    with Index.open(folder) as index:
        start = time.monotonic()
        there = {person.id for person, _ in index.people()}
        while len(found) < people:
            assert time.monotonic() - start < 10 * people
            now = {person.id or 0: time.time() - began_at(person) - since(person, crops) for person, crops in index.people()}
            assert now.keys() >= {*found, *there}, "who is followed further stays who they are"
            found |= {id: lag for id, lag in now.items() if id not in found and id not in there}
            time.sleep(0.05)
    return sorted(found.values())


def first_frame(person: Person, _: Sequence[Crop]) -> float:
    return person.first or 0.0


def best_frame(_: Person, crops: Sequence[Crop]) -> float:
    """A detector may be unsure of somebody for long before it is sure that they are there, and shows them so."""
    return crops[0].time or 0.0


def began_at(person: Person) -> float:
    assert person.media.started_at is not None
    return person.media.started_at


@pytest.mark.parametrize("pace", [QUICK, pytest.param(Pace(), marks=pytest.mark.soak)], ids=["quick", "usual"])
def test_cameras_are_watched_stalled_killed_and_back(
    tmp_path: Path, tiny_bundle: Path, pictures: Path, camera: Callable[..., FilmCamera], pace: Pace
) -> None:
    gate, yard, index = camera(pictures, RATE), camera(pictures, RATE, PASSWORD), tmp_path / "index"
    file = write_cameras(
        tmp_path / "cameras.toml",
        f'name = "gate"\naddress = "{gate.address}"\noffset = "+1h"\nzone = "+02:00"',
        f'name = "yard"\naddress = "{yard.address}"\nuser = "{USER}"\npassword_env = "YARD_PASSWORD"',
    )
    began = time.time()
    with watching(index, tiny_bundle, cameras=file, pace=pace, YARD_PASSWORD=PASSWORD) as process:
        within(START, lambda: all(state(index, name).last_person for name in ("gate", "yard")))
        let_write(process.pid, 8192)
        within(30, lambda: all("a disk that works" in (state(index, name).error or "") for name in ("gate", "yard")))
        let_write(process.pid, RLIM_INFINITY)
        within(10, lambda: all(state(index, name).error is None for name in ("gate", "yard")))
        found = lags(index, 3, first_frame)
        assert median(found) < 5, found
        assert max(state(index, name).lag or 99.0 for name in ("gate", "yard")) < 10 + SLACK
        gate.send(SIGSTOP)
        within(min(pace.patience + 1 + SLACK, 15), lambda: not state(index, "gate").connected)
        assert state(index, "yard").connected and time.time() - (state(index, "yard").last_frame or 0.0) < 2.5 + SLACK
        gate.send(SIGCONT)
        within(10, lambda: state(index, "gate").connected)
        gate.kill()
        within(min(pace.patience + 1 + SLACK, 15), lambda: "connection refused" in (state(index, "gate").error or ""))
        gate.start()
        within(10, lambda: state(index, "gate").connected)
        assert state(index, "gate").reconnects >= 1 and state(index, "yard").reconnects == 0
        assert is_watched(index)
        process.send_signal(SIGTERM)
        out, _ = process.communicate(timeout=60)
    assert out.endswith("ended\n") and process.returncode == 0, out
    assert "gate: offline" in out and PASSWORD not in out
    assert not any(PASSWORD.encode() in file.read_bytes() for file in index.rglob("*") if file.is_file())
    check_what_is_held(index, began)


def let_write(parent: int, size: int) -> None:
    """Let the processes of cameras write files of so many bytes, as on a disk that is full."""
    for child in processes_of(parent):
        prlimit(child, RLIMIT_FSIZE, (size, RLIM_INFINITY))


def check_what_is_held(folder: Path, began: float) -> None:
    with Index.open(folder) as index:
        assert [one.said for one in live_cameras(index)] == ["not watched now"] * 2
        seen = list(index.people())
        assert {person.media.camera for person, _ in seen} == {"gate", "yard"}
        assert {person.media.kind for person, _ in seen} == {MediaKind.CAMERA}
        for person, crops in seen:
            assert began < began_at(person) + (person.first or 0.0) < time.time()
            for crop in crops:
                shown = read_crop(person.media, crop)
                assert crop.box is not None and abs(shown.width - crop.box.width) < 8 and abs(shown.height - crop.box.height) < 8
                assert max(shown.resize((1, 1), box=(4, 4, shown.width - 4, shown.height - 4)).getpixel((0, 0))) > 120  # type: ignore[arg-type]
        (gate, yard) = index.seen_by_cameras()
        assert (gate.camera.offset_seconds, gate.camera.zone, yard.camera.zone) == (3600, "+02:00", None)
        assert gate.last is not None and gate.last.timestamp() > time.time() + 3000
        looked = index.looked_into(Selection(cameras=("gate",)))
        assert looked.videos >= 2 and looked.seconds < time.time() - began - QUICK.patience, "what was not seen is not counted"
        remove_from(index, [Path("gate"), Path("yard")])
        assert list(index.people()) == []


@pytest.mark.soak
def test_a_camera_s_process_that_is_killed_is_started_again_and_one_without_a_parent_ends(
    tmp_path: Path, tiny_bundle: Path, pictures: Path, camera: Callable[..., FilmCamera]
) -> None:
    gate, index = camera(pictures, RATE), tmp_path / "index"
    name = f"127.0.0.1:{gate.port}"
    with watching(index, tiny_bundle, gate.address) as process:
        within(START, lambda: state(index, name).last_person is not None)
        for child in processes_of(process.pid):
            os.kill(child, SIGKILL)
        within(10, lambda: state(index, name).error == "its process ended")
        assert state(index, name).last_person is not None
        within(START, lambda: state(index, name).connected)
        (child,) = processes_of(process.pid)
        process.kill()
        within(10, lambda: not is_running(child))
    assert not is_watched(index)
    with Index.open(index) as opened:
        assert len(list(opened.people())) > 0


def processes_of(parent: int) -> list[int]:
    """Those of cameras."""
    children = map(int, Path(f"/proc/{parent}/task/{parent}/children").read_text().split())
    return [child for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


def is_running(process: int) -> bool:
    """Whether it is there, and not only waited for by nobody."""
    status = Path(f"/proc/{process}/status")
    return status.exists() and "zombie" not in status.read_text()


@pytest.mark.soak
def test_a_camera_is_a_media_an_hour(
    index: Index, tiny_bundle: Path, pictures: Path, camera: Callable[..., FilmCamera], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "REEL", 4.0)
    encoder, detecting = small_models(tiny_bundle)
    gate, end = camera(pictures, RATE), time.monotonic() + 14
    with LiveCamera(CameraSource("gate", gate.address)) as frames:
        live.watch_live(index, index.folder, encoder, Watching(detecting), frames, "gate", lambda: time.monotonic() < end)
    reels = sorted({(one.media.started_at or 0.0, one.media.watched.seconds) for one, _ in index.people() if one.media.watched})
    assert len(reels) >= 3 and all(seconds <= 4 + 1 / 5 for _, seconds in reels)
    assert all(late[0] - (early[0] + early[1]) < 1 for early, late in pairwise(reels)), "nothing is left out between them"
    assert all((one.track or 0) < 10 for one, _ in index.people()), "each has tracks of its own"


def test_nobody_is_kept_by_another_model_than_made_the_index_meanwhile(
    index: Index, tiny_bundle: Path, tmp_path: Path, pictures: Path, camera: Callable[..., FilmCamera]
) -> None:
    encoder, detecting = small_models(tiny_bundle)
    other = BundleEncoder(read_bundle(write_tiny_bundle(tmp_path / "newer", name="newer", seed=5).folder), threads=1)
    gate, end = camera(pictures, RATE), time.monotonic() + START

    def go_on() -> bool:
        return time.monotonic() < end and index.counts()[0] == 0 and "newer" not in (state(index.folder, "gate").error or "")

    Index.create(index.folder, other, rebuild=True).close()
    with watching_alone(index.folder), LiveCamera(CameraSource("gate", gate.address)) as frames:
        live.watch_live(index, index.folder, encoder, Watching(detecting), frames, "gate", go_on)
    assert index.counts()[0] == 0
    assert "found one made by newer" in (state(index.folder, "gate").error or "")


@pytest.mark.soak
def test_people_in_720p_can_be_found_within_five_seconds(tmp_path: Path, camera: Callable[..., FilmCamera]) -> None:
    shown = [camera(write_pictures(tmp_path / str(number), streets(number)), 5) for number in range(2)]
    tables = [f'name = "{number}"\naddress = "{one.address}"' for number, one in enumerate(shown)]
    index = tmp_path / "index"
    with watching(index, "", cameras=write_cameras(tmp_path / "cameras.toml", *tables)) as process:
        within(START, lambda: all(state(index, name).last_person for name in ("0", "1")))
        found = lags(index, 40, best_frame)
        print(f"{len(found)} people; median {median(found):.2f} s, p95 {found[int(0.95 * len(found))]:.2f} s, at most {found[-1]:.2f} s")
        print([state(index, name) for name in ("0", "1")])
        assert found[int(0.95 * len(found))] <= 5, found
        process.send_signal(SIGTERM)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and out.endswith("ended\n"), out


def streets(seed: int) -> Iterator[Pixels]:
    """Streets with other people every four seconds, seen by a camera that sways."""
    for street in (draw_street(6 * seed + number, (1280, 720), 3, smallest=300) for number in range(6)):
        picture = np.asarray(street.picture)
        yield from (np.roll(picture, 3 * frame, axis=1) for frame in range(20))
