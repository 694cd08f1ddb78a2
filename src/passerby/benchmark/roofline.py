"""What a device could do at best, on paper: a roofline over the layers of a tower, and over search.

Each layer takes as long as its multiplications at the device's peak, or as its bytes through the device's memory, whichever is longer
(Williams, Waterman and Patterson 2009). Layers do not overlap, each reads its inputs from memory and writes its output there, and all
between convolutions and matrix products is free. A real engine stays below: it starts kernels, and no kernel reaches the peak.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

from passerby.benchmark.costs import Layer, TowerCost, tower_cost
from passerby.benchmark.run import usual_text
from passerby.errors import ModelError
from passerby.model.bundle import Bundle

BATCHES: Final = (1, 8, 32)
PEOPLE: Final = (100_000, 1_000_000, 5_000_000)
_ID_BYTES: Final = 8
"""Beside each vector in the search table stands whose it is."""


class Precision(StrEnum):
    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"

    @property
    def bytes(self) -> int:
        return {Precision.FP32: 4, Precision.FP16: 2, Precision.INT8: 1}[self]


class Bound(StrEnum):
    """What most of the time is spent on."""

    COMPUTE = "compute"
    MEMORY = "memory"


@dataclass(frozen=True, slots=True)
class Mode:
    """A device in one of its power modes.

    Args:
        watts: the budget of the whole module.
        bandwidth: bytes per second.
        matrix: operations per second of matrix units, where a multiplication and an addition are two.
        vector: the same of all other units, which depthwise convolutions and search run on.
    """

    watts: int
    bandwidth: float
    matrix: Mapping[Precision, float]
    vector: Mapping[Precision, float]


@dataclass(frozen=True, slots=True)
class Device:
    """A device and its power modes, the strongest first.

    Args:
        memory: bytes that are free for vectors.
    """

    name: str
    memory: float
    modes: tuple[Mode, ...]


def _orin(watts: int, units: float, megahertz: float, memory_megahertz: float) -> Mode:
    """An AGX Orin with ``units`` of its eight texture processing clusters (two multiprocessors each) at a clock."""
    flops = units * 2 * 128 * 2 * megahertz * 1e6
    vector = {Precision.FP32: flops, Precision.FP16: 2 * flops, Precision.INT8: 4 * flops}
    matrix = {Precision.FP32: flops, Precision.FP16: 8 * flops, Precision.INT8: 16 * flops}
    return Mode(watts, memory_megahertz * 1e6 * 2 * 256 / 8, matrix, vector)


_ORIN: Final = Device("orin", 56e9, (_orin(60, 8, 1300.5, 3200), _orin(30, 4, 612, 3200), _orin(15, 3, 408, 2133)))
"""Jetson AGX Orin 64 GB, 8 GB of it left to the system and the towers; docs/benchmark.md names the sources."""

DEVICES: Final = {_ORIN.name: _ORIN}


@dataclass(frozen=True, slots=True)
class TowerLimit:
    """A tower at its limit.

    Args:
        per_second: inputs.
        joules: for one input, at the mode's whole budget.
        share: of the time that is spent on what binds, in [0.5, 1].
    """

    tower: str
    precision: Precision
    batch: int
    watts: int
    per_second: float
    joules: float
    binds: Bound
    share: float


@dataclass(frozen=True, slots=True)
class SearchLimit:
    """An exact search at its limit, and the whole query with the words' way through the text tower.

    Args:
        joules: for the whole query, at the mode's whole budget.
    """

    people: int
    precision: Precision
    watts: int
    milliseconds: float
    query_milliseconds: float
    joules: float
    binds: Bound


@dataclass(frozen=True, slots=True)
class ModelLimits:
    """What a model could do at best on a device.

    Args:
        tokens: of a text.
        people_that_fit: in the memory that is free for vectors, by their precision.
    """

    name: str
    dim: int
    tokens: int
    towers: tuple[TowerLimit, ...]
    search: tuple[SearchLimit, ...]
    people_that_fit: Mapping[Precision, int]


@dataclass(frozen=True, slots=True)
class DeviceLimits:
    """What models could do at best on a device."""

    device: Device
    models: tuple[ModelLimits, ...]

    def to_json(self) -> dict[str, Any]:
        """Ready for ``json.dumps``."""
        return asdict(self)


def limits(bundles: Sequence[Bundle], device: Device) -> DeviceLimits:
    """What bundles could do at best on a device.

    Raises:
        ModelError: a tower that cannot be read or run here once, or that multiplies nothing.
    """
    return DeviceLimits(device, tuple(_model_limits(bundle, device) for bundle in bundles))


def seconds_of_layer(layer: Layer, mode: Mode, precision: Precision, batch: int) -> tuple[float, Bound]:
    """How long a layer takes at least for a batch, and what binds it."""
    peak = (mode.vector if layer.depthwise else mode.matrix)[precision]
    compute = 2 * layer.macs * batch / peak
    memory = (layer.weights + layer.activations * batch) * precision.bytes / mode.bandwidth
    return max((compute, Bound.COMPUTE), (memory, Bound.MEMORY))


def seconds_of_search(people: int, dim: int, mode: Mode, precision: Precision) -> tuple[float, Bound]:
    """How long one pass over all vectors takes at least, and what binds it."""
    compute = 2 * people * dim / mode.vector[precision]
    memory = people * dim * precision.bytes / mode.bandwidth
    return max((compute, Bound.COMPUTE), (memory, Bound.MEMORY))


def tower_limit(name: str, cost: TowerCost, mode: Mode, precision: Precision, batch: int) -> TowerLimit:
    """The limit of a tower in a mode. Raises ``ModelError`` for one that multiplies nothing."""
    spent = {Bound.COMPUTE: 0.0, Bound.MEMORY: 0.0}
    for layer in cost.layers:
        seconds, bound = seconds_of_layer(layer, mode, precision, batch)
        spent[bound] += seconds
    total = sum(spent.values())
    if not total:
        raise ModelError(expected=f"a {name.replace('_', ' ')} with convolutions or matrix products", found="none", do="name another model")
    binds = max(spent, key=spent.__getitem__)
    return TowerLimit(name, precision, batch, mode.watts, batch / total, mode.watts * total / batch, binds, spent[binds] / total)


def _model_limits(bundle: Bundle, device: Device) -> ModelLimits:
    tokens = usual_text(bundle).input_ids.shape[1]
    costs = {
        "image_tower": tower_cost(bundle.image_tower.path),
        "text_tower": tower_cost(bundle.text_tower.path, tokens=tokens),
    }
    towers = [
        tower_limit(name, cost, mode, precision, batch)
        for name, cost in costs.items()
        for precision in Precision
        for batch in BATCHES
        for mode in device.modes
    ]
    words = {(limit.precision, limit.watts): 1 / limit.per_second for limit in towers if limit.tower == "text_tower" and limit.batch == 1}
    search = [
        _search_limit(people, bundle.dim, mode, precision, words[precision, mode.watts])
        for people in PEOPLE
        for precision in (Precision.FP16, Precision.INT8)
        for mode in device.modes
    ]
    fit = {precision: int(device.memory // (bundle.dim * precision.bytes + _ID_BYTES)) for precision in (Precision.FP16, Precision.INT8)}
    return ModelLimits(bundle.name, bundle.dim, tokens, tuple(towers), tuple(search), fit)


def _search_limit(people: int, dim: int, mode: Mode, precision: Precision, words: float) -> SearchLimit:
    seconds, binds = seconds_of_search(people, dim, mode, precision)
    return SearchLimit(people, precision, mode.watts, 1000 * seconds, 1000 * (seconds + words), mode.watts * (seconds + words), binds)
