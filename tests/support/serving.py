"""A small world to serve: drawn people at two cameras, and a photo with two of them, in an index of the bundled model."""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import uvicorn
from PIL import Image
from starlette.testclient import TestClient

from passerby.data.synthetic import demo_people, write_gallery
from passerby.detect.people import Detecting
from passerby.find.ingest.run import index_paths
from passerby.index.open import create_index, open_index
from passerby.index.sighting import Sighting
from passerby.media.files import read_media
from passerby.model.encoder import Encoder, see
from passerby.model.preprocess import preprocess
from passerby.model.worn import worn_bytes
from passerby.resolve import load_model
from passerby.service.app import create_app
from passerby.service.indexing.folders import NO_INDEXING, Indexing
from passerby.service.indexing.process import index_command
from passerby.service.security import Listening, Rates
from passerby.service.service import Service
from passerby.types import Box, Crop

PEOPLE = 15


@dataclass(frozen=True)
class Sample:
    """Where it is, and who made it."""

    folder: Path
    index: Path
    encoder: Encoder
    street: Path


def write_sample(folder: Path) -> Sample:
    encoder = load_model("passerby-s")
    pictures = write_gallery(folder / "drawn", demo_people(PEOPLE), seed=7, views=2)
    seen = folder / "seen"
    seen.mkdir()
    for number, picture in enumerate(pictures):
        camera, hour = ("north gate", 9) if number % 2 else ("lobby", 14)
        picture.rename(seen / f"{camera}_202611{27 + number % 3}_{hour + number % 4:02}{number:02}00.jpg")
    street = _write_street(folder / "street" / "street.png", sorted(seen.iterdir())[4:6])
    with create_index(folder / "index", encoder) as index:
        index_paths(index, encoder, [seen], name_pattern="{camera}_%Y%m%d_%H%M%S", zone="UTC")
        media = read_media(street)[0]
        with index.writing():
            index.put(media, [_sighting(encoder, street, box) for box in (Box(20, 10, 90, 230), Box(180, 10, 90, 230))])
        index.settle()
    return Sample(folder, folder / "index", encoder, street)


def copy_of(sample: Sample, folder: Path) -> Sample:
    """The same people in an index of its own, to be changed."""
    shutil.copytree(sample.index, folder / "index")
    return Sample(folder, folder / "index", sample.encoder, sample.street)


def indexing_of(sample: Sample, *folders: Path) -> Indexing:
    """What lets folders be indexed as `passerby serve` does."""
    return Indexing(folders, index_command(sample.index, "passerby-s"))


def _write_street(path: Path, people: list[Path]) -> Path:
    street = Image.new("RGB", (300, 250), "#cfd4d8")
    for left, file in zip((20, 180), people, strict=True):
        with Image.open(file) as person:
            street.paste(person.resize((90, 230)), (left, 10))
    path.parent.mkdir()
    street.save(path)
    return path


def _sighting(encoder: Encoder, photo: Path, box: Box) -> Sighting:
    with Image.open(photo) as image:
        crop = image.crop((round(box.x), round(box.y), round(box.x + box.width), round(box.y + box.height)))
    seen = see(encoder, preprocess(crop, encoder.preprocessing)[None])
    return Sighting((Crop(box),), np.asarray(seen.vectors, np.float32), worn=worn_bytes(seen.log_odds))


@contextmanager
def serving(
    sample: Sample,
    folder: Path,
    listening: Listening | None = None,
    *,
    limited: bool = False,
    detecting: Detecting | None = None,
    indexing: Indexing = NO_INDEXING,
) -> Iterator[Client]:
    """A client of a service of the sample; unless it is said, who comes often is not kept out."""
    with open_index(sample.index) as index:
        service = Service.of(index, sample.encoder, listening or Listening(), folder, detecting=detecting, indexing=indexing)
        if not limited:
            service = replace(service, rates=Rates({}))
        with TestClient(create_app(service), base_url="http://localhost", follow_redirects=False, raise_server_exceptions=False) as http:
            yield Client(http, service)
        service.close()


@dataclass(frozen=True)
class Client:
    """What asks, and what is asked."""

    http: TestClient
    service: Service


@contextmanager
def listening(sample: Sample, folder: Path, detecting: Detecting | None = None, indexing: Indexing = NO_INDEXING) -> Iterator[str]:
    """The address of a service of the sample that listens on this machine."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    with open_index(sample.index) as index:
        how: dict[str, Any] = {"detecting": detecting, "indexing": indexing}
        service = replace(Service.of(index, sample.encoder, Listening(port=port), folder, **how), rates=Rates({}))
        server = uvicorn.Server(uvicorn.Config(create_app(service), port=port, log_level="warning", lifespan="off"))
        thread = Thread(target=server.run)
        thread.start()
        while not server.started:
            time.sleep(0.02)
        yield service.listening.url
        server.should_exit = True
        thread.join()
        service.close()
