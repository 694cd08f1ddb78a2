from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from crops import media, random_vectors

from passerby.errors import IndexFault
from passerby.index.info import Standing
from passerby.index.sqlite import database
from passerby.index.sqlite.index import Index
from passerby.model.bundle_encoder import BundleEncoder
from passerby.types import Crop, Failure, ModelDigest, Person

VECTORS = random_vectors(8)


class OtherEncoder(BundleEncoder):
    """The same model under another name."""

    @property
    def name(self) -> str:
        return "other"

    @property
    def digest(self) -> ModelDigest:
        return ModelDigest("f" * 64)


@pytest.fixture
def index(tmp_path: Path, tiny_encoder: BundleEncoder) -> Iterator[Index]:
    with Index.create(tmp_path / "index", tiny_encoder) as opened:
        yield opened


def embedding_ids(index: Index) -> list[int]:
    ids: list[int] = index.vectors().ids.tolist()
    return ids


def test_what_was_added_is_there_in_another_process_s_eyes(index: Index, tiny_encoder: BundleEncoder) -> None:
    item = media("/crops/a.jpg", "a")
    with index.writing():
        index.add(item, VECTORS[0])
    with Index.open(index.folder) as other:
        ids, vectors, _ = other.embeddings(embedding_ids(other))
        np.testing.assert_array_equal(vectors, VECTORS[:1])
        assert other.seen_by(ids.tolist()) == [(1, Person(item, 1), Crop())]
        info = other.info()
    assert (info.people, info.media, info.embeddings, info.failures) == (1, 1, 1, 0)
    assert info.model is not None
    assert (info.model.name, info.model.digest, info.model.dim) == (tiny_encoder.name, tiny_encoder.digest, 16)
    assert info.bytes == sum(file.stat().st_size for file in index.folder.iterdir())


def test_equal_bytes_are_two_media_and_one_embedding(index: Index) -> None:
    with index.writing():
        index.add(media("/b.jpg", "same"), VECTORS[0])
        index.add(media("/a.jpg", "same"), VECTORS[1])
    (embedding,) = embedding_ids(index)
    assert [str(person.media.path) for _, person, _ in index.seen_by([embedding])] == ["/a.jpg", "/b.jpg"]
    np.testing.assert_array_equal(index.embeddings([embedding])[1], VECTORS[:1])


def test_an_embedding_goes_with_its_last_person(index: Index) -> None:
    with index.writing():
        index.add(media("/a.jpg", "same"), VECTORS[0])
        index.add(media("/b.jpg", "same"), VECTORS[0])
    with index.writing():
        assert index.forget(Path("/a.jpg")) == 1
    assert len(embedding_ids(index)) == 1
    with index.writing():
        assert index.forget(Path("/b.jpg")) == 1
        assert index.forget(Path("/b.jpg")) == 0
    assert embedding_ids(index) == []


def test_new_content_replaces_the_old(index: Index) -> None:
    with index.writing():
        index.add(media("/a.jpg", "old"), VECTORS[0])
    with index.writing():
        index.add(media("/a.jpg", "new"), VECTORS[1])
    (embedding,) = embedding_ids(index)
    np.testing.assert_array_equal(index.embeddings([embedding])[1], VECTORS[1:2])
    assert index.info().people == 1


def test_only_known_bytes_can_be_linked(index: Index) -> None:
    with index.writing():
        index.add(media("/a.jpg", "known"), VECTORS[0])
        assert index.link(media("/moved.jpg", "known"))
        assert index.link(media("/a.jpg", "known"))
        assert not index.link(media("/b.jpg", "unknown"))
    assert index.info().media == 2
    assert index.info().people == 2


