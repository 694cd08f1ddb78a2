"""Photos with several people as people meet them: whole processes, real pictures, a detector that finds red rectangles."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from blobs import blobs, write_blob_bundle
from calling import call
from PIL import Image

THREE = blobs([(16, 32), (120, 200), (304, 160)], (640, 480))


@dataclass(frozen=True)
class Passerby:
    """Runs the program in a folder, and gives its exit code, its output and its messages."""

    folder: Path
    model: Path
    detector: Path

    def __call__(self, *arguments: str | Path) -> tuple[int, str, str]:
        model = () if arguments[0] == "info" else ("--model", self.model)
        ran = call(*arguments, "--index", "index", *model, folder=self.folder)
        return ran.code, ran.out, ran.err

    def document(self, *arguments: str | Path) -> Any:
        _, out, err = self(*arguments, "--json")
        assert out, err
        return json.loads(out)


@pytest.fixture
def passerby(tmp_path: Path, tiny_bundle: Path) -> Passerby:
    write_blob_bundle(tmp_path / "blobs")
    (tmp_path / "photos").mkdir()
    Image.fromarray(THREE.picture).save(tmp_path / "photos" / "three.png")
    Image.fromarray(blobs([], (640, 480)).picture).save(tmp_path / "photos" / "nobody.png")
    return Passerby(tmp_path, tiny_bundle, tmp_path / "blobs")


@pytest.fixture
def indexed(passerby: Passerby) -> Passerby:
    code, _, err = passerby("index", "photos", "--detector", passerby.detector)
    assert code == 0, err
    assert "2 photos of scenes with 3 people, nobody in 1 of them" in err
    return passerby


def test_an_answer_shows_where(indexed: Passerby) -> None:
    found = indexed.document("search", "a red jacket", "--all", "--frames", "frames.png", "--sheet", "sheet.png")
    assert (found["photos"], found["smallest"]) == (2, [45, 45])
    assert sorted(hit["box"][:2] for hit in found["hits"]) == [[16, 32], [120, 200], [304, 160]]
    assert {hit["path"] for hit in found["hits"]} == {str(indexed.folder / "photos" / "three.png")}
    assert all(0 < hit["quality"] <= 1 for hit in found["hits"]) and len({hit["person"] for hit in found["hits"]}) == 3
    frames = np.asarray(Image.open(indexed.folder / "frames.png")).astype(int)
    assert np.sum(np.abs(frames - (255, 0, 0)).max(axis=2) < 12) == pytest.approx(3 * 36 * 78, rel=0.05)  # within the frames
    assert np.sum(np.abs(frames - (0xE0, 0x21, 0x4B)).max(axis=2) < 12) > 1000
    code, out, _ = indexed("search", "a red jacket", "--all")
    assert code == 0 and "304,160,48,96" in out and "quality" in out
    assert indexed.document("info")["photos"] == 2


def test_somebody_in_a_photo_is_asked_for(indexed: Passerby) -> None:
    photo = "photos/three.png"
    code, _, err = indexed("search", "--like", photo, "--box", "304,160,48,96")
    assert (code, err) == (0, "")
    code, _, err = indexed("search", "--like", photo, "--detector", indexed.detector)
    assert code == 0 and "3 people; the largest was taken, at " in err
    code, _, err = indexed("search", "--like", photo, "--box", "5000,1,2,2")
    assert (code, err.count("\n")) == (2, 1) and "640 x 480" in err
    code, _, err = indexed("search", "red", "--box", "1,1,2,2")
    assert (code, err.count("\n")) == (2, 1) and "--like" in err


def test_nobody_means_something(passerby: Passerby) -> None:
    assert passerby.document("index", "photos/nobody.png", "--detector", passerby.detector)["nobody"] == 1
    code, _, err = passerby("search", "a red jacket")
    assert code == 2 and "photos looked at: 1; people lower than 45 pixels are mostly missed" in err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--crops", "--scenes"], "--crops or --scenes"),
        (["--detector", "photos/three.png"], "detector"),
        (["--detector", "nowhere"], "detector"),
        (["--detect-size", "-5"], "--detect-size"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_indexed(passerby: Passerby, options: list[str], said: str) -> None:
    code, out, err = passerby("index", "photos", *options)
    assert code == 2 and said in err and "Traceback" not in err and out == ""
    assert not (passerby.folder / "index").exists()
