"""How people are looked for in photos of any size."""

from __future__ import annotations

import numpy as np
import pytest
from street import ColourDetector, Sides, street

from passerby.detect.detector import Detections
from passerby.detect.people import Detecting, fills_picture, second_size


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
    ("boxes", "expected"),
    [
        ([], (False, True)),
        ([(10, 10, 90, 190)], (True, True)),
        ([(10, 10, 90, 120)], (False, True)),  # not high enough
        ([(40, 10, 70, 190)], (False, True)),  # not wide enough
        ([(10, 10, 90, 190), (0, 0, 20, 60)], (True, True)),  # somebody small in the background
        ([(10, 10, 60, 190), (50, 10, 95, 180)], (True, False)),
    ],
)
def test_somebody_who_fills_a_picture_alone_makes_it_a_crop(boxes: list[Sides], expected: tuple[bool, bool]) -> None:
    assert fills_picture(found(*boxes), 100, 200) == expected
