"""An index run by Ray Data: the people of one process, in as many processes as there are, whoever of them dies."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import psutil  # type: ignore[import-untyped]
import pytest
from videos import RATE, write_video

from passerby.data.synthetic.gallery import write_gallery
from passerby.data.synthetic.people import sample_person
from passerby.data.synthetic.street_film import film_street
from passerby.data.synthetic.street_folders import write_scenes
from passerby.errors import ConfigError, ModelError
from passerby.find.ingest import archive
from passerby.find.ingest.archive import OnRay, connected
from passerby.find.ingest.photos import SeenFile, Undetected
from passerby.find.ingest.run import index_paths
from passerby.find.ingest.stages import Here
from passerby.find.ingest.videos import Reel, Stretch, Watching
from passerby.index.base import Index
from passerby.index.open import create_index, open_index
from passerby.media.taken import Clocks
from passerby.resolve import load_detecting, load_model
from passerby.types import Box, Failure, Sought

FILES = 28
"""Pictures and films that can be read."""


@pytest.fixture(scope="module")
def stages() -> Iterator[OnRay]:
    with connected():
        yield OnRay(partial(load_model, threads=1), load_detecting, cores=2)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Crops, streets, films of them, and files that are none."""
    folder = tmp_path_factory.mktemp("archive")
    write_gallery(folder / "crops", [sample_person(n) for n in range(10)], 1, views=2)
    write_scenes(folder / "streets", 3, 6)
    for seed in (1, 2):
        moments = film_street(seed, (384, 288), 5, seconds=3, rate=RATE, smallest=60, place="square")
        write_video(folder / f"film-{seed}.mp4", pictures=(np.asarray(moment.picture) for moment in moments))
    (folder / "crops" / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    (folder / "broken.mp4").write_bytes(b"no video")
    return folder


Held = dict[tuple[str, Box | None, float | None], bytes]


def held(index: Index) -> Held:
    """The vector of each crop of everybody, by the file's name, and the box and the moment in it."""
    every = [(person, crop) for person, crops in index.people() for crop in crops]
    found = {(person.media.path.name, crop.box, crop.time): index.vector_of(person, crop).tobytes() for person, crop in every}
    assert len(found) == len(every)
    return found


@pytest.fixture(scope="module")
def expected(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Held:
    encoder = load_model()
    with create_index(tmp_path_factory.mktemp("here") / "index", encoder) as index:
        report = index_paths(index, encoder, [pictures], detecting=load_detecting())
        assert (report.photos, report.videos) == (6, 2) and report.tracks > 0
        return held(index)


def test_the_people_are_those_of_one_process_to_the_bit(pictures: Path, stages: OnRay, expected: Held, tmp_path: Path) -> None:
    encoder, detecting = load_model(), load_detecting()
    with create_index(tmp_path / "index", encoder) as index:
        report = index_paths(index, encoder, [pictures], detecting=detecting, stages=stages)
        assert sorted(failure.path.name for failure in report.failed) == ["broken.jpg", "broken.mp4"]
        assert held(index) == expected
        assert index_paths(index, encoder, [pictures], detecting=detecting, stages=stages).unchanged == FILES


@dataclass(frozen=True, slots=True, eq=False)
class Asked(Here):
    """Stages that remember which files they were asked for."""

    names: set[str] = field(default_factory=set)

    def crops(self, paths: Sequence[Path], clocks: Clocks, sought: Sought | None) -> Generator[SeenFile | Failure]:
        self.names.update(path.name for path in paths)
        return Here.crops(self, paths, clocks, sought)

    def photos(self, paths: Sequence[Path], clocks: Clocks, *, whole: bool) -> Generator[SeenFile | Undetected | Failure]:
        self.names.update(path.name for path in paths)
        return Here.photos(self, paths, clocks, whole=whole)

    def videos(self, reels: Iterable[Reel], watching: Watching) -> Generator[tuple[Reel, Generator[Stretch]]]:
        for reel in reels:
            self.names.add(reel.media.path.name)
            yield from Here.videos(self, [reel], watching)


def test_what_is_in_the_index_is_not_read_again(pictures: Path, expected: Held, tmp_path: Path) -> None:
    def stop(done: int, total: int | None) -> None:
        if total is not None and 2 * done > total:
            raise KeyboardInterrupt

    with create_index(tmp_path / "index", encoder := load_model()) as index:
        with pytest.raises(KeyboardInterrupt):
            index_paths(index, encoder, [pictures], stop, detecting=load_detecting())
        before = {path.name for path, *_ in index.seen_under(pictures)}
        asked = Asked(encoder, load_detecting())
        index_paths(index, encoder, [pictures], detecting=asked.detecting, stages=asked)
        assert held(index) == expected
        now = {path.name for path, *_ in index.seen_under(pictures)}
        assert before and asked.names - {"broken.jpg", "broken.mp4"} == now - before


def kill_an_actor(done: threading.Event, pause: float) -> None:
    """Kill -9 of one, so many seconds after there is one."""
    while not done.wait(0.05):
        for process in psutil.process_iter(["name", "cmdline"]):
            if any("ray::MapWorker" in part for part in process.info["cmdline"] or []):
                time.sleep(pause)
                with suppress(psutil.NoSuchProcess):
                    process.kill()
                    done.set()
                    return


def index_while_one_is_killed(pictures: Path, stages: OnRay, expected: Held, folder: Path, pause: float) -> bool:
    """Whether there was still one to kill so many seconds after the first began."""
    encoder, done = load_model(), threading.Event()
    killer = threading.Thread(target=kill_an_actor, args=(done, pause))
    with create_index(folder, encoder) as index:
        killer.start()
        index_paths(index, encoder, [pictures], detecting=load_detecting(), stages=stages)
        was_killed = done.is_set()
        done.set()
        killer.join()
        assert held(index) == expected
    return was_killed


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(20))
def test_an_actor_that_is_killed_loses_nobody(pictures: Path, stages: OnRay, expected: Held, tmp_path: Path, seed: int) -> None:
    longest = random.Random(seed).uniform(0, 3)
    pauses = longest, longest / 2, longest / 4, 0  # until it comes before the work is done
    tries = (index_while_one_is_killed(pictures, stages, expected, tmp_path / str(n), pause) for n, pause in enumerate(pauses))
    assert any(tries)


def test_an_actor_that_is_killed_at_once_loses_nobody(pictures: Path, stages: OnRay, expected: Held, tmp_path: Path) -> None:
    crops = {path.name for path in pictures.glob("crops/*.jpg")}
    of_crops = {place: vector for place, vector in expected.items() if place[0] in crops}
    assert index_while_one_is_killed(pictures / "crops", stages, of_crops, tmp_path / "index", 0)


def test_a_model_that_fails_in_an_actor_is_an_error_here(pictures: Path, stages: OnRay) -> None:
    lost = replace(stages, load_detecting=partial(load_detecting, "yolo-that-is-not-there.onnx"))
    with pytest.raises(ModelError, match="yolo-that-is-not-there"):
        list(lost.crops(sorted(pictures.glob("crops/*.jpg")), Clocks(), None))


def test_an_address_without_ray_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(ConfigError, match="Ray at 127"), connected():
        pass


def test_a_ray_that_does_not_start_is_said_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def init(**_: object) -> None:
        raise Exception("The current node timed out.\nIt may be busy.")  # as Ray does after half a minute

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr("ray.init", init)
    with pytest.raises(ConfigError, match=r"expected Ray at this machine, found the current node timed out\. it may be busy"), connected():
        pass


ALONE = """
import json, sys
from functools import partial
from pathlib import Path
from passerby.find.ingest import archive
from passerby.find.ingest.archive import OnRay, connected
from passerby.media.taken import Clocks
from passerby.resolve import load_model

model, crops, tmp = sys.argv[1], sorted(Path(sys.argv[2]).glob("*.jpg")), Path(sys.argv[3])
with connected():
    seen = list(OnRay(partial(load_model, model), cores=1).crops(crops, Clocks(), None))
    print(json.dumps([len(seen) - len(crops), [one.stat().st_mode & 0o777 for one in tmp.iterdir()], len(list(tmp.rglob("raylet.out")))]))
"""
"""A run on a Ray of its own: what it misses, whose the folders are that it made, and in how many places Ray writes a log there."""


def test_a_ray_of_our_own_is_private_leaves_nothing_and_warns_of_nothing(pictures: Path, tiny_bundle: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="") as tmp:
        environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"} | {"TMPDIR": tmp}
        command: list[str | Path] = [sys.executable, "-c", ALONE, tiny_bundle, pictures / "crops", tmp]
        done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
        assert (done.returncode, done.stderr) == (0, "")
        assert json.loads(done.stdout) == [0, [0o700], 1]
        assert list(Path(tmp).iterdir()) == []


ENDED = """
import os, signal, sys, time
from passerby.find.ingest.archive import connected

signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
with connected():
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)
"""


def test_sigterm_does_with_a_ray_of_our_own_what_it_did_and_nothing_is_left() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="") as tmp:
        environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"} | {"TMPDIR": tmp}
        done = subprocess.run([sys.executable, "-c", ENDED], check=False, capture_output=True, text=True, env=environment)
        assert (done.returncode, done.stderr, list(Path(tmp).iterdir())) == (7, "", [])


