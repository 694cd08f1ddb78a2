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
from passerby.find.watch.sources import read_cameras, read_sources
from passerby.media.camera import CameraSource

GATE = 'name = "gate"\naddress = "rtsp://10.0.0.5:8554/a?channel=1"'
SECRET = "s3/cr:et@7"


def test_a_file_of_cameras_is_read(tmp_path: Path) -> None:
    yard = 'name = "Hof Süd"\naddress = "rtsp://10.0.0.6/b"\nuser = "ann@home"\npassword_env = "YARD"'
    yard += '\nfps = 2\noffset = "-2s"\nzone = "+01:00"'
    gate, other = read_cameras(write_cameras(tmp_path / "cameras.toml", GATE, yard), environment={"YARD": SECRET})
    assert (gate.name, gate.url, gate.fps) == ("gate", "rtsp://10.0.0.5:8554/a?channel=1", 5)
    assert (other.name, other.fps, other.offset, other.zone) == ("Hof Süd", 2, "-2s", "+01:00")
    assert other.url == "rtsp://ann%40home:s3%2Fcr%3Aet%407@10.0.0.6/b" and SECRET not in repr(other)


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
