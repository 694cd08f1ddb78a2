"""A service under load, beside a bare loop of the same text tower and scan in batches: many clients with distinct words, and one alone.

Each takes its turn in every round, and the median of its rounds is told, so that what else the machine does meets all of them alike. On a
machine that is busy judge by CPU: the processor's time for one question, of the serving process alone. Memory is that of `passerby serve`,
in a process of its own that the same clients ask.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import islice, product
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from urllib.parse import quote

import numpy as np
import synthetic
import uvicorn
from common import Row, options, show

from passerby.find.answer import find
from passerby.find.query import queries
from passerby.find.question import Question
from passerby.index.base import Index
from passerby.index.open import open_index
from passerby.model.encoder import Encoder
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


def bare(index: Index, encoder: Encoder, asked: Sequence[str]) -> Row:
    """Questions that are read, encoded and scanned in batches, and nothing else."""
    took = []
    for start in range(0, len(asked), AT_ONCE):
        began = time.perf_counter()
        questions = [Question(one) for one in asked[start : start + AT_ONCE]]
        index.nearest([one.weights for one in queries(encoder, questions)], 10)
        took.append(time.perf_counter() - began)
    return {"per second": len(asked) / sum(took), "p50 ms": 0.0, "p99 ms": 0.0, "refused": 0}


def inside(index: Index, encoder: Encoder, asked: Sequence[str]) -> Row:
    """Questions that a program asks one by one."""
    took = []
    for one in asked:
        began = time.perf_counter()
        find(index, encoder, one)
        took.append(time.perf_counter() - began)
    half, most = (1000 * np.percentile(took, [50, 99])).tolist()
    return {"per second": len(asked) / sum(took), "p50 ms": half, "p99 ms": most, "refused": 0}


@contextmanager
def served(index: Index, encoder: Encoder, folder: Path, at_once: int, port: int) -> Iterator[None]:
    """A service of the index that limits nobody."""
    service = Service.of(index, encoder, Listening(port=port), folder)
    service.engine.close()
    service = replace(service, engine=Engine(index, encoder, at_once=at_once), rates=Rates({}))
    server = uvicorn.Server(uvicorn.Config(create_app(service), port=port, log_level="warning", lifespan="off", access_log=False))
    thread = Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield
    server.should_exit = True
    thread.join()
    service.close()


async def client(port: int, number: int, asked: Sequence[str], took: list[float], codes: list[int]) -> None:
    """Ask one after the other, by one connection; from an address of its own where this machine has as many."""
    own = (f"127.0.0.{number + 2}", 0) if sys.platform == "linux" else None
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=own)
    for one in asked:
        began = time.perf_counter()
        writer.write(f"GET /api/v1/search?q={quote(one)} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        await reader.readexactly(int(head.partition("content-length: ")[2].partition("\r\n")[0]))
        took.append(time.perf_counter() - began)
        codes.append(int(head.split()[1]))
    writer.close()


async def load(port: int, clients: int, asked: Sequence[str]) -> None:
    """What the child process does: ask by so many at once, and print how that went."""
    took: list[float] = []
    codes: list[int] = []
    began = time.perf_counter()
    await asyncio.gather(*(client(port, number, asked[number::clients], took, codes) for number in range(clients)))
    whole = time.perf_counter() - began
    half, most = np.percentile(took, [50, 99]).tolist()
    print(
        json.dumps(
            {"per second": len(took) / whole, "p50 ms": 1000 * half, "p99 ms": 1000 * most, "refused": len(codes) - codes.count(200)}
        )
    )


def asked_by(clients: int, port: int, asked: Sequence[str]) -> Row:
    """How it went for so many clients of another process."""
    command = [sys.executable, __file__, "--load", str(clients), "--port", str(port)]
    done = subprocess.run(command, input=json.dumps(list(asked)), capture_output=True, text=True, check=True)
    found: Row = json.loads(done.stdout)
    return found


def measure(index: Index, encoder: Encoder, folder: Path, clients: int, count: int, rounds: int) -> list[Row]:
    """Everybody asks words that nobody asked before, but for those who ask the same again."""
    fresh = words()

    def take(some: int) -> list[str]:
        return list(islice(fresh, some))

    find(index, encoder, "a coat")
    told: dict[str, list[Row]] = {}
    with served(index, encoder, folder / "together", AT_ONCE, PORT), served(index, encoder, folder / "alone", 1, PORT + 1):
        for turn in range(rounds + 1):
            few = take(20)
            turns: tuple[tuple[str, list[str], Callable[[list[str]], Row]], ...] = (
                ("bare loop", take(count), partial(bare, index, encoder)),
                (f"{clients} clients", take(count), partial(asked_by, clients, PORT)),
                (f"{clients} clients, not batched", take(count // 2), partial(asked_by, clients, PORT + 1)),
                ("one client, new words", few, partial(asked_by, 1, PORT)),
                ("one client, the same words again", few, partial(asked_by, 1, PORT)),
                ("in a process, new words", take(20), partial(inside, index, encoder)),
            )
            for who, asked, act in turns:
                row = timed(act, asked)
                if turn:  # what is loaded at the first time is no part of it
                    told.setdefault(who, []).append(row)
    rows: list[Row] = [
        {"who": who, **{name: float(np.median([float(row[name]) for row in of])) for name in of[0]}} for who, of in told.items()
    ]
    loop = float(rows[0]["per second"])
    return [{**row, "/ loop": float(row["per second"]) / loop} for row in rows]


def timed(act: Callable[[list[str]], Row], asked: list[str]) -> Row:
    """What an act says, and how long this process took for each question."""
    began = time.process_time()
    row = act(asked)
    return {**row, "CPU ms": 1000 * (time.process_time() - began) / len(asked)}


def measure_memory(folder: Path, model: str, clients: int, asked: Sequence[str]) -> tuple[float, float]:
    """Megabytes of a service when it has answered once, and when it has answered so many clients."""
    command = [sys.executable, "-m", "passerby", "serve", "--index", str(folder), "--model", model, "--port", str(PORT)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as service:
        assert service.stderr is not None
        service.stderr.readline()  # which says that it listens
        asked_by(1, PORT, asked[:1])
        loaded = resident(service.pid)
        asked_by(clients, PORT, asked[1:])
        after = resident(service.pid)
        service.terminate()
    return loaded, after


def resident(process: int) -> float:
    """Megabytes of a process in memory."""
    told = subprocess.run(["ps", "-o", "rss=", "-p", str(process)], capture_output=True, text=True, check=True)
    return int(told.stdout) * 1024 / 1e6


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--questions", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--index", type=Path, help="one that this wrote, to be kept, or written where there is none")
    parser.add_argument("--load", type=int, help="ask as so many clients what comes on standard input; done by itself")
    parser.add_argument("--port", type=int, default=PORT, help="likewise")
    given = parser.parse_args()
    if given.load:
        asyncio.run(load(given.port, given.load, json.load(sys.stdin)))
        return
    with TemporaryDirectory() as name:
        folder = given.index or Path(name) / "index"
        if not folder.exists():
            write = [sys.executable, synthetic.__file__, folder, str(given.people), "--model", given.model, "--worn"]
            subprocess.run(write, check=True)  # by another process, whose memory is not this one's
        with open_index(folder) as index:
            rows = measure(index, load_model(given.model), Path(name), given.clients, given.questions, given.rounds)
        loaded, after = measure_memory(folder, given.model, given.clients, list(islice(words(), given.questions)))
        print(f"memory when a question was answered: {loaded:.0f} MB, and after {given.clients} clients: {after:.0f} MB", file=sys.stderr)
    show("a service under load", rows, as_json=given.json)


if __name__ == "__main__":
    main()
