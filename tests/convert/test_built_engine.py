"""Engines that are built, judged and run, on a GPU that is ONNX Runtime."""

from __future__ import annotations

import gc
import pickle
import re
import shutil
from pathlib import Path
from typing import NamedTuple

import fake_gpu
import numpy as np
import pytest
from blobs import THREE, write_blob_bundle
from fake_gpu import FakeGpu
from fragile import HEIGHT, WIDTH, fragile_bundle, worse_bundle

from passerby.convert.engine import build_detector_engines, build_engines
from passerby.detect.bundle import BundleDetector
from passerby.errors import GateRefused, ModelError
from passerby.look_ahead import look_ahead
from passerby.model.bundle import Bundle
from passerby.model.bundle_encoder import BundleEncoder
from passerby.model.tensorrt import BATCHES, TensorRt, runtime_here
from passerby.places import engines_folder
from passerby.types import Dataset, Split


class Built(NamedTuple):
    """Engines of the bundle, and what building them said."""

    folder: Path
    said: list[str]


@pytest.fixture(scope="module")
def fragile(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, Dataset]:
    """With the people of val alone, whom it finds."""
    bundle, people = fragile_bundle(tmp_path_factory.mktemp("fragile"))
    return bundle, Dataset("val", tuple(r for r in people.records if r.split is Split.VAL))


@pytest.fixture(scope="module")
def bundle(fragile: tuple[Bundle, Dataset]) -> Bundle:
    return fragile[0]


