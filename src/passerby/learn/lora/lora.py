"""Low-rank adapters on a base, by PEFT: beside a frozen weight ``W`` two small matrices learn, and ``W + alpha / rank * B @ A`` is used.

Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models" (ICLR 2022). ``B`` starts as zeros, so an adapter begins as its base; in
the end the product is added to ``W`` for good, and nothing is left to pay at run time.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn

from passerby.errors import ConfigError
from passerby.learn.lora.adaptation import Lora
from passerby.learn.models.base import Base
from passerby.learn.models.dual_encoder import DualEncoder

# Names that transformers 6 will drop; PEFT still uses one, and older releases of transformers 5 have no others.
warnings.filterwarnings("ignore", message="`(is_gradient_checkpointing|gradient_checkpointing_enable)` is deprecated")

TARGETS: Final[Mapping[str, re.Pattern[str]]] = {
    "q": re.compile(r".*\.(q_proj|attention\.query)"),
    "k": re.compile(r".*\.(k_proj|attention\.key)"),
    "v": re.compile(r".*\.(v_proj|attention\.value)"),
    "out": re.compile(r".*\.(out_proj|attention\.out)"),
    "fc1": re.compile(r".*\.fc1"),
    "fc2": re.compile(r".*\.fc2"),
    "pointwise": re.compile(r"image_tower\..*(expand|project|head)\.conv"),
    "projection": re.compile(r"(visual|text)_projection|image_tower\.(worn\.)?projection|text_tower\.(mean|max)_projection"),
}
"""Layers by what they do, under the names they have in a ``CLIPModel`` and in a ``CompactClip``. Attention's four and the two of the layer
after it are in every tower that has attention; ``pointwise`` are the 1x1 convolutions of ``passerby-s``. Its depthwise ones get none: a
filter of a single channel has no rank to lower."""


@dataclass(frozen=True, slots=True)
class Share:
    """How many numbers learn, and out of how many."""

    trainable: int
    total: int

    def __str__(self) -> str:
        return f"{self.trainable:,} of {self.total:,} parameters learn ({self.trainable / self.total:.2%})"


def adapt(base: Base, how: Lora) -> PeftModel:
    """Put untrained adapters into a base, in place; only they take gradients.

    Raises:
        ConfigError: a target that matches no layer of this base, naming those that do.
    """
    config = LoraConfig(
        r=how.rank, lora_alpha=how.alpha, lora_dropout=how.dropout, target_modules=target_layers(base.model, how.targets), bias="none"
    )
    return get_peft_model(base.model.adaptable, config)


def target_layers(model: DualEncoder, targets: Sequence[str]) -> list[str]:
    """The full names of the layers that the targets mean. Raises ``ConfigError`` for a target that means none."""
    layers = [name for name, module in model.adaptable.named_modules() if isinstance(module, nn.Linear | nn.Conv2d)]
    meant = {target: [name for name in layers if pattern.fullmatch(name)] for target, pattern in TARGETS.items()}
    for target in targets:
        if not meant.get(target):
            raise ConfigError(
                expected=f"targets out of {', '.join(name for name, found in meant.items() if found)}",
                found=f"{target!r}, which matches no layer of this model",
                do="correct lora.targets or --targets",
            )
    return [name for target in dict.fromkeys(targets) for name in meant[target]]


def towers_left_out(model: DualEncoder) -> list[str]:
    """The towers of a model in which nothing learns, as people call them."""
    towers = {"image tower": model.image_tower, "text tower": model.text_tower}
    return [name for name, tower in towers.items() if not any(parameter.requires_grad for parameter in tower.parameters())]


def share(model: nn.Module) -> Share:
    """Of a model's parameters, those that learn."""
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    return Share(sum(size for size, learns in sizes if learns), sum(size for size, _ in sizes))


def start_learning(model: nn.Module) -> None:
    """Training mode, but for batch norms: a frozen layer whose statistics went on moving would not be what the adapter is merged into."""
    model.train()
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()
