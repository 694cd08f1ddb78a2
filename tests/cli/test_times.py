"""Times and cameras end to end: photos dated as they are indexed, told in answers, selected by, and corrected."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from crops import write_crop
from PIL import Image
from PIL.ExifTags import IFD, Base
from zones import machine_in

from passerby.cli.app import app
from passerby.draw.sheet import draw_sheet
from passerby.errors import PasserbyError
from passerby.index.sqlite.index import Index
from passerby.types import Hit

Run = Callable[..., Result]
PATTERN = "{camera}_%Y%m%d_%H%M%S"


@pytest.fixture
def run(tmp_path: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)

    def invoke(command: str, *arguments: str) -> Result:
        model = () if command == "info" else ("--model", str(tiny_bundle))
        return CliRunner().invoke(app, [command, *arguments, "--index", "index", *model])

    return invoke


def crop(name: str, seed: int, taken: str | None = None, offset: str | None = None) -> Path:
    """A picture, with the time that a camera writes into it."""
    path = write_crop(Path("crops") / name, seed)
    if taken is not None:
        exif = Image.Exif()
        exif.get_ifd(IFD.Exif)[Base.DateTimeOriginal] = taken
        if offset is not None:
            exif.get_ifd(IFD.Exif)[Base.OffsetTimeOriginal] = offset
        with Image.open(path) as image:
            image.save(path, exif=exif)
    return path


def document(ran: Result) -> Any:
    assert ran.exception is None or isinstance(ran.exception, SystemExit), ran.exception
    return json.loads(ran.stdout)


def clocks(ran: Result) -> dict[str, str]:
    return {Path(hit["path"]).name: hit["clock"] for hit in document(ran)["hits"]}


def test_hits_say_when_by_which_camera_and_how_that_is_known(run: Run) -> None:
    crop("a.jpg", 1, "2026:11:28 18:02:05", "+05:30")
    crop("front_20261128_190000.jpg", 2)
    os.utime(crop("c.jpg", 3), (1_795_858_933, 1_795_858_933))
    assert run("index", "crops", "--name-pattern", PATTERN, "--zone", "Europe/Berlin").exit_code == 0
    found = document(run("search", "a red jacket", "--json"))
    told = {Path(hit["path"]).name: (hit["clock"], hit["camera"], hit["time_known_by"]) for hit in found["hits"]}
    assert told == {
        "a.jpg": ("2026-11-28T18:02:05+05:30", None, "exif"),
        "front_20261128_190000.jpg": ("2026-11-28T19:00:00+01:00", "front", "name"),
        "c.jpg": ("2026-11-28T10:42:13+01:00", None, "file"),
    }
    assert (found["selection"], found["undated"]) == (None, 0)
    shown = run("search", "a red jacket").stdout
    assert "2026-11-28 18:02:05" in shown and "front" in shown and "10:42:13" not in shown
    assert "None" not in shown


def test_the_hour_of_a_clock_change(run: Run) -> None:
    """Berlin, 2026-10-25: 02:30 comes twice; a picture without an offset is of the first, one with an offset of its own."""
    crop("front_20261025_013000.jpg", 1)
    crop("front_20261025_023000.jpg", 2)
    crop("second.jpg", 3, "2026:10:25 02:30:00", "+01:00")
    crop("front_20261025_030000.jpg", 4)
    indexed = run("index", "crops", "--name-pattern", PATTERN, "--zone", "Europe/Berlin")
    assert "a time that came twice as clocks were put back: the first was taken" in indexed.stderr
    with machine_in("Europe/Berlin"):
        twice = clocks(run("search", "a cap", "--from", "2026-10-25 02:00", "--to", "2026-10-25 02:59", "--json"))
        assert twice == {"front_20261025_023000.jpg": "2026-10-25T02:30:00+02:00", "second.jpg": "2026-10-25T02:30:00+01:00"}
        first = clocks(run("search", "a cap", "--from", "2026-10-25 02:00 +02:00", "--to", "2026-10-25 03:00 +02:00", "--json"))
        assert first == {"front_20261025_023000.jpg": "2026-10-25T02:30:00+02:00"}
        assert "2026-10-25 02:30:00 +02:00" in run("search", "a cap", "--camera", "front").stdout


def test_an_offset_and_a_zone_that_are_corrected_later_move_answers(run: Run) -> None:
    """Times are read and shown in the camera's zone, wherever the machine stands."""
    for seed, name in enumerate(("front_20261128_100000", "front_20261128_113000", "back_20261128_100000")):
        crop(f"{name}.jpg", seed)
    run("index", "crops", "--name-pattern", PATTERN, "--zone", "Asia/Kolkata")
    asked = ("search", "a cap", "--camera", "front", "--from", "2026-11-28 11:00", "--to", "2026-11-28 11:10")
    none = run(*asked, "--json")
    assert (none.exit_code, document(none)["looked_at"], document(none)["hits"]) == (2, 0, [])
    assert "nobody found: expected a selection that somebody is in" in none.stderr
    corrected = run("index", "--camera", "front", "--offset", "+1h 3m", "--json")
    assert [(one["name"], one["people"], one["offset_seconds"]) for one in document(corrected)["cameras"]] == [
        ("back", 1, 0),
        ("front", 2, 3780),
    ]
    assert clocks(run(*asked, "--json")) == {"front_20261128_100000.jpg": "2026-11-28T11:03:00+05:30"}
    assert "11:03:00" in run(*asked).stdout
    run("index", "--camera", "front", "--zone", "Europe/Berlin")
    assert clocks(run(*asked, "--json")) == {"front_20261128_100000.jpg": "2026-11-28T11:03:00+01:00"}
    (back, front) = document(run("info", "--cameras", "--json"))["cameras"]
    assert (back["first"], back["zone"]) == ("2026-11-28T10:00:00+05:30", None)
    assert front == {
        "name": "front",
        "people": 2,
        "first": "2026-11-28T11:03:00+01:00",
        "last": "2026-11-28T12:33:00+01:00",
        "offset_seconds": 3780,
        "zone": "Europe/Berlin",
    }
    assert "+1h 3m" in run("info", "--cameras").stdout


