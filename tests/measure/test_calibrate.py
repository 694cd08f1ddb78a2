"""Fitting a calibration: its parts beside slow references, the whole on people of whom everything is known."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from crops import random_vectors, unit, write_crop
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from passerby.errors import DatasetError, ModelError
from passerby.measure.calibration import (
    GALLERIES,
    HITS,
    Answers,
    Half,
    ask_galleries,
    calibrate,
    draw_galleries,
    fit,
    fit_and_check,
    fit_logistic,
)
from passerby.model.bundle_encoder import BundleEncoder
from passerby.model.calibration import Crowd
from passerby.types import Caption, Dataset, Origin, Record, Split

Floats = NDArray[np.float32]
World = tuple[Floats, list[str], Floats, list[str]]


def world(people: int, noise: float = 0.8, seed: int = 0, dim: int = 32) -> World:
    """Texts and pictures around their people: two texts and one to four pictures each."""
    generator = np.random.default_rng(seed)
    centres = generator.normal(size=(people, dim))
    described = np.repeat(np.arange(people), 2)
    shown = np.repeat(np.arange(people), generator.integers(1, 5, people))
    texts, images = (unit(centres[who] + noise * generator.normal(size=(len(who), dim))) for who in (described, shown))
    return texts, [f"p{who}" for who in described], images, [f"p{who}" for who in shown]


class TestFitLogistic:
    @given(seed=st.integers(0, 2**32 - 1), spread=st.sampled_from([0.0, 1.0, 30.0]), scale=st.sampled_from([1e-3, 1.0, 1e3]))
    def test_ends_where_the_penalised_likelihood_is_flat(self, seed: int, spread: float, scale: float) -> None:
        """Also where a feature parts right from wrong without error, and whatever the features' units."""
        generator = np.random.default_rng(seed)
        features = generator.normal(2, 1, (60, 2)) * [scale, 1]
        outcome = generator.random(60) < 1 / (1 + np.exp(-spread * (features[:, 0] / scale - 2)))
        outcome[:2] = True, False
        intercept, *weights = fit_logistic(features, outcome)
        error = 1 / (1 + np.exp(-np.clip(intercept + features @ weights, -700, 700))) - outcome
        standard = (features - features.mean(axis=0)) / features.std(axis=0)
        penalty = 1e-3 * 60 * np.array(weights) * features.std(axis=0)
        assert error.sum() == pytest.approx(0, abs=1e-6)
        np.testing.assert_allclose(standard.T @ error + penalty, 0, atol=1e-6)

    def test_finds_the_odds_that_made_the_outcomes(self) -> None:
        generator = np.random.default_rng(0)
        features = generator.normal(size=(20_000, 2))
        outcome = generator.random(20_000) < 1 / (1 + np.exp(1 - features @ [2, -0.5]))
        np.testing.assert_allclose(fit_logistic(features, outcome), [-1, 2, -0.5], atol=0.1)

    def test_a_feature_that_never_changes_weighs_nothing(self) -> None:
        features = np.column_stack([np.arange(10.0), np.full(10, 7.0)])
        assert fit_logistic(features, np.arange(10) > 4)[2] == 0


class TestGalleries:
    @given(seed=st.integers(0, 2**32 - 1), size=st.integers(1, 40), present=st.booleans())
    def test_people_come_whole_until_there_are_enough(self, seed: int, size: int, present: bool) -> None:
        generator = np.random.default_rng(seed)
        pictures, asked, order = generator.integers(1, 5, 9), generator.integers(0, 9, 4), generator.random((4, 9))
        for row, who in enumerate(draw_galleries(pictures, asked, size, order, present)):
            others = [person for person in np.argsort(order[row]) if person != asked[row]]
            queue = [int(asked[row]), *others] if present else others
            expected, count = set(), 0
            while queue and count < size:
                expected.add(int(queue.pop(0)))
                count = sum(pictures[list(expected)])
            assert set(np.flatnonzero(who).tolist()) == expected

    def test_answers_are_the_best_hits_of_their_galleries(self) -> None:
        """Everybody's gallery needs no chance, so a slow search gives the same."""
        texts, asked, images, shown = world(12)
        half = Half(texts.astype(float), codes(asked), images.astype(float), codes(shown))
        ((size, answers),) = ask_galleries(half, np.random.default_rng(0))
        assert size == len(shown)
        row = 0
        for present in (True, False):
            for text, person in zip(half.texts, half.asked, strict=True):
                gallery = [(float(text @ image), who == person) for image, who in zip(half.images, half.shown, strict=True)]
                inside = [(score, right) for score, right in gallery if present or not right]
                best = sorted(inside, key=lambda hit: -hit[0])[:HITS]
                np.testing.assert_allclose(answers.scores[row], [score for score, _ in best])
                assert answers.right[row].tolist() == [right for _, right in best]
                scores = [score for score, _ in inside]
                assert [part[row, 0] for part in answers.crowd] == pytest.approx([len(scores), np.mean(scores), np.std(scores)])
                assert answers.present[row] == present
                row += 1
        assert row == len(answers.present)

    def test_of_scores_that_float32_cannot_tell_apart_the_wrong_one_comes_first(self) -> None:
        """As the metrics have it: a model whose vectors have collapsed answers wrongly, not by luck."""
        texts, images = np.eye(3)[:1], np.array([[0.6 + 1e-8, 0.8, 0.0], [0.6, 0.0, 0.8]])
        ((_, answers),) = ask_galleries(Half(texts, np.array([0]), images, np.array([0, 1])), np.random.default_rng(0))
        assert answers.right[0, :2].tolist() == [False, True]

    def test_small_galleries_have_short_lists(self) -> None:
        texts, asked, images, shown = world(3)
        half = Half(texts.astype(float), codes(asked), images.astype(float), codes(shown))
        ((_, answers),) = ask_galleries(half, np.random.default_rng(0))
        assert np.isfinite(answers.scores).sum(axis=1).tolist() == answers.crowd.size[:, 0].tolist()
        assert not answers.right[~np.isfinite(answers.scores)].any()


