from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from numpy.typing import NDArray

from passerby.index.columns import ROWS
from passerby.index.sqlite.vector_file import HEAD, VectorFile
from passerby.index.vectors import Chunk, VectorTable

DIM = 8


class Truth:
    """Embeddings in memory, as a database would have them."""

    def __init__(self) -> None:
        self.epoch = "0" * 32
        self.newest = 0
        self.width = 6
        self.vectors: dict[int, NDArray[np.float32]] = {}
        self.worn: dict[int, NDArray[np.uint8]] = {}
        self.gone: set[int] = set()
        self.rng = np.random.default_rng(0)

    def add(self, count: int) -> None:
        for _ in range(count):
            self.newest += 1
            vector = self.rng.standard_normal(DIM)
            self.vectors[self.newest] = (vector / np.linalg.norm(vector)).astype(np.float32)
            self.worn[self.newest] = self.rng.integers(1, 256, self.width, np.uint8)

    def delete(self, ids: list[int]) -> NDArray[np.int64]:
        for one in ids:
            del self.vectors[one]
        self.gone |= set(ids)
        return np.array(ids, np.int64)

    def after(self, newest: int) -> Iterator[Chunk]:
        ids = sorted(one for one in self.vectors if one > newest)
        for start in range(0, len(ids), 3):
            chunk = ids[start : start + 3]
            vectors, worn = np.stack([self.vectors[one] for one in chunk]), np.stack([self.worn[one] for one in chunk])
            yield Chunk(np.array(chunk, np.int64), vectors, worn[:, : self.width])

    def deleted(self) -> NDArray[np.int64]:
        return np.array(sorted(self.gone), np.int64)


def found(table: VectorTable) -> dict[int, bytes]:
    """Whoever a scan of the table can find, by id, with their vector and what is worn."""
    rows = np.concatenate([np.empty((0, DIM), np.float16), *table.parts])
    rows = rows if table.kept is None else rows[table.kept]
    assert len(rows) == len(table)
    assert np.all(np.diff(table.ids) > 0)
    worn = table.worn(range(table.blocks[0].shape[1] if table.blocks else 0))
    return {int(one): row.tobytes() + of_one.tobytes() for one, row, of_one in zip(table.ids, rows, worn, strict=True)}


def expected(truth: Truth) -> dict[int, bytes]:
    return {one: vector.astype(np.float16).tobytes() + truth.worn[one][: truth.width].tobytes() for one, vector in truth.vectors.items()}


def on_disk(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()))


def worn_on_disk(folder: Path) -> set[bytes]:
    """All rows of what is worn that the files hold, published or not."""
    rows: set[bytes] = set()
    for path in folder.glob("vectors-*.worn"):
        blocks = np.frombuffer(path.read_bytes(), np.uint8).reshape(-1, Truth().width, ROWS)
        rows |= {row.tobytes() for row in np.unique(blocks.transpose(0, 2, 1).reshape(-1, Truth().width), axis=0)}
    return rows


