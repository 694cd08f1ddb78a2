from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from crops import media, random_vectors
from hypothesis import given
from hypothesis import strategies as st
from indexing import DressedEncoder

from passerby.index.columns import in_blocks
from passerby.index.scan import ROUNDING
from passerby.index.sqlite.index import Index
from passerby.index.sqlite.vector_file import HEAD, TAIL
from passerby.index.vectors import VectorTable, widen
from passerby.model.bundle_encoder import BundleEncoder

VECTORS = random_vectors(100)


@pytest.fixture
def index(tmp_path: Path, tiny_encoder: BundleEncoder) -> Iterator[Index]:
    with Index.create(tmp_path, tiny_encoder) as opened:
        with opened.writing():
            for number, vector in enumerate(VECTORS[:90]):
                opened.add(media(f"/{number}.jpg", str(number)), vector)
        opened.settle()
        yield opened


def load(index: Index) -> VectorTable:
    """The table as a process sees it that opens the index now."""
    with Index.open(index.folder) as opened, opened.snapshot():
        return opened.vectors()


def assert_as_in_the_index(table: VectorTable, index: Index) -> None:
    chunk = index.embeddings(range(10_000))
    rows = np.concatenate(table.parts)
    np.testing.assert_array_equal(table.ids, chunk.ids)
    np.testing.assert_array_equal(rows if table.kept is None else rows[table.kept], chunk.vectors.astype(np.float16))


def test_the_file_is_made_once_and_then_mapped(index: Index) -> None:
    (path,) = index.folder.glob("vectors-*.f16")
    made = path.stat()
    (rows,) = load(index).parts
    assert isinstance(rows, np.memmap)
    assert not rows.flags.writeable
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (made.st_ino, made.st_mtime_ns)


def test_an_open_index_keeps_its_table_until_something_is_written(index: Index) -> None:
    with index.snapshot():
        first = index.vectors()
        assert index.vectors() is first
    with index.writing():
        index.forget(Path("/7.jpg"))
    with index.snapshot():
        assert_as_in_the_index(index.vectors(), index)


def test_it_follows_the_index(index: Index) -> None:
    with index.writing():
        index.forget(Path("/7.jpg"))
        index.forget(Path("/89.jpg"))
        index.add(media("/new.jpg", "new"), VECTORS[95])
    assert_as_in_the_index(load(index), index)
    index.settle()
    assert_as_in_the_index(load(index), index)


def test_an_embedding_never_gets_the_id_of_a_deleted_one(index: Index) -> None:
    last = int(load(index).ids[-1])
    with index.writing():
        index.forget(Path("/89.jpg"))
    with index.writing():
        index.add(media("/new.jpg", "new"), VECTORS[95])
    assert load(index).ids[-1] == last + 1


def test_adding_one_writes_one(index: Index) -> None:
    (path,) = index.folder.glob("vectors-*.f16")
    size, inode = path.stat().st_size, path.stat().st_ino
    with index.writing():
        index.add(media("/new.jpg", "new"), VECTORS[95])
    index.settle()
    assert (path.stat().st_size - size, path.stat().st_ino) == (VECTORS.shape[1] * 2, inode)


def test_a_table_in_use_outlives_its_file(index: Index) -> None:
    old = load(index)
    expected = np.concatenate(old.parts)
    for path in index.folder.glob("vectors*"):
        path.unlink()
    np.testing.assert_array_equal(np.concatenate(old.parts), expected)


def files(index: Index) -> bytes:
    return b"".join(path.read_bytes() for path in index.folder.iterdir())


@pytest.mark.parametrize("finish", [Index.purge, Index.settle])
def test_nothing_is_left_of_a_deleted_vector(index: Index, finish: Callable[[Index], None]) -> None:
    secret, other = (VECTORS[n].astype(np.float16).tobytes() for n in (7, 8))
    assert secret in files(index)
    with index.writing():
        index.forget(Path("/7.jpg"))
    finish(index)
    assert secret not in files(index)
    assert other in files(index)


