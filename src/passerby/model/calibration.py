"""From a score to the probability that the hit shows the person who was described.

A cosine similarity says little by itself: how much 0.4 is worth depends on how far it stands above what the same words
score on everybody else, and on how many others had the chance to come first. A logistic regression over these three
(Platt, "Probabilistic Outputs for Support Vector Machines", 1999) turns them into a probability. Its weights are in the
bundle's manifest, beside a report of how well they did on people they were not fitted on; :mod:`passerby.measure.calibration`
fits them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from passerby.errors import ModelError
from passerby.model.worn import Wears

Float64 = NDArray[np.float64]

USUAL_SCORES: Final = 100
"""How many scores of the usual crowd are mixed into a gallery's own, so that the margin means something in a gallery of one."""

LARGEST: Final = 1e6
"""No number of a sensible calibration is larger."""


class Crowd(NamedTuple):
    """What one query's scores over a whole gallery look like; each float64 (1,), or (q, 1) for q queries.

    Args:
        size: scores, at least 1.
        mean: their mean.
        spread: their standard deviation.
    """

    size: Float64
    mean: Float64
    spread: Float64

    @classmethod
    def of(cls, scores: Float64, members: NDArray[np.bool_] | bool = True) -> Crowd:
        """The crowd of scores float64 (n,) or (q, n), of which only the ``members`` of the gallery count."""
        size: Float64 = np.sum(np.broadcast_to(members, scores.shape), axis=-1, keepdims=True, dtype=np.float64)
        return cls(size, np.mean(scores, axis=-1, keepdims=True, where=members), np.std(scores, axis=-1, keepdims=True, where=members))


@dataclass(frozen=True, slots=True)
class Calibration:
    """The weights of a model's calibration and what they were found to be worth.

    Args:
        usual_mean, usual_spread: of the scores of a usual query over a usual gallery.
        intercept: log odds where everything else is 0.
        similarity: log odds for each unit of score, counted from the mean of the gallery's where there is a fusion; not negative, so that
            probabilities fall with rank.
        margin: log odds for each standard deviation that a score stands above the mean of the gallery's; not negative.
        log_size: log odds for each e-fold of the gallery.
        report: how well it did on other people than it was fitted on; any JSON object.
        fusion: by kind of attribute, what a nat of its improbability takes off the cosine, not negative; empty for vectors alone.
        wears: by name of an attribute, how likely it is worn; empty where that was not measured.
    """

    usual_mean: float
    usual_spread: float
    intercept: float
    similarity: float
    margin: float
    log_size: float
    report: Mapping[str, object]
    fusion: Mapping[str, float] = field(default_factory=dict)
    wears: Mapping[str, Wears] = field(default_factory=dict)

    @classmethod
    def from_json(cls, value: object) -> Calibration:
        """The inverse of :meth:`to_json`. Raises ``ModelError`` for anything else."""
        if not isinstance(value, Mapping):
            raise _malformed("calibration to be an object or null", value)
        usual_spread, similarity, margin = (_number(value, key) for key in ("usual_spread", "similarity", "margin"))
        if usual_spread <= 0:
            raise _malformed("calibration with a positive usual_spread", usual_spread)
        if similarity < 0 or margin < 0:
            raise _malformed("calibration whose probabilities fall with rank", f"similarity {similarity}, margin {margin}")
        report = value.get("report")
        if not isinstance(report, Mapping):
            raise _malformed("calibration with a report", report)
        usual_mean, intercept, log_size = (_number(value, key) for key in ("usual_mean", "intercept", "log_size"))
        fusion, wears = (_object(value, key) for key in ("fusion", "wears"))
        weights = {kind: _number(fusion, kind) for kind in fusion}
        if any(weight < 0 for weight in weights.values()):
            raise _malformed("calibration whose fusion has no negative weight", weights)
        worn = {name: Wears.from_json(name, one) for name, one in wears.items()}
        return cls(usual_mean, usual_spread, intercept, similarity, margin, log_size, report, weights, worn)

    def to_json(self) -> dict[str, object]:
        numbers = ("usual_mean", "usual_spread", "intercept", "similarity", "margin", "log_size")
        return {
            **{key: getattr(self, key) for key in numbers},
            "report": dict(self.report),
            **({"fusion": dict(self.fusion)} if self.fusion else {}),
            **({"wears": {name: one.to_json() for name, one in self.wears.items()}} if self.wears else {}),
        }

    def probability(self, scores: Float64, crowd: Crowd) -> Float64:
        """How likely each of a query's hits is right, in [0, 1]; a hit of lower score is never likelier.

        Args:
            scores: float64 (k,), or (q, k) for q queries.
            crowd: the query's scores over the whole gallery.

        Returns:
            float64 of the shape of ``scores``.
        """
        features = evidence(scores, crowd, self.usual_mean, self.usual_spread, from_mean=bool(self.fusion))
        log_odds = features @ np.array([self.similarity, self.margin, self.log_size])
        probability: Float64 = (1 + np.tanh((self.intercept + log_odds) / 2)) / 2
        return probability


def evidence(scores: Float64, crowd: Crowd, usual_mean: float, usual_spread: float, *, from_mean: bool = False) -> Float64:
    """Similarity, margin and log size of hits: float64 (..., k, 3) for scores float64 (..., k).

    The margin is to the mean of the gallery's scores in units of their spread, after ``USUAL_SCORES`` of the usual mean and
    spread have joined them. A margin to the second hit would say less: galleries hold several pictures of one person.

    Args:
        from_mean: whether similarity is counted from that mean, as the more a question asks of what people wear, the less everybody scores.
    """
    total = crowd.size + USUAL_SCORES
    mean = (crowd.size * crowd.mean + USUAL_SCORES * usual_mean) / total
    own = crowd.spread**2 + (crowd.mean - mean) ** 2
    usual = usual_spread**2 + (usual_mean - mean) ** 2
    spread = np.sqrt((crowd.size * own + USUAL_SCORES * usual) / total)
    return np.stack(np.broadcast_arrays(scores - mean if from_mean else scores, (scores - mean) / spread, np.log(crowd.size)), axis=-1)


def _object(value: Mapping[str, object], key: str) -> Mapping[str, object]:
    inner = value.get(key, {})
    if not isinstance(inner, Mapping):
        raise _malformed(f"calibration whose {key} is an object", inner)
    return inner


def _number(value: Mapping[str, object], key: str) -> float:
    number = value.get(key)
    if type(number) not in (int, float) or not -LARGEST <= number <= LARGEST:  # type: ignore[operator]
        raise _malformed(f"calibration whose {key} is a number within ±{LARGEST:.0e}", number)
    return float(number)  # type: ignore[arg-type]


def _malformed(expected: str, found: object) -> ModelError:
    return ModelError(expected=f"{expected} in the manifest", found=repr(found)[:80], do="get the bundle again, or calibrate it again")
