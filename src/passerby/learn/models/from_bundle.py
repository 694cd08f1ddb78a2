"""A bundle of ``passerby-s`` back into torch: the weights of record, dequantised, batch norm folded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor

from passerby.errors import ModelError
from passerby.learn.models.base import Base, Size
from passerby.learn.models.compact import CompactClip, at_size, build_like
from passerby.model.bundle import Bundle
from passerby.model.bundle_encoder import image_outputs

SCALE = ".scale"
"""Ends the name of the scales of a weight that is stored as int8."""
SMOOTHING = ".smoothing"
"""Ends the name of what a linear layer's input channels are multiplied by, after its weight was divided by the same."""
TRANSPOSED = ".T"
"""Ends the name of a weight that is stored as torch's transposed."""
TEMPERATURE = 0.2
"""What cosines were divided by in the last two runs of passerby-s; a bundle does not say its own, so every bundle gets this."""


def load_base(bundle: Bundle, size: Size | None = None) -> Base:
    """A bundle as something to adapt, named by the bundle's digest.

    Args:
        size: of the input; the bundle's own by default.

    Raises:
        ConfigError: a size too small for the image tower.
        ModelError: a file that is not the manifest's, or towers of another architecture.
    """
    preprocessing = at_size(bundle.preprocessing, size)
    return Base(
        name=bundle.name,
        digest=bundle.digest,
        model=load_compact(bundle).eval().requires_grad_(False),
        tokenizer=bundle.tokenizer.read(),
        max_tokens=bundle.max_tokens,
        preprocessing=preprocessing,
        temperature=TEMPERATURE,
    )


def load_compact(bundle: Bundle) -> CompactClip:
    """The model that a bundle holds, in float32 and in its folded form; what it embeds differs from the bundle only by the
    quantisation of activations.

    Raises:
        ModelError: a file that is not the manifest's, or towers of another architecture.
    """
    image, text = (onnx.load_from_string(file.read()) for file in (bundle.image_tower, bundle.text_tower))
    stored = _stored_weights(image, "image_tower.") | _stored_weights(text, "text_tower.")
    try:
        model = build_like(stored, bundle.attributes)
        model.load_state_dict({name: stored[name] for name in model.state_dict()})
    except (KeyError, ValueError, RuntimeError) as error:
        raise ModelError(
            expected=f"the weights of a compact model in {bundle.folder}",
            found=f"none that fit {str(error).splitlines()[-1].strip()}",
            do="name a passerby-s bundle",
        ) from error
    _require_known_outputs(image, image_outputs(bundle))
    return model


def _require_known_outputs(tower: onnx.ModelProto, known: Sequence[str]) -> None:
    """Raises ``ModelError`` where a tower says more than the manifest names: it would be lost."""
    found = [output.name for output in tower.graph.output]
    if found != list(known):
        do = "upgrade Passerby, or name a bundle that it exported"
        raise ModelError(expected=f"an image tower that gives {' and '.join(known)}", found=" and ".join(found), do=do)


def _stored_weights(tower: onnx.ModelProto, prefix: str) -> dict[str, Tensor]:
    """Every stored tensor of a tower, dequantised and as torch lays it out, under its name in ``CompactClip``; constants too."""
    stored = {i.name: numpy_helper.to_array(i) for i in tower.graph.initializer}
    weights = {}
    for name, array in stored.items():
        transposed = name.endswith(TRANSPOSED)
        values = _dequantised(array, stored.get(name + SCALE), axis=-1 if transposed else 0)
        if name + SMOOTHING in stored:
            reciprocals = stored[name + SMOOTHING]
            values = values * (reciprocals[:, None] if transposed else reciprocals)
        weights[prefix + name.removesuffix(TRANSPOSED)] = torch.from_numpy(np.ascontiguousarray(values.T if transposed else values))
    return weights


def _dequantised(values: NDArray[Any], scales: NDArray[np.float32] | None, axis: int) -> NDArray[np.float32]:
    """``scales``: one for each index along ``axis``; ``None`` for what is stored as float."""
    if scales is None:
        return values.astype(np.float32)
    shape = [1] * values.ndim
    shape[axis] = -1
    wide: NDArray[np.float32] = values.astype(np.float32) * scales.reshape(shape)
    return wide
