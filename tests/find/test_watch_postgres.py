"""Watching into PostgreSQL: files come into it, and who was seen live is shown by the page and on sheets, as of an index in a folder."""

from __future__ import annotations

import shutil
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from crops import random_vectors
from PIL import Image
from postgres import lend, server
from starlette.testclient import TestClient
from walkers import PASSING, write_walkers
from watching import small_models

from passerby.cli.app import app
from passerby.errors import ConfigError
from passerby.find.copying import copy_between
from passerby.find.watch.loop import WatchSettings, watch
from passerby.find.watch.state import CameraState, live_cameras, watching_alone, write_state
from passerby.index.local import local_folder
from passerby.index.open import create_index, open_index
from passerby.index.sighting import Sighting
from passerby.model.bundle_encoder import BundleEncoder
from passerby.service.app import create_app
from passerby.service.security import Listening
from passerby.service.service import Service
from passerby.types import Box, Crop, Media, MediaKind

GATE = Media(Path("gate/2026-11-29T03:00:00Z"), 0, 1, "", kind=MediaKind.CAMERA, camera="gate")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))


def red_at_the_gate() -> Sighting:
    target = BytesIO()
    Image.new("RGB", (100, 200), "#d01010").save(target, "JPEG")
    return Sighting((Crop(Box(0, 0, 100, 200), 1.0, 0.5),), random_vectors(1), 1, 0.0, 2.0, pictures=(target.getvalue(),))


def reds(picture: Image.Image) -> int:
    """How many of the pixels are red."""
    red, green, blue = np.moveaxis(np.asarray(picture.convert("RGB")), -1, 0)
    return int(np.count_nonzero((red > 180) & (green < 60) & (blue < 60)))


def test_folders_are_watched_into_postgres_by_one_process(tmp_path: Path, tiny_bundle: Path) -> None:
    url, said = server().url("watched"), list[str]()
    write_walkers(tmp_path / "recorder" / "film.mkv", PASSING, 4.0)
    settings = WatchSettings(pause=0.1, settled=0.0)
    watch(url, partial(small_models, tiny_bundle), [tmp_path / "recorder"], [], said.append, lambda: bool(said), settings)
    assert said == ["1 files indexed with 2 people"]
    with open_index(url) as index:
        assert {person.media.path.name for person, _ in index.people()} == {"film.mkv"}
        with watching_alone(local_folder(url)):
            write_state(local_folder(url), CameraState("gate", connected=True, since=1.0))
            assert [one.said for one in live_cameras(index)] == ["connected"]
            with pytest.raises(ConfigError, match="that nobody watches yet"):
                watch(url, partial(small_models, tiny_bundle), [tmp_path], [], said.append, lambda: True, settings)


def test_who_was_seen_live_is_shown(tiny_encoder: BundleEncoder, tiny_bundle: Path, tmp_path: Path) -> None:
    with lend("", tiny_encoder) as index:
        with index.writing():
            index.put(GATE, [red_at_the_gate()])
        page = TestClient(create_app(Service.of(index, tiny_encoder, Listening(), tmp_path / "service")), base_url="http://localhost")
        (id,) = [person.id for person, _ in index.people()]
        shown = page.get(f"/api/v1/crops/{id}-0")
        assert shown.status_code == 200
        assert reds(Image.open(BytesIO(shown.content))) == 100 * 200
    url, sheet = server().url("seen_live"), tmp_path / "found.png"
    with create_index(url, tiny_encoder) as own, own.writing():
        own.put(GATE, [red_at_the_gate()])
    for place in (url, str(tmp_path / "copy")):
        where = ("--index", place, "--model", str(tiny_bundle), "--sheet", str(sheet))
        assert CliRunner().invoke(app, ["search", "somebody", *where]).exit_code == 0
        with Image.open(sheet) as drawn:
            assert reds(drawn) > 100 * 200
        if place == url:
            copy_between(url, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy")
