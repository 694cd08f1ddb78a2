"""How fast towers are, side by side in one run: latency, throughput, load time, memory and energy."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from passerby.benchmark.energy import NOT_MEASURABLE, EnergyMeter
from passerby.benchmark.footprint import Footprint, footprint
from passerby.benchmark.interleaved import Timing, Work, take_turns
from passerby.benchmark.machine import Disturbance, Machine, doubts, this_machine
from passerby.errors import ConfigError, ModelError
from passerby.model.onnx import available_cores, start_session
from passerby.progress import Progress

if TYPE_CHECKING:
    from passerby.model.runtime import InferenceSession

FORMAT: Final = "passerby benchmark 1"
"""By which a run that was kept is known again."""
PROTOCOL: Final = (
    "ONNX Runtime on the CPU, every tower with the same threads, inputs ready in memory. In each round each tower takes one turn at each "
    "batch size, in an order drawn anew. Per second: a batch over the median of the rounds' median calls. Ratio to the reference: median, "
    "least and greatest of the rounds' own ratios. Latency: percentiles of all calls at batch 1. Load time and peak memory: of processes "
    "that load one tower and answer once. Energy: inputs one by one."
)
BATCHES: Final = (1, 8, 32)
LATENCY_CALLS: Final = 100
"""Calls at batch 1 that a 99th percentile needs at least."""
ENERGY_SECONDS: Final = 5.0
"""How long a tower runs while its energy is counted."""


@dataclass(frozen=True, slots=True, eq=False)
class Tower:
    """Half a model, to be timed; a tower that two contenders share is timed once.

    Args:
        path: an ONNX file.
        inputs: one input, by the graph's names: arrays (1, …).
        parameters: learned numbers; ``None`` if nobody counted.
        macs: multiply-accumulates of this one input; ``None`` if nobody counted.
        mend: what to do where the file is damaged.
    """

    path: Path
    inputs: Mapping[str, NDArray[Any]]
    parameters: int | None = None
    macs: int | None = None
    mend: str = "export the model again"


@dataclass(frozen=True, slots=True, eq=False)
class Contender:
    """A model to be timed.

    Args:
        size: of its picture, height and width in pixels.
        tokens: of its text.
        bytes: all that it needs on disk.
        rank1: on val, in percent, as its card says; ``None`` where it does not.
        speed_only: a reference whose weights are random.
    """

    name: str
    size: tuple[int, int]
    tokens: int
    image_tower: Tower
    text_tower: Tower
    bytes: int
    rank1: float | None = None
    speed_only: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """How to measure.

    Args:
        threads: of each tower.
        rounds: turns of each tower at each batch size.
        seconds: how long a turn lasts at least.
        batches: sizes, ascending, 1 among them.

    Raises:
        ConfigError: a number that is not positive.
    """

    threads: int
    rounds: int = 7
    seconds: float = 0.25
    batches: tuple[int, ...] = BATCHES

    def __post_init__(self) -> None:
        if min(self.threads, self.rounds, *self.batches) < 1 or self.seconds < 0:
            raise ConfigError(expected="threads, rounds and batch sizes of at least 1", found=str(self), do="correct the option")

    @classmethod
    def of(cls, threads: int | None, rounds: int, batches: Sequence[int] | None) -> Plan:
        """A plan as a person asks for it: threads for all cores unless named, and batch 1 whatever else."""
        return cls(threads or available_cores(), rounds, batches=tuple(sorted({1, *(batches or BATCHES)})))


@dataclass(frozen=True, slots=True, eq=False)
class TowerSpeed:
    """What one tower showed.

    Args:
        timings: by batch size.
        joules: for one input; ``None`` where the machine does not tell.
    """

    tower: Tower
    timings: Mapping[int, Timing]
    footprint: Footprint
    joules: float | None

    def to_json(self, reference: TowerSpeed | None, what: str) -> dict[str, Any]:
        """Figures of this tower, ready for ``json.dumps``.

        Args:
            reference: what to divide by.
            what: an input's name in the singular.
        """
        single = self.timings[1]
        latency = {f"p{q}": 1000 * single.percentile(q) for q in (50, 90, 99)}
        ratios = {} if reference is None else {str(n): _ratio(t, reference.timings[n]) for n, t in self.timings.items()}
        return {
            f"{what}s_per_second": {str(n): n / timing.seconds for n, timing in self.timings.items()},
            "times_reference": ratios,
            "latency_ms": {**latency, "calls": single.calls},
            "load_seconds": self.footprint.load_seconds,
            "peak_memory_bytes": self.footprint.peak_bytes,
            "parameters": self.tower.parameters,
            "macs": self.tower.macs,
            "bytes": self.tower.path.stat().st_size,
            f"joules_per_{what}": self.joules,
        }


@dataclass(frozen=True, slots=True, eq=False)
class SpeedReport:
    """What a run showed.

    Args:
        towers: of every tower of the contenders.
        energy: where the joules come from.
        warnings: why the figures may be worth little.
    """

    contenders: tuple[Contender, ...]
    towers: Mapping[Tower, TowerSpeed]
    plan: Plan
    machine: Machine
    energy: str
    warnings: tuple[str, ...]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Models in their order, then how and where it was measured; ready for ``json.dumps``."""
        reference = next((c for c in self.contenders if c.speed_only), None)
        return {
            "format": FORMAT,
            "models": [self._model(contender, reference) for contender in self.contenders],
            "reference": reference and reference.name,
            **asdict(self.plan),
            "machine": asdict(self.machine),
            "energy": self.energy,
            "warnings": list(self.warnings),
            "protocol": PROTOCOL,
            "measured_in_seconds": self.seconds,
        }

    def _model(self, contender: Contender, reference: Contender | None) -> dict[str, Any]:
        image, text = self.towers[contender.image_tower], self.towers[contender.text_tower]
        image_rival, text_rival = (
            (None, None) if reference is None else (self.towers[reference.image_tower], self.towers[reference.text_tower])
        )
        return {
            "name": contender.name,
            "speed_only": contender.speed_only,
            "rank1": contender.rank1,
            "bytes": contender.bytes,
            "image_tower": {"height": contender.size[0], "width": contender.size[1], **image.to_json(image_rival, "image")},
            "text_tower": {"tokens": contender.tokens, **text.to_json(text_rival, "text")},
        }


