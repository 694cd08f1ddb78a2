"""Whole-process time and peak memory of `passerby search` and `passerby --help`, beside the least that such a program must load.

The least is, for a search, a script that imports numpy, ONNX Runtime and the tokenizer, opens the same text tower and encodes the same
sentence (``bare_search.py``); for the help, Python itself. They take turns with the command.

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

WHERE = """
import sys
from passerby.resolve import DEFAULT_MODEL, find_bundle
import passerby
print(*passerby.__path__)
print(find_bundle((sys.argv[1:] or [DEFAULT_MODEL])[0]).folder)
"""
"""Asked of a child: this process loads nothing heavy itself."""
QUESTION = "a person wearing a red jacket, a black cap and brown shoes"


@dataclass(frozen=True, slots=True)
class Run:
    seconds: float
    peak_mb: float


def run(command: list[str]) -> Run:
    """Run a command once, its output thrown away. Python keeps what it compiles, as it does wherever nobody told it not to."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    silence = [(os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_WRONLY, 0) for stream in (1, 2)]
    started = time.perf_counter()
    child = os.posix_spawn(command[0], command, environment, file_actions=silence)
    _, status, usage = os.wait4(child, 0)
    seconds = time.perf_counter() - started
    if status:
        raise SystemExit(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
    return Run(seconds, usage.ru_maxrss / 1000)


def drop_from_cache(folder: Path) -> None:
    """Ask the kernel to forget the contents of every file below."""
    os.sync()
    for path in folder.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def measure(name: str, command: list[str], least: list[str], cached: list[Path], repeats: int) -> Row:
    """Medians of ``repeats`` runs of each kind."""
    cold = []
    for _ in range(repeats):
        for folder in cached:
            drop_from_cache(folder)
        cold.append(run(command).seconds)
    run(least)
    pairs = [(run(command), run(least)) for _ in range(repeats)]
    return {
        "command": name,
        "cold s": statistics.median(cold),
        "warm s": statistics.median(one.seconds for one, _ in pairs),
        "least s": statistics.median(other.seconds for _, other in pairs),
        "warm / least": statistics.median(one.seconds / other.seconds for one, other in pairs),
        "peak MB": max(one.peak_mb for one, _ in pairs),
    }


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--model", help="the default model if not given")
    parser.add_argument("--people", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--repeats", type=int, default=7)
    given = parser.parse_args()
    model = ["--model", given.model] if given.model else []
    package, bundle = subprocess.run(
        [sys.executable, "-c", WHERE, *model[1:]], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    installed = [Path(sys.prefix), Path(package)]
    passerby = [sys.executable, "-m", "passerby"]
    bare = [sys.executable, str(Path(__file__).with_name("bare_search.py")), bundle, QUESTION]

    rows = [measure("--help", [*passerby, "--help"], [sys.executable, "-c", "pass"], installed, given.repeats)]
    for people in given.people:
        with TemporaryDirectory() as folder:
            writer = Path(__file__).with_name("synthetic.py")
            subprocess.run([sys.executable, writer, folder, str(people), *model], check=True)
            search = [*passerby, "search", QUESTION, "--index", folder, *model]
            run(search)  # the first one makes the files that later ones read
            rows.append(measure(f"search, {people:,} people", search, bare, [*installed, Path(folder)], given.repeats))
    show("start time", rows, as_json=given.json)


if __name__ == "__main__":
    main()
