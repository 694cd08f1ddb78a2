"""Videos on their way into an index and out of it again, stopped at any moment."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import av  # noqa: TID251
import numpy as np
import pytest
from indexing import NOTHING, CountingEncoder
from PIL import Image
from street import ColourDetector, write_street
from videos import write_silence, write_video
from walkers import PASSING, TALL, WIDE, UnsureDetector, Walk, everybody, write_walkers

from passerby.detect.people import Detecting
from passerby.errors import InputError
from passerby.find.answer import find
from passerby.find.ingest import videos
from passerby.find.ingest.run import index_paths
from passerby.find.ingest.videos import Watching
from passerby.index.selection import Selection
from passerby.index.sqlite.index import Index
from passerby.media.cut import cut_out
from passerby.media.video import frame_at, open_video
from passerby.model.preprocess import preprocess
from passerby.types import MediaKind


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten seconds, not to be changed."""
    return write_walkers(tmp_path_factory.mktemp("street") / "street.mp4")


@pytest.fixture
def film(street: Path, tmp_path: Path) -> Path:
    (tmp_path / "films").mkdir()
    return Path(shutil.copy2(street, tmp_path / "films" / "street.mp4"))


@pytest.fixture
def short_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(videos, "STRETCH", 1.7)


def test_a_person_is_a_track(index: Index, encoder: CountingEncoder, detecting: Detecting, film: Path) -> None:
    report = index_paths(index, encoder, [film], detecting=detecting)
    assert report == replace(NOTHING, indexed=1, videos=1, tracks=3, watched=10.0)
    people = sorted(index.people(), key=lambda one: one[0].first or 0)
    for (person, crops), (start, end, left_at, top, _) in zip(people, PASSING, strict=True):
        assert person.first == pytest.approx(start, abs=0.21) and person.last == pytest.approx(end, abs=0.31)
        assert 2 <= len(crops) <= 4
        assert [crop.quality for crop in crops] == sorted((crop.quality or 0 for crop in crops), reverse=True)
        times = sorted(crop.time or 0 for crop in crops)
        assert all(late - early >= 1 for early, late in pairwise(times))
        for crop in crops:
            assert crop.box is not None and crop.time is not None
            expected = (left_at(crop.time), top, WIDE, TALL)
            assert np.allclose((crop.box.x, crop.box.y, crop.box.width, crop.box.height), expected, atol=3)
            image = cut_out(Image.fromarray(frame_at(film, crop.time).pixels), crop.box)
            (vector,) = encoder.embed_images(preprocess(image, encoder.preprocessing)[None])
            np.testing.assert_allclose(index.vector_of(person, crop), vector, atol=1e-5)
    media = people[0][0].media
    assert media.kind is MediaKind.VIDEO and media.watched is not None and media.watched.seconds == pytest.approx(10)
    assert media.sought is not None and (media.sought.fps, media.sought.smallest) == (5, 20)
    assert Watching(replace(detecting, min_height=10)).sought_in(open_video(film)).smallest == 45 * 192 / 512


def test_a_second_run_looks_at_nothing_and_other_settings_look_again(index: Index, encoder: CountingEncoder, film: Path) -> None:
    detector = ColourDetector()
    detecting = Detecting(detector, min_height=20)
    index_paths(index, encoder, [film.parent], detecting=detecting)
    stamp, looked, first = index.stamp(), detector.looked, everybody(index)
    assert looked == 50
    assert index_paths(index, encoder, [film.parent], detecting=detecting) == replace(NOTHING, unchanged=1)
    assert (index.stamp(), detector.looked) == (stamp, looked)
    report = index_paths(index, encoder, [film.parent], detecting=detecting, fps=2)
    assert report == replace(NOTHING, indexed=1, videos=1, tracks=3, watched=10.0) and detector.looked == looked + 20
    index_paths(index, encoder, [film.parent], detecting=detecting)
    assert everybody(index) == first


def of_two_recordings(path: Path) -> Path:
    """A recording on which another one follows, whose clock begins anew."""
    whole, rest = write_walkers(path), write_walkers(path.with_name("rest.ts"), PASSING[1:], 8.0)
    whole.write_bytes(whole.read_bytes() + rest.read_bytes())
    rest.unlink()
    return whole


