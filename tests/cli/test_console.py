"""What people see in a terminal."""

from __future__ import annotations

import pytest

from passerby.cli.show.console import show_table

HEADER = ("rank", "score", "fits", "path")
LONG = "/somewhere/rather far/in a folder of pictures/[old]/somebody-with-a-hat-0001.jpg"
ROWS = [(1, "0.312", "red jacket, blue jeans", LONG), (2, "0.300", "", "/short.jpg")]


@pytest.mark.parametrize("columns", [20, 40, 80, 100, 120, 200])
def test_a_path_is_never_broken(columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(columns))
    show_table(HEADER, ROWS, whole="path")
    lines = capsys.readouterr().out.splitlines()
    assert sum(LONG in line for line in lines) == 1
    if columns < 100:
        assert LONG in lines
        assert all(len(line) <= columns for line in lines if line != LONG)


def test_a_pipe_gets_one_line_a_row(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    show_table(HEADER, ROWS, whole="path")
    _, _, *rows = filter(str.strip, capsys.readouterr().out.splitlines())
    assert [row.split()[0] for row in rows] == ["1", "2"]
    assert rows[0].rstrip().endswith(LONG)
