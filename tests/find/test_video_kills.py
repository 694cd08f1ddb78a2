"""SIGKILL in the middle of a video: what was said to be done is there, and the end is that of an undisturbed run."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from walkers import everybody, write_walkers

from passerby.index.sqlite.index import Index

INDEXING = """
import sys
from pathlib import Path
from passerby.detect.people import Detecting
from passerby.find.ingest import videos
from passerby.find.ingest.run import index_paths
from passerby.index.sqlite.index import Index
from passerby.model.bundle import read_bundle
from passerby.model.bundle_encoder import BundleEncoder
from street import ColourDetector

bundle, film, folder = map(Path, sys.argv[1:])
videos.STRETCH = 0.5
with Index.create(folder, BundleEncoder(read_bundle(bundle), threads=1)) as index:
    print("ready", flush=True)
    how = {"detecting": Detecting(ColourDetector(), min_height=20), "on_watched": lambda done, total: print(done, total, flush=True)}
    report = index_paths(index, BundleEncoder(read_bundle(bundle), threads=1), [film], **how)
print("finished", report.videos, flush=True)
"""


def start(bundle: Path, film: Path, index: Path) -> subprocess.Popen[str]:
    command: list[str | Path] = [sys.executable, "-c", INDEXING, bundle, film, index]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})


@pytest.mark.parametrize("kills", [5, pytest.param(50, marks=pytest.mark.soak)])
def test_kills_in_the_middle_of_a_video_change_nothing(tmp_path: Path, tiny_bundle: Path, kills: int) -> None:
    film, calm, killed = write_walkers(tmp_path / "film.mp4"), tmp_path / "calm", tmp_path / "killed"
    out, _ = start(tiny_bundle, film, calm).communicate(timeout=60)
    assert out.endswith("finished 1\n")
    with Index.open(calm) as index:
        expected = everybody(index)
    moments = random.Random(1)
    interrupted, went_on, said = 0, 0, 0
    for _ in range(kills):
        process = start(tiny_bundle, film, killed)
        assert process.stdout is not None
        met = [process.stdout.readline() for _ in range(moments.randint(1, 9))]
        time.sleep(moments.uniform(0, 0.05))
        process.kill()
        met += process.communicate(timeout=60)[0].splitlines()
        if any(line.startswith("finished") for line in met):
            shutil.rmtree(killed)
            said = 0
            continue
        interrupted += 1
        done = [int(line.split()[0]) for line in met if line[:1].isdigit()]
        went_on += said > 0 and (not done or done[0] >= said)
        said = max([said, *done])
        with Index.open(killed) as index:
            assert index._db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert index.looked_into().seconds >= said - 0.5
            assert {one for one in everybody(index)} <= set(expected)
    assert interrupted > kills / 2 and went_on
    out, _ = start(tiny_bundle, film, killed).communicate(timeout=60)
    assert out.splitlines()[-1] in ("finished 1", "finished 0"), "0 where the last one was killed between its last commit and its last word"
    with Index.open(killed) as index:
        assert everybody(index) == expected
        assert index.left_off(film) is None
