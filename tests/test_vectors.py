from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from crops import media, random_vectors

from passerby.find.index import Index
from passerby.find.vectors import FILE_NAME, VectorTable, drop_vectors, load_vectors
from passerby.model.onnx import OnnxEncoder

VECTORS = random_vectors(100)


@pytest.fixture
def index(tmp_path: Path, tiny_encoder: OnnxEncoder) -> Iterator[Index]:
    with Index.create(tmp_path, tiny_encoder) as opened:
        with opened.writing():
            for number, vector in enumerate(VECTORS[:90]):
                opened.add(media(f"/{number}.jpg", str(number)), vector)
        yield opened


def load(index: Index) -> VectorTable:
    """The table as a process sees it that opens the index now."""
    with Index.open(index.folder) as opened, opened.snapshot():
        return load_vectors(opened)


def assert_as_in_the_index(table: VectorTable, index: Index) -> None:
    (chunk,) = index.iter_embeddings()
    np.testing.assert_array_equal(table.ids, chunk[0])
    np.testing.assert_array_equal(table.vectors, chunk[1].astype(np.float16))


def test_the_table_is_made_once_and_then_mapped(index: Index) -> None:
    assert_as_in_the_index(load(index), index)
    made = (index.folder / FILE_NAME).stat()
    table = load(index)
    assert_as_in_the_index(table, index)
    assert (index.folder / FILE_NAME).stat().st_ino == made.st_ino
    assert isinstance(table.vectors, np.memmap)
    assert not table.vectors.flags.writeable


def test_an_open_index_maps_the_file_once(index: Index) -> None:
    with index.snapshot():
        first = load_vectors(index)
        assert load_vectors(index) is first
    with index.writing():
        index.forget(Path("/7.jpg"))
    with index.snapshot():
        assert_as_in_the_index(load_vectors(index), index)


def test_it_follows_the_index(index: Index) -> None:
    load(index)
    with index.writing():
        index.forget(Path("/7.jpg"))
        index.add(media("/new.jpg", "new"), VECTORS[95])
    assert_as_in_the_index(load(index), index)


def test_a_table_in_use_outlives_its_file(index: Index) -> None:
    old = load(index)
    expected = old.vectors.copy()
    with index.writing():
        index.forget(Path("/7.jpg"))
    load(index)
    drop_vectors(index.folder)
    np.testing.assert_array_equal(old.vectors, expected)


def flip(position: int) -> Callable[[bytes], bytes]:
    return lambda data: data[:position] + bytes([data[position] ^ 255]) + data[position + 1 :]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _data: b"",
    "half a header": lambda data: data[:40],
    "half a file": lambda data: data[: len(data) // 2],
    "a byte too long": lambda data: data + b"x",
    "another file": lambda data: b"\0" * len(data),
    "magic": flip(0),
    "index": flip(10),
    "generation": flip(40),
    "count": flip(48),
    "dim": flip(56),
    "checksum": flip(65),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_made_again(index: Index, damage: Callable[[bytes], bytes]) -> None:
    load(index)
    path = index.folder / FILE_NAME
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert_as_in_the_index(load(index), index)
    assert path.read_bytes() == whole


def test_the_file_of_another_index_is_not_believed(
    index: Index, tmp_path_factory: pytest.TempPathFactory, tiny_encoder: OnnxEncoder
) -> None:
    with Index.create(tmp_path_factory.mktemp("other"), tiny_encoder) as other:
        while other.stamp().generation < index.stamp().generation:
            with other.writing():
                other.add(media("/0.jpg", "0"), VECTORS[99])
        load(other)
        (index.folder / FILE_NAME).write_bytes((other.folder / FILE_NAME).read_bytes())
    assert_as_in_the_index(load(index), index)


def test_where_it_cannot_be_written_it_is_built_in_memory(index: Index) -> None:
    (index.folder / FILE_NAME).mkdir()
    table = load(index)
    assert_as_in_the_index(table, index)
    assert not isinstance(table.vectors, np.memmap)
    assert {path.name for path in index.folder.iterdir()} == {"index.db", "index.db-shm", "index.db-wal", FILE_NAME}


def test_what_a_kill_left_behind_is_swept(index: Index) -> None:
    (index.folder / f"{FILE_NAME}-1.unfinished").write_bytes(b"half")
    load(index)
    assert [path.name for path in index.folder.glob(f"{FILE_NAME}*")] == [FILE_NAME]


def test_an_empty_index_has_an_empty_table(tmp_path: Path, tiny_encoder: OnnxEncoder) -> None:
    with Index.create(tmp_path / "empty", tiny_encoder) as index:
        for _ in range(2):
            table = load(index)
            assert len(table.ids) == len(table.vectors) == 0
