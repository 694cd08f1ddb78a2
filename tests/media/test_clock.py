"""What clocks show, on the hour of a clock change too."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zones import ZONES, machine_in

from passerby.errors import InputError
from passerby.media.clock import (
    Camera,
    Instant,
    KnownBy,
    as_camera_name,
    as_zone,
    clock_iso,
    clock_text,
    clock_time,
    correction_text,
    in_zone,
    read_correction,
    readings,
)

INSTANTS = st.integers(300_000_000, 4_000_000_000)
"""Of 1979 to 2096, when all offsets were of whole quarters of an hour."""


@cache
def changes(zone: str) -> list[int]:
    """When a zone's clocks were changed, to the hour, in some years; what is no change there is one elsewhere."""
    hours = (datetime(year, 1, 1, tzinfo=UTC) + timedelta(hours=hour) for year in (2011, 2026) for hour in range(8760))
    known = ZoneInfo(zone)
    offsets = [(int(hour.timestamp()), hour.astimezone(known).utcoffset()) for hour in hours]
    found = [after for (_, one), (after, other) in pairwise(offsets) if one != other]
    return found or [1_795_858_933]


NEAR = st.sampled_from(ZONES).flatmap(lambda zone: st.tuples(st.just(zone), st.sampled_from(changes(zone)), st.integers(-100_000, 100_000)))
"""A zone, a change of its clocks, and seconds from there."""


def seconds(iso: str) -> float:
    return datetime.fromisoformat(iso).timestamp()


@pytest.mark.parametrize(
    ("zone", "wall", "first", "second"),
    [
        ("Europe/Berlin", "2026-11-28 10:42:13", "2026-11-28T09:42:13Z", "2026-11-28T09:42:13Z"),
        ("Europe/Berlin", "2026-10-25 02:30", "2026-10-25T00:30Z", "2026-10-25T01:30Z"),
        ("Europe/Berlin", "2026-10-25 03:00", "2026-10-25T02:00Z", "2026-10-25T02:00Z"),
        ("Europe/Berlin", "2026-03-29 02:30", "2026-03-29T01:30Z", "2026-03-29T00:30Z"),
        ("America/New_York", "2026-11-01 01:30", "2026-11-01T05:30Z", "2026-11-01T06:30Z"),
        ("America/New_York", "2026-03-08 02:30", "2026-03-08T07:30Z", "2026-03-08T06:30Z"),
        ("Asia/Kolkata", "2026-11-28 10:42:13", "2026-11-28T05:12:13Z", "2026-11-28T05:12:13Z"),
        ("Australia/Lord_Howe", "2026-04-05 01:45", "2026-04-04T14:45Z", "2026-04-04T15:15Z"),
        ("Australia/Lord_Howe", "2026-04-05 01:15", "2026-04-04T14:15Z", "2026-04-04T14:15Z"),
        ("Australia/Lord_Howe", "2026-10-04 02:15", "2026-10-03T15:45Z", "2026-10-03T15:15Z"),
        ("-03:30", "2026-10-25 02:30", "2026-10-25T06:00Z", "2026-10-25T06:00Z"),
    ],
)
def test_readings(zone: str, wall: str, first: str, second: str) -> None:
    expected = (seconds(first), seconds(second))
    assert readings(datetime.fromisoformat(wall), zone) == expected
    if "/" in zone:
        with machine_in(zone):
            assert readings(datetime.fromisoformat(wall), None) == expected


@given(near=NEAR)
def test_readings_are_the_instants_whose_clock_shows_it(near: tuple[str, int, int]) -> None:
    zone, change, after = near
    wall = (datetime.fromtimestamp(change, ZoneInfo(zone)) + timedelta(seconds=after)).replace(tzinfo=None)
    quarters = (wall.replace(tzinfo=timezone(timedelta(minutes=15 * quarter))) for quarter in range(-60, 61))
    showing = {moment.timestamp() for moment in quarters if moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == wall}
    first, second = readings(wall, zone)
    assert showing == ({first, second} if first <= second else set())