def test_unchanged_files_are_dated_anew_without_being_encoded(run: Run) -> None:
    crop("door_20261128_100000.jpg", 1)
    crop("exif.jpg", 2, "2026:11:28 18:02:05")
    run("index", "crops")
    with Index.open("index") as index:
        before = [index.vector_of(person).tobytes() for person, _ in index.people()]
    again = document(run("index", "crops", "--name-pattern", PATTERN, "--zone", "+02:00", "--json"))
    assert (again["indexed"], again["unchanged"], again["redated"]) == (0, 2, 2)
    expected = {"door_20261128_100000.jpg": "2026-11-28T10:00:00+02:00", "exif.jpg": "2026-11-28T18:02:05+02:00"}
    assert clocks(run("search", "a cap", "--json")) == expected
    for unsaid in ((), ("--verify",)):
        assert document(run("index", "crops", *unsaid, "--json"))["redated"] == 0
        assert clocks(run("search", "a cap", "--json")) == expected
    for camera in ("yard", "yard", "Yard"):
        run("index", "crops", "--camera", camera, "--name-pattern", PATTERN, "--zone", "+02:00")
        assert clocks(run("search", "a cap", "--camera", camera, "--json")) == expected
    with Index.open("index") as index:
        assert [index.vector_of(person).tobytes() for person, _ in index.people()] == before
        assert [one.camera.name for one in index.seen_by_cameras()] == ["Yard", "yard"]


def test_what_was_told_of_a_file_stays_when_it_is_touched_moved_or_read_again(run: Run) -> None:
    path = crop("door_20261128_100000.jpg", 1)
    run("index", "crops", "--name-pattern", PATTERN, "--zone", "+02:00")
    os.utime(path, (5, 5))
    assert document(run("index", "crops", "--json"))["unchanged"] == 1
    path.rename(path.with_name("moved.jpg"))
    assert document(run("index", "crops", "--json"))["recognised"] == 1
    (hit,) = document(run("search", "a cap", "--json"))["hits"]
    assert (hit["clock"], hit["camera"], hit["time_known_by"]) == ("2026-11-28T10:00:00+02:00", "door", "name")


