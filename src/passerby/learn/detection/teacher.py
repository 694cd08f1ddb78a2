"""Another detector whose answers are learnt: an ONNX file in YOLOX's format, for pictures of any size."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import onnx
from numpy.typing import NDArray

from passerby.errors import ModelError
from passerby.model.runtime import onnxruntime

OBJECT: Final = 4
PERSON: Final = 5
"""Columns of an answer: whether there is something, and whether it is a person if so."""


class Teacher:
    """What YOLOX says of each cell.

    Args:
        path: its ONNX file; one made for a fixed size is asked about other sizes all the same.

    Raises:
        ModelError: no ONNX that can be read.
    """

    def __init__(self, path: Path) -> None:
        try:
            model = onnx.load(path)
        except Exception as error:  # onnx raises what protobuf raises
            raise ModelError(expected=f"{path} to be an ONNX file", found=str(error)[:200], do="name YOLOX's") from None
        for value, names in ((model.graph.input[0], ("", "", "h", "w")), (model.graph.output[0], ("", "a", ""))):
            for dimension, name in zip(value.type.tensor_type.shape.dim, names, strict=True):
                if name:
                    dimension.ClearField("dim_value")
                    dimension.dim_param = name
        del model.graph.value_info[:]
        self._input, self._output = model.graph.input[0].name, model.graph.output[0].name
        runtime = onnxruntime()
        options = runtime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def ask(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Pictures uint8 ``(n, h, w, 3)``, RGB, to float32 ``(n, a, 5)``: where, as the student says it, and a score from 0 to 1."""
        return np.stack([self._one(picture) for picture in pixels])

    def _one(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        planes = np.ascontiguousarray(picture[..., ::-1].transpose(2, 0, 1)[None], np.float32)
        raw = self._session.run([self._output], {self._input: planes})[0][0]
        return np.concatenate([raw[:, :OBJECT], (raw[:, OBJECT] * raw[:, PERSON])[:, None]], axis=1)
