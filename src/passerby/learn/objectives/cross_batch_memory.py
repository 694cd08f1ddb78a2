"""Pairs of earlier steps as candidates beside the batch's own: many more strangers to be told from, at the price of a matrix product."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn


class Pairs(NamedTuple):
    """Pictures and words, row by row: ``images``, ``texts`` float32 (n, d) of unit length, ``identities`` int64 (n,)."""

    images: Tensor
    texts: Tensor
    identities: Tensor


class Candidates(NamedTuple):
    """What something is compared with: ``embeddings`` float32 (n, d) of unit length, ``identities`` int64 (n,)."""

    embeddings: Tensor
    identities: Tensor


class Memory(nn.Module):
    """The last ``size`` pairs, as they were embedded then; Wang et al., "Cross-Batch Memory for Embedding Learning" (CVPR 2020).

    They take no gradient, and are a little out of date: towers that change slowly can use them, new ones cannot. They are part of the
    module's state, so a run that is continued remembers the same.
    """

    images: Tensor
    texts: Tensor
    identities: Tensor
    seen: Tensor

    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("images", torch.zeros(size, dim))
        self.register_buffer("texts", torch.zeros(size, dim))
        self.register_buffer("identities", torch.zeros(size, dtype=torch.int64))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def candidates(self, batch: Pairs) -> tuple[Candidates, Candidates]:
        """Pictures and words: the batch's, then those of earlier steps."""
        filled = min(int(self.seen), len(self.identities))
        identities = torch.cat([batch.identities, self.identities[:filled]])
        images = torch.cat([batch.images, self.images[:filled]])
        texts = torch.cat([batch.texts, self.texts[:filled]])
        return Candidates(images, identities), Candidates(texts, identities)

    def forget(self) -> None:
        self.seen.zero_()

    @torch.no_grad()
    def remember(self, batch: Pairs) -> None:
        """Takes the batch's pairs in, in the place of the oldest."""
        size = len(self.identities)
        if not size:
            return
        last = Pairs(*(rows[-size:] for rows in batch))
        places = (self.seen + torch.arange(len(last.identities), device=self.seen.device)) % size
        self.images[places] = last.images
        self.texts[places] = last.texts
        self.identities[places] = last.identities
        self.seen += len(last.identities)
