from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from blobs import THREE, blobs, write_blob_bundle
from PIL import Image

from passerby.detect.bundle import BundleDetector, read_detector_bundle
from passerby.detect.detector import Detector
from passerby.detect.photos import Photo, detect_photos
from passerby.errors import ModelError
from passerby.types import Failure


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Detector:
    return BundleDetector(write_blob_bundle(tmp_path_factory.mktemp("detectors") / "blobs"), threads=1)


def looked_at(detector: Detector, path: Path) -> Photo | Failure:
    (found,) = detect_photos(detector, [path], size=416)
    return found


@pytest.mark.parametrize(
    ("mode", "size"), [("RGB", (1, 1)), ("L", (30, 20)), ("I;16", (40, 40)), ("1", (9, 9)), ("RGB", (3000, 2)), ("RGB", (2, 3000))]
)
def test_odd_photos_have_nobody_and_are_no_failure(detector: Detector, tmp_path: Path, mode: str, size: tuple[int, int]) -> None:
    Image.new(mode, size).save(tmp_path / "odd.png")
    found = looked_at(detector, tmp_path / "odd.png")
    assert isinstance(found, Photo)
    assert (found.width, found.height, len(found.people)) == (*size, 0)


def test_people_lie_over_white_where_a_photo_is_transparent(detector: Detector, tmp_path: Path) -> None:
    photo = Image.fromarray(THREE.picture).convert("RGBA")
    photo.putalpha(Image.fromarray(np.where(THREE.picture[..., 0] == 255, 255, 90).astype(np.uint8)))
    photo.save(tmp_path / "clear.png")
    found = looked_at(detector, tmp_path / "clear.png")
    assert isinstance(found, Photo)
    assert len(found.people) == 3


def test_results_are_in_the_order_of_the_files_however_many_look(detector: Detector, tmp_path: Path) -> None:
    paths = []
    for number in range(12):
        paths.append(tmp_path / f"{number}.png")
        people = [(16 + 96 * place, 32) for place in range(number % 4)]
        Image.fromarray(blobs(people).picture).save(paths[-1])
    paths[5].write_bytes(b"bad")
    for threads in (1, 3):
        found = list(detect_photos(detector, paths, size=416, threads=threads))
        assert [one.path for one in found] == paths
        assert [len(one.people) if isinstance(one, Photo) else None for one in found] == [0, 1, 2, 3, 0, None, 2, 3, 0, 1, 2, 3]


def test_a_detector_that_cannot_be_trusted_ends_it(tmp_path: Path) -> None:
    folder = write_blob_bundle(tmp_path / "blobs").folder
    (folder / "detector.onnx").write_bytes(b"damaged")
    Image.fromarray(THREE.picture).save(tmp_path / "three.png")
    with pytest.raises(ModelError, match="SHA-256"):
        list(detect_photos(BundleDetector(read_detector_bundle(folder)), [tmp_path / "three.png"] * 3))
