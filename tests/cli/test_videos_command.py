"""Videos as people meet them: whole processes, real files, a detector that finds red rectangles."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from blobs import blobs, write_blob_bundle
from calling import call
from PIL import Image
from videos import RATE, write_video

SECONDS = 8


@dataclass(frozen=True)
class Passerby:
    """Runs the program in a folder, and gives its exit code, its output and its messages."""

    folder: Path
    model: Path

    def __call__(self, *arguments: str | Path) -> tuple[int, str, str]:
        ran = call(*self.asked(*arguments), folder=self.folder)
        return ran.code, ran.out, ran.err

    def without(self, module: str, *arguments: str | Path) -> tuple[int, str, str]:
        """The same in a process that cannot import a module."""
        run = f"import sys; sys.modules[{module!r}] = None; sys.argv[0] = 'passerby'; from passerby.cli.app import main; main()"
        command = [sys.executable, "-c", run, *self.asked(*arguments)]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout, done.stderr

    def asked(self, *arguments: str | Path) -> tuple[str | Path, ...]:
        return *arguments, "--index", "index", *(() if arguments[0] == "info" else ("--model", self.model))

    def document(self, *arguments: str | Path) -> Any:
        _, out, err = self(*arguments, "--json")
        assert out, err
        return json.loads(out)


@pytest.fixture(scope="module")
def passerby(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Path) -> Passerby:
    """A folder with a photo of three, and a video in which one walks from left to right and one stands for four seconds; indexed."""
    folder = tmp_path_factory.mktemp("films")
    write_blob_bundle(folder / "blobs")
    (folder / "films").mkdir()
    Image.fromarray(blobs([(16, 32), (120, 200), (304, 160)], (640, 480)).picture).save(folder / "films" / "three.png")
    walk = [[(8 * (n // 2), 16), *([(320, 200)] if n < 4 * RATE else [])] for n in range(SECONDS * RATE)]
    pictures = (blobs(places, (512, 384)).picture for places in walk)
    write_video(folder / "films" / "gate_20261128_101500.mp4", pictures=pictures, options={"crf": "8"})
    program = Passerby(folder, tiny_bundle)
    dating = ("--name-pattern", "{camera}_%Y%m%d_%H%M%S", "--zone", "+01:00")
    code, _, err = program("index", "films", "--detector", "blobs", *dating)
    assert code == 0 and "8 s of video with 2 people" in err and "1 photos of scenes with 3 people" in err, err
    return program


def test_an_answer_says_when_and_how_long(passerby: Passerby) -> None:
    found = passerby.document("search", "a red jacket", "--all", "--frames", "frames.png", "--sheet", "sheet.png")
    moving = {hit["track"]: hit for hit in found["hits"] if hit["track"]}
    assert found["looked_at"] == 5 and found["videos"]["count"] == 1 and found["videos"]["seconds"] == pytest.approx(8)
    assert sorted((hit["first"], round(hit["last"], 1)) for hit in moving.values()) == [(0, 3.8), (0, 7.8)]
    for hit in moving.values():
        second = hit["time"]
        left, top = hit["box"][:2]
        assert (left, top) == pytest.approx((320, 200) if top > 100 else (8 * int(second * RATE // 2), 16), abs=3)
        assert hit["clock"].startswith("2026-11-28T10:15:0") and hit["clock"].endswith("+01:00") and hit["camera"] == "gate"
    frames = np.asarray(Image.open(passerby.folder / "frames.png")).astype(int)
    assert np.sum(np.abs(frames - (255, 0, 0)).max(axis=2) < 24) > 3 * 36 * 78 * 1.5, "those of the video are drawn too"
    code, out, err = passerby("search", "a red jacket", "--all")
    assert code == 0 and "2026-11-28 10:15:0" in out and " 4 s " in out and " 0:0" in out
    assert "videos looked at: 1 (8 s); photos looked at: 1; people lower than 45 pixels are mostly missed" in err


def test_time_selects_a_part_of_a_video(passerby: Passerby) -> None:
    found = passerby.document("search", "a red jacket", "--from", "2026-11-28 10:15:05", "--to", "2026-11-28 10:16")
    assert found["videos"] == {
        "count": 1,
        "seconds": pytest.approx(3),
        "broken": 0,
        "cut_short": 0,
        "unfinished": 0,
        "static": 0,
        "gaps": [],
        "still": 0,
    }
    code, _, err = passerby("search", "a red jacket", "--from", "2026-11-28 10:14", "--to", "2026-11-28 10:15")
    assert code == 2 and "videos looked at" not in err


def test_info_counts_videos(passerby: Passerby) -> None:
    assert passerby.document("info")["videos"]["count"] == 1
    code, out, _ = passerby("info")
    assert code == 0 and "1 (8 s)" in out


def test_without_the_extra_it_says_what_is_missing(passerby: Passerby, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    write_video(tmp_path / "new" / "more.mp4", pictures=[blobs([]).picture] * 5)
    program = Passerby(tmp_path, passerby.model)
    code, _, err = program.without("av", "index", "new", "--detector", passerby.folder / "blobs")
    assert code == 2 and "1 videos not read (more.mp4): " in err and "[video]" in err and "Traceback" not in err
    code, _, err = program.without("av", "index", "new/more.mp4", "--detector", passerby.folder / "blobs")
    assert code == 2 and "more.mp4" in err and "[video]" in err and "Traceback" not in err
    code, _, err = passerby.without("av", "search", "a red jacket", "--sheet", "without.png")
    assert code == 0 and "Traceback" not in err and (passerby.folder / "without.png").exists()


def test_a_terminal_shows_minutes_and_how_fast(passerby: Passerby) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "passerby", "index", "films", "--detector", "blobs", "--fps", "4", "--index", "other"]
    terminal = {**os.environ, "TERM": "xterm", "COLUMNS": "140"}
    process = subprocess.Popen([*command, "--model", passerby.model], cwd=passerby.folder, env=terminal, stderr=theirs)
    os.close(theirs)
    shown = b""
    with suppress(OSError):  # the end, on Linux
        while read := os.read(ours, 65536):
            shown += read
    os.close(ours)
    assert process.wait(timeout=60) == 0
    assert "0.1/0.1 min" in shown.decode() and b"2/2" in shown and b"Traceback" not in shown


def test_what_cannot_be_is_refused(passerby: Passerby) -> None:
    code, _, err = passerby("index", "films", "--detector", "blobs", "--fps", "0")
    assert code == 2 and "--fps" in err and "Traceback" not in err
