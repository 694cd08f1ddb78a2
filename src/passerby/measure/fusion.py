"""Fits how much what people wear counts beside the cosine, and finds out what that brings.

Of each kind of attribute it is one number, not negative: a conditional logistic regression (McFadden, "Conditional Logit Analysis of
Qualitative Choice Behavior", 1974) in which the pictures of a gallery compete for being of the person who is described.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from passerby.find.query import directions
from passerby.find.weights import column_kinds, shares, worn_weights
from passerby.index.score import Weights
from passerby.measure.conditions import keywords
from passerby.measure.metrics import Estimate, Labels, Metrics, paired_difference, summarise
from passerby.measure.split import EmbeddedSplit
from passerby.model.encoder import Encoder
from passerby.model.worn import NATS
from passerby.words.attributes import asked
from passerby.words.prompts import read

Float64 = NDArray[np.float64]
Bools = NDArray[np.bool_]
Choice = tuple[Float64, Bools]

PROTOCOL: Final = (
    "Each own caption of the split, as it is and as keywords, is asked of all pictures twice as search asks it: by its vector alone, and "
    "with what is asked of what people wear, by weights that were fitted on the other half of the people. The gain is in points of Rank-1."
)

_RIDGE: Final = 1e-3
_APART: Final = 0.05
"""Standard deviation, in log odds for a nat, of the weights of kinds: those of which little is asked weigh as others do."""
_TINY: Final = 1e-9
"""Keeps the curvature from being singular where all pictures are alike."""
_LEAST: Final = 1.0
"""Log odds that a unit of cosine is worth at least, so that weights are finite where it says nothing."""
_CHUNK: Final = 256


class Fusing(NamedTuple):
    """What q questions ask of what people wear, and what is worn in g pictures.

    Args:
        names: attributes of the model, a.
        asked: float64 (q, 2a), as :func:`passerby.find.weights.shares` gives it.
        worn: bytes uint8 (g, 2a).
    """

    names: tuple[str, ...]
    asked: Float64
    worn: NDArray[np.uint8]

    @classmethod
    def of(cls, split: EmbeddedSplit, names: tuple[str, ...]) -> Self:
        """What the captions of a split ask of its pictures."""
        return cls(names, shares_of([query.text for query in split.queries], names), split.stored)

    def among(self, questions: Bools, pictures: Bools) -> Self:
        """The same of some of the questions and of the pictures."""
        return self._replace(asked=self.asked[questions], worn=self.worn[pictures])


@dataclass(frozen=True, slots=True)
class Brought:
    """Captions of one wording as search asks them, by vectors alone and with what is worn.

    Args:
        alone, fused: in percent.
        gain: of ``fused``, in points of Rank-1.
    """

    wording: str
    alone: Metrics
    fused: Metrics
    gain: Estimate

    def to_json(self) -> dict[str, Any]:
        """Rank-1 and mAP both ways, and the gain; ready for ``json.dumps``."""
        ways = {"alone": self.alone, "fused": self.fused}
        return {**{way: {"rank1": asdict(m.rank1), "mAP": asdict(m.mAP)} for way, m in ways.items()}, "gain": asdict(self.gain)}


def shares_of(texts: Sequence[str], names: tuple[str, ...]) -> Float64:
    """What texts ask of what people wear, float64 (n, 2a)."""
    return np.array([shares(asked(read(text).description, (), names), names) for text in texts]).reshape(len(texts), 2 * len(names))


def fit_fusion(texts: NDArray[np.floating], who: Labels, images: NDArray[np.floating], shown: Labels, fusing: Fusing) -> dict[str, float]:
    """What a nat of each kind of attribute takes off the cosine, so that a softmax of scores best says whose pictures were described.

    The loss is the mean cross entropy of the softmax over the gallery with all pictures of the person in equal parts. It is convex in
    what the cosine and the kinds weigh, and Newton's method ends at its least among weights that are not negative.

    Args:
        texts: float (q, d), of length 1.
        who: (q,), the person of each text.
        images: float (g, d), of length 1.
        shown: (g,), the person of each picture.

    Returns:
        By kind, of those that are asked.
    """
    kinds = np.array(column_kinds(fusing.names))
    used = sorted(set(kinds[fusing.asked.any(axis=0)].tolist()))
    columns = [np.flatnonzero(kinds == kind) for kind in used]
    weights = fit_conditional(partial(_choices, texts, who, images, shown, fusing, columns), 1 + len(used))
    unit = max(weights[0], _LEAST)
    return {kind: round(float(weight / unit), 6) for kind, weight in zip(used, weights[1:], strict=True)}


def _choices(
    texts: NDArray[np.floating], who: Labels, images: NDArray[np.floating], shown: Labels, fusing: Fusing, columns: list[NDArray[np.int64]]
) -> Iterator[Choice]:
    """The cosine first and then minus the nats of each kind, some questions at a time."""
    gallery, nats = images.astype(np.float64), NATS * fusing.worn.astype(np.float64)
    for start in range(0, len(texts), _CHUNK):
        some = slice(start, start + _CHUNK)
        features = [texts[some].astype(np.float64) @ gallery.T]
        features += [-fusing.asked[some][:, of_kind] @ nats[:, of_kind].T for of_kind in columns]
        yield np.stack(features), np.asarray(who)[some, None] == np.asarray(shown)


def fit_conditional(choices: Callable[[], Iterable[Choice]], size: int) -> Float64:
    """The weights float64 (m,), not negative, that make the right choices most likely, by Newton's method with a little ridge.

    Args:
        choices: gives the same ones each time: features float64 (m, q, g) and which are right, bool (q, g), at least one of each row.
        size: m.
    """
    weights = np.zeros(size)
    loss, gradient, curvature = _likelihood(choices, weights)
    for _ in range(50):
        free = (weights > 0) | (gradient < 0)
        step = np.zeros(size)
        step[free] = np.linalg.solve(curvature[np.ix_(free, free)], gradient[free])
        for _ in range(30):
            ahead = np.maximum(weights - step, 0)
            found = _likelihood(choices, ahead)
            if found[0] <= loss:
                break
            step /= 2
        else:
            break
        moved = np.abs(ahead - weights).max()
        weights, (loss, gradient, curvature) = ahead, found
        if moved < 1e-6 * max(1.0, np.abs(weights).max()):
            break
    return weights


def _likelihood(choices: Callable[[], Iterable[Choice]], weights: Float64) -> tuple[float, Float64, Float64]:
    """The penalised loss, its gradient and its curvature."""
    size = len(weights)
    count, loss, gradient, curvature, spread = 0, 0.0, np.zeros(size), np.zeros((size, size)), np.zeros(size)
    for features, right in choices():
        log_odds = np.tensordot(weights, features, 1)
        odds = np.exp(log_odds - log_odds.max(axis=1, keepdims=True))
        total = odds.sum(axis=1, keepdims=True)
        chosen, wanted = odds / total, right / right.sum(axis=1, keepdims=True)
        loss += float((np.log(total[:, 0]) + log_odds.max(axis=1) - (wanted * log_odds).sum(axis=1)).sum())
        expected = np.einsum("mqg,qg->mq", features, chosen)
        gradient += (expected - np.einsum("mqg,qg->mq", features, wanted)).sum(axis=1)
        flat = features.reshape(size, -1)
        curvature += (flat * chosen.ravel()) @ flat.T - expected @ expected.T
        spread += ((features - features.mean(axis=2, keepdims=True)) ** 2).mean(axis=2).sum(axis=1)
        count += len(right)
    penalty = _RIDGE * np.diag(spread) + _TINY * np.eye(size)
    if kinds := size - 1:
        penalty[1:, 1:] += (np.eye(kinds) - 1 / kinds) / _APART**2
    penalised = loss + float(weights @ penalty @ weights) / 2
    return penalised / count, (gradient + penalty @ weights) / count, (curvature + penalty) / count


def what_it_brings(
    encoder: Encoder, split: EmbeddedSplit, texts: Float64, fusing: Fusing, folds: Sequence[tuple[NDArray[Any], Mapping[str, float]]]
) -> tuple[Brought, ...]:
    """What fusion brings to people that it was not fitted on, by wording (``PROTOCOL``).

    Args:
        texts: of the captions as search asks them, float64 (q, d).
        folds: parts of the people, all in one of them, and the fusion that was fitted on others.
    """
    short = [keywords(query.text) for query in split.queries]
    wordings = {"sentences": (texts, fusing.asked), "keywords": (directions(encoder, short), shares_of(short, fusing.names))}
    return tuple(_brought(name, split, vectors, asks, fusing.names, folds) for name, (vectors, asks) in wordings.items())


def _brought(
    name: str,
    split: EmbeddedSplit,
    vectors: Float64,
    asks: Float64,
    names: tuple[str, ...],
    folds: Sequence[tuple[NDArray[Any], Mapping[str, float]]],
) -> Brought:
    worn = np.zeros_like(asks)
    for people, fusion in folds:
        of_these = np.isin(split.asked, people)
        worn[of_these] = worn_weights(asks[of_these], names, fusion)
    alone, fused = split.rank(texts=vectors), split.rank(texts=[Weights(*both) for both in zip(vectors, worn, strict=True)])
    gain = paired_difference(alone, fused, split.asked)
    return Brought(name, summarise(alone, split.asked), summarise(fused, split.asked), gain)
