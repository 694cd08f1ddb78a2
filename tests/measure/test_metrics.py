"""Retrieval metrics against a hand-computed case and a slow, obvious reference."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from passerby.measure.metrics import Estimate, PerQuery, paired_difference, rank_queries, summarise

Vectors = NDArray[np.float32]


def slow_reference(queries: Vectors, gallery: Vectors, query_ids: list[str], gallery_ids: list[str]) -> NDArray[np.float64]:
    """First hit, average precision and inverse negative penalty of each query, one picture at a time."""
    results = []
    for query, wanted in zip(queries, query_ids, strict=True):
        scored = [(-float(query @ vector), identity == wanted) for vector, identity in zip(gallery, gallery_ids, strict=True)]
        ranks, precisions = [], []
        for rank, (_, hit) in enumerate(sorted(scored), start=1):  # False sorts before True: ties go against the model
            if hit:
                ranks.append(rank)
                precisions.append(len(ranks) / rank)
        results.append((ranks[0], sum(precisions) / len(precisions), len(ranks) / ranks[-1]))
    return np.array(results)


def table(per_query: PerQuery) -> NDArray[np.float64]:
    return np.column_stack(astuple(per_query))


@st.composite
def problems(draw: st.DrawFn) -> tuple[Vectors, Vectors, list[str], list[str]]:
    """Few small whole numbers, so that scores are exact and ties are common."""
    people = draw(st.integers(1, 5))
    gallery_ids = draw(st.permutations([*range(people), *draw(st.lists(st.integers(0, people - 1), max_size=12))]))
    query_ids = draw(st.lists(st.integers(0, people - 1), min_size=1, max_size=9))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    largest = draw(st.integers(0, 4))
    queries, gallery = (
        rng.integers(-largest, largest, (n, 3), endpoint=True).astype(np.float32) for n in (len(query_ids), len(gallery_ids))
    )
    return queries, gallery, [f"p{i}" for i in query_ids], [f"p{i}" for i in gallery_ids]


@given(problems(), st.integers(1, 10))
@settings(max_examples=200, deadline=None)
def test_agrees_with_the_slow_reference_whatever_the_chunk(problem: tuple[Vectors, Vectors, list[str], list[str]], chunk: int) -> None:
    np.testing.assert_allclose(table(rank_queries(*problem, chunk=chunk)), slow_reference(*problem))


@pytest.mark.parametrize("pictures", [1, 7, 64, 500])
def test_doubles_of_other_people_tie_wherever_they_stand(pictures: int) -> None:
    """A matrix product may round the same two vectors differently in another column."""
    rng = np.random.default_rng(pictures)
    gallery, queries = (rng.normal(size=(n, 512)).astype(np.float32) for n in (pictures, 40))
    gallery, queries = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (gallery, queries))
    own = [str(n) for n in range(pictures)]
    asked = [own[n % pictures] for n in range(40)]
    ranks = rank_queries(queries, np.concatenate([gallery, gallery]), asked, [*own, *(f"double {name}" for name in own)]).first_hit_rank
    alone = rank_queries(queries, gallery, asked, own).first_hit_rank
    assert ranks.tolist() == (2 * alone).tolist()


def test_hand_computed_case() -> None:
    """Two people in five pictures, three queries; each picture's place on the line is its score."""
    gallery = np.array([[0.9], [0.8], [0.7], [0.6], [0.5]], np.float32)
    gallery_ids = ["ann", "bob", "ann", "bob", "bob"]
    # query 1 asks for ann: order a b a b b -> hits at 1, 3: AP (1/1 + 2/3) / 2 = 5/6, INP 2/3
    # query 2 asks for bob: order a b a b b -> hits at 2, 4, 5: AP (1/2 + 2/4 + 3/5) / 3 = 8/15, INP 3/5
    # query 3 asks for ann, all signs turned: order b b a b a -> hits at 3, 5: AP (1/3 + 2/5) / 2 = 11/30, INP 2/5
    per_query = rank_queries(np.array([[1], [1], [-1]], np.float32), gallery, ["ann", "bob", "ann"], gallery_ids)
    assert per_query.first_hit_rank.tolist() == [1, 2, 3]
    assert per_query.average_precision == pytest.approx([5 / 6, 8 / 15, 11 / 30])
    assert per_query.inverse_negative_penalty == pytest.approx([2 / 3, 3 / 5, 2 / 5])

    metrics = summarise(per_query, ["ann", "bob", "ann"])
    assert metrics.rank1.mean == pytest.approx(100 / 3)
    assert metrics.rank5.mean == metrics.rank10.mean == 100
    assert metrics.mAP.mean == pytest.approx(100 * (5 / 6 + 8 / 15 + 11 / 30) / 3)
    assert metrics.mINP.mean == pytest.approx(100 * (2 / 3 + 3 / 5 + 2 / 5) / 3)


def test_ties_count_against_the_model() -> None:
    collapsed = np.ones((4, 2), np.float32)
    per_query = rank_queries(collapsed[:1], collapsed, ["a"], ["a", "b", "a", "c"])
    np.testing.assert_allclose(table(per_query), [(3, (1 / 3 + 2 / 4) / 2, 2 / 4)])


