"""Fits from a model's log-odds of an attribute to the probability that it is worn, and checks it on people it was not fitted on.

Each attribute has the two numbers of Platt ("Probabilistic Outputs for Support Vector Machines", 1999), which are pulled to those of all
attributes together, so that few pictures move them little. Captions leave out most of what people wear; what a model learns from them is
how likely something is said, which Elkan and Noto ("Learning Classifiers from Only Positive and Unlabeled Data", KDD 2008) turn into how
likely it is worn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import PurePath
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from passerby.find.filter import SURE
from passerby.measure.metrics import Estimate, bootstrap
from passerby.measure.reliability import auroc
from passerby.measure.split import EmbeddedSplit
from passerby.measure.worn import placements
from passerby.model.worn import Wears, log_odds_of
from passerby.types import Origin
from passerby.words.attributes import said
from passerby.words.parser import parse

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Bools = NDArray[np.bool_]

PROTOCOL: Final = (
    "Whether an attribute is worn is what annotators ticked of a picture, or, of attributes that too few were ticked for, whether one of "
    "its own captions says so; what captions leave out counts as not worn in the figures, which are too low then, and in the fit as worn "
    "as likely as it is left out of what is worn. The area under the ROC curve, and precision and recall of "
    "those who wear it with a probability of at least a half, or of those who pass a filter by default, are of people in whose half the "
    "probability was not fitted; what is written is fitted on everybody. 95 % intervals are bootstrap percentiles over identities."
)

LEAST: Final = 10
"""Pictures that wear an attribute, and pictures that do not, for it to be measured."""

OFTEN: Final = 0.5
"""How many of those who wear a thing captions say it of, at least: of bags, backpacks and hats it is 55 to 66 % (docs/measured.md)."""
SUREST: Final = 0.9
"""The share of those of whom an attribute is said that do not count as those who most surely wear it."""

_PULL: Final = np.array([1 / 0.5**2, 1.0])
"""How sure it is that slope and offset of an attribute are those of all: standard deviations of a half and of 1."""
_RESAMPLES: Final = 300


@dataclass(frozen=True, slots=True)
class WornCheck:
    """What the probability of an attribute is worth for other people; estimates are in percent, ``None`` where there was nobody to ask.

    Args:
        precision, recall: of those who wear it with a probability of at least a half.
        filter_precision, filter_recall: of those who pass a filter by default.
    """

    name: str
    wears: Wears
    auc: Estimate | None = None
    precision: Estimate | None = None
    recall: Estimate | None = None
    filter_precision: Estimate | None = None
    filter_recall: Estimate | None = None

    def to_json(self) -> dict[str, Any]:
        """Ready for ``json.dumps``."""
        names = ("auc", "precision", "recall", "filter_precision", "filter_recall")
        estimates = {name: getattr(self, name) for name in names}
        return self.wears.to_json() | {name: estimate and asdict(estimate) for name, estimate in estimates.items()}


def ticked_in(split: EmbeddedSplit, names: Sequence[str], annotations: Mapping[str, Mapping[str, bool]]) -> Float32:
    """What annotators say of a split's pictures: 1 worn, 0 not worn, NaN nothing; float32 (g, a).

    Args:
        annotations: by a picture's name without its ending, as :func:`passerby.data.annotations.read_annotations` gives them.
    """
    of_pictures = [annotations.get(PurePath(record.name).with_suffix("").as_posix(), {}) for record in split.gallery]
    return np.array([[of_one.get(name, np.nan) for name in names] for of_one in of_pictures], np.float32).reshape(-1, len(names))


def said_in(split: EmbeddedSplit, names: Sequence[str]) -> Float32:
    """Whether one of a picture's own captions says that something is worn: 1 or 0, NaN of pictures without; float32 (g, a)."""
    labels = np.full((len(split.gallery), len(names)), np.nan, np.float32)
    for row, record in zip(labels, split.gallery, strict=True):
        for caption in record.captions:
            if caption.origin is Origin.OWN:
                has = said(parse(caption.text), names)
                row[:] = np.fmax(row, [has.get(name, False) for name in names])
    return labels


def fit_wears(
    names: Sequence[str],
    log_odds: Float32,
    ticked: Float32,
    captions: Float32,
    identities: Sequence[str],
    halves: Sequence[NDArray[Any]],
) -> tuple[WornCheck, ...]:
    """The calibration of each attribute, fitted on everybody, and its check, fitted on one half of the people each.

    Args:
        log_odds: (g, a).
        ticked, captions: labels (g, a): 1 worn, 0 not worn, NaN unknown; those of captions count for attributes rarely ticked.
        identities: (g,), who is in each picture.
        halves: people, each in one of them; pictures of others are left out.
    """
    asked = np.isin(identities, np.concatenate(halves))
    annotated = _enough(ticked[asked])
    labels = np.where(asked[:, None], np.where(annotated, ticked, captions), np.float32(np.nan))
    measured = _enough(labels)
    found: dict[int, WornCheck] = {}
    for source in (True, False):
        columns = np.flatnonzero(measured & (annotated == source))
        if len(columns):
            probability = np.full(labels.shape, np.nan)
            for half in halves:
                inside = np.isin(identities, half)
                for column, (slope, offset) in zip(columns, _platts(log_odds[~inside], labels[~inside], columns, source), strict=True):
                    probability[inside, column] = Wears(slope, offset).probability(log_odds[inside, column])
            for column, numbers in zip(columns, _platts(log_odds, labels, columns, source), strict=True):
                wears = Wears(*numbers, annotated=bool(source))
                found[int(column)] = _check(
                    names[int(column)], wears, log_odds[:, column], labels[:, column], probability[:, column], identities
                )
    usual = platt_of_all(log_odds, labels, np.flatnonzero(measured)) if measured.any() else (1.0, 0.0)
    return tuple(found.get(column) or WornCheck(name, Wears(*_rounded(usual))) for column, name in enumerate(names))


