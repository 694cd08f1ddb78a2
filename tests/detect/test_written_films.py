"""People in videos into a folder: real films, and beside them what an index finds, and what the MOT Challenge's own reader reads."""

from __future__ import annotations

import json
import os
from io import BytesIO
from pathlib import Path
from typing import Any

import av  # noqa: TID251
import motmetrics
import numpy as np
import pytest
from indexing import CountingEncoder
from PIL import Image
from street import ColourDetector, write_street
from videos import RATE
from walkers import PASSING, TALL, WIDE, UnsureDetector, Walk, write_walkers

from passerby.detect.people import Detecting
from passerby.detect.videos import SIZE
from passerby.detect.written.films import names_of
from passerby.detect.written.folder import Detected, detect_into
from passerby.errors import ModelError
from passerby.find.ingest.run import index_paths
from passerby.index.sqlite.index import Index
from passerby.measure.tracking import Tracked, identity_scores
from passerby.media.cut import cut_out
from passerby.media.frame import Pixels
from passerby.media.video import frame_at
from passerby.types import Box

STANDS: Walk = (0.0, 12.0, lambda t: 20 + 30 * min(t, 2), 30, 0)
"""Somebody who comes, and stands from the second second on."""
LAMP: Walk = (0.0, 25.0, lambda _: 150.0, 50, 3)


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten seconds, not to be changed."""
    return write_walkers(tmp_path_factory.mktemp("street") / "street.mp4")


def detect(out: Path, *paths: Path, detector: ColourDetector | None = None, **how: Any) -> Detected:
    return detect_into(out, detector or ColourDetector(), paths, min_height=20, **how)


def document(out: Path) -> Any:
    return json.loads((out / "tracks.json").read_text())


def rows(out: Path, name: str = "street") -> Tracked:
    """The boxes of a video, as the MOT Challenge's reader reads them; it takes 1 from left and top."""
    table = motmetrics.io.loadtxt(str(out / "tracks" / f"{name}.txt"), fmt="mot15-2D")
    corners = table[["X", "Y"]].to_numpy() + 1
    frames, ids = (table.index.get_level_values(level).to_numpy() for level in ("FrameId", "Id"))
    return Tracked(frames, ids, np.hstack([corners, corners + table[["Width", "Height"]].to_numpy()]))


def decoded(film: Path) -> list[Pixels]:
    with av.open(str(film)) as container:
        return [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in container.decode(video=0)]


@pytest.mark.parametrize("motion", [False, True])
def test_tracks_and_crops_are_those_of_an_index(index: Index, encoder: CountingEncoder, tmp_path: Path, motion: bool) -> None:
    film = write_walkers(tmp_path / "street.mp4", (*PASSING, STANDS), 12.0)
    report = index_paths(index, encoder, [film], detecting=Detecting(ColourDetector(), min_height=20), motion=motion)
    found = detect(tmp_path / "out", film, motion=motion, save_crops=True)
    (video,) = document(tmp_path / "out")["videos"]
    expected = {person.track or 0: (person, crops) for person, crops in index.people()}
    assert len(expected) == report.tracks >= 4 and [track["id"] for track in video["tracks"]] == sorted(expected)
    assert video["still"] == report.still == found.films[0].watched.still and bool(report.still) == motion
    for track in video["tracks"]:
        person, crops = expected[track["id"]]
        assert (track["first"], track["last"], track["static"]) == (person.first, person.last, person.static)
        assert [(crop["time"], crop["quality"]) for crop in track["crops"]] == [(crop.time, crop.quality) for crop in crops]
        for crop, theirs in zip(track["crops"], crops, strict=True):
            assert theirs.box == Box(*crop["box"])
            image = cut_out(Image.fromarray(frame_at(film, crop["time"]).pixels), theirs.box)
            image.save(written := BytesIO(), "JPEG", quality=95)
            assert (tmp_path / "out" / crop["file"]).read_bytes() == written.getvalue()
    files = {crop["file"] for track in video["tracks"] for crop in track["crops"]}
    assert files == {f"crops/{path.name}" for path in (tmp_path / "out" / "crops").iterdir()}


