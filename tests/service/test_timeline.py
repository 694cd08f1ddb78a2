"""The timeline says what the answers say: everybody of a known time once, on their camera's row, at the distance of time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from serving import Client, Sample, serving

from passerby.service.timeline import UNKNOWN, Sight, timeline_of

EAST = timezone(timedelta(hours=9))
moments = st.datetimes(datetime(2000, 1, 1), datetime(2040, 1, 1), timezones=st.sampled_from([UTC, EAST]))
sights = st.lists(st.builds(Sight, st.none() | moments, st.sampled_from(["", "lobby", "gate"]), st.text(), st.text(), st.booleans()))


def sight(clock: datetime | None, camera: str = "lobby") -> Sight:
    return Sight(clock, camera, "somebody", "/people/1", likely=True)


@given(sights)
def test_everybody_of_a_known_time_has_a_mark_at_it(seen: list[Sight]) -> None:
    line = timeline_of(seen)
    dated = [one for one in seen if one.clock]
    if line is None:
        assert len(dated) < 2
        return
    marks = [mark for _, row in line.rows for mark in row]
    assert sorted(map(id, (mark.sight for mark in marks))) == sorted(map(id, dated))
    assert line.undated == len(seen) - len(dated)
    assert all(mark.sight.camera == ("" if name == UNKNOWN else name) for name, row in line.rows for mark in row)
    clocks = [one.clock for one in dated if one.clock]
    first, whole = min(clocks), max(clocks) - min(clocks)
    for mark in marks:
        assert mark.sight.clock
        share = (mark.sight.clock - first) / whole if whole else 0.5
        assert mark.at == pytest.approx(3 + 94 * share, abs=0.01)
    assert len(line.ticks) <= 5
    assert [tick.at for tick in line.ticks] == sorted(tick.at for tick in line.ticks)
    assert all(3 <= tick.at <= 97 for tick in line.ticks)


@pytest.mark.parametrize(
    ("seconds", "ticks", "during"),
    [
        (50, ["10:00:00", "10:00:15", "10:00:30", "10:00:45"], "28 November 2026, 10:00:00 to 10:00:50"),
        (3000, ["10:00", "10:15", "10:30", "10:45"], "28 November 2026, 10:00 to 10:50"),
        (86400, ["12:00", "18:00", "29 Nov", "06:00"], "28 November 2026, 10:00 to 29 November 2026, 10:00"),
        (40 * 86400, ["12 Dec", "26 Dec"], "28 November 2026, 10:00 to 7 January 2027, 10:00"),
        (3 * 365 * 86400, ["Nov 2027", "Nov 2028", "Nov 2029"], "28 November 2026, 10:00 to 27 November 2029, 10:00"),
    ],
)
def test_times_below_are_round(seconds: int, ticks: list[str], during: str) -> None:
    start = datetime(2026, 11, 28, 10, tzinfo=UTC)
    line = timeline_of([sight(start), sight(start + timedelta(seconds=seconds), "gate"), sight(None)])
    assert line
    assert ([tick.text for tick in line.ticks], line.during, [name for name, _ in line.rows]) == (ticks, during, ["gate", "lobby"])


@pytest.fixture(scope="module")
def client(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with serving(sample, tmp_path_factory.mktemp("timeline")) as opened:
        yield opened


def test_the_page_has_a_row_for_each_camera_and_a_link_to_each_hit(client: Client) -> None:
    html = client.http.get("/?q=a+person&min_probability=0&k=40").text
    hits = client.http.get("/api/v1/search?q=a+person&min_probability=0&k=40").json()["hits"]
    table = html[html.index('<details class="timeline"') : html.index("</details>", html.index('<details class="timeline"'))]
    assert re.findall(r'<th scope="row">(.*?)</th>', table) == ["lobby", "north gate"]
    for hit in (one for one in hits if one["clock"]):
        when = hit["clock"].replace("T", " ")[:19]
        (said,) = re.findall(rf'<a href="/people/{hit["person"]}\?[^"]*" aria-label="([^"]*)"><title>', table)
        assert unescape(said).startswith(f"Person {hit['rank']}, {hit['camera']}, {when}")
    assert table.count("<circle") == sum(1 for one in hits if one["clock"])
    assert f"of {sum(1 for one in hits if not one['clock'])} it is not known when" in table


def test_one_time_alone_needs_no_timeline(client: Client) -> None:
    assert "timeline" not in client.http.get("/?q=a+person&min_probability=0&k=1").text
