"""A detector is trained from a folder of scenes: it learns, is judged, is kept, and goes on after a kill along the same curve."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from street_scenes import write_red_scenes

from passerby.errors import ConfigError, DatasetError, ModelError
from passerby.learn.detection.config import Detection, Rates, Views, is_detection, read_detection
from passerby.learn.detection.folder import load_detector_folder
from passerby.learn.detection.train import train_detector

HOW = {
    "detects": "people",
    "width": 8,
    "epochs": 2,
    "judge_every": 1,
    "judge_size": 128,
    "views": Views(smallest=64, largest=96, mosaic=0.5),
    "rates": Rates(batch_size=4, frozen=0, average=0.5),
}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_red_scenes(tmp_path_factory.mktemp("scenes"), train=12, val=4)


def how(scenes: Path, out: Path, **changes: object) -> Detection:
    return Detection(**{"data": str(scenes), "out": str(out), **HOW, **changes})  # type: ignore[arg-type]


def test_a_run_is_judged_on_val_and_its_best_model_can_be_read(scenes: Path, tmp_path: Path) -> None:
    said: list[str] = []

    made = train_detector(how(scenes, tmp_path / "run"), said.append)

    assert sum("val AP50" in line for line in said) == 2
    assert load_detector_folder(made).state_dict()["heads.0.box.weight"].shape == (4, 8, 1, 1)


def test_a_killed_run_goes_on_along_the_same_curve(scenes: Path, tmp_path: Path) -> None:
    whole, cut = how(scenes, tmp_path / "whole"), how(scenes, tmp_path / "cut", checkpoint_minutes=0.0)
    train_detector(whole, lambda _: None)

    def die(line: str) -> None:
        if "val AP50" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_detector(cut, die)
    train_detector(cut, lambda _: None)

    one, two = (load_detector_folder(tmp_path / name / "model").state_dict() for name in ("whole", "cut"))
    assert all(np.array_equal(one[name], two[name]) for name in one)


def test_what_cannot_be_learnt_from_is_refused(scenes: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="train scenes"):
        train_detector(how(scenes, tmp_path / "run", rates=Rates(batch_size=13)), print)
    with pytest.raises(DatasetError, match=r"boxes\.json"):
        train_detector(how(tmp_path, tmp_path / "run"), print)
    with pytest.raises(ModelError, match="ONNX"):
        train_detector(how(scenes, tmp_path / "run", taught_by=str(scenes / "0.png")), print)
    with pytest.raises(ModelError, match="detector"):
        load_detector_folder(scenes)


def test_a_config_is_told_from_that_of_a_clip_and_checked(tmp_path: Path) -> None:
    path = tmp_path / "d.toml"
    path.write_text('data = "scenes"\nout = "run"\ntaught_by = "yolox.onnx"\ndetects = "people"\n[views]\nlargest = 400\n')

    assert is_detection(path)
    assert not is_detection(Path("configs/passerby-s/1-introduce.toml"))
    with pytest.raises(ConfigError, match="multiples of 32"):
        read_detection(path)
    assert read_detection(path, ["views.largest=416"]).taught_by == str(tmp_path / "yolox.onnx")
