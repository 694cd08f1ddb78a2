"""Devices that push to a centre on this machine, over links that may break; and what both hold, to be compared."""

from __future__ import annotations

import random
import select
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Thread
from typing import Any

import uvicorn

from passerby.devices import device_and_path
from passerby.index.base import Index
from passerby.model.encoder import Encoder
from passerby.service.app import create_app
from passerby.service.security import Listening, Rates
from passerby.service.service import Service
from passerby.service.tokens import Role


@contextmanager
def centre(index: Index, encoder: Encoder, folder: Path, certificate: Path | None = None, key: Path | None = None) -> Iterator[Service]:
    """A service of an index that listens on this machine, and lets devices in."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    service = replace(Service.of(index, encoder, Listening(port=port, certificate=certificate, key=key), folder), rates=Rates({}))
    server = uvicorn.Server(
        uvicorn.Config(create_app(service), port=port, log_level="error", lifespan="off", ssl_certfile=certificate, ssl_keyfile=key)
    )
    thread = Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    try:
        yield service
    finally:
        server.should_exit = True
        thread.join()
        service.close()


@dataclass
class Cutting:
    """A proxy to a port of this machine that cuts links off at random bytes, in either direction."""

    url: str
    mean: float


@contextmanager
def breaking(port: int, seed: int, mean: float = 20_000) -> Iterator[Cutting]:
    """A proxy that lets about so many bytes of a link pass."""
    chance = random.Random(seed)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        cutting = Cutting(f"http://127.0.0.1:{listener.getsockname()[1]}", mean)

        def accept() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                Thread(target=_carry, args=(client, port, chance.expovariate(1 / cutting.mean)), daemon=True).start()

        thread = Thread(target=accept, daemon=True)
        thread.start()
        yield cutting
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def _carry(client: socket.socket, port: int, left: float) -> None:
    """Carry bytes both ways until so many have passed, then cut both ends."""
    with client, suppress(OSError), socket.create_connection(("127.0.0.1", port)) as server:
        other = {client: server, server: client}
        while left > 0:
            for ready in select.select([client, server], [], [], 30)[0]:
                data = ready.recv(min(4096, int(left) + 1))
                if not data:
                    return
                other[ready].sendall(data)
                left -= len(data)


def token_of(service: Service, device: str) -> str:
    return service.tokens.add(device, Role.DEVICE)


def held_of(index: Index, device: str | None = None) -> list[tuple[Any, ...]]:
    """Everybody of a device in an index, of ``None`` in its own, in an order of their own: whom and what is known of them."""
    found = []
    for person, crops in index.people():
        name, path = device_and_path(person.media.path)
        if name == device:
            media, camera = person.media, person.media.camera
            camera = camera and camera.removeprefix(f"{device}/")
            facts = (media.kind, media.size, camera, media.started_at, media.known_by, media.away_since, media.watched, media.sought)
            rows = [(crop, index.vector_of(person, crop).tobytes(), index.worn_of(person, crop).tobytes()) for crop in crops]
            found.append((str(path), person.track, person.first, person.last, person.static, repr(facts), repr(rows)))
    return sorted(found, key=repr)
