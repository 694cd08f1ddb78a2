"""The order in which a training run meets its pictures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def epoch_batches(
    identities: NDArray[np.int64], *, batch_size: int, pictures_per_identity: int, seed: int, epoch: int
) -> list[NDArray[np.int64]]:
    """One pass over all pictures, in full batches, up to ``pictures_per_identity`` of one person side by side.

    The pictures of each person are shuffled and cut into groups, the groups are shuffled, and batches are cut from their row; a group
    may straddle two batches. The last incomplete batch is left out: other pictures fall into it in the next epoch.

    Args:
        identities: ``(n,)``, whose picture each is.

    Returns:
        Arrays ``int64 (batch_size,)`` of picture numbers; none where there are fewer pictures than that. The same arguments give the
        same batches.
    """
    rng = np.random.default_rng((seed, epoch))
    shuffled = rng.permutation(len(identities))
    by_person = shuffled[np.argsort(identities[shuffled], kind="stable")]
    starts = np.flatnonzero(np.diff(identities[by_person], prepend=np.nan))
    place = np.arange(len(by_person)) - np.repeat(starts, np.diff(starts, append=len(by_person)))
    group = np.cumsum(place % pictures_per_identity == 0) - 1
    order = rng.permutation(group.max(initial=-1) + 1)
    row = by_person[np.argsort(order[group], kind="stable")]
    full = len(row) - len(row) % batch_size
    return list(row[:full].reshape(-1, batch_size).astype(np.int64))
