"""The gates: what they let pass, and what they refuse."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from passerby.convert.gates import (
    MAX_LOSS,
    MIN_COSINE,
    TIE,
    TOP,
    Verdict,
    _reordered,
    drawn_inputs,
    judge,
    measure_parity,
    queries_needed,
    rank1_change,
    require_parity,
    require_rank1,
)
from passerby.errors import GateRefused
from passerby.measure.evaluation import Evaluation
from passerby.measure.metrics import PROTOCOL, Estimate, PerQuery, summarise
from passerby.measure.split import EmbeddedSplit, Query
from passerby.model.bundle_encoder import BundleEncoder
from passerby.model.encoder import Encoder, unit_vectors
from passerby.model.preprocess import Preprocessing
from passerby.model.selftest import TEXTS
from passerby.types import ModelDigest, Record, Split

PEOPLE = 1000
ASKED = tuple(f"person {n // 2}" for n in range(2 * PEOPLE))
"""Two queries for each person, as in CUHK-PEDES."""


def evaluation(hits: NDArray[np.bool_], identities: tuple[str, ...] = ASKED) -> Evaluation:
    """Of a model that ranks somebody right first where ``hits`` says so, and at the second place elsewhere."""
    rank = np.where(hits, 1, 2)
    per_query = PerQuery(rank, 1 / rank, 1 / rank)
    queries = tuple(Query(Record(Path(f"{n}.png"), f"{n}.png", identity, Split.VAL, ()), "words") for n, identity in enumerate(identities))
    empty = np.empty((0, 4), np.float32)
    split = EmbeddedSplit("counted", Split.VAL, "counted", ModelDigest("0" * 64), (), empty, queries, empty, 0, (), ())
    return Evaluation(split, summarise(per_query, identities), per_query, 1.0)


def half_right() -> NDArray[np.bool_]:
    return np.random.default_rng(0).random(len(ASKED)) < 0.5


def flipped(hits: NDArray[np.bool_], *, lost: int, won: int) -> NDArray[np.bool_]:
    """The same answers but for so many that are now wrong, and so many that are now right."""
    rng = np.random.default_rng(1)
    changed = hits.copy()
    changed[rng.choice(np.flatnonzero(hits), lost, replace=False)] = False
    changed[rng.choice(np.flatnonzero(~hits), won, replace=False)] = True
    return changed


def test_an_identical_model_passes() -> None:
    difference = require_rank1(evaluation(half_right()), evaluation(half_right()))
    assert (difference.mean, difference.low, difference.high) == (0, 0, 0)


def test_a_small_certain_loss_passes() -> None:
    """Two queries of 2,000 lost: -0.1 points, and never -0.5."""
    difference = require_rank1(evaluation(half_right()), evaluation(flipped(half_right(), lost=2, won=0)))
    assert difference.mean == pytest.approx(-0.1)
    assert -MAX_LOSS <= difference.low < difference.mean


def test_a_better_model_passes() -> None:
    assert require_rank1(evaluation(half_right()), evaluation(flipped(half_right(), lost=10, won=60))).low > 0


def test_a_damaged_model_is_refused_with_its_loss() -> None:
    with pytest.raises(GateRefused, match=r"-3\.00 points"):
        require_rank1(evaluation(half_right()), evaluation(flipped(half_right(), lost=60, won=0)))


def test_an_undecided_model_is_refused() -> None:
    """As many won as lost, so the mean is 0; but with 100 changes among 2,000 the interval reaches below -0.5."""
    with pytest.raises(GateRefused, match=r"\+0\.00 points"):
        require_rank1(evaluation(half_right()), evaluation(flipped(half_right(), lost=50, won=50)))


@settings(max_examples=6)
@given(st.integers(0, 60), st.integers(0, 60))
def test_what_passes_has_an_interval_above_the_limit(lost: int, won: int) -> None:
    before, after = evaluation(half_right()), evaluation(flipped(half_right(), lost=lost, won=won))
    try:
        assert require_rank1(before, after).low >= -MAX_LOSS
    except GateRefused:
        assert lost > 0


def test_other_queries_are_refused() -> None:
    hits = half_right()
    with pytest.raises(GateRefused, match="same queries"):
        require_rank1(evaluation(hits), evaluation(hits, ASKED[::-1]))
    with pytest.raises(GateRefused, match="same queries"):
        require_rank1(evaluation(hits), evaluation(hits[:-2], ASKED[:-2]))


# Parity


class Turned:
    """An encoder whose vectors are turned by an angle, or are not numbers."""

    def __init__(self, encoder: Encoder, *, images: float = 0.0, texts: float = 0.0, every: bool = False) -> None:
        self._encoder = encoder
        self._every = every
        self._angles = images, texts
        self.name, self.digest, self.dim = encoder.name, encoder.digest, encoder.dim
        self.preprocessing: Preprocessing = encoder.preprocessing
        self.calibration = encoder.calibration

    def embed_images(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        return turned(self._encoder.embed_images(pixels), self._angles[0], self._every)

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return turned(self._encoder.embed_texts(texts), self._angles[1], self._every)


def turned(vectors: NDArray[np.float32], angle: float, every: bool) -> NDArray[np.float32]:
    """The last vector, or every one, turned by ``angle`` radians towards a random direction at right angles to it."""
    aside = np.random.default_rng(0).normal(size=vectors.shape).astype(np.float32)
    aside = unit_vectors(aside - np.einsum("nd,nd->n", aside, vectors)[:, None] * vectors, vectors.shape)
    moved = (np.cos(angle) * vectors + np.sin(angle) * aside).astype(np.float32)
    return moved if every else np.concatenate([vectors[:-1], moved[-1:]])


def one_turned(encoder: Encoder, tower: str, degrees: float) -> Turned:
    angle = float(np.radians(degrees))
    return Turned(encoder, images=angle) if tower == "images" else Turned(encoder, texts=angle)


def test_equal_encoders_have_parity(tiny_encoder: BundleEncoder) -> None:
    pixels, texts = drawn_inputs(tiny_encoder.preprocessing, 20)
    assert pixels.shape == (20, 3, 32, 16)
    parity = require_parity(tiny_encoder, tiny_encoder, pixels, texts)
    assert parity.images == pytest.approx(1, abs=1e-6)
    assert parity.texts == pytest.approx(1, abs=1e-6)
    assert (parity.inputs, parity.reordered) == (20, 0)


@pytest.mark.parametrize("tower", ["images", "texts"])
def test_one_vector_a_degree_aside_is_refused(tiny_encoder: BundleEncoder, tower: str) -> None:
    """cos 1° is 0.99985; cos 0.5° is 0.99996."""
    pixels, texts = drawn_inputs(tiny_encoder.preprocessing, 3)
    little, much = (one_turned(tiny_encoder, tower, degrees) for degrees in (0.5, 1))
    assert getattr(measure_parity(tiny_encoder, little, pixels, texts), tower) > MIN_COSINE
    with pytest.raises(GateRefused, match=r"0\.99984"):
        require_parity(tiny_encoder, much, pixels, texts)


@pytest.mark.parametrize("tower", ["images", "texts"])
def test_what_is_not_a_number_is_refused(tiny_encoder: BundleEncoder, tower: str) -> None:
    pixels, texts = drawn_inputs(tiny_encoder.preprocessing, 3)
    with pytest.raises(GateRefused, match="nan"):
        require_parity(tiny_encoder, one_turned(tiny_encoder, tower, np.nan), pixels, texts)


def alike(before: list[float], after: list[float]) -> bool:
    """The slow and obvious form: place by place, the picture found scores as the one that should be there, up to a tie."""
    order = [sorted(range(len(before)), key=lambda i, s=scores: (-s[i], i))[:TOP] for scores in (before, after)]  # type: ignore[misc]
    return all(abs(before[a] - before[b]) <= TIE for a, b in zip(*order, strict=True))


@given(st.lists(st.integers(0, 12), min_size=1, max_size=14), st.integers(0, 2**32 - 1))
def test_other_answers_are_counted_but_for_ties(base: list[int], seed: int) -> None:
    """Scores a third of a tie apart: some exchanges are ties, others are not."""
    before = np.array(base, np.float32) * np.float32(TIE / 3)
    after = before + np.random.default_rng(seed).integers(-4, 5, len(base)).astype(np.float32) * np.float32(TIE / 3)
    expected = not alike(before.tolist(), after.tolist())
    assert _reordered(before[None], after[None]) == expected


def test_the_same_cosines_with_other_answers_are_refused(tiny_encoder: BundleEncoder) -> None:
    """Pictures so much alike that turning all by half a degree exchanges them."""
    rng = np.random.default_rng(0)
    p = tiny_encoder.preprocessing
    pixels = (rng.normal(size=(1, 3, p.height, p.width)) + 2e-2 * rng.normal(size=(30, 3, p.height, p.width))).astype(np.float32)
    turned_all = Turned(tiny_encoder, images=np.radians(0.5), every=True)
    assert measure_parity(tiny_encoder, turned_all, pixels, TEXTS).images > MIN_COSINE
    with pytest.raises(GateRefused, match="captions with other pictures"):
        require_parity(tiny_encoder, turned_all, pixels, TEXTS)


# How many queries


def test_the_verdict_and_the_queries_that_would_decide_it() -> None:
    assert judge(Estimate(0.0, -0.5, 0.5)) is Verdict.KEPT
    assert judge(Estimate(-0.2, -0.8, 0.4)) is Verdict.UNDECIDED
    assert judge(Estimate(-2.0, -3.0, -0.6)) is Verdict.FELL
    assert queries_needed(Estimate(-0.25, -0.75, 0.25), 1000) == 4000, "half a point down must become a quarter"
    assert queries_needed(Estimate(-0.5, -0.8, 0.4), 1000) is None


def test_so_many_queries_decide_indeed() -> None:
    """With as many queries as are asked for, answered as these 2,000 were, the interval ends at the limit."""
    before, after = half_right(), flipped(half_right(), lost=50, won=50)
    with pytest.raises(GateRefused, match=r"about \d+ queries") as refused:
        require_rank1(evaluation(before), evaluation(after))
    times = -(-int(re.search(r"about (\d+)", str(refused.value))[1]) // len(ASKED))  # type: ignore[index]
    people = tuple(f"{copy} {name}" for copy in range(times) for name in ASKED)
    difference = rank1_change(evaluation(np.tile(before, times), people), evaluation(np.tile(after, times), people))
    assert difference.low == pytest.approx(-MAX_LOSS, abs=0.2)


def test_an_evaluation_is_what_the_report_says() -> None:
    """The evaluations above are counted as real ones are."""
    hits = half_right()
    report = evaluation(hits).to_json()
    assert report["rank1"] == pytest.approx(100 * hits.mean())
    assert report["protocol"] == PROTOCOL
