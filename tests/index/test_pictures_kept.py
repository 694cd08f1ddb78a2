"""Pictures of people whose media have no file here, live cameras' and pushed ones: kept with them by every index, gone with them."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from crops import media, random_vectors
from kinds import KINDS

from passerby.errors import ImageError, IndexFault
from passerby.find.removal import remove_from
from passerby.find.search import look
from passerby.index.base import Index
from passerby.index.open import open_index
from passerby.index.sighting import Sighting
from passerby.index.sqlite.index import Index as FolderIndex
from passerby.media.shown import read_crop, read_shown
from passerby.model.bundle_encoder import BundleEncoder
from passerby.types import Box, Crop, Hit, Media, MediaKind

VECTORS = random_vectors(12)
GATE = Media(Path("gate/2026-11-29T03:00:00Z"), 0, 1, "", kind=MediaKind.CAMERA, camera="gate")
PUSHED = replace(media("/device:/north/a.jpg", "a"), changed_ns=2**40, device=2**62)


@pytest.fixture(params=KINDS)
def index(request: pytest.FixtureRequest, tmp_path: Path, tiny_encoder: BundleEncoder) -> Iterator[Index]:
    with KINDS[request.param](str(tmp_path / "index"), tiny_encoder) as opened:
        yield opened


@pytest.fixture
def in_folder(tmp_path: Path, tiny_encoder: BundleEncoder) -> Iterator[FolderIndex]:
    with FolderIndex.create(tmp_path / "index", tiny_encoder) as opened:
        yield opened


def seen(*numbers: int, track: int) -> Sighting:
    crops = tuple(Crop(Box(number, 0, 10, 20), float(number), 0.5) for number in numbers)
    shown = tuple(f"JPEG of {number} on track {track}".encode() for number in numbers)
    return Sighting(crops, VECTORS[list(numbers)], track, 0.0, 60.0, pictures=shown)


def pushed(number: int, picture: bytes | None) -> Sighting:
    crops = Crop(Box(number, 0, 10, 20)), Crop(Box(number, 0, 10, 21))
    return Sighting(crops, VECTORS[2 * number :][:2], pictures=(picture, None))


def kept_of(crop: Crop) -> bytes | None:
    assert crop.kept is not None
    try:
        return crop.kept()
    except ImageError:
        return None


def shown(index: Index) -> list[bytes | None]:
    return [kept_of(crop) for _, crops in index.people() for crop in crops]


def test_each_crop_of_a_camera_has_its_picture(index: Index) -> None:
    with index.writing():
        index.put(GATE, [seen(0, 1, track=1), seen(2, track=2)])
        index.add(media("/b.jpg", "b"), VECTORS[9])
    *live, (_, (of_a_file,)) = index.people()
    assert of_a_file.kept is None
    assert [kept_of(crop) for _, crops in live for crop in crops] == [
        b"JPEG of 0 on track 1",
        b"JPEG of 1 on track 1",
        b"JPEG of 2 on track 2",
    ]
    (hit,) = look([Hit(1, 0.5, live[0][0])])
    assert hit.person.media.away_since is None


def test_small_pictures_that_are_pushed_go_with_their_people(index: Index) -> None:
    with index.writing():
        index.put(PUSHED, [pushed(0, b"small"), pushed(1, None)])
        index.put(replace(PUSHED, path=Path("/b.jpg"), changed_ns=None, device=None), [])
    assert shown(index) == [b"small", None, None, None]
    assert index.seen_under(Path("/device:/north")) == [(PUSHED.path, 2**40, 2**62)]
    assert index.seen_under(Path("/device:/nort")) == []
    assert [path for path, *_ in index.seen_under(Path("/"))] == [Path("/b.jpg"), PUSHED.path]
    with index.writing():
        index.put(PUSHED, [pushed(0, b"newer"), pushed(1, None)])
    assert shown(index) == [b"newer", None, None, None]
    with index.writing():
        index.forget(PUSHED.path)
        index.put(PUSHED, [pushed(0, None)])
    assert shown(index) == [None, None]


def test_a_picture_goes_with_its_person_and_with_its_camera(index: Index) -> None:
    with index.writing():
        index.put(GATE, [seen(0, 1, track=1), seen(2, track=2)])
    first, (crop, _) = next(index.people())
    assert remove_from(index, [], [first.id or 0]).removed == 1
    assert (kept_of(crop), shown(index)) == (None, [b"JPEG of 2 on track 2"])
    assert remove_from(index, [Path("gate")]).removed == 1
    assert shown(index) == []


def test_a_picture_gives_way_to_a_better_one(index: Index) -> None:
    with index.writing():
        index.put(GATE, [seen(0, 1, track=1), seen(2, track=2)])
    gone = next(index.people())[1][0]
    with index.writing():
        index.put_again(GATE, [seen(1, 5, track=1)])
    assert kept_of(gone) is None
    assert shown(index) == [b"JPEG of 1 on track 1", b"JPEG of 5 on track 1", b"JPEG of 2 on track 2"]


def test_of_a_camera_the_crop_is_read_and_the_rest_of_the_frame_is_gone(index: Index, tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (20, 40), "#e00000").save(tmp_path / "red.jpg")
    with index.writing():
        index.put(GATE, [replace(seen(0, track=1), pictures=((tmp_path / "red.jpg").read_bytes(),))])
    person, (crop,) = next(index.people())
    assert read_crop(person.media, crop).size == (20, 40)
    with pytest.raises(ImageError, match="of a live camera only people are kept"):
        read_shown(person.media, crop)
    with index.writing():
        index.forget(GATE.path)
    with pytest.raises(ImageError, match="expected a picture from camera gate, found none"):
        read_crop(person.media, crop)


# -- in a folder ------------------------------------------------------------------------------------------------------------------


def everything(folder: Path) -> Iterator[bytes]:
    return (file.read_bytes() for file in folder.rglob("*") if file.is_file())


def test_pictures_are_for_their_owner_alone_and_nothing_is_left_of_them(in_folder: FolderIndex, tiny_encoder: BundleEncoder) -> None:
    with in_folder.writing():
        in_folder.put(GATE, [seen(0, 1, track=1), seen(2, track=2)])
    in_folder.settle()
    files = [file for file in in_folder.folder.rglob("*") if file.is_file()]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(in_folder.folder.stat().st_mode) == 0o700
    assert any(b"on track 1" in data for data in everything(in_folder.folder))
    remove_from(in_folder, [], [next(in_folder.people())[0].id or 0])
    assert not any(b"on track 1" in data for data in everything(in_folder.folder))
    with FolderIndex.create(in_folder.folder, tiny_encoder, rebuild=True) as again:
        assert list(again.people()) == [] and not any(b"JPEG of" in data for data in everything(again.folder))


def test_a_closed_index_is_said_to_be_closed(in_folder: FolderIndex) -> None:
    with in_folder.writing():
        in_folder.put(GATE, [seen(0, track=1)])
    person, (crop,) = next(in_folder.people())
    in_folder.close()
    with pytest.raises(IndexFault, match="found a closed one"):
        read_crop(person.media, crop)


def test_pictures_that_were_files_come_into_the_index(in_folder: FolderIndex, tiny_encoder: BundleEncoder) -> None:
    with in_folder.writing():
        in_folder.put(GATE, [seen(0, 1, track=1)])
    in_folder._connections.of_this_thread().executescript(
        "DELETE FROM pictures; ALTER TABLE pictures RENAME TO thumbnails; PRAGMA user_version = 8"
    )
    in_folder.close()
    (files := in_folder.folder / "pictures" / "000000").mkdir(parents=True)
    for number, text in enumerate((b"one", b"two", b"of nobody"), 1):
        (files / f"{number}.jpg").write_bytes(text)
    with open_index(in_folder.folder) as index:
        assert shown(index) == [b"one", b"two"]
    FolderIndex.create(in_folder.folder, tiny_encoder).close()
    assert not files.parent.exists()


def test_a_folder_of_somebody_s_own_pictures_beside_the_index_is_left_alone(in_folder: FolderIndex, tiny_encoder: BundleEncoder) -> None:
    with in_folder.writing():
        in_folder.put(GATE, [seen(0, track=1)])
    in_folder.close()
    own = [in_folder.folder / "pictures" / name for name in ("000000/1.jpg", "202611/1.jpg", "1.jpg")]
    for file in own:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"my own")
    FolderIndex.create(in_folder.folder, tiny_encoder).close()
    assert all(file.read_bytes() == b"my own" for file in own)
