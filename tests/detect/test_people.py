"""How people are looked for in photos of any size."""

from __future__ import annotations

import numpy as np
import pytest
from street import ColourDetector, Sides, street

from passerby.detect.detector import Detections
from passerby.detect.people import Detecting, second_size
from passerby.errors import InputError


def found(*boxes: Sides) -> Detections:
    return Detections(np.array(boxes, np.float32).reshape(-1, 4), np.full(len(boxes), 0.9, np.float32))


@pytest.mark.parametrize(
    ("boxes", "longer", "expected"),
    [
        ([], 2000, None),
        ([], 2001, 832),
        ([(0, 0, 100, 400)], 4000, None),  # 64 pixels as the detector looks
        ([(0, 0, 100, 300)], 4000, 832),
        ([(0, 0, 100, 300), (0, 0, 100, 900), (0, 0, 100, 900)], 4000, None),
        ([(0, 0, 10, 30)], 1000, None),
    ],
)
def test_a_second_look_is_for_large_photos_of_small_people(boxes: list[Sides], longer: int, expected: int | None) -> None:
    assert second_size(found(*boxes), longer) == expected


def test_small_people_of_a_large_photo_are_found_by_a_second_look() -> None:
    photo = street((4000, 3000), [(200, 300, 220, 330), (3000, 2000, 3022, 2040)])
    detector = ColourDetector()
    assert len(Detecting(detector, 640, 20).people(photo).found) == 1
    assert detector.looked == 1
    assert len(Detecting(detector, 0, 20).people(photo).found) == 2
    assert detector.looked == 3


def test_a_large_photo_is_made_smaller_before_a_detector_sees_it_and_boxes_are_of_the_photo() -> None:
    sides = [(333, 501, 633, 1501), (3001, 777, 3300, 2400)]
    people = Detecting(ColourDetector()).people(street((4001, 2999), sides))
    for box, expected in zip(sorted(people.found.boxes.tolist()), sides, strict=True):
        assert box == pytest.approx(expected, abs=9)
    assert people.sought.smallest == 45 * 4001 / 640


@pytest.mark.parametrize(
    ("people", "is_crop", "is_scene"),
    [
        ([], True, False),  # so narrow and upright that it shows somebody whom the detector does not see
        ([(10, 10, 90, 190)], True, False),
        ([(10, 10, 90, 110)], False, True),  # not high enough
        ([(10, 10, 90, 150)], False, False),  # between the two
        ([(40, 10, 70, 190)], False, True),  # not wide enough
        ([(20, 10, 98, 190), (2, 2, 14, 60)], True, False),  # somebody small in the background
        ([(1, 10, 69, 190), (72, 10, 98, 180)], False, False),
    ],
)
def test_somebody_who_fills_a_picture_alone_makes_it_a_crop(people: list[Sides], is_crop: bool, is_scene: bool) -> None:
    seen = Detecting(ColourDetector()).people(street((100, 200), people))
    assert (seen.is_crop, seen.is_scene) == (is_crop, is_scene)


@pytest.mark.parametrize("size", [(300, 600), (100, 120), (60, 300), (200, 100)])
def test_a_picture_of_nobody_and_of_another_shape_is_no_crop(size: tuple[int, int]) -> None:
    assert not Detecting(ColourDetector()).people(street(size, [])).is_crop


@pytest.mark.parametrize("wrong", [{"size": -1}, {"size": 5000}, {"size": 1.5}, {"min_height": float("nan")}, {"min_height": -1}])
def test_settings_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError):
        Detecting(ColourDetector(), **wrong)  # type: ignore[arg-type]
