"""The story of a run: a line of JSON for every few steps and every judgement, and the same in words."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from passerby.atomic import replacing

LOG_EVERY = 20


class Log:
    """One JSON line for every few steps and for every judgement, with the minutes that the run took so far, and the same in words.

    Args:
        say: takes one line of text at a time, for people.
        start: the step the run goes on from; lines of later steps, which it will take again, are dropped.
    """

    def __init__(self, path: Path, say: Callable[[str], None], start: int) -> None:
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        kept = [line for line in lines if line.endswith(b"\n") and json.loads(line)["step"] <= start]
        with replacing(path) as file:
            file.writelines(kept)
        self.say = say
        self._path = path
        self._since = time.monotonic()
        self._began = self._since - 60 * (json.loads(kept[-1]).get("minutes", 0.0) if kept else 0.0)
        self._pairs = 0

    def step(self, step: int, steps: int, pairs: int, losses: Mapping[str, float]) -> None:
        self._pairs += pairs
        if step % LOG_EVERY:
            return
        rate = self._pairs / (time.monotonic() - self._since)
        self._since, self._pairs = time.monotonic(), 0
        self._write({"step": step, "of": steps, "pairs_per_second": round(rate, 1), **{k: round(v, 4) for k, v in losses.items()}})
        told = "  ".join(f"{name} {value:.3f}" for name, value in losses.items())
        self.say(f"step {step}/{steps}  {told}  {rate:.0f} pairs/s  {(steps - step) * pairs / rate / 60:.0f} min left")

    def judged(self, step: int, report: Mapping[str, Any], told: str) -> None:
        """A judgement on val: all of it for the file, the gist of it for people."""
        self._write({"step": step, "val": dict(report)})
        self.say(f"step {step}  val {told}")
        self._since, self._pairs = time.monotonic(), 0

    def _write(self, row: dict[str, Any]) -> None:
        minutes = round((time.monotonic() - self._began) / 60, 2)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({**row, "minutes": minutes}) + "\n")
