"""Indexes of older versions: they open, give the same answers, and lose nothing on the way to today's schema."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from crops import media, write_crop, write_crops
from indexing import NOTHING, CountingEncoder, DressedEncoder, held

from passerby.find.ingest.run import index_paths
from passerby.index.score import Weights
from passerby.index.sqlite import database
from passerby.index.sqlite.index import Index
from passerby.media.encode_files import EncodedFile, encode_files
from passerby.model.bundle_encoder import BundleEncoder
from passerby.types import Box, Crop

VERSION_1 = """
PRAGMA page_size = 16384; PRAGMA journal_mode = WAL; BEGIN;
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE embeddings (
    id INTEGER PRIMARY KEY, digest TEXT NOT NULL, region TEXT NOT NULL, vector BLOB NOT NULL, UNIQUE (digest, region));
CREATE TABLE media (
    id INTEGER PRIMARY KEY,
    path BLOB NOT NULL UNIQUE, size INTEGER NOT NULL, modified_ns INTEGER NOT NULL, digest TEXT NOT NULL);
CREATE TABLE persons (
    id INTEGER PRIMARY KEY,
    media INTEGER NOT NULL REFERENCES media ON DELETE CASCADE,
    embedding INTEGER NOT NULL REFERENCES embeddings,
    x REAL, y REAL, width REAL, height REAL, time REAL, track INTEGER);
