"""Videos that change under the hand that reads them, and a disk that is full: nothing is lost, and the next run puts it right."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from indexing import CountingEncoder
from videos import write_video
from walkers import PASSING, everybody, write_walkers

from passerby.detect.people import Detecting
from passerby.find.ingest import videos
from passerby.find.ingest.run import index_paths
from passerby.index.sqlite.index import Index

SECONDS, FPS = 9.5, 3.0


def replaced(film: Path) -> None:
    write_walkers(film.with_name("other.mp4"), PASSING[1:], SECONDS).replace(film)


def emptied(film: Path) -> None:
    film.write_bytes(b"")


def cut_off(film: Path) -> None:
    film.write_bytes(film.read_bytes()[: film.stat().st_size // 3])


@pytest.mark.parametrize("change", [replaced, Path.unlink, emptied, cut_off])
def test_a_video_that_changes_while_it_is_read_is_put_right_by_the_next_run(
    index: Index,
    encoder: CountingEncoder,
    detecting: Detecting,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Path], None],
) -> None:
    monkeypatch.setattr(videos, "STRETCH", 1.7)
    film, steady = write_walkers(tmp_path / "films" / "film.mp4", PASSING, SECONDS), tmp_path / "films" / "steady.mp4"
    write_walkers(steady, PASSING[:1], 3.0)
    changed: list[Path] = []

    def on_watched(done: int, _total: int) -> None:
        if done >= 2 and not changed:
            changed.append(film)
            change(film)

    index_paths(index, encoder, [film.parent], detecting=detecting, fps=FPS, on_watched=on_watched)
    assert changed and "steady.mp4" in {person.media.path.name for person, _ in index.people()}
    report = index_paths(index, encoder, [film.parent], detecting=detecting, fps=FPS)
    assert index._db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    if film.exists():
        index_paths(index, encoder, [film.parent], detecting=detecting, fps=FPS)
        with Index.create(tmp_path / "calm", encoder) as calm:
            expected = index_paths(calm, encoder, [film.parent], detecting=detecting, fps=FPS)
            assert everybody(index) == everybody(calm)
            assert [one.path for one in report.failed] == [one.path for one in expected.failed]
    else:
        assert report.away.count == 1, "what was read of it is kept until somebody says that it is gone"


FULL = """
import resource, signal, sys
from pathlib import Path
from passerby.detect.people import Detecting
from passerby.errors import IndexFault
from passerby.find.ingest import videos
from passerby.find.ingest.run import index_paths
from passerby.index.sqlite.index import Index
from passerby.model.bundle import read_bundle
from passerby.model.bundle_encoder import BundleEncoder
from street import ColourDetector

bundle, film, folder = map(Path, sys.argv[1:])
videos.STRETCH = 0.5
encoder = BundleEncoder(read_bundle(bundle), threads=1)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with Index.create(folder, encoder) as index:
    room = sum(file.stat().st_size for file in folder.iterdir() if file.name.endswith("-wal")) + 30_000
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
    try:
        index_paths(index, encoder, [film], detecting=Detecting(ColourDetector(), min_height=20), fps=3.0)
    except IndexFault as fault:
        print(fault)
"""


def test_a_full_disk_is_said_and_the_next_run_goes_on(index: Index, encoder: CountingEncoder, detecting: Detecting, tmp_path: Path) -> None:
    film, full = write_walkers(tmp_path / "film.mp4", PASSING, SECONDS), tmp_path / "full"
    command = [sys.executable, "-c", FULL, str(encoder._bundle.folder), str(film), str(full)]
    path = os.pathsep.join(sys.path)
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.startswith("expected ") and "Traceback" not in done.stderr, (done.stdout, done.stderr)
    index_paths(index, encoder, [film], detecting=detecting, fps=FPS)
    with Index.create(full, encoder) as again:
        assert set(everybody(again)) < set(everybody(index))
        index_paths(again, encoder, [film], detecting=detecting, fps=FPS)
        assert everybody(again) == everybody(index)


def test_a_large_video_is_read(index: Index, encoder: CountingEncoder, detecting: Detecting, tmp_path: Path) -> None:
    picture = np.full((4320, 7680, 3), 90, np.uint8)
    film = write_video(tmp_path / "8k.avi", "mjpeg", pixels="yuvj420p", pictures=[picture] * 2)
    report = index_paths(index, encoder, [film], detecting=detecting)
    assert (report.videos, report.failed, report.tracks) == (1, (), 0)