@pytest.mark.parametrize("named", ["/tmp", "/tmp/" + "long/" * 20])
def test_sockets_of_a_ray_of_our_own_have_room_in_its_folder(named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", named)
    with archive._settings(None) as settings:
        folder = Path(settings["_temp_dir"])
        assert len(f"{folder}/session_2026-11-30_11-13-03_417917_4194304/sockets/plasma_store") <= 107
        assert folder.parent.stat().st_mode & 0o777 == 0o700
    assert not folder.parent.exists()


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(20))
def test_a_run_that_is_killed_goes_on(pictures: Path, expected: Held, tmp_path: Path, seed: int) -> None:
    command: list[str | Path] = [sys.executable, "-m", "passerby", "index", pictures, "--index", tmp_path / "index", "--engine", "ray"]
    child = subprocess.Popen(command, start_new_session=True)
    time.sleep(random.Random(seed).uniform(1, 12))
    child.kill()
    child.wait()
    with create_index(tmp_path / "index", load_model()) as index:
        before = len(index.seen_under(pictures))
    again = subprocess.run([*command, "--json"], check=False, capture_output=True, text=True)
    assert again.returncode == 1, "two files are broken"
    assert json.loads(again.stdout)["unchanged"] == before, "what was in the index is not read again"
    with open_index(tmp_path / "index") as index:
        assert held(index) == expected
