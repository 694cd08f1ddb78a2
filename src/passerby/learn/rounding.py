"""Training that feels INT8: weights and activations are rounded in the forward pass, and gradients pass straight through.

Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference" (CVPR 2018), with the
straight-through estimator of Bengio et al. (2013). The grids are those of ``passerby.deploy.qdq``: weights signed and per output channel,
activations one scale a tensor, the inputs of linear layers smoothed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from passerby.learn.compact import CompactClip, ConvNorm

MIGRATION = 0.75
"""How much of the unevenness of a linear layer's inputs goes over to its weights before both are rounded: 0 none, 1 all."""


@contextmanager
def rounded(model: CompactClip, active: bool = True) -> Iterator[None]:
    """Within the block the model computes much as its INT8 form will; forward and backward belong inside, the optimiser's step outside."""
    if not active:
        yield
        return
    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    originals = [layer.weight.data for layer in layers]
    hooks = [h for module in model.modules() for h in _round_activations(module)]
    try:
        for layer in layers:
            layer.weight.data = round_weight(layer.weight.data)
        yield
    finally:
        for layer, original in zip(layers, originals, strict=True):
            layer.weight.data = original
        for hook in hooks:
            hook.remove()


def round_weight(weight: Tensor) -> Tensor:
    """``(out, …)``, each output channel to 255 steps about zero."""
    scale = weight.abs().amax(dim=tuple(range(1, weight.ndim)), keepdim=True).clamp_min(1e-12) / 127
    return (weight / scale).round() * scale


def round_activation(x: Tensor) -> Tensor:
    """To 256 steps over the tensor's range and zero; the gradient is that of ``x``."""
    low, high = x.detach().aminmax()
    step = ((high.clamp_min(0) - low.clamp_max(0)) / 255).clamp_min(1e-12)
    return x + ((x / step).round() * step - x).detach()


def round_smoothed(x: Tensor) -> Tensor:
    """``(…, channels)``, rounded after its channels were evened out, and put back."""
    largest = x.detach().abs().flatten(0, -2).amax(dim=0).clamp_min(1e-5) ** MIGRATION
    return round_activation(x / largest) * largest


def _round_activations(module: nn.Module) -> list[torch.utils.hooks.RemovableHandle]:
    if isinstance(module, nn.Linear):
        return [module.register_forward_pre_hook(lambda _, inputs: (round_smoothed(inputs[0]),))]
    if isinstance(module, ConvNorm):
        hooks = [module.register_forward_pre_hook(lambda _, inputs: (round_activation(inputs[0]),))]
        if not module.active:
            hooks.append(module.register_forward_hook(lambda _, __, output: round_activation(output)))
        return hooks
    return []
