"""The program as people run it: arguments, a current folder and an environment; its exit code and what it says.

In the process of the tests, as a start costs a third of a second; as a process where that is what is tested.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any
from unittest.mock import patch

from passerby.cli.app import main

PASSERBY = (sys.executable, "-m", "passerby")


@dataclass(frozen=True)
class Ran:
    """How it ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        assert self.out, self.err
        return json.loads(self.out)


def call(*arguments: object, folder: Path | None = None, environment: Mapping[str, str] | None = None) -> Ran:
    """Run it here."""
    out, err = BytesIO(), BytesIO()
    with (
        patch("sys.argv", ["passerby", *map(str, arguments)]),
        patch.dict(os.environ, environment or {}),
        chdir(folder or Path.cwd()),
        redirect_stdout(TextIOWrapper(out, "utf-8", write_through=True)),
        redirect_stderr(TextIOWrapper(err, "utf-8", write_through=True)),
    ):
        try:
            main()
        except SystemExit as end:
            assert isinstance(end.code, int)
            return Ran(end.code, out.getvalue().decode(), err.getvalue().decode())
    raise AssertionError("it did not end")


def call_apart(
    *arguments: object, folder: Path | None = None, environment: Mapping[str, str] | None = None, before: Sequence[str] = ()
) -> Ran:
    """Run it as a process.

    Args:
        before: what comes before the command, as what takes permissions away.
    """
    command = [*before, *PASSERBY, *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, env={**os.environ, **(environment or {})}, timeout=60, check=False)
    return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())
