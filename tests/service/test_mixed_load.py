"""A service that is asked all kinds of things while its index changes, and one that is killed: nothing fails, grows or is lost."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from itertools import count, cycle
from pathlib import Path
from threading import Event, Thread
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
from PIL import Image
from serving import Sample

from passerby.index.open import open_index

SECONDS = int(os.environ.get("PASSERBY_SOAK_SECONDS", "1200"))
COLOURS = ("red", "blue", "green", "black", "white", "yellow")
FLAT = 20.0
"""Megabytes by which the memory of a service may change once it is warm."""


@dataclass
class Running:
    """A service in a process of its own."""

    process: subprocess.Popen[str]
    port: int

    def memory(self) -> float:
        """Megabytes that are resident."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

    def ask(self, path: str, client: int = 1, body: bytes | None = None, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
        """By one of many clients, each with an address of its own on this machine, as how often each asks is limited."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=300, source_address=(f"127.0.0.{client}", 0))
        try:
            connection.request("POST" if body else "GET", path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def search(self, words: str) -> Any:
        status, data = self.ask(f"/api/v1/search?{urlencode({'q': words, 'k': 20})}")
        assert status == 200, data
        return json.loads(data)


@contextmanager
def running(index: Path) -> Iterator[Running]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "passerby", "serve", "--index", str(index), "--port", str(port)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "NO_COLOR": "1"}) as process:
        assert process.stderr is not None
        said = process.stderr.readline()
        assert f"open http://127.0.0.1:{port}/" in said
        try:
            yield Running(process, port)
        finally:
            process.terminate()


@pytest.fixture
def own(sample: Sample, tmp_path: Path) -> Path:
    """An index that may be changed."""
    return Path(shutil.copytree(sample.index, tmp_path / "index"))


def asked_words(index: Path) -> list[str]:
    """Whatever the log says was asked in words."""
    lines = [line for file in (index / "service" / "audit").iterdir() for line in file.read_text().splitlines()]
    return [entry["asked"]["q"] for entry in map(json.loads, lines) if "q" in entry.get("asked", ())]


@pytest.mark.skipif(sys.platform != "linux", reason="clients need addresses of their own on this machine")
def test_killed_at_any_moment_it_starts_again_and_answers_as_before(own: Path) -> None:
    answered: list[str] = []
    with running(own) as service:
        before = [service.search(f"a {colour} jacket") for colour in COLOURS]

        def ask(client: int) -> None:
            for number in count():
                words = f"a coat of client {client} and number {number}"
                try:
                    status, _ = service.ask(f"/api/v1/search?{urlencode({'q': words})}", client)
                except OSError:
                    return
                if status == 200:
                    answered.append(words)

        threads = [Thread(target=ask, args=(client,)) for client in range(2, 6)]
        for thread in threads:
            thread.start()
        time.sleep(0.7)
        service.process.kill()
        for thread in threads:
            thread.join()
    assert answered
    with running(own) as service:
        assert [service.search(f"a {colour} jacket") for colour in COLOURS] == before
    assert set(answered) <= set(asked_words(own)), "who was answered is in the log"


# -- for long ----------------------------------------------------------------------------------------------------------------------------


@dataclass
class Load:
    """What clients do until it is over."""

    service: Running
    people: Sequence[int]
    picture: bytes
    over: Event = field(default_factory=Event)
    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    def search(self, client: int) -> None:
        """New words and known ones, with filters, as programs and as people do, some 3 in a second."""
        for number in count():
            new = f"a {COLOURS[number % 6]} jacket and number {number} of {client}"
            for path in (
                f"/api/v1/search?{urlencode({'q': new, 'k': 24})}",
                "/api/v1/search?q=a+red+jacket&upper=red&order=time",
                f"/?{urlencode({'q': new})}",
                "/api/v1/search?q=coat&camera=lobby&from=2026-11-28",
            ):
                if not self.ask(path, client, 0.3):
                    return

    def look(self, client: int) -> None:
        for person in cycle(self.people):
            for path in (f"/api/v1/people/{person}", f"/api/v1/crops/{person}-0", f"/people/{person}", f"/api/v1/people/{person}/photo"):
                if not self.ask(path, client, 0.1):
                    return

    def send(self, client: int) -> None:
        head = b'--x\r\nContent-Disposition: form-data; name="picture"; filename="a.png"\r\n\r\n'
        form = {"Content-Type": "multipart/form-data; boundary=x"}
        while self.ask("/api/v1/similar?k=5", client, 1.0, head + self.picture + b"\r\n--x--\r\n", form):
            pass

    def ask(self, path: str, client: int, pause: float, body: bytes | None = None, headers: dict[str, str] | None = None) -> bool:
        try:
            status, data = self.service.ask(path, client, body, headers)
        except OSError as error:
            self.broken.append(f"{path}: {error!r}")
            return False
        self.statuses[re.sub(r"\d+(-0)?", "…", path.partition("?")[0].removeprefix("/api/v1")), status] += 1
        if status not in (200, 503):
            self.broken.append(f"{path}: {status} {data[:300]!r}")
        return not self.over.wait(pause)


def passerby(*arguments: object) -> Any:
    done = subprocess.run([sys.executable, "-m", "passerby", *map(str, arguments), "--json"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.soak
@pytest.mark.skipif(sys.platform != "linux", reason="memory and addresses are looked up as Linux has them")
def test_mixed_load_beside_an_index_run(sample: Sample, own: Path, tmp_path: Path) -> None:
    """For $PASSERBY_SOAK_SECONDS, 20 minutes by default."""
    with open_index(own) as index:
        people = [person.id or 0 for person, _ in index.people()]
    pictures = sorted((sample.folder / "seen").iterdir())
    new = tmp_path / "new"
    new.mkdir()
    memory: list[float] = []
    coming: list[Path] = []
    numbers = count()
    with running(own) as service:
        load = Load(service, people, pictures[3].read_bytes())
        kinds = [*[load.search] * 6, *[load.look] * 3, load.send]
        threads = [Thread(target=kind, args=(client,)) for client, kind in enumerate(kinds, 2)]
        for thread in threads:
            thread.start()
        try:
            ends = time.monotonic() + SECONDS
            while time.monotonic() < ends and not load.broken:
                number = next(numbers)
                coming += _more(new, pictures[number % len(pictures)], number)
                done = passerby("index", new, "--index", own, "--crops")
                assert not done["failed"]
                while len(coming) > 12:
                    gone = coming.pop(0)
                    gone.unlink()
                    assert passerby("remove", gone, "--index", own)["removed"] == 1
                memory.append(service.memory())
        finally:
            load.over.set()
            for thread in threads:
                thread.join()
        assert not load.broken, load.broken[:5]
        there = {hit["name"] for hit in json.loads(service.ask("/api/v1/search?q=a+person&k=100&all=true", 40)[1])["hits"]}
    warm = memory[len(memory) // 2 :]
    print(f"memory: {min(memory):.0f} to {max(memory):.0f} MB, once warm {min(warm):.0f} to {max(warm):.0f}; {dict(load.statuses)}")
    assert {path.name for path in coming} <= there
    assert len(asked_words(own)) > sum(n for (path, status), n in load.statuses.items() if status == 200 and path == "/search")
    assert max(warm) - min(warm) <= FLAT


def _more(folder: Path, picture: Path, number: int) -> list[Path]:
    """Three more pictures, unlike all others."""
    made = []
    for other in range(3):
        with Image.open(picture) as image:
            pixels = np.asarray(image.convert("RGB")).copy()
        pixels[:6, :6] = np.random.default_rng(number * 3 + other).integers(0, 256, (6, 6, 3))
        file = folder / f"new-{number:05}-{other}.png"
        Image.fromarray(pixels).save(file)
        made.append(file)
    return made
