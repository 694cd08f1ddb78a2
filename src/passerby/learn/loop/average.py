"""The average of a model's weights over its steps, which wanders less than the weights of the last one."""

from __future__ import annotations

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


def averaged_over_steps(model: nn.Module, optimiser: torch.optim.Optimizer, decay: float) -> AveragedModel:
    """A copy that follows a model from step to step: Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging" (1992).

    Args:
        optimiser: after each of its steps the copy takes the model's weights in.
        decay: how much of the average stays at each step; with 0 it is the model itself.
    """
    averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)  # type: ignore[no-untyped-call]
    optimiser.register_step_post_hook(lambda *_: averaged.update_parameters(model))
    return averaged
