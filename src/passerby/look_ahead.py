"""Work done by threads a few items ahead of whoever takes its results: bounded, and in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def look_ahead(items: Iterable[T], work: Callable[[T], R], ahead: int, threads: int) -> Generator[R]:
    """What ``work`` makes of each item, in the items' order, from threads that end with the iterator, however it ends.

    Args:
        work: called by several threads at once; an error in it is raised in its turn.
        ahead: how many items are drawn before their results are taken, so memory stays bounded however many there are.
    """
    source = iter(items)
    pending: deque[Future[R]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="passerby-read")

    def fill() -> None:
        pending.extend(pool.submit(work, item) for item in islice(source, ahead - len(pending)))

    try:
        fill()
        while pending:
            result = pending.popleft().result()
            fill()
            yield result
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
