"""The next thing is made while the last one is used."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

AHEAD = 2
"""How many are made before they are needed."""

T = TypeVar("T")
R = TypeVar("R")


def look_ahead(make: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """``map(make, items)``, in one thread beside the caller's, in order."""
    with ThreadPoolExecutor(max_workers=1) as making:
        made = (making.submit(make, item) for item in items)
        ahead = deque(islice(made, AHEAD))
        while ahead:
            first = ahead.popleft()
            ahead.extend(islice(made, 1))
            yield first.result()
