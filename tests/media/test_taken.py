"""When something was taken, by EXIF, a name and a file, and what damaged or senseless times come to."""

from __future__ import annotations

from datetime import UTC, datetime
from io import BytesIO
from pathlib import PurePath, PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.ExifTags import GPS, IFD, Base
from PIL.TiffImagePlugin import IFDRational
from zones import machine_in

from passerby.errors import InputError
from passerby.media.clock import Camera, Instant, KnownBy, clock_iso
from passerby.media.name_pattern import NamePattern
from passerby.media.taken import LEFT_OUT, NEVER_SET, TWICE, Clocks, Taken

EVENING = "2026:11:28 18:02:05"
PATH = PurePosixPath("/rec/front_20261128_190000.jpg")
PATTERN = NamePattern.of("{camera}_%Y%m%d_%H%M%S")
MODIFIED = 1_795_900_000_500_000_000


def exif(
    details: dict[int, object] | None = None, gps: dict[int, object] | None = None, main: dict[int, object] | None = None
) -> Image.Exif:
    made = Image.Exif()
    for tag, value in (main or {}).items():
        made[tag] = value
    made.get_ifd(IFD.Exif).update(details or {})
    made.get_ifd(IFD.GPSInfo).update(gps or {})
    return made


def through_a_file(made: Image.Exif, kind: str = "JPEG") -> Image.Exif:
    """EXIF as it is read from a picture's bytes, after its pixels."""
    file = BytesIO()
    Image.new("RGB", (8, 8)).save(file, kind, exif=made.tobytes())
    image = Image.open(BytesIO(file.getvalue()))
    image.load()
    return image.getexif()


def taken(path: PurePath, modified_ns: int, of: Image.Exif | None = None, **clocks: Any) -> Taken:
    return Clocks(**clocks).taken(path, modified_ns, of)


def photo_instant(of: Image.Exif, zone: str | None = None) -> Instant | None:
    """What EXIF alone says."""
    instant = taken(PATH, MODIFIED, of, zone=zone).instant
    return instant if instant and instant.known_by is KnownBy.EXIF else None


def iso(instant: Instant | None) -> str | None:
    return clock_iso(instant.at, instant.zone) if instant else None


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_of_files(kind: str) -> None:
    made = exif({Base.DateTimeOriginal: EVENING, Base.SubsecTimeOriginal: "25 ", Base.OffsetTimeOriginal: "+05:30"})
    expected = datetime(2026, 11, 28, 12, 32, 5, 250_000, UTC).timestamp()
    assert photo_instant(through_a_file(made, kind), "Europe/Berlin") == Instant(expected, "+05:30", KnownBy.EXIF)


