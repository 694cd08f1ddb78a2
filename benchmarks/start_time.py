"""Whole-process time and peak memory of `passerby search` and `passerby --help`.

Cold means that the files of Python's environment and of the index were dropped from the page cache, as far as the kernel lets go of
them. This process loads nothing heavy itself: a loaded library cannot be dropped, and a child's peak memory starts at its parent's.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from common import Row, options, show

PASSERBY = Path(sys.executable).with_name("passerby")
QUESTION = "a person wearing a red jacket, a black cap and brown shoes"


@dataclass(frozen=True, slots=True)
class Run:
    seconds: float
    peak_mb: float


def run(arguments: list[str]) -> Run:
    """Run ``passerby`` once, its output thrown away."""
    silence = [(os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_WRONLY, 0) for stream in (1, 2)]
    started = time.perf_counter()
    child = os.posix_spawn(PASSERBY, [str(PASSERBY), *arguments], os.environ, file_actions=silence)
    _, status, usage = os.wait4(child, 0)
    seconds = time.perf_counter() - started
    if status:
        raise SystemExit(f"passerby {' '.join(arguments)} ended with {os.waitstatus_to_exitcode(status)}")
    return Run(seconds, usage.ru_maxrss / 1000)


def drop_from_cache(folder: Path) -> None:
    """Ask the kernel to forget the contents of every file below."""
    os.sync()
    for path in folder.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def measure(name: str, arguments: list[str], cached: list[Path], repeats: int) -> Row:
    """Medians of ``repeats`` runs of each kind."""
    cold = []
    for _ in range(repeats):
        for folder in cached:
            drop_from_cache(folder)
        cold.append(run(arguments).seconds)
    warm = [run(arguments) for _ in range(repeats)]
    return {
        "command": name,
        "cold s": statistics.median(cold),
        "warm s": statistics.median(one.seconds for one in warm),
        "peak MB": max(one.peak_mb for one in warm),
    }


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--model", help="the default model if not given")
    parser.add_argument("--people", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--repeats", type=int, default=7)
    given = parser.parse_args()
    model = ["--model", given.model] if given.model else []
    package = subprocess.run(
        [sys.executable, "-c", "import passerby; print(*passerby.__path__)"], check=True, capture_output=True, text=True
    ).stdout.strip()
    installed = [Path(sys.prefix), Path(package)]

    rows = [measure("--help", ["--help"], installed, given.repeats)]
    for people in given.people:
        with TemporaryDirectory() as folder:
            writer = Path(__file__).with_name("synthetic.py")
            subprocess.run([sys.executable, writer, folder, str(people), *model], check=True)
            search = ["search", QUESTION, "--index", folder, *model]
            run(search)  # the first one makes the files that later ones read
            rows.append(measure(f"search, {people:,} people", search, [*installed, Path(folder)], given.repeats))
    show("start time", rows, as_json=given.json)


if __name__ == "__main__":
    main()
