"""The gates: what they let pass, and what they refuse."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from passerby.deploy.gates import MAX_LOSS, require_parity, require_rank1
from passerby.errors import GateRefused
from passerby.measure.evaluate import Evaluation
from passerby.measure.metrics import PROTOCOL, PerQuery, summarise
from passerby.measure.split import EmbeddedSplit, Query
from passerby.model.encoder import Encoder, unit_vectors
from passerby.model.onnx import OnnxEncoder
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

    def __init__(self, encoder: Encoder, *, images: float = 0.0, texts: float = 0.0) -> None:
        self._encoder = encoder
        self._angles = images, texts
        self.name, self.digest, self.dim = encoder.name, encoder.digest, encoder.dim
        self.preprocessing: Preprocessing = encoder.preprocessing
        self.calibration = encoder.calibration

    def embed_images(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        return turned(self._encoder.embed_images(pixels), self._angles[0])

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return turned(self._encoder.embed_texts(texts), self._angles[1])


def turned(vectors: NDArray[np.float32], angle: float) -> NDArray[np.float32]:
    """The last vector turned by ``angle`` radians towards a direction at right angles to it."""
    last = vectors[-1]
    aside = np.random.default_rng(0).normal(size=last.shape).astype(np.float32)
    aside = unit_vectors((aside - (aside @ last) * last)[None], (1, len(last)))[0]
    return np.concatenate([vectors[:-1], (np.cos(angle) * last + np.sin(angle) * aside)[None]]).astype(np.float32)


def pixels(p: Preprocessing) -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=(3, 3, p.height, p.width)).astype(np.float32)


def test_equal_encoders_have_parity(tiny_encoder: OnnxEncoder) -> None:
    parity = require_parity(tiny_encoder, tiny_encoder, pixels(tiny_encoder.preprocessing), TEXTS)
    assert parity.images == pytest.approx(1, abs=1e-6)
    assert parity.texts == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("tower", ["images", "texts"])
def test_one_vector_a_degree_aside_is_refused(tiny_encoder: OnnxEncoder, tower: str) -> None:
    """cos 1° is 0.99985; cos 0.5° is 0.99996."""
    seen = pixels(tiny_encoder.preprocessing)
    require_parity(tiny_encoder, Turned(tiny_encoder, **{tower: np.radians(0.5)}), seen, TEXTS)
    with pytest.raises(GateRefused, match=r"0\.99984"):
        require_parity(tiny_encoder, Turned(tiny_encoder, **{tower: np.radians(1)}), seen, TEXTS)


@pytest.mark.parametrize("tower", ["images", "texts"])
def test_what_is_not_a_number_is_refused(tiny_encoder: OnnxEncoder, tower: str) -> None:
    with pytest.raises(GateRefused, match="nan"):
        require_parity(tiny_encoder, Turned(tiny_encoder, **{tower: np.nan}), pixels(tiny_encoder.preprocessing), TEXTS)


def test_an_evaluation_is_what_the_report_says() -> None:
    """The evaluations above are counted as real ones are."""
    hits = half_right()
    report = evaluation(hits).to_json()
    assert report["rank1"] == pytest.approx(100 * hits.mean())
    assert report["protocol"] == PROTOCOL
