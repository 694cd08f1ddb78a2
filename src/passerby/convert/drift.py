"""Where a conversion goes wrong: the first node that no longer gives what the original gave at the same place."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto

from passerby.convert.gates import MIN_COSINE
from passerby.convert.graph import Feed, watch

Float32 = NDArray[np.float32]

MAX_DRIFT = sqrt(2 * (1 - MIN_COSINE))
"""Length of the difference of two unit vectors of cosine ``MIN_COSINE``."""


def first_drift(model: ModelProto, expected: Mapping[str, Float32], feed: Feed) -> NodeProto | None:
    """The first node whose output differs from what is expected of it by more than ``MAX_DRIFT`` of its length; ``None`` where none does.

    Args:
        expected: float32 tensors by the name that the model has for them; those that it has no name for are not compared.
    """
    named = {out: node for node in model.graph.node for out in node.output if out in expected}
    (found,) = watch(model, named, [feed])
    return next((node for name, node in named.items() if _drifts(expected[name], found[name])), None)


def _drifts(expected: Float32, found: Float32) -> bool:
    if expected.shape != found.shape:
        return True
    return not np.linalg.norm(found - expected) <= MAX_DRIFT * np.linalg.norm(expected)
