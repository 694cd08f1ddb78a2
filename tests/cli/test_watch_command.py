"""Watching as people meet it: what is said of cameras, how it ends, and what is refused, each in a line."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from signal import SIGINT, SIGTERM, Signals
from typing import Any

import pytest
from blobs import blobs, write_blob_bundle
from click.testing import CliRunner
from videos import RATE, write_video

from passerby.cli.app import app
from passerby.errors import ConfigError
from passerby.find.watch.state import CameraState, watching_alone, write_state
from passerby.index.sqlite.index import Index

GATE = CameraState("gate", True, 1795000000.0, 1795000100.4, 1795000099.0, 1.84, 7, 2)
YARD = CameraState("yard", False, 1795000050.0, error="expected a camera at 10.0.0.5:554, found connection refused; check that it is on")


def cameras(index: Index, *more: str) -> Any:
    done = CliRunner().invoke(app, ["info", "--cameras", "--index", str(index.folder), *more])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)["live"] if "--json" in more else done.stdout


def test_info_says_how_cameras_are_doing_and_that_nobody_watches_them(index: Index) -> None:
    assert cameras(index, "--json") == []
    with watching_alone(index.folder):
        write_state(index.folder, YARD)
        write_state(index.folder, GATE)
        shown = cameras(index)
        assert "connected" in shown and "offline" in shown and "1.8 s" in shown and "connection refused" in shown
        gate, yard = cameras(index, "--json")
        assert (gate["name"], gate["state"], gate["connected"], gate["last_frame"]) == ("gate", "connected", True, "2026-11-18T11:08:20Z")
        assert (gate["lag"], gate["dropped"], gate["reconnects"], gate["error"]) == (1.84, 7, 2, None)
        assert (yard["state"], yard["last_person"], yard["error"]) == ("offline", None, YARD.error)
    gate, yard = cameras(index, "--json")
    assert (gate["state"], gate["connected"], yard["state"]) == ("not watched now", False, "not watched now")
    (index.folder / "watch" / "gate.json").write_bytes(b"{")
    assert [one["name"] for one in cameras(index, "--json")] == ["yard"]


@pytest.mark.parametrize("ending", [SIGINT, SIGTERM])
def test_a_folder_is_watched_until_it_is_told_to_end(tmp_path: Path, tiny_bundle: Path, ending: Signals) -> None:
    write_blob_bundle(tmp_path / "blobs")
    (tmp_path / "films").mkdir()
    pictures = (blobs([(8 * (n // 2), 16)]).picture for n in range(4 * RATE))
    write_video(tmp_path / "films" / "gate_20261128_101500.mp4", pictures=pictures, options={"crf": "8"})
    where = ("--index", "index", "--model", str(tiny_bundle), "--detector", "blobs", "--detect-size", "416")
    how = (*where, "--pause", "0.2", "--settled", "0.1")
    command = [sys.executable, "-m", "passerby", "watch", "films", *how, "--name-pattern", "{camera}_%Y%m%d_%H%M%S"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert process.stderr.readline() == "1 files indexed with 1 people\n"
    time.sleep(0.5)
    process.send_signal(ending)
    assert process.communicate(timeout=30)[1] == "ended; what was found until now can be searched\n" and process.returncode == 0
    with Index.open(tmp_path / "index") as index:
        assert [person.media.camera for person, _ in index.people()] == ["gate"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "expected a folder at nowhere, found nothing; name the folder that a recorder writes to"),
        ([], "expected something to watch, found nothing; name a folder, an rtsp:// address, or a file with --cameras"),
        (["--cameras", "open.toml"], "expected a file that only its owner can read, open.toml, found mode 644; run: chmod 600 open.toml"),
        (["--cameras", "none.toml"], "expected a file of cameras at none.toml, found no such file or directory; correct --cameras"),
    ],
)
def test_what_cannot_be_watched_is_refused_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    (tmp_path / "open.toml").write_text('[[camera]]\nname = "gate"\naddress = "rtsp://10.0.0.5/a"')
    (tmp_path / "open.toml").chmod(0o644)
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["watch", *arguments, "--index", "index"], standalone_mode=False)
    assert isinstance(done.exception, ConfigError) and str(done.exception).startswith(said) and done.output == ""
    assert not (tmp_path / "index").exists()
