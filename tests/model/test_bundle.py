from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
from blobs import THREE, write_blob_bundle
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from passerby.detect.bundle import write_detector_bundle
from passerby.errors import ConfigError, ModelError
from passerby.model import selftest
from passerby.model.bundle import FILES, FORMAT, Bundle, read_bundle, write_bundle, write_calibrated
from passerby.model.calibration import Calibration
from passerby.model.manifest import MANIFEST, manifest_digest, require_bundle_place

CALIBRATION = Calibration(0.01, 0.15, -4.0, 10.0, 1.5, -1.0, {"ece": 0.01})

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture
def folder(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A copy of the tiny bundle, to be spoilt."""
    return Path(shutil.copytree(tiny_bundle, tmp_path / "copy"))


def manifest_of(folder: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
    return manifest


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    manifest = manifest_of(folder)
    change(manifest)
    (folder / MANIFEST).write_text(json.dumps(manifest))


def write(folder: Path, **changes: Any) -> Bundle:
    images, texts = tiny.image_tower(), tiny.text_tower()
    parts: dict[str, Any] = {
        "name": "tiny",
        "dim": tiny.DIM,
        "preprocessing": tiny.PREPROCESSING,
        "image_tower": images,
        "text_tower": texts,
        "tokenizer": tiny.tokenizer(),
        "max_tokens": tiny.MAX_TOKENS,
        "self_test": tiny.measured(images, texts),
        "card": {},
    }
    return write_bundle(folder, **parts | changes)


class TestReadBundle:
    def test_gives_what_was_written(self, tmp_path: Path) -> None:
        card = {"figures": {"rank1": 31.5}, "words": "Ω", "none": None}
        source = tmp_path / "tokenizer-of-training.json"
        source.write_bytes(tiny.tokenizer())
        written = write(tmp_path / "made", card=card, tokenizer=source, extra_files={"MODEL_CARD.md": b"# Tiny\n"})
        found = read_bundle(tmp_path / "made")
        assert (found.name, found.dim, found.max_tokens, found.preprocessing) == ("tiny", 16, 12, tiny.PREPROCESSING)
        assert found.digest == written.digest
        assert found.card == card
        assert found.tokenizer.read() == tiny.tokenizer()
        assert found.image_tower.read() == tiny.image_tower()
        assert (tmp_path / "made" / "MODEL_CARD.md").read_text() == "# Tiny\n"

    def test_self_test_is_kept_to_five_decimals(self, tiny_bundle: Path) -> None:
        stored = manifest_of(tiny_bundle)["self_test"]
        exact = tiny.measured(tiny.image_tower(), tiny.text_tower())
        assert tuple(stored["texts"]) == selftest.TEXTS
        for key, vectors in (("image_vectors", exact.image_vectors), ("text_vectors", exact.text_vectors)):
            np.testing.assert_array_equal(np.round(stored[key], 5), stored[key])
            np.testing.assert_allclose(stored[key], vectors, atol=6e-6)

    def test_later_keys_are_ignored_but_change_the_digest(self, folder: Path) -> None:
        before = read_bundle(folder)
        edit(folder, lambda manifest: manifest.update(licence="none"))
        after = read_bundle(folder)
        assert (after.name, after.dim) == (before.name, before.dim)
        assert after.digest != before.digest

    def test_a_bundle_without_calibration_says_so(self, folder: Path) -> None:
        assert manifest_of(folder)["calibration"] is None
        assert read_bundle(folder).calibration is None
        edit(folder, lambda manifest: manifest.pop("calibration"))
        assert read_bundle(folder).calibration is None

    def test_later_format_asks_for_an_upgrade(self, folder: Path) -> None:
        edit(folder, lambda manifest: manifest.update(format=FORMAT + 1))
        with pytest.raises(ModelError, match=rf"format {FORMAT + 1}; upgrade Passerby"):
            read_bundle(folder)

    @pytest.mark.parametrize(
        "change",
        [
            lambda m: m.pop("format"),
            lambda m: m.update(format="1"),
            lambda m: m.update(name=""),
            lambda m: m.update(name=None),
            lambda m: m.update(dim=True),
            lambda m: m.update(dim=17),
            lambda m: m.pop("preprocessing"),
            lambda m: m["preprocessing"].update(std=[1, 1, 0]),
            lambda m: m.update(image_tower="image_tower.onnx"),
            lambda m: m.pop("text_tower"),
            lambda m: m["tokenizer"].update(max_tokens=0),
            lambda m: m["image_tower"].update(sha256="abc"),
            lambda m: m["image_tower"].update(file="absent.onnx"),
            lambda m: m["image_tower"].update(file="/etc/passwd"),
            lambda m: m["image_tower"].update(file="../copy/image_tower.onnx"),
            lambda m: m["image_tower"].update(file="a/../../copy/image_tower.onnx"),
            lambda m: m["image_tower"].update(file="..\\image_tower.onnx"),
            lambda m: m["image_tower"].update(file="C:image_tower.onnx"),
            lambda m: m["image_tower"].update(file="image\0tower.onnx"),
            lambda m: m["image_tower"].update(file="."),
            lambda m: m["image_tower"].update(file="x" * 5000),
            lambda m: m.update(self_test=None),
            lambda m: m["self_test"].update(texts=["one"]),
            lambda m: m["self_test"].update(image_vectors=[[1, 2], [3, 4], [5, 6]]),
            lambda m: m["self_test"].update(image_vectors=[[0] * 16] * 3),
            lambda m: m["self_test"].update(text_vectors=[[1e300] * 16] * 3),
            lambda m: m["self_test"].update(text_vectors="words"),
            lambda m: m.update(card=[]),
            lambda m: m.update(calibration=[]),
            lambda m: m.update(calibration=False),
            lambda m: m.update(calibration=CALIBRATION.to_json() | {"usual_spread": 0}),
            lambda m: m.update(calibration=CALIBRATION.to_json() | {"margin": -1}),
        ],
    )
    def test_wrong_manifests_are_refused(self, folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
        edit(folder, change)
        with pytest.raises(ModelError) as refusal:
            read_bundle(folder)
        assert len(str(refusal.value).splitlines()) == 1

    @pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"\xff\xfe\x00", b'{"format": NaN}', b'{"format": 1e999}', b"[" * 100_000])
    def test_no_manifest_at_all(self, folder: Path, data: bytes) -> None:
        (folder / MANIFEST).write_bytes(data)
        with pytest.raises(ModelError):
            read_bundle(folder)

    @settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data(), value=JSON)
    def test_any_json_gives_a_bundle_or_a_refusal(self, folder: Path, tiny_bundle: Path, data: st.DataObject, value: Any) -> None:
        manifest = manifest_of(tiny_bundle)
        place = data.draw(st.sampled_from([manifest, *(inner for inner in manifest.values() if isinstance(inner, dict))]))
        place[data.draw(st.sampled_from([*place, "other"]))] = value
        (folder / MANIFEST).write_text(json.dumps(manifest))
        try:
            assert read_bundle(folder).digest == manifest_digest(manifest)
        except ModelError as refusal:
            assert refusal.expected and refusal.found and refusal.do

    def test_link_out_of_the_folder(self, folder: Path, tiny_bundle: Path) -> None:
        (folder / "image_tower.onnx").unlink()
        (folder / "image_tower.onnx").symlink_to(tiny_bundle / "image_tower.onnx")
        with pytest.raises(ModelError, match="a link out of it"):
            read_bundle(folder)

    def test_link_inside_the_folder(self, folder: Path) -> None:
        (folder / "weights").mkdir()
        (folder / "image_tower.onnx").rename(folder / "weights" / "image.onnx")
        (folder / "image_tower.onnx").symlink_to("weights/image.onnx")
        assert read_bundle(folder).image_tower.read()

    def test_linked_folder(self, folder: Path, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to(folder)
        assert read_bundle(tmp_path / "link").digest == read_bundle(folder).digest

    def test_missing_folder_and_plain_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        for path in (tmp_path / "absent", tmp_path / "file"):
            with pytest.raises(ModelError, match=r"name a bundled model or a bundle's folder"):
                read_bundle(path)

    def test_changed_bytes_are_found_when_they_are_read(self, folder: Path) -> None:
        bundle = read_bundle(folder)
        bundle.text_tower.path.write_bytes(b"other")
        assert bundle.image_tower.read()
        with pytest.raises(ModelError, match="SHA-256"):
            bundle.text_tower.read()

    def test_bytes_that_went_away(self, folder: Path) -> None:
        bundle = read_bundle(folder)
        bundle.text_tower.path.unlink()
        with pytest.raises(ModelError, match="no such file"):
            bundle.text_tower.read()


class TestDigest:
    @given(st.dictionaries(st.text(), JSON), st.randoms(use_true_random=False))
    def test_order_and_layout_do_not_matter(self, manifest: dict[str, Any], chance: Any) -> None:
        keys = list(manifest)
        chance.shuffle(keys)
        laid_out = json.dumps(
            {key: manifest[key] for key in keys}, indent=chance.choice([None, 3]), ensure_ascii=chance.choice([True, False])
        )
        assert manifest_digest(json.loads(laid_out)) == manifest_digest(manifest)

    @given(st.dictionaries(st.text(), JSON, min_size=1), st.data())
    def test_any_value_matters(self, manifest: dict[str, Any], data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(list(manifest)))
        assert manifest_digest(manifest | {key: [manifest[key]]}) != manifest_digest(manifest)

    def test_weights_matter(self, tmp_path: Path) -> None:
        assert tiny.write_tiny_bundle(tmp_path / "a").digest == tiny.write_tiny_bundle(tmp_path / "b").digest
        assert tiny.write_tiny_bundle(tmp_path / "c", seed=7).digest != tiny.write_tiny_bundle(tmp_path / "d").digest


class TestWriteBundle:
    def test_makes_parents_and_leaves_nothing_else(self, tmp_path: Path) -> None:
        write(tmp_path / "a" / "b" / "made")
        assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["made"]

    def test_an_existing_bundle_stays_unless_asked(self, folder: Path) -> None:
        before = read_bundle(folder).digest
        with pytest.raises(ModelError, match="ask to replace it"):
            write(folder, name="other")
        assert read_bundle(folder).digest == before

    def test_replaces_a_bundle_as_a_whole(self, folder: Path) -> None:
        (folder / "MODEL_CARD.md").touch()
        write(folder, name="other", replace=True)
        assert read_bundle(folder).name == "other"
        assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
        assert [path.name for path in folder.parent.iterdir()] == [folder.name]

    def test_never_replaces_what_is_no_bundle(self, tmp_path: Path) -> None:
        (tmp_path / "photos").mkdir()
        (tmp_path / "photos" / "kept.jpg").touch()
        (tmp_path / "link").symlink_to("nowhere")
        for name in ("photos", "link"):
            with pytest.raises(ModelError, match="not a bundle"):
                write(tmp_path / name, replace=True)
        assert (tmp_path / "photos" / "kept.jpg").exists()

    def test_never_replaces_what_only_has_a_manifest(self, folder: Path, tmp_path: Path) -> None:
        """A web app's, one of another kind of model, and one whose bundle is no longer whole."""
        detector = write_blob_bundle(tmp_path / "detector").folder
        (tmp_path / "app").mkdir()
        (tmp_path / "app" / MANIFEST).write_text('{"name": "app", "icons": []}')
        (folder / "text_tower.onnx").unlink()
        for there in (tmp_path / "app", detector, folder):
            before = all_in(there)
            with pytest.raises(ModelError, match="not a bundle of the same kind"):
                write(there, replace=True)
            assert all_in(there) == before
        whole = tiny.write_tiny_bundle(tmp_path / "whole").folder
        with pytest.raises(ModelError, match="not a bundle of the same kind"):
            write_detector_bundle(whole, name="d", model=detector / "detector.onnx", golden=THREE.picture, card={}, replace=True)
        assert read_bundle(whole).name == "tiny"

    @pytest.mark.parametrize("name", ["kept.jpg", "runs/log", ".git/config", "my notes.txt"])
    def test_never_takes_what_somebody_put_into_a_bundle_with_it(self, folder: Path, name: str) -> None:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("kept")
        with pytest.raises(ModelError, match=f"found '{re.escape(name.partition('/')[0])}' in it.*; name another folder"):
            write(folder, replace=True)
        assert (folder / name).read_text() == "kept"

    def test_further_files_make_way_for_files_of_their_names(self, folder: Path) -> None:
        (folder / "NOTES.md").write_text("old")
        write(folder, replace=True, extra_files={"NOTES.md": b"new"})
        assert (folder / "NOTES.md").read_text() == "new"
        assert not (folder / "LICENSE").exists()

    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"dim": 17}, ModelError),
            ({"name": " "}, ModelError),
            ({"card": {"figure": float("nan")}}, ModelError),
            ({"card": {"figure": object()}}, TypeError),
            ({"tokenizer": Path("/absent/tokenizer.json")}, FileNotFoundError),
            ({"extra_files": {"../outside": b""}}, ValueError),
            ({"extra_files": {MANIFEST: b""}}, FileExistsError),
        ],
    )
    def test_a_failed_write_changes_nothing(self, folder: Path, changes: dict[str, Any], error: type[Exception]) -> None:
        before = read_bundle(folder).digest
        with pytest.raises(error):
            write(folder, replace=True, **changes)
        assert read_bundle(folder).digest == before
        assert [path.name for path in folder.parent.iterdir()] == [folder.name]


