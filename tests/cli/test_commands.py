"""What holds for every command: its place, its length, its help."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest
from calling import call
from click.testing import CliRunner

from passerby.cli.app import COMMANDS, app, load

NAMES = [name for commands in COMMANDS.values() for name in commands]
LONGEST = 25
"""Lines of a command's body: it reads its options, calls one function, shows what comes back."""


def body_lines(function: ast.FunctionDef) -> int:
    """Lines after the docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1


@pytest.mark.parametrize("name", NAMES)
def test_the_group_says_of_a_command_what_it_says_of_itself(name: str) -> None:
    room = next(room for room, commands in COMMANDS.items() if name in commands)
    command = load(name)
    assert command.name == name
    assert " ".join((command.help or "").split()).startswith(COMMANDS[room][name])


@pytest.mark.parametrize("room", COMMANDS)
def test_every_command_of_a_room_is_in_the_group(room: str) -> None:
    module = import_module(f"passerby.cli.{room}")
    assert {value.name for value in vars(module).values() if isinstance(value, click.Command)} == set(COMMANDS[room])


@pytest.mark.parametrize("name", NAMES)
def test_a_command_is_short(name: str) -> None:
    callback = inspect.unwrap(load(name).callback)  # type: ignore[arg-type]
    (function,) = ast.parse(inspect.getsource(callback).lstrip()).body
    assert isinstance(function, ast.FunctionDef)
    assert body_lines(function) <= LONGEST


@pytest.mark.parametrize("name", NAMES)
def test_help_ends_with_an_example_that_names_the_command(name: str) -> None:
    done = CliRunner().invoke(app, [name, "--help"])
    assert done.exit_code == 0
    assert f"passerby {name}" in " ".join(done.stdout.split())


@pytest.mark.parametrize("name", NAMES)
def test_every_option_says_what_it_does(name: str) -> None:
    assert all(one.help for one in load(name).params if isinstance(one, click.Option | click.Argument))


def test_the_group_imports_no_command() -> None:
    program = "import sys; from passerby.cli.app import app; app(['-h'], standalone_mode=False); print(sorted(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not [room for room in COMMANDS if f"'passerby.cli.{room}'" in ran.stdout]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["searchh"], "Did you mean 'search'?"),
        (["search", "--nope"], "No such option '--nope'"),
        (["search", "red", "-k", "0"], "'-k': 0 is not in the range x>=1"),
        (["evaluate"], "Missing option '--data'"),
        (["evaluate", "--data", "x", "--split", "nope"], "'nope' is not one of 'train', 'val', 'test'"),
        (["index"], "expected files, folders or patterns, found none; name some"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_reason(arguments: list[str], reason: str) -> None:
    ran = CliRunner().invoke(app, arguments)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert reason in ran.stderr


def test_without_a_command_help_is_shown() -> None:
    done = CliRunner().invoke(app, [])
    assert (done.exit_code, "Commands to find" in done.stdout) == (2, True)


@pytest.mark.parametrize("arguments", [["index", ""], ["index", "crops", "--index", ""], ["search", "red", "--like", ""], ["remove", ""]])
def test_an_empty_path_is_not_the_current_folder(tmp_path: Path, arguments: list[str]) -> None:
    ran = call(*arguments, folder=tmp_path)
    assert (ran.code, "found an empty one" in ran.err) == (2, True)
    assert list(tmp_path.iterdir()) == []
