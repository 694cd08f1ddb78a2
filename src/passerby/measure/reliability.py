"""How much probabilities are worth: whether they come true, and whether they tell right answers from wrong ones."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]
Bools = NDArray[np.bool_]

BINS: Final = 15
"""Equal parts of [0, 1]; as many as Guo et al. took."""

FALSE_ALARMS: Final = (0.01, 0.05)


@dataclass(frozen=True, slots=True)
class Bin:
    """Answers of about the same probability.

    Args:
        probability: mean of what was said.
        right: share of what came true.
    """

    answers: int
    probability: float
    right: float


@dataclass(frozen=True, slots=True)
class Survival:
    """How many right answers are left when wrong ones must be rare.

    Args:
        false_alarms: share of the questions without a right answer that may be answered.
        min_probability: the least that keeps to it, in thousandths.
        survive: share of the right answers that are at least as probable.
    """

    false_alarms: float
    min_probability: float
    survive: float


@dataclass(frozen=True, slots=True)
class Reliability:
    """What the probabilities of some answers were worth; all but ``answers`` are fractions of 1.

    Args:
        right: share of the answers that were right, the base rate.
        ece: expected calibration error, mean distance between what is said and what comes true over ``bins``
            (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017).
        brier_skill: share of the squared error of always saying the base rate that the probabilities take away
            (Brier, "Verification of Forecasts Expressed in Terms of Probability", 1950); 1 is perfect, 0 is no use.
        auroc: chance that a right answer is more probable than a wrong one, ties counting half.
        bins: those that are not empty, by rising probability.
    """

    answers: int
    right: float
    ece: float
    brier_skill: float
    auroc: float
    survivals: tuple[Survival, ...]
    bins: tuple[Bin, ...]

    def to_json(self) -> dict[str, Any]:
        """Fractions to four decimals; ready for ``json.dumps``."""
        return {
            "answers": self.answers,
            **{name: round(getattr(self, name), 4) for name in ("right", "ece", "brier_skill", "auroc")},
            "survivals": [asdict(survival) | {"survive": round(survival.survive, 4)} for survival in self.survivals],
            "bins": [[b.answers, round(b.probability, 4), round(b.right, 4)] for b in self.bins],
        }


def measure_reliability(probability: Float64, right: Bools, answerable: Bools) -> Reliability:
    """Of answers, one to each question.

    Args:
        probability: float64 (n,), in [0, 1].
        right: bool (n,), whether each answer was; some must be, and some not.
        answerable: bool (n,), whether a right answer existed; for some questions none may.

    Raises:
        ValueError: all answers are right, or none, or every question was answerable.
    """
    if right.all() or not right.any() or answerable.all():
        raise ValueError("expected right and wrong answers and questions without an answer, found only some of these")
    base_rate = float(right.mean())
    bins = reliability_bins(probability, right)
    return Reliability(
        answers=len(right),
        right=base_rate,
        ece=calibration_error(bins),
        brier_skill=1 - float(np.mean((probability - right) ** 2)) / (base_rate * (1 - base_rate)),
        auroc=auroc(probability, right),
        survivals=tuple(survival(probability[right], probability[~answerable], rate) for rate in FALSE_ALARMS),
        bins=bins,
    )


def reliability_bins(probability: Float64, right: Bools) -> tuple[Bin, ...]:
    """Answers float64 (n,) and bool (n,) by their probability, in ``BINS`` equal parts of [0, 1] of which the empty are left out."""
    which = np.minimum((probability * BINS).astype(np.int64), BINS - 1)
    members = [which == number for number in np.unique(which)]
    return tuple(Bin(int(m.sum()), float(probability[m].mean()), float(right[m].mean())) for m in members)


def calibration_error(bins: tuple[Bin, ...]) -> float:
    """Mean distance between probability and outcome of bins, weighted by their answers."""
    return sum(b.answers * abs(b.probability - b.right) for b in bins) / sum(b.answers for b in bins)


def auroc(probability: Float64, right: Bools) -> float:
    """Chance that a right answer is more probable than a wrong one: the area under the ROC curve."""
    wrong = np.sort(probability[~right])
    below, not_above = (np.searchsorted(wrong, probability[right], side) for side in ("left", "right"))
    return float(np.mean(below + not_above) / (2 * len(wrong)))


def survival(right: Float64, unanswerable: Float64, false_alarms: float) -> Survival:
    """What is left of right answers float64 (r,) where at most a share of unanswerable questions float64 (u,) may be answered."""
    allowed = int(false_alarms * len(unanswerable))
    least_refused = float(np.sort(unanswerable)[-1 - allowed])
    minimum = (math.floor(1000 * least_refused) + 1) / 1000
    return Survival(false_alarms, minimum, float(np.mean(right >= minimum)))