def test_a_failure_takes_the_place_of_a_media_and_back(index: Index) -> None:
    path = Path("/a.jpg")
    with index.writing():
        index.add(media(path, "fine"), VECTORS[0])
    with index.writing():
        index.fail(path, 7, 8, "broken")
    assert index.standing(path) == Standing(7, 8, None, "broken")
    assert index.failures() == [Failure(path, "broken")]
    assert index.info().people == 0
    with index.writing():
        index.add(media(path, "fine"), VECTORS[0])
    assert index.failures() == []
    assert index.standing(path) == Standing(4, 1_000, media(path, "fine").digest, None)


def test_names_that_are_no_text_come_back(index: Index) -> None:
    paths = [Path(os.fsdecode(b"/caf\xe9.jpg")), Path("/two\nlines.jpg"), Path("/日本.jpg")]
    with index.writing():
        for number, path in enumerate(paths):
            index.add(media(path, str(number)), VECTORS[number])
    assert index.paths_under(Path("/")) == sorted(paths, key=os.fsencode)
    assert all(index.standing(path) for path in paths)


def test_paths_under_a_folder_are_not_those_of_its_namesakes(index: Index) -> None:
    with index.writing():
        for number, path in enumerate(("/a/b.jpg", "/a/c/d.jpg", "/a.jpg", "/ab/c.jpg", "/a-b/c.jpg", "/a0.jpg")):
            index.add(media(path, str(number)), VECTORS[number])
        index.fail(Path("/a/bad.jpg"), 1, 1, "broken")
    assert [str(path) for path in index.paths_under(Path("/a"))] == ["/a/b.jpg", "/a/bad.jpg", "/a/c/d.jpg"]
    assert [str(path) for path in index.paths_under(Path("/a.jpg"))] == ["/a.jpg"]


def test_a_transaction_is_all_or_nothing(index: Index) -> None:
    before = index.stamp()
    with pytest.raises(ZeroDivisionError), index.writing():
        index.add(media("/a.jpg", "a"), VECTORS[0])
        raise ZeroDivisionError
    assert index.info().media == 0
    assert index.stamp() == before


def test_each_writing_transaction_is_a_new_generation(index: Index, tiny_encoder: BundleEncoder) -> None:
    before = index.stamp()
    with index.writing():
        index.add(media("/a.jpg", "a"), VECTORS[0])
    after = index.stamp()
    assert (after.index, after.generation) == (before.index, before.generation + 1)
    with Index.create(index.folder, tiny_encoder) as again:
        assert again.stamp() == after


def test_a_snapshot_does_not_see_later_writes(index: Index) -> None:
    with Index.open(index.folder) as reader, reader.snapshot():
        before = reader.stamp()
        with index.writing():
            index.add(media("/a.jpg", "a"), VECTORS[0])
        assert reader.stamp() == before
        assert embedding_ids(reader) == []


def test_another_model_is_refused_with_the_command_that_helps(index: Index, tiny_encoder: BundleEncoder) -> None:
    other = OtherEncoder(tiny_encoder._bundle)
    with pytest.raises(IndexFault, match=r"passerby index PATH… --index .* --rebuild"):
        Index.create(index.folder, other)
    with pytest.raises(IndexFault, match=tiny_encoder.name):
        index.require_model(other.digest, other.name)


def test_rebuild_starts_anew_with_another_model(index: Index, tiny_encoder: BundleEncoder) -> None:
    with index.writing():
        index.add(media("/a.jpg", "a"), VECTORS[0])
        index.fail(Path("/b.jpg"), 1, 1, "broken")
    with Index.create(index.folder, OtherEncoder(tiny_encoder._bundle), rebuild=True) as rebuilt:
        info = rebuilt.info()
    assert (info.people, info.media, info.embeddings, info.failures) == (0, 0, 0, 0)
    assert info.model is not None
    assert info.model.name == "other"


