"""SIGKILL at random moments of indexing: the index opens, what was reported done is there, and the end result is the same."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from passerby.index.sqlite.index import Index
from passerby.model.worn import worn_bytes

INDEXING = """
import sys
from pathlib import Path
from passerby.index.sqlite.index import Index
from passerby.find.ingest.run import index_paths
from passerby.model.bundle import read_bundle
from indexing import DressedEncoder

bundle, crops, folder = map(Path, sys.argv[1:])
encoder = DressedEncoder(read_bundle(bundle), threads=1)
print("ready", flush=True)
with Index.create(folder, encoder) as index:
    report = index_paths(index, encoder, [crops], lambda done, total: print(done, total, flush=True))
print("finished", len(report.failed), flush=True)
"""


def write_photos(folder: Path, count: int) -> None:
    """Pictures large enough to take a while, every tenth of them damaged."""
    folder.mkdir()
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 256, (640, 320, 3), np.uint8)
        path = folder / f"{number:03}.jpg"
        Image.fromarray(pixels).save(path, quality=80)
        if number % 10 == 9:
            path.write_bytes(path.read_bytes()[:500])


def start(bundle: Path, crops: Path, index: Path) -> subprocess.Popen[str]:
    path = os.pathsep.join(sys.path)
    process = subprocess.Popen(
        [sys.executable, "-c", INDEXING, bundle, crops, index], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path}
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def contents(folder: Path) -> tuple[dict[Path, NDArray[np.float32]], set[Path]]:
    """Each path's vector, and the paths that failed; the derived vectors agree."""
    with Index.open(folder) as index, index.snapshot():
        held = {person.media.path: index.vector_of(person) for person, _ in index.people()}
        assert len(index.vectors()) == len(held)
        worn = [worn_bytes(8 * index.vector_of(person)[None, :3])[0] for person, _ in index.people()]
        np.testing.assert_array_equal([index.worn_of(person) for person, _ in index.people()], worn)
        np.testing.assert_array_equal(index.vectors().worn(range(6)), np.reshape(worn, (-1, 6)))
        assert index._db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return held, {failure.path for failure in index.failures()}


def reported_done(lines: list[str]) -> int:
    """How many files a run said were done, of those it had to do."""
    return max((int(line.split()[0]) for line in lines if line[0].isdigit()), default=0)


@pytest.mark.parametrize("kills", [5, pytest.param(100, marks=pytest.mark.soak)])
def test_kills_lose_nothing_that_was_done(tmp_path: Path, tiny_bundle: Path, kills: int) -> None:
    crops, calm, killed = tmp_path / "crops", tmp_path / "calm", tmp_path / "killed"
    write_photos(crops, 60)
    process = start(tiny_bundle, crops, calm)
    began = time.monotonic()
    out, _ = process.communicate(timeout=60)
    duration = time.monotonic() - began
    assert "finished 6" in out
    expected, expected_failures = contents(calm)

    moments = random.Random(0)
    interrupted = done_before = 0
    for _ in range(kills):
        process = start(tiny_bundle, crops, killed)
        time.sleep(moments.uniform(0, duration))
        process.kill()
        out, _ = process.communicate(timeout=60)
        interrupted += "finished" not in out
        if not (killed / "index.db").exists():
            assert not reported_done(out.splitlines())
            continue
        held, failures = contents(killed)
        done = len(held) + len(failures)
        assert done >= done_before + reported_done(out.splitlines())
        assert {*held, *failures} == set(sorted(crops.iterdir())[:done])
        assert all(np.array_equal(vector, expected[path]) for path, vector in held.items())
        done_before = done
        if done == 60:
            shutil.rmtree(killed)
            done_before = 0
    assert interrupted > kills / 4

    out, _ = start(tiny_bundle, crops, killed).communicate(timeout=60)
    assert "finished 6" in out
    held, failures = contents(killed)
    assert failures == expected_failures
    assert held.keys() == expected.keys()
    assert all(np.array_equal(vector, expected[path]) for path, vector in held.items())
