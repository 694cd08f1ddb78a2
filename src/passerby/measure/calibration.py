"""Fits a model's calibration on one half of a split's people and checks it on the other.

Every caption is asked twice of each size of gallery: once of a gallery that holds the person it describes, once of one that
does not. A search that may answer "no one here matches" is open-set identification (Grother and Phillips, "Models of Large
Population Recognition Performance", CVPR 2004).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from passerby.errors import DatasetError, ModelError
from passerby.find.query import directions
from passerby.find.weights import worn_weights
from passerby.index.score import Weights, weighted_scores
from passerby.measure.fusion import PROTOCOL as FUSION_PROTOCOL
from passerby.measure.fusion import Brought, Fusing, fit_fusion, what_it_brings
from passerby.measure.metrics import TIE_DECIMALS, Labels
from passerby.measure.reliability import Reliability, calibration_error, measure_reliability, reliability_bins
from passerby.measure.split import FEWEST, EmbeddedSplit, embed_split
from passerby.measure.wears import WornCheck, fit_wears, said_in, stored_log_odds, ticked_in
from passerby.model.calibration import Calibration, Crowd, evidence
from passerby.model.encoder import Encoder, attributes_of
from passerby.progress import Progress
from passerby.types import Dataset, Failure, Problem

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Bools = NDArray[np.bool_]

GALLERIES: Final = (100, 1000)
"""Pictures in the galleries that are asked, beside one of everybody."""

HITS: Final = 10
"""Hits of a list that are looked at."""

PROTOCOL: Final = (
    "The people are parted at random into two halves. Each own caption of a half is asked of random galleries of whole people of that "
    "half, of each size once with and once without the person it describes; its answer is the best hit, right when it shows that person. "
    "The weights are fitted on the answers of one half, and every figure here is of the other. "
    "A false alarm is an answer given although the person is absent. Figures are fractions of 1."
)
AS_ASKED: Final = " Captions are asked as search asks them, what people wear included."

_RIDGE: Final = 1e-3
_CHUNK: Final = 256


class Half(NamedTuple):
    """Some of the people: their captions and their pictures.

    Args:
        texts: float (q, d), of length 1.
        asked: int64 (q,), the person of each text, from 0.
        images: float (g, d), of length 1.
        shown: int64 (g,), the person of each picture.
        fusing: what the texts ask of what is worn in the pictures; ``None`` where vectors are all there is.
        fusion: how much that counts, by kind.
    """

    texts: NDArray[np.floating]
    asked: Int64
    images: NDArray[np.floating]
    shown: Int64
    fusing: Fusing | None = None
    fusion: Mapping[str, float] = {}

    def scores(self, some: slice) -> Float64:
        """Of some of the texts, of all pictures: float64 (n, g)."""
        if self.fusing is None:
            return weighted_scores([Weights(text) for text in self.texts[some]], self.images, np.empty((len(self.images), 0), np.uint8))
        worn = worn_weights(self.fusing.asked[some], self.fusing.names, self.fusion)
        return weighted_scores([Weights(*both) for both in zip(self.texts[some], worn, strict=True)], self.images, self.fusing.worn)


class Answers(NamedTuple):
    """The hits of n questions, best first.

    Args:
        scores: float64 (n, HITS), falling; minus infinity beyond the end of a small gallery.
        right: bool (n, HITS), whether a hit shows the person who was described.
        crowd: each question's scores over its whole gallery.
        present: bool (n,), whether the gallery holds the person.
    """

    scores: Float64
    right: Bools
    crowd: Crowd
    present: Bools


@dataclass(frozen=True, slots=True)
class Check:
    """What a calibration is worth for people it was not fitted on.

    Args:
        fitted, checked: identities of the two halves.
        queries: captions of the checked half.
        overall: of the answers of all galleries together.
        galleries: of each gallery's, by its pictures.
        list_ece: expected calibration error of the first ``HITS`` hits instead of the best.
        alone: as ``overall``, of a calibration of vectors alone; ``None`` of models that say nothing of what is worn.
        brought: what fusion brings, by wording, for everybody by weights fitted on others.
    """

    fitted: int
    checked: int
    queries: int
    overall: Reliability
    galleries: dict[int, Reliability]
    list_ece: float
    alone: Reliability | None = None
    brought: tuple[Brought, ...] = ()

    @property
    def caution(self) -> str | None:
        """What to bear in mind where so few were asked for; ``None`` where it were enough."""
        if min(self.fitted, self.checked) >= FEWEST:
            return None
        return f"fitted on {self.fitted} people and checked on {self.checked}: too few for probabilities that come true of others"

    def to_json(self) -> dict[str, Any]:
        """Ready for ``json.dumps``."""
        return {
            "protocol": PROTOCOL + (AS_ASKED if self.alone else ""),
            "identities_fitted": self.fitted,
            "identities_checked": self.checked,
            "queries": self.queries,
            **self.overall.to_json(),
            "list_ece": round(self.list_ece, 4),
            "galleries": {str(size): reliability.to_json() for size, reliability in self.galleries.items()},
            **({"alone": {key: self.alone.to_json()[key] for key in ("ece", "brier_skill", "auroc")}} if self.alone else {}),
            **({"fusion": {one.wording: one.to_json() for one in self.brought} | {"protocol": FUSION_PROTOCOL}} if self.brought else {}),
        }


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A calibration, its check, the pictures that could not be read, and what was wrong with the dataset's records.

    Args:
        wears: the check of each attribute.
    """

    calibration: Calibration
    check: Check
    failures: tuple[Failure, ...]
    problems: tuple[Problem, ...]
    wears: tuple[WornCheck, ...] = ()


