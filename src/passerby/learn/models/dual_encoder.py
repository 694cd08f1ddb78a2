"""Two towers into one space: all that is trained, adapted, taught and exported, of whatever kind."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from passerby.learn.models.attribute_head import AttributeHead


class Seen(NamedTuple):
    """Of n pictures, their vectors ``(n, dim)`` and the log-odds ``(n, a)`` of what is worn in them."""

    vectors: Tensor
    log_odds: Tensor


class PoolingTower(nn.Module, ABC):
    """An image tower from whose pooled features a head may read what is worn: ``float32 (n, 3, h, w)`` to ``float32 (n, dim)``, not yet of
    unit length; to :class:`Seen`, that and log-odds, where it has such a head.

    Args:
        worn: the head.
    """

    worn: AttributeHead | None

    @property
    @abstractmethod
    def pooled(self) -> int:
        """How many numbers it pools of a picture."""

    @abstractmethod
    def pool(self, pixels: Tensor) -> Tensor:
        """``float32 (n, 3, h, w)`` to what the head reads, ``float32 (n, pooled)``."""


class DualEncoder(nn.Module, ABC):
    """A tower for pictures and one for words that meet in unit vectors: Radford et al., "Learning Transferable Visual Models From Natural
    Language Supervision" (ICML 2021).

    Args:
        architecture: the kind, by which what is known of a kind alone is found, such as how to adapt it.
        attributes: the names of what the image tower says of what is worn; most kinds of model say nothing of it.
        text_tower: ``int64 (n, length)`` token ids and their mask to ``float32 (n, dim)``, not yet of unit length.
    """

    architecture: ClassVar[str]
    attributes: tuple[str, ...] = ()
    image_tower: PoolingTower
    text_tower: nn.Module

    @property
    @abstractmethod
    def dim(self) -> int:
        """Of the shared space."""

    def embed_images(self, pixels: Tensor) -> Tensor:
        """``float32 (n, 3, h, w)`` to ``float32 (n, dim)`` of unit length."""
        return self.see(pixels).vectors

    def see(self, pixels: Tensor) -> Seen:
        """``float32 (n, 3, h, w)`` to vectors ``float32 (n, dim)`` of unit length, and the log-odds ``float32 (n, a)`` of attributes."""
        seen = self.image_tower(pixels)
        vectors, log_odds = seen if self.attributes else (seen, seen.new_empty((len(seen), 0)))
        return Seen(F.normalize(vectors.float(), dim=-1), log_odds.float())

    def embed_texts(self, ids: Tensor, mask: Tensor) -> Tensor:
        """``int64 (n, length)`` twice to ``float32 (n, dim)`` of unit length."""
        return F.normalize(self.text_tower(ids, mask).float(), dim=-1)

    @property
    @abstractmethod
    def adaptable(self) -> nn.Module:
        """What PEFT adapts, in place; its layers have the names that an adapter's files give them."""

    @abstractmethod
    def exportable(self) -> DualEncoder:
        """The same function in the form that ONNX holds; this model may be used up."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the weights, and the config where there is one. Raises ``OSError``."""

    @abstractmethod
    def set_head(self, head: AttributeHead) -> None:
        """Give the image tower this head for attributes, in place of its own."""

    def place(self, device: torch.device) -> None:
        """Move to a device, laid out in memory as it learns fastest there."""
        self.to(device)

    def recompute_in_backward(self) -> None:
        """Gradient checkpointing: from now on keep less of a forward pass and compute it again; nothing where the kind cannot."""


D = TypeVar("D", bound=DualEncoder)


@torch.no_grad()
def with_attributes(model: D, names: Sequence[str]) -> D:
    """A copy of a model whose image tower says of these attributes whether they are worn, for which it is still to be trained.

    What the model already says of those among them that it knows stays; of the others it says as much as nothing.
    """
    if tuple(names) == model.attributes:
        return model
    able = copy.deepcopy(model)
    old, known = able.image_tower.worn, {name: row for row, name in enumerate(model.attributes)}
    head = AttributeHead(able.image_tower.pooled, len(names)).to(next(able.parameters()).device)
    nn.init.zeros_(head.projection.weight)
    nn.init.zeros_(head.projection.bias)
    if old is not None:
        head.norm = old.norm
        for row, name in enumerate(names):
            if name in known:
                head.projection.weight[row] = old.projection.weight[known[name]]
                head.projection.bias[row] = old.projection.bias[known[name]]
    able.attributes = tuple(names)
    able.set_head(head)
    return able
