"""Whatever happens to a device and to its link, in any order: after a push the centre holds what the device holds."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from crops import media, random_vectors
from hypothesis import given, settings
from hypothesis import strategies as st
from kinds import KINDS
from pushing import held_of

from passerby.find.push.link import Centre as Link
from passerby.find.push.link import Unreachable
from passerby.find.push.send import push
from passerby.find.push.wire import About
from passerby.index.sighting import Sighting
from passerby.index.sqlite.index import Index
from passerby.media.clock import Camera
from passerby.model.bundle_encoder import BundleEncoder
from passerby.service.centre import Centre
from passerby.service.devices import Devices
from passerby.types import Box, Crop, MediaKind, Watched

VECTORS = random_vectors(64)
PLACES = st.integers(0, 3)
STEPS = st.one_of(
    st.tuples(st.sampled_from(["put", "more"]), PLACES, st.integers(0, 3)),
    st.tuples(st.sampled_from(["forget", "remove", "date"]), PLACES, st.integers(0, 3)),
    st.tuples(st.just("break"), st.integers(0, 5), st.booleans()),
    st.tuples(st.sampled_from(["push", "keep", "restore", "restart"])),
)


class Breaking(Link):
    """A link to a centre in this process, which breaks at a request: before the centre hears it, or before its answer is heard."""

    def __init__(self, centre: Centre) -> None:
        self.centre, self.left, self.heard = centre, -1, False

    def _through(self, what: Any, *values: Any) -> Any:
        self.left -= 1
        if self.left == 0 and not self.heard:
            raise Unreachable(expected="a link", found="none", do="try again")
        done = what("north", *values)
        if self.left == 0:
            raise Unreachable(expected="an answer", found="none", do="try again")
        return done

    def begin(self, about: Mapping[str, Any]) -> tuple[str, bytes]:
        return tuple(self._through(self.centre.begin, About.read(json.dumps(about).encode())))

    def send(self, session: str, batch: bytes) -> None:
        self._through(self.centre.take, session, batch)

    def end(self, session: str) -> None:
        self._through(self.centre.end, session)


class Device:
    """A device's index, which is changed, copied and brought back."""

    def __init__(self, folder: Path, encoder: BundleEncoder) -> None:
        self.folder, self.encoder, self.numbers = folder, encoder, iter(range(10**6))
        self.index = Index.create(folder / "index", encoder)
        self.keep()

    def people(self, count: int) -> list[Sighting]:
        return [
            Sighting((Crop(Box(n, 0, 10, 20), float(n)),), VECTORS[[n % len(VECTORS)]], n, float(n), n + 1.0)
            for n in (next(self.numbers) for _ in range(count))
        ]

    def put(self, place: int, count: int, *, more: bool = False) -> None:
        video = replace(media(f"/seen/{place}.mp4", str(place)), kind=MediaKind.VIDEO, camera="door", watched=Watched(float(count)))
        with self.index.writing():
            (self.index.put_more if more else self.index.put)(video, self.people(count))

    def date(self, place: int, offset: int) -> None:
        with self.index.writing():
            self.index.date(Path(f"/seen/{place}.mp4"), "gate" if offset else None, None)
            self.index.correct(Camera("door", float(offset)))

    def remove(self, which: int) -> None:
        if people := [person.id for person, _ in self.index.people() if person.id]:
            with self.index.writing():
                self.index.suppress(people[which % len(people)])

    def keep(self) -> None:
        with sqlite3.connect(self.folder / "kept.db") as copy:
            self.index._connections.of_this_thread().backup(copy)

    def restore(self) -> None:
        self.index.close()
        shutil.rmtree(self.folder / "index")
        (self.folder / "index").mkdir()
        shutil.copy(self.folder / "kept.db", self.folder / "index" / "index.db")
        self.index = Index.create(self.folder / "index", self.encoder)


@pytest.mark.parametrize("kind", KINDS)
@given(steps=st.lists(STEPS, max_size=12))
@settings(max_examples=10)
def test_the_centre_ends_with_what_the_device_holds(steps: list[tuple[Any, ...]], tiny_encoder: BundleEncoder, kind: str) -> None:
    with TemporaryDirectory() as folder, KINDS[kind](f"{folder}/centre", tiny_encoder) as at_centre:
        device = Device(Path(folder), tiny_encoder)
        link = Breaking(Centre(at_centre, tiny_encoder, Devices(Path(folder) / "service")))
        for step in [*steps, ("push",)]:
            take(step, device, link, at_centre)
        assert held_of(at_centre, "north") == held_of(device.index)
        known = {one.name: one.offset_seconds for one in at_centre.cameras()}
        offsets = {one.name: one.offset_seconds for one in device.index.cameras()}
        assert {name: known.get(f"north/{name}", 0.0) for name in offsets} == offsets
        device.index.close()


def take(step: tuple[Any, ...], device: Device, link: Breaking, at_centre: Any) -> None:
    match step:
        case ("put" | "more" as how, place, count):
            device.put(place, count, more=how == "more")
        case ("forget", place, _):
            with device.index.writing():
                device.index.forget(Path(f"/seen/{place}.mp4"))
        case ("remove", which, _):
            device.remove(which)
        case ("date", place, offset):
            device.date(place, offset)
        case ("break", after, heard):
            link.left, link.heard = after + 1, heard
            push(device.index, link, pauses=[0.0], batch_bytes=600)
            link.left = -1
        case ("push",):
            push(device.index, link, pauses=(), batch_bytes=600)
            assert held_of(at_centre, "north") == held_of(device.index)
        case ("keep",):
            device.keep()
        case ("restore",):
            device.restore()
        case ("restart",):
            link.centre = Centre(link.centre.index, link.centre.encoder, link.centre.devices)
