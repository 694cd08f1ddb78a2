"""Resized pictures of people that runs keep, and how they go."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from passerby.cli.app import app
from passerby.errors import ConfigError
from passerby.learn.data.resized import delete_pictures, end_of_run, pictures_of


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a run that was interrupted while it read pictures of a second size, beside the adapter of an earlier one."""
    folder = tmp_path / "adapter.run"
    (folder / "pictures").mkdir(parents=True)
    (folder / "pictures" / "pictures-64x32-0123456789abcdef.npy").write_bytes(bytes(1_000_000))
    (folder / "pictures" / "pictures-128x64-0123456789abcdef.part").write_bytes(bytes(500_000))
    (folder / "log.jsonl").write_text("{}\n")
    (tmp_path / "adapter").mkdir()
    return folder


@pytest.mark.parametrize("named", ["adapter", "adapter.run"])
def test_clean_deletes_them_and_nothing_else(run: Path, named: str) -> None:
    result = CliRunner().invoke(app, ["clean", str(run.parent / named)])
    assert result.exit_code == 0
    assert result.stderr == f"1.5 MB of resized pictures deleted from {run.parent / named}\n"
    assert [path.name for path in run.iterdir()] == ["log.jsonl"]
    assert delete_pictures(run) == 0


def test_clean_knows_the_run_by_the_model_it_left(run: Path) -> None:
    (run / "model").mkdir()
    assert delete_pictures(run / "model") == 1_500_000
    assert pictures_of(run) == []


def test_a_folder_that_is_no_model_speaks_for_nobody_else(run: Path) -> None:
    (run / "drawn-4-0").mkdir()
    assert delete_pictures(run / "drawn-4-0") == 0
    assert len(pictures_of(run)) == 2


def test_what_is_no_picture_of_ours_stays(run: Path) -> None:
    (run / "pictures" / "holiday.jpg").write_bytes(b"mine")
    assert delete_pictures(run) == 1_500_000
    assert [path.name for path in (run / "pictures").iterdir()] == ["holiday.jpg"]


def test_a_finished_run_deletes_them_unless_they_are_to_stay(run: Path) -> None:
    said: list[str] = []
    end_of_run(run, said.append, keep=True)
    assert said == [f"resized pictures of people, 1.5 MB, are kept in {run / 'pictures'}; passerby clean {run} deletes them"]
    assert len(pictures_of(run)) == 2
    end_of_run(run, said.append, keep=False)
    assert pictures_of(run) == []


def test_a_wrong_name_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no folder"):
        delete_pictures(tmp_path / "not there")


def test_no_torch_is_needed_to_delete() -> None:
    import subprocess
    import sys

    program = "import sys, passerby.learn.data.resized; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0
