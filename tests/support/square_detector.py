"""A small true detector: finds white squares of 32 pixels that lie on the coarsest grid. Its weights are written down, not learnt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from scenes import SIZE, write_picture

from passerby.detect.bundle import DetectorBundle, write_detector_bundle
from passerby.detect.grid import STRIDES
from passerby.media.photo import read_image

SQUARES = [[0, 0, 32, 32], [64, 32, 96, 64]]
"""Two that it finds, in pictures of the size of ``scenes.SIZE``."""


def square_graph(certainty: float = 30) -> onnx.ModelProto:
    """From pixels to rows of ``passerby-d``'s layout.

    Args:
        certainty: what is taken off the log-odds of white: the more, the less sure the detector is.
    """
    nodes = [helper.make_node("Conv", ["pixels", "body.weight"], ["body"]), helper.make_node("Relu", ["body"], ["features"])]
    weights: dict[str, NDArray[np.generic]] = {
        "body.weight": np.eye(3, dtype=np.float32).reshape(3, 3, 1, 1) / 255,
        "rows": np.array([0, 0, -1], np.int64),
    }
    for stride in STRIDES:
        weight = np.zeros((5, 3, stride, stride), np.float32)
        weight[4] = 40 / weight[4].size if stride == STRIDES[-1] else 0
        weights[f"head{stride}.weight"] = weight
        weights[f"head{stride}.bias"] = np.array([0.5, 0.5, 0, 0, -certainty], np.float32)
        inputs = ["features", f"head{stride}.weight", f"head{stride}.bias"]
        nodes += [
            helper.make_node("Conv", inputs, [f"grid{stride}"], kernel_shape=[stride] * 2, strides=[stride] * 2),
            helper.make_node("Reshape", [f"grid{stride}", "rows"], [f"cells{stride}"]),
        ]
    weights["parts"] = np.array([4, 1], np.int64)
    nodes += [
        helper.make_node("Concat", [f"cells{stride}" for stride in STRIDES], ["columns"], axis=2),
        helper.make_node("Transpose", ["columns"], ["table"], perm=[0, 2, 1]),
        helper.make_node("Split", ["table", "parts"], ["sides", "odds"], axis=2),
        helper.make_node("Sigmoid", ["odds"], ["scores"]),
        helper.make_node("Concat", ["sides", "scores"], ["people"], axis=2),
    ]
    graph = helper.make_graph(
        nodes,
        "squares",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [1, 3, "height", "width"])],
        [helper.make_tensor_value_info("people", TensorProto.FLOAT, [1, "cells", 5])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    return model


def write_square_detector(folder: Path, certainty: float = 30) -> DetectorBundle:
    """Its bundle, for pictures of the size of ``scenes.SIZE``."""
    golden = np.asarray(read_image(write_picture(folder.parent / f"{folder.name}-golden.png", SQUARES)))
    return write_detector_bundle(
        folder, name="squares", model=square_graph(certainty).SerializeToString(), golden=golden, card={}, sizes=(max(SIZE),)
    )
