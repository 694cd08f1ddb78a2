"""Times as people type them, on the days of clock changes too."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zones import ZONES, machine_in

from passerby.errors import InputError, QueryError
from passerby.find.moment import read_moment
from passerby.media.clock import clock_time

NOW = datetime.fromisoformat("2026-10-25T12:00:00+01:00").timestamp()
"""Nine hours after Berlin's clocks were put back."""


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2026-11-28", "2026-11-28T00:00+01:00", "2026-11-29T00:00+01:00"),
        ("2026-11-28 10:00", "2026-11-28T10:00+01:00", "2026-11-28T10:00+01:00"),
        ("2026-11-28T10:00:30.25", "2026-11-28T10:00:30.250+01:00", "2026-11-28T10:00:30.250+01:00"),
        ("2026-11-28T10:00Z", "2026-11-28T10:00+00:00", "2026-11-28T10:00+00:00"),
        ("2026-11-28 10:00 +05:30", "2026-11-28T10:00+05:30", "2026-11-28T10:00+05:30"),
        ("9:05", "2026-10-25T09:05+01:00", "2026-10-25T09:05+01:00"),
        ("now", "2026-10-25T12:00+01:00", "2026-10-25T12:00+01:00"),
        ("today", "2026-10-25T00:00+02:00", "2026-10-26T00:00+01:00"),
        (" Yesterday ", "2026-10-24T00:00+02:00", "2026-10-25T00:00+02:00"),
        ("yesterday  18:00", "2026-10-24T18:00+02:00", "2026-10-24T18:00+02:00"),
        ("2h ago", "2026-10-25T10:00+01:00", "2026-10-25T10:00+01:00"),
        ("24 hours ago", "2026-10-24T13:00+02:00", "2026-10-24T13:00+02:00"),
        ("1 day ago", "2026-10-24T12:00+02:00", "2026-10-24T12:00+02:00"),
        ("2 weeks ago", "2026-10-11T12:00+02:00", "2026-10-11T12:00+02:00"),
        ("02:30", "2026-10-25T02:30+02:00", "2026-10-25T02:30+01:00"),
        ("2026-03-29 02:30", "2026-03-29T01:30+01:00", "2026-03-29T03:30+02:00"),
    ],
)
def test_times(text: str, start: str, end: str) -> None:
    expected = [datetime.fromisoformat(iso).timestamp() for iso in (start, end)]
    assert [read_moment(text, NOW, "Europe/Berlin", ends=ends) for ends in (False, True)] == expected
    with machine_in("Europe/Berlin"):
        assert [read_moment(text, NOW, None, ends=ends) for ends in (False, True)] == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ago",
        "24:00",
        "10:60",
        "2026-13-01",
        "2026-02-29",
        "0999-01-01",
        "9999-12-31",
        "tomorrow",
        "3 months ago",
        "2m ago",
        "-2h ago",
        "10",
        "2026-11-28 +01:00",
        "999999 weeks ago",
        "yesterday18:00",
        "2026-11-28 10:00 Europe/Berlin",
        "10:00:00.1234567",
        "2026-11-28 10:00+25:00",
        "10:00 +01:99",
        "yesterday 10:00-2460",
    ],
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(QueryError, match="expected a time such as"):
        read_moment(text, NOW, "Europe/Berlin")


def test_a_zone_that_is_not_known() -> None:
    with pytest.raises(InputError, match="a time zone"):
        read_moment("10:00", NOW, "Europe/Nowhere")


@given(text=st.text("0123456789-: tzagohdy+.", max_size=24), ends=st.booleans())
def test_any_text_is_read_or_refused(text: str, ends: bool) -> None:
    try:
        read_moment(text, NOW, None, ends=ends)
    except QueryError as error:
        assert repr(text) in str(error)


@given(
    zone=st.sampled_from(ZONES),
    bounds=st.tuples(*[st.datetimes(datetime(2026, 3, 1), datetime(2026, 11, 30))] * 2).map(sorted),
    after=st.integers(-90_000, 90_000),
    which=st.booleans(),
)
def test_nobody_is_left_out_whose_clock_is_between(zone: str, bounds: list[datetime], after: int, which: bool) -> None:
    first, last = bounds
    start, end = read_moment(first.isoformat(" "), NOW, zone), read_moment(last.isoformat(" "), NOW, zone, ends=True)
    at = (end if which else start) + after
    if first <= clock_time(at, zone).replace(tzinfo=None) < last:
        assert start <= at < end
