"""Batch norms given back to a folded tower: the same function, a form that trains."""

from __future__ import annotations

from typing import cast

import pytest
import torch
from torch import nn

from passerby.learn.models.batch_norm import unfold_batch_norm
from passerby.learn.models.compact import CompactClip, ImageTower, TextConfig, build_like, fold_batch_norm
from passerby.learn.models.lite0 import ConvNorm

DIM = 16


@pytest.fixture(scope="module")
def folded() -> CompactClip:
    """A small model whose batch norms have seen pictures, folded, without stripes."""
    torch.manual_seed(0)
    model = CompactClip(TextConfig(vocabulary=40, width=32, layers=1, feed_forward=32, positions=16), DIM, stripes=0)
    with torch.no_grad():
        for _ in range(3):
            model.train().image_tower(torch.randn(8, 3, 64, 32))
    return fold_batch_norm(model)


@pytest.mark.parametrize("stripes", [0, 4])
def test_unfolding_keeps_the_function(folded: CompactClip, stripes: int) -> None:
    pixels, others = torch.randn(2, 12, 3, 64, 32)
    tower = unfold_batch_norm(folded.image_tower, pixels, stripes)
    with torch.no_grad():
        for x in (pixels, others):
            expected = folded.image_tower(x)
            assert torch.allclose(tower(x), expected, atol=1e-3 * float(expected.abs().max()))


def test_statistics_are_those_of_the_pictures(folded: CompactClip) -> None:
    """So in training mode, which normalises by the batch, the same pictures still give nearly the same vectors."""
    pixels = torch.randn(12, 3, 64, 32)
    tower = unfold_batch_norm(folded.image_tower, pixels, 4)
    with torch.no_grad():
        settled, training = tower(pixels), tower.train()(pixels)
    assert torch.allclose(training, settled, atol=0.01 * float(settled.abs().max()))


def test_filters_spread_by_one_and_every_norm_is_back(folded: CompactClip) -> None:
    tower = unfold_batch_norm(folded.image_tower, torch.randn(12, 3, 64, 32), 4)
    layers = [m for m in tower.modules() if isinstance(m, ConvNorm)]
    assert all(isinstance(layer.norm, nn.BatchNorm2d) and layer.conv.bias is None for layer in layers)
    spreads = torch.cat([cast(nn.BatchNorm2d, layer.norm).running_var for layer in layers])  # type: ignore[misc]
    assert float(spreads.median()) == pytest.approx(1, abs=1e-3)


def test_an_unfolded_model_is_built_like_its_weights_and_folds_again(folded: CompactClip) -> None:
    pixels = torch.randn(12, 3, 64, 32)
    model = build_like(folded.state_dict())
    model.load_state_dict(folded.state_dict())
    model.image_tower = unfold_batch_norm(folded.image_tower, pixels, 4)
    assert isinstance(model.image_tower, ImageTower)
    again = build_like(model.state_dict())
    again.load_state_dict(model.state_dict())
    with torch.no_grad():
        expected = folded.image_tower(pixels)
        assert torch.allclose(fold_batch_norm(again).image_tower(pixels), expected, atol=1e-3 * float(expected.abs().max()))


def test_the_folded_tower_is_left_alone(folded: CompactClip) -> None:
    before = {name: tensor.clone() for name, tensor in folded.state_dict().items()}
    unfold_batch_norm(folded.image_tower, torch.randn(12, 3, 64, 32), 4)
    assert all(torch.equal(tensor, before[name]) for name, tensor in folded.state_dict().items())
