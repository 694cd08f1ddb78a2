from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from blobs import THREE, blob_detector, blobs, write_blob_bundle
from hypothesis import given
from hypothesis import strategies as st

from passerby import resolve
from passerby.detect.bundle import BundleDetector, nearest, read_detector_bundle, require_same, write_detector_bundle
from passerby.detect.detector import Detections
from passerby.errors import ModelError, PasserbyError
from passerby.model.manifest import MANIFEST


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_blob_bundle(tmp_path_factory.mktemp("detectors") / "blobs").folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy, to be spoilt."""
    return Path(shutil.copytree(made, tmp_path / "blobs"))


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    change(manifest)
    (folder / MANIFEST).write_text(json.dumps(manifest))


def found(manifest: dict[str, Any]) -> dict[str, Any]:
    people: dict[str, Any] = manifest["self_test"]["found"]["416"]
    return people


def test_gives_what_was_written(made: Path) -> None:
    bundle = read_detector_bundle(made)
    assert (bundle.name, bundle.sizes, bundle.card) == ("blobs", (416, 640), {"words": "of nobody"})
    np.testing.assert_allclose(np.sort(bundle.golden[416].boxes, axis=0), np.sort(THREE.boxes, axis=0), atol=0.01)
    assert bundle.golden.keys() == {416, 640}


def test_finds_people_and_is_loaded_by_its_folder(made: Path) -> None:
    detector = resolve.load_detector(made, threads=1)
    found = detector.detect(blobs([(200, 96)]).picture, 416)
    np.testing.assert_allclose(found.boxes, [[200, 96, 248, 192]], atol=1e-3)
    assert (detector.name, detector.digest) == ("blobs", read_detector_bundle(made).digest)


def test_a_bundled_name(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolve, "_DETECTORS", made.parent)
    assert resolve.bundled_detectors() == ["blobs"]
    assert resolve.load_detector("blobs").name == "blobs"


def test_another_reading_is_another_digest(folder: Path) -> None:
    before = read_detector_bundle(folder).digest
    edit(folder, lambda manifest: manifest["layout"].update(threshold=0.5))
    assert read_detector_bundle(folder).digest != before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: m.update(format=2), "upgrade Passerby"),
        (lambda m: m.update(kind="singer"), "expected a bundle of kind detector, found .*, of kind singer"),
        (lambda m: m.pop("layout"), "layout"),
        (lambda m: m["layout"].update(colours="CMYK"), "colours"),
        (lambda m: m.update(sizes=[]), "sizes"),
        (lambda m: found(m).update(boxes=[[0, 0, 1, 1]]), "self_test box"),
        (lambda m: found(m).pop("scores"), "boxes and scores"),
        (lambda m: m["self_test"]["found"].pop("640"), "640 to be an object"),
        (lambda m: found(m).update(scores=[0.1, 0.1, 0.1]), "golden picture with 2 people"),
        (lambda m: m["model"].update(file="../detector.onnx"), "plain path"),
        (lambda m: m["model"].update(file="none.onnx"), "no such file"),
    ],
)
def test_a_malformed_manifest_is_refused(folder: Path, change: Callable[[dict[str, Any]], object], said: str) -> None:
    edit(folder, change)
    with pytest.raises(ModelError, match=said):
        read_detector_bundle(folder)


def test_a_damaged_file_is_refused_when_first_used(folder: Path) -> None:
    (folder / "detector.onnx").write_bytes(b"damaged")
    with pytest.raises(ModelError, match=r"detector.onnx with SHA-256"):
        BundleDetector(read_detector_bundle(folder)).detect(THREE.picture, 416)


@pytest.mark.parametrize(
    ("golden", "said"),
    [([(16, 32), (120, 200), (304, 160), (200, 32)], "the 4 people of the golden picture"), ([(16, 32), (304, 160)], "nobody else")],
)
def test_a_detector_that_does_not_find_its_golden_people_is_refused(folder: Path, golden: list[tuple[int, int]], said: str) -> None:
    boxes = blobs(golden).boxes.tolist()
    edit(folder, lambda manifest: found(manifest).update(boxes=boxes, scores=[0.98] * len(boxes)))
    detector = BundleDetector(read_detector_bundle(folder), threads=1)
    for _ in range(2):
        with pytest.raises(ModelError, match=said):
            detector.detect(THREE.picture, 416)


def test_what_a_driver_rounds_is_no_fault() -> None:
    golden = Detections(THREE.boxes, np.array([0.9, 0.8, 0.3], np.float32))
    require_same(Detections(THREE.boxes + np.float32(0.5), golden.scores - np.float32(0.05)), golden)
    require_same(Detections(THREE.boxes[:2], golden.scores[:2]), golden)  # whom it was not sure of
    with pytest.raises(ModelError, match="found 1 of them"):
        require_same(Detections(THREE.boxes, np.array([0.9, 0.6, 0.3], np.float32)), golden)
    with pytest.raises(ModelError, match="found 0 of them"):
        require_same(Detections(np.empty((0, 4), np.float32), np.empty(0, np.float32)), golden)


def test_a_detector_that_finds_nobody_cannot_be_written(tmp_path: Path) -> None:
    blind = blob_detector(classes=0, colours="RGB", names=("pixels", "people"), blind=True)
    with pytest.raises(ModelError, match="golden picture with 2 people found"):
        write_detector_bundle(tmp_path / "blind", name="blind", model=blind, golden=THREE.picture, card={})
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_is_replaced_only_when_asked(folder: Path) -> None:
    with pytest.raises(ModelError, match="found a bundle"):
        write_blob_bundle(folder)


def test_one_kind_of_bundle_is_not_the_other(made: Path, tiny_bundle: Path) -> None:
    with pytest.raises(ModelError, match=r"kind encoder, found .*blobs, of kind detector; name an encoder; a detector is for --detector"):
        resolve.load_model(made)
    with pytest.raises(ModelError, match=r"kind detector, found .*tiny, of kind encoder; name a detector; an encoder is for --model"):
        resolve.load_detector(tiny_bundle)


def test_another_threshold_is_another_detector(made: Path) -> None:
    own, all_of_them = resolve.load_detector(made, threads=1), resolve.load_detector(made, threads=1, threshold=0)
    nobody = resolve.load_detector(made, threads=1, threshold=0.99)
    assert len({own.digest, all_of_them.digest, nobody.digest}) == 3
    assert [len(one.detect(THREE.picture, 416)) for one in (own, nobody)] == [3, 0]
    assert len(all_of_them.detect(THREE.picture, 416)) > 3
    with pytest.raises(ModelError, match="threshold"):
        resolve.load_detector(made, threshold=2).detect(THREE.picture, 416)


def test_installed_ones_of_the_other_kind_say_so_too(made: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolve, "_DETECTORS", made.parent)
    monkeypatch.setattr(resolve, "_BUNDLES", tiny_bundle.parent)
    with pytest.raises(ModelError, match=r"of kind detector; name an encoder; a detector is for --detector"):
        resolve.load_model("blobs")
    with pytest.raises(ModelError, match=r"of kind encoder; name a detector; an encoder is for --model"):
        resolve.load_detector("tiny")


@given(st.sets(st.integers(1, 50), min_size=1), st.integers(1, 60))
def test_the_nearest_size_is_not_smaller_where_one_is(sizes: set[int], size: int) -> None:
    chosen = nearest(sizes, size)
    assert chosen in sizes
    assert chosen >= size or chosen == max(sizes)
    assert not any(size <= other < chosen for other in sizes)


@pytest.mark.parametrize("name", ["nobody", "/absent/folder", "", "a\0b"])
def test_unknown_names_are_told_what_exists(name: str) -> None:
    with pytest.raises(PasserbyError, match=r"expected a (bundled detector|model's name)"):
        resolve.load_detector(name)