def test_nothing_is_left_of_what_a_deleted_one_wore(tmp_path: Path, tiny_encoder: BundleEncoder) -> None:
    worn = np.random.default_rng(4).integers(1, 256, (5, 6), np.uint8)
    with Index.create(tmp_path, DressedEncoder(tiny_encoder._bundle, threads=1)) as index:
        with index.writing():
            for number in range(5):
                index.add(media(f"/{number}.jpg", str(number)), VECTORS[number], worn=worn[number])
        index.settle()
        assert worn[3].tobytes() in files(index)
        with index.writing():
            index.forget(Path("/3.jpg"))
        index.purge()
        assert worn[3].tobytes() not in files(index)
        assert worn[4].tobytes() in files(index)
    (path,) = tmp_path.glob("vectors-*.worn")
    expected = worn * (np.arange(5) != 3)[:, None].astype(np.uint8)
    np.testing.assert_array_equal(np.frombuffer(path.read_bytes(), np.uint8), in_blocks(expected).reshape(-1))


def test_when_many_are_deleted_the_rest_is_written_anew(index: Index) -> None:
    (path,) = index.folder.glob("vectors-*.f16")
    with index.writing():
        for number in range(40):
            index.forget(Path(f"/{number}.jpg"))
    index.settle()
    (anew,) = index.folder.glob("vectors-*.f16")
    assert (anew != path, anew.stat().st_size) == (True, 50 * VECTORS.shape[1] * 2)
    assert_as_in_the_index(load(index), index)


def test_an_index_made_again_has_nothing_of_the_old_one(index: Index, tiny_encoder: BundleEncoder) -> None:
    with Index.create(index.folder, tiny_encoder, rebuild=True) as again:
        with again.writing():
            again.add(media("/new.jpg", "new"), VECTORS[95])
        again.settle()
        assert VECTORS[7].astype(np.float16).tobytes() not in files(again)
        assert_as_in_the_index(load(again), again)


def flip(position: int) -> Callable[[bytes], bytes]:
    return lambda data: data[:position] + bytes([data[position] ^ 255]) + data[position + 1 :]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _data: b"",
    "half": lambda data: data[: len(data) // 2],
    "a byte too long": lambda data: data + b"x",
    "another file": lambda data: b"\0" * len(data),
    "magic": flip(0),
    "epoch": flip(10),
    "name": flip(45),
    "count": flip(72),
    "dim": flip(80),
    "newest": flip(88),
    "width": flip(84),
    "checksum": flip(96),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_head_is_made_again(index: Index, damage: Callable[[bytes], bytes]) -> None:
    path = index.folder / HEAD
    path.write_bytes(damage(path.read_bytes()))
    assert_as_in_the_index(load(index), index)
    index.settle()
    assert_as_in_the_index(load(index), index)
    assert len(list(index.folder.glob("vectors-*.f16"))) == 1


@pytest.mark.parametrize("suffix", ["f16", "ids"])
def test_shortened_vectors_are_not_believed(index: Index, suffix: str) -> None:
    (path,) = index.folder.glob(f"vectors-*.{suffix}")
    path.write_bytes(path.read_bytes()[:-1])
    assert_as_in_the_index(load(index), index)


def test_the_files_of_another_index_are_not_believed(
    index: Index, tmp_path_factory: pytest.TempPathFactory, tiny_encoder: BundleEncoder
) -> None:
    with Index.create(tmp_path_factory.mktemp("other"), tiny_encoder) as other:
        with other.writing():
            other.add(media("/0.jpg", "0"), VECTORS[99])
        other.settle()
        for path in other.folder.glob("vectors*"):
            (index.folder / path.name).write_bytes(path.read_bytes())
    assert_as_in_the_index(load(index), index)


def test_where_it_cannot_be_written_the_database_is_read(tmp_path: Path, tiny_encoder: BundleEncoder) -> None:
    (tmp_path / HEAD).mkdir()
    with Index.create(tmp_path, tiny_encoder) as index:
        with index.writing():
            index.add(media("/0.jpg", "0"), VECTORS[0])
        index.settle()
        table = load(index)
        assert_as_in_the_index(table, index)
        assert not isinstance(table.parts[0], np.memmap)


def test_who_opens_an_index_that_has_grown_much_brings_the_file_up_to_date(tmp_path: Path, tiny_encoder: BundleEncoder) -> None:
    many = random_vectors(TAIL, seed=1)
    with Index.create(tmp_path, tiny_encoder) as index:
        with index.writing():
            for number, vector in enumerate(many):
                index.add(media(f"/{number}.jpg", str(number)), vector)
        assert not (tmp_path / HEAD).exists()
        (rows,) = load(index).parts
        assert isinstance(rows, np.memmap)


def test_an_empty_index_has_an_empty_table(tmp_path: Path, tiny_encoder: BundleEncoder) -> None:
    with Index.create(tmp_path / "empty", tiny_encoder) as index:
        table = load(index)
        assert (len(table), table.parts, table.scores(np.ones((3, 16))).shape, table.spread(5).shape) == (0, (), (3, 0), (0, 0))


def test_a_sample_is_spread_evenly_over_all_parts(index: Index) -> None:
    with index.writing():
        index.forget(Path("/3.jpg"))
        for number in range(90, 100):
            index.add(media(f"/{number}.jpg", str(number)), VECTORS[number])
    table = load(index)
    everybody = np.delete(VECTORS, 3, axis=0).astype(np.float16).astype(np.float32)
    rows = np.linspace(0, 98, 20).astype(int)
    np.testing.assert_array_equal(table.spread(20), everybody[rows])
    np.testing.assert_array_equal(table.spread(1000), everybody)


def test_every_finite_float16_is_widened_as_numpy_does() -> None:
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)]
    singles = np.empty(len(halves), np.float32)
    widen(halves, singles)
    assert singles.tobytes() == halves.astype(np.float32).tobytes()


