"""Two towers into one space: all that is trained, adapted, taught and exported, of whatever kind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class DualEncoder(nn.Module, ABC):
    """A tower for pictures and one for words that meet in unit vectors: Radford et al., "Learning Transferable Visual Models From Natural
    Language Supervision" (ICML 2021).

    Args:
        architecture: the kind, by which what is known of a kind alone is found, such as how to adapt it.
        image_tower: ``float32 (n, 3, h, w)`` to ``float32 (n, dim)``, not yet of unit length.
        text_tower: ``int64 (n, length)`` token ids and their mask to ``float32 (n, dim)``, not yet of unit length.
    """

    architecture: ClassVar[str]
    image_tower: nn.Module
    text_tower: nn.Module

    @property
    @abstractmethod
    def dim(self) -> int:
        """Of the shared space."""

    def embed_images(self, pixels: Tensor) -> Tensor:
        """``float32 (n, 3, h, w)`` to ``float32 (n, dim)`` of unit length."""
        return F.normalize(self.image_tower(pixels).float(), dim=-1)

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
