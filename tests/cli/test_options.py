"""Options that cannot be followed are said before any work is done, and none is ignored in silence."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import pytest
from blobs import write_blob_bundle
from click.testing import CliRunner

from passerby.cli.app import COMMANDS, app, load
from passerby.cli.options import OneOf
from passerby.cli.show.console import NOTHING_DONE
from passerby.errors import PasserbyError

NOT_THERE = "not-there"
"""Of an index, a dataset or a model: whoever looks for it before the option is checked says so."""


CHOICES = [
    (name, option)
    for commands in COMMANDS.values()
    for name in commands
    for option in load(name).params
    if isinstance(option, click.Option) and isinstance(option.type, OneOf) and isinstance(option.default, str)
]


@pytest.mark.parametrize(("name", "option"), CHOICES, ids=[f"{name} {option.opts[0]}" for name, option in CHOICES])
def test_help_says_a_default_as_it_is_typed(name: str, option: click.Option) -> None:
    assert isinstance(option.type, OneOf)
    told = " ".join(CliRunner().invoke(app, [name, "--help"]).stdout.split()).partition(f"{option.opts[0]} [")[2]
    assert re.findall(r"\[default: ([^\]]+)\]", told)[0] in map(str, option.type.choices)


@contextmanager
def refused(match: str) -> Iterator[None]:
    with pytest.raises(PasserbyError, match=match) as error:
        yield
    assert NOT_THERE not in str(error.value)


@pytest.mark.parametrize(
    ("command", "option"),
    [
        (["search", "red hat", "--index", NOT_THERE, "--sheet"], "--sheet"),
        (["embed", NOT_THERE, "--model", NOT_THERE, "--out"], "--out"),
        (["attention", NOT_THERE, "red hat", "--model", NOT_THERE, "--out"], "--out"),
        (["explore", NOT_THERE, "--out", "look", "--export-prompts"], "--export-prompts"),
        (["benchmark", "--model", NOT_THERE, "--save"], "--save"),
        (["benchmark", "--model", NOT_THERE, "--picture"], "--picture"),
    ],
)
@pytest.mark.parametrize("place", ["no/folder/found.png", "file/found.png", "taken.png"])
def test_a_file_that_cannot_be_written(
    command: list[str], option: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "taken.png").mkdir()
    with refused(option):
        app([*command, place], standalone_mode=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "taken.png"]


@pytest.mark.parametrize(
    "command",
    [
        ["demo", "--model", NOT_THERE],
        ["explore", NOT_THERE],
        ["finetune", "--base", NOT_THERE, "--data", NOT_THERE],
        ["merge", NOT_THERE],
        ["export", NOT_THERE],
        ["quantize", NOT_THERE, "--data", NOT_THERE],
    ],
    ids=lambda command: command[0],
)
def test_a_folder_that_cannot_be_made(command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    with refused("--out"):
        app([*command, "--out", "file/made"], standalone_mode=False)


@pytest.mark.parametrize("command", ["quantize", "calibrate", "export"])
def test_a_bundle_takes_no_other_folder_s_place(command: str, tiny_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "manifest.json").write_text('{"name": "app"}')
    (tmp_path / "file").touch()
    work = [command, str(tiny_bundle), *(("--data", NOT_THERE) if command != "export" else ())]
    for out, match in (("photos", "not a bundle"), ("app", "not a bundle"), ("file/made", "--out")):
        with refused(match):
            app([*work, "--out", str(tmp_path / out)], standalone_mode=False)


@pytest.mark.parametrize("command", ["quantize", "calibrate"])
def test_what_a_bundle_cannot_hold_is_said_before_the_data_is_read(command: str, tiny_bundle: Path, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))
    (bundle / "runs").mkdir()
    with refused("'runs'"):
        app([command, str(bundle), "--data", NOT_THERE, "--out", str(bundle)], standalone_mode=False)


@pytest.mark.parametrize("command", [["calibrate"], ["quantize"], ["quantize", "--against", "passerby-s"]])
def test_bundles_are_named_as_everywhere(command: list[str], tmp_path: Path) -> None:
    """The bundled ones are found: what is missing is the data."""
    with pytest.raises(PasserbyError, match=NOT_THERE):
        app([*command, "passerby-s", "--data", NOT_THERE, "--out", str(tmp_path / "out")], standalone_mode=False)


@pytest.mark.parametrize(
    "command",
    [
        ["export", "passerby-d", "--out", "out"],
        ["benchmark", "--model", "passerby-d"],
        ["build-engine", "passerby-s", "--data", NOT_THERE, "--against", "passerby-d"],
        ["calibrate", "passerby-d", "--data", NOT_THERE, "--out", "out"],
        ["quantize", "passerby-s", "--data", NOT_THERE, "--out", "out", "--against", "passerby-d"],
        ["quantize", "passerby-d", "--data", NOT_THERE, "--out", "out", "--against", "passerby-s"],
    ],
    ids=lambda command: f"{command[0]} {command[1]}",
)
def test_a_bundle_of_the_other_kind_is_answered_with_what_the_command_takes(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not with an option that it lacks."""
    monkeypatch.chdir(tmp_path)
    wanted = "a detector" if command[1] == "passerby-d" and "--against" in command else "an encoder"
    with refused(f"; name {wanted}; .* where a command has that"):
        app(command, standalone_mode=False)