@pytest.mark.usefixtures("short_stretches")
@pytest.mark.parametrize(
    "write",
    [
        lambda path: write_walkers(path.with_suffix(".mp4")),
        lambda path: write_walkers(path.with_suffix(".avi"), keyframes=100),
        lambda path: write_walkers(path.with_suffix(".ts")),
        lambda path: write_walkers(path.with_suffix(".mkv"), codec="mpeg2video", keyframes=50),
        lambda path: of_two_recordings(path.with_suffix(".ts")),
    ],
    ids=["mp4", "avi of one keyframe", "ts", "mkv", "a clock that jumps back"],
)
def test_stopped_after_any_stretch_it_ends_as_if_undisturbed(
    tmp_path: Path, encoder: CountingEncoder, detecting: Detecting, write: Callable[[Path], Path]
) -> None:
    film = write(tmp_path / "film")
    told: list[tuple[int, int]] = []
    with Index.create(tmp_path / "calm", encoder) as index:
        report = index_paths(index, encoder, [film], detecting=detecting, on_watched=lambda *how_far: told.append(how_far))
        expected, seconds = everybody(index), report.watched
        assert seconds >= 9.9 and told[-1][0] == round(seconds) and len(told) > 5 and told == sorted(told)

    def stop(done: int, _: int) -> None:
        if done > before[-1]:
            before.append(done)
            raise KeyboardInterrupt

    with Index.create(tmp_path / "stopped", encoder) as index:
        before = [0]
        for _ in range(len(told)):
            try:
                report = index_paths(index, encoder, [film], detecting=detecting, on_watched=stop)
            except KeyboardInterrupt:
                looked_into = index.looked_into()
                assert looked_into.unfinished == (before[-1] < round(seconds))
                assert looked_into.seconds == pytest.approx(before[-1], abs=0.6)
            else:
                break
        assert len(before) > 5 and everybody(index) == expected
        assert report == replace(NOTHING, unchanged=1)
        assert index.left_off(film) is None


@pytest.mark.usefixtures("short_stretches")
def test_what_was_read_of_other_bytes_or_settings_is_not_gone_on_from(
    index: Index, encoder: CountingEncoder, detecting: Detecting, film: Path, tmp_path: Path
) -> None:
    def stop(done: int, _: int) -> None:
        if done >= 9:
            raise KeyboardInterrupt

    for fps in (5, 4):
        with pytest.raises(KeyboardInterrupt):
            index_paths(index, encoder, [film], detecting=detecting, fps=fps, on_watched=stop)
    times = {crop.time for _, crops in index.people() for crop in crops}
    assert times and all((time or 0) * 4 % 1 < 0.45 for time in times)
    write_walkers(film, PASSING[:1])
    index_paths(index, encoder, [film], detecting=detecting, fps=4)
    assert [person.track for person, _ in index.people()] == [1]
    with Index.create(tmp_path / "new", encoder) as other:
        index_paths(other, encoder, [film], detecting=detecting, fps=4)
        assert everybody(index) == everybody(other)


@pytest.mark.usefixtures("short_stretches")
def test_a_checkpoint_of_another_version_is_not_gone_on_from(
    index: Index, encoder: CountingEncoder, detecting: Detecting, film: Path, tmp_path: Path
) -> None:
    def stop(done: int, _: int) -> None:
        if done >= 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index_paths(index, encoder, [film], detecting=detecting, on_watched=stop)
    with index.writing():
        index.leave_off(film, '{"before":{"time":7.4,"until":7.5,"broken":0,"clock_reset":false},"people":{"tracker":{},"crops":{}}}')
    assert index_paths(index, encoder, [film], detecting=detecting).videos == 1
    with Index.create(tmp_path / "new", encoder) as other:
        index_paths(other, encoder, [film], detecting=detecting)
        assert everybody(index) == everybody(other)


def test_a_moved_video_is_known_again_and_a_copy_too(index: Index, encoder: CountingEncoder, detecting: Detecting, film: Path) -> None:
    index_paths(index, encoder, [film.parent], detecting=detecting)
    encoder.encoded = 0
    film.rename(film.with_name("moved.mp4"))
    shutil.copy(film.with_name("moved.mp4"), film.with_name("copy.mp4"))
    report = index_paths(index, encoder, [film.parent], detecting=detecting)
    assert (report.recognised, report.videos, encoder.encoded) == (2, 0, 0)
    people = list(index.people())
    assert sorted({person.media.path.name for person, _ in people}) == ["copy.mp4", "moved.mp4"] and len(people) == 6
    assert {person.media.watched and person.media.watched.seconds for person, _ in people} == {10.0}
    assert index.looked_into().seconds == pytest.approx(20)


