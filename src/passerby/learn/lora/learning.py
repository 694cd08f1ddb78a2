"""The numbers of a base that learn in a run: their rates, and how they are kept, put in for a while and taken back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from passerby.learn.config import Optimiser
from passerby.learn.loop.schedule import adamw
from passerby.learn.models.attribute_head import AttributeHead


def learning(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that take gradients, by name."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def settled(model: nn.Module) -> dict[str, Tensor]:
    """The statistics of a head for attributes that learns, by name."""
    heads = [
        (name, part) for name, part in model.named_modules() if isinstance(part, AttributeHead) and part.projection.weight.requires_grad
    ]
    return {f"{name}.norm.{of}": buffer for name, head in heads for of, buffer in head.norm.named_buffers() if buffer.is_floating_point()}


@dataclass(frozen=True, slots=True)
class Learning:
    """The numbers of a model that learn, by name, on the processor; and what a head for attributes that learns was settled on."""

    model: nn.Module

    def state_dict(self) -> dict[str, Tensor]:
        learnt = {**learning(self.model), **settled(self.model)}
        return {name: tensor.detach().cpu() for name, tensor in learnt.items()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.model.load_state_dict(state, strict=False)


def build_optimiser(model: nn.Module, how: Optimiser) -> torch.optim.Optimizer:
    """AdamW with a rate for each tower and one for projections."""

    def rate(name: str) -> float:
        tower = how.image_rate if "vision_model" in name or "image_tower" in name else how.text_rate
        return how.head_rate if "projection" in name else tower

    return adamw((parameter, rate(name), how.weight_decay) for name, parameter in learning(model).items())


@contextmanager
def holding(model: nn.Module, weights: dict[str, Tensor]) -> Iterator[None]:
    """The model with these weights in place of its own, for a while."""
    own = {name: weight.clone() for name, weight in Learning(model).state_dict().items()}
    Learning(model).load_state_dict(weights)
    try:
        yield
    finally:
        Learning(model).load_state_dict(own)