def calibrate(
    encoder: Encoder,
    dataset: Dataset,
    *,
    annotations: Mapping[str, Mapping[str, bool]] | None = None,
    on_progress: Progress | None = None,
) -> Calibrated:
    """Fits and checks the calibration of a model on pictures with captions of their own, which it was not trained on.

    Of a model that says what is worn, also how much that counts beside the vectors, and how likely each attribute is worn.

    Args:
        annotations: what people wear by the pictures' names, as :func:`passerby.data.annotations.read_annotations` gives it.
        on_progress: told how many pictures are read, and of how many.

    Raises:
        DatasetError: too few people to part.
        ModelError: a tower that cannot be trusted, or a model that finds nobody.
    """
    split = embed_split(encoder, dataset, on_progress=on_progress)
    if split.people < 4:
        raise DatasetError(
            expected=f"at least 4 people with pictures and captions in {dataset.name}", found=str(split.people), do="name a larger dataset"
        )
    shown = [record.identity for record in split.gallery]
    if names := attributes_of(encoder):
        return _calibrate_fused(encoder, split, names, shown, annotations or {})
    calibration, check = fit_and_check(split.texts, split.asked, split.images, shown)
    return Calibrated(calibration, check, split.failures, split.problems)


def _calibrate_fused(
    encoder: Encoder, split: EmbeddedSplit, names: tuple[str, ...], shown: list[str], annotations: Mapping[str, Mapping[str, bool]]
) -> Calibrated:
    texts, fusing = directions(encoder, [query.text for query in split.queries]), Fusing.of(split, names)
    calibration, check = fit_and_check(texts, split.asked, split.images, shown, fusing=fusing)
    _, alone = fit_and_check(texts, split.asked, split.images, shown)
    fitted, checked = halves_of(split.asked, np.random.default_rng(0))
    other = _fuse(_half(texts, np.array(split.asked), split.images, np.array(shown), checked, fusing)).fusion
    brought = what_it_brings(encoder, split, texts, fusing, [(checked, calibration.fusion), (fitted, other)])
    check = replace(check, alone=alone.overall, brought=brought)
    ticked, said = ticked_in(split, names, annotations), said_in(split, names)
    wears = fit_wears(names, stored_log_odds(split), ticked, said, shown, (fitted, checked))
    calibration = replace(calibration, report=check.to_json(), wears={one.name: one.wears for one in wears})
    return Calibrated(calibration, check, split.failures, split.problems, wears)


def halves_of(identities: Labels, generator: np.random.Generator) -> tuple[NDArray[Any], NDArray[Any]]:
    """The people in two halves at random: whom to fit on, and whom to check."""
    fitted, checked = np.array_split(generator.permutation(np.unique(np.asarray(identities))), 2)
    return fitted, checked