def codes(identities: list[str]) -> NDArray[np.int64]:
    return np.array([int(identity[1:]) for identity in identities])


class TestFit:
    def test_a_model_that_finds_nobody_is_refused(self) -> None:
        with pytest.raises(ModelError, match="train it further"):
            fit(answers(np.linspace(0.1, 0.9, 10), np.zeros(10, np.bool_)))

    def test_a_better_score_is_never_less_probable(self) -> None:
        """Even where the best scores are the wrong ones."""
        found = fit(answers(np.linspace(0.1, 0.9, 40), np.arange(40) < 15))
        assert (found.similarity, found.margin) == (0, 0)
        (probability,) = found.probability(np.array([0.5]), Crowd.of(np.zeros(5)))
        assert probability == pytest.approx(15 / 40, abs=1e-3)


def answers(scores: NDArray[np.float64], right: NDArray[np.bool_]) -> Answers:
    """Of lists of one hit, from equal galleries of five."""
    crowd = Crowd(*(np.full((len(scores), 1), value) for value in (5.0, 0.0, 0.2)))
    return Answers(scores[:, None], right[:, None], crowd, np.ones(len(scores), np.bool_))


class TestFitAndCheck:
    def test_probabilities_come_true_for_other_people(self) -> None:
        """A calibration of one world holds for a second one, in a gallery of a size that it has not seen."""
        calibration, check = fit_and_check(*world(240))
        assert check.overall.ece < 0.05
        assert check.overall.brier_skill > 0.3
        assert check.overall.auroc > 0.85
        assert calibration.log_size < 0
        assert calibration.report == check.to_json()

        texts, asked, images, shown = world(40, seed=1)
        same = codes(asked)[:, None] == codes(shown)
        scores = np.tile(texts.astype(float) @ images.astype(float).T, (2, 1))
        members = np.concatenate([np.ones_like(same), ~same])
        inside = np.where(members, scores, -1)
        (probability,) = calibration.probability(inside.max(axis=1, keepdims=True), Crowd.of(scores, members)).T
        right = np.tile(same, (2, 1))[np.arange(len(inside)), inside.argmax(axis=1)]
        assert probability.mean() == pytest.approx(right.mean(), abs=0.1)
        assert probability[right].mean() > probability[~right].mean() + 0.2

    def test_every_caption_is_asked_with_and_without_its_person_in_each_gallery(self) -> None:
        _, check = fit_and_check(*world(240))
        assert (check.fitted, check.checked, check.queries) == (120, 120, 240)
        assert next(iter(check.galleries)) == GALLERIES[0]
        assert len(check.galleries) == 2
        assert {found.answers for found in check.galleries.values()} == {2 * check.queries}
        assert check.overall.answers == 4 * check.queries
        smaller, larger = check.galleries.values()
        assert 0.5 >= smaller.right > larger.right

    def test_the_halves_share_nobody(self) -> None:
        """Other pictures of one person change either the weights or, with the weights as they were, the check."""
        texts, asked, images, shown = world(40, noise=1.0)
        before, _ = fit_and_check(texts, asked, images, shown)
        fitted = checked = 0
        for person in sorted(set(asked)):
            other = images.copy()
            mine = [i for i, who in enumerate(shown) if who == person]
            other[mine] = random_vectors(len(mine), images.shape[1], seed=9)
            after, _ = fit_and_check(texts, asked, other, shown)
            fitted += replace(after, report={}) != replace(before, report={})
            checked += replace(after, report={}) == replace(before, report={}) and after.report != before.report
        assert (fitted, checked) == (20, 20)

    def test_the_same_seed_gives_the_same(self) -> None:
        vectors = world(40)
        assert fit_and_check(*vectors)[0] == fit_and_check(*vectors)[0]
        assert fit_and_check(*vectors)[0] != fit_and_check(*vectors, seed=1)[0]


@pytest.fixture
def painted(tmp_path: Path) -> Dataset:
    """Two pictures of each of twelve people, with a caption of their own and a machine's."""
    records = []
    for number in range(24):
        path = write_crop(tmp_path / f"{number}.png", number)
        captions = (Caption(f"a {'man' if number % 3 else 'woman'} in a {COLOURS[number % 5]} jacket"), Caption("a person", Origin.DENSE))
        records.append(Record(path, path.name, f"p{number // 2}", Split.VAL, captions))
    return Dataset("painted", tuple(records))


COLOURS = ("red", "black", "brown", "white", "yellow")


class TestCalibrate:
    def test_a_bad_picture_is_named_and_the_others_are_asked(self, tiny_encoder: BundleEncoder, painted: Dataset) -> None:
        painted.records[5].path.write_bytes(b"bad")
        calls: list[tuple[int, int]] = []
        found = calibrate(tiny_encoder, painted, on_progress=lambda done, total: calls.append((done, total)))
        assert [failure.path for failure in found.failures] == [painted.records[5].path]
        assert calls == [(done, 24) for done in range(1, 25)]
        assert (found.check.fitted, found.check.checked, found.check.queries) == (6, 6, 12)
        assert math.isfinite(found.calibration.intercept)

    def test_too_few_people(self, tiny_encoder: BundleEncoder, painted: Dataset) -> None:
        with pytest.raises(DatasetError, match="at least 4 people"):
            calibrate(tiny_encoder, Dataset("few", painted.records[:6]))
        with pytest.raises(DatasetError, match="no records"):
            calibrate(tiny_encoder, Dataset("none", ()))
