"""A folded image tower with batch norms again: the form that trains well, computing what the folded one computes."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from passerby.learn.models.attribute_head import AttributeHead, set_statistics
from passerby.learn.models.compact import ImageTower, generalised_means
from passerby.learn.models.lite0 import NORM_EPSILON, ConvNorm

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
    means = generalised_means(features, stripes)
    tower.neck, tower.projection = _unfolded(tower.projection, means, affine=True)
    if tower.worn is not None:
        worn = AttributeHead(means.shape[1], tower.worn.count)
        worn.norm, worn.projection = _unfolded(tower.worn.projection, means, affine=False)
        tower.worn = worn
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
        set_statistics(norm, mean, variance)
        norm.weight.copy_((variance + NORM_EPSILON).sqrt() / scale)
        norm.bias.copy_(mean / scale + bias)
        layer.norm = norm
        return scaled

    return unfold


def _unfolded(folded: nn.Linear, means: Tensor, *, affine: bool) -> tuple[nn.BatchNorm1d, nn.Linear]:
    """A batch norm of these means and the projection after it, with columns of zeros for what was not projected yet."""
    weight = folded.weight.new_zeros(folded.out_features, means.shape[1])
    weight[:, : folded.in_features] = folded.weight
    norm = nn.BatchNorm1d(means.shape[1], affine=affine).eval()
    variance, mean = torch.var_mean(means, dim=0, correction=0)
    set_statistics(norm, mean, variance)
    projection = nn.Linear(means.shape[1], folded.out_features)
    projection.weight.copy_(weight * (variance + norm.eps).sqrt())
    projection.bias.copy_(folded.bias + weight @ mean)
    return norm, projection
