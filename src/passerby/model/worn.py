"""What is worn as a row of bytes: of each attribute how far from certain it is that somebody has it, and that they have it not.

A score is linear in these bytes. They saturate: linear in log-odds, one loud attribute would drown the others.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

NATS: Final = 1 / 40
"""What one step of a byte is worth: 255 of them are a probability of 0.0017, and what is less likely counts as that."""


def worn_bytes(log_odds: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The bytes of log-odds float32 (n, a): uint8 (n, 2a), first -log p of every attribute, then -log(1 - p), in steps of ``NATS``."""
    unlikely = np.logaddexp(0, np.concatenate([-log_odds, log_odds], axis=1).astype(np.float64))
    return np.minimum(np.rint(unlikely / NATS), 255).astype(np.uint8)


def log_odds_of(worn: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The log-odds float32 (n, a) that bytes uint8 (n, 2a) stand for, within a step of ``NATS`` but where a byte is full."""
    lacks, has = np.split(worn.astype(np.float32) * np.float32(NATS), 2, axis=1)
    odds: NDArray[np.float32] = has - lacks
    return odds
