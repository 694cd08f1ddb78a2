"""Evaluating a detector: what is measured of one whose answers are known, and what is said of pictures that cannot be used."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scenes import SIZE, boxes_of, entry, write_picture, write_scenes

from passerby.data.scenes import Scene, load_scenes
from passerby.detect.boxes import Boxes
from passerby.detect.detector import Detections
from passerby.errors import DatasetError
from passerby.measure.detection import average_precision
from passerby.measure.detector import FLOOR, Kind, ap50_change, evaluate_detector
from passerby.types import ModelDigest

PEOPLE = [[float(x), 4.0, float(x) + 9, 60.0] for x in (2, 20, 40)]
"""56 pixels tall, in pictures of 96 x 64."""


class WhiteBoxes:
    """Finds what is white in columns, as the pictures of these tests show people; the further right, the less sure."""

    name, digest = "white", ModelDigest("0" * 64)

    def __init__(self, scores: tuple[float, ...] = (0.9, 0.7, 0.2), shift: float = 0, threshold: float = 0.5) -> None:
        self._scores, self._shift, self.threshold = scores, shift, threshold

    def at(self, threshold: float | None) -> WhiteBoxes:
        return WhiteBoxes(self._scores, self._shift, self.threshold if threshold is None else threshold)

    def detect(self, picture: NDArray[np.uint8], size: int) -> Detections:  # noqa: ARG002
        rows, columns = (np.append(np.append(0, (picture[..., 0] > 200).any(axis=axis).astype(int)), 0) for axis in (1, 0))
        (top, bottom), edges = np.nonzero(np.diff(rows))[0][[0, -1]] if rows.any() else (0, 0), np.nonzero(np.diff(columns))[0]
        boxes = boxes_of(*[[left, top, right, bottom] for left, right in edges.reshape(-1, 2)]) + np.array([self._shift, 0] * 2, np.float32)
        scores = np.array(self._scores[: len(boxes)], np.float32)
        sure = scores >= np.float32(self.threshold)
        return Detections(boxes[sure], scores[sure])


def scenes_of(folder: Path, count: int = 12, **more: object) -> list[Scene]:
    return load_scenes(write_scenes(folder, [entry(f"{n:02}.png", PEOPLE, **more) for n in range(count)]))


class TestFigures:
    def test_what_is_known_is_measured(self, tmp_path: Path) -> None:
        """All are found, a third of them below the threshold."""
        evaluation = evaluate_detector(WhiteBoxes(), scenes_of(tmp_path), 96)
        figures = evaluation.figures
        assert (figures.pictures, figures.people) == (12, 36)
        assert figures.ap50.mean == 100 and figures.recall.mean == pytest.approx(200 / 3)
        assert figures.precision is not None and figures.precision.mean == 100
        assert evaluation.best_threshold == pytest.approx(0.2)
        assert evaluation.milliseconds > 0 and evaluation.caution is None

    def test_figures_are_those_of_the_claims(self, tmp_path: Path) -> None:
        scenes = scenes_of(tmp_path)
        unboxed = [replace(scene, boxes=scene.boxes[: n % 4]) for n, scene in enumerate(scenes)]
        evaluation = evaluate_detector(WhiteBoxes(), unboxed, 96)
        assert evaluation.figures.ap50.mean == pytest.approx(100 * average_precision(evaluation.claims, 18))
        assert evaluation.figures.precision is not None
        assert evaluation.figures.precision.mean == pytest.approx(100 * (2 * 3 + 2 * 3 + 1 * 3) / 24)
        assert evaluation.figures.precision.low < evaluation.figures.precision.mean < evaluation.figures.precision.high
        assert evaluation.caution is not None and "18 people" in evaluation.caution

    def test_average_precision_looks_below_the_threshold_to_the_floor(self, tmp_path: Path) -> None:
        scenes = scenes_of(tmp_path)
        found = evaluate_detector(WhiteBoxes((0.9, 0.7, FLOOR)), scenes, 96)
        missed = evaluate_detector(WhiteBoxes((0.9, 0.7, FLOOR / 2)), scenes, 96)
        assert found.figures.ap50.mean == 100 and missed.figures.ap50.mean == pytest.approx(200 / 3)
        assert missed.figures.recall == found.figures.recall

    def test_a_detector_that_finds_nobody(self, tmp_path: Path) -> None:
        evaluation = evaluate_detector(WhiteBoxes((0, 0, 0)), scenes_of(tmp_path), 96)
        assert evaluation.figures.ap50.mean == 0 and evaluation.figures.recall.mean == 0
        assert evaluation.figures.precision is None and evaluation.best_threshold is None
        assert json.loads(json.dumps(evaluation.to_json()))["intervals"]["precision"] is None


class TestHeights:
    @pytest.mark.parametrize(("size", "bounds"), [(32, (0, 24)), (64, (24, 40)), (96, (40, 60)), (128, (60, 90)), (192, (90, np.inf))])
    def test_are_in_pixels_as_the_detector_looks(self, tmp_path: Path, size: int, bounds: tuple[float, float]) -> None:
        by_height = evaluate_detector(WhiteBoxes(), scenes_of(tmp_path), size).by_height
        assert {(one.low, one.high): one.people for one in by_height if one.people} == {bounds: 36}
        assert [one.recall is not None for one in by_height].count(True) == 1

    def test_of_a_few_people_nothing_is_said(self, tmp_path: Path) -> None:
        assert all(one.recall is None for one in evaluate_detector(WhiteBoxes(), scenes_of(tmp_path, 9), 96).by_height)


class TestGroups:
    def test_by_source_and_labels(self, tmp_path: Path) -> None:
        scenes = [
            *scenes_of(tmp_path / "a", source="street"),
            *scenes_of(tmp_path / "b", source="shop", labels="exact"),
            *scenes_of(tmp_path / "c", 2, source="few"),
        ]
        groups = evaluate_detector(WhiteBoxes(), scenes, 96).groups
        assert [(group.kind, group.name, group.figures.pictures) for group in groups] == [
            (Kind.SOURCE, "street", 12),
            (Kind.SOURCE, "shop", 12),
            (Kind.LABELS, "human", 14),
            (Kind.LABELS, "exact", 12),
        ]

    def test_one_source_is_no_group(self, tmp_path: Path) -> None:
        assert not evaluate_detector(WhiteBoxes(), scenes_of(tmp_path, source="street"), 96).groups


class TestChange:
    def test_a_detector_that_is_off_falls(self, tmp_path: Path) -> None:
        scenes = scenes_of(tmp_path)
        good, off = (evaluate_detector(WhiteBoxes(shift=shift), scenes, 96) for shift in (0, 6))
        assert ap50_change(good, good).mean == 0
        assert ap50_change(good, off).high == -100

    def test_other_pictures_are_refused(self, tmp_path: Path) -> None:
        scenes = scenes_of(tmp_path)
        with pytest.raises(DatasetError, match="12 and 11"):
            ap50_change(evaluate_detector(WhiteBoxes(), scenes, 96), evaluate_detector(WhiteBoxes(), scenes[1:], 96))


class TestPicturesThatCannotBeUsed:
    def test_are_named_and_left_out(self, tmp_path: Path) -> None:
        scenes = scenes_of(tmp_path)
        scenes[0].path.write_bytes(b"no picture")
        write_picture(scenes[1].path, size=(SIZE[1], SIZE[0]))
        told: list[tuple[int, int]] = []
        evaluation = evaluate_detector(WhiteBoxes(), scenes, 96, on_progress=lambda done, total: told.append((done, total)))
        assert evaluation.scenes == tuple(scenes[2:]) and told[-1] == (12, 12)
        reasons: Mapping[Path, str] = {failure.path: failure.reason for failure in evaluation.failures}
        assert reasons.keys() == {scenes[0].path, scenes[1].path}
        assert "picture of 96 x 64" in reasons[scenes[1].path] and "64 x 96" in reasons[scenes[1].path]

    def test_when_nobody_is_left_it_says_why(self, tmp_path: Path) -> None:
        scenes = scenes_of(tmp_path, 2)
        for scene in scenes:
            scene.path.write_bytes(b"")
        with pytest.raises(DatasetError, match=r"2 that cannot be used, the first .*00\.png"):
            evaluate_detector(WhiteBoxes(), scenes, 96)

    def test_scenes_without_anybody_measure_nothing(self, tmp_path: Path) -> None:
        empty: Boxes = boxes_of()
        scenes = [replace(scene, boxes=empty) for scene in scenes_of(tmp_path, 2)]
        with pytest.raises(DatasetError, match="nobody in 2 pictures"):
            evaluate_detector(WhiteBoxes(), scenes, 96)