def platt_of_all(log_odds: Float32, labels: Float32, columns: NDArray[np.int64]) -> Float64:
    """Slope and offset, float64 (2,), of some attributes taken together."""
    known = np.isfinite(labels[:, columns])
    return platt(log_odds[:, columns][known].astype(np.float64), labels[:, columns][known].astype(np.float64), np.array([1.0, 0.0]))


def left_out(log_odds: Float64, said: Float64, usual: Float64) -> Float64:
    """How likely an attribute is worn by people of whom it is said or not: 1, or as likely as captions leave it out, float64 (n,).

    What is said of somebody is c times as likely as that they wear it, c being how likely it is said of those who most surely wear it
    (Elkan and Noto's third estimate, but for the last tenth), as if captions left it out of everybody's looks alike; and ``OFTEN`` at
    least, as of what is hard to see nobody surely wears it.

    Args:
        log_odds: float64 (n,).
        said: 1 or 0, float64 (n,).
        usual: as of :func:`platt`.
    """
    likely = np.clip(Wears(*platt(log_odds, said, usual)).probability(log_odds), 1e-9, 1 - 1e-9)
    often = max(float(np.quantile(likely[said == 1], SUREST)), OFTEN)
    unsaid: Float64 = np.minimum((1 - often) / often * likely / (1 - likely), 1.0)
    return np.where(said == 1, 1.0, unsaid)


def platt(log_odds: Float64, worn: Float64, usual: Float64) -> Float64:
    """Slope, not negative, and offset, float64 (2,), that make outcomes most likely, pulled to the usual ones; by Newton's method.

    Args:
        log_odds: float64 (n,).
        worn: how likely each outcome is that it is worn, float64 (n,), in [0, 1].
        usual: float64 (2,); what is found where n is 0.
    """
    columns = np.column_stack([log_odds, np.ones(len(log_odds))])
    numbers, free = usual.copy(), np.array([True, True])

    def loss(at: Float64) -> float:
        return float(np.logaddexp(0, columns @ at).sum() - worn @ (columns @ at) + (_PULL * (at - usual) ** 2).sum() / 2)

    for _ in range(50):
        expected = (1 + np.tanh(columns @ numbers / 2)) / 2
        gradient = columns.T @ (expected - worn) + _PULL * (numbers - usual)
        curvature = columns.T @ (columns * (expected * (1 - expected))[:, None]) + np.diag(_PULL)
        free[0] = numbers[0] > 0 or gradient[0] < 0
        step = np.zeros(2)
        step[free] = np.linalg.solve(curvature[np.ix_(free, free)], gradient[free])
        ahead = np.maximum(numbers - step, (0, -np.inf))
        while loss(ahead) > loss(numbers) and np.abs(step).max() > 1e-9:
            step /= 2
            ahead = np.maximum(numbers - step, (0, -np.inf))
        moved, numbers = np.abs(ahead - numbers).max(), ahead
        if moved < 1e-8:
            break
    return numbers


def _platts(log_odds: Float32, labels: Float32, columns: NDArray[np.int64], annotated: bool) -> list[tuple[float, float]]:
    usual = platt_of_all(log_odds, labels, columns)
    found = []
    for column in columns:
        known = np.isfinite(labels[:, column])
        odds, worn = (values[known, column].astype(np.float64) for values in (log_odds, labels))
        if not annotated and worn.any():
            worn = left_out(odds, worn, usual)
        found.append(_rounded(platt(odds, worn, usual)))
    return found


def _rounded(numbers: Sequence[float] | Float64) -> tuple[float, float]:
    slope, offset = (round(float(number), 4) for number in numbers)
    return slope, offset


def _enough(labels: Float32) -> Bools:
    enough: Bools = np.minimum((labels == 1).sum(axis=0), (labels == 0).sum(axis=0)) >= LEAST
    return enough


def _check(name: str, wears: Wears, log_odds: Float32, labels: Float32, probability: Float64, identities: Sequence[str]) -> WornCheck:
    people, known, worn = np.array(identities), np.isfinite(labels), labels == 1
    placed = placements(log_odds[known, None], labels[known, None])[worn[known], 0]
    auc = _percent(placed, people[worn])

    def worth(least: float) -> tuple[Estimate | None, Estimate | None]:
        called = known & (probability >= least)
        return _percent(worn[called], people[called]), _percent(called[worn], people[worn])

    precision, recall = worth(0.5)
    wears = replace(
        wears,
        n=int(known.sum()),
        auc=round(auroc(log_odds[known].astype(np.float64), worn[known]), 3),
        precision=None if precision is None else round(precision.mean / 100, 3),
        recall=None if recall is None else round(recall.mean / 100, 3),
    )
    return WornCheck(name, wears, auc, precision, recall, *worth(SURE))


def _percent(values: NDArray[Any], people: NDArray[Any]) -> Estimate | None:
    """The mean in percent, ``None`` of nothing."""
    return bootstrap(100.0 * values[:, None], people, seed=0, resamples=_RESAMPLES)[0] if len(values) else None


def stored_log_odds(split: EmbeddedSplit) -> Float32:
    """The log-odds (g, a) that are left of what an index holds of a split's pictures."""
    return log_odds_of(split.stored)
