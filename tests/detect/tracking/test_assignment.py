"""The assignment, beside all assignments that there are."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from passerby.detect.tracking.assignment import assign
from passerby.errors import InputError

SHAPES = array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=5)
GAINS = st.one_of(st.integers(-2, 3).map(float), st.floats(-1, 1))


def greatest(gain: NDArray[np.float64]) -> float:
    """The most that any pairing gains, by trying all."""
    useful = np.maximum(gain if gain.shape[0] <= gain.shape[1] else gain.T, 0)
    rows = np.arange(len(useful))
    return max(float(useful[rows, list(columns)].sum()) for columns in permutations(range(useful.shape[1]), len(useful)))


@given(arrays(np.float64, SHAPES, elements=GAINS))
def test_no_pairing_gains_more_than_the_one_found(gain: NDArray[np.float64]) -> None:
    rows, columns = assign(gain)
    assert len(set(rows)) == len(rows) == len(set(columns)) == len(columns)
    assert (np.diff(rows) > 0).all()
    assert (gain[rows, columns] > 0).all()
    assert gain[rows, columns].sum() == pytest.approx(greatest(gain), abs=1e-9)


@pytest.mark.parametrize("gain", [np.array([[np.nan]]), np.array([[np.inf]]), np.zeros(3)])
def test_gains_that_are_none_are_refused(gain: NDArray[np.float64]) -> None:
    with pytest.raises(InputError, match="finite gains"):
        assign(gain)
