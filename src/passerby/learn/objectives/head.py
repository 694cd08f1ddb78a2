"""The head for attributes, learning alone from what was pooled of all pictures, while both towers stand still."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from passerby.learn import config
from passerby.learn.data.batches import Batch
from passerby.learn.loop.run import Losses
from passerby.learn.models.attribute_head import AttributeHead
from passerby.learn.objectives.losses import worn

RAREST: Final = 1e-4
"""The least share of pictures that have an attribute, to begin with."""


@torch.no_grad()
def begin_with_shares(head: AttributeHead | None, labels: NDArray[np.float32]) -> None:
    """What a head knows nothing of yet begins with the share of pictures that have it, which its rate would reach too late."""
    if head is not None and labels.size:
        untaught = ~head.projection.weight.any(dim=1)
        shares = torch.from_numpy(np.nan_to_num(labels).mean(axis=0)).clamp(RAREST, 1 - RAREST)
        head.projection.bias[untaught] = shares.logit()[untaught]


def head_gradients(head: AttributeHead, means: Tensor, labels: NDArray[np.float32], weights: config.Losses, batch: Batch) -> Losses:
    """The loss of what a head reads in what was pooled of a batch's pictures, backward.

    Args:
        means: ``float16 (n, m)``, of all pictures.
        labels: float32 (n, a), as :func:`~passerby.learn.data.labels.worn_labels` has them.
    """
    log_odds = head(means[batch.pictures.to(means.device)].float())
    loss = weights.attributes * worn(log_odds, labels_for(batch, labels, means.device), weights.attributes_unsaid)
    loss.backward()  # type: ignore[no-untyped-call]
    return Losses(loss.detach(), {"attributes": loss})


def labels_for(batch: Batch, labels: NDArray[np.float32], device: torch.device) -> Tensor:
    """The labels of a batch's pictures, where the model is."""
    return torch.from_numpy(labels[batch.pictures]).to(device)