def fit_and_check(
    text_vectors: NDArray[np.floating],
    text_ids: Labels,
    image_vectors: NDArray[np.float32],
    image_ids: Labels,
    *,
    fusing: Fusing | None = None,
    seed: int = 0,
) -> tuple[Calibration, Check]:
    """Fits a calibration on one half of the people, checks it on the other, and puts the check into its report.

    Args:
        text_vectors: float32 or float64 (q, d), of length 1.
        text_ids: (q,), who each text describes.
        image_vectors: float32 (g, d), of length 1.
        image_ids: (g,), who each picture shows.
        fusing: what the texts ask of what is worn in the pictures; how much it counts is then fitted before.
        seed: of the halves and of the galleries.

    Raises:
        ModelError: no answer of one of the galleries is right.
    """
    generator = np.random.default_rng(seed)
    fitted, checked = (
        _half(text_vectors, np.asarray(text_ids), image_vectors, np.asarray(image_ids), some, fusing)
        for some in halves_of(text_ids, generator)
    )
    fitted = _fuse(fitted)
    checked = checked._replace(fusion=fitted.fusion)
    calibration = fit(join([answers for _, answers in ask_galleries(fitted, generator)]), fitted.fusion)
    check = _check(calibration, checked, ask_galleries(checked, generator), len(np.unique(fitted.asked)))
    return replace(calibration, report=check.to_json()), check


def ask_galleries(half: Half, generator: np.random.Generator) -> list[tuple[int, Answers]]:
    """Every caption asked of random galleries of each size, with the person it describes and without: (pictures, answers) by size."""
    everybody = len(half.shown)
    sizes = [size for size in GALLERIES if size < everybody] + [everybody]
    return [(size, join(list(_ask(half, size, generator)))) for size in sizes]


def fit(answers: Answers, fusion: Mapping[str, float] | None = None) -> Calibration:
    """The calibration that makes the outcome of answers' best hits most likely; its report is empty.

    Similarity or margin is left out where it would make a better score less probable.

    Args:
        fusion: that made the scores.

    Raises:
        ModelError: no answer is right.
    """
    right = answers.right[:, 0]
    _require_right(right)
    usual_mean, usual_spread = (round(float(np.mean(part)), 6) for part in (answers.crowd.mean, answers.crowd.spread))
    features = evidence(answers.scores[:, :1], answers.crowd, usual_mean, usual_spread, from_mean=bool(fusion))[:, 0]
    numbers = fit_logistic(features, right)
    while misleading := [column for column in (0, 1) if numbers[1 + column] < 0]:
        features[:, misleading] = 0
        numbers = fit_logistic(features, right)
    intercept, similarity, margin, log_size = (round(number, 6) for number in numbers)
    return Calibration(usual_mean, usual_spread, intercept, similarity, margin, log_size, report={}, fusion=fusion or {})


def fit_logistic(features: Float64, outcome: Bools) -> list[float]:
    """Intercept and weights of a logistic regression with a little ridge, by Newton's method.

    Args:
        features: float64 (n, m).
        outcome: bool (n,); both values occur.

    Returns:
        1 + m numbers: log odds at 0, and for each unit of each feature, which is 0 for one that never changes.
    """
    mean, spread = features.mean(axis=0), features.std(axis=0)
    spread[spread == 0] = 1
    columns = np.column_stack([np.ones(len(features)), (features - mean) / spread])
    ridge = _RIDGE * len(features) * np.diag([0.0] + [1.0] * features.shape[1])
    weights = np.zeros(columns.shape[1])
    for _ in range(50):
        expected = (1 + np.tanh(columns @ weights / 2)) / 2
        gradient = columns.T @ (expected - outcome) + ridge @ weights
        curvature = columns.T @ (columns * (expected * (1 - expected))[:, None]) + ridge
        step = np.linalg.solve(curvature, gradient)
        weights -= step
        if np.abs(step).max() < 1e-10:
            break
    slopes = weights[1:] / spread
    return [float(weights[0] - slopes @ mean), *slopes.tolist()]


