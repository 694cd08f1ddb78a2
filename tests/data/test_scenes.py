"""Datasets of scenes: their two layouts, their splits, and what is said of every kind of damage."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scenes import SIZE, boxes_of, entry, write_picture, write_scenes

from passerby.data.scenes import HUMAN, Scene, load_scenes, trusted
from passerby.errors import DatasetError
from passerby.types import Split

ONE = [10.5, 5, 30, 60]


def read_one(folder: Path, **more: object) -> Scene:
    (scene,) = load_scenes(write_scenes(folder, [entry("a.png", [ONE], **more)]))
    return scene


class TestOwnLayout:
    def test_everything_said_is_read(self, tmp_path: Path) -> None:
        scene = read_one(tmp_path, ignore_xyxy=[[0, 0, 5, 5]], split="train", labels="teachers", source="mall", head_points=[[1, 2]])
        assert (scene.path, scene.size) == (tmp_path / "a.png", SIZE)
        assert (scene.split, scene.labels, scene.source) == (Split.TRAIN, "teachers", "mall")
        np.testing.assert_array_equal(scene.boxes, boxes_of(ONE))
        np.testing.assert_array_equal(scene.ignored, boxes_of([0, 0, 5, 5]))

    def test_what_is_not_said_is_val_by_people(self, tmp_path: Path) -> None:
        scene = read_one(tmp_path)
        assert (scene.split, scene.labels, scene.source, scene.ignored.shape) == (Split.VAL, HUMAN, "", (0, 4))

    def test_nobody_is_a_scene_too(self, tmp_path: Path) -> None:
        (scene,) = load_scenes(write_scenes(tmp_path, [entry("a.png")]))
        assert scene.boxes.shape == (0, 4) and scene.boxes.dtype == np.float32

    def test_boxes_end_with_the_picture(self, tmp_path: Path) -> None:
        (scene,) = load_scenes(write_scenes(tmp_path, [entry("a.png", [[-3, -2, 200, 100]])]))
        np.testing.assert_array_equal(scene.boxes, boxes_of([0, 0, *SIZE]))

    def test_the_file_may_be_named(self, tmp_path: Path) -> None:
        write_scenes(tmp_path, [entry("a.png", [ONE])])
        assert load_scenes(tmp_path / "boxes.json")[0].path == tmp_path / "a.png"

    def test_pictures_may_lie_behind_a_link(self, tmp_path: Path) -> None:
        write_picture(tmp_path / "elsewhere" / "a.png")
        folder = tmp_path / "data"
        folder.mkdir()
        (folder / "images").symlink_to(tmp_path / "elsewhere")
        (folder / "boxes.json").write_text(json.dumps([entry("images/a.png")]))
        assert load_scenes(folder)[0].path == folder / "images" / "a.png"


class TestSplits:
    def test_a_test_split_is_only_read_where_it_is_named(self, tmp_path: Path) -> None:
        write_scenes(tmp_path, [entry(f"{split}.png", split=split) for split in ("train", "val", "test")])
        assert [scene.split for scene in load_scenes(tmp_path)] == [Split.TRAIN, Split.VAL]
        assert [scene.split for scene in load_scenes(tmp_path, {Split.TEST})] == [Split.TEST]

    def test_nothing_of_other_splits_is_looked_at(self, tmp_path: Path) -> None:
        write_scenes(tmp_path, [entry("a.png")])
        broken = {"image": "gone.png", "split": "test", "boxes_xyxy": "?"}
        (tmp_path / "boxes.json").write_text(json.dumps([entry("a.png"), broken]))
        assert len(load_scenes(tmp_path)) == 1

    def test_a_split_that_is_not_there_says_which_are(self, tmp_path: Path) -> None:
        write_scenes(tmp_path, [entry("a.png", split="train"), entry("b.png", split="test")])
        with pytest.raises(DatasetError, match=r"scenes of val .* found 1 of train, 1 of test"):
            load_scenes(tmp_path, {Split.VAL})

    def test_only_people_and_exact_truth_are_trusted(self, tmp_path: Path) -> None:
        write_scenes(tmp_path, [entry(f"{labels}.png", labels=labels) for labels in ("human", "teachers", "exact")])
        scenes = load_scenes(tmp_path)
        assert [scene.labels for scene in trusted(scenes)] == ["human", "exact"]
        with pytest.raises(DatasetError, match="1 by teachers"):
            trusted(scenes[1:2])


def coco(**more: object) -> dict[str, Any]:
    """Two pictures; in the first a person, a dog, a crowd and an empty box."""
    annotations = [
        {"image_id": 7, "category_id": 1, "bbox": [10, 5, 20, 50], "iscrowd": 0},
        {"image_id": 7, "category_id": 18, "bbox": [1, 1, 5, 5], "iscrowd": 0},
        {"image_id": 7, "category_id": 1, "bbox": [40, 0, 50, 60], "iscrowd": 1},
        {"image_id": 7, "category_id": 1, "bbox": [3, 3, 0, 9], "iscrowd": 0},
    ]
    images = [{"id": number, "file_name": f"{number}.png", "width": SIZE[0], "height": SIZE[1]} for number in (7, 8)]
    return {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "person"}, {"id": 18, "name": "dog"}]} | more


def write_coco(folder: Path, pictures: str, name: str = "annotations/instances_val2017.json", **more: object) -> Path:
    for number in (7, 8):
        write_picture(folder / pictures / f"{number}.png")
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(coco(**more)))
    return folder


class TestCoco:
    @pytest.mark.parametrize("pictures", ["val2017", "images/val2017", "images", "."])
    def test_people_crowds_and_pictures_without_anybody(self, tmp_path: Path, pictures: str) -> None:
        scenes = load_scenes(write_coco(tmp_path, pictures))
        assert [scene.path.resolve() for scene in scenes] == [(tmp_path / pictures / f"{n}.png").resolve() for n in (7, 8)]
        np.testing.assert_array_equal(scenes[0].boxes, boxes_of([10, 5, 30, 55]))
        np.testing.assert_array_equal(scenes[0].ignored, boxes_of([40, 0, 90, 60]))
        assert not len(scenes[1].boxes)

    def test_the_name_says_the_split(self, tmp_path: Path) -> None:
        write_coco(tmp_path, "train2017", "annotations/instances_train2017.json")
        (tmp_path / "annotations" / "instances_test2017.json").write_text("not even JSON")
        assert {scene.split for scene in load_scenes(tmp_path)} == {Split.TRAIN}

    def test_a_name_may_say_nothing(self, tmp_path: Path) -> None:
        assert load_scenes(write_coco(tmp_path, "images", "annotations/instances_default.json"))[0].split is Split.VAL

    def test_boxes_json_may_be_coco(self, tmp_path: Path) -> None:
        assert len(load_scenes(write_coco(tmp_path, ".", "boxes.json"))[0].boxes) == 1

    @pytest.mark.parametrize(
        ("more", "found"),
        [
            ({"images": None}, "TypeError"),
            ({"images": [{"id": 7}]}, "file_name"),
            ({"annotations": [{"image_id": 7, "category_id": 1}]}, "bbox"),
            ({"annotations": [{"image_id": 7, "category_id": 1, "bbox": [1, 2, 3]}]}, "unpack"),
            ({"annotations": [{"image_id": 7, "category_id": 1, "bbox": ["a", 2, 3, 4]}]}, "TypeError"),
            ({"annotations": [{"image_id": [], "category_id": 1, "bbox": [1, 2, 3, 4]}]}, "TypeError"),
            ({"annotations": [{"image_id": 9, "category_id": 1, "bbox": [1, 2, 3, 4]}]}, "annotations of 1 others"),
            ({"annotations": [{"image_id": 7, "category_id": 1, "bbox": [200, 2, 3, 4]}]}, "without width or height"),
            ({"categories": [{"id": 1, "name": "dog"}]}, "none"),
            ({"categories": ["person"]}, "TypeError"),
            ({"categories": [{"id": {}, "name": "person"}]}, "TypeError"),
        ],
    )
    def test_damage_is_said(self, tmp_path: Path, more: dict[str, Any], found: str) -> None:
        write_coco(tmp_path, "images", **more)
        with pytest.raises(DatasetError, match=found):
            load_scenes(tmp_path)


DAMAGE: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "no image": (lambda e: e.pop("image"), "no path, found None"),
    "an image that is no text": (lambda e: e.update(image=3), "no path, found 3"),
    "an empty image": (lambda e: e.update(image=" "), "no path"),
    "NUL in the image": (lambda e: e.update(image="a\0b"), "not text"),
    "half a surrogate": (lambda e: e.update(image="\ud800.png"), "not text"),
    "an image elsewhere": (lambda e: e.update(image="../a.png"), "leaves the folder"),
    "an absolute image": (lambda e: e.update(image="/a.png"), "leaves the folder"),
    "an address": (lambda e: e.update(image="https://a.org/a.png"), "network"),
    "no width": (lambda e: e.pop("width"), "no width from 1 to"),
    "a width of nothing": (lambda e: e.update(width=0), "no width from 1 to"),
    "a height that is true": (lambda e: e.update(height=True), "no height from 1 to"),
    "a height in words": (lambda e: e.update(height="64"), "no height from 1 to"),
    "half a pixel": (lambda e: e.update(height=64.5), "no height from 1 to"),
    "too high": (lambda e: e.update(height=10**9), "no height from 1 to"),
    "no boxes": (lambda e: e.pop("boxes_xyxy"), "boxes_xyxy that is no list: None"),
    "boxes that are no list": (lambda e: e.update(boxes_xyxy={"0": ONE}), "no list"),
    "numbers in a row": (lambda e: e.update(boxes_xyxy=[1, 2, 3, 4]), "four finite numbers: 1"),
    "three corners": (lambda e: e.update(boxes_xyxy=[ONE, [1, 2, 3]]), r"four finite numbers: \[1, 2, 3\]"),
    "a corner in words": (lambda e: e.update(boxes_xyxy=[["1", 2, 3, 4]]), "four finite numbers"),
    "a corner that is null": (lambda e: e.update(boxes_xyxy=[[None, 2, 3, 4]]), "four finite numbers"),
    "NaN": (lambda e: e.update(boxes_xyxy=[[float("nan"), 2, 3, 4]]), "four finite numbers"),
    "infinity": (lambda e: e.update(boxes_xyxy=[[0, 2, float("inf"), 4]]), "four finite numbers"),
    "beyond any float": (lambda e: e.update(boxes_xyxy=[[0, 2, 10**400, 4]]), "four finite numbers"),
    "inside out": (lambda e: e.update(boxes_xyxy=[[30, 5, 10, 60]]), "without width or height"),
    "a line": (lambda e: e.update(boxes_xyxy=[[30, 5, 30, 60]]), "without width or height"),
    "beside the picture": (lambda e: e.update(boxes_xyxy=[[100, 5, 130, 60]]), "in a picture of 96x64"),
    "an ignored region inside out": (lambda e: e.update(ignore_xyxy=[[30, 5, 10, 60]]), "ignore_xyxy a box"),
    "ignored that is null": (lambda e: e.update(ignore_xyxy=None), "ignore_xyxy that is no list"),
    "an unknown split": (lambda e: e.update(split="holdout"), "unknown split 'holdout'"),
    "no split": (lambda e: e.update(split=None), "no split"),
    "labels in numbers": (lambda e: e.update(labels=3), "labels that is not text: 3"),
    "a source in a list": (lambda e: e.update(source=["mall"]), "source that is not text"),
}


class TestDamage:
    @pytest.mark.parametrize("kind", DAMAGE)
    def test_an_entry_is_named_with_what_is_wrong(self, tmp_path: Path, kind: str) -> None:
        change, found = DAMAGE[kind]
        write_scenes(tmp_path, [entry("first.png"), entry("a.png", [ONE])])
        good, second = json.loads((tmp_path / "boxes.json").read_text())
        change(second)
        (tmp_path / "boxes.json").write_text(json.dumps([good, second]))
        with pytest.raises(DatasetError, match=found) as error:
            load_scenes(tmp_path)
        assert "picture 2 of" in str(error.value) and "\n" not in str(error.value)

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("", "Expecting value"),
            ("[", "Expecting value"),
            ("3", "int"),
            ('"boxes"', "str"),
            ("null", "NoneType"),
            ("[]", "no pictures"),
            ("[[]]", "instead of an object"),
        ],
    )
    def test_a_file_that_is_no_list_of_pictures(self, tmp_path: Path, text: str, found: str) -> None:
        (tmp_path / "boxes.json").write_text(text)
        with pytest.raises(DatasetError, match=found):
            load_scenes(tmp_path)

    def test_json_too_deep_to_read(self, tmp_path: Path) -> None:
        (tmp_path / "boxes.json").write_text("[" * 200_000)
        with pytest.raises(DatasetError):
            load_scenes(tmp_path)

    def test_a_folder_without_boxes(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match="found neither"):
            load_scenes(tmp_path)
        with pytest.raises(DatasetError, match="no such folder"):
            load_scenes(tmp_path / "gone")

    def test_pictures_that_are_not_there_are_counted(self, tmp_path: Path) -> None:
        write_scenes(tmp_path, [entry(f"{n}.png") for n in range(3)])
        for n in (1, 2):
            (tmp_path / f"{n}.png").unlink()
        with pytest.raises(DatasetError, match=r"2 that are not there, the first .*1\.png"):
            load_scenes(tmp_path)

    def test_a_picture_in_two_splits_is_refused(self, tmp_path: Path) -> None:
        write_scenes(tmp_path, [entry("a.png", split="train"), entry("a.png", split="val")])
        with pytest.raises(DatasetError, match=r"a\.png twice"):
            load_scenes(tmp_path)

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        value=st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
            lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
            max_leaves=10,
        ),
        key=st.sampled_from(["", "image", "width", "height", "boxes_xyxy", "ignore_xyxy", "split", "labels", "source"]),
    )
    def test_anything_is_read_or_refused(self, tmp_path: Path, value: Any, key: str) -> None:
        write_picture(tmp_path / "a.png")
        document = [entry("a.png", [ONE]) | {key: value}] if key else value
        (tmp_path / "boxes.json").write_text(json.dumps(document))
        try:
            (scene,) = load_scenes(tmp_path, set(Split))
        except DatasetError:
            return
        assert scene.path.is_file() and scene.boxes.shape[1:] == (4,) and scene.ignored.shape[1:] == (4,)
