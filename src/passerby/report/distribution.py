"""How values are spread: the few figures that say it, and a histogram whose edges are the same for every dataset."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True)
class Distribution:
    """A summary of at least one value.

    Args:
        edges: of the histogram, rising; one more than ``counts``.
        counts: values in ``[edges[i], edges[i + 1])``; those outside all edges are in the first or last.
    """

    count: int
    mean: float
    std: float
    min: float
    p5: float
    p25: float
    median: float
    p75: float
    p95: float
    max: float
    edges: tuple[float, ...]
    counts: tuple[int, ...]


def distribution(values: ArrayLike, edges: NDArray[np.float64]) -> Distribution | None:
    """The distribution of numbers (n,); ``None`` for none, of which there is nothing to say.

    Args:
        edges: (bins + 1,), rising; fixed for a measure, so that two datasets can be laid over one another.
    """
    numbers = np.asarray(values, np.float64)
    if not numbers.size:
        return None
    least, p5, p25, median, p75, p95, most = map(float, np.quantile(numbers, (0, 0.05, 0.25, 0.5, 0.75, 0.95, 1)))
    counts, _ = np.histogram(np.clip(numbers, edges[0], edges[-1]), edges)
    return Distribution(
        count=numbers.size,
        mean=float(numbers.mean()),
        std=float(numbers.std()),
        min=least,
        p5=p5,
        p25=p25,
        median=median,
        p75=p75,
        p95=p95,
        max=most,
        edges=tuple(edges.tolist()),
        counts=tuple(counts.tolist()),
    )


def percent(part: float, whole: float) -> float:
    """Part of a whole in percent; 0 of nothing."""
    return 100 * part / whole if whole else 0.0
