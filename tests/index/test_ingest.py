from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from crops import write_crop, write_crops
from indexing import NOTHING, CountingEncoder, away, held

from passerby.find.ingest import comparing
from passerby.find.ingest.absence import Absence
from passerby.find.ingest.run import index_paths
from passerby.find.ingest.stages import BATCH
from passerby.find.removal import remove_paths
from passerby.index.sqlite.index import Index
from passerby.index.sqlite.vector_file import HEAD
from passerby.media.encode_files import EncodedFile, encode_files
from passerby.media.files import read_media
from passerby.media.scan import scan_paths
from passerby.types import Media


@pytest.fixture
def crops(tmp_path: Path) -> Path:
    write_crops(tmp_path / "crops", 5)
    return tmp_path / "crops"


def test_an_index_holds_what_the_encoder_says(index: Index, encoder: CountingEncoder, crops: Path) -> None:
    assert index_paths(index, encoder, [crops]) == replace(NOTHING, indexed=5)
    found = held(index)
    for expected in encode_files(encoder, sorted(crops.iterdir())):
        assert isinstance(expected, EncodedFile)
        np.testing.assert_array_equal(found.pop(expected.media.path), expected.vector)
    assert not found


def test_a_second_run_encodes_nothing(index: Index, encoder: CountingEncoder, crops: Path) -> None:
    index_paths(index, encoder, [crops])
    stamp = index.stamp()
    assert index_paths(index, encoder, [crops, crops / "000.jpg"]) == replace(NOTHING, unchanged=5)
    assert encoder.encoded == 5
    assert index.stamp() == stamp


def test_a_touched_file_is_unchanged_by_its_content(index: Index, encoder: CountingEncoder, crops: Path) -> None:
    index_paths(index, encoder, [crops])
    os.utime(crops / "000.jpg", ns=(1, 1))
    assert index_paths(index, encoder, [crops]) == replace(NOTHING, unchanged=5)
    assert encoder.encoded == 5
    standing = index.standing(crops / "000.jpg")
    assert standing is not None
    assert standing.time_ns == 1


def overwrite(path: Path, content: bytes) -> None:
    """Put other bytes of equal size into a file, and keep its time."""
    status = path.stat()
    assert len(content) == status.st_size
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def of_size(path: Path, size: int) -> bytes:
    """A picture's bytes, made longer by what its format ignores."""
    return path.read_bytes().ljust(size, b" ")


def test_other_bytes_of_equal_size_and_time_are_encoded(index: Index, encoder: CountingEncoder, crops: Path, tmp_path: Path) -> None:
    size = max(path.stat().st_size for path in crops.iterdir()) + 1000
    victim, other = crops / "000.jpg", write_crop(tmp_path / "other.jpg", 99)
    victim.write_bytes(of_size(victim, size))
    index_paths(index, encoder, [crops])
    overwrite(victim, of_size(other, size))
    assert index_paths(index, encoder, [crops]) == replace(NOTHING, indexed=1, unchanged=4)
    (expected,) = encode_files(encoder, [other])
    assert isinstance(expected, EncodedFile)
    np.testing.assert_allclose(held(index)[victim], expected.vector, atol=1e-6)