def measure_speed(
    contenders: Sequence[Contender], plan: Plan, *, meter: EnergyMeter | None = None, on_progress: Progress | None = None
) -> SpeedReport:
    """Time all towers in turns.

    Args:
        contenders: at least one; the first that is for speed only is what the others are divided by.
        meter: of energy, where the machine has one.
        on_progress: told how many turns are over.

    Raises:
        ModelError: a tower that cannot be loaded or run, or not at one of the batch sizes.
    """
    started, before = time.perf_counter(), Disturbance.now()
    towers = list(dict.fromkeys(tower for c in contenders for tower in (c.image_tower, c.text_tower)))
    footprints = {tower: footprint(tower.path, tower.inputs, plan.threads, mend=tower.mend) for tower in towers}
    runs = _runs(towers, plan)
    calls = math.ceil(LATENCY_CALLS / plan.rounds)
    works = {key: Work(run, calls if key[1] == 1 else 1) for key, run in runs.items()}
    timings = take_turns(works, rounds=plan.rounds, seconds=plan.seconds, on_progress=on_progress)
    joules = {tower: _joules(meter, runs[tower, 1]) if meter else None for tower in towers}
    machine = this_machine()
    return SpeedReport(
        contenders=tuple(contenders),
        towers={t: TowerSpeed(t, {n: timings[t, n] for n in plan.batches}, footprints[t], joules[t]) for t in towers},
        plan=plan,
        machine=machine,
        energy=meter.source if meter and any(found is not None for found in joules.values()) else NOT_MEASURABLE,
        warnings=tuple(doubts(timings.values(), before, Disturbance.now(), machine.cores)),
        seconds=time.perf_counter() - started,
    )


def _runs(towers: Sequence[Tower], plan: Plan) -> dict[tuple[Tower, int], Callable[[], object]]:
    """A call for every tower and batch size; towers of one file share its session."""
    sessions = {tower.path: _start(tower, plan.threads) for tower in {tower.path: tower for tower in towers}.values()}
    return {(tower, n): _call(sessions[tower.path], tower, n) for tower in towers for n in plan.batches}


def _start(tower: Tower, threads: int) -> InferenceSession:
    try:
        return start_session(tower.path.read_bytes(), threads)
    except Exception as error:  # ONNX Runtime's errors share no other base
        found = " ".join(str(error).split())[:200]
        raise ModelError(expected=f"{tower.path} to be an ONNX model", found=found, do=tower.mend) from None


def _call(session: InferenceSession, tower: Tower, n: int) -> Callable[[], object]:
    """A run of a batch of n. Raises ``ModelError`` where it cannot be made, and then where it cannot be run."""
    try:
        inputs = {name: np.repeat(array, n, axis=0) for name, array in tower.inputs.items()}
    except (MemoryError, ValueError) as error:  # ValueError: more numbers than an array may have
        raise _too_large(tower, n, error) from None

    def run() -> object:
        try:
            return session.run(None, inputs)
        except Exception as error:  # ONNX Runtime's errors share no other base
            raise _too_large(tower, n, error) from None

    return run


def _too_large(tower: Tower, n: int, error: Exception) -> ModelError:
    found = " ".join(str(error).split())[:200]
    return ModelError(expected=f"{tower.path} to run with a batch of {n}", found=found, do="name a smaller --batch, or free memory")


def _joules(meter: EnergyMeter, run: Callable[[], object]) -> float | None:
    """For one call, on average over some seconds of calls; ``None`` where the meter tells nothing."""
    stop, started, calls = meter.start(), time.perf_counter(), 0
    try:
        while time.perf_counter() - started < ENERGY_SECONDS:
            run()
            calls += 1
    finally:
        joules = stop()
    return None if joules is None else joules / calls


def _ratio(timing: Timing, reference: Timing) -> dict[str, float]:
    """How many times as fast, round by round."""
    ratios = reference.medians / timing.medians
    return {"median": float(np.median(ratios)), "low": float(ratios.min()), "high": float(ratios.max())}
