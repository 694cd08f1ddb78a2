"""Engines without a GPU: their files, the shapes they are fed, and what happens where there is nothing to run them."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from dataclasses import asdict, replace
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerby.errors import MissingExtra, ModelError
from passerby.model import tensorrt as engines
from passerby.model.bundle import read_bundle
from passerby.model.bundle_encoder import BundleEncoder
from passerby.model.encoder import Encoder
from passerby.model.engine_file import Stamp, has_engines, read_engine, write_engine
from passerby.model.tensorrt import BATCHES, TensorRt, fill, pieces, place
from passerby.places import engines_folder
from passerby.resolve import load_model
from passerby.types import ModelDigest

STAMP = Stamp(ModelDigest("a1" * 32), "image_tower", "10.16.1.11", "Orin sm87 16")
PLAN = bytes(range(256)) * 10


def test_an_engine_comes_back_and_its_name_says_what_it_is_for(tmp_path: Path) -> None:
    path = write_engine(tmp_path / "engines", STAMP, PLAN)
    assert path.name == "image_tower-a1a1a1a1a1a1a1a1-trt10.16.1.11-orin-sm87-16.engine"
    assert read_engine(path, STAMP) == PLAN
    assert has_engines(STAMP.model, path.parent)
    assert not has_engines(ModelDigest("b2" * 32), path.parent)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("field", "value"), [("model", "b2" * 32), ("tower", "text_tower"), ("tensorrt", "10.3.0"), ("gpu", "NVIDIA H100 sm90 132")]
)
def test_a_foreign_engine_is_refused_though_it_has_the_right_name(tmp_path: Path, field: str, value: str) -> None:
    path = write_engine(tmp_path, Stamp(**asdict(STAMP) | {field: value}), PLAN)
    path.rename(STAMP.path(tmp_path))
    with pytest.raises(ModelError, match=rf"for {field} .*, found one for .*build it here"):
        read_engine(STAMP.path(tmp_path), STAMP)


@given(st.data())
def test_a_damaged_engine_is_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Cut off anywhere, or one byte changed anywhere."""
    path = write_engine(tmp_path_factory.mktemp("engine"), STAMP, PLAN)
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    cut = data.draw(st.booleans())
    path.write_bytes(whole[:at] if cut else whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    with pytest.raises(ModelError):
        read_engine(path, STAMP)


def test_a_missing_engine_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such file"):
        read_engine(STAMP.path(tmp_path), STAMP)


def test_an_engine_that_finds_no_space_leaves_the_old_one(tmp_path: Path) -> None:
    """A process that may write no file larger than the old one."""
    path = write_engine(tmp_path, STAMP, PLAN)
    program = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "from pathlib import Path; from passerby.model.engine_file import Stamp, write_engine\n"
        f"write_engine(Path({str(tmp_path)!r}), Stamp(*{(STAMP.model, STAMP.tower, STAMP.tensorrt, STAMP.gpu)!r}), bytes(100_000))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "OSError" in done.stderr
    assert read_engine(path, STAMP) == PLAN
    assert list(tmp_path.iterdir()) == [path]


# What is fed


@given(st.integers(1, 8), st.integers(1, 5), st.integers(0, 99))
def test_a_batch_is_filled_up_by_its_last_row_and_zeros(rows: int, columns: int, seed: int) -> None:
    values = np.random.default_rng(seed).integers(1, 9, (rows, columns))
    target = np.full((8, 5), -1)
    fill(target, values)
    assert target[:rows, :columns].tolist() == values.tolist()
    assert not target[:rows, columns:].any()
    assert all(row.tolist() == target[rows - 1].tolist() for row in target[rows:])


def test_pictures_are_filled_up_too() -> None:
    values = np.random.default_rng(0).normal(size=(3, 3, 4, 2)).astype(np.float32)
    target = np.zeros((8, 3, 4, 2), np.float32)
    fill(target, values)
    assert np.array_equal(target[:3], values)
    assert np.array_equal(target[7], values[2])


@given(st.dictionaries(st.text(max_size=3), st.integers(1, 10_000), min_size=1))
def test_tensors_lie_side_by_side_aligned_and_do_not_overlap(sizes: dict[str, int]) -> None:
    offsets, end = place(sizes)
    spans = [(offsets[name], offsets[name] + sizes[name]) for name in sizes]
    assert all(start % 256 == 0 for start, _ in spans)
    assert all(a_end <= b_start for (_, a_end), (b_start, _) in pairwise(spans))
    assert spans[-1][1] == end
    assert end < sum(sizes.values()) + 256 * len(sizes)


@given(st.integers(1, 100))
def test_a_large_batch_is_cut_into_pieces_that_an_engine_takes(count: int) -> None:
    inputs = {"ids": np.arange(count * 2).reshape(count, 2), "mask": np.arange(count)}
    parts = list(pieces(inputs))
    assert all(len(values) == size <= BATCHES[-1] for part, size in parts for values in part.values())
    for name, values in inputs.items():
        np.testing.assert_array_equal(np.concatenate([part[name] for part, _ in parts]), values)


def test_batches_are_those_of_the_profiles() -> None:
    assert BATCHES == (1, 8, 32)


# Where there is nothing to run them

no_tensorrt = pytest.mark.skipif(find_spec("tensorrt") is not None, reason="TensorRT is installed")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PASSERBY_ENGINES", str(tmp_path / "engines"))
    engines._warned.clear()
    return engines_folder()


def runtime_of(encoder: Encoder) -> str:
    assert isinstance(encoder, BundleEncoder)
    return encoder.runtime.name


def test_a_model_without_engines_is_silent(tiny_bundle: Path, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert runtime_of(load_model(str(tiny_bundle))) == "ONNX Runtime"
    assert not caplog.records
    assert not folder.exists()


@no_tensorrt
def test_engines_that_cannot_be_used_are_one_warning_and_onnx_runtime(
    tiny_bundle: Path, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bundle = read_bundle(tiny_bundle)
    write_engine(folder, replace(STAMP, model=bundle.digest), PLAN)
    with caplog.at_level(logging.WARNING):
        first, second = (load_model(str(tiny_bundle)) for _ in range(2))
    assert runtime_of(first) == runtime_of(second) == "ONNX Runtime"
    (warning,) = caplog.records
    assert "using ONNX Runtime" in warning.getMessage()
    assert "TensorRT" in warning.getMessage()


@no_tensorrt
def test_building_says_in_one_line_what_is_missing(tiny_bundle: Path, folder: Path) -> None:
    with pytest.raises(MissingExtra, match="python3-libnvinfer"):
        TensorRt(read_bundle(tiny_bundle), folder)
    done = subprocess.run([sys.executable, "-m", "passerby", "build-engine", "passerby-s"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("passerby: error: expected TensorRT")
    assert done.stderr.count("\n") == 1
    assert not folder.exists()


REPORT = Path(__file__).parents[2] / "scripts" / "orin-report"


@pytest.mark.usefixtures("folder")
def test_the_report_runs_anywhere_and_says_what_is_not_there(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, REPORT, "--quick", "--out", tmp_path / "report.json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["passerby"]["self_test"]["value"]["runs_on"] == "ONNX Runtime"
    assert "not_here" in report["power"]["tegrastats"] or "Jetson" in report["machine"]["model"]["value"]
    assert all(set(fact) in ({"value"}, {"not_here"}) for facts in report.values() for fact in facts.values())
    assert report["speed"]["benchmark"]["not_here"] == "left out by --quick"
