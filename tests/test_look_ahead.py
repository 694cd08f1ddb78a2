"""Threads that work a few items ahead: results in order, a bound on what is drawn, and no thread left."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passerby.look_ahead import look_ahead


@settings(max_examples=30)
@given(st.lists(st.one_of(st.none(), st.integers(0, 9)), max_size=30), st.integers(1, 8), st.integers(1, 4))
def test_results_are_those_of_a_plain_loop_and_few_are_drawn(items: list[int | None], ahead: int, threads: int) -> None:
    drawn = 0

    def source() -> Iterator[int | None]:
        nonlocal drawn
        for item in items:
            drawn += 1
            yield item

    def work(item: int | None) -> str:
        time.sleep((item or 0) / 10_000)
        return repr(item)

    found = []
    for result in look_ahead(source(), work, ahead, threads):
        found.append(result)
        assert drawn <= len(found) + ahead
    assert found == [repr(item) for item in items]


def test_an_error_comes_in_its_turn_and_no_thread_is_left() -> None:
    results = look_ahead([4, 2, 0, 1], lambda item: 8 // item, ahead=4, threads=2)
    assert [next(results), next(results)] == [2, 4]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("passerby-read")]
