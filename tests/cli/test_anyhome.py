"""Whoever runs it, wherever their home is, whatever terminal they have: nothing outside of what was asked for can stop a command."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from crops import write_crop, write_crops

from passerby import places
from passerby.atomic import replacing, replacing_folder
from passerby.errors import ConfigError, IndexFault
from passerby.find.ingest.run import index_paths
from passerby.index.sqlite.index import Index
from passerby.model.bundle import read_bundle
from passerby.model.bundle_encoder import BundleEncoder

PASSERBY: list[str | Path] = [sys.executable, "-m", "passerby"]


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


STRANGER = """
import io, json, os, sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from PIL import Image
import numpy.random, passerby, passerby.demo
from passerby.cli import app as cli

def run(variables, arguments):
    for name in ("HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "PASSERBY_INDEX", "PASSERBY_ENGINES"):
        os.environ.pop(name, None)
    os.environ.update(variables)
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    sys.argv = ["passerby", *arguments]
    code = None
    with redirect_stdout(out), redirect_stderr(err):
        try:
            cli.main()
        except SystemExit as end:
            code = end.code or 0
        except BaseException as error:
            code = repr(error)
    return [code, *(stream.buffer.getvalue().decode() for stream in (out, err))]

uid, gid, warm, cold, runs = json.loads(sys.argv[1])
os.chdir(warm)
Image.init()
for variables, arguments in {arguments[0]: (variables, arguments) for variables, arguments in reversed(runs)}.values():
    if arguments[0] not in ("demo", "benchmark"):
        run(variables, arguments)
os.chdir(cold)
os.setgroups([])
os.setgid(gid)
os.setuid(uid)
os.umask(0o002)
reachable = os.access(Path(passerby.__file__).parent / "model" / "bundles", os.R_OK | os.X_OK)
print(json.dumps([run(*of_one) for of_one in runs] if reachable else None))
"""
"""Runs commands as another user in one process: first one of each kind as root, so that what is loaded late is loaded."""

as_root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become somebody else")


@pytest.fixture
def common() -> Iterator[Path]:
    """A folder that any user reaches, with an empty folder `warm`."""
    with tempfile.TemporaryDirectory() as made, umask(0o022):
        folder = Path(made)
        folder.chmod(0o755)
        (folder / "warm").mkdir()
        yield folder


def as_stranger(folder: Path, cold: Path, runs: Sequence[tuple[Mapping[str, str], Sequence[str]]], uid: int = 54321) -> list[list[Any]]:
    """Exit code (or the exception that came through), standard output and error of each command."""
    asked = json.dumps([uid, 54320, str(folder / "warm"), str(cold), runs])
    done = subprocess.run([sys.executable, "-c", STRANGER, asked], capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr.decode()
    results: list[list[Any]] | None = json.loads(done.stdout)
    if results is None:
        pytest.skip("other users cannot read this copy of Passerby")
    return results


@as_root
def test_a_user_whom_nobody_knows_can_do_everything_that_needs_no_home(common: Path, tiny_bundle: Path) -> None:
    crops = write_crops(common / "crops", 3)
    shutil.copytree(tiny_bundle, common / "tiny")
    model = ("--model", str(common / "tiny"))
    with Index.create(common / "index", BundleEncoder(read_bundle(tiny_bundle), threads=1)) as index:
        index_paths(index, BundleEncoder(read_bundle(tiny_bundle), threads=1), crops)
    (common / "closed").mkdir(mode=0o700)
    (common / "fixed").mkdir(mode=0o555)
    work = common / "work"
    work.mkdir()
    work.chmod(0o777)

    ask = ("search", "a red cap", "--index", str(common / "index"), *model)
    able = [
        ({}, ask),
        *(({"HOME": home}, ask) for home in ("", "relative", str(common / "closed"), str(common / "fixed"), "/dev/null")),
        ({"PASSERBY_INDEX": str(common / "index")}, ("info",)),
        ({}, ("index", str(common / "crops"), "--index", "mine", *model)),
        ({}, ("embed", str(common / "crops"), "--out", "vectors.npz", *model)),
        ({}, ("demo", "--out", "demo", *model)),
        ({}, ("parse", "a red cap")),
        ({}, ("--help",)),
        ({}, ("benchmark", "--help")),
    ]
    store = ("index", str(common / "crops"), *model)
    unable = [
        *(({"HOME": home} if home is not None else {}, store) for home in (None, "", "relative", str(common / "closed"), "/dev/null")),
        ({}, ("search", "a red cap", *model)),
        ({"HOME": str(common / "closed")}, ("info",)),
        ({"PASSERBY_INDEX": "~/index"}, store),
        ({"PASSERBY_INDEX": ""}, ("info",)),
    ]
    results = as_stranger(common, work, [*able, *unable])
    for (variables, arguments), (code, _, err) in zip(able, results, strict=False):
        assert code == 0, (variables, arguments, err)
    for (variables, arguments), (code, out, err) in zip(unable, results[len(able) :], strict=True):
        assert code == 2, (variables, arguments, err)
        assert out == ""
        assert err.startswith("passerby: error: expected ")
        assert err.count("\n") == 1
        assert "--index" in err or "in full" in err
    assert sorted(path.name for path in work.iterdir()) == ["demo", "mine", "vectors.npz"]


@as_root
def test_a_group_shares_an_index(common: Path, tiny_bundle: Path) -> None:
    write_crops(common / "crops", 2)
    shutil.copytree(tiny_bundle, common / "tiny")
    shared = common / "shared"
    shared.mkdir()
    os.chown(shared, 0, 54320)
    shared.chmod(0o2770)
    model, index = ("--model", str(common / "tiny")), ("--index", "index")
    fill = ("index", str(common / "crops"), *index, *model)
    ask = ("search", "a red cap", "--sheet", "sheet.png", *index, *model)
    for uid in (54321, 54322):
        write_crop(common / "crops" / f"new{uid}.jpg", uid)
        results = as_stranger(common, shared, [({}, fill), ({}, ask)], uid)
        assert [code for code, _, _ in results] == [0, 0], results
        assert results[0][2].startswith("3 indexed" if uid == 54321 else "1 indexed, 3 unchanged")
        assert (shared / "sheet.png").stat().st_uid == (shared / "index" / "vectors.head").stat().st_uid == uid
    assert {path.stat().st_gid for path in shared.rglob("*")} == {54320}


@pytest.mark.parametrize("mask", [0o002, 0o027])
def test_what_is_written_is_for_whom_the_umask_wants(tmp_path: Path, tiny_encoder: BundleEncoder, mask: int) -> None:
    with umask(mask):
        with Index.create(tmp_path / "index", tiny_encoder) as index:
            index_paths(index, tiny_encoder, write_crops(tmp_path / "crops", 1))
            modes = {path.name: path.stat().st_mode & 0o777 for path in index.folder.iterdir()}
        with replacing(tmp_path / "file") as file:
            file.write(b"1")
        with replacing_folder(tmp_path / "folder") as draft:
            descriptor = os.open(draft / "private", os.O_CREAT | os.O_WRONLY, 0o600)  # as safetensors opens it
            os.close(descriptor)
        modes |= {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "file", tmp_path / "folder" / "private")}
        folders = {(tmp_path / name).stat().st_mode & 0o777 for name in ("index", "folder")}
    assert modes.keys() >= {"index.db", "index.db-wal", "index.db-shm", "vectors.head", "file", "private"}
    assert set(modes.values()) == {0o666 & ~mask}
    assert folders == {0o777 & ~mask}


@pytest.mark.parametrize("home", ["", "relative", None])
def test_a_users_place_is_never_below_the_current_folder(monkeypatch: pytest.MonkeyPatch, home: str | None) -> None:
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "PASSERBY_ENGINES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("HOME") if home is None else monkeypatch.setenv("HOME", home)
    for place in (places.index_folder, places.engines_folder, places.reference_folder):
        try:
            assert Path(place()).is_absolute()
        except ConfigError as error:
            assert "HOME" in error.do


def test_a_tilde_is_a_home_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PASSERBY_ENGINES", "~/engines")
    assert places.engines_folder() == tmp_path / "engines"
    assert places.index_folder(Path("~/index")) == tmp_path / "index"
    assert places.index_folder(Path("a~b")) == Path("a~b")
    with pytest.raises(ConfigError, match="write the path in full"):
        places.index_folder(Path("~nobody-has-this-name/index"))
    monkeypatch.setenv("HOME", "relative")
    with pytest.raises(ConfigError, match="write the path in full"):
        places.index_folder(Path("~/index"))


def test_a_configs_tilde_that_is_nobodys_is_said(tmp_path: Path) -> None:
    from passerby.learn.config import read_config
    from passerby.learn.distil.config import read_distillation

    file = tmp_path / "config.toml"
    file.write_text(
        'data = "~nobody-has-this-name/data"\nout = "out"\nstages = [{height = 192, width = 96, epochs = 1}]\n', encoding="utf-8"
    )
    with pytest.raises(ConfigError, match="write the path in full"):
        read_config(file)
    file.write_text('data = "data"\nout = "~nobody-has-this-name/out"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="write the path in full"):
        read_distillation(file)


def test_named_engines_that_cannot_be_looked_at_are_warned_of(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from passerby.model import tensorrt

    tensorrt._warned.clear()
    monkeypatch.setenv("PASSERBY_ENGINES", "~nobody-has-this-name/engines")
    assert tensorrt.runtime_here(read_bundle(tiny_bundle)).name == "ONNX Runtime"
    assert "write the path in full" in caplog.text
    caplog.clear()
    tensorrt._warned.clear()
    monkeypatch.setenv("PASSERBY_ENGINES", "/" + "n" * 300)
    assert tensorrt.runtime_here(read_bundle(tiny_bundle)).name == "ONNX Runtime"
    assert "using ONNX Runtime" in caplog.text
    caplog.clear()
    monkeypatch.delenv("PASSERBY_ENGINES")
    monkeypatch.setenv("XDG_CACHE_HOME", "/" + "n" * 300)
    assert tensorrt.runtime_here(read_bundle(tiny_bundle)).name == "ONNX Runtime"
    assert not caplog.text


def test_a_hub_cache_without_a_home_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("transformers")
    from huggingface_hub import constants

    from passerby.learn.models.clip import load_clip

    monkeypatch.setattr(constants, "HF_HUB_CACHE", "~nobody-has-this-name/.cache/huggingface/hub")
    with pytest.raises(ConfigError, match="write the path in full"):
        load_clip("nobody/nothing")


def test_speed_is_measured_where_nothing_can_be_kept(tmp_path: Path, tiny_bundle: Path) -> None:
    from passerby.benchmark.run import contenders

    (tmp_path / "file").touch()
    said: list[str] = []
    (own,) = contenders([read_bundle(tiny_bundle)], said.append, cache=tmp_path / "file" / "cache")
    assert own.name == "tiny"
    assert any("without CLIP beside it" in line and "file" in line for line in said)


def test_an_engine_is_built_where_its_timings_cannot_be_kept(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    from passerby.convert.engine import _keep_timings

    class Builder:
        def get_timing_cache(self) -> Builder:
            return self

        def serialize(self) -> bytes:
            return b"timings"

    said: list[str] = []
    _keep_timings(Builder(), tmp_path / "missing" / "timings", said.append)
    (line,) = said
    assert "will measure again" in line
    _keep_timings(Builder(), tmp_path / "timings", said.append)
    assert (tmp_path / "timings").read_bytes() == b"timings"
    assert said == [line]


def test_an_index_that_cannot_be_looked_at_is_said(tmp_path: Path) -> None:
    with pytest.raises(IndexFault, match="--index"):
        Index.open(tmp_path / ("n" * 300))


@pytest.mark.parametrize(
    ("script", "arguments", "code", "err"),
    [
        ('"$@" >&-', ("parse", "a red cap"), 0, ""),
        ('"$@" 2>&- | "$1" -m json.tool', ("index", "nothing", "--index", "index", "--json"), 0, ""),
        ('"$@" >&- 2>&- <&-', ("parse", "a red cap"), 0, ""),
        ('"$@" | true', ("parse", "a red cap"), 0, ""),
        ('"$@" 2>&1 >/dev/null | true', ("parse", "frobnicated"), 0, ""),
        ('PYTHONIOENCODING=ascii "$@" | grep -c PATH', ("index", "--help"), 0, ""),
        ('COLUMNS=1 "$@" | grep -c 1', ("parse", "a red cap"), 0, ""),
        ('"$@" >/dev/full', ("parse", "a red cap"), 2, "passerby: error: [Errno 28] No space left on device\n"),
        (
            'mkdir gone; cd gone; rmdir ../gone; "$@"',
            ("embed", "crop.jpg", "--out", "vectors.npz"),
            2,
            "passerby: error: expected a current folder for what has no full path, found no such file or directory; cd to another folder\n",
        ),
    ],
    ids=["no-output", "no-error", "no-streams", "pipe", "error-pipe", "ascii", "narrow", "full", "no-folder"],
)
def test_no_stream_or_folder_ends_in_a_traceback(tmp_path: Path, script: str, arguments: tuple[str, ...], code: int, err: str) -> None:
    done = subprocess.run(["bash", "-c", script, "bash", *PASSERBY, *arguments], cwd=tmp_path, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr.decode()) == (code, err)


def test_a_closed_stream_lends_its_number_to_no_file() -> None:
    program = "from passerby.cli.show.console import open_streams; open_streams(); print(open('/dev/null').fileno())"
    done = subprocess.run(["bash", "-c", '"$@" <&- 2>&-', "bash", sys.executable, "-c", program], capture_output=True, check=True)
    assert int(done.stdout) > 2


def test_an_interrupt_is_said_in_one_line(tmp_path: Path, tiny_bundle: Path) -> None:
    os.mkfifo(tmp_path / "texts")
    command = [*PASSERBY, "embed", "--texts", tmp_path / "texts", "--out", tmp_path / "out.npz", "--model", tiny_bundle]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with process, (tmp_path / "texts").open("wb"):  # opens when the command does, and keeps it waiting for more
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, b"")
    assert err.decode().strip() == "passerby: interrupted"


def test_a_search_keeps_nothing_in_the_home(tmp_path: Path, tiny_bundle: Path, tiny_encoder: BundleEncoder) -> None:
    with Index.create(tmp_path / "index", tiny_encoder) as index:
        index_paths(index, tiny_encoder, write_crops(tmp_path / "crops", 1))
    (tmp_path / "home").mkdir()
    home = {name: value for name, value in os.environ.items() if not name.startswith("XDG_") and name != "CI"}
    command = [*PASSERBY, "search", "a red cap", "--index", tmp_path / "index", "--model", tiny_bundle]
    subprocess.run(command, env={**home, "HOME": str(tmp_path / "home")}, capture_output=True, check=True)
    assert list((tmp_path / "home").iterdir()) == []


def test_charts_are_drawn_where_fonts_cannot_be_kept() -> None:
    pytest.importorskip("matplotlib")
    command = [sys.executable, "-c", "import passerby.report.charts"]
    done = subprocess.run(command, env={**os.environ, "MPLCONFIGDIR": "/dev/null/nowhere"}, capture_output=True, check=True)
    assert done.stderr == b""
