"""What a tower takes by itself: a process of its own loads it, lets it answer once, and says how long and how much that took.

python -m passerby.benchmark.footprint TOWER.onnx INPUTS.npz THREADS
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from passerby.errors import ModelError

_STATUS: Final = Path("/proc/self/status")


@dataclass(frozen=True, slots=True)
class Footprint:
    """Of a process with one tower.

    Args:
        load_seconds: from the file to the end of the first answer; Python and ONNX Runtime are loaded before.
        peak_bytes: the most memory it ever held, Python and ONNX Runtime included; ``None`` where Linux does not tell.
    """

    load_seconds: float
    peak_bytes: int | None


def footprint(
    tower: Path, inputs: Mapping[str, NDArray[Any]], threads: int, *, mend: str = "export the model again", repeats: int = 3
) -> Footprint:
    """The median time and the greatest memory of some processes, one after the other.

    Args:
        mend: what to do where the file is damaged.

    Raises:
        ModelError: a tower that does not run.
    """
    with TemporaryDirectory() as folder:
        feed = Path(folder) / "inputs.npz"
        with feed.open("wb") as file:
            np.savez(file, allow_pickle=False, **dict(inputs))
        command = [sys.executable, "-P", "-m", __name__, str(tower), str(feed), str(threads)]
        runs = [_run(command, tower, mend) for _ in range(repeats)]
    peaks = [run.peak_bytes for run in runs if run.peak_bytes is not None]
    return Footprint(float(np.median([run.load_seconds for run in runs])), max(peaks, default=None))


def _run(command: list[str], tower: Path, mend: str) -> Footprint:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise ModelError(expected=f"{tower} to run in a process of its own", found=last[0][:200], do=f"free memory, or {mend}")
    return Footprint(**json.loads(done.stdout))


def _measure(tower: Path, feed: Path, threads: int) -> Footprint:
    from passerby.model.onnx import start_session
    from passerby.model.runtime import onnxruntime

    onnxruntime()  # loaded before the clock starts

    with np.load(feed) as arrays:
        inputs = dict(arrays)
    started = time.perf_counter()
    start_session(tower.read_bytes(), threads).run(None, inputs)
    return Footprint(time.perf_counter() - started, peak_bytes())


def peak_bytes() -> int | None:
    """The most memory that this process ever held; ``None`` where Linux does not tell."""
    try:
        found = re.search(r"VmHWM:\s*(\d+) kB", _STATUS.read_text())
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None


if __name__ == "__main__":
    print(json.dumps(asdict(_measure(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))))  # noqa: T201
