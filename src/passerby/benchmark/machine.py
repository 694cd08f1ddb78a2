"""The machine a measurement ran on, and whether it was quiet enough to believe it."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from passerby.benchmark.interleaved import Timing
from passerby.model.onnx import available_cores
from passerby.model.processor import CPUINFO, saturates_int8
from passerby.model.runtime import onnxruntime

SPREAD: Final = 0.15
"""Distance between the fastest and the slowest round, as a part of the median, up to which a machine counts as quiet."""
SLOWING: Final = 1.08
"""How much slower the last third of the rounds may be than the first before it counts as throttling."""
LOAD: Final = 0.3
"""Programs that were already running, for each core, up to which a machine counts as free."""
STOLEN: Final = 0.01
"""Part of the time that a virtual machine's host may give to others."""
THROTTLES: Final = "/sys/devices/system/cpu/cpu*/thermal_throttle/core_throttle_count"
_STAT: Final = Path("/proc/stat")


@dataclass(frozen=True, slots=True)
class Machine:
    """Where a measurement ran; two runs on different machines compare by ratios only."""

    processor: str
    cores: int
    system: str
    python: str
    onnxruntime: str
    exact_int8: bool


def this_machine() -> Machine:
    system = f"{platform.system()} {platform.machine()}"
    versions = platform.python_version(), str(onnxruntime().__version__)
    return Machine(_processor(), available_cores(), system, *versions, exact_int8=not saturates_int8())


@dataclass(frozen=True, slots=True)
class Disturbance:
    """Counters of the system at one moment.

    Args:
        load: programs that ran or waited in the last minute, on average; 0 where the system does not tell.
        throttles: how often a core was slowed because it was hot.
        stolen, total: ticks of processor time, given to other virtual machines and altogether.
    """

    load: float
    throttles: int
    stolen: int
    total: int

    @classmethod
    def now(cls) -> Disturbance:
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
        counts = [int(text) for path in sorted(Path("/").glob(THROTTLES[1:])) if (text := _read(path).strip()).isdigit()]
        first = next(iter(_read(_STAT).splitlines()), "")
        ticks = [int(tick) for tick in first.split()[1:9]]
        return cls(load, sum(counts), ticks[7] if len(ticks) == 8 else 0, sum(ticks))


def doubts(timings: Iterable[Timing], before: Disturbance, after: Disturbance, cores: int) -> list[str]:
    """Why figures may be worth little: one line for each sign of a noisy or throttled machine, none for a quiet one."""
    return [*_doubts_of_system(before, after, cores), *_doubts_of_rounds(list(timings))]


def _doubts_of_system(before: Disturbance, after: Disturbance, cores: int) -> Iterator[str]:
    if before.load > LOAD * cores:
        yield f"other programs were running before it began: a load of {before.load:.1f} on {cores} cores"
    if after.throttles > before.throttles:
        yield f"cores were slowed {after.throttles - before.throttles} times because they were hot"
    stolen = (after.stolen - before.stolen) / max(1, after.total - before.total)
    if stolen > STOLEN:
        yield f"the host of this virtual machine took {stolen:.0%} of its time for others"


def _doubts_of_rounds(timings: list[Timing]) -> Iterator[str]:
    if not timings or len(timings[0].rounds) < 3:
        yield "fewer than three rounds: noise cannot be seen"
        return
    relative = np.array([timing.medians / timing.seconds for timing in timings])
    spread = float(np.median(relative.max(axis=1) - relative.min(axis=1)))
    if spread > SPREAD:
        yield f"rounds differ by {spread:.0%} (median of all towers and batches): the machine was noisy"
    third = relative.shape[1] // 3
    slowing = float(np.median(relative[:, -third:].mean(axis=1) / relative[:, :third].mean(axis=1)))
    if slowing > SLOWING:
        yield f"the last rounds were {slowing - 1:.0%} slower than the first: the machine throttled, or something else began to run"


def _processor() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", _read(CPUINFO), re.MULTILINE)
    device = _read(Path("/proc/device-tree/model")).strip("\0 \n")
    return device or (found[1].strip() if found else platform.processor() or platform.machine())


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
