from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerby.benchmark.costs import Layer, TowerCost
from passerby.benchmark.roofline import (
    BATCHES,
    DEVICES,
    PEOPLE,
    Bound,
    Mode,
    Precision,
    limits,
    seconds_of_layer,
    seconds_of_search,
    tower_limit,
)
from passerby.errors import ModelError
from passerby.model.bundle import read_bundle
from passerby.resolve import find_bundle

ORIN = DEVICES["orin"]
ROUND = Mode(10, 100.0, {p: 1000.0 for p in Precision}, {p: 10.0 for p in Precision})
"""A device of round numbers: 100 bytes a second, 1,000 operations in matrix units, 10 elsewhere."""

layers = st.builds(Layer, st.just("l"), st.integers(1, 10**9), st.integers(0, 10**8), st.integers(1, 10**8), st.booleans())


def test_a_layer_by_hand() -> None:
    layer = Layer("l", macs=2000, weights=50, activations=100)
    assert seconds_of_layer(layer, ROUND, Precision.INT8, 1) == (4.0, Bound.COMPUTE)
    assert seconds_of_layer(layer, ROUND, Precision.FP32, 1) == (6.0, Bound.MEMORY)
    assert seconds_of_layer(layer, ROUND, Precision.FP32, 10) == (42.0, Bound.MEMORY)
    assert seconds_of_layer(replace(layer, depthwise=True), ROUND, Precision.INT8, 1) == (400.0, Bound.COMPUTE)


def test_a_tower_by_hand() -> None:
    """One layer takes 4 seconds to compute, the other 1 to read."""
    cost = TowerCost((Layer("a", 2000, 0, 1), Layer("b", 1, 50, 50)), parameters=50)
    limit = tower_limit("image_tower", cost, ROUND, Precision.INT8, 1)
    assert (limit.per_second, limit.joules, limit.binds, limit.share) == (1 / 5, 50, Bound.COMPUTE, 4 / 5)


def test_search_by_hand() -> None:
    assert seconds_of_search(100, 8, ROUND, Precision.FP16) == (160.0, Bound.COMPUTE)
    assert seconds_of_search(100, 8, replace(ROUND, vector=ROUND.matrix), Precision.FP16) == (16.0, Bound.MEMORY)


@given(st.lists(layers, min_size=1, max_size=6))
def test_more_never_makes_slower(layers: list[Layer]) -> None:
    cost = TowerCost(tuple(layers), 0)
    for mode in ORIN.modes:
        by_batch = [tower_limit("t", cost, mode, Precision.FP16, n).per_second for n in BATCHES]
        assert all(b >= a * (1 - 1e-9) for a, b in pairwise(by_batch))
        by_precision = [tower_limit("t", cost, mode, p, 8).per_second for p in Precision]
        assert all(b >= a * (1 - 1e-9) for a, b in pairwise(by_precision))
    by_mode = [tower_limit("t", cost, mode, Precision.INT8, 1).per_second for mode in ORIN.modes]
    assert by_mode == sorted(by_mode, reverse=True)


@given(layers, st.integers(1, 64))
def test_no_layer_beats_either_limit(layer: Layer, batch: int) -> None:
    for mode in ORIN.modes:
        seconds, _ = seconds_of_layer(layer, mode, Precision.FP16, batch)
        assert seconds * mode.bandwidth >= 2 * (layer.weights + layer.activations * batch) * (1 - 1e-9)
        assert seconds * mode.matrix[Precision.FP16] >= 2 * layer.macs * batch * (1 - 1e-9)


def test_the_orin_is_as_its_maker_says() -> None:
    strongest = ORIN.modes[0]
    assert [mode.watts for mode in ORIN.modes] == [60, 30, 15]
    assert strongest.bandwidth == pytest.approx(204.8e9)
    assert strongest.matrix[Precision.FP32] == pytest.approx(5.3e12, rel=0.01)
    assert strongest.matrix[Precision.FP16] == pytest.approx(42.5e12, rel=0.01)
    assert strongest.matrix[Precision.INT8] == pytest.approx(85e12, rel=0.01)


def test_the_model_that_ships() -> None:
    (found,) = limits([find_bundle("passerby-s")], ORIN).models
    assert len(found.towers) == 2 * len(Precision) * len(BATCHES) * len(ORIN.modes)
    assert len(found.search) == len(PEOPLE) * 2 * len(ORIN.modes)
    assert found.people_that_fit[Precision.FP16] * (2 * found.dim + 8) <= ORIN.memory
    million = next(s for s in found.search if (s.people, s.precision, s.watts) == (1_000_000, Precision.FP16, 60))
    assert million.milliseconds == pytest.approx(1000 * 1_000_000 * found.dim * 2 / 204.8e9)
    assert million.binds is Bound.MEMORY
    assert million.joules == pytest.approx(60 * million.query_milliseconds / 1000)
    words = next(t for t in found.towers if (t.tower, t.precision, t.watts, t.batch) == ("text_tower", Precision.FP16, 60, 1))
    assert million.query_milliseconds == pytest.approx(million.milliseconds + 1000 / words.per_second)


def test_a_tower_that_multiplies_nothing_has_no_limit(tiny_bundle: Path) -> None:
    with pytest.raises(ModelError, match="text tower with convolutions"):
        limits([read_bundle(tiny_bundle)], ORIN)
