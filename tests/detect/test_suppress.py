from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from passerby.detect.boxes import areas, iou, suppress

CORNERS = arrays(np.float32, st.tuples(st.integers(0, 12), st.just(4)), elements=st.integers(0, 20).map(float))


def slow_iou(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """By counting the pixels of boxes at whole ones."""

    def pixels(box: NDArray[np.float32]) -> set[tuple[int, int]]:
        left, top, right, bottom = map(int, box)
        return {(x, y) for x in range(left, right) for y in range(top, bottom)}

    union = pixels(a) | pixels(b)
    return len(pixels(a) & pixels(b)) / len(union) if union else 0


def slow_suppress(boxes: NDArray[np.float32], scores: NDArray[np.float32], overlap: float) -> list[int]:
    stay: list[int] = []
    for row in sorted(range(len(boxes)), key=lambda row: -scores[row]):
        if all(slow_iou(boxes[row], boxes[better]) <= overlap for better in stay):
            stay.append(row)
    return stay


@given(CORNERS, CORNERS)
def test_overlap_is_what_counting_pixels_says(a: NDArray[np.float32], b: NDArray[np.float32]) -> None:
    expected = np.array([[slow_iou(one, other) for other in b] for one in a]).reshape(len(a), len(b))
    np.testing.assert_allclose(iou(a, b), expected, atol=1e-6)
    assert (areas(a) >= 0).all()


@given(CORNERS, st.data(), st.sampled_from([0.0, 0.3, 0.65, 1.0]))
def test_who_stays_is_what_a_slow_loop_says(boxes: NDArray[np.float32], data: st.DataObject, overlap: float) -> None:
    scores = data.draw(arrays(np.float32, len(boxes), elements=st.sampled_from([0.25, 0.5, 0.75])))
    assert suppress(boxes, scores, overlap).tolist() == slow_suppress(boxes, scores, overlap)
