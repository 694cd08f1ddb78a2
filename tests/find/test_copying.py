"""An index as another: everything is there, under the same ids, and answers are equal to the bit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from crops import media, random_vectors
from indexing import DressedEncoder
from postgres import server

from passerby.cli.app import app
from passerby.errors import IndexFault, InputError
from passerby.find.copying import copy_between, copy_index
from passerby.index.base import Copyable
from passerby.index.info import IndexedModel
from passerby.index.open import create_index, create_index_of, open_index
from passerby.index.score import Weights
from passerby.index.sighting import Sighting
from passerby.media.clock import Camera
from passerby.model.bundle_encoder import BundleEncoder
from passerby.types import Box, Crop, MediaKind, ModelDigest, Sought, Watched

VECTORS = random_vectors(40)


@pytest.fixture(scope="module")
def dressed(tiny_encoder: BundleEncoder) -> DressedEncoder:
    return DressedEncoder(tiny_encoder._bundle, threads=1)


@pytest.fixture
def original(dressed: DressedEncoder, tmp_path: Path) -> Iterator[Copyable]:
    """Of all that an index can hold, with gaps between ids."""
    rng = np.random.default_rng(3)
    sought, watched = (
        Sought(ModelDigest("d" * 64), 640, 40.0, 45.5, 5.0, quick=True, motion=True),
        Watched(60.0, 2, 50.0, True, ((3.0, 4.5),), 7),
    )
    with create_index(str(tmp_path / "original"), dressed) as index:
        with index.writing():
            for number in range(12):
                item = replace(media(f"/photos/{number}.jpg", f"{number}"), started_at=40_000.0 * number, camera="gate", known_by="exif")
                signature = rng.integers(0, 256, (1, 128), np.uint8) if number % 4 else np.ones((1, 128), np.uint8)
                worn = rng.integers(0, 256, (1, 6), np.uint8) if number % 3 else None
                index.put(item, [Sighting((Crop(Box(1, 2, 3, 4), None, 0.5),), VECTORS[number][None], signatures=signature, worn=worn)])
        index.fold()
        with index.writing():
            film = replace(media("/film.mp4", "film"), kind=MediaKind.VIDEO, sought=sought, watched=watched, zone="Europe/Berlin", device=3)
            crops = tuple(Crop(Box(n, 0, 10, 20), float(n), 0.1 * n) for n in range(3))
            index.put(
                film, [Sighting(crops, VECTORS[20:23], 7, 0.0, 9.5), Sighting((Crop(time=1.0),), VECTORS[23:24], 8, 0.0, 3.0, static=True)]
            )
            index.leave_off(film.path, "at 9")
            index.put(replace(media("/nobody.jpg", "n"), sought=sought), [])
            index.add(media("/photos/again.jpg", "again"), VECTORS[30], np.ones(128, np.uint8))
            index.link(media("/photos/copy.jpg", "5"))
            index.fail(Path("/broken.jpg"), 5, 6, "no picture")
            index.miss(Path("/photos/2.jpg"), 77)
            index.correct(Camera("gate", 90.5, "Europe/Berlin"))
            pushed = replace(media("/device:/north/photos/1.jpg", "pushed"), changed_ns=2**62, device=2**62)
            index.put(pushed, [Sighting((Crop(),), VECTORS[31][None], pictures=(b"a thumbnail",))])
            index.keep_from(-5.5)
            index.keep_for(86400.5)
            index.rest(Path("/nobody.jpg"), "rests")
            index.suppress(3)
            index.forget(Path("/photos/7.jpg"))
        index.fold()
        assert isinstance(index, Copyable)
        yield index


def everything(index: Copyable) -> object:
    """What an index says of all that it holds."""
    paths = index.paths_under(Path("/"))
    questions = [Weights(vector.astype(np.float64)) for vector in VECTORS[:6]] + [Weights(VECTORS[9].astype(np.float64), np.full(6, 1e-3))]
    people = list(index.people())
    return (
        people,
        [
            (index.vector_of(one, crop).tobytes(), index.worn_of(one, crop).tobytes(), crop.kept and crop.kept())
            for one, crops in people
            for crop in crops
        ],
        [(path, index.standing(path), index.kept_out(path), index.left_off(path)) for path in paths],
        (
            index.failures(),
            index.cameras(),
            index.seen_by_cameras(),
            index.zones(),
            index.looked_into(),
            index.counts(),
            index.suppression(),
            index.kept_from(),
            index.kept_for(),
            [index.rests(path) for path in paths],
        ),
        [(one.people, [part.tolist() for part in one.crowd]) for fold in (True, False) for one in index.nearest(questions, 9, fold=fold)],
    )


def test_a_copy_and_the_copy_of_that_are_equal_to_the_bit(original: Copyable, tmp_path: Path) -> None:
    url = server().url("copy_of_all")
    told: list[tuple[int, int]] = []
    with create_index_of(url, of(original)) as there:
        report = copy_index(original, there, lambda *progress: told.append(progress))
        assert everything(there) == everything(original)
        assert (report.people, report.before, report.media, report.failures, report.suppressed) == (15, 0, 16, 1, 1)
        assert told[-1] == (15, 15)
        with create_index_of(tmp_path / "back", of(original)) as back:
            copy_index(there, back)
            assert everything(back) == everything(original)
        with there.writing():
            there.unsuppress(3)
            there.add(media("/new.jpg", "new"), VECTORS[1])
        assert max(person.id or 0 for person, _ in there.people()) > max(person.id or 0 for person, _ in original.people())


def test_a_copy_that_was_stopped_goes_on(original: Copyable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("passerby.find.copying.ROWS", 4)

    def stop(done: int, _: int) -> None:
        if done == 8:
            raise KeyboardInterrupt

    with create_index_of(server().url("stopped"), of(original)) as there:
        with pytest.raises(KeyboardInterrupt):
            copy_index(original, there, stop)
        assert len(list(there.people())) == 8
        report = copy_index(original, there)
        assert (report.people, report.before) == (15, 8)
        assert everything(there) == everything(original)
        with pytest.raises(IndexFault, match="expected an empty index to copy into, found one that holds something"):
            copy_index(original, there)


def test_what_changed_since_a_copy_was_begun_is_not_mixed(original: Copyable, tmp_path: Path) -> None:
    def stop(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with create_index_of(tmp_path / "copy", of(original)) as there:
        with pytest.raises(KeyboardInterrupt):
            copy_index(original, there, stop)
        with original.writing():
            original.add(media("/late.jpg", "late"), VECTORS[31])
        with pytest.raises(IndexFault, match="found one that became a copy of another, or of what it was before"):
            copy_index(original, there)


def test_what_cannot_be_copied_is_said(original: Copyable, tiny_encoder: BundleEncoder, tmp_path: Path) -> None:
    with create_index("memory://", tiny_encoder) as memory, pytest.raises(InputError, match="an open index in a folder or in PostgreSQL"):
        copy_index(memory, original)  # type: ignore[arg-type]
    create_index_of(tmp_path / "other", replace(of(original), digest=ModelDigest("f" * 64))).close()
    with pytest.raises(IndexFault, match="expected an index made by model"):
        copy_between(tmp_path / "original", tmp_path / "other")


@pytest.mark.usefixtures("original")
def test_the_command_line_copies(tmp_path: Path) -> None:
    copied = CliRunner().invoke(app, ["copy-index", str(tmp_path / "original"), server().url("by_copy"), "--json"])
    assert json.loads(copied.stdout) == {"people": 15, "before": 0, "media": 16, "failures": 1, "suppressed": 1}
    with open_index(server().url("by_copy")) as there:
        assert len(list(there.people())) == 15
    again = CliRunner().invoke(app, ["copy-index", str(tmp_path / "original"), server().url("by_copy")])
    assert "expected an empty index to copy into" in str(again.exception)


def of(index: Copyable) -> IndexedModel:
    model = index.model_of_all()
    assert model is not None
    return model


def test_pictures_of_a_live_camera_are_copied_between_folders(tiny_encoder: BundleEncoder, tmp_path: Path) -> None:
    live = replace(media("gate/live", "live"), kind=MediaKind.CAMERA)
    seen = Sighting((Crop(time=1.0),), VECTORS[:1], 1, 0.0, 1.0, pictures=(b"a JPEG",))
    with create_index(str(tmp_path / "one"), tiny_encoder) as index:
        assert isinstance(index, Copyable)
        with index.writing():
            index.put(live, [seen])
        with create_index_of(tmp_path / "other", of(index)) as other:
            copy_index(index, other)
            ((_, (crop,)),) = other.people()
            assert crop.kept is not None
            assert crop.kept() == b"a JPEG"