def test_a_folder_is_selected_by_the_bytes_of_its_path(run: Run) -> None:
    for seed, folder in enumerate((b"caf\xe9", b"caf\xe9s", "café".encode())):
        crop(os.fsdecode(folder + b"/%d.jpg" % seed), seed)
    run("index", "crops")
    found = document(run("search", "a cap", "--folder", os.fsdecode(b"crops/caf\xe9"), "--json"))
    assert [Path(hit["path"]).name for hit in found["hits"]] == ["0.jpg"]
    assert (found["looked_at"], found["selection"]["folders"]) == (1, [str(Path("crops").absolute() / os.fsdecode(b"caf\xe9"))])
    both = document(run("search", "a cap", "--folder", os.fsdecode(b"crops/caf\xe9"), "--folder", "crops/café", "--json"))
    assert both["looked_at"] == 2


def test_people_whose_time_is_not_known_are_counted(run: Run) -> None:
    crop("a.jpg", 1, "2026:11:28 18:02:05")
    crop("b.jpg", 2)
    run("index", "crops", "--zone", "+00:00")
    with Index.open("index") as index, index.writing():
        index.date(Path("crops/b.jpg").absolute(), None, None)
    ran = run("search", "a cap", "--from", "2026-11-28", "--to", "2026-11-28", "--json")
    assert (document(ran)["looked_at"], document(ran)["undated"]) == (1, 1)
    assert document(ran)["selection"] == {
        "cameras": [],
        "from": "2026-11-28T00:00:00+00:00",
        "to": "2026-11-29T00:00:00+00:00",
        "folders": [],
        "devices": [],
    }
    assert "1 were left out, as it is not known when they were seen" in ran.stderr


def test_a_file_s_time_is_said_to_be_a_guess(run: Run) -> None:
    os.utime(crop("a.jpg", 1), (1_795_858_933, 1_795_858_933))
    run("index", "crops", "--zone", "+01:00")
    ran = run("search", "a cap", "--from", "2026-11-28 10:00", "--to", "2026-11-28 11:00")
    assert ran.exit_code == 0
    assert "1 of those shown are dated by when their file was last changed" in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["search", "a cap", "--camera", "rear"], "expected a camera of this index: front, found no camera 'rear'"),
        (["search", "a cap", "--from", "soon"], "expected a time such as '2026-11-28'"),
        (["search", "a cap", "--from", "11:00", "--to", "10:00"], "a --to that is later than --from"),
        (["index", "--camera", "rear", "--offset", "1h"], "expected a camera of this index: front, found no camera 'rear'"),
        (["index", "--camera", "front", "--offset", "soon"], "what to add to a clock, such as '+1h 3m'"),
        (["index", "--camera", "front", "--zone", "Mars"], "expected a time zone such as Europe/Berlin"),
        (["index", "crops", "--offset", "1h"], "expected a camera whose clock the offset corrects, found none"),
        (["index", "crops", "--name-pattern", "x"], "a pattern with a time or a camera"),
    ],
)
def test_what_cannot_be_is_refused(run: Run, arguments: list[str], reason: str) -> None:
    crop("a.jpg", 1)
    run("index", "crops", "--camera", "front")
    ran = run(*arguments)
    assert isinstance(ran.exception, PasserbyError)
    assert reason in str(ran.exception)
    with Index.open("index") as index:
        assert [(one.camera.name, one.camera.offset_seconds, one.camera.zone) for one in index.seen_by_cameras()] == [("front", 0, None)]


def test_a_sheet_has_room_for_times_where_there_are_any(run: Run) -> None:
    crop("front_20261128_100000.jpg", 1)
    run("index", "crops", "--name-pattern", PATTERN)
    with Index.open("index") as index:
        ((person, _),) = index.people()
    untold = replace(person, media=replace(person.media, camera=None))
    with_camera, bare = (draw_sheet([("a cap", [Hit(1, 0.5, one)])]) for one in (person, untold))
    assert with_camera.height > bare.height
