"""How fast what learns: AdamW, and its rates from step to step."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import nn


class Schedule(NamedTuple):
    """Linear warm-up, a plateau where wanted, then half a cosine to zero.

    Args:
        steps: of the whole run.
        warm_up: share of them in which rates rise.
        decay: share of them, the last ones, in which rates fall; with 0 they never do.
    """

    steps: int
    warm_up: float
    decay: float

    def share(self, step: int) -> float:
        """Of its peak, the rate at a step, from 0."""
        rising, falling = max(1, round(self.warm_up * self.steps)), round(self.decay * self.steps)
        past_peak = max(0, step - max(rising, self.steps - falling))
        if step < rising:
            return (step + 1) / rising
        return 0.5 * (1 + math.cos(math.pi * past_peak / max(1, min(falling, self.steps - rising))))


def set_rates(optimiser: torch.optim.Optimizer, share: float) -> None:
    """Each group's rate as that share of its ``peak``, in place."""
    for group in optimiser.param_groups:
        group["lr"] = group["peak"] * share


def adamw(parameters: Iterable[tuple[nn.Parameter, float, float]], betas: tuple[float, float] = (0.9, 0.999)) -> torch.optim.Optimizer:
    """Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (ICLR 2019).

    Args:
        parameters: each with its rate at the peak and its weight decay.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for parameter, rate, decay in parameters:
        groups.setdefault((rate, decay), []).append(parameter)
    return torch.optim.AdamW(
        [{"params": alike, "lr": rate, "peak": rate, "weight_decay": decay} for (rate, decay), alike in groups.items()],
        betas=betas,
        fused=True,
    )