@pytest.mark.parametrize("count", [1, 255, 257, 600, 1000])
def test_a_sample_of_many_parts_is_widened_whole(count: int) -> None:
    parts = [random_vectors(length, seed=seed).astype(np.float16) for seed, length in enumerate((300, 1, 520))]
    table = VectorTable.of(parts, np.arange(821), np.array([0, 299, 300, 820]))
    everybody = np.delete(np.concatenate(parts), [0, 299, 300, 820], axis=0).astype(np.float32)
    rows = np.linspace(0, 816, min(count, 817)).astype(int)
    np.testing.assert_array_equal(table.spread(count), everybody[rows])


@given(
    seed=st.integers(0, 2**32 - 1),
    parts=st.lists(st.integers(0, 40), max_size=3),
    share=st.sampled_from([0.0, 0.05, 0.5, 1.0]),
    deleted=st.sampled_from([0.0, 0.3]),
)
def test_a_table_of_some_is_as_if_the_others_were_not_there(seed: int, parts: list[int], share: float, deleted: float) -> None:
    rng = np.random.default_rng(seed)
    vectors = random_vectors(sum(parts) or 1, seed=seed)[: sum(parts)].astype(np.float16)
    split = np.split(vectors, np.cumsum(parts)[:-1]) if parts else []
    ids = np.arange(1, len(vectors) + 1)
    table = VectorTable.of(split, ids, np.flatnonzero(rng.random(len(vectors)) < deleted))
    chosen = rng.random(len(table)) < share
    some = table.only(chosen)
    left = vectors[table.ids[chosen] - 1]
    assert some.ids.tolist() == table.ids[chosen].tolist()
    np.testing.assert_array_equal(some.spread(len(some)).reshape(left.shape), left.astype(np.float32))
    directions = random_vectors(2, seed=1).astype(np.float64)
    np.testing.assert_allclose(some.scores(directions), directions @ left.astype(np.float64).T, atol=ROUNDING)
    assert some.only(np.zeros(len(some), np.bool_)).scores(directions).shape == (2, 0)
