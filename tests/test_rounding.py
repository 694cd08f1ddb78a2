"""The rounding that training feels is the rounding that a bundle has."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from small_clip import Exported, pictures

from passerby.deploy.qdq import symmetric_int8
from passerby.learn.compact import fold_batch_norm
from passerby.learn.rounding import round_activation, round_smoothed, round_weight, rounded

finite = st.floats(-100, 100, width=32)


@given(arrays(np.float32, (3, 5), elements=finite))
def test_weights_round_as_in_a_bundle(weight: NDArray[np.float32]) -> None:
    values, scales = symmetric_int8(weight, 0)
    assert round_weight(torch.from_numpy(weight)).numpy() == pytest.approx(values * scales[:, None], rel=1e-5, abs=1e-5)


@given(arrays(np.float32, 20, elements=finite))
def test_an_activation_moves_by_half_a_step_and_its_gradient_not_at_all(x: NDArray[np.float32]) -> None:
    tensor = torch.from_numpy(x).requires_grad_()
    out = round_activation(tensor)
    step = (max(x.max(), 0) - min(x.min(), 0)) / 255
    assert np.abs(out.detach().numpy() - x).max() <= 0.51 * step + 1e-6
    out.sum().backward()  # type: ignore[no-untyped-call]
    assert tensor.grad is not None
    assert (tensor.grad == 1).all()


def test_smoothing_spares_the_small_channels() -> None:
    x = torch.randn(50, 4, generator=torch.Generator().manual_seed(0)) * torch.tensor([0.1, 1, 10, 1000])
    plain, smoothed = ((f(x) - x)[:, :3].norm() for f in (round_activation, round_smoothed))
    assert smoothed < plain / 5


def test_the_model_is_its_own_again_after_the_block_and_after_an_error(exported_clip: Exported) -> None:
    model = fold_batch_norm(exported_clip.model)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    pixels = torch.from_numpy(pictures(exported_clip.dataset.records[:4]))
    plain = model.embed_images(pixels)
    with pytest.raises(KeyboardInterrupt), rounded(model):
        assert not torch.equal(model.embed_images(pixels), plain)
        raise KeyboardInterrupt
    with rounded(model, active=False):
        assert torch.equal(model.embed_images(pixels), plain)
    assert torch.equal(model.embed_images(pixels), plain)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
