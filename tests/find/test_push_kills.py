"""SIGKILL at random moments of a device's push, and of its centre: nobody is lost, nobody is there twice."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest
from crops import media, random_vectors
from indexing import CountingEncoder
from pushing import centre, held_of, token_of

from passerby.find.push.link import Centre
from passerby.find.push.send import push
from passerby.index.sighting import Sighting
from passerby.index.sqlite.index import Index
from passerby.service.tokens import Role, Tokens
from passerby.types import Box, Crop, MediaKind, Watched

PUSHING = """
import sys
from passerby.find.push.link import Centre, read_token
from passerby.find.push.send import push
from passerby.index.sqlite.index import Index

with Index.open(sys.argv[1]) as index:
    print("ready", flush=True)
    push(index, Centre(sys.argv[2], read_token()), lambda done, total: print(done, total, flush=True), batch_bytes=2_000)
print("finished", flush=True)
"""

SERVING = """
import sys
from pathlib import Path
import uvicorn
from passerby.index.sqlite.index import Index
from passerby.model.bundle import read_bundle
from passerby.model.bundle_encoder import BundleEncoder
from passerby.service.app import create_app
from passerby.service.security import Listening
from passerby.service.service import Service

bundle, folder, port = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
encoder = BundleEncoder(read_bundle(bundle), threads=1)
with Index.create(folder, encoder) as index:
    app = create_app(Service.of(index, encoder, Listening(port=port), folder / "service"))
    uvicorn.run(app, port=port, log_level="error", lifespan="off")
"""


def started(script: str, *arguments: object, **more: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **more}
    return subprocess.Popen([sys.executable, "-c", script, *map(str, arguments)], stdout=subprocess.PIPE, text=True, env=environment)


def change(index: Index, number: int) -> None:
    """Let a device see more, and forget some: photos that are new or gone, and a video that grows."""
    video = replace(media("/seen/street.mp4", "street"), kind=MediaKind.VIDEO, watched=Watched(float(number)))
    vectors = random_vectors(60, seed=number)
    with index.writing():
        index.put_more(video, [person(number * 100 + n) for n in range(20)])
        for n in range(20, 60):
            index.put(media(f"/seen/{number}/{n}.jpg", f"{number} {n}"), [Sighting((Crop(Box(n, 0, 10, 20)),), vectors[[n]])])
        for n in range(20, 60, 7):
            index.forget(Path(f"/seen/{number - 1}/{n}.jpg"))


def person(track: int) -> Sighting:
    crops = tuple(Crop(Box(1, 2, 30, 60), float(track + n)) for n in range(2))
    return Sighting(crops, random_vectors(2, seed=track), track, float(track), track + 2.0)


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.soak)])
def test_a_push_that_is_killed(index: Index, encoder: CountingEncoder, tmp_path: Path, kills: int) -> None:
    chance = random.Random(3)
    with Index.create(tmp_path / "centre", encoder) as at_centre, centre(at_centre, encoder, tmp_path / "service") as service:
        token = token_of(service, "north")
        for number in range(kills):
            change(index, number)
            process = started(PUSHING, index.folder, service.listening.url, PASSERBY_TOKEN=token)
            assert process.stdout is not None
            for _ in range(chance.randint(1, 8)):
                assert process.stdout.readline() != "finished\n"
            time.sleep(chance.random() * 0.02)
            process.kill()
            process.communicate()
        report = push(index, Centre(service.listening.url, token))
        assert report.people > 0
        assert held_of(at_centre, "north") == held_of(index)
        assert at_centre._db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.soak)])
def test_a_centre_that_is_killed(index: Index, tiny_bundle: Path, tmp_path: Path, kills: int) -> None:
    chance, folder = random.Random(4), tmp_path / "centre"
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    token = Tokens(folder / "service").add("north", Role.DEVICE)
    for number in range(8):
        change(index, number)
    serving = started(SERVING, tiny_bundle, folder, port)
    told: list[tuple[int, int]] = []
    reports = []
    link = Centre(f"http://127.0.0.1:{port}", token)
    pushing = Thread(
        target=lambda: reports.append(push(index, link, lambda *done: told.append(done), pauses=[0.2] * 300, batch_bytes=2_000))
    )
    pushing.start()
    for _ in range(kills):
        before = len(told)
        while pushing.is_alive() and len(told) < before + chance.randint(1, 6):
            time.sleep(0.005)
        serving.kill()
        serving.communicate()
        serving = started(SERVING, tiny_bundle, folder, port)
    pushing.join(120)
    serving.kill()
    serving.communicate()
    assert reports
    assert reports[0].broken >= kills
    with Index.open(folder) as at_centre:
        assert held_of(at_centre, "north") == held_of(index)