def test_the_order_of_the_gallery_does_not_matter() -> None:
    rng = np.random.default_rng(3)
    queries, gallery = rng.integers(-2, 3, (20, 4)).astype(np.float32), rng.integers(-2, 3, (30, 4)).astype(np.float32)
    query_ids, gallery_ids = rng.integers(0, 6, 20), np.concatenate([np.arange(6), rng.integers(0, 6, 24)])
    shuffled = rng.permutation(30)
    np.testing.assert_array_equal(
        table(rank_queries(queries, gallery, query_ids, gallery_ids)),
        table(rank_queries(queries, gallery[shuffled], query_ids, gallery_ids[shuffled])),
    )


one, two = np.ones((1, 2), np.float32), np.ones((2, 2), np.float32)


@pytest.mark.parametrize(
    ("queries", "gallery", "query_ids", "gallery_ids", "message"),
    [
        (one, two, ["c"], ["a", "b"], "1 queries without one in the gallery"),
        (one * np.nan, two, ["a"], ["a", "b"], "finite"),
        (one, two * np.inf, ["a"], ["a", "b"], "finite"),
        (one[:0], two, [], ["a", "b"], "at least one query"),
        (one, two[:, :1], ["a"], ["a", "b"], r"\(1, 2\) and \(2, 1\)"),
        (one, two, ["a", "b"], ["a", "b"], "2 for 1 queries"),
        (one, two, [["a"]], ["a", "b"], "one identity per row"),
    ],
)
def test_refuses(queries: Vectors, gallery: Vectors, query_ids: list[str], gallery_ids: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rank_queries(queries, gallery, query_ids, gallery_ids)


def drawn_results(people: int, seed: int = 0) -> tuple[PerQuery, NDArray[np.int64]]:
    """Made-up results of people with one to four queries each, some people easier than others."""
    rng = np.random.default_rng(seed)
    identities = np.repeat(np.arange(people), rng.integers(1, 5, people))
    ease = rng.random(people)[identities]
    first = np.where(rng.random(len(identities)) < ease, 1, rng.integers(2, 20, len(identities)))
    return PerQuery(first, 1 / first, 0.5 / first), identities


def test_intervals_hold_their_mean_and_shrink_as_people_grow() -> None:
    widths = []
    for people in (50, 800):
        metrics = summarise(*drawn_results(people))
        for estimate in (metrics.rank1, metrics.rank5, metrics.rank10, metrics.mAP, metrics.mINP):
            assert 0 <= estimate.low < estimate.mean < estimate.high <= 100
        widths.append(metrics.rank1.high - metrics.rank1.low)
    assert widths[0] / widths[1] == pytest.approx(4, rel=0.35)  # sixteen times the people: a quarter of the width


def test_bootstrap_agrees_with_drawing_people_one_by_one() -> None:
    per_query, identities = drawn_results(40)
    rng = np.random.default_rng(1)
    queries_of = [np.flatnonzero(identities == person) for person in range(40)]
    means = [100 * per_query.hits_within(1)[np.concatenate([queries_of[p] for p in rng.integers(0, 40, 40)])].mean() for _ in range(4000)]
    low, high = np.percentile(means, [2.5, 97.5])
    estimate = summarise(per_query, identities, resamples=4000).rank1
    assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=1.5)


def test_queries_of_one_person_are_drawn_together() -> None:
    """Ten copies of every query tell nothing new: the interval must not get narrower."""
    per_query, identities = drawn_results(60)
    copied = PerQuery(*(np.tile(column, 10) for column in astuple(per_query)))
    assert summarise(copied, np.tile(identities, 10)).rank1 == summarise(per_query, identities).rank1


def test_same_seed_same_interval() -> None:
    results = drawn_results(30)
    assert summarise(*results, seed=1) == summarise(*results, seed=1)
    assert summarise(*results, seed=1) != summarise(*results, seed=2)


def test_difference_of_equal_results_is_exactly_nothing() -> None:
    per_query, identities = drawn_results(30)
    assert paired_difference(per_query, per_query, identities) == Estimate(0.0, 0.0, 0.0)


def test_difference_is_b_minus_a_and_narrower_than_either() -> None:
    a, identities = drawn_results(300)
    worse = a.first_hit_rank.copy()
    lost = np.flatnonzero(worse == 1)[::20]
    worse[lost] = 2
    b = PerQuery(worse, a.average_precision, a.inverse_negative_penalty)
    change = paired_difference(a, b, identities)
    assert change.mean == pytest.approx(-100 * len(lost) / len(worse))
    assert change.low < change.mean < change.high < 0
    rank1 = summarise(a, identities).rank1
    assert change.high - change.low < (rank1.high - rank1.low) / 2
    back = paired_difference(b, a, identities)
    assert (back.mean, back.low, back.high) == pytest.approx((-change.mean, -change.high, -change.low))


def test_difference_refuses_other_queries() -> None:
    (a, identities), (b, _) = drawn_results(5), drawn_results(6)
    with pytest.raises(ValueError, match="same queries twice"):
        paired_difference(a, b, identities)
    with pytest.raises(ValueError, match="one identity per query"):
        summarise(a, identities[1:])
