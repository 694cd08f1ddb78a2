"""People of live cameras come to a centre too, with the pictures that were kept of them, and as they change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from crops import random_vectors, write_crops
from indexing import CountingEncoder
from PIL import Image
from pushing import centre, held_of, token_of

from passerby.find.ingest.run import index_paths
from passerby.find.push.link import Centre
from passerby.find.push.send import PushReport, push
from passerby.find.retention import forget_older
from passerby.index.base import Index as AnyIndex
from passerby.index.sighting import Sighting
from passerby.index.sqlite.index import Index
from passerby.service.service import Service
from passerby.types import Box, Crop, Media, MediaKind, Watched

VECTORS = random_vectors(4)
WATCHED = Watched(3600.0, 2, gaps=((10.0, 20.5), (100.0, 160.0)), still=12)
STRETCH = Path("gate/2026-11-29T03:00:00.000Z")
GATE = Media(STRETCH, 0, 1, "", kind=MediaKind.CAMERA, camera="gate", started_at=1.796e9, known_by="live", watched=WATCHED)


@pytest.fixture
def at_centre(tmp_path: Path, encoder: CountingEncoder) -> Iterator[Service]:
    with Index.create(tmp_path / "centre", encoder) as index, centre(index, encoder, tmp_path / "service") as service:
        yield service


@pytest.fixture
def link(index: Index, at_centre: Service) -> Centre:
    with index.writing():
        index.put(GATE, [somebody(0, 0, "#c02030"), somebody(1, 1, "#2040c0")])
    return Centre(at_centre.listening.url, token_of(at_centre, "north"))


def somebody(track: int, vector: int, colour: str) -> Sighting:
    target = BytesIO()
    Image.new("RGB", (200, 400), colour).save(target, "JPEG")
    crops = (Crop(Box(10 * track, 0, 200, 400), float(track), 0.5),)
    return Sighting(crops, VECTORS[[vector]], track, 0.0, 60.0, pictures=(target.getvalue(),))


def colours(index: AnyIndex) -> list[str]:
    """Which colour the pictures that came with people have, by their media and track."""
    found = []
    for person, (crop,) in index.people():
        with Image.open(BytesIO(crop.kept() if crop.kept else b"")) as picture:
            assert picture.size == (160, 320)
            red, _, blue = picture.convert("RGB").resize((1, 1)).getpixel((0, 0))  # type: ignore[misc]
        found.append((str(person.media.path), person.track, "red" if red > blue else "blue"))
    return [colour for *_, colour in sorted(found, key=repr)]


def test_people_of_a_live_camera_come_with_the_pictures_that_were_kept(index: Index, link: Centre, at_centre: Service) -> None:
    report = push(index, link)
    assert (report.media, report.people, report.thumbnails) == (1, 2, 2)
    assert held_of(at_centre.index, "north") == held_of(index)
    (person, _), _ = at_centre.index.people()
    assert (person.media.own_path, person.media.watched, person.media.camera) == (STRETCH, WATCHED, "north/gate")
    assert colours(at_centre.index) == ["red", "blue"]
    assert push(index, link) == PushReport(unchanged=1)


def test_who_took_the_place_of_a_track_takes_it_at_the_centre(index: Index, link: Centre, at_centre: Service) -> None:
    push(index, link)
    with index.writing():
        index.put_again(replace(GATE, watched=replace(WATCHED, seconds=3700.0)), [somebody(1, 2, "#c02030"), somebody(2, 3, "#2040c0")])
    assert push(index, link).people == 3
    assert held_of(at_centre.index, "north") == held_of(index)
    assert colours(at_centre.index) == ["red", "red", "blue"]
    with index.writing():
        index.forget(STRETCH)
    assert push(index, link).deleted == 1
    assert held_of(at_centre.index, "north") == []


def test_live_cameras_and_files_are_compared_in_one_order(
    index: Index, link: Centre, at_centre: Service, encoder: CountingEncoder, tmp_path: Path
) -> None:
    """Paths of cameras are relative: some come before those of all files, and some after."""
    index_paths(index, encoder, write_crops(tmp_path / "seen", 3))
    with index.writing():
        for number, name in enumerate(["-left", "zoo", "Ω"]):
            there = replace(GATE, path=Path(name, STRETCH.name), camera=name)
            index.put(there, [somebody(number, number, "#c02030")])
    assert push(index, link).media == 7
    assert push(index, link) == PushReport(unchanged=7)
    assert held_of(at_centre.index, "north") == held_of(index)


def test_nobody_comes_who_is_older_than_a_centre_keeps_people(index: Index, link: Centre, at_centre: Service) -> None:
    """As in an index of one's own: who was deleted by age is not let in again, though the device has them still."""
    with index.writing():
        index.put(replace(GATE, path=Path("gate/later"), started_at=1.796e9 + 100), [somebody(2, 2, "#c02030")])
    push(index, link)
    assert forget_older(at_centre.index, 1.796e9 + 100).people == 2
    with index.writing():
        index.put_again(GATE, [somebody(1, 1, "#c02030")])
    assert push(index, link).media == 1
    assert {person.media.own_path for person, _ in at_centre.index.people()} == {Path("gate/later")}
    assert push(index, link) == PushReport(unchanged=2)