CREATE TABLE failures (
    path BLOB PRIMARY KEY, size INTEGER NOT NULL, changed_ns INTEGER NOT NULL, reason TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX media_by_size ON media (size);
CREATE INDEX persons_by_media ON persons (media);
CREATE INDEX persons_by_embedding ON persons (embedding);
CREATE TRIGGER embedding_of_nobody AFTER DELETE ON persons
    WHEN NOT EXISTS (SELECT 1 FROM persons WHERE embedding = OLD.embedding)
    BEGIN DELETE FROM embeddings WHERE id = OLD.embedding; END;
INSERT INTO meta VALUES ('id', '0123456789abcdef0123456789abcdef'), ('generation', 3), ('created', '2026-11-01T12:00:00Z');
PRAGMA application_id = 0x50534259; PRAGMA user_version = 1; COMMIT;
"""
"""What version 1 made, word for word."""

VERSION_2 = (
    VERSION_1
    + """
BEGIN;
ALTER TABLE media ADD COLUMN changed_ns INTEGER;
ALTER TABLE media ADD COLUMN device INTEGER;
ALTER TABLE media ADD COLUMN away_since INTEGER;
DROP INDEX media_by_size;
CREATE INDEX media_by_size ON media (size, modified_ns);
INSERT INTO meta VALUES
    ('epoch', 'fedcba9876543210fedcba9876543210'), ('newest', (SELECT coalesce(max(id), 0) FROM embeddings));
CREATE TABLE deleted (embedding INTEGER PRIMARY KEY, wiped INTEGER NOT NULL DEFAULT 0);
CREATE TRIGGER embedding_given AFTER INSERT ON embeddings
    BEGIN UPDATE meta SET value = NEW.id WHERE key = 'newest'; END;
CREATE TRIGGER embedding_deleted AFTER DELETE ON embeddings
    BEGIN INSERT INTO deleted (embedding) VALUES (OLD.id); END;
PRAGMA user_version = 2; COMMIT;
"""
)
"""What version 2 made of it, word for word."""

VERSION_3 = (
    VERSION_2
    + """
BEGIN;
ALTER TABLE media ADD COLUMN kind TEXT NOT NULL DEFAULT 'photo';
ALTER TABLE media ADD COLUMN camera TEXT;
ALTER TABLE media ADD COLUMN started_at REAL;
ALTER TABLE media ADD COLUMN zone TEXT;
ALTER TABLE media ADD COLUMN known_by TEXT;
ALTER TABLE media ADD COLUMN embedded INTEGER NOT NULL DEFAULT 1;
CREATE INDEX media_by_digest ON media (digest) WHERE NOT embedded;
CREATE TABLE people (
    id INTEGER PRIMARY KEY,
    media INTEGER NOT NULL REFERENCES media ON DELETE CASCADE,
    track INTEGER, first REAL, last REAL);
CREATE TABLE crops (
    person INTEGER NOT NULL REFERENCES people ON DELETE CASCADE,
    number INTEGER NOT NULL,
    embedding INTEGER NOT NULL REFERENCES embeddings,
    x REAL, y REAL, width REAL, height REAL, time REAL, quality REAL,
    PRIMARY KEY (person, number)) WITHOUT ROWID;
INSERT INTO people SELECT id, media, track, time, time FROM persons ORDER BY id;
INSERT INTO crops SELECT id, 0, embedding, x, y, width, height, time, NULL FROM persons ORDER BY id;
DROP TABLE persons;
CREATE INDEX people_by_media ON people (media);
CREATE INDEX crops_by_embedding ON crops (embedding);
CREATE TRIGGER embedding_of_nobody AFTER DELETE ON crops
    WHEN NOT EXISTS (SELECT 1 FROM crops WHERE embedding = OLD.embedding)
    BEGIN DELETE FROM embeddings WHERE id = OLD.embedding; END;
INSERT INTO meta VALUES ('newest_person', (SELECT coalesce(max(id), 0) FROM people)), ('salt', lower(hex(randomblob(32))));
CREATE TRIGGER person_given AFTER INSERT ON people
    BEGIN UPDATE meta SET value = NEW.id WHERE key = 'newest_person'; END;
CREATE TABLE suppressed (digest BLOB PRIMARY KEY, region TEXT NOT NULL, person INTEGER NOT NULL) WITHOUT ROWID;
PRAGMA user_version = 3; COMMIT;
"""
)
"""What version 3 made of it, word for word."""

VERSION_4 = (
    VERSION_3
    + """
BEGIN;
ALTER TABLE embeddings ADD COLUMN worn BLOB;
CREATE TABLE cameras (name TEXT PRIMARY KEY, offset_seconds REAL NOT NULL DEFAULT 0, zone TEXT) WITHOUT ROWID;
CREATE INDEX media_by_camera ON media (camera, started_at);
CREATE INDEX media_by_time ON media (kind, started_at);
CREATE TABLE signatures (embedding INTEGER PRIMARY KEY, signature BLOB NOT NULL, bytes INTEGER NOT NULL, run INTEGER NOT NULL);
CREATE TABLE copies (embedding INTEGER PRIMARY KEY, leader INTEGER NOT NULL);
CREATE INDEX copies_by_leader ON copies (leader);
CREATE TABLE unfolded (embedding INTEGER PRIMARY KEY);
INSERT INTO meta VALUES ('signatures', 1), ('run', 0);
CREATE TRIGGER signature_given AFTER INSERT ON signatures
            BEGIN INSERT INTO unfolded VALUES (NEW.embedding); END;
CREATE TRIGGER group_lost AFTER DELETE ON embeddings
            BEGIN
                INSERT OR IGNORE INTO unfolded SELECT leader FROM copies WHERE embedding = OLD.id
                    UNION SELECT embedding FROM copies
                    WHERE leader = coalesce((SELECT leader FROM copies WHERE embedding = OLD.id), OLD.id);
                DELETE FROM copies WHERE leader = coalesce((SELECT leader FROM copies WHERE embedding = OLD.id), OLD.id);
                DELETE FROM unfolded WHERE embedding = OLD.id;
                DELETE FROM signatures WHERE embedding = OLD.id;
            END;
PRAGMA user_version = 4; COMMIT;
"""
)
"""What version 4 made of it, word for word."""

VERSION_5 = (
    VERSION_4
    + """
BEGIN;
ALTER TABLE media ADD COLUMN detector TEXT;
ALTER TABLE media ADD COLUMN detect_size INTEGER NOT NULL DEFAULT 0;
ALTER TABLE media ADD COLUMN min_height REAL NOT NULL DEFAULT 0;
ALTER TABLE media ADD COLUMN smallest REAL NOT NULL DEFAULT 0;
CREATE INDEX media_looked_into ON media (smallest) WHERE detector > '';
PRAGMA user_version = 5; COMMIT;
"""
)
"""What version 5 made of it, word for word."""

VERSION_6 = (
    VERSION_5
    + """
BEGIN;
ALTER TABLE media ADD COLUMN fps REAL NOT NULL DEFAULT 0;
ALTER TABLE media ADD COLUMN quick INTEGER NOT NULL DEFAULT 0;
ALTER TABLE media ADD COLUMN seconds REAL;
ALTER TABLE media ADD COLUMN broken INTEGER NOT NULL DEFAULT 0;
ALTER TABLE media ADD COLUMN cut_short_at REAL;
ALTER TABLE media ADD COLUMN clock_reset INTEGER NOT NULL DEFAULT 0;
ALTER TABLE people ADD COLUMN static INTEGER NOT NULL DEFAULT 0;
CREATE INDEX people_static ON people (media) WHERE static;
DROP INDEX media_looked_into;
CREATE INDEX media_looked_into ON media (kind, smallest) WHERE detector > '';
CREATE TABLE checkpoints (media INTEGER PRIMARY KEY REFERENCES media ON DELETE CASCADE, checkpoint TEXT NOT NULL);
PRAGMA user_version = 6; COMMIT;
"""
)
"""What version 6 made of it, word for word."""

VERSIONS = {1: VERSION_1, 2: VERSION_2, 3: VERSION_3, 4: VERSION_4, 5: VERSION_5, 6: VERSION_6}


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def dressed(tiny_encoder: BundleEncoder) -> DressedEncoder:
    return DressedEncoder(tiny_encoder._bundle, threads=1)


@pytest.fixture
def old(tmp_path: Path, tiny_encoder: BundleEncoder, version: int) -> Path:
    """An index of an older version with four people and a failure."""
    folder, crops = tmp_path / "index", write_crops(tmp_path / "crops", 4)
    bad = tmp_path / "crops" / "bad.jpg"
    bad.write_bytes(b"bad")
    folder.mkdir()
    db = sqlite3.connect(folder / database.FILE_NAME, isolation_level=None)
    db.executescript(VERSIONS[version])
    db.execute("INSERT INTO meta VALUES ('model', ?)", (json.dumps([tiny_encoder.name, tiny_encoder.digest, tiny_encoder.dim]),))
    for number, encoded in enumerate(encode_files(tiny_encoder, crops), 1):
        assert isinstance(encoded, EncodedFile)
        path, status = encoded.media.path, encoded.media.path.stat()
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        db.execute(
            "INSERT INTO embeddings (id, digest, region, vector) VALUES (?, ?, 'whole', ?)",
            (number, digest, encoded.vector.astype("<f4").tobytes()),
        )
        db.execute(
            "INSERT INTO media (id, path, size, modified_ns, digest) VALUES (?, ?, ?, ?, ?)",
            (number, os.fsencode(path), status.st_size, status.st_mtime_ns, digest),
        )
        see(db, version, number, number, number)
    db.execute("INSERT INTO failures VALUES (?, 3, ?, 'broken')", (os.fsencode(bad), bad.stat().st_ctime_ns))
    db.close()
    return folder


def test_an_old_index_is_searched_by_a_model_that_says_what_is_worn(old: Path, tmp_path: Path, dressed: DressedEncoder) -> None:
    """Until it is made again, which alone encodes its pictures again, what its people wear is not known and weighs nothing."""
    with Index.open(old) as index:
        index.settle()
        plain = Weights(next(iter(held(index).values())).astype(np.float64))
        asking = Weights(plain.vector, np.full(6, 0.01))
        (before,) = index.nearest([plain], 4)
        assert index.nearest([asking], 4)[0].people == before.people
    with Index.create(old, dressed) as index:
        write_crop(tmp_path / "crops" / "new.jpg", 9)
        index_paths(index, dressed, [tmp_path / "crops"], verify=True)
        assert (index.info().embeddings, index.info().unworn) == (5, 4)
        for question in (plain, asking):
            (found,) = index.nearest([question], 5)
            assert tuple(one.score for one in found.people if one.person.id != 5) == tuple(one.score for one in before.people)
    with Index.create(old, dressed, rebuild=True) as index:
        index_paths(index, dressed, [tmp_path / "crops"])
        assert (index.info().embeddings, index.info().unworn) == (5, 0)


Place = tuple[float | None, ...]


def see(db: sqlite3.Connection, version: int, person: int, media: int, embedding: int, place: Place = (None,) * 6) -> None:
    """Put a person of a new id into a media, at a place: x, y, width, height, time and track."""
    *box, time, track = place
    if version < 3:
        db.execute("INSERT INTO persons VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (person, media, embedding, *box, time, track))
    else:
        db.execute("INSERT INTO people (id, media, track, first, last) VALUES (?, ?, ?, ?, ?)", (person, media, track, time, time))
        db.execute("INSERT INTO crops VALUES (?, 0, ?, ?, ?, ?, ?, ?, NULL)", (person, embedding, *box, time))


def test_an_old_index_opens_and_its_next_run_encodes_nothing(old: Path, tmp_path: Path, encoder: CountingEncoder) -> None:
    with Index.create(old, encoder) as index:
        before, info = held(index), index.info()
        assert (info.people, info.media, info.failures, info.away, info.created) == (4, 4, 1, 0, "2026-11-01T12:00:00Z")
        report = index_paths(index, encoder, [tmp_path / "crops"])
        assert replace(report, failed=()) == replace(NOTHING, unchanged=4, redated=4)
        assert [failure.reason for failure in report.failed] == ["broken"]
        for path in before:
            known = index.standing(path)
            assert known is not None
            assert (known.changed_ns, known.device) == (path.stat().st_ctime_ns, path.stat().st_dev)
        stamp = index.stamp()
        index_paths(index, encoder, [tmp_path / "crops"])
        assert index.stamp() == stamp
        after = held(index)
    assert encoder.encoded == 0
    assert after.keys() == before.keys()
    assert all(np.array_equal(after[path], vector) for path, vector in before.items())


def search(folder: Path, bundle: Path, within: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [
        *within,
        sys.executable,
        "-m",
        "passerby",
        "search",
        "a red jacket",
        "--index",
        folder,
        "--model",
        bundle,
        "--json",
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def remove(folder: Path, within: Sequence[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [*within, sys.executable, "-m", "passerby", "remove", *arguments, "--index", folder]
    return subprocess.run(command, cwd=folder.parent, capture_output=True, text=True, timeout=60, check=False)


def test_an_old_index_on_a_read_only_disk_gives_the_same_answers(old: Path, tiny_bundle: Path, ordinary: Sequence[str]) -> None:
    (old / database.FILE_NAME).chmod(0o444)
    old.chmod(0o555)
    before = (old / database.FILE_NAME).read_bytes()
    try:
        read_only = search(old, tiny_bundle, ordinary)
        removals = [remove(old, ordinary, "crops"), remove(old, ordinary, "--person", "1")]
        assert (old / database.FILE_NAME).read_bytes() == before
    finally:
        old.chmod(0o755)
        (old / database.FILE_NAME).chmod(0o644)
    migrated = search(old, tiny_bundle)
    assert (read_only.returncode, read_only.stderr) == (0, "")
    for removing in removals:
        assert (removing.returncode, removing.stderr.count("\n")) == (2, 1), removing.stderr
        assert "read-only" in removing.stderr
    assert json.loads(read_only.stdout) == json.loads(migrated.stdout)
    assert len(json.loads(migrated.stdout)["hits"]) == 4
    with Index.open(old) as index:
        assert database.schema_version(index._db) == database.SCHEMA_VERSION


STOPPED = """
import os, signal, sys
from pathlib import Path
from passerby.index.sqlite import database

step, after = int(sys.argv[2]), []
def kill_after(statement):
    if statement.startswith(("ALTER", "DROP", "CREATE", "INSERT", "PRAGMA user_version =", "COMMIT")):
        after.append(statement)
        if len(after) == step:
            os.kill(os.getpid(), signal.SIGKILL)
connect = database._connect
def traced(folder, options):
    connection = connect(folder, options)
    connection.set_trace_callback(kill_after)
    return connection
database._connect = traced
database.open_for_writing(Path(sys.argv[1])).close()
"""


@pytest.mark.parametrize(
    ("version", "step"),
    [
        (1, 1),
        (1, 10),
        (1, 29),
        (2, 1),
        (2, 8),
        (2, 10),
        (2, 11),
        (2, 12),
        (2, 20),
        (3, 1),
        (3, 7),
        (3, 11),
        (4, 1),
        (4, 6),
        (5, 1),
        (5, 8),
        (5, 11),
        (6, 1),
        (6, 2),
    ],
    indirect=["version"],
)
def test_a_kill_in_the_midst_of_migrating_loses_nothing(old: Path, encoder: CountingEncoder, version: int, step: int) -> None:
    done = subprocess.run([sys.executable, "-c", STOPPED, old, str(step)], timeout=60, check=False)
    assert done.returncode == -9
    assert_as_it_was(old, version)
    with Index.create(old, encoder) as index:
        assert len(held(index)) == 4


FULL = """
import resource, signal, sys
from pathlib import Path
from passerby.errors import IndexFault
from passerby.index.sqlite import database

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (32_800, 32_800))
try:
    database.open_for_writing(Path(sys.argv[1]))