@given(near=NEAR, later=st.integers(1, 10_000))
def test_times_are_in_the_order_of_their_instants(near: tuple[str, int, int], later: int) -> None:
    zone, change, after = near
    one, other = (clock_time(change + after + more, zone) for more in (0, later))
    assert one < other
    assert other - one == timedelta(seconds=later)


@given(near=NEAR)
def test_a_time_shown_is_a_reading_of_its_instant(near: tuple[str, int, int]) -> None:
    zone, change, after = near
    moment = clock_time(change + after, zone)
    assert moment.timestamp() == change + after == seconds(clock_iso(change + after, zone))
    assert change + after in readings(moment.replace(tzinfo=None), zone)


@given(at=INSTANTS, micros=st.integers(0, 999_999), zone=st.sampled_from(ZONES))
def test_no_microsecond_is_lost(at: int, micros: int, zone: str) -> None:
    wall = clock_time(at, zone).replace(tzinfo=None, microsecond=micros)
    assert clock_time(readings(wall, zone)[0], zone).microsecond == micros


@pytest.mark.parametrize("zone", ZONES)
def test_the_machines_zone_is_like_any(zone: str) -> None:
    with machine_in(zone):
        for change in changes(zone):
            for after in range(-7200, 7201, 900):
                here, there = clock_time(change + after, None), clock_time(change + after, zone)
                assert (here, here.utcoffset(), here.tzname()) == (there, there.utcoffset(), there.tzname())
                wall = here.replace(tzinfo=None)
                assert readings(wall, None) == readings(wall, zone)


def test_what_people_see() -> None:
    at, twice = seconds("2026-11-28T09:42:13.9Z"), seconds("2026-10-25T01:30:05Z")
    with machine_in("Europe/Berlin"):
        assert clock_text(at, None) == clock_text(at, "Europe/Berlin") == clock_text(at, "Africa/Lagos") == "2026-11-28 10:42:13"
        assert clock_text(at, "Asia/Kolkata") == "2026-11-28 15:12:13 +05:30"
        assert clock_text(twice, None) == clock_text(twice, "Europe/Berlin") == "2026-10-25 02:30:05 +01:00"
        assert clock_text(twice - 3600, None) == "2026-10-25 02:30:05 +02:00"
    assert clock_iso(at, "Europe/Berlin") == "2026-11-28T10:42:13+01:00"
    assert clock_time(at, "Europe/Berlin").tzname() == "CET"


def test_a_cameras_offset_moves_what_its_clock_showed() -> None:
    at = seconds("2026-10-25T00:59:50Z")
    assert clock_iso(at, "Europe/Berlin") == "2026-10-25T02:59:50+02:00"
    assert clock_iso(at, "Europe/Berlin", 20) == "2026-10-25T02:00:10+01:00"
    assert clock_iso(at, "Europe/Berlin", -3600) == "2026-10-25T01:59:50+02:00"


@pytest.mark.parametrize(
    ("typed", "zone"), [("Europe/Berlin", "Europe/Berlin"), ("+0530", "+05:30"), ("-03:30", "-03:30"), ("Z", "+00:00"), ("UTC", "UTC")]
)
def test_zones(typed: str, zone: str) -> None:
    assert as_zone(typed) == zone == Instant(0, zone, KnownBy.EXIF).zone


@pytest.mark.parametrize(
    "typed", ["Berlin", "Europe", "/etc/passwd", "../UTC", "", "+25:00", "+01:60", "+1", "E\0", "ü", "\ud800", "a" * 5000]
)
def test_what_is_no_zone(typed: str) -> None:
    with pytest.raises(InputError, match=r"expected a time zone such as Europe/Berlin or \+01:00, found"):
        as_zone(typed)


