"""What a page offers to choose, with how many there are of it, is what the index holds now."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from crops import media, random_vectors
from hypothesis import given, settings
from hypothesis import strategies as st
from processes import until
from serving import Sample, serving
from wearing import wearing

from passerby.find.removal import remove_from
from passerby.index.open import create_index, open_index
from passerby.index.sighting import Sighting
from passerby.index.sqlite.index import Index as SqliteIndex
from passerby.media.clock import Camera, KnownBy
from passerby.model.bundle_encoder import BundleEncoder
from passerby.service.asking import Asked
from passerby.service.facets import Census
from passerby.service.views import DAYS, choices
from passerby.types import Box, Crop, Media, MediaKind, Person


def test_counts_are_those_of_the_people(sample: Sample) -> None:
    with open_index(sample.index) as index:
        facets = Census(index, sample.encoder).facets()
        seen = [person.media for person, _ in index.people() if person.media.camera]
    assert facets.people == 32
    assert facets.cameras == [("lobby", 15), ("north gate", 15)]
    names = Counter(one.path.name.split("_")[1] for one in seen)
    assert [(day.replace("-", ""), count) for day, count in facets.days] == sorted(names.items(), reverse=True)
    assert sum(count for _, count in facets.hours_of("2026-11-28")) == names["20261128"]
    assert facets.worn["upper"][0][1] >= facets.worn["upper"][1][1] > 0
    assert set(facets.worn) <= {"head", "upper", "lower", "feet", "carrying"}


def test_a_model_that_does_not_say_what_is_worn_offers_nothing_of_it(tiny_encoder: BundleEncoder, tmp_path: Path) -> None:
    with create_index(tmp_path, tiny_encoder) as index:
        assert Census(index, tiny_encoder).facets().worn == {}


def test_who_wears_what_is_counted_by_part(telling: BundleEncoder, tmp_path: Path) -> None:
    with wearing(tmp_path, telling, [{"upper:red": 0.9}, {"upper:red": 0.8, "lower:blue": 0.99}, {}, None]) as index:
        assert Census(index, telling).facets().worn == {"upper": [("red", 2)], "lower": [("blue", 1)]}


ZONES = st.sampled_from((None, "Asia/Tokyo", "America/New_York", "Australia/Lord_Howe"))
FALL = datetime(2026, 11, 1, tzinfo=UTC).timestamp()
"""The day on which clocks are put back in New York."""


def seen(number: int, zone: str | None, at: int | None, times: list[int], static: bool) -> tuple[Media, Sighting]:
    """Somebody in a video of one of three cameras, of which the third has a clock that goes wrong, or of none."""
    camera = (None, "lobby", "yard", "gate")[number % 4]
    started_at = None if at is None else FALL + 60 * at
    of = replace(media(f"/{number}.mp4", str(number)), kind=MediaKind.VIDEO, camera=camera, started_at=started_at, zone=zone)
    crops = tuple(Crop(Box(number, 0, 10, 20), 60.0 * time) for time in times)
    known_by = None if at is None else KnownBy.NAME
    vectors = random_vectors(len(crops), seed=number)
    return replace(of, known_by=known_by), Sighting(crops, vectors, number, crops[0].time, crops[-1].time, static=static)


TIMES = st.lists(st.integers(0, 150), min_size=1, max_size=3).map(sorted)


@given(st.lists(st.tuples(ZONES, st.none() | st.integers(-2000, 3000), TIMES, st.booleans()), max_size=8), st.booleans())
@settings(max_examples=25)
def test_every_count_beside_a_link_is_whom_the_link_selects(
    tiny_encoder: BundleEncoder, people: list[tuple[str | None, int | None, list[int], bool]], one_zone: bool
) -> None:
    with create_index("memory://", tiny_encoder) as index:
        with index.writing():
            index.correct(Camera("gate", 4000.0))
            for number, (zone, at, times, static) in enumerate(people):
                put, sighting = seen(number, "Asia/Tokyo" if one_zone else zone, at, times, static)
                index.put(put, [sighting])
        facets = Census(index, tiny_encoder).facets()
        offered = [link for choice in choices(facets, Asked(q="somebody")) for link in choice.links]
        for day, _ in facets.days[:DAYS]:
            hours = [
                choice
                for choice in choices(facets, Asked.model_validate({"q": "somebody", "from": day, "to": day}))
                if choice.title.startswith("Hour")
            ]
            offered += [link for choice in hours for link in choice.links]
        for link in offered:
            asked = parse_qs(urlsplit(link.url).query)
            question = Asked.model_validate({name: said if name == "camera" else said[0] for name, said in asked.items()}).question(index)
            assert index.selected(question.selection).people == link.count, link.url
        assert sum(count for _, count in facets.days) >= sum(at is not None and not static for _, at, _, static in people)


def test_they_are_counted_again_when_the_index_has_changed_but_not_all_the_time(
    tiny_encoder: BundleEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    with create_index(tmp_path, tiny_encoder) as index:
        census = Census(index, tiny_encoder)
        assert census.facets() is census.facets()

        def add(name: str) -> int:
            with index.writing():
                index.add(media(f"/{name}.jpg", name), np.eye(1, tiny_encoder.dim, dtype=np.float32)[0])
            return census.facets().people

        assert add("a") == 1
        census._not_before = clock[0] + 5
        assert add("b") == 1
        clock[0] += 5
        assert census.facets().people == 2


class Slow(SqliteIndex):
    """Is read through when it may be, and says how often."""

    times = 0
    may_go_on = Event()

    def people(self, ids: Iterable[int] | None = None) -> Iterator[tuple[Person, tuple[Crop, ...]]]:
        self.times += 1
        self.may_go_on.wait(10)
        return super().people(ids)


def test_nobody_waits_long_for_people_to_be_counted_anew(tiny_encoder: BundleEncoder, tmp_path: Path) -> None:
    with Slow.create(tmp_path, tiny_encoder) as index, closing(Census(index, tiny_encoder)) as census, ThreadPoolExecutor(8) as pool:
        first = [pool.submit(census.facets) for _ in range(8)]
        assert not any(one.done() for one in first), "there is nothing to show yet"
        index.may_go_on.set()
        assert {one.result(10).people for one in first} == {0}
        with index.writing():
            index.add(media("/a.jpg", "a"), random_vectors(1)[0])
        index.may_go_on.clear()
        census._not_before = 0.0
        began = time.monotonic()
        assert [one.people for one in pool.map(lambda _: census.facets(), range(100))] == [0] * 100
        assert time.monotonic() - began < 1
        index.may_go_on.set()
        until(lambda: census.facets().people == 1)
        assert index.times == 2


def test_who_is_removed_while_it_is_served_is_shown_no_more(sample: Sample, tmp_path: Path) -> None:
    """And nobody who reads keeps the removal from leaving nothing behind."""
    shutil.copytree(sample.index, tmp_path / "index")
    copied = Sample(sample.folder, tmp_path / "index", sample.encoder, sample.street)
    with serving(copied, tmp_path / "service") as client, open_index(copied.index) as other:
        first = client.http.get("/api/v1/search?q=a+red+jacket").json()["hits"][0]
        assert client.http.get(f"/api/v1/crops/{first['crop']}").status_code == 200
        remove_from(other, [], [first["person"]], [])
        assert first["person"] not in [hit["person"] for hit in client.http.get("/api/v1/search?q=a+red+jacket&k=100").json()["hits"]]
        for path in (
            f"crops/{first['crop']}",
            f"people/{first['person']}",
            f"people/{first['person']}/photo",
            f"search?like={first['crop']}",
        ):
            assert client.http.get(f"/api/v1/{path}").status_code == 404
        assert "31 people" in client.http.get("/").text
