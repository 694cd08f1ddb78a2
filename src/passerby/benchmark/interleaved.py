"""Works timed in turns: rivals that are run round by round share what else the machine does meanwhile."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from passerby.progress import Progress

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Work:
    """Something to be timed.

    Args:
        run: one call.
        calls: how many a round has at least.
    """

    run: Callable[[], object]
    calls: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Timing:
    """How long the calls of a work took, in seconds: float64 (calls,) for each round."""

    rounds: tuple[NDArray[np.float64], ...]

    @property
    def calls(self) -> int:
        return sum(map(len, self.rounds))

    @property
    def medians(self) -> NDArray[np.float64]:
        """The median call of each round, in seconds: float64 (rounds,)."""
        return np.array([np.median(calls) for calls in self.rounds])

    @property
    def seconds(self) -> float:
        """A call's time: the median of the rounds' medians, which one disturbed round does not move."""
        return float(np.median(self.medians))

    def percentile(self, q: float) -> float:
        """Of all calls, in seconds; q in [0, 100]."""
        return float(np.percentile(np.concatenate(self.rounds), q))


def take_turns(
    works: Mapping[Key, Work], *, rounds: int, seconds: float, seed: int = 0, on_progress: Progress | None = None
) -> dict[Key, Timing]:
    """Time every work once a round, in an order that is drawn anew for each round; a first call of each is not timed.

    Args:
        rounds: at least one.
        seconds: how long a work's turn lasts at least; longer when one call, or the work's least number of calls, takes longer.
        seed: of the order.
        on_progress: told how many turns are over.
    """
    order, draw = list(works), random.Random(seed)
    for work in works.values():
        work.run()
    timed: dict[Key, list[NDArray[np.float64]]] = {key: [] for key in works}
    for done in range(rounds):
        draw.shuffle(order)
        for place, key in enumerate(order, 1):
            timed[key].append(_turn(works[key], seconds))
            if on_progress:
                on_progress(done * len(order) + place, rounds * len(order))
    return {key: Timing(tuple(calls)) for key, calls in timed.items()}


def _turn(work: Work, seconds: float) -> NDArray[np.float64]:
    calls: list[float] = []
    before = started = time.perf_counter()
    while len(calls) < work.calls or before - started < seconds:
        work.run()
        after = time.perf_counter()
        calls.append(after - before)
        before = after
    return np.array(calls)
