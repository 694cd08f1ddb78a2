"""Selections by camera, time and folder, and the conditions that an index makes of them."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerby.errors import InputError, QueryError
from passerby.find.selection import read_selection, selected
from passerby.index.selection import Conditions, Selection
from passerby.media.clock import Camera

NOW = 1_795_888_925.0
CAMERAS = (Camera("front"), Camera("back", 90.5), Camera("yard", -3600.0, "Europe/Berlin"))
OFFSETS = {camera.name: camera.offset_seconds for camera in CAMERAS}
PATHS = [
    Path("/", *parts) for parts in (("a",), ("a", "b"), ("a", "b.jpg"), ("a", "b", "c"), ("a0",), ("a-",), ("\udcff", "b"), ("ä", "b"), ())
]

TIMES = st.none() | st.integers(-8000, 8000).map(lambda quarter: quarter / 4)
SELECTIONS = st.builds(
    Selection,
    st.lists(st.sampled_from(sorted(OFFSETS)), max_size=2, unique=True).map(tuple),
    TIMES,
    st.none() | st.integers(8001, 16000).map(lambda quarter: quarter / 4),
    st.lists(st.sampled_from(PATHS), max_size=2).map(tuple),
)
PEOPLE = st.tuples(
    st.sampled_from(PATHS), st.none() | st.sampled_from(sorted(OFFSETS)), st.none() | st.integers(-30000, 30000).map(lambda at: at / 4)
)


def by_sql(conditions: Conditions, people: list[tuple[Path, str | None, float | None]]) -> list[int]:
    """Who fits, asked as an index asks."""
    clauses, values = ["1"], list[object]()
    if conditions.cameras is not None:
        clauses.append(f"camera IN ({', '.join('?' * len(conditions.cameras))})")
        values += conditions.cameras
    if conditions.window is not None:
        cases = "".join(" WHEN ? THEN at >= ? AND at < ?" for _ in conditions.corrected)
        clauses.append(f"CASE camera{cases or ' WHEN NULL THEN 0'} ELSE at >= ? AND at < ? END")
        values += [value for name, window in conditions.corrected.items() for value in (name, window.start, window.end)]
        values += [conditions.window.start, conditions.window.end]
    if conditions.places is not None:
        clauses.append(f"({' OR '.join('path = ? OR path > ? AND path < ?' for _ in conditions.places)})")
        values += [value for place in conditions.places for value in (place.path, place.below, place.beyond)]
    with sqlite3.connect(":memory:") as database:
        database.execute("CREATE TABLE people (id INTEGER PRIMARY KEY, path BLOB, camera TEXT, at REAL)")
        rows = [(number, os.fsencode(path), camera, at) for number, (path, camera, at) in enumerate(people)]
        database.executemany("INSERT INTO people VALUES (?, ?, ?, ?)", rows)
        found = [row[0] for row in database.execute(f"SELECT id FROM people WHERE {' AND '.join(clauses)} ORDER BY id", values)]
    database.close()
    return found


@given(selection=SELECTIONS, people=st.lists(PEOPLE, max_size=12))
def test_conditions_select_whom_the_selection_does(selection: Selection, people: list[tuple[Path, str | None, float | None]]) -> None:
    expected = [
        number for number, (path, camera, at) in enumerate(people) if selection.matches(path, camera, at, OFFSETS.get(camera or "", 0.0))
    ]
    assert by_sql(selection.conditions(CAMERAS), people) == expected


@given(selection=SELECTIONS, person=PEOPLE)
def test_time_is_that_of_a_clock_that_goes_right(selection: Selection, person: tuple[Path, str | None, float | None]) -> None:
    path, camera, at = person
    offset = OFFSETS.get(camera or "", 0.0)
    if at is not None:
        assert selection.matches(path, camera, at, offset) == selection.matches(path, camera, at + offset)


def test_everybody() -> None:
    assert Selection().is_everybody and not Selection(("front",)).is_everybody
    assert Selection().matches(Path("/a"), None, None)
    assert Selection().conditions(CAMERAS) == Conditions()


def test_who_is_not_known_is_in_nothing_that_is_asked_for() -> None:
    assert not Selection(("front",)).matches(Path("/a"), None, 0)
    assert not Selection(start=0).matches(Path("/a"), "front", None)


def test_a_stretch_is_half_open() -> None:
    selection = Selection(start=10, end=20)
    assert [selection.matches(Path("/a"), None, at) for at in (9.99, 10, 19.99, 20)] == [False, True, True, False]


def test_a_camera_that_is_not_there_is_refused() -> None:
    with pytest.raises(QueryError, match="expected a camera of this index: back, front, yard, found no camera 'rear'; correct --camera"):
        Selection(("front", "rear")).conditions(CAMERAS)
    with pytest.raises(QueryError, match="it has none"):
        Selection(("front",)).conditions()


def test_what_is_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    read = read_selection([" front", "front", "Tu\u0308r"], "2026-11-27", "2026-11-27", ["x/../y/", "y"], now=NOW, zone="+01:00")
    assert read == Selection(("front", "Tür"), 1_795_734_000, 1_795_820_400, (tmp_path / "y",))
    assert selected(replace(read, zone="+05:30")) == (
        f"camera front, camera Tür, from 2026-11-27 04:30:00 +05:30, to 2026-11-28 04:30:00 +05:30, in {tmp_path / 'y'}"
    )
    assert read_selection(now=NOW).is_everybody and selected(Selection()) == ""


@pytest.mark.parametrize(("start", "end"), [("10:00", "09:59"), ("10:00", "10:00"), ("today", "yesterday"), ("now", "1 h ago")])
def test_an_end_before_the_start_is_refused(start: str, end: str) -> None:
    with pytest.raises(QueryError, match=f"a --to that is later than --from, found --from {start} .* and --to {end} "):
        read_selection(start=start, end=end, now=NOW, zone="Europe/Berlin")


def test_the_hour_that_comes_twice_is_selected_whole() -> None:
    read = read_selection(start="2026-10-25 02:00", end="2026-10-25 02:59", now=NOW, zone="Europe/Berlin")
    assert read.start is not None and read.end is not None
    assert read.end - read.start == 3600 + 59 * 60


@pytest.mark.parametrize(
    "wrong",
    [
        {"cameras": ["front"]},
        {"cameras": (1,)},
        {"start": "0"},
        {"end": float("nan")},
        {"start": True},
        {"start": 1, "end": 1},
        {"folders": ("/a",)},
        {"folders": (Path("a"),)},
    ],
)
def test_selections_that_cannot_be(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError):
        Selection(**wrong)  # type: ignore[arg-type]
