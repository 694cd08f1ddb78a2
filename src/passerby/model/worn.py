"""What is worn as a row of bytes: of each attribute how far from certain it is that somebody has it, and that they have it not.

A score is linear in these bytes. They saturate: linear in log-odds, one loud attribute would drown the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from passerby.errors import ModelError

NATS: Final = 1 / 40
"""What one step of a byte is worth: 255 of them are a probability of 0.0017, and what is less likely counts as that."""


def worn_bytes(log_odds: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The bytes of log-odds float32 (n, a): uint8 (n, 2a), first -log p of every attribute, then -log(1 - p), in steps of ``NATS``."""
    unlikely = np.logaddexp(0, np.concatenate([-log_odds, log_odds], axis=1).astype(np.float64))
    return np.minimum(np.rint(unlikely / NATS), 255).astype(np.uint8)


def log_odds_of(worn: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The log-odds float32 (n, a) that bytes uint8 (n, 2a) stand for, within a step of ``NATS`` but where a byte is full."""
    lacks, has = np.split(worn.astype(np.float32) * np.float32(NATS), 2, axis=1)
    odds: NDArray[np.float32] = has - lacks
    return odds


@dataclass(frozen=True, slots=True)
class Wears:
    """How likely it is that somebody wears one thing, and how well that was found to hold for people it was not fitted on.

    Args:
        slope, offset: of the model's log-odds, to log-odds that come true; the slope is not negative.
        n: pictures that it was measured on.
        annotated: whether annotators said of these what is worn, or else only captions.
        auc: chance that who wears it has higher log-odds of it than who does not; ``None`` where too few wear it.
        precision, recall: of those that are called its wearers at a probability of a half; ``None`` where there are none.
    """

    slope: float
    offset: float
    n: int = 0
    annotated: bool = False
    auc: float | None = None
    precision: float | None = None
    recall: float | None = None

    def probability(self, log_odds: NDArray[np.floating]) -> NDArray[np.float64]:
        """How likely it is worn, in [0, 1], of log-odds of the attribute; of higher ones it is never less likely."""
        found: NDArray[np.float64] = (1 + np.tanh((self.slope * log_odds.astype(np.float64) + self.offset) / 2)) / 2
        return found

    @classmethod
    def from_json(cls, name: str, value: object) -> Self:
        """The inverse of :meth:`to_json`, of an attribute. Raises ``ModelError`` for anything else."""
        keys = ("slope", "offset", "n", "annotated", "auc", "precision", "recall")
        if not isinstance(value, Mapping) or set(value) != set(keys):
            raise _malformed(name, f"an object of {', '.join(keys)}", value)
        if type(value["n"]) is not int or value["n"] < 0 or type(value["annotated"]) is not bool:
            raise _malformed(name, "how many pictures it was measured on, and whether they are annotated", value)
        if not all(_within(value[key], 1e3) for key in ("slope", "offset")) or value["slope"] < 0:
            raise _malformed(name, "a slope that is not negative and an offset", value)
        if not all(value[key] is None or (_within(value[key], 1) and value[key] >= 0) for key in ("auc", "precision", "recall")):
            raise _malformed(name, "fractions of 1 or null", value)
        return cls(**{key: value[key] for key in keys})

    def to_json(self) -> dict[str, object]:
        """Ready for ``json.dumps``."""
        return {
            "slope": self.slope,
            "offset": self.offset,
            "n": self.n,
            "annotated": self.annotated,
            "auc": self.auc,
            "precision": self.precision,
            "recall": self.recall,
        }


def _within(number: object, largest: float) -> bool:
    return type(number) in (int, float) and -largest <= number <= largest  # type: ignore[operator]


def _malformed(name: str, expected: str, found: object) -> ModelError:
    where = f"wears of {name!r} in the manifest's calibration"
    return ModelError(expected=f"{where} to be {expected}", found=repr(found)[:80], do="get the bundle again, or calibrate it again")
