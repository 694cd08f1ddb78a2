"""A folded image tower with batch norms again: the form that trains well, computing what the folded one computes."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from passerby.learn.models.compact import NORM_EPSILON, ConvNorm, ImageTower, generalised_means

SMALLEST_SPREAD = 1e-3
"""Of a channel's values, below which it is taken as constant and its filter is left as it is."""


@torch.no_grad()
def unfold_batch_norm(folded: ImageTower, pixels: Tensor, stripes: int) -> ImageTower:
    """A copy in evaluation mode whose convolutions are followed by batch norms, their statistics those of some pictures.

    Filters are scaled so that their outputs spread by about 1, as they do in a pretrained network: the steps of AdamW then have the size
    that its rates are meant for. Stripes that the folded tower does not pool start without weight.

    Args:
        folded: as ``fold_batch_norm`` leaves it.
        pixels: ``float32 (n, 3, h, w)``, normalised; some hundreds of training pictures.
        stripes: of the copy, at least those of the folded tower or those of none.
    """
    tower = copy.deepcopy(folded).eval()
    hooks = [layer.conv.register_forward_hook(_unfolding(layer)) for layer in tower.modules() if isinstance(layer, ConvNorm)]
    features = tower.head(tower.blocks(tower.stem(pixels)))
    for hook in hooks:
        hook.remove()
    _unfold_neck(tower, generalised_means(features, stripes))
    tower.stripes = stripes
    return tower


def _unfolding(layer: ConvNorm) -> Callable[[nn.Conv2d, tuple[Tensor, ...], Tensor], Tensor]:
    """A forward hook of the layer's convolution: gives the layer its batch norm, returns what the convolution computes from then on."""

    def unfold(conv: nn.Conv2d, _: tuple[Tensor, ...], output: Tensor) -> Tensor:
        assert conv.bias is not None
        bias = conv.bias.data.clone()
        plain = output - bias[:, None, None]
        spread = plain.std(dim=(0, 2, 3), correction=0)
        scale = torch.where(spread > SMALLEST_SPREAD, 1 / spread.clamp_min(SMALLEST_SPREAD), torch.ones_like(spread))
        conv.weight.mul_(scale[:, None, None, None])
        conv.bias = None
        scaled = plain * scale[:, None, None]
        norm = nn.BatchNorm2d(len(scale), eps=NORM_EPSILON).eval()
        variance, mean = torch.var_mean(scaled, dim=(0, 2, 3), correction=0)
        _set_norm(norm, mean, variance, gain=(variance + NORM_EPSILON).sqrt() / scale, offset=mean / scale + bias)
        layer.norm = norm
        return scaled

    return unfold


def _unfold_neck(tower: ImageTower, pooled: Tensor) -> None:
    """A batch norm before the projection, and columns of zeros for what was not projected yet."""
    folded = tower.projection
    weight = folded.weight.new_zeros(folded.out_features, pooled.shape[1])
    weight[:, : folded.in_features] = folded.weight
    neck = nn.BatchNorm1d(pooled.shape[1]).eval()
    variance, mean = torch.var_mean(pooled, dim=0, correction=0)
    _set_norm(neck, mean, variance, gain=torch.ones_like(mean), offset=torch.zeros_like(mean))
    tower.neck = neck
    tower.projection = nn.Linear(pooled.shape[1], folded.out_features)
    tower.projection.weight.copy_(weight * (variance + neck.eps).sqrt())
    tower.projection.bias.copy_(folded.bias + weight @ mean)


def _set_norm(norm: nn.BatchNorm1d | nn.BatchNorm2d, mean: Tensor, variance: Tensor, gain: Tensor, offset: Tensor) -> None:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)
    norm.weight.copy_(gain)
    norm.bias.copy_(offset)
