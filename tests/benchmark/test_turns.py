from __future__ import annotations

import time

import numpy as np
import pytest

from passerby.benchmark.interleaved import Timing, Work, take_turns
from passerby.benchmark.machine import Disturbance, doubts, this_machine


def timing(*medians: float) -> Timing:
    """Rounds of three calls."""
    return Timing(tuple(np.array([m, 0.9 * m, 1.2 * m]) for m in medians))


class TestTurns:
    def test_every_work_takes_one_turn_a_round(self) -> None:
        ran: list[str] = []
        works = {name: Work(lambda n=name: ran.append(n), calls=2) for name in "abcd"}  # type: ignore[misc]
        told: list[tuple[int, int]] = []
        found = take_turns(works, rounds=6, seconds=0, on_progress=lambda done, total: told.append((done, total)))
        assert ran[:4] == list("abcd"), "a first call of each is not timed"
        turns = [ran[4:][i : i + 8] for i in range(0, 48, 8)]
        assert all(sorted(turn[::2]) == list("abcd") and turn[::2] == turn[1::2] for turn in turns)
        assert len({tuple(turn) for turn in turns}) > 1, "the order is drawn anew"
        assert told == [(n, 24) for n in range(1, 25)]
        assert all(len(t.rounds) == 6 and t.calls == 12 for t in found.values())

    def test_times_are_those_of_the_calls(self) -> None:
        found = take_turns({"slow": Work(lambda: time.sleep(0.02)), "fast": Work(lambda: None)}, rounds=3, seconds=0.03)
        assert 0.02 <= found["slow"].seconds < 0.5
        assert found["fast"].seconds < found["slow"].seconds / 10
        assert found["slow"].calls <= 6 < found["fast"].calls

    def test_one_disturbed_round_moves_nothing(self) -> None:
        assert timing(1, 1, 1, 9, 1).seconds == timing(1, 1, 1, 1, 1).seconds == 1

    def test_percentiles_are_of_all_calls(self) -> None:
        assert timing(1, 2).percentile(100) == 2.4
        assert timing(1, 2).percentile(0) == 0.9


class TestDoubts:
    QUIET = Disturbance(load=0.1, throttles=3, stolen=5, total=1000)

    def test_a_quiet_machine_leaves_none(self) -> None:
        after = Disturbance(load=2.0, throttles=3, stolen=5, total=9000)
        assert doubts([timing(1, 1.01, 0.99, 1, 1.02, 1)] * 3, self.QUIET, after, cores=2) == []

    @pytest.mark.parametrize(
        ("medians", "word"), [((1, 1.3, 1, 0.9, 1.4, 1), "noisy"), ((1, 1, 1.05, 1.06, 1.12, 1.12), "throttled"), ((1, 1), "three rounds")]
    )
    def test_rounds_that_differ_are_noticed(self, medians: tuple[float, ...], word: str) -> None:
        found = doubts([timing(*medians)] * 2, self.QUIET, self.QUIET, cores=2)
        assert len(found) == 1 and word in found[0]

    def test_what_the_system_tells_is_noticed(self) -> None:
        busy = Disturbance(load=1.7, throttles=3, stolen=5, total=1000)
        hot = Disturbance(load=1.7, throttles=9, stolen=505, total=11_000)
        found = doubts([timing(1, 1, 1)], busy, hot, cores=2)
        assert [any(word in line for line in found) for word in ("load of 1.7", "slowed 6 times", "took 5%")] == [True] * 3

    def test_this_machine_can_be_asked(self) -> None:
        before, after = Disturbance.now(), Disturbance.now()
        assert after.total >= before.total >= 0
        machine = this_machine()
        assert machine.processor and machine.cores >= 1