@pytest.mark.parametrize("kind", ["encoder", "detector"])
@pytest.mark.parametrize(
    ("names", "match"),
    [
        (["my card.md"], "rename the file"),
        (["manifest.json"], "rename the file"),
        (["tokenizer.json"], "tokenizer.json"),
        (["golden.png"], "golden.png"),
        (["a/NOTES.md", "b/NOTES.md"], "different names for --add"),
    ],
)
def test_files_that_cannot_be_added(kind: str, names: list[str], match: str, tiny_bundle: Path, tmp_path: Path) -> None:
    bundle = tiny_bundle if kind == "encoder" else write_blob_bundle(tmp_path / "blobs").folder
    allowed = "golden.png" if kind == "encoder" else "tokenizer.json"
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    added = [word for name in names for word in ("--add", str(tmp_path / name))]
    command = ["quantize", str(bundle), "--data", NOT_THERE, "--out", str(tmp_path / "out"), *added]
    if names == [allowed]:
        with pytest.raises(PasserbyError, match=NOT_THERE):
            app(command, standalone_mode=False)
    else:
        with refused(match):
            app(command, standalone_mode=False)


@pytest.mark.parametrize(
    ("command", "match"),
    [
        (["search", "red hat", "--index", NOT_THERE, "--sheet", "found.gif"], "--sheet"),
        (["search", "red hat", "--index", NOT_THERE, "--sheet", "found.png", "-k", "151"], "-k"),
        (["attention", NOT_THERE, "red hat", "--out", "found.gif"], "--out"),
        (["benchmark", "--model", NOT_THERE, "--picture", "found.gif"], "--picture"),
    ],
)
def test_a_picture_that_cannot_be_drawn(command: list[str], match: str) -> None:
    with refused(match):
        app(command, standalone_mode=False)


@pytest.mark.parametrize(
    ("command", "ignored"),
    [
        (["benchmark", "--predict", "orin", "--threads", "1"], "--threads"),
        (["benchmark", "--predict", "orin", "--rounds", "7"], "--rounds"),
        (["benchmark", "--predict", "orin", "--no-clip", "--batch", "4"], "--clip, --batch"),
        (["benchmark", "--predict", "orin", "--save", "a.json", "--picture", "a.png"], "--save, --picture"),
        (["benchmark", "--predict", "orin", "--from", "a.json", "--compare", "a.json"], "--from, --compare"),
        (["benchmark", "--from", NOT_THERE, "--model", "passerby-s"], "--model"),
        (["benchmark", "--from", NOT_THERE, "--rounds", "2", "--threads", "1"], "--threads, --rounds"),
        (["benchmark", "--from", NOT_THERE, "--save", "a.json"], "--save"),
        (["build-engine", NOT_THERE, "--check", "--data", NOT_THERE], "--data"),
        (["build-engine", NOT_THERE, "--against", NOT_THERE], "--against"),
    ],
)
def test_no_option_is_ignored_in_silence(command: list[str], ignored: str) -> None:
    with refused(f"nothing beside .*found {re.escape(ignored)};"):
        app(command, standalone_mode=False)


def test_a_detector_is_exported_at_no_size(tmp_path: Path) -> None:
    (tmp_path / "detector.safetensors").touch()
    with refused(r"nothing beside a detector, found --size;"):
        app(["export", str(tmp_path), "--size", "999x1", "--out", str(tmp_path / "out")], standalone_mode=False)


def test_what_is_refused_is_one_line() -> None:
    command = [sys.executable, "-m", "passerby", "search", "red hat", "--sheet", "found.gif"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stdout) == (NOTHING_DONE, "")
    assert re.fullmatch(r"passerby: error: expected .*, found 'found.gif'; .*\n", ran.stderr)
