"""What people see in a terminal."""

from __future__ import annotations

from contextlib import redirect_stdout
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerby.cli.show import console
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


CELLS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12)


@given(header=st.lists(st.text("abc", min_size=1), min_size=1, max_size=4), data=st.data())
def test_a_table_in_a_pipe_is_the_one_of_a_wide_terminal(header: list[str], data: st.DataObject) -> None:
    """Rich is the slow and obvious reference: files and pipes do without it."""
    below = data.draw(st.lists(st.lists(CELLS, min_size=len(header), max_size=len(header)), max_size=4))
    plain, rich = StringIO(), StringIO()
    with redirect_stdout(plain):
        show_table(header, below)
    with redirect_stdout(rich):
        console._show_on_terminal(header, below, None, stderr=False)
    assert plain.getvalue() == rich.getvalue()
