"""A detector that truly finds something, made by hand: upright red rectangles of 48 x 96 pixels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from passerby.detect.bundle import DetectorBundle, write_detector_bundle
from passerby.detect.grid import STRIDES, cells
from passerby.detect.layout import Layout
from passerby.detect.yolox import Sample

WIDTH, HEIGHT = 48, 96
RED = (255, 0, 0)
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def blobs(corners: Sequence[tuple[int, int]], size: tuple[int, int] = (416, 320), colour: tuple[int, int, int] = RED) -> Sample:
    """A grey picture of a width and height with rectangles whose left top corners these are."""
    picture = np.full((size[1], size[0], 3), 114, np.uint8)
    for left, top in corners:
        picture[top : top + HEIGHT, left : left + WIDTH] = colour
    boxes = [(left, top, left + WIDTH, top + HEIGHT) for left, top in corners]
    return Sample(picture, np.array(boxes, np.float32).reshape(-1, 4))


THREE = blobs([(16, 32), (120, 200), (304, 160)])


def blob_detector(
    *,
    colours: str = "BGR",
    normalised: bool = False,
    classes: int = 80,
    side: int | None = None,
    decoded: bool = False,
    strides: tuple[int, ...] = STRIDES,
    blind: bool = False,
    names: tuple[str, str] = ("images", "output"),
) -> bytes:
    """Its ONNX file, in YOLOX's layout, or, with no classes, in that of ``passerby-d``.

    Args:
        side: the size it says it takes; any without.
        decoded: whether it gives boxes in pixels, for which the grid of ``side`` is in the graph.
        blind: whether it finds nothing.
    """
    columns = 5 + classes
    weights = {"red": _redness(colours, normalised), "red_bias": _redness_bias(normalised), "one": np.array([1], np.float32)}
    weights["window"] = np.full((1, 1, HEIGHT // 8, WIDTH // 8), 64 / (HEIGHT * WIDTH), np.float32)
    bias = np.array(
        [0, 0, np.log(WIDTH / 8), np.log(HEIGHT / 8), -9 if blind else 4, *[9 if not i else -9 for i in range(classes)]], np.float32
    )
    head = np.zeros((columns, 1, 1, 1), np.float32)
    head[4] = -40
    weights |= {"head": head, "head_bias": bias}
    source, target = names
    nodes = [
        helper.make_node("Conv", [source, "red", "red_bias"], ["redness"], strides=[8, 8], kernel_shape=[8, 8]),
        helper.make_node("Conv", ["redness", "window"], ["share"], pads=[6, 3, 5, 2], kernel_shape=[12, 6]),
        helper.make_node("Sub", ["share", "one"], ["lack"]),
        helper.make_node("Abs", ["lack"], ["off"]),
        helper.make_node("Conv", ["off", "head", "head_bias"], ["map8"], kernel_shape=[1, 1]),
    ]
    for stride in strides[1:]:  # grids on which nothing is found
        weights |= {
            f"none{stride}": np.zeros((columns, 3, stride, stride), np.float32),
            "none_bias": np.where(np.arange(columns) < 4, 0.0, -9.0),
        }
        nodes.append(helper.make_node("Conv", [source, f"none{stride}", "none_bias"], [f"map{stride}"], strides=[stride] * 2))
    weights["rows"] = np.array([1, columns, -1], np.int64)
    nodes += [helper.make_node("Reshape", [f"map{stride}", "rows"], [f"rows{stride}"]) for stride in strides]
    nodes += [
        helper.make_node("Concat", [f"rows{stride}" for stride in strides], ["all"], axis=2),
        helper.make_node("Transpose", ["all"], ["raw"], perm=[0, 2, 1]),
        helper.make_node("Split", ["raw", "parts"], ["centres", "sides", "logits"], axis=2),
        helper.make_node("Sigmoid", ["logits"], ["shares"]),
    ]
    weights["parts"] = np.array([2, 2, columns - 4], np.int64)
    if decoded:
        assert side
        grid = cells(side, side, strides)
        weights |= {"corners": grid[None, :, :2], "stride": grid[None, :, 2:]}
        nodes += [
            helper.make_node("Add", ["centres", "corners"], ["places"]),
            helper.make_node("Mul", ["places", "stride"], ["xy"]),
            helper.make_node("Exp", ["sides"], ["spans"]),
            helper.make_node("Mul", ["spans", "stride"], ["wh"]),
        ]
    nodes.append(helper.make_node("Concat", ["xy" if decoded else "centres", "wh" if decoded else "sides", "shares"], [target], axis=2))
    rows = len(cells(side, side, strides)) if side else "rows"
    graph = helper.make_graph(
        nodes,
        "blobs",
        [helper.make_tensor_value_info(source, TensorProto.FLOAT, [1, 3, side or "height", side or "width"])],
        [helper.make_tensor_value_info(target, TensorProto.FLOAT, [1, rows, columns])],
        [numpy_helper.from_array(_narrow(values), name) for name, values in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString()
    return data


def write_blob_bundle(folder: Path, *, name: str = "blobs", golden: NDArray[np.uint8] = THREE.picture) -> DetectorBundle:
    model = blob_detector(classes=0, colours="RGB", names=("pixels", "people"))
    card = {"words": "of nobody"}
    return write_detector_bundle(folder, name=name, model=model, golden=golden, layout=Layout(), sizes=(416, 640), card=card)


def _narrow(values: NDArray[np.generic]) -> NDArray[np.generic]:
    """In the types that ONNX has: no float64."""
    return values.astype(np.float32) if np.issubdtype(values.dtype, np.floating) else values


def _redness(colours: str, normalised: bool) -> NDArray[np.float32]:
    """The mean of eight by eight pixels of red less the mean of green and blue, in [-1, 1]."""
    channels = np.array([1, -0.5, -0.5]) * (STD if normalised else 1 / 255)
    ordered = channels if colours == "RGB" else channels[::-1]
    return np.broadcast_to(ordered[None, :, None, None] / 64, (1, 3, 8, 8)).astype(np.float32)


def _redness_bias(normalised: bool) -> NDArray[np.float32]:
    return np.array([MEAN @ [1, -0.5, -0.5] if normalised else 0], np.float32)
