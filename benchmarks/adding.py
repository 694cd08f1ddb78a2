"""What adding people costs: the search after it, against the search before, and the bytes written for each person.

Bytes are those that files grow by and those that pages of the database are written with, once to its log and once from there.
"""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
from common import Row, options, show
from synthetic import write_index

from passerby.find.query import Query, Term
from passerby.find.search import search
from passerby.index.sqlite.index import Index
from passerby.model.encoder import Encoder
from passerby.resolve import DEFAULT_MODEL, load_model
from passerby.types import Media

BATCH = 16
"""People that `passerby index` commits together."""


def measure(folder: Path, encoder: Encoder, people: int, rounds: int) -> Row:
    """Searches before and after an addition take turns."""
    rng = np.random.default_rng(1)
    direction = rng.standard_normal(encoder.dim).astype(np.float32)
    query = Query("anybody", (Term(1.0, direction / np.linalg.norm(direction)),), encoder.digest, encoder.name)
    before, after, adding, derived = [], [], [], []
    with Index.create(folder, encoder) as writer, Index.open(folder) as reader:
        writer.settle()
        search(reader, query)
        for number in range(rounds):
            before.append(_milliseconds(reader, query))
            size, started = _derived_bytes(folder), time.perf_counter()
            with writer.writing():
                writer.add(Media(Path(f"/added/{number}.jpg"), number, 0, f"{2**200 + number:064x}"), _unit(rng, encoder.dim))
            writer.settle()
            adding.append(1000 * (time.perf_counter() - started))
            derived.append(_derived_bytes(folder) - size)
            after.append(_milliseconds(reader, query))
        log = _log_bytes(writer, rng, encoder.dim, people)
    return {
        "people": people,
        "after / before": median(after) / median(before),
        "search before ms": median(before),
        "search after ms": median(after),
        "adding one ms": median(adding),
        "derived bytes a person": float(np.mean(derived)),
        "log bytes a person": log,
    }


def _milliseconds(index: Index, query: Query) -> float:
    started = time.perf_counter()
    search(index, query)
    return 1000 * (time.perf_counter() - started)


def _derived_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("vectors*"))


def _log_bytes(index: Index, rng: np.random.Generator, dim: int, people: int) -> float:
    """What SQLite's log takes for a person, in commits of ``BATCH`` with random digests, of ten commits."""
    index.purge()
    log, count = index.folder / "index.db-wal", 0
    for batch in range(10):
        with index.writing():
            for number in range(BATCH):
                name = f"/logged/{people + batch * BATCH + number:09}.jpg"
                index.add(Media(Path(name), int(rng.integers(10**5)), 0, rng.bytes(32).hex()), _unit(rng, dim))
                count += 1
    return log.stat().st_size / count


def _unit(rng: np.random.Generator, dim: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    vector = rng.standard_normal(dim).astype(np.float32)
    return vector / np.float32(np.linalg.norm(vector))


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--people", type=int, nargs="+", default=[50_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=20)
    given = parser.parse_args()
    rows = []
    for people in given.people:
        with TemporaryDirectory() as folder:
            write_index(Path(folder), given.model, people)
            rows.append(measure(Path(folder), load_model(given.model), people, given.rounds))
    show("adding", rows, as_json=given.json)


if __name__ == "__main__":
    main()
