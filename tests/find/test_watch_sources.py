"""What is watched, as it is typed and as a file of cameras says it; whatever cannot be is refused in words that name no password."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from watching import write_cameras

from passerby.cli.app import app
from passerby.errors import ConfigError, InputError, PasserbyError
from passerby.find.cameras import correct_camera
from passerby.find.watch.loop import set_clocks
from passerby.find.watch.sources import read_cameras, read_sources
from passerby.index.sqlite.index import Index
from passerby.media.camera import CameraSource
from passerby.media.clock import Camera

GATE = 'name = "gate"\naddress = "rtsp://10.0.0.5:8554/a?channel=1"'
SECRET = "s3/cr:et@7"


def test_a_file_of_cameras_is_read(tmp_path: Path) -> None:
    yard = 'name = "Hof Süd"\naddress = "rtsp://10.0.0.6/b"\nuser = "ann@home"\npassword_env = "YARD"'
    yard += '\nfps = 2\noffset = "-2s"\nzone = "+01:00"'
    gate, other = read_cameras(write_cameras(tmp_path / "cameras.toml", GATE, yard), environment={"YARD": SECRET})
    assert (gate.name, gate.url, gate.fps) == ("gate", "rtsp://10.0.0.5:8554/a?channel=1", 5)
    assert (other.name, other.fps, other.clock) == ("Hof Süd", 2, Camera("Hof Süd", -2, "+01:00"))
    assert gate.clock == Camera("gate"), "what is not written down is no offset, and this machine's zone"
    assert other.url == "rtsp://ann%40home:s3%2Fcr%3Aet%407@10.0.0.6/b" and SECRET not in repr(other)


def test_what_a_file_says_of_clocks_holds_and_what_it_says_no_longer_is_gone(index: Index, tmp_path: Path) -> None:
    def watched(*sources: str, clock: str | None = None) -> tuple[Camera, list[str]]:
        """How the clock is corrected once it is watched, and what is said."""
        file = None if clock is None else write_cameras(tmp_path / "cameras.toml", f"{GATE}\n{clock}")
        said: list[str] = []
        _, cameras = read_sources(sources, file)
        set_clocks(index, cameras, said.append)
        return index.cameras()[0], said

    both = Camera("gate", 3600, "+02:00")
    assert watched(clock='offset = "+1h"\nzone = "+02:00"') == (both, []), "of one that is new nothing is said"
    assert watched(clock='offset = "+1h"\nzone = "+02:00"') == (both, [])
    (known, said) = watched(clock='offset = "+1h"')
    assert known == Camera("gate", 3600) and said == [
        "gate: its clock has an offset of +1h and this machine's zone, as the file of cameras says; "
        "before it had an offset of +1h and the zone +02:00"
    ]
    assert watched(clock="")[0] == Camera("gate")
    correct_camera(index, "gate", "-90s")
    (known, said) = watched(clock="")
    assert known == Camera("gate") and "before it had an offset of -1m 30s" in said[0], "so is a correction from elsewhere, which is said"


def test_a_camera_of_no_file_keeps_how_its_clock_was_corrected(index: Index) -> None:
    for _ in range(2):
        said: list[str] = []
        set_clocks(index, read_sources(["rtsp://10.0.0.5/a"])[1], said.append)
        known = correct_camera(index, "10.0.0.5", "-90s", "+02:00")
        assert index.cameras() == [known] and said == []


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        (
            (GATE + '\npasword_env = "A"',),
            r"keys of a camera \(name, address, .*\) in .*cameras.toml, found 'pasword_env'; correct the file",
        ),
        ((GATE, GATE), "expected cameras of different names, found two called 'gate'; rename one"),
        (('name = "gate"',), "expected address of camera 1 in .*, found none"),
        (('name = 7\naddress = "rtsp://a/b"',), "expected name of camera 1, a text in .*, found 7"),
        (('name = "../gate"\naddress = "rtsp://a/b"',), "without a slash .*found '../gate'; choose another name"),
        (('name = "gate"\naddress = "http://a/b"',), "a camera's address such as rtsp://.*, found 'http://a'"),
        (('name = "gate"\naddress = "rtsp://a:99999/b"',), "a host or a port that cannot be"),
        (
            (f'name = "gate"\naddress = "rtsp://ann:{SECRET}@a/b"',),
            "an address without a user or a password, found one with an @; name user and password_env",
        ),
        ((GATE + "\nfps = 0",), "frames a second, above 0 and at most 60, found 0; correct fps of gate"),
        ((GATE + '\noffset = "soon"',), "in camera 1 of .* expected what to add to a clock|what to add to a clock"),
        ((GATE + '\nzone = "Atlantis"',), "a time zone such as Europe/Berlin"),
        ((GATE + '\nuser = "ann"\npassword_env = "NOT_SET_HERE"',), r"in the variable NOT_SET_HERE, found none .*export NOT_SET_HERE="),
        ((GATE + '\npassword_env = "HOME"',), "expected user of camera 1, beside its password in"),
        ((GATE + "\nfps = ",), "expected TOML in .*; correct that line"),
        ((), r"expected at least one table \[\[camera\]\] in"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(tmp_path: Path, tables: tuple[str, ...], said: str) -> None:
    with pytest.raises((ConfigError, InputError), match=said) as refused:
        read_sources([], write_cameras(tmp_path / "cameras.toml", *tables))
    assert SECRET not in str(refused.value)


def test_a_file_that_others_may_read_is_refused_with_what_mends_it(tmp_path: Path) -> None:
    file = write_cameras(tmp_path / "my cameras.toml", GATE)
    file.chmod(0o640)
    with pytest.raises(ConfigError, match=re.escape(f"found mode 640; run: chmod 600 '{file}'")):
        read_cameras(file)


@pytest.mark.parametrize("address", ["rtsp://ann:hunter2@10.0.0.5/a", "rtsp://10.0.0.5/a?user=ann&password=hunter2"])
def test_a_password_that_is_typed_is_refused_and_not_repeated(address: str) -> None:
    done = CliRunner().invoke(app, ["watch", address], standalone_mode=False)
    assert isinstance(done.exception, ConfigError | InputError) and "hunter2" not in str(done.exception)
    assert "a file for --cameras: others see what is typed" in str(done.exception)


def test_an_address_alone_is_a_camera_of_its_host(tmp_path: Path) -> None:
    folders, (camera,) = read_sources([str(tmp_path), "rtsp://10.0.0.5:8554/a"], fps=2)
    assert (folders, camera) == ((tmp_path,), CameraSource("10.0.0.5:8554", "rtsp://10.0.0.5:8554/a", fps=2))


@pytest.mark.parametrize(("name", "found"), [("nothing", "nothing"), ("film.mp4", "a file")])
def test_what_is_no_folder_is_refused(tmp_path: Path, name: str, found: str) -> None:
    (tmp_path / "film.mp4").write_bytes(b"")
    with pytest.raises(ConfigError, match=f"expected a folder at .*{name}, found {found}; name the folder"):
        read_sources([str(tmp_path / name)])
    with pytest.raises(ConfigError, match="expected something to watch, found nothing"):
        read_sources([])


@settings(max_examples=50)
@given(st.text(max_size=40))
def test_any_address_is_taken_or_refused_in_plain_words(rest: str) -> None:
    try:
        camera = CameraSource("gate", f"rtsp://{rest}")
    except PasserbyError as error:
        assert isinstance(error, InputError)
    else:
        assert camera.url == camera.address
