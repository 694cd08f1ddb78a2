"""What every benchmark has: its options and one way of showing figures."""

from __future__ import annotations

import argparse
import json
import os
import platform

Row = dict[str, str | int | float]


def options(description: str) -> argparse.ArgumentParser:
    """A parser that knows ``--json``."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    return parser


def show(title: str, rows: list[Row], *, as_json: bool) -> None:
    """Print rows of equal keys, as a table or as JSON, with the machine they were measured on."""
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    if as_json:
        print(json.dumps({"benchmark": title, "machine": machine, "rows": rows}, indent=2))
        return
    cells = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    print(f"{title} ({machine})")
    for line in cells:
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))


def _cell(value: str | float) -> str:
    return f"{value:.3g}" if isinstance(value, float) and abs(value) < 100 else f"{value:,.0f}" if isinstance(value, int | float) else value