except IndexFault as fault:
    print(fault)
"""


def test_a_migration_on_a_full_disk_loses_nothing(old: Path, encoder: CountingEncoder, version: int) -> None:
    done = subprocess.run([sys.executable, "-c", FULL, old], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.startswith("expected "), done.stderr
    assert_as_it_was(old, version)
    with Index.create(old, encoder) as index:
        assert len(held(index)) == 4


def assert_as_it_was(folder: Path, version: int) -> None:
    db = sqlite3.connect(f"file:{folder / database.FILE_NAME}?mode=ro", uri=True)
    assert database.schema_version(db) == version
    people = "persons" if version < 3 else "people JOIN crops ON person = people.id"
    assert db.execute(f"SELECT count(*) FROM {people} JOIN media ON media.id = media").fetchone() == (4,)
    assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()


def test_people_of_an_old_index_keep_their_vectors_and_their_ids(old: Path, encoder: CountingEncoder, version: int) -> None:
    """And whoever comes later gets neither."""
    db = sqlite3.connect(old / database.FILE_NAME)
    db.execute("PRAGMA foreign_keys = ON")
    db.execute(f"DELETE FROM {'persons' if version < 3 else 'people'} WHERE id = 2")
    see(db, version, 7, 1, 1, (1.5, 2, 3, 4, 2.5, 3))
    db.commit()
    pages = db.execute("SELECT id, vector FROM embeddings ORDER BY id").fetchall()
    db.close()
    with Index.create(old, encoder) as index:
        assert index._db.execute("SELECT id, vector FROM embeddings ORDER BY id").fetchall() == pages
        found = {person.id: (person, crops) for person, crops in index.people()}
        assert list(found) == [1, 3, 4, 7]
        person, (crop,) = found[7]
        assert (person.track, person.first, person.last) == (3, 2.5, 2.5)
        assert crop == Crop(Box(1.5, 2, 3, 4), 2.5)
        np.testing.assert_array_equal(index.vector_of(person), index.vector_of(found[1][0]))
        with index.writing():
            index.add(media("/new.jpg", "new"), index.vector_of(person))
        assert max(person.id or 0 for person, _ in index.people()) == 8
        index.purge()
        assert index._db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert index._db.execute("PRAGMA foreign_key_check").fetchall() == []