def join(parts: list[Answers]) -> Answers:
    """Answers one after another."""
    scores, right, crowds, present = zip(*parts, strict=True)
    crowd = Crowd(*(np.concatenate(values) for values in zip(*crowds, strict=True)))
    return Answers(np.concatenate(scores), np.concatenate(right), crowd, np.concatenate(present))


def _half(
    text_vectors: NDArray[np.floating],
    text_ids: NDArray[Any],
    image_vectors: NDArray[np.float32],
    image_ids: NDArray[Any],
    some: NDArray[Any],
    fusing: Fusing | None,
) -> Half:
    people = np.sort(some)
    texts, images = np.isin(text_ids, people), np.isin(image_ids, people)
    return Half(
        text_vectors[texts],
        np.searchsorted(people, text_ids[texts]),
        image_vectors[images],
        np.searchsorted(people, image_ids[images]),
        fusing and fusing.among(texts, images),
    )


def _fuse(half: Half) -> Half:
    """A half with the fusion that fits it best, if there is anything to fuse."""
    if half.fusing is None:
        return half
    return half._replace(fusion=fit_fusion(half.texts, half.asked, half.images, half.shown, half.fusing))


def _ask(half: Half, size: int, generator: np.random.Generator) -> Iterator[Answers]:
    pictures = np.bincount(half.shown)
    for start in range(0, len(half.asked), _CHUNK):
        asked = half.asked[start : start + _CHUNK]
        scores = half.scores(slice(start, start + _CHUNK))
        order = generator.random((len(asked), len(pictures)))
        for present in (True, False):
            members = draw_galleries(pictures, asked, size, order, present)[:, half.shown]
            yield _rank(scores, half.shown == asked[:, None], members, present)


def draw_galleries(pictures: Int64, asked: Int64, size: int, order: Float64, present: bool) -> Bools:
    """Random galleries of whole people: those who come first, until there are ``size`` pictures.

    Args:
        pictures: int64 (p,), of each person.
        asked: int64 (q,), the person who is described: first of all if ``present``, left out if not.
        order: float64 (q, p), random in [0, 1).

    Returns:
        bool (q, p), who is in each gallery.
    """
    row = np.arange(len(asked))
    order = order.copy()
    order[row, asked] = -1 if present else 2
    ranking = np.argsort(order, axis=1)
    before = np.cumsum(pictures[ranking], axis=1) - pictures[ranking]
    chosen = np.empty(order.shape, np.bool_)
    np.put_along_axis(chosen, ranking, before < size, axis=1)
    chosen[row, asked] = present
    return chosen


def _rank(scores: Float64, shows: Bools, members: Bools, present: bool) -> Answers:
    """The first hits among the members of each gallery; of scores that agree in ``TIE_DECIMALS`` decimals, the wrong first."""
    inside = np.where(members, scores, -np.inf)
    best = np.lexsort((shows, -np.round(inside, TIE_DECIMALS)))[:, :HITS]
    hits, right = (np.take_along_axis(values, best, axis=1) for values in (inside, shows & members))
    missing = ((0, 0), (0, HITS - best.shape[1]))
    return Answers(
        np.pad(hits, missing, constant_values=-np.inf),
        np.pad(right, missing),
        Crowd.of(scores, members),
        np.full(len(scores), present),
    )


def _check(calibration: Calibration, half: Half, asked: list[tuple[int, Answers]], fitted: int) -> Check:
    together = join([answers for _, answers in asked])
    shown = np.isfinite(together.scores)
    probability = calibration.probability(np.where(shown, together.scores, 0), together.crowd)
    return Check(
        fitted=fitted,
        checked=len(np.unique(half.asked)),
        queries=len(half.asked),
        overall=_reliability(calibration, together),
        galleries={size: _reliability(calibration, answers) for size, answers in asked},
        list_ece=calibration_error(reliability_bins(probability[shown], together.right[shown])),
    )


def _reliability(calibration: Calibration, answers: Answers) -> Reliability:
    right = answers.right[:, 0]
    _require_right(right)
    return measure_reliability(calibration.probability(answers.scores[:, :1], answers.crowd)[:, 0], right, answers.present)


def _require_right(right: Bools) -> None:
    if not right.any():
        raise ModelError(expected="a model that finds somebody", found=f"{len(right)} wrong answers", do="train it further")
