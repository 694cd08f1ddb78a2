"""A bundle of ``passerby-s`` back into torch: the weights of record, dequantised, batch norm folded."""

from __future__ import annotations

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn

from passerby.errors import ModelError
from passerby.learn.compact import CompactClip, fold_batch_norm
from passerby.model.bundle import Bundle, BundleFile

SCALE = ".scale"
"""Ends the name of the scales of a weight that is stored as int8."""
TRANSPOSED = ".T"
"""Ends the name of a weight that is stored as torch's transposed."""


def load_compact(bundle: Bundle) -> CompactClip:
    """The model that a bundle holds, in float32 and in its folded form; what it embeds differs from the bundle only by the
    quantisation of activations.

    Raises:
        ModelError: a file that is not the manifest's, or towers of another architecture.
    """
    model = fold_batch_norm(CompactClip())
    _load(model.image_tower, bundle.image_tower)
    _load(model.text_tower, bundle.text_tower)
    return model


def _load(tower: nn.Module, file: BundleFile) -> None:
    stored = {i.name: i for i in onnx.load_from_string(file.read()).graph.initializer}
    weights = {name: _weight(stored, name, file) for name, _ in tower.named_parameters()}
    try:
        tower.load_state_dict(weights)
    except RuntimeError as error:
        raise ModelError(
            expected=f"a compact tower in {file.path}", found=str(error).splitlines()[-1].strip(), do="name a passerby-s bundle"
        ) from error


def _weight(stored: dict[str, onnx.TensorProto], name: str, file: BundleFile) -> Tensor:
    if name in stored:
        return torch.from_numpy(_dequantised(stored, name, channel_axis=0))
    if name + TRANSPOSED in stored:
        return torch.from_numpy(np.ascontiguousarray(_dequantised(stored, name + TRANSPOSED, channel_axis=-1).T))
    raise ModelError(expected=f"the weight {name} in {file.path}", found="none of that name", do="name a passerby-s bundle")


def _dequantised(stored: dict[str, onnx.TensorProto], name: str, channel_axis: int) -> NDArray[np.float32]:
    values = numpy_helper.to_array(stored[name])
    if name + SCALE not in stored:
        return values.astype(np.float32)
    scales = numpy_helper.to_array(stored[name + SCALE]).reshape(-1)
    shape = [1] * values.ndim
    shape[channel_axis] = -1
    dequantised: NDArray[np.float32] = values.astype(np.float32) * scales.reshape(shape)
    return dequantised
