"""A locked tower says the same at every step: it is asked once about all there is, and the other tower learns to meet all of it.

Training one tower at a time this way is Zhai et al., "LiT: Zero-Shot Transfer with Locked-image text Tuning" (CVPR 2022), for either
tower; the answers of the locked one are candidates that are never out of date.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from passerby.learn.data.augment import Pictures, show
from passerby.learn.data.batches import Sentences, pad
from passerby.learn.models.dual_encoder import DualEncoder, PoolingTower
from passerby.learn.objectives.cross_batch_memory import Candidates

PICTURES = 128
CAPTIONS = 256


class Locked(NamedTuple):
    """What stands still says: of all pictures, of all captions, or ``None`` for what learns.

    Args:
        means: ``float16 (n, m)``, what the image tower pools of all pictures, where its head for attributes learns alone.
        told: ``float32 (c, d)``, what the text tower is to say of each caption, by its row, where it is told.
    """

    images: Candidates | None = None
    texts: Candidates | None = None
    means: Tensor | None = None
    told: Tensor | None = None


@torch.no_grad()
def locked_images(model: DualEncoder, pictures: Pictures, identities: NDArray[np.int64]) -> Locked:
    """Every picture as it is without variation."""
    model.eval()
    n, device = len(pictures.pixels), pictures.pixels.device
    embedded = [model.embed_images(show(pictures, slice(first, first + PICTURES))) for first in range(0, n, PICTURES)]
    return Locked(images=Candidates(torch.cat(embedded), torch.from_numpy(identities[:n]).to(device)))


@torch.no_grad()
def locked_means(tower: PoolingTower, pictures: Pictures, say: Callable[[str], None]) -> Locked:
    """What is pooled of every picture as it is without variation."""
    tower.eval()
    n = len(pictures.pixels)
    means = torch.empty((n, tower.pooled), dtype=torch.float16, device=pictures.pixels.device)
    for first in range(0, n, PICTURES):
        means[first : first + PICTURES] = tower.pool(show(pictures, slice(first, first + PICTURES)))
        if (done := min(first + PICTURES, n)) == n or done % (40 * PICTURES) == 0:
            say(f"{done} of {n} pictures pooled")
    return Locked(means=means)


@torch.no_grad()
def worn_in_all(model: DualEncoder, pictures: Pictures) -> Tensor:
    """The log-odds of attributes in every picture as it is without variation: ``float32 (n, a)``, without a look where a is 0."""
    n, device = len(pictures.pixels), pictures.pixels.device
    if not model.attributes:
        return torch.empty((n, 0), device=device)
    model.eval()
    return torch.cat([model.see(show(pictures, slice(first, first + PICTURES))).log_odds for first in range(0, n, PICTURES)])


@torch.no_grad()
def locked_texts(model: DualEncoder, words: Sequence[Sentences], identities: NDArray[np.int64]) -> Locked:
    """Every caption of every picture, in the order of their rows."""
    model.eval()
    device = next(model.parameters()).device
    said = [(s.ids, identity) for of_one, identity in zip(words, identities, strict=False) for group in of_one.values() for s in group]
    embedded = torch.empty((len(said), model.dim), device=device)
    by_length = sorted(range(len(said)), key=lambda row: len(said[row][0]))
    for first in range(0, len(said), CAPTIONS):
        rows = by_length[first : first + CAPTIONS]
        ids, mask = pad([said[row][0] for row in rows])
        embedded[rows] = model.embed_texts(ids.to(device), mask.to(device))
    return Locked(texts=Candidates(embedded, torch.tensor([int(identity) for _, identity in said], device=device)))
