"""Recorders' folders: what is finished is indexed as it comes, and whatever happens there ends nothing."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from signal import SIGINT, SIGTERM

import pytest
from walkers import PASSING, write_walkers
from watching import watching

from passerby.index.sqlite.index import Index


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_walkers(tmp_path_factory.mktemp("films") / "film.mkv", PASSING, 4.0)


def names(folder: Path) -> dict[str, int]:
    """How many people are in each file that is indexed."""
    if not (folder / "index.db").exists():
        return {}
    with Index.open(folder) as index:
        counts: dict[str, int] = {}
        for person, _ in index.people():
            counts[person.media.path.name] = counts.get(person.media.path.name, 0) + 1
        return counts


def until(holds: Callable[[], bool]) -> None:
    start = time.monotonic()
    while not holds():
        assert time.monotonic() - start < 90
        time.sleep(0.1)


def test_segments_are_indexed_as_they_come(tmp_path: Path, tiny_bundle: Path, film: Path) -> None:
    folder, index, data = tmp_path / "recorder", tmp_path / "index", film.read_bytes()
    folder.mkdir()
    with watching(index, tiny_bundle, folder) as process:
        with (folder / "now.mkv").open("wb") as growing:
            for start in range(0, len(data), len(data) // 4 + 1):
                growing.write(data[start : start + len(data) // 4 + 1])
                growing.flush()
                time.sleep(0.3)
                assert names(index) == {}, "it is still written"
        (folder / "now.mkv").rename(folder / "first.mkv")
        until(lambda: names(index) == {"first.mkv": 2})
        write_walkers(folder / "second.mkv", PASSING[1:], 3.0)
        until(lambda: names(index) == {"first.mkv": 2, "second.mkv": 1})
        shutil.move(folder, tmp_path / "elsewhere")
        time.sleep(1.0)
        shutil.move(tmp_path / "elsewhere", folder)
        (folder / "broken.mkv").write_bytes(data[:100])
        write_walkers(folder / "third.mkv", PASSING[:1], 3.0)
        until(lambda: len(names(index)) == 3)
        process.send_signal(SIGINT)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and out.endswith("ended\n"), out
    assert out.count("1 files indexed with 2 people") == 1
    assert out.count("broken.mkv: expected a video") == 1, "what is wrong is said once"
    assert out.count("recorder: expected a file or folder, found nothing") == 1


def test_an_index_is_watched_by_one_process(tmp_path: Path, tiny_bundle: Path, film: Path) -> None:
    folder, index = tmp_path / "recorder", tmp_path / "index"
    folder.mkdir()
    shutil.copy(film, folder)
    with watching(index, tiny_bundle, folder) as first:
        until(lambda: names(index) == {"film.mkv": 2})
        with watching(index, tiny_bundle, folder) as second:
            out, _ = second.communicate(timeout=60)
        assert second.returncode != 0
        assert f"that nobody watches yet, found process {first.pid}; end it first (kill {first.pid})" in out
        first.kill()
        first.wait()
        with watching(index, tiny_bundle, folder) as third:
            until(lambda: (index / "watch" / "lock").read_text() == str(third.pid))
            third.send_signal(SIGTERM)
            assert third.communicate(timeout=60)[0].endswith("ended\n"), "who was killed is in nobody's way"


def test_one_that_is_told_to_end_in_a_long_video_keeps_what_was_committed(tmp_path: Path, tiny_bundle: Path) -> None:
    folder, index = tmp_path / "recorder", tmp_path / "index"
    write_walkers(folder / "long.mp4", PASSING, 60.0)
    with watching(index, tiny_bundle, folder) as process:
        until(lambda: bool(names(index)))
        process.send_signal(SIGTERM)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and out.endswith("ended\n"), out
    with Index.open(index) as opened:
        assert opened.left_off(folder / "long.mp4") is not None and opened.looked_into().unfinished == 1
