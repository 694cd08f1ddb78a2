from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from blobs import THREE, blob_detector, blobs
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image

from passerby.detect.bundle import onnx_session
from passerby.detect.detector import everyone
from passerby.detect.grid import cells, decode
from passerby.detect.grid_detector import CANDIDATES, GridDetector, read
from passerby.detect.layout import Layout
from passerby.detect.letterbox import GREY, letterbox
from passerby.errors import ModelError
from passerby.model.session import Arrays
from passerby.types import ModelDigest

OURS = Layout()
SIZES = st.integers(1, 300)


def encode(boxes: NDArray[np.float64], grid: NDArray[np.float32]) -> NDArray[np.float32]:
    """The inverse of ``decode``, for boxes each at a cell."""
    sides, centres = boxes[:, 2:] - boxes[:, :2], (boxes[:, 2:] + boxes[:, :2]) / 2
    return np.concatenate([centres / grid[:, 2:] - grid[:, :2], np.log(sides / grid[:, 2:])], axis=1).astype(np.float32)


@given(st.integers(1, 6), st.integers(1, 6), st.randoms(use_true_random=False))
def test_decoding_takes_back_what_encoding_did(rows: int, columns: int, random: Any) -> None:
    grid = cells(32 * rows, 32 * columns)
    assert len(grid) == rows * columns * (16 + 4 + 1)
    rng = np.random.default_rng(random.randrange(2**32))
    corner = rng.uniform(0, 100, (len(grid), 2))
    boxes = np.concatenate([corner, corner + rng.uniform(1, 200, (len(grid), 2))], axis=1)
    np.testing.assert_allclose(decode(encode(boxes, grid), grid), boxes, rtol=1e-4, atol=1e-2)


@given(SIZES, SIZES, st.sampled_from([32, 64, 416]), st.booleans(), st.sampled_from([32, 64]))
def test_a_letterboxed_picture_lies_whole_at_the_top_left(width: int, height: int, size: int, square: bool, multiple: int) -> None:
    picture = np.full((height, width, 3), 255, np.uint8)
    canvas, scale = letterbox(picture, size, multiple=multiple, square=square)
    inner = round(width * scale[0]), round(height * scale[1])
    assert max(inner) == size
    assert all(side % multiple == 0 for side in canvas.shape[:2])
    assert (canvas[: inner[1], : inner[0]] == 255).all()
    assert (canvas[inner[1] :] == GREY).all() and (canvas[:, inner[0] :] == GREY).all()
    assert not square or canvas.shape[0] == canvas.shape[1]
    if min(inner) > 1:
        assert abs(width / height - inner[0] / inner[1]) <= width / height / min(inner)


def test_a_large_picture_is_shrunk_as_pillow_does_with_a_gap() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (701, 1303, 3), np.uint8)
    expected = Image.fromarray(picture).resize((128, 69), Image.Resampling.BILINEAR, reducing_gap=2.0)
    np.testing.assert_array_equal(letterbox(picture, 128).canvas[:69, :128], np.asarray(expected))


class Answering:
    """A session that gives one answer, whatever it is asked."""

    def __init__(self, answer: NDArray[Any]) -> None:
        self.inputs, self.outputs, self.answer = {"pixels": "float32"}, {"people": "float32"}, answer

    def run(self, inputs: Arrays, outputs: Sequence[str]) -> dict[str, NDArray[Any]]:
        assert inputs["pixels"].dtype == np.float32
        return {name: self.answer for name in outputs}


def answer(score: float, columns: int = 5, rows: int = 21) -> NDArray[np.float32]:
    raw = np.zeros((1, rows, columns), np.float32)
    raw[..., 4] = score
    return raw


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (answer(0.5, rows=20), r"expected an answer of shape \(1, 21, 5 or more\) for a canvas of 32 x 32, found shape \(1, 20, 5\)"),
        (answer(0.5, columns=4 + 1)[..., :4], "found shape"),
        (answer(0.5)[0], "found shape"),
        (answer(np.nan), "finite boxes and scores"),
        (np.full((1, 21, 5), np.inf, np.float32), "finite boxes and scores"),
        (answer(7), r"scores in \[0, 1\], found 7 to 7"),
        (answer(-1), r"scores in \[0, 1\]"),
    ],
)
def test_an_answer_that_cannot_be_is_refused(bad: NDArray[np.float32], said: str) -> None:
    detector = GridDetector("bad", ModelDigest(""), OURS, Answering(bad))
    with pytest.raises(ModelError, match=said):
        detector.detect(np.zeros((20, 20, 3), np.uint8), 32)


