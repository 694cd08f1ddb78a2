"""Text-to-image retrieval metrics: Rank-k, mAP and mINP, with bootstrap intervals that resample people.

Rank-k and mAP are those of CUHK-PEDES evaluations (Li et al., "Person Search with Natural Language Description", CVPR 2017);
mINP is of Ye et al., "Deep Learning for Person Re-identification: A Survey and Outlook", TPAMI 2021.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from passerby.index.score import Weights, weighted_scores

PROTOCOL = (
    "Text-to-image retrieval: each own caption of the split is one query against all pictures of the split, its own picture included, "
    "ranked by cosine similarity; every picture of the same identity is relevant, ties count against the model, "
    "and 95 % intervals are bootstrap percentiles over identities."
)

TIE_DECIMALS = 6
"""Of a score; float32 carries no more."""

Labels = NDArray[Any] | Sequence[str] | Sequence[int]
"""One identity per row; numbers or strings."""


@dataclass(frozen=True, slots=True, eq=False)
class PerQuery:
    """How each query did, in the order of the queries.

    Args:
        first_hit_rank: int64 (q,), rank of the best placed relevant picture, from 1.
        average_precision: float64 (q,), in (0, 1], over all relevant pictures.
        inverse_negative_penalty: float64 (q,), in (0, 1], relevant pictures divided by the rank of the worst placed one.
    """

    first_hit_rank: NDArray[np.int64]
    average_precision: NDArray[np.float64]
    inverse_negative_penalty: NDArray[np.float64]

    def hits_within(self, k: int) -> NDArray[np.bool_]:
        """Whether each query has a relevant picture among its first ``k``: bool (q,). Its mean is Rank-k."""
        return self.first_hit_rank <= k


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over queries and the bounds of its 95 % bootstrap interval, in percent (a difference: in points)."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Metrics:
    """Retrieval metrics in percent, each with its interval."""

    rank1: Estimate
    rank5: Estimate
    rank10: Estimate
    mAP: Estimate  # noqa: N815 - the field's name
    mINP: Estimate  # noqa: N815 - the field's name


def rank_queries(
    queries: NDArray[np.floating] | Sequence[Weights],
    gallery_vectors: NDArray[np.float32],
    query_ids: Labels,
    gallery_ids: Labels,
    *,
    gallery_worn: NDArray[np.uint8] | None = None,
    chunk: int = 256,
) -> PerQuery:
    """Ranks the whole gallery for every query by its score, which is cosine similarity for normalised vectors alone.

    Ties count against the model: of pictures with equal scores, those of other people come first, so that a model whose vectors
    have collapsed into one scores worst, not by luck. Scores are equal that agree in ``TIE_DECIMALS`` decimals: vectors of float32 carry
    no more.

    Args:
        queries: vectors float32 or float64 (q, d), or q questions as weights.
        gallery_vectors: float32 (g, d).
        query_ids: (q,), who each query describes.
        gallery_ids: (g,), who each picture shows.
        gallery_worn: what is worn in each picture, uint8 (g, 2a), if questions weigh it.
        chunk: queries ranked at a time; memory is in proportion to ``chunk * g``.

    Raises:
        ValueError: shapes that do not fit, no queries, a vector that is not finite, or a query whose identity is not in the gallery.
    """
    query_codes, gallery_codes = _codes(query_ids, gallery_ids)
    if isinstance(queries, np.ndarray):
        _check(queries, gallery_vectors, query_codes, gallery_codes)
        questions = [Weights(vector) for vector in queries]
    else:
        questions = list(queries)
        _check(np.array([question.vector for question in questions]), gallery_vectors, query_codes, gallery_codes)
    worn = np.empty((len(gallery_vectors), 0), np.uint8) if gallery_worn is None else gallery_worn
    parts = [
        _rank_chunk(
            np.round(weighted_scores(questions[start : start + chunk], gallery_vectors, worn), TIE_DECIMALS),
            query_codes[start : start + chunk, None] == gallery_codes,
        )
        for start in range(0, len(questions), chunk)
    ]
    return PerQuery(
        np.concatenate([part.first_hit_rank for part in parts]),
        np.concatenate([part.average_precision for part in parts]),
        np.concatenate([part.inverse_negative_penalty for part in parts]),
    )


def summarise(per_query: PerQuery, identities: Labels, *, seed: int = 0, resamples: int = 1000) -> Metrics:
    """Means over queries in percent, with 95 % percentile intervals from a bootstrap that resamples identities.

    The queries of one person share pictures and clothes, so people are drawn, not queries.

    Args:
        identities: (q,), who each query describes.
        seed: of the bootstrap.
        resamples: bootstrap draws.

    Raises:
        ValueError: not one identity for each query.
    """
    values = np.column_stack(
        [*(per_query.hits_within(k) for k in (1, 5, 10)), per_query.average_precision, per_query.inverse_negative_penalty]
    )
    return Metrics(*bootstrap(100.0 * values, identities, seed=seed, resamples=resamples))


def paired_difference(a: PerQuery, b: PerQuery, identities: Labels, *, seed: int = 0, resamples: int = 1000) -> Estimate:
    """Rank-1 of ``b`` minus Rank-1 of ``a`` on the same queries, in points, with a 95 % interval from the bootstrap of `summarise`.

    Pairing cancels what makes a query easy or hard, so the interval is far narrower than that of either Rank-1.

    Raises:
        ValueError: ``a``, ``b`` and ``identities`` differ in length.
    """
    if len(a.first_hit_rank) != len(b.first_hit_rank):
        raise ValueError(f"expected the same queries twice, found {len(a.first_hit_rank)} and {len(b.first_hit_rank)}")
    change = b.hits_within(1).astype(np.float64) - a.hits_within(1)
    return bootstrap(100.0 * change[:, None], identities, seed=seed, resamples=resamples)[0]


def _codes(query_ids: Labels, gallery_ids: Labels) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    queries, gallery = np.asarray(query_ids), np.asarray(gallery_ids)
    if queries.ndim != 1 or gallery.ndim != 1:
        raise ValueError(f"expected one identity per row, found arrays of shape {queries.shape} and {gallery.shape}")
    codes = np.unique(np.concatenate([queries, gallery]), return_inverse=True)[1]
    return codes[: len(queries)], codes[len(queries) :]


def _check(
    query_vectors: NDArray[np.floating],
    gallery_vectors: NDArray[np.float32],
    query_codes: NDArray[np.int64],
    gallery_codes: NDArray[np.int64],
) -> None:
    if query_vectors.ndim != 2 or gallery_vectors.ndim != 2 or query_vectors.shape[1] != gallery_vectors.shape[1]:
        raise ValueError(f"expected vectors (q, d) and (g, d), found {query_vectors.shape} and {gallery_vectors.shape}")
    if len(query_vectors) != len(query_codes) or len(gallery_vectors) != len(gallery_codes):
        raise ValueError(
            f"expected one identity per vector, found {len(query_codes)} for {len(query_vectors)} queries "
            f"and {len(gallery_codes)} for {len(gallery_vectors)} pictures"
        )
    if not len(query_vectors):
        raise ValueError("expected at least one query, found none")
    if not (np.isfinite(query_vectors).all() and np.isfinite(gallery_vectors).all()):
        raise ValueError("expected finite vectors, found NaN or infinity")
    orphans = int((~np.isin(query_codes, gallery_codes)).sum())
    if orphans:
        raise ValueError(f"expected a picture of every person asked for, found {orphans} queries without one in the gallery")


def _rank_chunk(scores: NDArray[np.float64], relevant: NDArray[np.bool_]) -> PerQuery:
    order = np.lexsort((relevant, -scores))  # rows by falling score; of equal scores, the irrelevant first
    ranks = np.nonzero(np.take_along_axis(relevant, order, axis=1))[1] + 1
    counts = relevant.sum(axis=1)
    starts = np.cumsum(counts) - counts
    found = np.arange(1, len(ranks) + 1) - np.repeat(starts, counts)
    return PerQuery(
        first_hit_rank=ranks[starts],
        average_precision=np.add.reduceat(found / ranks, starts) / counts,
        inverse_negative_penalty=counts / ranks[starts + counts - 1],
    )


def bootstrap(values: NDArray[np.float64], identities: Labels, *, seed: int, resamples: int) -> list[Estimate]:
    """Column means of ``values`` float64 (q, m) and their intervals; a draw takes as many identities as there are, with replacement."""
    if len(values) != len(identities) or not len(values):
        raise ValueError(f"expected one identity per query, found {len(identities)} for {len(values)} queries")
    people, person = np.unique(np.asarray(identities), return_inverse=True)
    sizes = np.bincount(person)
    sums = np.column_stack([np.bincount(person, weights=column) for column in values.T])
    times_drawn = np.random.default_rng(seed).multinomial(len(people), np.full(len(people), 1 / len(people)), size=resamples)
    means = (times_drawn @ sums) / (times_drawn @ sizes)[:, None]
    low, high = np.percentile(means, [2.5, 97.5], axis=0)
    return [Estimate(*map(float, column)) for column in zip(values.mean(axis=0), low, high, strict=True)]
