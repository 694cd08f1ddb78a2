"""People are kept as long as is allowed and no longer: what is older is nowhere in an index, and does not come back."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from crops import media, random_vectors, write_crops
from hypothesis import given
from hypothesis import strategies as st
from indexing import NOTHING, CountingEncoder, held
from numpy.typing import NDArray
from street import ColourDetector
from walkers import PASSING, write_walkers

from passerby.cli.app import app
from passerby.detect.people import Detecting
from passerby.errors import PasserbyError, QueryError
from passerby.find.ingest.run import index_paths
from passerby.find.moment import read_age
from passerby.find.retention import Forgotten, bound_at, forget_older
from passerby.index.sqlite.index import Index
from passerby.media.growing import read_video_media

DAY = 86400.0


def taken(path: Path, days_ago: float) -> Path:
    moment = time.time() - days_ago * DAY
    os.utime(path, (moment, moment))
    return path


def later(monkeypatch: pytest.MonkeyPatch, days: float) -> None:
    """Let days pass since the test began, or since the last call."""
    clock = time.time
    monkeypatch.setattr(time, "time", lambda: clock() + days * DAY)


def content(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


def assert_nowhere(folder: Path, vector: NDArray[np.float32], *said: str) -> None:
    there = content(folder)
    for form in (vector.tobytes(), vector.astype(np.float16).tobytes(), *(text.encode() for text in said)):
        assert form not in there


@pytest.mark.parametrize(("text", "seconds"), [("30d", 30 * DAY), ("12 h", 43200), ("4W", 28 * DAY), ("1 day", DAY)])
def test_an_age_is_read(text: str, seconds: float) -> None:
    assert read_age(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "d", "0d", "-3d", "3 moons", "1.5d", "3 d ago"])
def test_what_is_no_age_is_refused(text: str) -> None:
    with pytest.raises(QueryError, match="expected an age such as 30d"):
        read_age(text)


def test_photos_that_are_too_old_are_nowhere_and_do_not_come_back(index: Index, encoder: CountingEncoder, tmp_path: Path) -> None:
    old, other, new = write_crops(tmp_path / "crops", 3)
    taken(old, 40), taken(other, 31), taken(new, 2)
    index_paths(index, encoder, [old.parent])
    gone = held(index)[old]
    standing = index.standing(old)
    assert standing is not None and standing.digest is not None
    assert gone.tobytes() in content(index.folder) and b"000.jpg" in content(index.folder)
    report = index_paths(index, encoder, [old.parent], keep="30d")
    assert report.forgotten is not None
    assert report == replace(NOTHING, unchanged=1, forgotten=replace(report.forgotten, people=2, media=2, estimated=2), too_old=2)
    assert list(held(index)) == [new] and encoder.encoded == 3
    assert_nowhere(index.folder, gone, "000.jpg", "001.jpg", standing.digest)
    shutil.copy2(old, old.with_name("copy.jpg"))
    again = index_paths(index, encoder, [old.parent], verify=True)
    assert (again.too_old, again.indexed, encoder.encoded) == (3, 0, 3), "nor without being asked, nor by another name"
    assert_nowhere(index.folder, gone, "000.jpg", "copy.jpg")
    back = index_paths(index, encoder, [old.parent], keep="all")
    assert (back.forgotten, back.indexed, index.kept_from()) == (None, 3, None)
    assert len(held(index)) == 4


def test_an_age_is_remembered_and_goes_on(index: Index, encoder: CountingEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = write_crops(tmp_path / "crops", 2)
    taken(old, 20), taken(new, 2)
    assert index_paths(index, encoder, [old.parent], keep="30d").indexed == 2
    later(monkeypatch, 15)
    report = index_paths(index, encoder, [new])
    assert report.forgotten is not None and report.forgotten.people == 1
    assert list(held(index)) == [new]
    assert index_paths(index, encoder, [old.parent]).too_old == 1, "nor does it come back"
    later(monkeypatch, 40)
    assert index_paths(index, encoder, [new]).too_old == 1 and held(index) == {}


def test_another_age_takes_the_place_of_one_and_an_instant_stands(index: Index, encoder: CountingEncoder, tmp_path: Path) -> None:
    crops = [taken(crop, days) for crop, days in zip(write_crops(tmp_path / "crops", 3), (2, 20, 40), strict=True)]

    def kept(**how: Any) -> list[Path]:
        index_paths(index, encoder, [tmp_path / "crops"], **how)
        return sorted(held(index))

    assert kept(keep="10d") == crops[:1]
    assert kept(keep="30d") == kept() == crops[:2]
    forget_older(index, time.time() - 10 * DAY)
    assert kept(keep="30d") == kept() == crops[:1], "who was removed does not come back by an age"
    assert kept(keep="1d") == []
    assert kept(keep="all") == kept() == crops


@given(
    kept_from=st.none() | st.floats(-1e10, 1e10),
    kept_for=st.none() | st.floats(1, 1e10),
    now=st.floats(-1e10, 1e10),
    passed=st.floats(0, 1e6),
)
def test_the_later_of_an_instant_and_an_age_holds(kept_from: float | None, kept_for: float | None, now: float, passed: float) -> None:
    bound = bound_at(kept_from, kept_for, now)
    if kept_for is None or bound is None:
        assert bound == kept_from and kept_for is None
        return
    assert kept_from is None or bound >= kept_from
    assert bound == kept_from or now - kept_for - 60 <= bound <= now - kept_for
    assert bound <= (bound_at(kept_from, kept_for, now + passed) or 0.0)


def test_nobody_more_goes_within_a_minute(index: Index, encoder: CountingEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deletion writes much anew, so an index that is looked after every few seconds has to rest between."""
    now = 1.8e9
    for crop, after in zip(write_crops(tmp_path / "crops", 3), (-1.0, 10.0, 70.0), strict=True):
        os.utime(crop, (now + after, now + after))
    monkeypatch.setattr(time, "time", lambda: now)
    index_paths(index, encoder, [tmp_path / "crops"], keep="1d")
    counts = []
    for seconds in range(0, 120, 5):
        monkeypatch.setattr(time, "time", lambda at=now + DAY + seconds: at)
        index_paths(index, encoder, [tmp_path / "crops"])
        counts.append(len(held(index)))
    assert counts == [2] * 12 + [1] * 12


