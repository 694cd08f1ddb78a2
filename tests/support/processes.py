"""Processes that a test started, or that those started."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def until(is_so: Callable[[], Any], seconds: float = 60) -> Any:
    """What it gives as soon as that is something."""
    end = time.monotonic() + seconds
    while not (found := is_so()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


def is_there(pid: int) -> bool:
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def children(process: int) -> list[int]:
    return [int(one) for listed in Path(f"/proc/{process}/task").glob("*/children") for one in listed.read_text().split()]
