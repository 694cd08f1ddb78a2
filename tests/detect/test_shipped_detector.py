"""The detector inside the package finds drawn people, is small, and says where it comes from."""

from __future__ import annotations

from importlib.resources import files

import numpy as np

from passerby.data.synthetic.street_folders import demo_streets
from passerby.detect.boxes import Boxes, iou
from passerby.resolve import load_detector

MOST_BYTES = 6_000_000


def test_it_is_small_and_has_its_licence_and_card() -> None:
    folder = files("passerby.detect") / "bundles" / "passerby-d"

    assert sum(len(file.read_bytes()) for file in folder.iterdir()) <= MOST_BYTES
    assert "CC BY-NC 4.0" in (folder / "LICENSE").read_text()
    assert "## Data and their terms" in (folder / "MODEL_CARD.md").read_text()


def test_it_finds_nearly_all_people_of_the_demo_and_hardly_anything_else() -> None:
    detector, people, found, false = load_detector("passerby-d"), 0, 0, 0
    for _, street in list(demo_streets())[:6]:
        true: Boxes = np.array([(x, y, x + width, y + height) for x, y, width, height in (one.box for one in street.people)], np.float32)
        overlap = iou(true, detector.detect(np.asarray(street.picture), 640).boxes)
        people += len(true)
        found += int((overlap.max(axis=1, initial=0) >= 0.5).sum())
        false += int((overlap.max(axis=0, initial=0) < 0.5).sum())

    assert people == 30
    assert found >= 28
    assert false <= 1
