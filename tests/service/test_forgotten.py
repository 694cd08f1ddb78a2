"""Of who was removed nothing is left: in no file, no answer, and nothing that a running service keeps."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread

import pytest
from PIL import Image
from serving import Client, Sample, serving

from passerby.find.removal import remove_from
from passerby.index.open import open_index
from passerby.service import engine as engine_module
from passerby.service import pictures as pictures_module
from passerby.types import Crop, Media


@pytest.fixture
def own(sample: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sample:
    """A sample whose index may be changed, and at which a service looks again soon."""
    monkeypatch.setattr(engine_module, "LOOKS", 0.05)
    return replace(sample, index=shutil.copytree(sample.index, tmp_path / "index"))


def remove(sample: Sample, *paths: Path) -> None:
    """As `passerby remove` does it, beside the service."""
    with open_index(sample.index) as index:
        assert not remove_from(index, paths).failed


def soon(holds: Callable[[], bool]) -> bool:
    """Whether it comes to hold."""
    ends = time.monotonic() + 20
    while not holds() and time.monotonic() < ends:
        time.sleep(0.05)
    return holds()


def marks_of(sample: Sample, path: Path) -> dict[str, bytes]:
    """Bytes by which somebody would be known."""
    with open_index(sample.index) as index:
        person, crops = next((one, crops) for one, crops in index.people() if one.media.path == path)
        vector = index.vector_of(person, crops[0])
        return {
            "path": os.fsencode(path.name),
            "digest": person.media.digest.encode(),
            "vector": vector.astype("<f4").tobytes(),
            "rounded": vector.astype("<f2").tobytes(),
            "worn": index.worn_of(person).tobytes(),
        }


def files_with(mark: bytes, folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and mark in path.read_bytes()]


def ids_of(client: Client) -> dict[str, int]:
    """Everybody, by the names of their files."""
    found = client.http.get("/api/v1/search?q=a+person&k=100&all=true").json()["hits"]
    return {hit["name"]: hit["person"] for hit in found}


@pytest.mark.parametrize("settled", [True, False], ids=["vectors in the file", "vectors in memory"])
def test_a_byte_search_finds_nothing_of_who_was_removed_while_it_runs(own: Sample, settled: bool) -> None:
    gone = sorted((own.folder / "seen").iterdir())[0]
    if not settled:
        for file in own.index.glob("vectors*"):
            file.unlink()
    with serving(own, own.index / "service") as client:
        people = ids_of(client)
        person = people[gone.name]
        thumbnail = client.http.get(f"/api/v1/crops/{person}-0").content
        assert client.http.get(f"/api/v1/people/{person}").status_code == 200
        marks = marks_of(own, gone) | {"thumbnail": thumbnail}
        assert files_with(marks["path"], own.index)
        assert files_with(marks["vector"], own.index)
        remove(own, gone)
        assert soon(lambda: thumbnail not in client.service.crops._known.values())
        assert {name: files for name, mark in marks.items() if (files := files_with(mark, own.index))} == {}
        with client.service.index.snapshot():
            table = client.service.index.vectors()
        kept = [row.tobytes() for part in table.parts for row in part]
        assert marks["rounded"] not in kept
        assert gone.name not in ids_of(client)
        assert len(ids_of(client)) == len(people) - 1
        for path in (f"people/{person}", f"people/{person}/photo", f"crops/{person}-0", f"search?like={person}-0"):
            assert client.http.get(f"/api/v1/{path}").status_code == 404, path
        assert client.http.get(f"/people/{person}").status_code == 404
        assert gone.name not in client.http.get("/?q=a+person&k=96").text


def test_one_of_two_in_a_photo_is_forgotten_and_the_other_stays(own: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "LOOKS", 0.05)
    with serving(own, tmp_path / "service") as client:
        with open_index(own.index) as index:
            one, other = (person.id for person, _ in index.people() if person.media.path == own.street)
        assert soon(lambda: len(client.service.engine._known) == 32)
        shown = client.http.get(f"/api/v1/crops/{one}-0").content
        with open_index(own.index) as index:
            remove_from(index, (), [one or 0])
        assert soon(lambda: shown not in client.service.crops._known.values())
        assert client.http.get(f"/api/v1/crops/{one}-0").status_code == 404
        assert client.http.get(f"/api/v1/crops/{other}-0").status_code == 200
        assert client.http.get(f"/api/v1/people/{other}").json()["beside"] == []


def test_who_is_removed_under_load_is_gone_and_the_removal_waits_for_nobody_long(own: Sample, tmp_path: Path) -> None:
    statuses: list[int] = []
    over = Event()
    with serving(own, tmp_path / "service") as client:
        people = ids_of(client)

        def ask(number: int) -> None:
            while not over.is_set():
                statuses.append(client.http.get(f"/api/v1/search?q=a+red+coat+{number}&k=20").status_code)

        threads = [Thread(target=ask, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        try:
            for gone in sorted((own.folder / "seen").iterdir())[:3]:
                remove(own, gone)
                assert gone.name not in ids_of(client)
        finally:
            over.set()
            for thread in threads:
                thread.join()
        assert len(ids_of(client)) == len(people) - 3
    assert set(statuses) == {200}


def test_a_thumbnail_that_is_being_drawn_when_its_person_leaves_is_not_kept(
    own: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(own, tmp_path / "service") as client, open_index(own.index) as index:
        person, crops = next(index.people())
        kept = client.service.crops
        draw = pictures_module.crop_image

        def draw_and_leave(media: Media, crop: Crop) -> Image.Image:
            kept.forget()
            return draw(media, crop)

        monkeypatch.setattr(pictures_module, "crop_image", draw_and_leave)
        assert kept.jpeg(person.media, crops[0])
        assert not kept._known