def test_what_never_moves_is_kept_and_hidden(index: Index, encoder: CountingEncoder, tmp_path: Path) -> None:
    lamp = (0.0, 25.0, lambda _: 150.0, 50, 3)
    film = write_walkers(tmp_path / "films" / "lamp.mp4", (lamp, PASSING[0]), 25.0)
    report = index_paths(index, encoder, [film], detecting=Detecting(UnsureDetector(), min_height=20), fps=4)
    assert (report.tracks, report.static) == (1, 1)
    hidden, shown = (find(index, encoder, "a red jacket", selection=Selection(static=static)) for static in (False, True))
    assert [hit.person.static for hit in hidden.people] == [False]
    assert (hidden.looked_at, hidden.looked_into.static) == (1, 1)
    assert sorted(hit.person.static for hit in shown.people) == [False, True]
    assert (shown.looked_at, shown.looked_into.static) == (2, 0)


def test_an_answer_says_when_by_the_clock(index: Index, encoder: CountingEncoder, detecting: Detecting, film: Path) -> None:
    named = film.rename(film.with_name("gate_20261128_101500.mp4"))
    index_paths(index, encoder, [named], detecting=detecting, name_pattern="{camera}_%Y%m%d_%H%M%S", zone="+01:00")
    for hit in find(index, encoder, "a red jacket").people:
        assert hit.clock is not None and hit.crop.time is not None
        at = datetime.fromisoformat("2026-11-28T10:15:00+01:00").timestamp() + hit.crop.time
        assert hit.clock.timestamp() == pytest.approx(at)
        told = hit.to_json()
        assert (told["camera"], told["time"], told["track"]) == ("gate", hit.crop.time, hit.person.track)
        assert (told["first"], told["last"]) == (hit.person.first, hit.person.last)
    start = datetime.fromisoformat("2026-11-28T10:15:06+01:00").timestamp()
    among = find(index, encoder, "a red jacket", selection=Selection(start=start))
    assert among.looked_into.videos == 1 and among.looked_into.seconds == pytest.approx(4)
    assert {hit.person.track for hit in among.people} >= {3} and all((hit.crop.time or 0) >= 6 for hit in among.people)
    before = find(index, encoder, "a red jacket", selection=Selection(end=start - 60))
    assert (before.looked_into.videos, before.people) == (0, ())


def test_a_videos_file_says_when_it_was_begun_and_its_name_says_it_better(
    index: Index, encoder: CountingEncoder, detecting: Detecting, tmp_path: Path
) -> None:
    begun = {"creation_time": "2026-11-28T09:00:00.000000Z"}
    film = write_walkers(tmp_path / "gate_20261128_101500.mp4", PASSING[:1], 3.0, metadata=begun)
    index_paths(index, encoder, [film], detecting=detecting)
    assert (known := index.standing(film)) is not None
    assert (known.known_by, known.started_at) == ("container", datetime.fromisoformat("2026-11-28T09:00:00Z").timestamp())
    report = index_paths(index, encoder, [film], detecting=detecting, zone="+02:00")
    assert (report.unchanged, report.videos) == (1, 0)
    assert (known := index.standing(film)) is not None and known.known_by == "container"
    report = index_paths(index, encoder, [film], detecting=detecting, name_pattern="{camera}_%Y%m%d_%H%M%S", zone="+01:00")
    assert (report.redated, report.videos) == (1, 0)
    assert (known := index.standing(film)) is not None
    assert (known.known_by, known.started_at) == ("name", datetime.fromisoformat("2026-11-28T10:15:00+01:00").timestamp())


def test_a_video_that_does_not_say_when_ended_when_its_file_was_last_changed(
    index: Index, encoder: CountingEncoder, detecting: Detecting, film: Path
) -> None:
    os.utime(film, (1_700_000_000, 1_700_000_000))
    index_paths(index, encoder, [film], detecting=detecting)
    for zone in (None, "+02:00", "+02:00"):
        index_paths(index, encoder, [film], detecting=detecting, zone=zone)
        assert (known := index.standing(film)) is not None
        assert known.known_by == "file" and known.started_at == pytest.approx(1_700_000_000 - 10)


