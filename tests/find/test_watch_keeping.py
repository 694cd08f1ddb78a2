"""Who watches keeps people only as long as allowed: whoever is older goes before anything is read, with folders and without."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from crops import media, random_vectors, write_crops
from indexing import CountingEncoder, held
from near_copies import anyhow
from PIL import Image
from street import ColourDetector

from passerby.detect.people import Detecting
from passerby.errors import IndexFault, QueryError
from passerby.find.retention import read_keep, remember_keep
from passerby.find.watch import loop
from passerby.find.watch.loop import WatchSettings, watch
from passerby.index.sighting import Sighting
from passerby.index.sqlite.index import Index
from passerby.types import Crop, Media, MediaKind

DAY = 86400.0


def watch_until(
    holds: Callable[[], bool],
    index: Index,
    encoder: CountingEncoder,
    folders: Sequence[Path] = (),
    keep: float | None = None,
    say: Callable[[str], None] = print,
) -> None:
    end = time.monotonic() + 30

    def ended() -> bool:
        assert time.monotonic() < end
        return holds()

    models = partial(tuple, (encoder, Detecting(ColourDetector(), min_height=20)))
    watch(index.folder, models, folders, (), say, ended, WatchSettings(pause=0.01, settled=0.0, keep=keep))  # type: ignore[arg-type]


def live(days_ago: float) -> Media:
    began = time.time() - days_ago * DAY
    reel = media(f"gate/{days_ago}", "")
    return Media(reel.path, 0, 0, "", kind=MediaKind.CAMERA, camera="gate", started_at=began, known_by="live")


def put(index: Index, *reels: Media) -> None:
    with index.writing():
        for number, reel in enumerate(reels):
            index.put(reel, [Sighting((Crop(),), random_vectors(len(reels))[number][None])])


def days(index: Index) -> set[str]:
    return {path.name for path in held(index)}


@pytest.mark.parametrize("is_said", [True, False], ids=["said", "remembered"])
def test_what_is_too_old_is_never_read(index: Index, encoder: CountingEncoder, tmp_path: Path, is_said: bool) -> None:
    old, new = write_crops(tmp_path / "crops", 2)
    os.utime(old, (time.time() - 40 * DAY,) * 2)
    put(index, live(31), live(29))
    if not is_said:
        remember_keep(index, 30 * DAY)
    said: list[str] = []
    watch_until(lambda: bool(said), index, encoder, [old.parent], 30 * DAY if is_said else None, said.append)
    assert said == ["1 files indexed with 1 people"]
    assert held(index).keys() == {new, Path("gate/29")} and encoder.encoded == 1
    assert index.kept_for() == 30 * DAY


@pytest.mark.parametrize("keep", [None, 30 * DAY], ids=["all are kept", "for a time"])
def test_what_counts_once_is_worked_out_now_and_then_and_in_the_end(
    index: Index, encoder: CountingEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep: float | None
) -> None:
    monkeypatch.setattr(loop, "_FOLD", 3600.0)
    (file,) = write_crops(tmp_path / "crops", 1)
    waiting: list[int] = []

    def add(_: str) -> None:
        """Another copy, after each of which it is said that it was indexed."""
        waiting.append(rows("unfolded"))
        with Image.open(file) as picture:
            (file.parent / f"copy {len(waiting)}.jpg").write_bytes(anyhow(picture, np.random.default_rng(len(waiting))))

    def rows(table: str) -> int:
        return int(index._db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])

    watch_until(lambda: len(waiting) == 4, index, encoder, [file.parent], keep, add)
    assert waiting == [1, 1, 2, 3], "those of the first round alone were looked at"
    assert (rows("unfolded"), rows("copies")) == (0, 3)


def test_people_of_live_cameras_go_where_no_folder_is_watched(
    index: Index, encoder: CountingEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(index, live(31), live(29), live(3), live(1))
    remember_keep(index, 30 * DAY)
    watch_until(lambda: days(index) == {"29", "3", "1"}, index, encoder)
    watch_until(lambda: days(index) == {"1"}, index, encoder, keep=2 * DAY)
    monkeypatch.setattr(loop, "_KEEP", 0.2)
    rounds: list[int] = []

    def once_another_says_it() -> bool:
        """Another process says how long people are kept, after some rounds."""
        rounds.append(1)
        if len(rounds) == 5:
            remember_keep(index, DAY / 2)
        return days(index) == set()

    watch_until(once_another_says_it, index, encoder)


def test_who_watches_looks_once_a_minute(index: Index, encoder: CountingEncoder) -> None:
    put(index, live(31), live(29))
    rounds: list[int] = []

    def after_rounds() -> bool:
        rounds.append(1)
        if days(index) == {"29"} and len(rounds) < 20:
            put(index, live(35))
        return len(rounds) > 30

    watch_until(after_rounds, index, encoder, keep=30 * DAY)
    assert days(index) == {"29", "35"}


def test_all_lets_everybody_in_while_it_is_watched(index: Index, encoder: CountingEncoder, tmp_path: Path) -> None:
    (old,) = write_crops(tmp_path / "crops", 1)
    os.utime(old, (time.time() - 40 * DAY,) * 2)
    remember_keep(index, 30 * DAY)
    watch_until(lambda: old in held(index), index, encoder, [old.parent], read_keep("all"))
    assert index.kept_for() is None
    with pytest.raises(QueryError, match="expected an age such as 30d"):
        read_keep("a while")


def test_who_reads_for_long_keeps_nobody_from_watching(index: Index, encoder: CountingEncoder, tmp_path: Path) -> None:
    """Where nobody is too old nothing is to be deleted, and no reader is waited for."""
    remember_keep(index, 30 * DAY)
    put(index, live(1))
    crops = write_crops(tmp_path / "crops", 1)
    began = time.monotonic()
    with Index.open(index.folder) as reader, reader.snapshot():
        reader.info()
        watch_until(lambda: crops[0] in held(index), index, encoder, [crops[0].parent])
    assert time.monotonic() - began < 20


def test_an_index_that_cannot_be_folded_is_no_fault_in_the_end(
    index: Index, encoder: CountingEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    def full(_: Index) -> None:
        raise IndexFault(expected="a disk that works", found="a full one", do="make room")

    monkeypatch.setattr(Index, "fold", full)
    watch_until(lambda: True, index, encoder, say=said.append)
    assert said == ["expected a disk that works, found a full one; make room"]
