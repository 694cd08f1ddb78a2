"""What `index` does without reading files: all that it is told, in one document, or it says what it cannot do."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from crops import write_crops
from indexing import CountingEncoder, held

from passerby.cli.app import app
from passerby.cli.index import index as index_command
from passerby.errors import ConfigError, PasserbyError
from passerby.find.ingest.run import index_paths
from passerby.index.sqlite.index import Index

DAY = 86400.0


@pytest.fixture
def crops(index: Index, encoder: CountingEncoder, tmp_path: Path) -> list[Path]:
    """Three of the camera gate: of now, of ten days ago, and one whose file is gone."""
    crops = write_crops(tmp_path / "crops", 3)
    os.utime(crops[1], (time.time() - 10 * DAY,) * 2)
    index_paths(index, encoder, [tmp_path / "crops"], camera="gate")
    crops[2].unlink()
    return crops


def amend(index: Index, *arguments: str | Path) -> tuple[int, Any, str]:
    done = CliRunner().invoke(app, ["index", *map(str, arguments), "--index", str(index.folder), "--json"])
    assert isinstance(done.exception, SystemExit | None), done.exception
    return done.exit_code, json.loads(done.stdout or "null"), done.stderr


def test_all_that_is_told_is_done_and_said_in_one_document(index: Index, crops: Sequence[Path]) -> None:
    """The clock goes first: by it, who was seen ten days ago was seen two days ago."""
    clock = ("--camera", "gate", "--offset", "+8d", "--zone", "+02:00")
    code, document, said = amend(index, "--prune", crops[2], "--keep", "5d", *clock)
    assert (code, document["removed"], document["forgotten"]["people"]) == (0, 1, 0)
    ((name, offset, zone),) = [(one["name"], one["offset_seconds"], one["zone"]) for one in document["cameras"]]
    assert (name, offset, zone, index.kept_for()) == ("gate", 8 * DAY, "+02:00", 5 * DAY)
    assert sorted(held(index)) == crops[:2] and "1 removed" in said and "last seen before" in said
    code, document, _ = amend(index, "--keep", "1d", "--camera", "gate", "--offset", "+0s")
    assert (code, document["forgotten"]["people"], document["cameras"][0]["offset_seconds"]) == (0, 1, 0)
    assert sorted(held(index)) == crops[:1] and "removed" not in document
    code, document, said = amend(index, "--prune", crops[0].parent, "--keep", "all")
    assert (code, document["unchanged"], document["forgotten"]) == (0, 1, None) and "everybody is kept" in said


def test_all_is_shown_to_people_too(index: Index, crops: Sequence[Path]) -> None:
    options = ["--prune", str(crops[2]), "--keep", "5d", "--camera", "gate", "--offset", "+1h"]
    done = CliRunner().invoke(app, ["index", *options, "--index", str(index.folder)])
    assert done.exit_code == 0 and "gate" in done.stdout and "+1h" in done.stdout
    assert "1 removed" in done.stderr and "1 people" in done.stderr


@pytest.mark.usefixtures("crops")
def test_what_failed_beside_what_was_done_is_said(index: Index, tmp_path: Path) -> None:
    assert amend(index, "--prune", tmp_path / "unknown")[0] == 2
    code, document, _ = amend(index, "--prune", tmp_path / "unknown", "--keep", "5d")
    assert (code, len(document["failed"]), document["forgotten"]["people"]) == (1, 1, 1)


@pytest.mark.parametrize("wrong", [("--keep", "soon"), ("--camera", "gate", "--offset", "soon"), ("--camera", "yard", "--offset", "1h")])
def test_nothing_is_done_of_what_cannot_be(index: Index, crops: Sequence[Path], wrong: tuple[str, ...]) -> None:
    right = {"--keep": "1d", "--prune": str(crops[2])} | ({"--camera": "gate", "--offset": "+1h"} if wrong[0] == "--keep" else {})
    options = {**right, **dict(zip(wrong[::2], wrong[1::2], strict=True))}
    done = CliRunner().invoke(app, ["index", *(text for pair in options.items() for text in pair), "--index", str(index.folder)])
    assert isinstance(done.exception, PasserbyError)
    assert len(held(index)) == 3 and index.kept_for() is None and index.cameras()[0].offset_seconds == 0


AMENDS = {"index", "prune", "keep", "camera", "offset", "zone", "json"}
ELSEWHERE = {"rebuild", "verify", "model", "progress_lines"}
"""Refused with a word about paths, or said with every index command."""


@pytest.mark.parametrize(
    "option",
    [one for one in index_command.params if isinstance(one, click.Option) and one.name not in AMENDS | ELSEWHERE],
    ids=lambda one: one.name,
)
def test_what_would_be_ignored_is_refused(index: Index, crops: Sequence[Path], option: click.Option) -> None:
    value = [] if option.is_flag else ["ray" if option.name == "engine" else "30"]
    done = CliRunner().invoke(app, ["index", "--prune", str(crops[2]), option.opts[0], *value, "--index", str(index.folder)])
    assert isinstance(done.exception, ConfigError) and f"found {option.opts[0]}" in str(done.exception)
    assert len(held(index)) == 3


@pytest.mark.usefixtures("crops")
@pytest.mark.parametrize("clock", [["--camera", "gate"], ["--offset", "1h"], ["--zone", "+01:00"], ["--offset", "1h", "--zone", "+01:00"]])
def test_a_camera_goes_with_what_its_clock_is_corrected_by(index: Index, clock: list[str]) -> None:
    done = CliRunner().invoke(app, ["index", "--keep", "5d", *clock, "--index", str(index.folder)])
    assert isinstance(done.exception, ConfigError) and clock[0] in str(done.exception)
    assert index.kept_for() is None
