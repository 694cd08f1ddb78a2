"""Exact search at its limit: over float16, and over INT8 with float rescoring, as a ratio to one pass over the same bytes.

    python benchmarks/search_limit.py --people 100000 1000000 5000000

One pass is the sum of the searched bytes as 64-bit words by two threads: what reading them costs. The INT8 form keeps each vector as
``round(127 v / max|v|)`` and its scale, takes the ``KEPT`` best by their integer products, and ranks those by their float16 vectors.
Recall is the share of the ten best by float16 vectors and float64 sums that it finds. Vectors are random, of length 1; queries are people
with noise.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numkong
import numpy as np
from common import Row, options, show
from numpy.typing import NDArray

from passerby.index.scan import in_parts, kth_best, rough_scores

DIM = 512
K = 10
KEPT = 20 * K
"""Candidates that float vectors rank."""
_CHUNK = 1 << 15


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """People's vectors twice: float16 (n, d), and int8 (n, d) to be multiplied by ``scales`` float32 (n,)."""

    exact: NDArray[np.float16]
    small: NDArray[np.int8]
    scales: NDArray[np.float32]


def random_table(people: int) -> Table:
    """The same vectors every time."""
    table = Table(np.empty((people, DIM), np.float16), np.empty((people, DIM), np.int8), np.empty(people, np.float32))
    rng = np.random.default_rng(0)
    for start in range(0, people, _CHUNK):
        rows = slice(start, min(start + _CHUNK, people))
        vectors = rng.standard_normal((rows.stop - start, DIM), np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        table.exact[rows] = vectors
        table.small[rows], table.scales[rows] = quantised(vectors)
    return table


def quantised(vectors: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """int8 (n, d) and scales float32 (n,) of float32 (n, d), each row by itself."""
    scales = np.abs(vectors).max(axis=1) / 127
    return np.rint(vectors / scales[:, None]).astype(np.int8), scales


def queries(table: Table, count: int) -> Iterator[NDArray[np.float64]]:
    """Unit vectors float64 (d,), each half somebody and half noise."""
    rng = np.random.default_rng(1)
    for row in rng.integers(len(table.exact), size=count):
        noise = rng.standard_normal(DIM)
        direction = table.exact[row].astype(np.float64) + noise / np.linalg.norm(noise)
        yield direction / np.linalg.norm(direction)


def search_float16(table: Table, direction: NDArray[np.float64]) -> NDArray[np.intp]:
    """Rows of the ten best, best first: the scan of `passerby search`, and its ranking of whoever could be among them."""
    return ranked(table, direction, best(rough_scores(table.exact, direction[None])[0], KEPT))


def search_int8(table: Table, direction: NDArray[np.float64]) -> NDArray[np.intp]:
    """The same from a scan of half the bytes."""
    query, _ = quantised(direction[None].astype(np.float32))
    scores = np.empty(len(table.small))

    def score(rows: slice) -> None:
        np.multiply(np.asarray(numkong.cdist(table.small[rows], query, "dot")).ravel(), table.scales[rows], out=scores[rows])

    in_parts(score, len(scores))
    return ranked(table, direction, best(scores, KEPT))


def ranked(table: Table, direction: NDArray[np.float64], rows: NDArray[np.intp]) -> NDArray[np.intp]:
    scores = table.exact[rows].astype(np.float64) @ direction
    return rows[np.argsort(-scores)][:K]


def best(scores: NDArray[np.float64], count: int) -> NDArray[np.intp]:
    """The rows of so many best scores, and of those equal to the last."""
    return np.flatnonzero(scores >= kth_best(scores, count))


def exactly(table: Table, directions: NDArray[np.float64]) -> list[set[int]]:
    """The slow truth for directions (q, d): the rows of each one's ten best by float64 sums over all people."""
    rows: NDArray[np.intp] = np.empty((len(directions), 0), np.intp)
    scores: NDArray[np.float64] = np.empty((len(directions), 0))
    for start in range(0, len(table.exact), _CHUNK):
        found = directions @ table.exact[start : start + _CHUNK].astype(np.float64).T
        rows = np.hstack([rows, np.broadcast_to(np.arange(start, start + found.shape[1]), found.shape)])
        scores = np.hstack([scores, found])
        kept = np.argpartition(scores, -K, axis=1)[:, -K:]
        rows, scores = np.take_along_axis(rows, kept, axis=1), np.take_along_axis(scores, kept, axis=1)
    return [set(best_rows) for best_rows in rows.tolist()]


def measure(people: int, count: int, checked: int) -> list[Row]:
    """A row for each form; they and the passes over their bytes take turns, so that they share what else the machine does, and which
    of the two comes first takes turns as well: the second finds bytes in the processor's cache."""
    table = random_table(people)
    forms: dict[str, tuple[Callable[[Table, NDArray[np.float64]], NDArray[np.intp]], NDArray[np.generic]]] = {
        "float16": (search_float16, table.exact),
        "int8": (search_int8, table.small),
    }
    words = {name: searched.reshape(-1).view(np.uint64) for name, (_, searched) in forms.items()}
    spent: dict[tuple[str, str], list[float]] = {}
    for turn, direction in enumerate(queries(table, count + 2)):
        for name, (search, _) in forms.items():
            timed: dict[str, Callable[[], object]] = {
                "search": partial(search, table, direction),
                "pass": partial(one_pass, words[name]),
            }
            for what in sorted(timed, reverse=turn % 2 == 1):
                took = milliseconds(timed[what])
                if turn > 1:
                    spent.setdefault((name, what), []).append(took)
    asked = list(queries(table, checked))
    truths = list(zip(asked, exactly(table, np.stack(asked)), strict=True))
    return [
        {
            "people": people,
            "vectors": name,
            "search / pass": float(np.median(spent[name, "search"]) / np.median(spent[name, "pass"])),
            "search p50 ms": float(np.median(spent[name, "search"])),
            "search p99 ms": float(np.percentile(spent[name, "search"], 99)),
            "pass p50 ms": float(np.median(spent[name, "pass"])),
            "recall at 10": float(np.mean([len(truth & set(search(table, direction).tolist())) / K for direction, truth in truths])),
            "MB": searched.nbytes / 1e6,
        }
        for name, (search, searched) in forms.items()
    ]


def one_pass(words: NDArray[np.uint64]) -> None:
    """Read them all, by the threads that search."""
    in_parts(lambda part: np.sum(words[part]), len(words))


def milliseconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - started)


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--people", type=int, nargs="+", default=[100_000, 1_000_000, 5_000_000], help="5,000,000 need 10 GB of memory")
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--checked", type=int, default=100, help="queries by which recall is measured")
    given = parser.parse_args()
    rows = [row for people in given.people for row in measure(people, given.queries, given.checked)]
    show("search at the limit", rows, as_json=given.json)


if __name__ == "__main__":
    main()
