"""Many questions at once: the scan of the vectors, also of 6 attributes for each, and asking end to end, beside one question."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from common import Row, options, show
from synthetic import write_index

from passerby.find.answer import answers
from passerby.find.query import directions
from passerby.find.question import Question
from passerby.index.score import Weights
from passerby.index.sqlite.index import Index
from passerby.model.encoder import Encoder
from passerby.resolve import DEFAULT_MODEL, load_model

COLOURS = ("red", "blue", "green", "black", "white", "grey", "yellow", "brown")
WORN = ("jacket and blue jeans", "coat with a black bag", "T-shirt and shorts", "hoodie, no hat")
WORDS = tuple(f"a person in a {colour} {worn}" for worn in WORN for colour in COLOURS)
COUNTS = (1, 8, 32)
ATTRIBUTES = 193
"""As many as the model that ships says of what is worn."""
ASKED = 6


def measure(index: Index, encoder: Encoder, turns: int) -> list[Row]:
    """The median of each count's times; the counts take turns, so that they share what else the machine does."""
    with index.snapshot():
        table = index.vectors()
    rng = np.random.default_rng(0)
    plain = [Weights(direction) for direction in directions(encoder, WORDS)]
    worn = [one._replace(worn=rng.permutation(np.repeat([0.001, 0], [ASKED, 2 * ATTRIBUTES - ASKED]))) for one in plain]
    times = []
    for _ in range(turns + 1):
        whole_ms = [milliseconds(partial(ask, index, encoder, count)) for count in COUNTS]
        table.weighted(plain)  # the model's threads wait awake for a moment
        scan_ms = [[milliseconds(partial(table.weighted, of[:count])) for count in COUNTS] for of in (plain, worn)]
        times.append([*scan_ms, whole_ms])
    scan, of_worn, whole = np.median(times[1:], axis=0).tolist()
    return [
        {
            "people": len(table),
            "questions": count,
            "scan ms": scan[n],
            "scan / one": scan[n] / scan[0],
            "scan with worn / scan": of_worn[n] / scan[n],
            "end to end ms": whole[n],
            "end to end / one": whole[n] / whole[0],
        }
        for n, count in enumerate(COUNTS)
    ]


def ask(index: Index, encoder: Encoder, count: int) -> None:
    """Read, encode, search and explain so many questions."""
    answers(index, encoder, [Question(words) for words in WORDS[:count]])


def milliseconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - started)


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--turns", type=int, default=20)
    given = parser.parse_args()
    with TemporaryDirectory() as folder:
        write_index(Path(folder), given.model, given.people, ATTRIBUTES)
        with Index.open(Path(folder)) as index:
            show("many questions", measure(index, load_model(given.model), given.turns), as_json=given.json)


if __name__ == "__main__":
    main()
