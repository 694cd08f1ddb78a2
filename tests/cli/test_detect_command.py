"""`passerby detect` as people meet it: whole processes, real pictures, a detector that finds red rectangles."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from blobs import THREE, blobs, write_blob_bundle
from calling import PASSERBY, Ran, call, call_apart
from PIL import Image
from processes import until
from videos import RATE, write_video

from passerby import resolve
from passerby.cli import options
from passerby.cli.app import load
from passerby.detect.photos import MIN_HEIGHT
from passerby.detect.videos import FPS
from passerby.detect.written.folder import require_detected_place
from passerby.errors import ConfigError


@dataclass(frozen=True)
class Detect:
    """Runs `passerby detect` in a folder."""

    folder: Path
    detector: Path

    def __call__(self, *arguments: str | Path, before: Sequence[str] = (), detector: str | Path | None = None) -> Ran:
        asked = ("detect", *arguments, "--detector", detector or self.detector)
        return call_apart(*asked, folder=self.folder, before=before) if before else call(*asked, folder=self.folder)

    def boxes(self, out: str = "people") -> Any:
        return json.loads((self.folder / out / "boxes.json").read_text())


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_blob_bundle(tmp_path_factory.mktemp("detectors") / "blobs").folder


@pytest.fixture
def detect(tmp_path: Path, detector: Path) -> Detect:
    """A folder with photos of three, of one and of nobody, and a file that is no picture by its name."""
    (tmp_path / "photos" / "more").mkdir(parents=True)
    Image.fromarray(THREE.picture).save(tmp_path / "photos" / "three.png")
    Image.fromarray(blobs([(200, 96)]).picture).save(tmp_path / "photos" / "more" / "one.png")
    Image.fromarray(blobs([]).picture).save(tmp_path / "photos" / "nobody.png")
    (tmp_path / "photos" / "notes.txt").write_text("red")
    return Detect(tmp_path, detector)


def test_boxes_are_written_as_coco_has_them(detect: Detect) -> None:
    ran = detect("photos", "--out", "people", "--detect-size", "416", "--json")
    assert ran.code == 0
    of_videos = {"videos": 0, "tracks": 0, "static": 0, "watched": 0, "still": 0, "unread": [], "gaps": []}
    assert ran.document == {"photos": 3, "people": 4, "skipped": 1, "out": "people", "failed": [], "notes": [], **of_videos}
    written = detect.boxes()
    names = {image["id"]: image["file_name"] for image in written["images"]}
    assert sorted(names.values()) == sorted(map(str, (detect.folder / "photos").rglob("*.png")))
    assert {(image["width"], image["height"]) for image in written["images"]} == {(416, 320)}
    assert written["categories"][0]["name"] == "person"
    assert len({annotation["id"] for annotation in written["annotations"]}) == 4
    of_three = [a for a in written["annotations"] if names[a["image_id"]].endswith("three.png")]
    np.testing.assert_allclose(sorted(a["bbox"][:2] for a in of_three), THREE.boxes[:, :2], atol=0.02)
    for annotation in written["annotations"]:
        np.testing.assert_allclose(annotation["bbox"][2:], (48, 96), atol=0.02)
        assert (annotation["category_id"], annotation["iscrowd"]) == (1, 0)
        assert 0.9 < annotation["score"] <= 1
        assert "crop" not in annotation
    assert not (detect.folder / "people" / "crops").exists()


def test_crops_are_the_pixels_of_their_boxes(detect: Detect) -> None:
    ran = detect("photos", "--out", "people", "--detect-size", "416", "--save-crops")
    assert (ran.code, ran.out) == (0, "")
    assert "4 people in 3 photos, written to people" in ran.err
    crops = [detect.folder / "people" / annotation["crop"] for annotation in detect.boxes()["annotations"]]
    assert sorted(crops) == sorted((detect.folder / "people" / "crops").iterdir())
    for crop in crops:
        with Image.open(crop) as image:
            assert abs(np.array(image.size) - (48, 96)).max() <= 2
            assert np.asarray(image)[48, 24].tolist()[0] > 240


def test_a_photo_that_lies_on_its_side_is_looked_at_upright(detect: Detect) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    sideways = Image.fromarray(blobs([(200, 96)]).picture).transpose(Image.Transpose.ROTATE_90)
    sideways.save(detect.folder / "sideways.png", exif=exif)
    assert detect("sideways.png", "--out", "people", "--detect-size", "416").code == 0
    (annotation,) = detect.boxes()["annotations"]
    np.testing.assert_allclose(annotation["bbox"], (200, 96, 48, 96), atol=0.02)


def test_the_same_folder_is_written_again_and_does_not_find_its_own_crops(detect: Detect) -> None:
    for _ in range(2):
        ran = detect(".", "--out", "photos/people", "--detect-size", "416", "--save-crops", "--json")
        assert (ran.code, ran.document["photos"], ran.document["people"]) == (0, 3, 4)
    assert sorted(path.name for path in (detect.folder / "photos" / "people").iterdir()) == ["boxes.json", "crops"]


def test_small_and_unsure_people_are_left_out_when_asked(detect: Detect) -> None:
    for option in ("--min-height", "97"), ("--min-score", "0.999"):
        assert detect("photos", "--out", "people", "--detect-size", "416", *option, "--json").document["people"] == 0
        assert detect.boxes()["annotations"] == []


def test_files_that_fail_are_named_and_the_others_looked_at(detect: Detect, ordinary: Sequence[str]) -> None:
    photos = detect.folder / "photos"
    (photos / "bad.jpg").write_bytes(b"bad")
    (photos / "cut.png").write_bytes((photos / "three.png").read_bytes()[:300])
    (photos / "secret.png").write_bytes((photos / "three.png").read_bytes())
    (photos / "secret.png").chmod(0)
    ran = detect("photos", "absent.jpg", "--out", "people", "--detect-size", "416", "--json", before=ordinary)
    assert (ran.code, ran.document["people"]) == (1, 4)
    assert sorted(Path(failure["path"]).name for failure in ran.document["failed"]) == ["absent.jpg", "bad.jpg", "cut.png", "secret.png"]
    assert "secret.png" in ran.err


def write_film(path: Path, seconds: int = 4) -> Path:
    """Somebody who walks from left to right, and somebody who stands there for two seconds."""
    walk = [[(8 * (n // 2), 16), *([(320, 200)] if n < 2 * RATE else [])] for n in range(seconds * RATE)]
    return write_video(path, pictures=(blobs(places).picture for places in walk), options={"crf": "8"})


def test_videos_and_photos_of_a_folder_are_both_looked_at(detect: Detect) -> None:
    write_film(detect.folder / "photos" / "gate.mp4")
    ran = detect("photos", "--out", "people", "--detect-size", "416", "--save-crops", "--json")
    assert (ran.code, ran.document["photos"], ran.document["videos"], ran.document["skipped"]) == (0, 3, 1, 1)
    assert (ran.document["tracks"], ran.document["static"], ran.document["watched"]) == (2, 0, pytest.approx(4))
    assert "4 people in 3 photos, 2 people in 4 s of video, written to people; 1 other files skipped" in ran.err
    folder = detect.folder / "people"
    assert sorted(path.name for path in folder.iterdir()) == ["boxes.json", "crops", "tracks", "tracks.json"]
    (video,) = json.loads((folder / "tracks.json").read_text())["videos"]
    assert [(track["id"], track["first"], track["last"]) for track in video["tracks"]] == [(1, 0, 3.8), (2, 0, 1.8)]
    for track in video["tracks"]:
        for crop in track["crops"]:
            with Image.open(folder / crop["file"]) as image:
                red = np.asarray(image)[image.height // 2, image.width // 2]
                assert abs(np.array(image.size) - (52, 104)).max() <= 3 and red[0] > 200 and red[1] < 60
    table = np.loadtxt(folder / video["file"], delimiter=",")
    assert table.shape == (30, 10) and set(table[:, 0]) == set(range(1, 4 * RATE, 2)) and (table[:, 7:] == -1).all()
    walking = table[table[:, 1] == 1]
    np.testing.assert_allclose(walking[:, 2], 8 * ((walking[:, 0] - 1) // 2), atol=2)
    np.testing.assert_allclose(table[:, 4:6], np.broadcast_to((48, 96), (30, 2)), atol=2)


def test_bad_videos_are_named_and_the_others_looked_at(detect: Detect) -> None:
    films = detect.folder / "films"
    films.mkdir()
    whole = write_film(films / "good.mp4")
    (films / "empty.mkv").touch()
    (films / "noise.avi").write_bytes(os.urandom(5000))
    (films / "cut.mp4").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    Image.new("RGB", (40, 40)).save(films / "picture.mp4", "PNG")
    ran = detect("films", "gone.mp4", "--out", "people", "--detect-size", "416", "--json")
    assert (ran.code, ran.document["videos"], ran.document["tracks"], ran.document["photos"]) == (1, 1, 2, 0)
    failed = {Path(failure["path"]).name: failure["reason"] for failure in ran.document["failed"]}
    assert set(failed) == {"empty.mkv", "noise.avi", "cut.mp4", "picture.mp4", "gone.mp4"}
    assert all("expected" in reason and "\n" not in reason for reason in failed.values())
    assert sorted(path.name for path in (detect.folder / "people").iterdir()) == ["tracks", "tracks.json"]
    assert detect("films/noise.avi", "--out", "none").code == 2 and not (detect.folder / "none").exists()


def test_without_the_extra_videos_are_named_and_photos_looked_at(detect: Detect, monkeypatch: pytest.MonkeyPatch) -> None:
    (detect.folder / "photos" / "street.MKV").write_bytes(write_film(detect.folder / "street.mp4", 1).read_bytes())
    monkeypatch.setitem(sys.modules, "av", None)
    ran = detect("photos", "--out", "people", "--detect-size", "416", "--json")
    assert (ran.code, ran.document["photos"], ran.document["videos"], ran.document["failed"]) == (0, 3, 0, [])
    assert ran.document["unread"] == [str(detect.folder / "photos" / "street.MKV")]
    assert re.search(r"1 videos not read \(street.MKV\): expected .*\[video\].*; pip install", ran.err)
    ran = detect("photos", "street.mp4", "--out", "people", "--detect-size", "416")
    assert ran.code == 1 and re.search(r"street.mp4 +expected .*\[video\]", ran.err)
    ran = detect("street.mp4", "--out", "none")
    assert ran.code == 2 and "nothing written" in ran.err and not (detect.folder / "none").exists()


def test_options_of_videos_alone_are_said_to_be_ignored_without_any(detect: Detect) -> None:
    ran = detect("photos", "--out", "people", "--detect-size", "416", "--fps", "3", "--motion")
    assert ran.code == 0 and "ignored, as they mean nothing beside photos alone: --fps, --motion" in ran.err
    write_film(detect.folder / "street.mp4", 1)
    ran = detect("street.mp4", "--out", "people", "--fps", "3", "--motion")
    assert ran.code == 0 and "ignored" not in ran.err


def test_what_was_written_of_videos_alone_makes_way(detect: Detect) -> None:
    (detect.folder / "films").mkdir()
    write_film(detect.folder / "films" / "street.mp4", 1)
    for _ in range(2):
        assert detect("films", "--out", "people", "--detect-size", "416", "--save-crops").code == 0
    assert detect("photos", "--out", "people", "--detect-size", "416").code == 0
    assert [path.name for path in (detect.folder / "people").iterdir()] == ["boxes.json"]
    (detect.folder / "theirs" / "tracks").mkdir(parents=True)
    ran = detect("films", "--out", "theirs")
    assert ran.code == 2 and "found tracks; name another folder" in ran.err
    (detect.folder / "theirs" / "tracks.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"tracks\.json of another program"):
        require_detected_place(detect.folder / "theirs")


def test_crops_are_numbered_as_their_photos_are_where_some_fail(detect: Detect) -> None:
    (detect.folder / "photos" / "a_bad.jpg").write_bytes(b"bad")
    assert detect("photos", "--out", "people", "--detect-size", "416", "--save-crops").code == 1
    written = detect.boxes()
    assert {annotation["image_id"] for annotation in written["annotations"]} < {image["id"] for image in written["images"]}
    for annotation in written["annotations"]:
        assert annotation["crop"].startswith(f"crops/{annotation['image_id']:06}_")
        (photo,) = [image["file_name"] for image in written["images"] if image["id"] == annotation["image_id"]]
        left, top, width, height = map(round, annotation["bbox"])
        with Image.open(photo) as whole, Image.open(detect.folder / "people" / annotation["crop"]) as crop:
            cut = whole.convert("RGB").crop((left, top, left + width, top + height)).resize(crop.size)
            assert np.abs(np.asarray(cut, int) - np.asarray(crop, int)).mean() < 20


def test_where_nothing_can_be_looked_at_nothing_is_written(detect: Detect) -> None:
    (detect.folder / "bad.jpg").write_bytes(b"bad")
    ran = detect("bad.jpg", "absent", "--out", "people")
    assert ran.code == 2
    assert re.search("nothing written: expected photos", ran.err)
    assert not (detect.folder / "people").exists()


def test_a_folder_of_something_else_is_not_touched(detect: Detect) -> None:
    (detect.folder / "theirs").mkdir()
    (detect.folder / "theirs" / "boxes.json").write_text("[]")
    before = sorted(detect.folder.rglob("*"))
    ran = detect("photos", "--out", "photos")
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "found more, nobody.png, notes.txt; name another folder with --out" in ran.err
    for out, said in ("photos/notes.txt", "found a file"), ("theirs", "boxes.json of another program"):
        with pytest.raises(ConfigError, match=said):
            require_detected_place(detect.folder / out)
    assert sorted(detect.folder.rglob("*")) == before


def test_what_cannot_make_way_is_refused_before_the_work(detect: Detect) -> None:
    crops = detect.folder / "people" / "crops"
    assert detect("photos", "--out", "people", "--detect-size", "416", "--save-crops").code == 0
    for current, out in ((crops.parent, "."), (crops.parent, crops.parent), (crops, "..")):
        ran = call("detect", detect.folder / "photos", "--out", out, "--detector", "no detector", folder=current)
        assert (ran.code, ran.err.count("\n")) == (2, 1)
        assert "expected a folder for --out that can make way for a new one, found the current folder, or one above it" in ran.err


def test_a_link_to_a_folder_stays_one(detect: Detect) -> None:
    (detect.folder / "far").mkdir()
    (detect.folder / "people").symlink_to("far")
    for _ in range(2):
        assert detect("photos", "--out", "people", "--detect-size", "416").code == 0
        assert (detect.folder / "people").is_symlink()
        assert [path.name for path in (detect.folder / "far").iterdir()] == ["boxes.json"]


def test_a_place_that_cannot_be_written_is_said_before_the_work(detect: Detect, ordinary: Sequence[str]) -> None:
    (detect.folder / "locked").mkdir(mode=0o500)
    ran = detect("photos", "--out", "locked/people", before=ordinary)
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "expected a place where" in ran.err


@pytest.mark.parametrize("name", ["nobody", "photos", "photos/three.png"])
def test_what_is_no_detector_is_refused_in_one_line(detect: Detect, name: str) -> None:
    ran = detect("photos", "--out", "people", detector=name)
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert re.search("error: expected .*, found .*; ", ran.err)


@pytest.mark.parametrize(
    ("signals", "code", "said"),
    [([signal.SIGINT], 130, b"interrupted"), ([signal.SIGTERM], 143, b"terminated"), ([signal.SIGTERM] * 2, 143, b"terminated")],
)
def test_an_interrupt_leaves_nothing_behind(detect: Detect, signals: Sequence[signal.Signals], code: int, said: bytes) -> None:
    photo = (detect.folder / "photos" / "three.png").read_bytes()
    for number in range(400):
        (detect.folder / "photos" / f"{number:03}.png").write_bytes(photo)
    before = sorted(path.name for path in detect.folder.iterdir())
    process = subprocess.Popen(
        [*PASSERBY, "detect", "photos", "--out", "people", "--save-crops", "--detect-size", "416", "--detector", detect.detector],
        cwd=detect.folder,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    until(lambda: list(detect.folder.glob(".people.*/new/crops/*")), seconds=300)
    for number in signals:
        process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == code, err
    assert err.endswith(b"passerby: " + said + b"\n")
    assert b"Traceback" not in err
    assert sorted(path.name for path in detect.folder.iterdir()) == before


def test_an_interrupt_in_a_video_leaves_nothing_behind(detect: Detect) -> None:
    write_film(detect.folder / "street.mp4", 40)
    before = sorted(path.name for path in detect.folder.iterdir())
    process = subprocess.Popen(
        [*PASSERBY, "detect", "street.mp4", "--out", "people", "--save-crops", "--detect-size", "416", "--detector", detect.detector],
        cwd=detect.folder,
        stderr=subprocess.PIPE,
    )
    until(lambda: list(detect.folder.glob(".people.*/new/crops/*")), seconds=60)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err.strip()) == (143, b"passerby: terminated")
    assert sorted(path.name for path in detect.folder.iterdir()) == before


def test_what_is_taken_by_default_is_what_python_takes() -> None:
    assert options.DEFAULT_DETECTOR == resolve.DEFAULT_DETECTOR
    defaults = {option.name: option.default for option in load("detect").params}
    assert (defaults["min_height"], defaults["fps"]) == (MIN_HEIGHT, FPS)
