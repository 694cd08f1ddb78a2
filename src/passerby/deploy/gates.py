"""What a converted model must show before it may ship: numpy and Encoders only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from passerby.errors import GateRefused
from passerby.measure.evaluate import Evaluation
from passerby.measure.metrics import Estimate, paired_difference
from passerby.model.encoder import Encoder

MIN_COSINE = 0.9999
"""Least cosine between an export's embedding and its original's."""
MAX_LOSS = 0.5
"""Points of Rank-1 that a conversion to lower precision may lose, with 97.5 % confidence."""


@dataclass(frozen=True, slots=True)
class Parity:
    """Least cosine between two encoders' embeddings of the same inputs, for each tower."""

    images: float
    texts: float


def require_parity(original: Encoder, converted: Encoder, pixels: NDArray[np.float32], texts: Sequence[str]) -> Parity:
    """Two encoders must give the same embeddings.

    Args:
        pixels: float32 (n, 3, h, w), as both encoders' preprocessing makes them.

    Raises:
        GateRefused: a cosine below ``MIN_COSINE``.
    """
    parity = Parity(
        images=_least_cosine(original.embed_images(pixels), converted.embed_images(pixels)),
        texts=_least_cosine(original.embed_texts(texts), converted.embed_texts(texts)),
    )
    if not (parity.images >= MIN_COSINE and parity.texts >= MIN_COSINE):
        raise GateRefused(
            expected=f"embeddings of cosine at least {MIN_COSINE} with the original's",
            found=f"{parity.images:.6f} for pictures, {parity.texts:.6f} for words",
            do="do not use this export; report it with the versions of torch and onnxruntime",
        )
    return parity


def require_rank1(original: Evaluation, converted: Evaluation) -> Estimate:
    """A model of lower precision must be shown to lose at most ``MAX_LOSS`` points of Rank-1; undecided is not passed.

    Returns:
        Rank-1 of ``converted`` minus that of ``original``, in points, with its paired 95 % interval.

    Raises:
        GateRefused: the interval reaches below ``-MAX_LOSS``, or the two were not asked the same queries.
    """
    if original.split.asked != converted.split.asked:
        raise GateRefused(
            expected="both models to answer the same queries",
            found=f"{len(original.split.asked)} and {len(converted.split.asked)} queries of other people",
            do="evaluate both on the same split",
        )
    difference = paired_difference(original.per_query, converted.per_query, original.split.asked)
    if not difference.low >= -MAX_LOSS:
        raise GateRefused(
            expected=f"Rank-1 to fall by at most {MAX_LOSS} points",
            found=f"{difference.mean:+.2f} points, 95 % interval {difference.low:+.2f} to {difference.high:+.2f}",
            do="calibrate on more pictures, or ship the float model",
        )
    return difference


def _least_cosine(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    return float(np.einsum("nd,nd->n", a, b).min())
