"""One walk: however files are named, the same rules hold, each file has one path, and the walk ends."""

from __future__ import annotations

import glob
import os
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from crops import write_crop, write_crops
from hypothesis import example, given, settings
from hypothesis import strategies as st
from indexing import NOTHING, CountingEncoder, away, held

from passerby.find.ingest.run import index_paths
from passerby.find.removal import remove_paths
from passerby.index.sqlite.index import Index
from passerby.media.scan import Root, scan_paths


def names(folder: Path, *paths: Path | str) -> list[str]:
    return [str(path.relative_to(folder)) for path in scan_paths([folder / path for path in paths]).files]


def fill(folder: Path, *files: str) -> None:
    """Files that differ."""
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(file)


@pytest.mark.parametrize(
    "pattern", ["t", "t/**/*.jpg", "t/**", "t/*", "**/*.jpg", "t/*/../**", "t/a/up/**", "*/*/up2/*/up/a/x.*", "t/**/**/a/*"]
)
def test_links_that_go_round_end_and_name_each_file_once(tmp_path: Path, pattern: str) -> None:
    fill(tmp_path, "t/a/x.jpg", "t/b/y.txt")
    for name in ("up", "up2", "up3"):
        (tmp_path / "t" / "a" / name).symlink_to("..")
    found = names(tmp_path, pattern)
    assert len(found) == 1
    assert (tmp_path / found[0]).samefile(tmp_path / "t" / "a" / "x.jpg")


def test_a_file_has_one_path_however_it_is_linked(tmp_path: Path) -> None:
    fill(tmp_path, "a/x.jpg", "b/other.jpg")
    os.link(tmp_path / "a" / "x.jpg", tmp_path / "a" / "hard.jpg")
    os.link(tmp_path / "a" / "x.jpg", tmp_path / "b" / "hard.jpg")
    (tmp_path / "c.jpg").symlink_to("a/x.jpg")
    (tmp_path / "d").symlink_to("b")
    assert names(tmp_path, ".") == ["c.jpg", "b/other.jpg"]
    assert names(tmp_path, "a") == ["a/hard.jpg"]
    assert names(tmp_path, "d/*.jpg", "b/*.jpg", "d", "b") == ["d/hard.jpg", "d/other.jpg"]
    assert names(tmp_path, "a/x.jpg", "a/hard.jpg", "c.jpg", "a") == ["a/x.jpg"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("t", {"a.jpg", "d/b.JPG"}),
        ("t/**", {"a.jpg", "d/b.JPG"}),
        ("t/*", {"a.jpg", "d/b.JPG"}),
        ("t/**/*.*", {"a.jpg", "d/b.JPG"}),
        ("t/*.jpg", {"a.jpg"}),
        ("t/*.txt", set()),
        ("t/d/../*.jpg", {"a.jpg"}),
        ("t/.*.jpg", {".h.jpg"}),
        ("t/.*", {".h.jpg", ".f/c.jpg"}),
        ("t/.f", {".f/c.jpg"}),
        ("t/.h.jpg", {".h.jpg"}),
        ("t/n.txt", {"n.txt"}),
        ("t/**/.f/*", {".f/c.jpg"}),
        ("T/*", set()),
    ],
)
def test_hidden_files_and_suffixes_are_alike_for_folders_and_patterns(tmp_path: Path, given: str, expected: set[str]) -> None:
    fill(tmp_path / "t", "a.jpg", ".h.jpg", "n.txt", "d/b.JPG", "d/.k.jpg", "d/n.txt", ".f/c.jpg")
    assert {name.removeprefix("t/") for name in names(tmp_path, given)} == expected


def test_a_pattern_counts_what_it_skips_and_says_when_nothing_fits(tmp_path: Path) -> None:
    fill(tmp_path, "t/a.jpg", "t/b.txt", "t/c.txt")
    assert scan_paths([tmp_path / "t" / "*.txt", tmp_path / "t" / "b*", tmp_path / "t"]).skipped == 2
    assert scan_paths([tmp_path / "t", tmp_path / "t" / "*.jpg", tmp_path / "t" / "?.jpg"]).missing == []
    assert scan_paths([tmp_path / "t" / "x*"]).missing == [tmp_path / "t" / "x*"]
    assert scan_paths([tmp_path / "none" / "*"]).missing == [tmp_path / "none" / "*"]


def test_a_dangling_link_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "gone.jpg").symlink_to("nowhere")
    scan = scan_paths([tmp_path / "t", tmp_path / "t" / "*.jpg", tmp_path / "t" / "gone.jpg"])
    assert [failure.path for failure in scan.failed] == [tmp_path / "t" / "gone.jpg"]


PART = st.sampled_from(["a", "b", ".h", "*", "**", "?", "a*", "[ab]", ".*", "*.jpg", "?.jpg", "a.jpg"])
TREE = st.sets(st.lists(st.sampled_from(["a", "b", "ab", ".h"]), max_size=3).map("/".join), min_size=1, max_size=6)
PATTERNS = st.lists(PART, min_size=1, max_size=4).filter(lambda parts: any(glob.has_magic(part) for part in parts))