@pytest.mark.parametrize(
    ("details", "gps", "main", "shown"),
    [
        ({Base.DateTimeOriginal: EVENING}, {}, {}, "2026-11-28T18:02:05+01:00"),
        ({Base.DateTimeOriginal: EVENING, Base.OffsetTime: "+05:00"}, {}, {}, "2026-11-28T18:02:05+01:00"),
        ({Base.DateTimeOriginal: EVENING, Base.OffsetTimeOriginal: "   :  "}, {}, {}, "2026-11-28T18:02:05+01:00"),
        ({Base.DateTimeOriginal: EVENING, Base.OffsetTimeOriginal: "+99:00"}, {}, {}, "2026-11-28T18:02:05+01:00"),
        ({Base.DateTimeOriginal: EVENING, Base.SubsecTimeOriginal: "  "}, {}, {}, "2026-11-28T18:02:05+01:00"),
        ({Base.DateTimeOriginal: "2026-11-28T18:02:05"}, {}, {}, "2026-11-28T18:02:05+01:00"),
        ({Base.DateTimeOriginal: "0000:00:00 00:00:00", Base.DateTimeDigitized: EVENING}, {}, {}, "2026-11-28T18:02:05+01:00"),
        (
            {Base.DateTimeDigitized: EVENING, Base.OffsetTimeDigitized: "Z"},
            {},
            {Base.DateTime: "2027:01:02 00:00:00"},
            "2026-11-28T18:02:05+00:00",
        ),
        ({}, {}, {Base.DateTime: EVENING}, "2026-11-28T18:02:05+01:00"),
        ({}, {GPS.GPSDateStamp: "2026:11:28", GPS.GPSTimeStamp: (18.0, 2.0, 5.5)}, {}, "2026-11-28T18:02:05+00:00"),
        (
            {Base.DateTimeOriginal: EVENING},
            {GPS.GPSDateStamp: "2026:11:28", GPS.GPSTimeStamp: (1.0, 2.0, 5.5)},
            {},
            "2026-11-28T18:02:05+01:00",
        ),
        ({Base.DateTimeOriginal: "2026:10:25 02:30:00"}, {}, {}, "2026-10-25T02:30:00+02:00"),
        ({Base.DateTimeOriginal: "2026:10:25 02:30:00", Base.OffsetTimeOriginal: "+01:00"}, {}, {}, "2026-10-25T02:30:00+01:00"),
    ],
)
def test_the_best_of_exif(details: dict[int, object], gps: dict[int, object], main: dict[int, object], shown: str) -> None:
    assert iso(photo_instant(through_a_file(exif(details, gps, main)), "Europe/Berlin")) == shown


@pytest.mark.parametrize(
    "value",
    [
        "0000:00:00 00:00:00",
        "    :  :     :  :  ",
        "",
        "\0" * 20,
        "2026:13:28 18:02:05",
        "2026:11:28 24:02:05",
        "2026:11:28",
        "0001:01:01 00:00:00",
        "9999:12:31 23:59:59",
        "2026:02:29 00:00:00",
        "2026:11:28 18:02:60",
        "２０２６:11:28 18:02:05",
        "last summer",
    ],
)
def test_times_of_exif_that_are_none(value: str) -> None:
    assert photo_instant(exif(dict.fromkeys((Base.DateTimeOriginal, Base.DateTimeDigitized), value))) is None
    assert (
        taken(PATH, MODIFIED, exif({Base.DateTimeOriginal: value}), pattern=PATTERN).instant
        == taken(PATH, MODIFIED, pattern=PATTERN).instant
    )


@pytest.mark.parametrize(
    "time", [(24.0, 0.0, 0.0), (1.0, 60.0, 0.0), (1.0, 2.0), (IFDRational(0, 0),) * 3, "10:00", None, 5, (-1.0, 0.0, 0.0), ("a", "b", "c")]
)
def test_gps_times_that_are_none(time: object) -> None:
    assert photo_instant(exif(gps={GPS.GPSDateStamp: "2026:11:28", GPS.GPSTimeStamp: time})) is None


@pytest.mark.parametrize("value", [b"2026:11:28 18:02:05\0", EVENING + "\0\0", " " + EVENING])
def test_odd_spellings_of_a_time(value: object) -> None:
    assert iso(photo_instant(exif({Base.DateTimeOriginal: value}), "+01:00")) == "2026-11-28T18:02:05+01:00"


@pytest.mark.parametrize("value", [5, 1.5, (1, 2), b"\xff\xfe", None])
def test_values_of_another_kind(value: object) -> None:
    assert photo_instant(exif({Base.DateTimeOriginal: value, Base.OffsetTimeOriginal: value}, {GPS.GPSDateStamp: value})) is None


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@given(data=st.data())
def test_damaged_exif_is_read_or_not(data: st.DataObject) -> None:
    whole = exif({Base.DateTimeOriginal: EVENING, Base.OffsetTimeOriginal: "+01:00"}, {GPS.GPSDateStamp: "2026:11:28"}).tobytes()
    damaged = bytearray(whole[: data.draw(st.integers(6, len(whole)))])
    for at in data.draw(st.lists(st.integers(6, max(6, len(damaged) - 1)), max_size=6)):
        if at < len(damaged):
            damaged[at] = data.draw(st.integers(0, 255))
    read = Image.Exif()
    try:
        read.load(bytes(damaged))
    except Exception:  # not even its header is there
        return
    told = taken(PATH, MODIFIED, read, zone="Europe/Berlin").instant
    assert told is not None
    assert told.known_by in (KnownBy.EXIF, KnownBy.FILE)


