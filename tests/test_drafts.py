"""Drafts that were left by processes that were killed go, and nothing else does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from passerby.atomic import replacing, replacing_folder
from passerby.drafts import remove_abandoned

WRITE = """
import sys, time
from pathlib import Path
from passerby.atomic import replacing, replacing_folder
path = Path(sys.argv[2])
with globals()[sys.argv[1]](path) as draft:
    if sys.argv[1] == "replacing":
        draft.write(b"half")
        draft.flush()
    else:
        (draft / "half").touch()
    print("writing", flush=True)
    sys.stdin.read()
"""


def writing(how: str, path: Path) -> subprocess.Popen[str]:
    """A process that writes and does not end by itself."""
    process = subprocess.Popen([sys.executable, "-c", WRITE, how, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline() == "writing\n"
    return process


def grow_old(folder: Path) -> list[Path]:
    drafts = [path for path in folder.iterdir() if path.name.endswith(".unfinished")]
    for draft in drafts:
        os.utime(draft, (1, 1))
    return drafts


@pytest.mark.parametrize("how", ["replacing", "replacing_folder"])
def test_what_a_killed_process_left_goes_and_what_a_living_one_writes_stays(tmp_path: Path, how: str) -> None:
    path = tmp_path / "it.d"
    with writing(how, path) as killed:
        killed.send_signal(signal.SIGKILL)
    with writing(how, path) as lives:
        assert len(grow_old(tmp_path)) == 2
        remove_abandoned(path)
        assert len(grow_old(tmp_path)) == 1
        lives.communicate("", timeout=20)
    assert lives.returncode == 0
    assert list(tmp_path.iterdir()) == [path]


def test_what_was_begun_just_now_stays(tmp_path: Path) -> None:
    """Before it can be held."""
    (tmp_path / "clip.mp4-99999999.unfinished").touch()
    remove_abandoned(tmp_path / "clip.mp4")
    assert (tmp_path / "clip.mp4-99999999.unfinished").exists()


def test_drafts_of_others_and_what_is_no_draft_stay(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").touch()
    (tmp_path / "clip.mp4-7.unfinished").symlink_to("elsewhere")
    for name in ("clip.mp4-1.unfinished.mp4", "a clip.mp4-1.unfinished", "clip.mp4-x.unfinished", ".clip.mp4.settings", "clip.mp4-1"):
        (tmp_path / name).touch()
    (tmp_path / ".clip.mp4.more.abcdefgh.unfinished").mkdir()
    before = sorted(tmp_path.iterdir())
    for path in before:
        os.utime(path, (1, 1), follow_symlinks=False)
    remove_abandoned(tmp_path / "clip.mp4")
    assert sorted(tmp_path.iterdir()) == before


def test_a_folder_that_was_making_way_when_the_process_was_killed_comes_back(tmp_path: Path) -> None:
    work = tmp_path / ".people.abcdefgh.unfinished"
    (work / "new").mkdir(parents=True)
    (work / "old").mkdir()
    (work / "old" / "boxes.json").write_text("old")
    grow_old(tmp_path)
    with pytest.raises(KeyboardInterrupt), replacing_folder(tmp_path / "people"):
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.iterdir()] == ["people"]
    assert (tmp_path / "people" / "boxes.json").read_text() == "old"


def test_two_at_once_are_both_written(tmp_path: Path) -> None:
    with replacing_folder(tmp_path / "one") as first:
        grow_old(tmp_path)
        with replacing_folder(tmp_path / "one") as second:
            (second / "of").write_text("second")
        (first / "of").write_text("first")
    assert (tmp_path / "one" / "of").read_text() == "first"
    with replacing(tmp_path / "file") as file:
        grow_old(tmp_path)
        remove_abandoned(tmp_path / "file")
        file.write(b"whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "one"]