@pytest.mark.parametrize("stamps", [None, lambda number: 10 * number + 3 * (number % 3), lambda number: 10 * number + 40 * (number // 30)])
def test_boxes_are_of_the_frames_that_the_file_holds(tmp_path: Path, stamps: Any) -> None:
    """Also where frames do not come evenly: a frame's number is its place among all that are decoded."""
    film = write_walkers(tmp_path / "street.mp4", seconds=6.0, stamps=stamps)
    detect(tmp_path / "out", film)
    boxes, pictures = rows(tmp_path / "out"), decoded(film)
    looked = ColourDetector()
    for number in np.unique(boxes.frames):
        expected = looked.detect(pictures[number - 1], SIZE).boxes
        here = boxes.boxes[boxes.frames == number]
        assert len(here) == len(expected)
        np.testing.assert_allclose(np.sort(here, axis=0), np.sort(expected, axis=0), atol=0.5)
    if stamps is None:
        assert set(boxes.frames) == set(range(1, 6 * RATE, 2))


def test_everybody_is_followed_under_one_number(tmp_path: Path, street: Path) -> None:
    detect(tmp_path / "out", street)
    found = rows(tmp_path / "out")
    truth = [
        (frame, who, left_at((frame - 1) / RATE), top)
        for frame in range(1, 10 * RATE, 2)
        for who, (start, end, left_at, top, _) in enumerate(PASSING)
        if start <= (frame - 1) / RATE < end and -WIDE / 2 < left_at((frame - 1) / RATE) < 192 - WIDE
    ]
    table = np.array(truth)
    corners = table[:, 2:]
    expected = Tracked(table[:, 0].astype(int), table[:, 1].astype(int), np.hstack([corners, corners + np.array([WIDE, TALL])]))
    assert identity_scores(expected, found, 0.4).idf1 > 95
    assert {track["id"]: track["boxes"] for track in document(tmp_path / "out")["videos"][0]["tracks"]} == {
        int(who): int(count) for who, count in zip(*np.unique(found.ids, return_counts=True), strict=True)
    }


def test_a_document_says_how_far_and_how_a_video_was_looked_at(tmp_path: Path, street: Path) -> None:
    told = list[tuple[int, int]]()
    detect(tmp_path / "out", street, fps=4, on_watched=lambda *far: told.append(far))
    written = document(tmp_path / "out")
    detector = ColourDetector()
    made = {"description": "People found by passerby detect", "detector": detector.name, "digest": detector.digest}
    assert written["info"] == {**made, "size": None, "min_height": 20, "min_score": None, "fps": 4, "motion": False}
    (video,) = written["videos"]
    tracks = video.pop("tracks")
    read = {"watched": 10.0, "gaps": [], "cut_short_at": None, "broken": 0, "still": 0}
    told_by_file = {"path": str(street), "width": 192, "height": 96, "rate": 10.0, "duration": 10.0}
    assert video == {**told_by_file, **read, "size": SIZE, "file": "tracks/street.txt"}
    assert all(0.85 < track["score"] <= 0.9 and "file" not in track["crops"][0] for track in tracks)
    assert told == sorted(told) and told[-1] == (10, 10) and len(told) == 40
    assert not (tmp_path / "out" / "boxes.json").exists() and not (tmp_path / "out" / "crops").exists()


def test_crops_are_written_when_a_track_ends(tmp_path: Path, street: Path) -> None:
    seen = set[int]()
    detect(
        tmp_path / "out", street, save_crops=True, on_watched=lambda *_: seen.add(len(list(tmp_path.glob(".out.*/new/crops/*_0001_*.jpg"))))
    )
    assert len(seen) == 2 and min(seen) == 0 and max(seen) > 1


def test_a_thing_that_never_moves_is_told_and_has_no_boxes(tmp_path: Path) -> None:
    film = write_walkers(tmp_path / "lamp.mp4", (LAMP, PASSING[0]), 25.0)
    detect(tmp_path / "out", film, detector=UnsureDetector(), fps=4)
    (video,) = document(tmp_path / "out")["videos"]
    shown = {track["id"] for track in video["tracks"] if not track["static"]}
    assert len(video["tracks"]) == 2 and len(shown) == 1
    assert set(rows(tmp_path / "out", "lamp").ids) == shown


@pytest.mark.parametrize(("least", "people"), [(None, 3), (0.6, 0), (0.3, 3)])
def test_who_is_never_seen_surely_is_left_out(tmp_path: Path, street: Path, least: float | None, people: int) -> None:
    found = detect(tmp_path / "out", street, detector=UnsureDetector(), min_score=least)
    assert len(found.films[0].tracks) == people


def test_a_film_of_nobody_has_no_boxes(tmp_path: Path) -> None:
    detect(tmp_path / "out", write_walkers(tmp_path / "street.mp4", (), 2.0), save_crops=True)
    assert document(tmp_path / "out")["videos"][0]["tracks"] == []
    assert (tmp_path / "out" / "tracks" / "street.txt").read_text() == ""


def test_a_film_that_ends_early_is_followed_to_there_and_told(tmp_path: Path) -> None:
    whole = write_walkers(tmp_path / "street.mp4", container={"movflags": "faststart"})
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size * 7 // 10])
    found = detect(tmp_path / "out", whole)
    (video,) = document(tmp_path / "out")["videos"]
    assert 5 < video["cut_short_at"] == video["watched"] < 9 and video["duration"] == 10
    assert video["gaps"] == [[pytest.approx(video["watched"], abs=0.01), 10]]
    assert any("ends earlier" in note.note for note in found.notes) and not found.failed


def test_a_gap_in_a_film_is_told(tmp_path: Path) -> None:
    film = write_walkers(tmp_path / "street.mp4")
    data = film.read_bytes()
    film.write_bytes(data[: len(data) // 2] + bytes(len(data) // 6) + data[len(data) // 2 + len(data) // 6 :])
    found = detect(tmp_path / "out", film)
    (video,) = document(tmp_path / "out")["videos"]
    ((start, end),) = video["gaps"]
    assert 1 <= end - start < 4 and video["broken"] and any("skipped" in note.note for note in found.notes)


def test_a_detector_that_fails_ends_it_and_nothing_is_written(tmp_path: Path, street: Path) -> None:
    with pytest.raises(ModelError, match="finite boxes"):
        detect(tmp_path / "out", street, detector=ColourDetector(fails_on=192))
    assert list(tmp_path.iterdir()) == []


def test_photos_are_written_as_without_videos(tmp_path: Path, street: Path) -> None:
    photos = [write_street(tmp_path / "photos" / f"{name}.png", [(20, 60, 70, 200)]) for name in "ab"]
    (tmp_path / "photos" / "aa.mp4").write_bytes(street.read_bytes())
    told = list[tuple[int, int]]()
    detect(tmp_path / "alone", *photos, save_crops=True)
    found = detect(tmp_path / "both", tmp_path / "photos", save_crops=True, on_progress=lambda *far: told.append(far))
    assert (found.photos, found.people, len(found.films), found.videos, found.skipped) == (2, 2, 1, 1, 0)
    assert (tmp_path / "both" / "boxes.json").read_bytes() == (tmp_path / "alone" / "boxes.json").read_bytes()
    assert json.loads((tmp_path / "both" / "boxes.json").read_text())["info"]["size"] == 640
    alone, both = ({path.name for path in (tmp_path / out / "crops").iterdir()} for out in ("alone", "both"))
    assert len(alone) == 2 and alone < both
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_names_are_those_of_files_and_different(tmp_path: Path) -> None:
    paths = ["a/gate.mp4", "b/gate.mp4", "b/gate.avi", "b/gate-2.mkv", "b/Gate.ts", "café.mp4"]
    assert list(names_of(map(Path, paths))) == ["gate", "gate-2", "gate-3", "gate-2-2", "Gate-4", "café"]
    film = write_walkers(tmp_path / "odd.mp4", PASSING[:1], 3.0)
    longest = film.rename(tmp_path / ("é" * 125 + ".mp4"))
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.mp4"))
    odd.write_bytes(longest.read_bytes())
    found = detect(tmp_path / "out", longest, odd, save_crops=True)
    assert not found.failed
    for video in document(tmp_path / "out")["videos"]:
        assert (tmp_path / "out" / video["file"]).read_text()
        assert (tmp_path / "out" / video["tracks"][0]["crops"][0]["file"]).exists()
