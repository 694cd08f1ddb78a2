"""Five devices with clocks that go wrong and links that break, and one centre that is searched meanwhile: everybody is there, once."""

from __future__ import annotations

import http.client
import json
from contextlib import ExitStack
from pathlib import Path
from threading import Thread

import pytest
from crops import write_crops
from indexing import CountingEncoder
from kinds import KINDS
from pushing import breaking, centre, held_of, token_of

from passerby.devices import folder_of
from passerby.find.cameras import correct_camera
from passerby.find.ingest.run import index_paths
from passerby.find.push.link import Centre
from passerby.find.push.send import push
from passerby.index.selection import Selection
from passerby.index.sqlite.index import Index
from passerby.service.service import Service
from passerby.service.tokens import Role

NAMES = ("north", "south", "east", "west", "lobby")


@pytest.mark.parametrize("kind", ["postgres", pytest.param("sqlite", marks=pytest.mark.soak)])
def test_five_devices(tiny_encoder: CountingEncoder, tmp_path: Path, kind: str) -> None:
    with ExitStack() as stack:
        at_centre = stack.enter_context(KINDS[kind](str(tmp_path / "centre"), tiny_encoder))
        service = stack.enter_context(centre(at_centre, tiny_encoder, tmp_path / "service"))
        threads, pushed = [], list[str]()
        for number, name in enumerate(NAMES):
            cut = stack.enter_context(breaking(service.listening.port, seed=number, mean=30_000))
            link = Centre(cut.url, token_of(service, name))
            threads.append(Thread(target=live, args=(tmp_path / name, tiny_encoder, link, number, pushed)))
        assert searched(service, threads)
        assert sorted(pushed) == sorted(map(str, range(5)))
        for name in NAMES:
            with Index.open(tmp_path / name / "index") as own:
                assert held_of(at_centre, name) == held_of(own)
                assert at_centre.selected(Selection(folders=(folder_of(name),))).people == own.counts()[0] > 0
        assert at_centre.counts()[0] == sum(1 for name in NAMES for _ in held_of(at_centre, name))
        offsets = {one.camera.name: one.camera.offset_seconds for one in at_centre.seen_by_cameras()}
        assert offsets == {f"{name}/door": 20.0 * number + 2 for number, name in enumerate(NAMES)}


def live(folder: Path, encoder: CountingEncoder, link: Centre, number: int, pushed: list[str]) -> None:
    """See some people, push, correct the clock, which drifts, and so on."""
    with Index.create(folder / "index", encoder) as index:
        for turn in range(2):
            write_crops(folder / "seen" / str(turn), 6)
            index_paths(index, encoder, [folder / "seen"], camera="door", offset=f"{20 * number + turn}s")
            push(index, link, pauses=[0.01] * 200, batch_bytes=8_000)
        correct_camera(index, "door", f"{20 * number + 2}s", None)
        with index.writing():
            index.forget(folder / "seen" / "0" / "000.jpg")
        push(index, link, pauses=[0.01] * 200)
    pushed.append(str(number))


def searched(service: Service, threads: list[Thread]) -> int:
    """Search until all have ended, every answer is one; how often."""
    token, asked = service.tokens.add("reception", Role.VIEW), 0
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        connection = http.client.HTTPConnection("127.0.0.1", service.listening.port, timeout=60)
        connection.request("GET", "/api/v1/search?q=red", headers={"Authorization": f"Bearer {token}"})
        response = connection.getresponse()
        found = json.loads(response.read())
        assert response.status == 200, found
        assert all(hit["device"] in NAMES for hit in found["hits"])
        asked += 1
        connection.close()
    return asked
