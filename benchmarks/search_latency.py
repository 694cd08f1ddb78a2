"""Latency of a query in a running process, against plain numpy and against one pass over the vectors' bytes.

A query is words through the text tower, then exact search. Plain numpy is a float32 matrix product in memory and a partial sort.
One pass is the sum of the searched vectors' bytes as 64-bit words by two threads: what reading them costs. Questions that also ask for 3 or
12 attributes, or none, are the same search with weights of what is worn; a filter by 3 attributes reads their columns.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from common import Row, options, show
from numpy.typing import NDArray
from synthetic import write_index

from passerby.find.query import ask
from passerby.find.search import search
from passerby.index.score import Weights
from passerby.index.sqlite.index import Index
from passerby.model.encoder import Encoder
from passerby.resolve import DEFAULT_MODEL, load_model

WORDS = (
    "a person wearing a red jacket, a black cap and brown shoes",
    "a woman in a long blue dress who carries a white handbag",
    "a man with a grey backpack, a green T-shirt and shorts",
)
K = 10
ATTRIBUTES = 193
"""As many as the model that ships says of what is worn."""


def numpy_search(vectors: NDArray[np.float32], direction: NDArray[np.float32]) -> NDArray[np.intp]:
    """Rows of the best ``K``, best first."""
    scores = vectors @ direction
    best = np.argpartition(scores, -K)[-K:]
    return best[np.argsort(-scores[best])]


def measure(index: Index, encoder: Encoder, queries: int) -> Row:
    """Percentiles over queries; the rivals take turns, so that they share what else the machine does."""
    with index.snapshot():
        table = index.vectors()
    (searched,) = table.parts
    asked = [np.bincount(np.linspace(3, 2 * ATTRIBUTES - 4, count).astype(int), minlength=2 * ATTRIBUTES) / 1000 for count in (0, 3, 12)]
    in_memory = searched.astype(np.float32)
    halves = np.array_split(searched.reshape(-1).view(np.uint64), 2)

    def turn(number: int, words: str) -> list[float]:
        query = ask(encoder, words)
        by_worn = [partial(index.nearest, [Weights(query.direction, worn)], K) for worn in asked]
        direction = query.direction.astype(np.float32)
        return [
            _milliseconds(lambda: ask(encoder, words)),
            _milliseconds(lambda: search(index, query, K)),
            _milliseconds(lambda: numpy_search(in_memory, direction)),
            _milliseconds(lambda: list(pool.map(np.sum, halves))),
            *np.roll([_milliseconds(work) for work in by_worn[-number % 3 :] + by_worn[: -number % 3]], -number % 3),
            _milliseconds(lambda: table.worn([1, 50, ATTRIBUTES + 7])),
        ]

    with ThreadPoolExecutor(2) as pool:
        turn(0, WORDS[0])
        ask_ms, search_ms, numpy_ms, pass_ms, plain_ms, few_ms, many_ms, columns_ms = np.array(
            [turn(*one) for one in enumerate(islice(cycle(WORDS), queries))]
        ).T
    return {
        "people": len(searched),
        "search / pass": float(np.median(search_ms) / np.median(pass_ms)),
        "search / numpy": float(np.median(search_ms) / np.median(numpy_ms)),
        "3 worn / none": float(np.median(few_ms / plain_ms)),
        "12 worn / none": float(np.median(many_ms / plain_ms)),
        "3 columns / none": float(np.median(columns_ms / plain_ms)),
        "query p50 ms": float(np.median(ask_ms + search_ms)),
        "query p99 ms": float(np.percentile(ask_ms + search_ms, 99)),
        "search p50 ms": float(np.median(search_ms)),
        "search p99 ms": float(np.percentile(search_ms, 99)),
        "numpy p50 ms": float(np.median(numpy_ms)),
        "pass p50 ms": float(np.median(pass_ms)),
    }


def _milliseconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - started)


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--people", type=int, nargs="+", default=[1_000, 100_000, 1_000_000])
    parser.add_argument("--queries", type=int, default=200)
    given = parser.parse_args()
    encoder = load_model(given.model)
    rows = []
    for people in given.people:
        with TemporaryDirectory() as folder:
            write_index(Path(folder), given.model, people, ATTRIBUTES)
            with Index.open(Path(folder)) as index:
                rows.append(measure(index, encoder, given.queries))
    show("search latency", rows, as_json=given.json)


if __name__ == "__main__":
    main()