def scribble_behind_what_is_published(folder: Path) -> None:
    """What a kill leaves in the last block."""
    for path in folder.glob("vectors-*.worn") if (folder / HEAD).exists() else ():
        count = int.from_bytes((folder / HEAD).read_bytes()[72:80], "little")
        blocks = np.frombuffer(path.read_bytes(), np.uint8)
        blocks = blocks[: len(blocks) // ROWS // Truth().width * ROWS * Truth().width].reshape(-1, Truth().width, ROWS).copy()
        blocks[count // ROWS :, :, count % ROWS :] = 77
        path.write_bytes(blocks.tobytes())


class Machine(RuleBasedStateMachine):
    """A writer, a reader that stays and readers that come, whatever happens to the files between."""

    @initialize(factory=st.just(None))
    def begin(self, factory: None) -> None:  # noqa: ARG002
        self.folder = Path(self.tmp.mktemp("vectors"))  # type: ignore[attr-defined]
        self.truth, self.writer, self.reader = Truth(), VectorFile(self.folder), VectorFile(self.folder)
        self.deleted: list[bytes] = []

    @rule(count=st.integers(1, 9))
    def add(self, count: int) -> None:
        self.truth.add(count)

    @rule(most=st.sampled_from([1, 2, 64]))
    def append(self, most: int) -> None:
        self.writer.append(self.truth, most)

    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        ids = data.draw(st.lists(st.sampled_from(sorted(self.truth.vectors) or [0]), unique=True, max_size=4))
        ids = [one for one in ids if one]
        self.deleted += [self.truth.vectors[one].astype(np.float16).tobytes() for one in ids]
        self.writer.wipe(self.truth, self.truth.delete(ids))
        content = on_disk(self.folder)
        assert not any(vector in content for vector in self.deleted)
        assert worn_on_disk(self.folder) <= {self.truth.worn[one].tobytes() for one in self.truth.vectors} | {bytes(self.truth.width)}

    @rule()
    def begin_the_file_anew(self) -> None:
        if self.writer.is_mostly_dead(self.truth):
            self.writer.drop()
            self.truth.gone.clear()

    @rule()
    def begin_anew(self) -> None:
        self.truth.epoch = f"{int(self.truth.epoch) + 1:032}"
        self.truth.gone.clear()

    @rule(extra=st.binary(min_size=1, max_size=100))
    def killed_while_writing(self, extra: bytes) -> None:
        scribble_behind_what_is_published(self.folder)
        for path in self.folder.glob("vectors-*"):
            with path.open("ab") as file:
                file.write(extra)

    @rule(data=st.data())
    def damaged(self, data: st.DataObject) -> None:
        paths = sorted(self.folder.iterdir())
        if paths:
            path = data.draw(st.sampled_from(paths))
            if data.draw(st.booleans()):
                path.unlink()
            elif path.name == HEAD:
                path.write_bytes(path.read_bytes()[:-1])
        self.reader = VectorFile(self.folder)

    @invariant()
    def everybody_is_found(self) -> None:
        if hasattr(self, "truth"):
            assert found(self.reader.table(self.truth)) == expected(self.truth)
            assert found(VectorFile(self.folder).table(self.truth)) == expected(self.truth)


def test_readers_find_exactly_who_is_there(tmp_path_factory: pytest.TempPathFactory) -> None:
    class Here(Machine):
        tmp = tmp_path_factory

    case = Here.TestCase
    case.settings = settings(max_examples=60, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck))
    case().runTest()


def test_each_vector_is_written_once(tmp_path: Path) -> None:
    truth, writer = Truth(), VectorFile(tmp_path)
    truth.add(50)
    writer.append(truth)
    file = next(tmp_path.glob("vectors-*.f16"))
    before, made = file.read_bytes(), file.stat().st_ino
    truth.add(1)
    writer.append(truth)
    assert file.stat().st_ino == made
    assert file.read_bytes()[: len(before)] == before
    assert file.stat().st_size == 51 * DIM * 2


def test_a_snapshot_does_not_see_what_came_later(tmp_path: Path) -> None:
    truth, file = Truth(), VectorFile(tmp_path)
    truth.add(5)
    then = Truth()
    then.newest, then.vectors, then.worn = truth.newest, dict(truth.vectors), truth.worn
    truth.add(5)
    file.append(truth)
    assert found(file.table(truth)) == expected(truth)
    assert found(file.table(then)) == expected(then)
    assert found(VectorFile(tmp_path).table(then)) == expected(then)


def test_no_more_than_the_new_is_read_again(tmp_path: Path) -> None:
    truth, file = Truth(), VectorFile(tmp_path)
    truth.add(20)
    file.append(truth)
    file.table(truth)
    asked: list[int] = []
    read = truth.after
    truth.after = lambda newest: asked.append(newest) or read(newest)  # type: ignore[method-assign,func-returns-value]
    truth.add(1)
    assert len(file.table(truth)) == 21
    truth.add(1)
    assert len(file.table(truth)) == 22
    assert asked == [20, 21]


def test_in_a_folder_that_cannot_be_written_it_reads_from_the_source(tmp_path: Path) -> None:
    truth, file = Truth(), VectorFile(tmp_path / "not-there")
    truth.add(7)
    with pytest.raises(OSError):
        file.append(truth)
    assert found(file.table(truth)) == expected(truth)


def test_nothing_is_left_of_what_is_deleted(tmp_path: Path) -> None:
    truth, file = Truth(), VectorFile(tmp_path)
    truth.add(9)
    file.append(truth)
    secret = truth.vectors[4].astype(np.float16).tobytes()
    assert secret in on_disk(tmp_path)
    file.wipe(truth, truth.delete([4]))
    assert secret not in on_disk(tmp_path)
    unpublished = truth.vectors[5].astype(np.float16).tobytes()
    with next(tmp_path.glob("*.f16")).open("ab") as end:
        end.write(unpublished[:0] + secret)
    file.wipe(truth, truth.delete([5]))
    assert secret not in on_disk(tmp_path)


def test_what_is_worn_is_found_in_all_blocks(tmp_path: Path) -> None:
    truth, writer, reader = Truth(), VectorFile(tmp_path), VectorFile(tmp_path)
    for count in (ROWS - 1, 3, 2 * ROWS + 5):
        truth.add(count)
        assert found(reader.table(truth)) == expected(truth)
        while writer.append(truth):
            pass
        assert found(reader.table(truth)) == expected(truth)
    secrets = [truth.worn[one].tobytes() for one in (1, ROWS, ROWS + 1, 3 * ROWS)]
    assert worn_on_disk(tmp_path).issuperset(secrets)
    writer.wipe(truth, truth.delete([3 * ROWS, ROWS + 1, 1, ROWS]))
    assert worn_on_disk(tmp_path).isdisjoint(secrets)
    assert found(reader.table(truth)) == expected(truth)
    assert found(VectorFile(tmp_path).table(truth)) == expected(truth)
    (path,) = tmp_path.glob("*.worn")
    assert path.stat().st_size == 4 * ROWS * truth.width


def test_full_blocks_of_whom_nobody_is_deleted_stay_as_they_are(tmp_path: Path) -> None:
    truth, file = Truth(), VectorFile(tmp_path)
    truth.add(ROWS)
    while file.append(truth):
        pass
    file.wipe(truth, np.empty(0, np.int64))
    assert found(file.table(truth)) == expected(truth)


def test_a_model_that_says_more_begins_the_file_anew(tmp_path: Path) -> None:
    truth, file = Truth(), VectorFile(tmp_path)
    truth.width = 0
    truth.add(5)
    file.append(truth)
    assert found(file.table(truth)) == expected(truth)
    assert not list(tmp_path.glob("*.worn"))
    truth.width = 6
    assert found(file.table(truth)) == expected(truth)
    assert file.lacks(truth) == 5
    file.append(truth)
    assert len(list(tmp_path.glob("*.worn"))) == len(list(tmp_path.glob("*.f16"))) == 1
    assert found(file.table(truth)) == found(VectorFile(tmp_path).table(truth)) == expected(truth)


@pytest.mark.parametrize("lacking", [None, 1])
def test_without_its_columns_the_file_is_not_believed(tmp_path: Path, lacking: int | None) -> None:
    truth = Truth()
    truth.add(5)
    VectorFile(tmp_path).append(truth)
    (path,) = tmp_path.glob("*.worn")
    path.write_bytes(path.read_bytes()[:-lacking]) if lacking else path.unlink()
    assert found(VectorFile(tmp_path).table(truth)) == expected(truth)
    truth.add(1)
    VectorFile(tmp_path).append(truth)
    assert found(VectorFile(tmp_path).table(truth)) == expected(truth)
    assert len(list(tmp_path.glob("vectors-*"))) == 3


def test_the_file_of_a_version_that_knew_of_no_attributes_is_gone_on_with(tmp_path: Path) -> None:
    truth = Truth()
    truth.width = 0
    truth.add(5)
    name, ids = "1" * 32, np.arange(1, 6)
    header = struct.pack("<8s32s32sQQq", b"PASSERV2", truth.epoch.encode(), name.encode(), 5, DIM, 5)
    (tmp_path / HEAD).write_bytes(header + struct.pack("<I", zlib.crc32(header)))
    (tmp_path / f"vectors-{name}.ids").write_bytes(ids.astype("<i8").tobytes())
    (tmp_path / f"vectors-{name}.f16").write_bytes(np.stack([truth.vectors[one] for one in ids.tolist()]).astype("<f2").tobytes())
    assert VectorFile(tmp_path).lacks(truth) == 0
    truth.add(1)
    VectorFile(tmp_path).append(truth)
    assert found(VectorFile(tmp_path).table(truth)) == expected(truth)
    assert (tmp_path / f"vectors-{name}.f16").stat().st_size == 6 * DIM * 2
