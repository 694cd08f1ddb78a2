"""Pictures of people whom no file shows again: kept with them, gone with them."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from crops import random_vectors

from passerby.errors import ImageError, IndexFault
from passerby.find.removal import remove_from
from passerby.find.search import look
from passerby.index.sighting import Sighting
from passerby.index.sqlite.index import Index
from passerby.media.shown import read_crop, read_shown
from passerby.model.bundle_encoder import BundleEncoder
from passerby.types import Box, Crop, Hit, Media, MediaKind

VECTORS = random_vectors(12)
GATE = Media(Path("gate/2026-11-29T03:00:00Z"), 0, 1, "", kind=MediaKind.CAMERA, camera="gate")


def seen(*numbers: int, track: int) -> Sighting:
    crops = tuple(Crop(Box(number, 0, 10, 20), float(number), 0.5) for number in numbers)
    shown = tuple(f"JPEG of {number} on track {track}".encode() for number in numbers)
    return Sighting(crops, VECTORS[list(numbers)], track, 0.0, 60.0, pictures=shown)


@pytest.fixture
def watched(index: Index) -> Index:
    with index.writing():
        index.put(GATE, [seen(0, 1, track=1), seen(2, track=2)])
    return index


def kept(index: Index) -> list[bytes]:
    return sorted(file.read_bytes() for file in (index.folder / "pictures").rglob("*") if file.is_file())


def everything(folder: Path) -> Iterator[bytes]:
    return (file.read_bytes() for file in folder.rglob("*") if file.is_file())


def test_each_crop_of_a_camera_names_its_picture(watched: Index) -> None:
    shown = {crop.box: crop.kept.read_bytes() for _, crops in watched.people() for crop in crops if crop.kept and crop.box}
    assert {int(box.x): picture for box, picture in shown.items()} == {
        0: b"JPEG of 0 on track 1",
        1: b"JPEG of 1 on track 1",
        2: b"JPEG of 2 on track 2",
    }
    files = [file for file in (watched.folder / "pictures").rglob("*") if file.is_file()]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert watched.info().bytes > sum(file.stat().st_size for file in files) > 0


def test_a_picture_goes_with_its_person_and_with_its_camera(watched: Index) -> None:
    first = next(person.id for person, _ in watched.people() if person.track == 1)
    assert remove_from(watched, [], [first or 0]).removed == 1
    assert kept(watched) == [b"JPEG of 2 on track 2"]
    assert not any(b"on track 1" in data for data in everything(watched.folder))
    assert remove_from(watched, [Path("gate")]).removed == 1
    assert kept(watched) == [] and not any(b"JPEG of" in data for data in everything(watched.folder))


def test_a_picture_that_gives_way_to_a_better_one_goes_with_the_next_deletion(watched: Index) -> None:
    with watched.writing():
        watched.put_again(GATE, [seen(1, 5, track=1)])
    watched.purge()
    assert kept(watched) == [b"JPEG of 1 on track 1", b"JPEG of 2 on track 2", b"JPEG of 5 on track 1"]


def test_a_picture_of_a_commit_that_never_was_is_not_left(watched: Index) -> None:
    with pytest.raises(KeyboardInterrupt), watched.writing():
        watched.put_more(GATE, [seen(7, track=7)])
        raise KeyboardInterrupt
    watched.purge()
    assert len(kept(watched)) == 3 and len(list(watched.people())) == 2
    with watched.writing():
        watched.put_more(GATE, [seen(8, track=8)])
    assert b"JPEG of 8 on track 8" in kept(watched)


def test_an_index_that_is_made_anew_keeps_no_picture(watched: Index, tiny_encoder: BundleEncoder) -> None:
    with Index.create(watched.folder, tiny_encoder, rebuild=True) as again:
        assert list(again.people()) == [] and not any(b"JPEG of" in data for data in everything(again.folder))


def test_without_room_for_a_picture_nothing_of_it_is_kept(watched: Index) -> None:
    (watched.folder / "pictures" / "000000").rename(watched.folder / "aside")
    (watched.folder / "pictures" / "000000").write_bytes(b"in the way")
    with pytest.raises(IndexFault, match=r"room for pictures in .*; free some"), watched.writing():
        watched.put_more(GATE, [seen(9, track=9)])
    assert len(list(watched.people())) == 2


def test_who_was_seen_live_is_never_away(watched: Index) -> None:
    (hit,) = look([Hit(1, 0.5, next(watched.people())[0])])
    assert hit.person.media.away_since is None


def test_of_a_camera_the_crop_is_read_and_the_rest_of_the_frame_is_gone(index: Index, tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (20, 40), "#e00000").save(tmp_path / "red.jpg")
    with index.writing():
        index.put(GATE, [replace(seen(0, track=1), pictures=((tmp_path / "red.jpg").read_bytes(),))])
    person, (crop,) = next(index.people())
    assert read_crop(person.media, crop).size == (20, 40)
    with pytest.raises(ImageError, match="of a live camera only people are kept"):
        read_shown(person.media, crop)
    assert crop.kept is not None
    crop.kept.unlink()
    with pytest.raises(ImageError):
        read_crop(person.media, crop)
