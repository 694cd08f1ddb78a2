"""Two towers into one space: all that is trained, adapted, taught and exported, of whatever kind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Seen(NamedTuple):
    """Of n pictures, their vectors ``(n, dim)`` and the log-odds ``(n, a)`` of what is worn in them."""

    vectors: Tensor
    log_odds: Tensor


class DualEncoder(nn.Module, ABC):
    """A tower for pictures and one for words that meet in unit vectors: Radford et al., "Learning Transferable Visual Models From Natural
    Language Supervision" (ICML 2021).

    Args:
        architecture: the kind, by which what is known of a kind alone is found, such as how to adapt it.
        attributes: the names of what the image tower says of what is worn; most kinds of model say nothing of it.
        image_tower: ``float32 (n, 3, h, w)`` to ``float32 (n, dim)``, not yet of unit length; to :class:`Seen` where it has attributes.
        text_tower: ``int64 (n, length)`` token ids and their mask to ``float32 (n, dim)``, not yet of unit length.
    """

    architecture: ClassVar[str]
    attributes: tuple[str, ...] = ()
    image_tower: nn.Module
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

    def place(self, device: torch.device) -> None:
        """Move to a device, laid out in memory as it learns fastest there."""
        self.to(device)

    def recompute_in_backward(self) -> None:
        """Gradient checkpointing: from now on keep less of a forward pass and compute it again; nothing where the kind cannot."""
