"""How much what is worn counts: the fit against slow references, its laws, and a whole model calibrated with it."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dressed import NAMES, dressed_people, write_dressed_bundle
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from passerby.errors import InputError
from passerby.find.query import directions, queries, weights
from passerby.find.question import Question
from passerby.find.weights import DENIED, column_kinds, shares, worn_weights
from passerby.index.score import Weights, weighted_scores
from passerby.measure.calibration import Calibrated, calibrate, fit_and_check
from passerby.measure.evaluation import evaluate
from passerby.measure.fusion import Fusing, fit_conditional, fit_fusion
from passerby.measure.metrics import rank_queries
from passerby.measure.split import embed_split
from passerby.measure.wording import measure_wording
from passerby.model.bundle import read_bundle, write_calibrated
from passerby.model.bundle_encoder import BundleEncoder
from passerby.model.worn import NATS, worn_bytes
from passerby.types import Dataset
from passerby.words.attributes import KINDS, asked, kind_of
from passerby.words.attributes import NAMES as ALL_NAMES
from passerby.words.filters import read_filters
from passerby.words.lexicon import Part
from passerby.words.parser import parse

Float64 = NDArray[np.float64]


def test_every_attribute_is_of_one_kind() -> None:
    assert {kind_of(name) for name in ALL_NAMES} == set(KINDS)
    some = ("upper:red", "lower:striped", "sleeves:short", "lower:long", "upper:jacket", "feet:red", "head:hat", "carried:bag", "hair:red")
    assert [kind_of(name) for name in some] == ["colour", "look", "look", "look", "garment", "feet", "head", "carried", "person"]


def test_alternatives_share_and_what_is_denied_weighs_the_other_bytes() -> None:
    names = ("upper:red", "upper:blue", "head:hat", "upper:jacket")
    asks = shares(asked(parse("a red or blue jacket, no hat"), (), names), names)
    assert asks.tolist() == [0.5, 0.5, 0, 1, 0, 0, 1, 0]
    found = worn_weights(asks, names, {"colour": 0.04, DENIED: 0.08})
    assert found == pytest.approx(NATS * np.array([0.02, 0.02, 0, 0, 0, 0, 0.08, 0]))
    assert column_kinds(names)[4:] == (DENIED,) * 4


@settings(max_examples=40)
@given(
    log_odds=st.lists(st.floats(-20, 20), min_size=2, max_size=2),
    more=st.floats(0, 5),
    weight=st.floats(0, 0.1),
    text=st.sampled_from(["a red jacket", "a red hat or a cap", "no red jacket", "a jacket, no hat"]),
)
def test_whoever_has_more_of_what_is_asked_never_scores_less(log_odds: list[float], more: float, weight: float, text: str) -> None:
    names = ("upper:red", "head:hat")
    asks = shares(asked(parse(text), (), names), names)
    worn = worn_weights(asks, names, dict.fromkeys(column_kinds(names), weight))
    sign = np.where(asks[2:] > 0, -1, 1)
    pair = worn_bytes(np.array([log_odds, log_odds + more * sign], np.float32))
    less, better = -pair.astype(np.float64) @ worn
    assert better >= less - 1e-12
    assert np.all(worn >= 0)


def slow_fit(features: Float64, right: NDArray[np.bool_], penalty: Float64) -> Float64:
    """Projected gradient descent, by many small steps, on the loss that the module tells."""
    wanted = right / right.sum(axis=1, keepdims=True)
    found = np.zeros(len(features))
    for _ in range(12_000):
        log_odds = np.tensordot(found, features, 1)
        chosen = np.exp(log_odds - log_odds.max(axis=1, keepdims=True))
        chosen /= chosen.sum(axis=1, keepdims=True)
        gradient = np.einsum("mqg,qg->m", features, chosen - wanted) + penalty @ found
        found = np.maximum(found - 0.1 * gradient / len(right), 0)
    return found


@pytest.mark.parametrize("seed", range(2))
def test_the_fit_is_that_of_a_slow_descent_and_not_negative(seed: int) -> None:
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(3, 30, 8))
    features[2] *= -1 if seed % 2 else 1
    log_odds = np.tensordot([1.5, 0.7, 0.5 if seed % 2 == 0 else -0.8], features, 1) + generator.gumbel(size=(30, 8))
    right = (log_odds == log_odds.max(axis=1, keepdims=True)) | (generator.random((30, 8)) < 0.05)
    spread = ((features - features.mean(axis=2, keepdims=True)) ** 2).mean(axis=2).sum(axis=1)
    penalty = 1e-3 * np.diag(spread)
    penalty[1:, 1:] += (np.eye(2) - 0.5) / 0.05**2
    found = fit_conditional(lambda: [(features[:, :11], right[:11]), (features[:, 11:], right[11:])], 3)
    assert found == pytest.approx(slow_fit(features, right, penalty), abs=1e-3)
    assert np.all(found >= 0)


def world(people: int = 60, *, telling: bool) -> tuple[NDArray[np.float32], list[str], NDArray[np.float32], list[str], Fusing]:
    """Captions ask for the colour of two garments; log-odds tell it, or are noise."""
    generator = np.random.default_rng(1)
    centres, colours = generator.normal(size=(people, 8)), generator.integers(0, 2, (people, 2))
    who = np.repeat(np.arange(people), 2)
    texts, images = (
        rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (centres[who] + 1.2 * generator.normal(size=(2, len(who), 8)))
    )
    asks, truth = np.zeros((len(who), 8)), np.zeros((len(who), 4))
    for row, person in enumerate(who):
        for half in range(2):
            asks[row, 2 * half + colours[person, half]] = truth[row, 2 * half + colours[person, half]] = 1
    log_odds = (4 * truth - 2 if telling else 0) + generator.normal(size=truth.shape)
    identities = [f"p{person}" for person in who]
    fusing = Fusing(NAMES, asks, worn_bytes(log_odds.astype(np.float32)))
    return texts.astype(np.float32), identities, images.astype(np.float32), identities, fusing


def test_what_tells_weighs_and_what_does_not_weighs_next_to_nothing() -> None:
    told, noise = (fit_fusion(*world(200, telling=telling))["colour"] for telling in (True, False))
    assert told > 0.05
    assert 0 <= noise < told / 10
    texts, who, images, shown, fusing = world(telling=True)
    calibration, check = fit_and_check(texts, who, images, shown, fusing=fusing)
    _, alone = fit_and_check(texts, who, images, shown)
    assert set(calibration.fusion) == {"colour"}
    assert check.overall.right > alone.overall.right + 0.05
    assert check.overall.brier_skill > alone.overall.brier_skill


def test_pictures_that_are_all_alike_weigh_nothing() -> None:
    texts, who, images, shown, fusing = world(telling=True)
    assert fit_fusion(texts, who, images, shown, fusing._replace(worn=np.zeros_like(fusing.worn))) == {"colour": 0.0}


def test_nobody_of_the_checked_half_moves_the_weights() -> None:
    texts, who, images, shown, fusing = world(telling=True)
    before, _ = fit_and_check(texts, who, images, shown, fusing=fusing)
    moved = 0
    for person in sorted(set(who))[:20]:
        worn = fusing.worn.copy()
        worn[np.array(shown) == person] = 0
        after, _ = fit_and_check(texts, who, images, shown, fusing=fusing._replace(worn=worn))
        moved += after.fusion != before.fusion
    assert 0 < moved < 20


def test_a_question_scores_as_a_slow_sum_and_its_vectors_alone_as_ever(dressed: BundleEncoder, people: Dataset) -> None:
    split = embed_split(dressed, people)
    (question,) = weights(dressed, ["a man in a red jacket, no blue pants"])
    (score,) = weighted_scores([question], split.images, split.stored)
    assert dressed.calibration is not None
    fusion, nats = dressed.calibration.fusion, NATS * split.stored.astype(np.float64)
    slow = split.images.astype(np.float64) @ question.vector
    slow -= fusion["colour"] * nats[:, NAMES.index("upper:red")] + fusion["denied"] * nats[:, 4 + NAMES.index("lower:blue")]
    assert score == pytest.approx(slow, abs=1e-9)
    alone = rank_queries(split.texts, split.images, split.asked, [record.identity for record in split.gallery])
    assert np.array_equal(split.rank().first_hit_rank, alone.first_hit_rank)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return dressed_people(tmp_path_factory.mktemp("people"))


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> BundleEncoder:
    return BundleEncoder(write_dressed_bundle(tmp_path_factory.mktemp("bare") / "bundle"), threads=1)


@pytest.fixture(scope="module")
def calibrated(bare: BundleEncoder, people: Dataset) -> Calibrated:
    return calibrate(bare, people)


@pytest.fixture(scope="module")
def dressed(calibrated: Calibrated, tmp_path_factory: pytest.TempPathFactory) -> BundleEncoder:
    folder = tmp_path_factory.mktemp("dressed")
    found = replace(calibrated.calibration, fusion={"colour": 0.05, "denied": 0.02})
    written = write_calibrated(write_dressed_bundle(folder / "bare"), found, folder / "calibrated")
    assert read_bundle(written.folder).calibration == found
    return BundleEncoder(written, threads=1)


def test_words_pictures_and_filters_ask_what_is_worn(dressed: BundleEncoder, people: Dataset) -> None:
    picture, red = people.records[0].path, read_filters({Part.UPPER: ["red"]})
    questions = [Question("a red jacket"), Question(filters=red), Question(like=picture), Question("a red jacket", like=picture)]
    words, filtered, like, both = queries(dressed, questions)
    assert words.weights.worn.tolist() == filtered.weights.worn.tolist() == both.weights.worn.tolist()
    assert words.weights.worn.nonzero()[0].tolist() == [NAMES.index("upper:red")]
    assert not like.weights.worn.any()
    (measured,) = weights(dressed, ["a red jacket"])
    assert np.array_equal(measured.worn, words.weights.worn)
    assert np.array_equal(measured.vector, directions(dressed, ["a red jacket"])[0])


@pytest.mark.parametrize("worn", [[0.1], np.array([-0.1]), np.array([np.nan]), np.zeros((1, 8)), np.zeros(8, np.float32)])
def test_a_query_refuses_weights_that_would_turn_the_ranking(dressed: BundleEncoder, worn: Any) -> None:
    (query,) = queries(dressed, [Question("a red jacket")])
    with pytest.raises(InputError, match="weights of what is worn"):
        replace(query, worn=worn)


def test_a_model_without_fusion_asks_with_vectors_alone(bare: BundleEncoder, tiny_encoder: BundleEncoder) -> None:
    for encoder in (bare, tiny_encoder):
        (query,), (measured,) = queries(encoder, [Question("a red jacket")]), weights(encoder, ["a red jacket"])
        assert query.weights.worn.shape == measured.worn.shape == (0,)


def test_calibrating_says_what_what_is_worn_brings(calibrated: Calibrated) -> None:
    check = calibrated.check
    assert [one.wording for one in check.brought] == ["sentences", "keywords"]
    assert check.brought[0].gain.mean == pytest.approx(check.brought[0].fused.rank1.mean - check.brought[0].alone.rank1.mean)
    assert check.brought[0].fused.mAP.mean > check.brought[0].alone.mAP.mean
    assert set(calibrated.calibration.report) > {"alone", "fusion"}
    assert set(calibrated.calibration.wears) == set(NAMES)


def test_evaluations_say_which_part_it_brings(dressed: BundleEncoder, bare: BundleEncoder, people: Dataset) -> None:
    found, plain = evaluate(dressed, people), evaluate(bare, people)
    assert found.as_asked is not None and found.as_asked.by_worn is not None and plain.as_asked is not None
    assert found.metrics == plain.metrics
    assert found.as_asked.by_worn.mean == pytest.approx(found.as_asked.metrics.rank1.mean - plain.as_asked.metrics.rank1.mean)
    assert "gain_by_worn" in found.to_json()["as_asked"]
    assert "gain_by_worn" not in plain.to_json()["as_asked"]
    captions, *_ = measure_wording(dressed, people).wordings
    assert captions.asked == found.as_asked.metrics


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_scores_of_a_question_are_the_same_beside_others(seed: int) -> None:
    generator = np.random.default_rng(seed)
    texts, _who, images, _shown, fusing = world(4, telling=True)
    worn = worn_weights(fusing.asked, NAMES, {"colour": float(generator.random())})
    questions = [Weights(*both) for both in zip(texts, worn, strict=True)]
    together = weighted_scores(questions, images, fusing.worn)
    assert all(np.array_equal(together[n], weighted_scores([q], images, fusing.worn)[0]) for n, q in enumerate(questions))


def test_the_folder_of_people_is_a_dataset(people: Dataset) -> None:
    rows = list(csv.reader((people.records[0].path.parent / "people.csv").read_text().splitlines()))
    assert len(rows) == 1 + len(people.records)
    assert Path(rows[1][0]).name == people.records[0].name
