"""A service under load, beside a bare loop of the same text tower and scan in batches: many clients with distinct words, and one alone."""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice, product
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from urllib.parse import quote

import numpy as np
import uvicorn
from common import Row, options, show
from synthetic import write_index

from passerby.find.answer import find
from passerby.find.query import queries
from passerby.find.question import Question
from passerby.index.base import Index
from passerby.index.open import open_index
from passerby.model.encoder import Encoder, attributes_of
from passerby.resolve import DEFAULT_MODEL, load_model
from passerby.service.app import create_app
from passerby.service.engine import AT_ONCE, Engine
from passerby.service.security import Listening, Rates
from passerby.service.service import Service

COLOURS = ("red", "blue", "green", "black", "white", "grey", "yellow", "brown", "pink", "orange", "purple", "beige")
ABOVE = ("jacket", "coat", "t-shirt", "hoodie", "shirt", "sweater", "vest", "dress")
BELOW = ("jeans", "trousers", "shorts", "skirt", "leggings")
PORT = 8643


def words() -> Iterator[str]:
    """Descriptions, no two alike."""
    for number, (above, colour, below, other) in enumerate(product(ABOVE, COLOURS, BELOW, COLOURS)):
        yield f"a person number {number} in a {colour} {above} and {other} {below}"


def bare(index: Index, encoder: Encoder, asked: Sequence[str]) -> float:
    """Questions in a second: read, encoded and scanned in batches, and nothing else."""
    began = time.perf_counter()
    for start in range(0, len(asked), AT_ONCE):
        questions = [Question(one) for one in asked[start : start + AT_ONCE]]
        index.nearest([one.weights for one in queries(encoder, questions)], 10)
    return len(asked) / (time.perf_counter() - began)


@contextmanager
def served(index: Index, encoder: Encoder, folder: Path, at_once: int) -> Iterator[None]:
    """A service of the index that limits nobody."""
    service = Service.of(index, encoder, Listening(port=PORT), folder)
    service.engine.close()
    service = replace(service, engine=Engine(index, encoder, at_once=at_once), rates=Rates({}))
    server = uvicorn.Server(uvicorn.Config(create_app(service), port=PORT, log_level="warning", lifespan="off", access_log=False))
    thread = Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield
    server.should_exit = True
    thread.join()
    service.close()


async def client(asked: Sequence[str], took: list[float], codes: list[int]) -> None:
    """Ask one after the other, by one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
    for one in asked:
        began = time.perf_counter()
        writer.write(f"GET /api/v1/search?q={quote(one)} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        await reader.readexactly(int(head.partition("content-length: ")[2].partition("\r\n")[0]))
        took.append(time.perf_counter() - began)
        codes.append(int(head.split()[1]))
    writer.close()


async def load(clients: int, asked: Sequence[str]) -> None:
    """What the child process does: ask by so many at once, and print how that went."""
    took: list[float] = []
    codes: list[int] = []
    began = time.perf_counter()
    await asyncio.gather(*(client(asked[number::clients], took, codes) for number in range(clients)))
    whole = time.perf_counter() - began
    half, most = np.percentile(took, [50, 99]).tolist()
    print(
        json.dumps(
            {"per second": len(took) / whole, "p50 ms": 1000 * half, "p99 ms": 1000 * most, "refused": len(codes) - codes.count(200)}
        )
    )


def asked_by(clients: int, asked: Sequence[str]) -> Row:
    """How it went for so many clients of another process."""
    command = [sys.executable, __file__, "--load", str(clients)]
    done = subprocess.run(command, input=json.dumps(list(asked)), capture_output=True, text=True, check=True)
    found: Row = json.loads(done.stdout)
    return found


def measure(index: Index, encoder: Encoder, folder: Path, clients: int, count: int) -> list[Row]:
    """The loop first and last, so that what else the machine does shows; each asks words that nobody asked before."""
    fresh = words()

    def take(some: int) -> list[str]:
        return list(islice(fresh, some))

    find(index, encoder, "a coat")
    before = bare(index, encoder, take(count))
    with served(index, encoder, folder / "together", AT_ONCE):
        together = asked_by(clients, take(count))
        asked = take(20)
        alone, again = asked_by(1, asked), asked_by(1, asked)
    with served(index, encoder, folder / "alone", 1):
        unbatched = asked_by(clients, take(count // 2))
    after = bare(index, encoder, take(count))
    inside = np.median([_seconds(index, encoder, one) for one in take(20)]) * 1000
    loop = (before + after) / 2
    said = (
        ("bare loop", {"per second": loop, "p50 ms": 0.0, "p99 ms": 0.0, "refused": 0}),
        (f"{clients} clients", together),
        (f"{clients} clients, not batched", unbatched),
        ("one client, new words", alone),
        ("one client, the same words again", again),
        ("in a process, new words", {"per second": 1000 / inside, "p50 ms": inside, "p99 ms": 0.0, "refused": 0}),
    )
    return [{"who": who, **row, "/ loop": float(row["per second"]) / loop} for who, row in said]


def _seconds(index: Index, encoder: Encoder, one: str) -> float:
    began = time.perf_counter()
    find(index, encoder, one)
    return time.perf_counter() - began


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--questions", type=int, default=400)
    parser.add_argument("--load", type=int, help="ask as so many clients what comes on standard input; done by itself")
    given = parser.parse_args()
    if given.load:
        asyncio.run(load(given.load, json.load(sys.stdin)))
        return
    with TemporaryDirectory() as name:
        write_index(Path(name) / "index", given.model, given.people, len(attributes_of(load_model(given.model))))
        with open_index(Path(name) / "index") as index:
            rows = measure(index, load_model(given.model), Path(name), given.clients, given.questions)
    show("a service under load", rows, as_json=given.json)
    print(f"memory at most: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB", file=sys.stderr)


if __name__ == "__main__":
    main()