@pytest.fixture(scope="module")
def first(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder, said = tmp_path_factory.mktemp("engines"), list[str]()
    with pytest.MonkeyPatch.context() as patch:
        fake_gpu.install(patch)
        patch.setenv("PASSERBY_ENGINES", str(folder))
        build_engines(bundle, said.append)
    return Built(folder, said)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeGpu:
    monkeypatch.setenv("PASSERBY_ENGINES", str(tmp_path / "engines"))
    return fake_gpu.install(monkeypatch)


@pytest.fixture
def built(gpu: FakeGpu, first: Built) -> list[Path]:
    """The bundle's engines, where every command finds them."""
    assert not gpu.made
    shutil.copytree(first.folder, engines_folder())
    return sorted(engines_folder().glob("*.engine"))


def silent(_: str) -> None:
    pass


# Building


def test_engines_are_built_once_and_used_by_whoever_loads_the_model(bundle: Bundle, first: Built, built: list[Path]) -> None:
    assert [line.split("/")[0] for line in first.said if line.startswith("built")] == ["built "] * 2
    later: list[str] = []
    assert build_engines(bundle, later.append) == built
    assert later == [f"already there: {path}" for path in built]
    assert isinstance(runtime_here(bundle), TensorRt)


@pytest.mark.usefixtures("gpu")
def test_engines_of_a_detector_find_whom_it_finds(tmp_path: Path) -> None:
    bundle, said = write_blob_bundle(tmp_path / "blobs"), list[str]()
    build_detector_engines(bundle, silent)
    build_detector_engines(bundle, said.append)
    assert [line.split(":")[0] for line in said] == ["already there"] * len(bundle.sizes)
    found, expected = (BundleDetector(bundle, 1, runtime=r).detect(THREE.picture, 640) for r in (runtime_here(bundle), None))
    np.testing.assert_allclose(found.boxes, expected.boxes, atol=1e-2)


def test_engines_that_are_there_are_judged_where_there_is_data(fragile: tuple[Bundle, Dataset], built: list[Path]) -> None:
    (bundle, val), lines = fragile, list[str]()
    assert build_engines(bundle, lines.append, val=val) == built
    assert any(re.match(r"val Rank-1 changes by \+0\.00 points", line) for line in lines)
    assert lines[-2:] == [f"already there: {path}" for path in built]


@pytest.mark.usefixtures("gpu")
def test_engines_that_are_there_and_fail_are_removed(fragile: tuple[Bundle, Dataset], tmp_path: Path) -> None:
    """They give what their own bundle gives, which is worse than the model whose Rank-1 must be kept."""
    better, val = fragile
    bundle = worse_bundle(better, tmp_path / "worse")
    paths, said = build_engines(bundle, silent), list[str]()
    with pytest.raises(GateRefused, match="Rank-1"):
        build_engines(bundle, said.append, val=val, against=better)
    assert [line for line in said if line.startswith("removed")] == [f"removed {path}" for path in paths]
    assert not list(engines_folder().glob("*.engine"))
    assert runtime_here(bundle).name == "ONNX Runtime"


# Running


@pytest.mark.usefixtures("built")
def test_engines_give_what_the_bundle_gives_whatever_the_batch(bundle: Bundle) -> None:
    engines, plain = BundleEncoder(bundle, runtime=runtime_here(bundle)), BundleEncoder(bundle, threads=1)
    pixels = np.random.default_rng(0).normal(size=(BATCHES[-1] + 9, 3, HEIGHT, WIDTH)).astype(np.float32)
    for n in (1, 2, 8, 9, len(pixels)):
        np.testing.assert_allclose(engines.embed_images(pixels[:n]), plain.embed_images(pixels[:n]), atol=1e-5)
    words = ["a red jacket", "a person wearing a black cap"]
    np.testing.assert_allclose(engines.embed_texts(words), plain.embed_texts(words), atol=1e-5)


@pytest.mark.usefixtures("built")
def test_threads_that_come_and_go_take_no_more_memory_of_the_gpu(gpu: FakeGpu, bundle: Bundle) -> None:
    """Each video has threads of its own; lanes are as many as runs at once."""
    encoder, threads, before = BundleEncoder(bundle, runtime=runtime_here(bundle)), 4, gpu.made.copy()
    pictures = np.random.default_rng(0).normal(size=(16, 3, HEIGHT, WIDTH)).astype(np.float32)
    expected = BundleEncoder(bundle, threads=1).embed_images(pictures)
    for _ in range(50):
        found = np.concatenate(list(look_ahead(pictures[:, None], encoder.embed_images, 8, threads)))
        np.testing.assert_allclose(found, expected, atol=1e-5)
    made = gpu.made - before
    lanes = made["cudaStreamDestroy"]
    assert 1 <= lanes <= threads + 1, "one for the three pictures of the self-test"
    assert (made["cudaFree"], made["cudaFreeHost"], made["cudaGraphExecDestroy"]) == (2 * lanes, 2 * lanes, lanes)
    assert gpu.live["cudaGraphDestroy"] == 0


@pytest.mark.usefixtures("built")
def test_all_of_the_gpu_is_given_back_with_the_model(gpu: FakeGpu, bundle: Bundle) -> None:
    encoder = BundleEncoder(bundle, runtime=runtime_here(bundle))
    encoder.embed_texts(["a red jacket"])
    kept = encoder.embed_images(np.ones((9, 3, HEIGHT, WIDTH), np.float32))
    assert gpu.live.total() > 0
    del encoder
    gc.collect()
    assert gpu.live.total() == 0
    assert np.isfinite(kept).all()


@pytest.mark.usefixtures("built")
def test_a_lane_that_cannot_be_made_is_given_back(gpu: FakeGpu, bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """The GPU's memory ends between the first block and the second."""
    gc.collect()
    session, make, left = runtime_here(bundle).start("image_tower"), gpu.runtime.cudaMalloc, iter([True, False])
    monkeypatch.setattr(gpu.runtime, "cudaMalloc", lambda *how: make(*how) if next(left) else 2)
    with pytest.raises(ModelError, match="cudaMalloc to succeed, found CUDA error 2"):
        session.run({"pixel_values": np.ones((1, 3, HEIGHT, WIDTH), np.float32)}, ["image_features"])
    gc.collect()
    assert gpu.live.total() == 0


def test_a_plan_is_read_when_its_tower_starts_and_not_kept(built: list[Path], bundle: Bundle) -> None:
    runtime, text = runtime_here(bundle), built[1]
    text.write_bytes(text.read_bytes()[:-1])
    assert runtime.start("image_tower").inputs == {"pixel_values": "float32"}
    with pytest.raises(ModelError, match="to be whole, found a damaged plan; build it here"):
        runtime.start("text_tower")
    assert len(pickle.dumps(vars(runtime))) < 2000 < text.stat().st_size