def test_a_machine_without_zones_says_so_and_takes_offsets() -> None:
    program = """
import sys
sys.modules["tzdata"] = None
from datetime import datetime
from passerby.errors import InputError
from passerby.media.clock import Instant, KnownBy, as_zone, clock_iso
assert clock_iso(0, "+01:00") == "1970-01-01T01:00:00+01:00"
assert Instant(0, "Europe/Berlin", KnownBy.EXIF).zone == "Europe/Berlin"
try:
    as_zone("Europe/Berlin")
except InputError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | {"PYTHONTZPATH": ""}, capture_output=True, text=True, check=True, timeout=60
    )
    assert "no database of time zones on this machine; install one: pip install tzdata; or give an offset" in done.stdout


@pytest.mark.parametrize("at", [float("nan"), float("inf"), 1e12, -1e12, True, "0", None])
def test_instants_that_cannot_be(at: float) -> None:
    with pytest.raises(InputError, match="seconds since 1970 of the years 1000 to 8999"):
        Instant(at, None, KnownBy.FILE)


def test_other_things_that_cannot_be() -> None:
    for zone in ("", "a b", 1, "../x"):
        with pytest.raises(InputError, match="a time zone"):
            Instant(0, zone, KnownBy.FILE)  # type: ignore[arg-type]
        with pytest.raises(InputError, match="a time zone"):
            Camera("front", 0, zone)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="a KnownBy"):
        Instant(0, None, "exif")  # type: ignore[arg-type]
    for name in ("", " front", "a\nb", 1, None):
        with pytest.raises(InputError, match="a camera's name"):
            Camera(name)  # type: ignore[arg-type]
    for offset in (float("nan"), 1e10, "1", True):
        with pytest.raises(InputError, match="an offset in seconds"):
            Camera("front", offset)  # type: ignore[arg-type]
    for year in (1, 999, 9000):
        with pytest.raises(InputError, match="a year from 1000 to 8999"):
            readings(datetime(year, 1, 1), None)


def test_one_spelling_of_a_camera() -> None:
    assert as_camera_name(" Tu\u0308r 2 ") == "T\u00fcr 2"


def test_the_ends_of_time_can_be_shown() -> None:
    for year in (1000, 8999):
        for zone in (*ZONES, None):
            at = readings(datetime(year, 1, 1), zone)[0]
            assert clock_text(Instant(at, zone, KnownBy.EXIF).at, zone, 3e9 if year == 8999 else -3e9)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("+1h 3m", 3780), ("-90s", -90), ("1h3m", 3780), ("- 2 d", -172800), ("+5 min", 300), ("1.5s", 1.5), ("+1D 1H 1M 1S", 90061)],
)
def test_corrections_as_they_are_typed(text: str, seconds: float) -> None:
    assert read_correction(text) == seconds
    assert read_correction(correction_text(seconds)) == seconds


@pytest.mark.parametrize("text", ["", "+", "soon", "1", "3m 1h", "1h -3m", "1.5h", "١h"])
def test_what_is_no_correction(text: str) -> None:
    with pytest.raises(InputError, match="what to add to a clock, such as"):
        read_correction(text)


@given(seconds=st.integers(-(10**8), 10**8))
def test_a_correction_is_read_as_it_is_told(seconds: int) -> None:
    assert seconds == (0 if correction_text(seconds) == "none" else read_correction(correction_text(seconds)))


@given(
    at=st.integers(1_700_000_000, 1_800_000_000),
    zones=st.tuples(*[st.sampled_from(ZONES)] * 2),
    known_by=st.sampled_from([KnownBy.EXIF, KnownBy.NAME]),
)
def test_a_clock_showed_what_it_showed_whatever_its_zone(at: int, zones: tuple[str, str], known_by: KnownBy) -> None:
    before, now = zones
    moved = in_zone(Instant(at, before, known_by), before, now)
    shown = clock_time(at, before).replace(tzinfo=None)
    assert (moved.at, moved.zone, moved.known_by) == (readings(shown, now)[0], now, known_by)
    own = Instant(at, "+05:30", known_by)
    assert in_zone(own, before, now) == own
    assert in_zone(own, "+05:30", now) != own
    file = Instant(at, before, KnownBy.FILE)
    assert in_zone(file, before, now) == Instant(at, now, KnownBy.FILE)
