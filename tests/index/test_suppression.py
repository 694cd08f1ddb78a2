"""Whoever was removed stays out: after another run, of moved and copied files, of an index made anew; until they are let in again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from calling import call
from crops import write_crops
from indexing import NOTHING, CountingEncoder, held
from numpy.typing import NDArray

from passerby.find.ingest.run import index_paths
from passerby.find.removal import RemovalReport, remove_from
from passerby.index.sqlite.index import Index


@pytest.fixture
def crops(tmp_path: Path) -> Path:
    write_crops(tmp_path / "crops", 3)
    return tmp_path / "crops"


@pytest.fixture
def index(tmp_path: Path, encoder: CountingEncoder, crops: Path) -> Iterator[Index]:
    with Index.create(tmp_path / "index", encoder) as opened:
        index_paths(opened, encoder, [crops])
        yield opened


def id_of(index: Index, path: Path) -> int:
    (person,) = (person.id for person, _ in index.people() if person.media.path == path)
    assert person is not None
    return person


def assert_nothing_is_left(index: Index, vector: NDArray[np.float32]) -> None:
    content = b"".join(file.read_bytes() for file in index.folder.iterdir())
    assert vector.tobytes() not in content
    assert vector.astype(np.float16).tobytes() not in content


def test_a_removed_person_stays_out_whatever_becomes_of_their_file(index: Index, encoder: CountingEncoder, crops: Path) -> None:
    first, vector = crops / "000.jpg", held(index)[crops / "000.jpg"]
    shutil.copy(first, crops / "copy.jpg")
    index_paths(index, encoder, [crops])
    person = id_of(index, first)
    assert remove_from(index, [], [person, person]) == RemovalReport(2, (), (person,))
    others = {crops / "001.jpg", crops / "002.jpg"}

    def still_out() -> None:
        assert set(held(index)) == others
        assert_nothing_is_left(index, vector)

    still_out()
    assert index_paths(index, encoder, [crops]) == replace(NOTHING, unchanged=4)
    still_out()
    first.rename(crops / "moved.jpg")
    assert index_paths(index, encoder, [crops]) == replace(NOTHING, indexed=1, recognised=1, unchanged=3, suppressed=1)
    still_out()
    shutil.copy(crops / "moved.jpg", crops / "another.jpg")
    assert index_paths(index, encoder, [crops]).suppressed == 1
    still_out()
    encoded = encoder.encoded
    assert encoded == 3
    with Index.create(index.folder, encoder, rebuild=True) as rebuilt:
        report = index_paths(rebuilt, encoder, [crops])
        assert (report.indexed, report.suppressed) == (5, 3)
        assert set(held(rebuilt)) == others
        assert min(one.id or 0 for one, _ in rebuilt.people()) > 4
        assert_nothing_is_left(rebuilt, vector)


def test_who_is_let_in_again_comes_back_with_the_next_run(index: Index, encoder: CountingEncoder, crops: Path) -> None:
    vector, person = held(index)[crops / "000.jpg"], id_of(index, crops / "000.jpg")
    remove_from(index, [], [person])
    assert remove_from(index, [], [], [person, 99]) == RemovalReport(0, (), (), (person,), (99,))
    assert index_paths(index, encoder, [crops]) == replace(NOTHING, indexed=1, unchanged=2)
    np.testing.assert_allclose(held(index)[crops / "000.jpg"], vector, atol=1e-6)
    assert id_of(index, crops / "000.jpg") == 4


def test_nobody_is_removed_by_an_id_that_nobody_has(index: Index) -> None:
    assert remove_from(index, [], [99]) == RemovalReport(0, (), unknown=(99,))
    assert len(held(index)) == 3


def test_what_keeps_somebody_out_tells_nobody_who(index: Index, encoder: CountingEncoder, crops: Path) -> None:
    """Neither the digest of their bytes nor one that can be made of it without the index's own salt."""
    person = id_of(index, crops / "000.jpg")
    standing = index.standing(crops / "000.jpg")
    remove_from(index, [crops / "000.jpg"], [person])
    assert standing is not None
    assert standing.digest is not None
    content = b"".join(file.read_bytes() for file in index.folder.iterdir())
    assert standing.digest.encode() not in content
    assert bytes.fromhex(standing.digest) not in content
    (salt,) = index._db.execute("SELECT value FROM meta WHERE key = 'salt'").fetchone()
    assert len(salt) == 64
    with Index.create(index.folder.with_name("other"), encoder) as other:
        assert other._db.execute("SELECT value FROM meta WHERE key = 'salt'").fetchone() != (salt,)


def passerby(index: Index, bundle: Path, *arguments: str | Path) -> tuple[int, Any]:
    model = () if arguments[0] == "remove" else ("--model", bundle)
    ran = call(*arguments, "--index", index.folder, "--json", *model)
    return ran.code, json.loads(ran.out or "{}")


def test_the_command_line_removes_people_and_lets_them_in_again(index: Index, tiny_bundle: Path, crops: Path) -> None:
    code, found = passerby(index, tiny_bundle, "search", "a red jacket", "-k", "1")
    assert code == 0
    (hit,) = found["hits"]
    person, path = str(hit["person"]), Path(hit["path"])
    removed = {"removed": 1, "suppressed": [int(person)], "let_in": [], "unknown": [], "failed": []}
    assert passerby(index, tiny_bundle, "remove", "--person", person) == (0, removed)
    assert path not in held(index)
    assert passerby(index, tiny_bundle, "remove", "--person", person)[0] == 2
    assert passerby(index, tiny_bundle, "remove")[0] == 2
    assert passerby(index, tiny_bundle, "remove", "--forget-suppression", person)[0] == 0
    assert passerby(index, tiny_bundle, "index", crops)[0] == 0
    assert path in held(index)