def test_a_later_bound_stands(index: Index) -> None:
    assert forget_older(index, 200.0) == Forgotten(200.0) and index.kept_from() == 200.0
    forget_older(index, 100.0)
    assert index.kept_from() == 200.0
    forget_older(index, 300.0, dry_run=True)
    assert index.kept_from() == 200.0


def test_a_video_that_is_partly_out_of_its_time_keeps_the_rest(index: Index, encoder: CountingEncoder, tmp_path: Path) -> None:
    """Its people come at 0, 1 and 6 seconds, and go at 5, 7.5 and 9."""
    detecting = Detecting(ColourDetector(), min_height=20)
    film = write_walkers(tmp_path / "films" / "gate_20261128_101500.mp4")
    how: dict[str, Any] = {"detecting": detecting, "name_pattern": "{camera}_%Y%m%d_%H%M%S", "zone": "+00:00"}
    index_paths(index, encoder, [film.parent], **how)
    began = (index.standing(film) or pytest.fail()).started_at or pytest.fail()
    people = {person.track: (person.id, index.vector_of(person)) for person, _ in index.people()}
    dry = forget_older(index, began + 8, dry_run=True)
    assert (dry.people, dry.media) == (2, 0) and len(list(index.people())) == 3
    assert forget_older(index, began + 8) == dry
    assert [(person.track, person.id) for person, _ in index.people()] == [(3, people[3][0])]
    for track in (1, 2):
        assert_nowhere(index.folder, people[track][1])
    encoder.encoded = 0
    assert index_paths(index, encoder, [film.parent], **how) == replace(NOTHING, unchanged=1, forgotten=Forgotten(began + 8))
    for again in ({"verify": True}, {"fps": 4}):
        index_paths(index, encoder, [film.parent], **how, **again)
        assert [person.track for person, _ in index.people()] == [3]
    forget_older(index, began + 60)
    assert list(index.people()) == [] and film.name.encode() not in content(index.folder)
    looked = detecting.detector.looked  # type: ignore[attr-defined]
    report = index_paths(index, encoder, [film.parent], **how)
    assert (report.too_old, report.videos) == (1, 0) and detecting.detector.looked == looked  # type: ignore[attr-defined]
    assert film.name.encode() not in content(index.folder)


def test_a_video_whose_end_is_young_enough_is_read_and_only_that_is_kept(index: Index, encoder: CountingEncoder, tmp_path: Path) -> None:
    film = write_walkers(tmp_path / "films" / "street.mp4", PASSING)
    forget_older(index, film.stat().st_mtime - 2)
    report = index_paths(index, encoder, [film], detecting=Detecting(ColourDetector(), min_height=20))
    assert (report.videos, report.too_old) == (1, 0)
    assert [person.track for person, _ in index.people()] == [3]


def test_who_has_no_time_is_kept_and_counted(index: Index) -> None:
    with index.writing():
        index.add(media("/undated.jpg", "undated"), random_vectors(1)[0])
    assert forget_older(index, time.time()) == Forgotten(index.kept_from() or 0.0, undated=1)
    assert len(list(index.people())) == 1


