"""Files that are left alone, run by run: none is opened again while nothing changes, and none is forgotten about."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import av  # noqa: TID251
import pytest
from crops import write_crops
from indexing import CountingEncoder
from street import ColourDetector
from videos import drawn, write_video
from walkers import PASSING, write_walkers
from watching import small_models

from passerby.detect.people import Detecting
from passerby.errors import IndexFault
from passerby.find.ingest.left_alone import Memory
from passerby.find.ingest.run import index_paths
from passerby.find.ingest.stages import BATCH
from passerby.find.watch import loop
from passerby.find.watch.loop import WatchSettings, watch
from passerby.index.open import open_index
from passerby.index.sqlite.index import Index
from passerby.media.clock import KnownBy
from passerby.media.video import open_video

DAY = 86400.0
PATTERN = "{camera}_%Y%m%d_%H%M%S"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """The containers that were opened since it was asked last, by their names."""
    names = list[str]()
    real = av.open

    def counting(file: str, *arguments: Any, **named: Any) -> Any:
        names.append(Path(file).name)
        return real(file, *arguments, **named)

    monkeypatch.setattr(av, "open", counting)

    def since() -> list[str]:
        now = names.copy()
        names.clear()
        return now

    return since


def still(path: Path, metadata: dict[str, str] | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    container = {"movflags": "use_metadata_tags"} if metadata else {}
    return write_video(path, pictures=[drawn(0)] * 10, metadata=metadata, container=container)


def changed(path: Path, days_ago: float) -> Path:
    moment = time.time() - days_ago * DAY
    os.utime(path, (moment, moment))
    return path


@pytest.mark.parametrize(
    ("how", "first", "known_by"),
    [
        ({}, {}, KnownBy.FILE),
        ({"zone": "Europe/Berlin"}, {"zone": "Europe/Berlin"}, KnownBy.FILE),
        ({"name_pattern": PATTERN}, {}, KnownBy.FILE),
        ({"name_pattern": PATTERN, "zone": "Europe/Berlin"}, {"zone": "Europe/Berlin"}, KnownBy.FILE),
        ({"zone": "Europe/Berlin"}, {"zone": "Europe/Berlin"}, KnownBy.CONTAINER),
    ],
)
def test_an_unchanged_video_is_not_opened_by_the_next_run(
    index: Index,
    encoder: CountingEncoder,
    detecting: Detecting,
    tmp_path: Path,
    opened: Callable[[], list[str]],
    how: dict[str, Any],
    first: dict[str, Any],
    known_by: KnownBy,
) -> None:
    film = still(tmp_path / "films" / "film.mov", {"creation_time": "2026-11-28T11:42:13Z"} if known_by is KnownBy.CONTAINER else None)
    index_paths(index, encoder, [film.parent], detecting=detecting, **first)
    assert (index.standing(film) or pytest.fail()).known_by == known_by and opened()
    report = index_paths(index, encoder, [film.parent], detecting=detecting, **how)
    assert (report.unchanged, report.redated, opened()) == (1, 0, [])


def test_a_video_by_its_file_s_time_is_dated_anew_by_what_is_said_of_zone_camera_and_name(
    index: Index, encoder: CountingEncoder, detecting: Detecting, tmp_path: Path
) -> None:
    film = still(tmp_path / "films" / "gate_20261128_101500.mp4")
    index_paths(index, encoder, [film.parent], detecting=detecting)
    for how in ({"zone": "+02:00"}, {"zone": "+02:00", "camera": "yard"}, {"zone": "+02:00", "name_pattern": PATTERN}):
        assert index_paths(index, encoder, [film.parent], detecting=detecting, **how).redated == 1  # type: ignore[arg-type]
        assert index_paths(index, encoder, [film.parent], detecting=detecting, **how).redated == 0  # type: ignore[arg-type]
    known = index.standing(film) or pytest.fail()
    assert (known.camera, known.zone, known.known_by) == ("gate", "+02:00", KnownBy.NAME)


def test_a_video_that_says_its_own_zone_is_opened_once_where_another_is_given(
    index: Index, encoder: CountingEncoder, detecting: Detecting, tmp_path: Path, opened: Callable[[], list[str]]
) -> None:
    film = still(tmp_path / "films" / "phone.mov", {"com.apple.quicktime.creationdate": "2026-11-28T11:42:13+0200"})
    how: dict[str, Any] = {"detecting": detecting, "zone": "Europe/Berlin", "memory": Memory()}
    index_paths(index, encoder, [film.parent], **how)
    index_paths(index, encoder, [film.parent], **how)
    opened()
    for _ in range(2):
        assert (index_paths(index, encoder, [film.parent], **how).redated, opened()) == (0, [])
    index_paths(index, encoder, [film.parent], **{**how, "camera": "yard"})
    assert opened() and (index.standing(film) or pytest.fail()).camera == "yard"


def test_a_video_that_is_too_old_is_opened_once_until_it_changes_or_more_is_kept(
    index: Index, encoder: CountingEncoder, detecting: Detecting, tmp_path: Path, opened: Callable[[], list[str]]
) -> None:
    films = [changed(still(tmp_path / "films" / f"{number}.mp4"), 40) for number in range(3)]
    how: dict[str, Any] = {"detecting": detecting, "memory": Memory()}
    opened()
    assert index_paths(index, encoder, [films[0].parent], keep="30d", **how).too_old == 3
    assert opened() == ["0.mp4", "1.mp4", "2.mp4"], "each once"
    for _ in range(2):
        assert index_paths(index, encoder, [films[0].parent], keep="30d", **how).too_old == 3
        assert opened() == []
    changed(films[1], 39)
    assert index_paths(index, encoder, [films[0].parent], **how).too_old == 3
    assert opened() == ["1.mp4"]
    films[0].unlink()
    index_paths(index, encoder, [films[1].parent], **how)
    assert {file.path for file in how["memory"].too_old} == {*films[1:]}, "of files that are gone nothing is remembered"
    report = index_paths(index, encoder, [films[1].parent], keep="60d", **how)
    assert (report.too_old, report.indexed) == (0, 2)


def test_a_video_that_is_shorter_than_it_says_is_read_once_where_it_is_too_old(
    index: Index, encoder: CountingEncoder, detecting: Detecting, tmp_path: Path
) -> None:
    whole = write_walkers(tmp_path / "whole.mkv", PASSING[:1], 10.0)
    film = tmp_path / "films" / "gate_20261128_101500.mkv"
    film.parent.mkdir()
    film.write_bytes(whole.read_bytes()[: whole.stat().st_size // 3])
    how: dict[str, Any] = {"detecting": detecting, "name_pattern": PATTERN, "zone": "+00:00", "memory": Memory()}
    index_paths(index, encoder, [film.parent], **how)
    known = index.standing(film) or pytest.fail()
    with index.writing():
        index.forget(film)
        index.keep_from((known.started_at or 0.0) + 9)
    looked = detecting.detector.looked  # type: ignore[attr-defined]
    assert index_paths(index, encoder, [film.parent], **how).too_old == 0
    assert detecting.detector.looked > looked, "only a look tells"  # type: ignore[attr-defined]
    looked = detecting.detector.looked  # type: ignore[attr-defined]
    assert index_paths(index, encoder, [film.parent], **how).too_old == 1
    assert detecting.detector.looked == looked  # type: ignore[attr-defined]


def test_a_video_at_which_the_detector_failed_is_looked_at_again(index: Index, encoder: CountingEncoder, tmp_path: Path) -> None:
    """It is not in the index after that, and not for being too old."""
    film = write_walkers(tmp_path / "films" / "now.mkv", PASSING, 4.0)
    how: dict[str, Any] = {"keep": "30d", "memory": Memory()}
    fails, finds = ColourDetector(fails_on=open_video(film).width), ColourDetector()
    assert len(index_paths(index, encoder, [film.parent], detecting=Detecting(fails, min_height=20), **how).failed) == 1
    report = index_paths(index, encoder, [film.parent], detecting=Detecting(finds, min_height=20), **how)
    assert (report.videos, report.too_old) == (1, 0)


@pytest.mark.parametrize("ahead", [3600.0, 3000 * DAY], ids=["an hour", "a wrong year"])
def test_a_file_whose_time_is_ahead_is_settled_once_it_was_seen_as_it_is(
    index: Index, encoder: CountingEncoder, tmp_path: Path, ahead: float
) -> None:
    (crop,) = write_crops(tmp_path / "crops", 1)
    changed(crop, -ahead / DAY)
    how: dict[str, Any] = {"settled": 0.2, "memory": Memory()}
    for _ in range(2):
        report = index_paths(index, encoder, [crop.parent], **how)
        assert (report.indexed, report.unsettled) == (0, 1)
    time.sleep(0.2)
    with crop.open("ab") as file:
        file.write(b"more")
    changed(crop, -ahead / DAY)
    assert index_paths(index, encoder, [crop.parent], **how).unsettled == 1, "it was written meanwhile"
    time.sleep(0.25)
    report = index_paths(index, encoder, [crop.parent], **how)
    assert (report.indexed, report.unsettled, how["memory"].unsettled) == (1, 0, {})
    assert index_paths(index, encoder, [crop.parent], **how).unchanged == 1


def test_a_file_that_is_still_written_is_not_opened(
    index: Index, encoder: CountingEncoder, detecting: Detecting, tmp_path: Path, opened: Callable[[], list[str]]
) -> None:
    film = still(tmp_path / "films" / "film.mkv")
    opened()
    assert index_paths(index, encoder, [film.parent], detecting=detecting, keep="30d", settled=60).unsettled == 1
    assert opened() == []


class _Told(Exception):
    """Told after so many files were opened."""


@pytest.mark.parametrize("what", ["too old", "dated anew", "new"])
def test_a_run_that_opens_files_can_be_ended_between_them(
    index: Index, encoder: CountingEncoder, detecting: Detecting, tmp_path: Path, opened: Callable[[], list[str]], what: str
) -> None:
    """Whoever is told of progress may raise."""
    first = still(tmp_path / "films" / "00.mp4")
    films = [first, *(Path(shutil.copy(first, first.with_name(f"{number:02}.mp4"))) for number in range(1, 20))]
    for film in films:
        changed(film, 40)
    how: dict[str, Any] = {"detecting": detecting}
    if what == "dated anew":
        index_paths(index, encoder, [first.parent], **how)
        how["zone"] = "+02:00"
    elif what == "too old":
        how["keep"] = "30d"
    opened()

    def end(*_: int) -> None:
        if now := opened():
            raise _Told(len(now))

    with pytest.raises(_Told) as told:
        index_paths(index, encoder, [first.parent], end, on_watched=end, **how)
    assert told.value.args[0] <= BATCH


def before_rounds(monkeypatch: pytest.MonkeyPatch, do: Callable[[], object]) -> None:
    """Have something done before each round of watching."""
    monkeypatch.setattr(loop, "_KEEP", 0.0)
    monkeypatch.setattr(loop, "forget_expired", lambda *_: do())


def test_rounds_of_watching_open_idle_files_once_and_take_one_whose_time_is_ahead(
    tmp_path: Path, tiny_bundle: Path, opened: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, said, each = tmp_path / "recorder", list[str](), list[list[str]]()
    changed(write_walkers(folder / "now.mkv", PASSING, 4.0), -1)
    changed(still(folder / "old.mp4"), 40)
    opened()
    before_rounds(monkeypatch, lambda: each.append(opened()))
    settings = WatchSettings(pause=0.1, settled=0.15, indexing={"zone": "Europe/Berlin", "keep": "30d"})
    watch(tmp_path / "index", partial(small_models, tiny_bundle), [folder], [], said.append, lambda: len(each) > 6, settings)
    assert said == ["1 files indexed with 2 people"]
    assert each[:2] == [[], ["old.mp4"]] and each[-2:] == [[], []]
    assert [name for names in each[2:] for name in set(names)] == ["now.mkv"], "each in one round alone"
    with open_index(tmp_path / "index") as index:
        assert {person.media.path.name for person, _ in index.people()} == {"now.mkv"}


def test_what_is_wrong_is_said_once_though_the_index_has_a_fault_in_each_round(
    tmp_path: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, said, rounds = tmp_path / "recorder", list[str](), list[int]()
    folder.mkdir()
    (folder / "broken.mkv").write_bytes(b"no video")

    def fail() -> None:
        rounds.append(1)
        if len(rounds) > 1:
            raise IndexFault(expected="a disk that works", found="a full one", do="make room")

    before_rounds(monkeypatch, fail)
    settings = WatchSettings(pause=0.01, settled=0.0)
    watch(tmp_path / "index", partial(small_models, tiny_bundle), [folder], [], said.append, lambda: len(rounds) > 4, settings)
    assert len(said) == len(set(said)) == 2, said
