"""Times and cameras in files' names, by the pattern that was given and no other."""

from __future__ import annotations

import unicodedata
from datetime import datetime
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerby.errors import InputError
from passerby.media.name_pattern import Named, NamePattern

EVENING = datetime(2026, 11, 28, 18, 2, 5)


@pytest.mark.parametrize(
    ("pattern", "path", "wall", "zone", "camera"),
    [
        ("%Y%m%d_%H%M%S", "/a/20261128_180205.jpg", EVENING, None, None),
        ("%Y%m%d_%H%M%S", "/a/IMG_20261128_180205_HDR.jpg", EVENING, None, None),
        ("%Y-%m-%d %H.%M.%S", "/a/2026-11-28 18.02.05 (1).jpg", EVENING, None, None),
        ("cam{camera}_%Y%m%d_%H%M%S", "/a/cam3_20261128_180205.jpg", EVENING, None, "3"),
        ("{camera}_%Y%m%d_%H%M%S", "/a/front_door_20261128_180205.jpg", EVENING, None, "front_door"),
        ("{camera}_%Y%m%d_%H%M%S", "/a/10.0.0.5_20261128_180205.jpg", EVENING, None, "10.0.0.5"),
        ("%Y%m%d%H%M%S-{camera}", "/a/20261128180205-10.0.0.5.jpg", EVENING, None, "10.0.0.5"),
        ("%Y%m%d%H%M%S-{camera}", "/a/20261128180205-front", EVENING, None, "front"),
        ("%Y%m%d%H%M%S-{camera}.jpg", "/a/20261128180205-front.jpg", EVENING, None, "front"),
        ("{camera}/%Y-%m-%d/%H.%M.%S", "/rec/Tür 2/2026-11-28/18.02.05[M].jpg", EVENING, None, "Tür 2"),
        ("{camera}/%Y/%m/%d/%H", "/rec/front/2026/11/28/18h02.jpg", EVENING.replace(minute=0, second=0), None, "front"),
        ("%y%m%d-%H%M%S%f", "/a/261128-180205123.jpg", EVENING.replace(microsecond=123_000), None, None),
        ("%Y%m%dT%H%M%S%z", "/a/20261128T180205+0530.jpg", EVENING, "+05:30", None),
        ("%Y%m%dT%H%M%S%z", "/a/20261128T180205Z.jpg", EVENING, "+00:00", None),
        ("{camera}-%s", "/a/front-1795888925.jpg", EVENING, "+00:00", "front"),
        ("{camera}-%s%f", "/a/front-1795888925250.jpg", EVENING.replace(microsecond=250_000), "+00:00", "front"),
        ("cam {camera} 100%%", "/a/cam 7 100% x.jpg", None, None, "7"),
        ("{camera}/", "/rec/front/a.jpg", None, None, "front"),
        ("[%Y.%m.%d](%H)", "/a/x[2026.11.28](18).jpg", EVENING.replace(minute=0, second=0), None, None),
        ("%Y%m%d_%H%M%S", "/a/20269999_999999 20261128_180205.jpg", EVENING, None, None),
        (
            "{camera}_%Y%m%d%H",
            "/a/" + unicodedata.normalize("NFD", "Tür") + "_2026112818.jpg",
            EVENING.replace(minute=0, second=0),
            None,
            "Tür",
        ),
    ],
)
def test_names_that_fit(pattern: str, path: str, wall: datetime | None, zone: str | None, camera: str | None) -> None:
    assert NamePattern.of(pattern).read(PurePosixPath(path)) == Named(wall, zone, camera)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("%Y%m%d_%H%M%S", "/a/2026-11-28 18.02.05.jpg"),
        ("%Y%m%d_%H%M%S", "/20261128_180205/a.jpg"),
        ("%Y%m%d_%H%M%S", "/a/120261128_180205.jpg"),
        ("%Y%m%d_%H%M", "/a/20261128_180205.jpg"),
        ("%Y%m%d_%H%M%S", "/a/20261328_180205.jpg"),
        ("%Y%m%d_%H%M%S", "/a/00000000_000000.jpg"),
        ("%Y%m%d_%H%M%S", "/a/09991128_180205.jpg"),
        ("%Y%m%d_%H%M%S", "/a/２０２６１１２８_180205.jpg"),
        ("cam{camera}_%Y%m%d%H", "/a/cam_2026112818.jpg"),
        ("{camera}_%Y%m%d%H", "/front/2026112818.jpg"),
        ("{camera}_%Y%m%d%H", "/a/ _2026112818.jpg"),
        ("{camera}_%Y%m%d%H", "/a/\udcff_2026112818.jpg"),
        ("{camera}/%s", "1795888925.jpg"),
    ],
)
def test_names_that_do_not(pattern: str, path: str) -> None:
    assert NamePattern.of(pattern).read(PurePosixPath(path)) is None


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("", "a pattern with a time or a camera"),
        ("front", "a pattern with a time or a camera"),
        ("100%%", "a pattern with a time or a camera"),
        ("%Y%m%d_%H%Q", "'%Q'"),
        ("%Y%m%d_%H%", "'%'"),
        ("{cam}_%Y%m%d_%H", "'{cam}'"),
        ("{camera_%Y%m%d_%H", "'{camera_%Y%m%d_%H'"),
        ("{camera", "'{camera'"),
        ("{camera}{camera}", "once"),
        ("%Y%m%d%H%Y", "once"),
        ("%Y%y%m%d%H", "once"),
        ("%Y%m%d", "year, month, day and hour"),
        ("%H%M%S", "year, month, day and hour"),
        ("{camera}%z", "year, month, day and hour"),
    ],
)
def test_patterns_that_are_none(pattern: str, reason: str) -> None:
    with pytest.raises(InputError) as caught:
        NamePattern.of(pattern)
    assert reason in str(caught.value)
    assert repr(pattern) in str(caught.value)


@given(
    wall=st.datetimes(datetime(1000, 1, 1), datetime(8999, 12, 31)),
    camera=st.text("abcxyz0189 ._-", min_size=1).map(str.strip).filter(lambda name: name.strip(".")),
    pattern=st.permutations(["%Y-%m-%d", "%H.%M.%S.%f", "{camera}"]).flatmap(
        lambda parts: st.sampled_from(["~", "/", " at "]).map(lambda between: between.join(parts))
    ),
)
def test_what_is_written_by_a_pattern_is_read_by_it(wall: datetime, camera: str, pattern: str) -> None:
    date = f"{wall.year:04}-{wall:%m-%d}"
    name = pattern.replace("%Y-%m-%d", date).replace("%H.%M.%S.%f", f"{wall:%H.%M.%S.%f}").replace("{camera}", camera)
    assert NamePattern.of(pattern).read(PurePosixPath(f"/recordings/{name}.jpg")) == Named(wall, None, camera)


@given(pattern=st.text("%YmdHMSfszy{camera}/_.", max_size=30), path=st.text("0123456789acr/_.Z+", max_size=40))
def test_any_pattern_is_read_or_refused(pattern: str, path: str) -> None:
    try:
        NamePattern.of(pattern).read(PurePosixPath(path))
    except InputError as error:
        assert error.do == "correct the pattern"