@pytest.mark.filterwarnings("error")
@given(arrays(np.float32, (1, 21, 4), elements=st.floats(allow_nan=False, allow_infinity=False, width=32)), st.booleans())
def test_whatever_a_damaged_model_says_is_a_box_or_refused(sides: NDArray[np.float32], decoded: bool) -> None:
    raw = np.concatenate([sides, np.full((1, 21, 1), 0.9, np.float32)], axis=2)
    try:
        boxes, scores = read(raw, Layout(decoded=decoded), 32, 32)
    except ModelError:
        return
    assert np.isfinite(boxes).all()
    assert len(everyone(boxes, scores, 32, 32)) <= len(boxes)


def test_a_detector_that_finds_people_everywhere_ends_soon() -> None:
    rows = len(cells(832, 832))
    raw = answer(1, rows=rows)
    raw[..., 2:4] = -9
    boxes, _scores = read(raw, OURS, 832, 832)
    assert len(boxes) <= CANDIDATES < rows


def test_a_session_that_takes_something_else_is_refused() -> None:
    session = onnx_session(blob_detector(classes=0), "blobs", 1)
    with pytest.raises(ModelError, match=r"from pixels \(float32\) to people \(float32\), found one from images"):
        GridDetector("blobs", ModelDigest(""), OURS, session)


@pytest.fixture(scope="module")
def finder() -> GridDetector:
    layout = Layout("images", "output", "BGR", score=(4, 5))
    return GridDetector("blobs", ModelDigest(""), layout, onnx_session(blob_detector(), "blobs", 1))


def test_boxes_are_in_pixels_of_the_picture(finder: GridDetector) -> None:
    found = finder.detect(THREE.picture, 416)
    np.testing.assert_allclose(found.boxes[np.argsort(found.boxes[:, 0])], THREE.boxes, atol=1e-3)
    twice = np.repeat(np.repeat(THREE.picture, 2, axis=0), 2, axis=1)
    found = finder.detect(twice, 416)
    np.testing.assert_allclose(found.boxes[np.argsort(found.boxes[:, 0])], 2 * THREE.boxes, atol=1e-3)


def test_a_person_at_the_border_is_cut_there(finder: GridDetector) -> None:
    picture = blobs([(0, 0), (368, 224)]).picture
    found = finder.detect(picture, 416)
    assert len(found) == 2
    assert found.boxes.min() >= 0
    assert (found.boxes[:, 2:] <= [416, 320]).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (900, 1), (5, 5)])
def test_pictures_of_any_shape_have_an_answer(finder: GridDetector, shape: tuple[int, int]) -> None:
    assert len(finder.detect(np.zeros((*shape, 3), np.uint8), 416)) == 0


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"colours": "rgb"}, "colours"),
        ({"strides": [8, 12]}, "strides"),
        ({"strides": []}, "strides"),
        ({"score": [3]}, "columns"),
        ({"side": 100}, "side"),
        ({"threshold": 2}, "threshold"),
        ({"normalised": 1}, "true or false"),
        ({"input": ""}, "names"),
        ({"flavour": "sweet"}, "flavour"),
        ([], "an object"),
    ],
)
def test_a_layout_that_cannot_be_is_refused(value: object, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        Layout.from_json(value)


def test_a_layout_comes_back_from_json() -> None:
    layout = Layout("images", "output", "BGR", True, (8, 16, 32, 64), (4, 5), True, 640, 0.3, 0.5)
    assert Layout.from_json(layout.to_json()) == layout
