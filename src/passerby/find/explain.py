"""Which parts of a question a hit fits: each thing that is named, by itself, beside everybody in the index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from passerby.index.base import Index
from passerby.inputs import require, wrong
from passerby.model.encode import encode_texts
from passerby.model.encoder import Encoder
from passerby.types import Hit
from passerby.words.prompts import Phrase, phrases

SAMPLE: Final = 10_000
"""People of the index, evenly spread, that a hit is held against."""
FEWEST: Final = 20
"""Of fewer people nothing is said."""
FITS: Final = 0.75
DOUBTFUL: Final = 0.5
"""A part fits a hit that is above so much of the index, and is doubtful in one that is not above so much."""


@dataclass(frozen=True, slots=True)
class Fit:
    """How well a hit fits a part of the question.

    Args:
        phrase: as ``red jacket`` or ``no hat``.
        above: the share of the index that fits it less well, in [0, 1].
    """

    phrase: str
    above: float

    def __post_init__(self) -> None:
        require(self.phrase, str, "a phrase, a str")
        if not 0 <= require(self.above, float, "a share, a float") <= 1:
            raise wrong(self.above, "a share in [0, 1]")

    @property
    def fits(self) -> bool:
        return self.above >= FITS

    @property
    def doubtful(self) -> bool:
        return self.above < DOUBTFUL


def explain(index: Index, encoder: Encoder, words: str, hits: Sequence[Hit]) -> list[tuple[Fit, ...]]:
    """What each hit fits of the things that a description names, in its order; nothing where it names none, or the index is small.

    Raises:
        IndexFault: the index is of another model, or damaged.
    """
    named = phrases(words)
    with index.snapshot():
        index.require_model(encoder.digest, encoder.name)
        everybody = index.vectors()
        if not hits or not named or len(everybody) < FEWEST:
            return [()] * len(hits)
        vectors = [index.vector_of(hit.person, hit.crop) for hit in hits]
        looks = phrase_directions(encoder, named)
        above = shares_below(np.stack(vectors) @ looks.T, everybody.spread(SAMPLE) @ looks.T)
    return [tuple(Fit(phrase.text, float(share)) for phrase, share in zip(named, row, strict=True)) for row in above]


def phrase_directions(encoder: Encoder, named: Sequence[Phrase]) -> NDArray[np.float32]:
    """What each phrase adds to anybody, float32 (p, d); a higher product with a vector means a better fit, denied or not."""
    texts = list(dict.fromkeys(text for phrase in named for text in (*phrase.says, *phrase.beside)))
    row = {text: n for n, text in enumerate(texts)}
    vectors = encode_texts(encoder, texts)

    def mean(of: Sequence[str]) -> NDArray[np.float32]:
        return np.asarray(vectors[[row[text] for text in of]].mean(axis=0))

    return np.stack([(mean(phrase.says) - mean(phrase.beside)) * (-1 if phrase.denied else 1) for phrase in named])


def shares_below(scores: NDArray[np.float32], of: NDArray[np.float32]) -> NDArray[np.float64]:
    """For each score (n, p), the share of column ``p`` of ``of`` (m, p) that is lower, equal ones counting half."""
    columns = [
        (np.searchsorted(ordered, column, "left") + np.searchsorted(ordered, column, "right")) / (2 * len(ordered))
        for column, ordered in zip(scores.T, np.sort(of, axis=0).T, strict=True)
    ]
    return np.stack(columns, axis=1)