def test_deleted_people_are_gone_from_every_byte(index: Index) -> None:
    with index.writing():
        for number in range(8):
            index.add(media(f"/crops/secret-{number}.jpg", str(number)), VECTORS[number])
        index.fail(Path("/crops/secret-failure.jpg"), 1, 1, "broken")
    with index.writing():
        for path in index.paths_under(Path("/crops")):
            index.forget(path)
    index.purge()
    content = b"".join(file.read_bytes() for file in index.folder.iterdir())
    assert b"secret" not in content
    assert all(vector.tobytes() not in content for vector in VECTORS)


def test_deletion_says_when_another_process_still_reads_what_was_deleted(index: Index) -> None:
    with Index.open(index.folder) as reader, Index.open(index.folder) as writer, reader.snapshot():
        reader.stamp()
        with writer.writing():
            writer.add(media("/a.jpg", "a"), VECTORS[0])
        with pytest.raises(IndexFault, match="still reads"):
            writer.purge(0.05)


def test_a_purge_that_waits_for_a_reader_keeps_nobody_from_writing(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 2.0)
    with index.writing():
        index.add(media("/crops/secret.jpg", "a"), VECTORS[0])
    with Index.open(index.folder) as reader, Index.open(index.folder) as other, ThreadPoolExecutor(1) as pool:
        with reader.snapshot():
            reader.stamp()
            with other.writing():
                other.forget(Path("/crops/secret.jpg"))
            purging = pool.submit(other.purge)
            for number in range(3):
                time.sleep(0.05)
                began = time.monotonic()
                with index.writing():
                    index.add(media(f"/{number}.jpg", str(number)), VECTORS[number + 1])
                assert time.monotonic() - began < 1
            assert not purging.done()
        purging.result(10)
    content = b"".join(file.read_bytes() for file in index.folder.iterdir())
    assert b"secret" not in content
    assert VECTORS[0].tobytes() not in content


def test_a_lock_that_stays_is_one_clear_line(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    with Index.open(index.folder) as second, index.writing(), pytest.raises(IndexFault, match="another process"), second.writing():
        pass


def test_there_must_be_an_index_to_open(tmp_path: Path) -> None:
    with pytest.raises(IndexFault, match="passerby index PATH"):
        Index.open(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_an_index_stopped_at_its_birth_opens_empty(tmp_path: Path) -> None:
    (tmp_path / database.FILE_NAME).touch()
    with Index.open(tmp_path) as opened:
        assert opened.model is None
        assert opened.info().media == 0


def test_a_damaged_schema_change_leaves_the_old_schema(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_encoder: BundleEncoder
) -> None:
    with Index.create(tmp_path, tiny_encoder) as index, index.writing():
        index.add(media("/a.jpg", "a"), VECTORS[0])
    better = ("ALTER TABLE media ADD COLUMN note TEXT",)
    now = database.SCHEMA_VERSION
    monkeypatch.setattr(database, "SCHEMA_VERSION", now + 1)
    monkeypatch.setattr(database, "MIGRATIONS", (*database.MIGRATIONS, (*better, "ALTER TABLE nothing ADD COLUMN note TEXT")))
    with pytest.raises(sqlite3.OperationalError):
        Index.open(tmp_path)
    monkeypatch.setattr(database, "MIGRATIONS", (*database.MIGRATIONS[:now], better))
    with Index.open(tmp_path) as index:
        assert index.info().media == 1
        assert database.schema_version(index._db) == now + 1


WRITER = """
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from crops import media, random_vectors
from passerby.index.sqlite.index import Index
name, folder = sys.argv[1:]
vectors = random_vectors(60)
with Index.open(Path(folder)) as index:
    for number, vector in enumerate(vectors):
        with index.writing():
            index.add(media(f"/{name}/{number}.jpg", str(number)), vector)
"""


def test_processes_may_write_at_once(index: Index) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, name, str(index.folder)], cwd=Path(__file__).parents[1] / "support")
        for name in ("one", "two", "three")
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    info = index.info()
    assert (info.media, info.people, info.embeddings) == (180, 180, 60)
    assert index._db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