KILLED = """
import os, signal, sys
from pathlib import Path
from passerby.find import removal, retention
from passerby.index.sqlite.index import Index

step, after = int(sys.argv[2]), []
retention.ROWS = removal.ROWS = 2
def at(act):
    def acted(*arguments, **named):
        after.append(act)
        if len(after) == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return act(*arguments, **named)
    return acted
Index.drop, Index.forget, Index.fold, Index.purge, Index._wipe = map(at, (Index.drop, Index.forget, Index.fold, Index.purge, Index._wipe))
with Index.open(Path(sys.argv[1])) as index:
    retention.forget_older(index, float(sys.argv[3]))
print("finished", len(after))
"""


@pytest.mark.parametrize("step", [2, 6, 11])
def test_a_kill_in_the_middle_leaves_the_rest_to_the_next_call(index: Index, encoder: CountingEncoder, tmp_path: Path, step: int) -> None:
    photos = write_crops(tmp_path / "crops", 7)
    for photo in photos[:5]:
        taken(photo, 40)
    index_paths(index, encoder, [tmp_path / "crops"])
    vectors, bound = held(index), time.time() - 30 * DAY
    killed = [sys.executable, "-c", KILLED, str(index.folder), str(step), str(bound)]
    assert subprocess.run(killed, timeout=60, check=False).returncode == -9
    assert index._db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert set(held(index)) >= set(photos[5:])
    forget_older(index, bound)
    assert set(held(index)) == set(photos[5:])
    for photo in photos[:5]:
        assert_nowhere(index.folder, vectors[photo], photo.name)
    assert index_paths(index, encoder, [tmp_path / "crops"]).too_old == 5


def passerby(index: Path, bundle: Path, *arguments: str | Path) -> tuple[int, Any, str]:
    command = [*map(str, arguments), "--index", str(index), "--json"]
    command += ["--model", str(bundle)] if arguments[0] == "index" else []
    done = CliRunner().invoke(app, command)
    assert done.exception is None or isinstance(done.exception, SystemExit | PasserbyError)
    return 2 if isinstance(done.exception, PasserbyError) else done.exit_code, json.loads(done.stdout or "null"), done.stderr


def test_the_command_line_forgets_once_or_from_now_on(tmp_path: Path, tiny_bundle: Path) -> None:
    crops, folder = write_crops(tmp_path / "crops", 3), tmp_path / "index"
    taken(crops[0], 40), taken(crops[1], 8)
    assert passerby(folder, tiny_bundle, "index", "--crops", crops[0].parent)[0] == 0
    code, dry, said = passerby(folder, tiny_bundle, "remove", "--older-than", "30d", "--dry-run")
    assert (code, dry["dry_run"], dry["forgotten"]["people"], dry["forgotten"]["media"]) == (0, True, 1, 1)
    assert "would be deleted" in said and "1 of them by when their file was last changed" in said
    code, done, _ = passerby(folder, tiny_bundle, "remove", "--older-than", "30d")
    assert (code, done["forgotten"]) == (0, {**dry["forgotten"], "before": done["forgotten"]["before"]})
    assert passerby(folder, tiny_bundle, "info")[1]["people"] == 2
    code, report, said = passerby(folder, tiny_bundle, "index", "--crops", crops[0].parent, "--keep", "1w")
    assert (code, report["too_old"], report["forgotten"]["people"], report["unchanged"]) == (0, 2, 1, 1)
    assert "--keep all" in said
    code, info, _ = passerby(folder, tiny_bundle, "info")
    assert info["people"] == 1 and info["kept_for"] == 7 * DAY
    assert datetime.fromisoformat(info["kept_from"]).timestamp() == pytest.approx(time.time() - 7 * DAY, abs=61)
    shown = CliRunner().invoke(app, ["info", "--index", str(folder)]).stdout
    assert re.search(r"kept for +7d", shown) and re.search(r"kept from +20\d\d-", shown)
    assert passerby(folder, tiny_bundle, "index", "--keep", "all")[:2] == (0, {"forgotten": None, "dry_run": False})
    info = passerby(folder, tiny_bundle, "info")[1]
    assert info["kept_from"] is info["kept_for"] is None
    assert passerby(folder, tiny_bundle, "remove", "--older-than", "soon")[0] == 2
    assert passerby(folder, tiny_bundle, "remove", "--dry-run", crops[0])[0] == 2
    assert passerby(folder, tiny_bundle, "remove", "--older-than", "1d", crops[0])[0] == 2


def test_the_digest_of_a_forgotten_video_is_nowhere(index: Index, encoder: CountingEncoder, tmp_path: Path) -> None:
    film = taken(write_walkers(tmp_path / "films" / "street.mp4", PASSING[:1], 3.0), 40)
    index_paths(index, encoder, [film], detecting=Detecting(ColourDetector(), min_height=20))
    ((person, crops),) = index.people()
    vectors = [index.vector_of(person, crop) for crop in crops]
    forget_older(index, time.time() - 30 * DAY)
    for vector in vectors:
        assert_nowhere(index.folder, vector, film.name, read_video_media(film).digest)