def test_bad_videos_are_named_and_the_others_are_indexed(
    index: Index, encoder: CountingEncoder, detecting: Detecting, film: Path, tmp_path: Path
) -> None:
    folder = film.parent
    with av.open(str(folder / "sound.mp4"), "w") as file:
        write_silence(file, file.add_stream("aac", rate=48000))
    (folder / "empty.mkv").touch()
    (folder / "noise.avi").write_bytes(os.urandom(5000))
    Image.new("RGB", (40, 40)).save(folder / "picture.mp4", "PNG")
    write_video(folder / "tiny.avi", "ffv1", pixels="bgr0", pictures=[np.zeros((3, 3, 3), np.uint8)] * 5)
    write_video(folder / "one.mp4", pictures=[np.zeros((64, 96, 3), np.uint8)])
    write_street(folder / "photo.png", [(20, 60, 70, 200)])
    (folder / "link.mp4").symlink_to(tmp_path / "nothing")
    report = index_paths(index, encoder, [folder, folder / "gone.mp4"], detecting=detecting)
    failed = {failure.path.name for failure in report.failed}
    assert failed == {"sound.mp4", "empty.mkv", "noise.avi", "picture.mp4", "gone.mp4", "link.mp4"}
    assert all("expected" in failure.reason and "\n" not in failure.reason for failure in report.failed)
    assert (report.videos, report.tracks, report.photos) == (3, 3, 1)
    again = index_paths(index, encoder, [folder], detecting=detecting)
    assert (again.indexed, again.unchanged, len(again.failed)) == (0, 4, 5)


def test_a_video_that_ends_early_is_kept_to_there_and_told(
    index: Index, encoder: CountingEncoder, detecting: Detecting, tmp_path: Path
) -> None:
    whole = write_walkers(tmp_path / "films" / "cut.mp4", container={"movflags": "faststart"})
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size * 7 // 10])
    report = index_paths(index, encoder, [whole], detecting=detecting)
    assert report.videos == 1 and 5 < report.watched < 9
    assert "ends earlier" in report.notes[0].note
    answer = find(index, encoder, "a red jacket")
    assert answer.people and (answer.looked_into.cut_short, answer.looked_into.seconds) == (1, report.watched)


