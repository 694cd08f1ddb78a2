"""The energy a machine says it used: a Jetson through `tegrastats`, an x86 processor through Linux's powercap counters (RAPL)."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

POWERCAP: Final = Path("/sys/class/powercap")
NOT_MEASURABLE: Final = "not measurable here"

_RAIL: Final = re.compile(r"\b((?:VDD|VIN|POM)\w*) (\d+)(?:mW)?/\d+(?:mW)?")
_WHOLE: Final = ("VDD_IN", "VIN", "POM_5V_IN")
"""Rails that carry the whole module, where there is one: Orin NX and Nano, Thor, the first Nano."""
_PARTS: Final = ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0")
"""Rails that carry an AGX Orin together; its VDDQ_VDD2_1V8AO is behind VIN_SYS_5V0 and would count twice."""
_INTERVAL_MS: Final = 100


class EnergyMeter(Protocol):
    """Something that counts joules."""

    @property
    def source(self) -> str:
        """What is read, in words."""
        ...

    def start(self) -> Callable[[], float | None]:
        """Begin to count; the function that is returned ends it and gives the joules since, ``None`` where nothing was told."""
        ...


def find_meter(powercap: Path = POWERCAP, tegrastats: str = "tegrastats") -> EnergyMeter | None:
    """What this machine has, or ``None``: no counters, or none that this user may read."""
    if program := shutil.which(tegrastats):
        return TegrastatsMeter(program)
    try:
        zones = tuple(zone for zone in sorted(powercap.glob("intel-rapl:*")) if _is_package(zone))
        for zone in zones:
            _microjoules(zone)
    except (OSError, ValueError):
        return None
    return RaplMeter(zones) if zones else None


@dataclass(frozen=True, slots=True)
class RaplMeter:
    """Counters of whole processor packages; they wrap around once in a while.

    Args:
        zones: folders with ``energy_uj`` and ``max_energy_range_uj``.
    """

    zones: tuple[Path, ...]
    source: str = "processor packages, by RAPL"

    def start(self) -> Callable[[], float]:
        before = [_microjoules(zone) for zone in self.zones]

        def stop() -> float:
            return sum((_microjoules(zone) - earlier) % _range(zone) for zone, earlier in zip(self.zones, before, strict=True)) / 1e6

        return stop


@dataclass(frozen=True, slots=True)
class TegrastatsMeter:
    """A Jetson's power rails, read ten times a second; the energy is the mean power times the time, ``None`` where no rail is known."""

    program: str
    source: str = "the whole module, by tegrastats"

    def start(self) -> Callable[[], float | None]:
        process = subprocess.Popen([self.program, "--interval", str(_INTERVAL_MS)], stdout=subprocess.PIPE, text=True)
        started = time.perf_counter()

        def stop() -> float | None:
            seconds = time.perf_counter() - started
            process.terminate()
            told, _ = process.communicate()
            watts = [each for line in told.splitlines() if (each := module_watts(power_rails(line))) is not None]
            return sum(watts) / len(watts) * seconds if watts else None

        return stop


def power_rails(line: str) -> dict[str, int]:
    """The power of each rail at the moment of a line of `tegrastats`, in milliwatts; empty where a line names none."""
    return {name: int(milliwatts) for name, milliwatts in _RAIL.findall(line)}


def module_watts(rails: Mapping[str, int]) -> float | None:
    """What the whole module takes, from its rails in milliwatts; ``None`` where none of them is known."""
    whole = next(([rails[name]] for name in _WHOLE if name in rails), None)
    parts = whole or [rails[name] for name in _PARTS if name in rails]
    return sum(parts) / 1000 if parts else None


def _is_package(zone: Path) -> bool:
    """Whether a zone is a processor package: ``psys``, the whole platform, would count each of them twice. Raises ``OSError``."""
    return re.fullmatch(r"intel-rapl:\d+", zone.name) is not None and (zone / "name").read_text().startswith("package")


def _microjoules(zone: Path) -> int:
    return int((zone / "energy_uj").read_text())


def _range(zone: Path) -> int:
    return int((zone / "max_energy_range_uj").read_text()) + 1