@settings(max_examples=60)
@given(TREE, PATTERNS)
@example({"a/b"}, ["**", "a", "**", "*.jpg"])
@example({"a/a/a"}, ["**", "a", "**"])
def test_a_pattern_means_what_the_standard_library_says(tree: set[str], parts: list[str]) -> None:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made).resolve()
        for place in tree:
            fill(folder, f"{place}/a.jpg".lstrip("/"), f"{place}/.h.jpg".lstrip("/"), f"{place}/b.txt".lstrip("/"))
        said = glob.glob(str(folder.joinpath(*parts)), recursive=True)  # noqa: PTH207
        matched = [Path(path) for path in said if Path(path).is_dir() or not path.endswith("/")]
        below = [(path, found.relative_to(path)) for path in matched if path.is_dir() for found in path.rglob("*.jpg")]
        expected = {path for path in matched if path.is_file() and path.suffix == ".jpg"}
        expected |= {path / inner for path, inner in below if not any(part.startswith(".") for part in inner.parts)}
        scan = scan_paths([folder.joinpath(*parts)])
        assert set(scan.files) == expected
        root = Root.of(folder.joinpath(*parts))
        assert all(root.names(path) for path in expected)
        visible = {path for path in folder.rglob("*.jpg") if not hidden(path, folder)}
        assert {path for path in visible if path.is_relative_to(root.base) and root.names(path)} == visible & expected


def hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


# -- in an index ------------------------------------------------------------------------------------------------------------------


def test_every_way_to_name_files_gives_the_same_index(index: Index, encoder: CountingEncoder, tmp_path: Path) -> None:
    write_crops(tmp_path / "t" / "a", 3)
    (tmp_path / "t" / "a" / "up").symlink_to("..")
    ways = [["t"], ["t/**/*.jpg"], ["t/a/up"], ["t/*/*/*/*"], ["t/a/000.jpg", "t/a/001.jpg", "t", "t/a/002.jpg"], ["t/a/up/a/*.jpg"]]
    for number, way in enumerate(ways):
        expected = replace(NOTHING, unchanged=3) if number else replace(NOTHING, indexed=3)
        assert index_paths(index, encoder, [tmp_path / path for path in way]) == expected
    assert held(index).keys() == {tmp_path / "t" / "a" / f"{number:03}.jpg" for number in range(3)}


def test_the_path_in_the_index_wins_and_does_not_flip(index: Index, encoder: CountingEncoder, tmp_path: Path) -> None:
    first = write_crop(tmp_path / "z" / "first.jpg", 1)
    index_paths(index, encoder, [first])
    for link in (tmp_path / "z" / "a.jpg", tmp_path / "other" / "hard.jpg"):
        link.parent.mkdir(exist_ok=True)
        os.link(first, link)
    (tmp_path / "folder").symlink_to("z")
    for named in (tmp_path / "z", tmp_path, tmp_path / "other", tmp_path / "folder", tmp_path / "other" / "*"):
        assert index_paths(index, encoder, [named]) == replace(NOTHING, unchanged=1)
    assert held(index).keys() == {first}
    stamp = index.stamp()
    assert index_paths(index, encoder, [tmp_path / "other"]) == replace(NOTHING, unchanged=1)
    assert index.stamp() == stamp
    first.unlink()
    index_paths(index, encoder, [tmp_path / "other"])
    assert held(index).keys() == {tmp_path / "other" / "hard.jpg"}
    assert encoder.encoded == 1


def test_one_file_that_stood_twice_stands_once(index: Index, encoder: CountingEncoder, tmp_path: Path) -> None:
    """As an older version wrote it, or because two copies were linked to each other since."""
    one, two = write_crops(tmp_path / "t", 2)
    two.write_bytes(one.read_bytes())
    index_paths(index, encoder, [tmp_path / "t"])
    assert len(held(index)) == 2
    two.unlink()
    os.link(one, two)
    assert index_paths(index, encoder, [tmp_path / "t"]) == replace(NOTHING, unchanged=1, removed=1)
    assert held(index).keys() == {one}
    assert away(index) == set()


def test_other_bytes_by_another_path_of_the_same_file(index: Index, encoder: CountingEncoder, tmp_path: Path) -> None:
    first = write_crop(tmp_path / "one" / "a.jpg", 1)
    index_paths(index, encoder, [first])
    before = held(index)[first]
    (tmp_path / "two").mkdir()
    os.link(first, tmp_path / "two" / "b.jpg")
    content = bytearray(first.read_bytes())
    content[-40:-20] = bytes(20)
    status = first.stat()
    (tmp_path / "two" / "b.jpg").write_bytes(content)
    os.utime(first, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert index_paths(index, encoder, [tmp_path / "two"]) == replace(NOTHING, indexed=1)
    assert held(index).keys() == {first}
    assert not (held(index)[first] == before).all()


def test_what_is_known_is_looked_at_though_a_folder_would_not_show_it(index: Index, encoder: CountingEncoder, tmp_path: Path) -> None:
    hidden_file = write_crop(tmp_path / "t" / ".hidden.jpg", 1)
    index_paths(index, encoder, [hidden_file])
    write_crop(hidden_file, 2)
    assert index_paths(index, encoder, [tmp_path / "t"]) == replace(NOTHING, indexed=1)
    hidden_file.unlink()
    assert index_paths(index, encoder, [tmp_path / "t"]).away.count == 1


def test_patterns_delete_what_they_match(index: Index, encoder: CountingEncoder, tmp_path: Path) -> None:
    write_crops(tmp_path / "t", 3)
    odd = write_crop(tmp_path / "t" / "[0].jpg", 9)
    index_paths(index, encoder, [tmp_path / "t"])
    assert remove_paths(index, [odd]).removed == 1
    assert remove_paths(index, [tmp_path / "t" / "00[12].*"]).removed == 2
    assert held(index).keys() == {tmp_path / "t" / "000.jpg"}