def test_exif_before_a_name_before_the_file() -> None:
    cameras = {"front": Camera("front", 0, "Asia/Kolkata")}
    told = taken(PATH, MODIFIED, exif({Base.DateTimeOriginal: EVENING}), pattern=PATTERN, cameras=cameras, zone="Europe/Berlin")
    assert (iso(told.instant), told.camera, told.instant and told.instant.known_by) == ("2026-11-28T18:02:05+05:30", "front", KnownBy.EXIF)
    told = taken(PATH, MODIFIED, exif(), pattern=PATTERN, zone="Europe/Berlin")
    assert (iso(told.instant), told.camera, told.instant and told.instant.known_by) == ("2026-11-28T19:00:00+01:00", "front", KnownBy.NAME)
    told = taken(PATH, MODIFIED, None, pattern=NamePattern.of("{camera}_"), zone="Europe/Berlin")
    assert (told.instant, told.camera) == (Instant(MODIFIED / 1e9, "Europe/Berlin", KnownBy.FILE), "front_20261128")
    told = taken(PATH, MODIFIED)
    assert (told.instant, told.camera, told.notes) == (Instant(MODIFIED / 1e9, None, KnownBy.FILE), None, ())


def test_a_name_with_an_offset_needs_no_zone() -> None:
    told = taken(PurePosixPath("20261128T180205+0530.jpg"), 0, pattern=NamePattern.of("%Y%m%dT%H%M%S%z"), zone="Europe/Berlin")
    assert iso(told.instant) == "2026-11-28T18:02:05+05:30"


def test_a_time_without_a_zone_is_the_machines() -> None:
    with machine_in("America/New_York"):
        instant = photo_instant(exif({Base.DateTimeOriginal: EVENING}))
        assert instant == Instant(datetime(2026, 11, 28, 23, 2, 5, tzinfo=UTC).timestamp(), None, KnownBy.EXIF)


@pytest.mark.parametrize(
    ("written", "zone", "notes"),
    [
        ("2026:10:25 02:30:00", "Europe/Berlin", (TWICE,)),
        ("2026:11:01 01:30:00", "America/New_York", (TWICE,)),
        ("2026:03:29 02:30:00", "Europe/Berlin", (LEFT_OUT,)),
        ("2026:04:05 01:45:00", "Australia/Lord_Howe", (TWICE,)),
        ("2026:10:25 02:30:00", "+01:00", ()),
        ("2026:10:25 03:00:00", "Europe/Berlin", ()),
        ("1970:01:01 00:03:00", None, (NEVER_SET,)),
        ("1980:01:01 00:00:00", None, (NEVER_SET,)),
        ("2000:01:01 11:00:00", None, (NEVER_SET,)),
        ("2000:01:02 00:00:00", None, ()),
        ("2001:01:01 00:00:00", None, ()),
    ],
)
def test_what_had_to_be_guessed_is_noted(written: str, zone: str | None, notes: tuple[str, ...]) -> None:
    assert taken(PATH, MODIFIED, exif({Base.DateTimeOriginal: written}), zone=zone).notes == notes


def test_times_of_files() -> None:
    assert taken(PATH, 0, zone="+00:00").notes == (NEVER_SET,)
    assert taken(PATH, 1 << 62).instant == Instant((1 << 62) / 1e9, None, KnownBy.FILE)
    assert taken(PATH, 10**21).instant is None


def test_a_zone_that_is_not_known_is_said() -> None:
    with pytest.raises(InputError, match="a time zone"):
        photo_instant(exif({Base.DateTimeOriginal: EVENING}), "Europe/Nowhere")