@pytest.mark.parametrize("touch", [lambda path: path.chmod(0o600), lambda path: os.link(path, path.parents[1] / "more")])
def test_a_change_of_status_costs_one_reading_and_no_encoding(
    index: Index, encoder: CountingEncoder, crops: Path, touch: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    index_paths(index, encoder, [crops])
    for path in crops.iterdir():
        touch(path) if path.name == "000.jpg" else None
    read = reading(monkeypatch)
    assert index_paths(index, encoder, [crops]) == replace(NOTHING, unchanged=5)
    assert read == [crops / "000.jpg"]
    stamp = index.stamp()
    assert index_paths(index, encoder, [crops]) == replace(NOTHING, unchanged=5)
    assert read == [crops / "000.jpg"]
    assert index.stamp() == stamp
    assert encoder.encoded == 5


def reading(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The paths whose bytes are looked at from now on; they are looked at all the same."""
    read: list[Path] = []

    def read_and_note(path: Path) -> tuple[Media, bytes]:
        read.append(path)
        return read_media(path)

    monkeypatch.setattr(comparing, "read_media", read_and_note)
    return read


def test_verifying_reads_every_byte_and_encodes_only_other_ones(
    index: Index, encoder: CountingEncoder, crops: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index_paths(index, encoder, [crops])
    stamp, read = index.stamp(), reading(monkeypatch)
    assert index_paths(index, encoder, [crops], verify=True) == replace(NOTHING, unchanged=5)
    assert read == sorted(crops.iterdir())
    assert index.stamp() == stamp
    content = bytearray((crops / "000.jpg").read_bytes())
    content[-20] ^= 1
    overwrite(crops / "000.jpg", bytes(content))
    status = (crops / "000.jpg").stat()
    with index.writing():  # a file system that keeps no status change time
        index.see(crops / "000.jpg", status.st_ctime_ns, status.st_dev)
    assert index_paths(index, encoder, [crops]) == replace(NOTHING, unchanged=5)
    assert index_paths(index, encoder, [crops], verify=True) == replace(NOTHING, indexed=1, unchanged=4)
    assert encoder.encoded == 6


def test_a_changed_file_is_encoded_again(index: Index, encoder: CountingEncoder, crops: Path) -> None:
    index_paths(index, encoder, [crops])
    before = held(index)[crops / "000.jpg"]
    write_crop(crops / "000.jpg", 99)
    assert index_paths(index, encoder, [crops]) == replace(NOTHING, indexed=1, unchanged=4)
    assert not np.array_equal(held(index)[crops / "000.jpg"], before)
    assert index.info().embeddings == 5


def test_a_moved_file_is_recognised(index: Index, encoder: CountingEncoder, crops: Path) -> None:
    index_paths(index, encoder, [crops])
    vector = held(index)[crops / "000.jpg"]
    (crops / "sub").mkdir()
    (crops / "000.jpg").rename(crops / "sub" / "new.jpg")
    assert index_paths(index, encoder, [crops]) == replace(NOTHING, indexed=1, recognised=1, unchanged=4)
    assert encoder.encoded == 5
    assert len(held(index)) == 5
    np.testing.assert_array_equal(held(index)[crops / "sub" / "new.jpg"], vector)


def test_files_that_swap_names_swap_vectors(index: Index, encoder: CountingEncoder, crops: Path) -> None:
    index_paths(index, encoder, [crops])
    before = held(index)
    one, two, aside = crops / "000.jpg", crops / "001.jpg", crops / "aside"
    one.rename(aside)
    two.rename(one)
    aside.rename(two)
    for number, path in enumerate((one, two), 1):
        os.utime(path, ns=(number, number))
    index_paths(index, encoder, [crops])
    after = held(index)
    np.testing.assert_allclose(after[one], before[two], atol=1e-6)
    np.testing.assert_allclose(after[two], before[one], atol=1e-6)


def test_a_copy_is_another_media_with_the_same_embedding(index: Index, encoder: CountingEncoder, crops: Path) -> None:
    shutil.copy(crops / "000.jpg", crops / "copy-now.jpg")
    index_paths(index, encoder, [crops])
    shutil.copy(crops / "000.jpg", crops / "copy-later.jpg")
    assert index_paths(index, encoder, [crops]) == replace(NOTHING, indexed=1, recognised=1, unchanged=6)
    info = index.info()
    assert (info.media, info.people, info.embeddings) == (7, 7, 5)


def test_what_is_gone_is_kept_and_only_what_is_below_the_paths_given_is_said(
    index: Index, encoder: CountingEncoder, crops: Path, tmp_path: Path
) -> None:
    elsewhere = write_crop(tmp_path / "elsewhere" / "a.jpg", 77)
    index_paths(index, encoder, [crops, elsewhere])
    shutil.rmtree(elsewhere.parent)
    (crops / "000.jpg").unlink()
    report = index_paths(index, encoder, [crops])
    assert replace(report, away=Absence()) == replace(NOTHING, unchanged=4)
    assert (report.away.count, report.away.new, report.away.below, report.away.wholly) == (1, 1, (crops,), ())
    assert away(index) == {crops / "000.jpg"}
    report = index_paths(index, encoder, [elsewhere])
    assert (report.removed, report.away.count, report.away.wholly) == (0, 1, (elsewhere,))
    assert [failure.path for failure in report.failed] == [elsewhere]
    assert len(held(index)) == 6


def test_a_folder_that_is_not_there_takes_nothing_with_it(index: Index, encoder: CountingEncoder, crops: Path) -> None:
    """It may be a disk that is not mounted."""
    index_paths(index, encoder, [crops])
    crops.rename(crops.with_name("aside"))
    report = index_paths(index, encoder, [crops])
    assert [failure.path for failure in report.failed] == [crops]
    assert report.removed == 0
    assert report.away.wholly == (crops,)
    assert len(held(index)) == 5


def test_a_file_indexed_by_its_name_stays_though_its_folder_would_not_show_it(
    index: Index, encoder: CountingEncoder, tmp_path: Path
) -> None:
    hidden, odd = write_crop(tmp_path / "crops" / ".hidden.jpg", 1), tmp_path / "crops" / "odd.name"
    write_crop(tmp_path / "crops" / "odd.png", 2).rename(odd)
    assert index_paths(index, encoder, [hidden, odd]).indexed == 2
    assert index_paths(index, encoder, [tmp_path / "crops"]).removed == 0
    assert set(held(index)) == {hidden, odd}


def test_a_failure_is_named_every_time_and_tried_again_when_it_may_help(index: Index, encoder: CountingEncoder, crops: Path) -> None:
    bad = crops / "bad.jpg"
    bad.write_bytes(b"not a picture")
    first = index_paths(index, encoder, [crops])
    assert [failure.path for failure in first.failed] == [bad]
    stamp = index.stamp()
    assert index_paths(index, encoder, [crops]) == replace(first, indexed=0, unchanged=5)
    assert index.stamp() == stamp
    assert index_paths(index, encoder, [bad]).failed == first.failed
    assert index.stamp() != stamp
    write_crop(bad, 9)
    assert index_paths(index, encoder, [crops]) == replace(NOTHING, indexed=1, unchanged=5)
    assert index.failures() == []


def test_a_picture_that_goes_bad_is_a_failure_and_nobody(index: Index, encoder: CountingEncoder, crops: Path) -> None:
    index_paths(index, encoder, [crops])
    (crops / "000.jpg").write_bytes(b"broken now")
    assert len(index_paths(index, encoder, [crops]).failed) == 1
    assert crops / "000.jpg" not in held(index)
    (crops / "000.jpg").unlink()
    assert index_paths(index, encoder, [crops]) == replace(NOTHING, unchanged=4)
    assert index.failures() == []


def test_progress_is_what_is_on_the_disk(index: Index, encoder: CountingEncoder, tmp_path: Path) -> None:
    write_crops(tmp_path / "crops", 2 * BATCH + 3)
    (tmp_path / "crops" / "000.jpg").write_bytes(b"bad")
    seen: list[tuple[int, int]] = []

    def look(done: int, total: int) -> None:
        with Index.open(index.folder) as other:
            info = other.info()
        assert info.media + info.failures == done
        seen.append((done, total))

    index_paths(index, encoder, [tmp_path / "crops"], look)
    assert list(dict.fromkeys(seen)) == [(0, 35), (BATCH, 35), (2 * BATCH, 35), (35, 35)]


def test_the_vectors_for_search_are_ready_when_indexing_ends(index: Index, encoder: CountingEncoder, crops: Path) -> None:
    index_paths(index, encoder, [crops])
    assert (index.folder / HEAD).exists()


def test_removing_deletes_for_good_and_touches_no_file(index: Index, encoder: CountingEncoder, crops: Path) -> None:
    write_crops(crops / "sub", 3)
    write_crop(crops / "sub" / "own.jpg", 70)
    index_paths(index, encoder, [crops])
    own = held(index)[crops / "sub" / "own.jpg"]
    report = remove_paths(index, [crops / "sub", crops / "004.jpg", crops / "unknown.jpg"])
    assert report.removed == 5
    assert [failure.path for failure in report.failed] == [crops / "unknown.jpg"]
    assert set(held(index)) == {crops / f"{number:03}.jpg" for number in range(4)}
    assert len(list(crops.rglob("*.jpg"))) == 9
    content = b"".join(file.read_bytes() for file in index.folder.iterdir())
    assert b"own.jpg" not in content
    assert own.tobytes() not in content
    assert own.astype(np.float16).tobytes() not in content


# -- which files are found --------------------------------------------------------------------------------------------------------


def names(folder: Path, *paths: Path | str, leave_out: Path | None = None) -> list[str]:
    return [str(path.relative_to(folder)) for path in scan_paths(map(Path, paths), leave_out).files]


def touch(folder: Path, *files: str) -> None:
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).touch()


def test_a_folder_is_read_in_order_without_what_is_hidden(tmp_path: Path) -> None:
    touch(tmp_path, "b.JPG", "a.png", ".c.jpg", "d/z.webp", "d/.e/f.jpg", "c/y.heic", "notes.txt", "Makefile")
    assert names(tmp_path, tmp_path) == ["a.png", "b.JPG", "c/y.heic", "d/z.webp"]
    assert scan_paths([tmp_path]).skipped == 2


def test_a_named_file_is_taken_whatever_its_name(tmp_path: Path) -> None:
    touch(tmp_path, "notes.txt", ".hidden.jpg")
    assert names(tmp_path, tmp_path / "notes.txt", tmp_path / ".hidden.jpg") == ["notes.txt", ".hidden.jpg"]


def test_a_file_named_twice_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "d/a.jpg")
    monkeypatch.chdir(tmp_path)
    assert names(tmp_path, tmp_path, "d/a.jpg", "d/../d", "./d") == ["d/a.jpg"]
    assert scan_paths([Path("d/a.jpg"), Path("d")]).files[tmp_path / "d/a.jpg"].named


def test_patterns_that_no_shell_expanded_are_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "a1.jpg", "a2.jpg", "b.jpg", "d/e/a3.jpg", "odd[1].jpg")
    monkeypatch.chdir(tmp_path)
    assert names(tmp_path, "a*.jpg") == ["a1.jpg", "a2.jpg"]
    assert names(tmp_path, tmp_path / "**" / "a?.jpg") == ["a1.jpg", "a2.jpg", "d/e/a3.jpg"]
    assert names(tmp_path, "odd[1].jpg") == ["odd[1].jpg"]
    assert scan_paths([Path("no*.jpg")]).missing == [tmp_path / "no*.jpg"]


def test_links_are_followed_once(tmp_path: Path) -> None:
    touch(tmp_path, "a/x.jpg", "b/y.jpg")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    (tmp_path / "a" / "self").symlink_to(".")
    (tmp_path / "c").symlink_to("b")
    (tmp_path / "link.jpg").symlink_to("a/x.jpg")
    assert names(tmp_path, tmp_path) == ["link.jpg", "b/y.jpg"]


def test_links_to_nothing_are_failures(tmp_path: Path) -> None:
    (tmp_path / "dangling.jpg").symlink_to("nowhere")
    (tmp_path / "round.jpg").symlink_to("round.jpg")
    (tmp_path / "dangling").symlink_to("nowhere")
    scan = scan_paths([tmp_path])
    assert {failure.path.name: "link to nothing" in failure.reason for failure in scan.failed} == {"dangling.jpg": True, "round.jpg": False}
    assert not scan.files


def test_the_index_is_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "index/sheet.png")
    assert names(tmp_path, tmp_path, leave_out=tmp_path / "index") == ["a.jpg"]
    assert names(tmp_path, tmp_path / "index", leave_out=tmp_path / "index") == ["index/sheet.png"]
