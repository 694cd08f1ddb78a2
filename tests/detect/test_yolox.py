from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from blobs import THREE, blob_detector, blobs
from hypothesis import given
from hypothesis import strategies as st

from passerby.detect.free_sides import with_free_sides
from passerby.detect.yolox import load_yolox
from passerby.errors import ModelError
from passerby.resolve import load_detector


def written(folder: Path, **kind: Any) -> Path:
    path = folder / "blobs.onnx"
    path.write_bytes(blob_detector(**kind))
    return path


@pytest.mark.parametrize(
    "kind",
    [
        {},
        {"colours": "RGB"},
        {"normalised": True},
        {"colours": "RGB", "normalised": True},
        {"classes": 1},
        {"side": 416},
        {"side": 448, "decoded": True},
        {"strides": (8, 16, 32, 64)},
    ],
    ids=str,
)
def test_how_a_file_is_fed_and_read_is_learnt(tmp_path: Path, kind: dict[str, Any]) -> None:
    detector = load_yolox(written(tmp_path, **kind), [THREE], threads=1)
    size = kind.get("side", 416)
    scene = blobs([(40, 64), (256, 128)], (size, 320))
    found = detector.detect(scene.picture, size)
    np.testing.assert_allclose(found.boxes[np.argsort(found.boxes[:, 0])], scene.boxes, atol=1e-2)
    assert detector.name == "blobs.onnx"


def test_a_fixed_size_is_no_limit_where_the_graph_has_none(tmp_path: Path) -> None:
    detector = load_yolox(written(tmp_path, side=416), [THREE], threads=1)
    scene = blobs([(40, 64), (560, 128)], (640, 480))
    assert len(detector.detect(scene.picture, 640)) == 2


def test_the_digest_is_of_the_file_and_of_how_it_is_read(tmp_path: Path) -> None:
    digests = {load_yolox(written(tmp_path, colours=colours), [THREE], threads=1).digest for colours in ("RGB", "BGR", "RGB")}
    assert len(digests) == 2
    assert all(len(digest) == 64 for digest in digests)


def test_a_file_that_finds_nobody_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"to find most of 3 drawn people, .* found 0 of them") as refused:
        load_yolox(written(tmp_path, blind=True), [THREE], threads=1)
    assert "\n" not in str(refused.value)


def test_a_file_that_finds_something_else_is_refused_by_drawn_people(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"to find most of 8 drawn people"):
        load_detector(written(tmp_path), threads=1)


def test_another_graph_is_refused_and_shown(tmp_path: Path, tiny_bundle: Path) -> None:
    with pytest.raises(ModelError, match=r"found a graph from pixel_values .* to image_features"):
        load_detector(tiny_bundle / "image_tower.onnx")
    path = written(tmp_path)
    model = onnx.load_from_string(path.read_bytes())
    next(node for node in model.graph.node if node.op_type == "Transpose").attribute[0].ints[:] = [0, 1, 2]
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="found a graph"):
        load_detector(path)


@pytest.mark.parametrize("name", ["weights.pth", "words.txt"])
def test_other_files_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"something")
    with pytest.raises(ModelError, match=r"found another file, .*; export it to ONNX"):
        load_detector(tmp_path / name)


@pytest.mark.parametrize("content", [b"", b"hello, this is no model", b"\x3a\xff\xff\xff\x7f", bytes(100)])
def test_a_file_that_is_no_onnx_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="to be an ONNX model"):
        load_detector(path)


def test_a_pointer_of_git_lfs_is_told(tmp_path: Path) -> None:
    (tmp_path / "yolox.onnx").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    with pytest.raises(ModelError, match="Git LFS pointer"):
        load_detector(tmp_path / "yolox.onnx")


def test_nothing_but_the_sides_is_changed() -> None:
    before = onnx.load_from_string(blob_detector(side=416))
    weight = onnx.helper.make_tensor_value_info("red", onnx.TensorProto.FLOAT, [1, 3, 8, 8])
    before.graph.input.append(weight)  # old exports name weights among the inputs
    after = onnx.load_from_string(with_free_sides(before.SerializeToString()))
    onnx.checker.check_model(after)
    shape = after.graph.input[0].type.tensor_type.shape
    assert [dim.dim_value or dim.dim_param for dim in shape.dim] == [1, 3, "open2", "open3"]
    rows = after.graph.output[0].type.tensor_type.shape
    assert [dim.dim_value or dim.dim_param for dim in rows.dim] == [1, "open1", 85]
    for graph in (before.graph, after.graph):
        del graph.input[0], graph.output[0]
    assert after == before


@given(st.binary(max_size=40))
def test_bytes_that_are_no_model_raise_nothing_else(data: bytes) -> None:
    with contextlib.suppress(ModelError):
        with_free_sides(data)


@pytest.mark.realdata
def test_a_released_yolox() -> None:
    """$PASSERBY_YOLOX names a file of YOLOX's release page, such as yolox_nano.onnx."""
    if not (named := os.environ.get("PASSERBY_YOLOX")):
        pytest.skip("needs $PASSERBY_YOLOX")
    detector = load_detector(named)
    assert detector.detect(np.zeros((480, 640, 3), np.uint8), 640).boxes.shape == (0, 4)