@pytest.mark.usefixtures("short_stretches")
def test_what_could_not_be_read_is_listed_by_time_wherever_it_was_stopped(
    index: Index, encoder: CountingEncoder, detecting: Detecting, tmp_path: Path
) -> None:
    film = write_walkers(tmp_path / "films" / "gate_20261128_101500.mp4", keyframes=10)
    data = film.read_bytes()
    film.write_bytes(data[: len(data) // 2] + bytes(len(data) // 6) + data[len(data) // 2 + len(data) // 6 :])
    how: dict[str, Any] = {"detecting": detecting, "name_pattern": "{camera}_%Y%m%d_%H%M%S", "zone": "+01:00"}
    report = index_paths(index, encoder, [film], **how)
    (gap,) = report.gaps
    assert gap.path == film and 1 <= gap.end - gap.start < 4 and gap.text.startswith("2026-11-28 10:15:0")
    assert report.gaps == index.looked_into().gaps == find(index, encoder, "a red jacket").looked_into.gaps
    assert find(index, encoder, "a red jacket").to_json()["videos"]["gaps"] == [gap.to_json()]
    told: list[int] = []

    def stop(done: int, _: int) -> None:
        if done > max(told, default=0):
            told.append(done)
            raise KeyboardInterrupt

    with Index.create(tmp_path / "stopped", encoder) as other:
        for _ in range(20):
            with suppress(KeyboardInterrupt):
                index_paths(other, encoder, [film], **how, on_watched=stop)
        assert len(told) > 3 and other.looked_into().gaps == report.gaps


STANDS: Walk = (0.0, 20.0, lambda t: 20 + 30 * min(t, 2), 30, 0)
"""Somebody who comes, and stands from the second second on."""
COMES: Walk = (14.0, 20.0, lambda t: 170 - 10 * (t - 14), 4, 1)


@pytest.mark.usefixtures("short_stretches")
def test_frames_in_which_nothing_moves_are_skipped_and_people_stay_where_they_are(encoder: CountingEncoder, tmp_path: Path) -> None:
    film = write_walkers(tmp_path / "film.avi", (STANDS, COMES), 20.0, codec="ffv1", pixels="bgr0")
    found, looked = [], []
    for motion in (False, True):
        detector = ColourDetector()
        with Index.create(tmp_path / str(motion), encoder) as index:
            report = index_paths(index, encoder, [film], detecting=Detecting(detector, min_height=20), motion=motion)
            found.append([(person.first, person.last, person.static) for person, _ in index.people()])
            looked.append(detector.looked)
            assert (report.tracks, report.still) == (2, 100 - detector.looked)
            assert index.looked_into().still == find(index, encoder, "a red jacket").looked_into.still == report.still
            again = index_paths(index, encoder, [film], detecting=Detecting(detector, min_height=20), motion=not motion)
            assert again.videos == 1, "it was looked at otherwise"
    assert found[0] == found[1] and looked[0] == 100 and 40 <= looked[1] <= 48


@pytest.mark.usefixtures("short_stretches")
def test_stopped_where_nothing_moves_it_ends_as_if_undisturbed(encoder: CountingEncoder, detecting: Detecting, tmp_path: Path) -> None:
    film, told = write_walkers(tmp_path / "film.mp4", (STANDS, COMES), 20.0), [0]
    with Index.create(tmp_path / "calm", encoder) as index:
        still = index_paths(index, encoder, [film], detecting=detecting, motion=True).still
        expected = everybody(index)

    def stop(done: int, _: int) -> None:
        if done > told[-1]:
            told.append(done)
            raise KeyboardInterrupt

    with Index.create(tmp_path / "stopped", encoder) as index:
        for _ in range(30):
            with suppress(KeyboardInterrupt):
                index_paths(index, encoder, [film], detecting=detecting, motion=True, on_watched=stop)
        assert len(told) > 8 and everybody(index) == expected and index.looked_into().still == still > 20


def test_a_detector_that_fails_is_no_fault_of_the_video(index: Index, encoder: CountingEncoder, detecting: Detecting, film: Path) -> None:
    report = index_paths(index, encoder, [film], detecting=Detecting(ColourDetector(fails_on=192)))
    assert [failure.path for failure in report.failed] == [film] and "finite boxes" in report.failed[0].reason
    assert index_paths(index, encoder, [film], detecting=detecting).videos == 1


def test_a_video_that_cannot_be_seen_any_more_is_away(index: Index, encoder: CountingEncoder, detecting: Detecting, film: Path) -> None:
    index_paths(index, encoder, [film.parent], detecting=detecting)
    film.unlink()
    report = index_paths(index, encoder, [film.parent], detecting=detecting)
    assert report.away.count == 1 and len(list(index.people())) == 3


@pytest.mark.usefixtures("short_stretches")
def test_a_removed_person_stays_out(index: Index, encoder: CountingEncoder, detecting: Detecting, film: Path) -> None:
    index_paths(index, encoder, [film], detecting=detecting)
    gone = next(person for person, _ in index.people() if person.track == 2)
    with index.writing():
        assert index.suppress(gone.id or 0) == 1
    index_paths(index, encoder, [film], detecting=detecting, verify=True)
    report = index_paths(index, encoder, [film], detecting=replace(detecting, min_height=21))
    assert (report.videos, report.suppressed) == (1, 1)
    assert sorted(person.track or 0 for person, _ in index.people()) == [1, 3]


def test_quick_looks_at_keyframes_where_they_come_each_second(index: Index, encoder: CountingEncoder, tmp_path: Path) -> None:
    often = write_walkers(tmp_path / "often.mp4", keyframes=5)
    seldom = write_walkers(tmp_path / "seldom.mp4", keyframes=100)
    looked = []
    for film in (often, seldom):
        detector = ColourDetector()
        report = index_paths(index, encoder, [film], detecting=Detecting(detector, min_height=20), quick=True)
        looked.append(detector.looked)
        assert report.videos == 1 and report.tracks >= 2
    assert looked == [20, 50]


def test_without_a_detector_or_the_extra_videos_are_named_and_photos_indexed(
    index: Index, encoder: CountingEncoder, detecting: Detecting, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_street(film.with_name("photo.png"), [(20, 60, 70, 200)])
    report = index_paths(index, encoder, [film.parent])
    assert (report.indexed, report.unread, report.failed) == (1, (film,), ())
    assert "found none; name one with --detector" in report.unread_because
    monkeypatch.setitem(sys.modules, "av", None)
    report = index_paths(index, encoder, [film.parent], detecting=detecting)
    assert (report.photos, report.unread) == (1, (film,)) and "[video]" in report.unread_because
    report = index_paths(index, encoder, [film], detecting=detecting)
    assert [failure.path for failure in report.failed] == [film] and "[video]" in report.failed[0].reason
    monkeypatch.undo()
    assert index_paths(index, encoder, [film.parent], detecting=detecting).videos == 1
    monkeypatch.setitem(sys.modules, "av", None)
    assert index_paths(index, encoder, [film.parent], detecting=detecting) == replace(NOTHING, unchanged=2)


@pytest.mark.parametrize("fps", [0, -1, float("nan"), 61, "5", True])
def test_rates_that_cannot_be_are_refused(detecting: Detecting, fps: object) -> None:
    with pytest.raises(InputError, match="--fps"):
        Watching(detecting, fps)  # type: ignore[arg-type]