class TestWriteCalibrated:
    def test_only_the_calibration_changes(self, folder: Path, tmp_path: Path) -> None:
        (folder / "MODEL_CARD.md").write_text("# Tiny\n")
        bundle = read_bundle(folder)
        made = write_calibrated(bundle, CALIBRATION, tmp_path / "calibrated")
        assert made.calibration == CALIBRATION
        assert made.digest != bundle.digest
        assert manifest_of(made.folder) == manifest_of(folder) | {"calibration": CALIBRATION.to_json()}
        assert {path.name for path in made.folder.iterdir()} == {path.name for path in folder.iterdir()}
        for name in ("LICENSE", "MODEL_CARD.md", "image_tower.onnx", "text_tower.onnx", "tokenizer.json"):
            assert (made.folder / name).read_bytes() == (folder / name).read_bytes()

    def test_in_its_place_and_again(self, folder: Path) -> None:
        first = write_calibrated(read_bundle(folder), CALIBRATION, folder)
        assert write_calibrated(first, CALIBRATION, folder).digest == first.digest
        assert (folder / "LICENSE").exists()

    def test_spoilt_bytes_are_not_passed_on(self, folder: Path, tmp_path: Path) -> None:
        bundle = read_bundle(folder)
        bundle.text_tower.path.write_bytes(b"other")
        with pytest.raises(ModelError, match="SHA-256"):
            write_calibrated(bundle, CALIBRATION, tmp_path / "calibrated")
        assert not (tmp_path / "calibrated").exists()

    @pytest.mark.parametrize("name", ["my notes.txt", "runs/log", "runs/"])
    def test_what_a_bundle_that_is_written_cannot_hold_is_refused_and_stays(self, folder: Path, tmp_path: Path, name: str) -> None:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).mkdir() if name.endswith("/") else (folder / name).touch()
        for out in (tmp_path / "calibrated", folder):
            with pytest.raises(ModelError, match=f"found '{name.partition('/')[0]}'; move it"):
                write_calibrated(read_bundle(folder), CALIBRATION, out)
        assert (folder / name).exists()
        assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def all_in(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_bundle_in_the_current_folder_is_refused_before_the_work(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It could not make way in the end."""
    require_bundle_place(folder, read_bundle)
    monkeypatch.chdir(folder)
    with pytest.raises(ConfigError, match="that can make way for a new one, found the current folder"):
        require_bundle_place(Path(), read_bundle)
