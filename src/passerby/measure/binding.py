"""Colour binding: whether a model knows which garment has which colour, not just which colours there are.

A caption and the same caption with two colours exchanged hold the same words; only towers that bind a colour to its garment can choose
between them. After Winoground (Thrush et al., CVPR 2022) and ARO (Yuksekgonul et al., ICLR 2023), with pairs chosen so that what
people usually wear gives nothing away.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import count, islice
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from passerby.data.synthetic import captions, draw, sample_person, swap_colours
from passerby.errors import DatasetError
from passerby.measure.metrics import TIE_DECIMALS, Estimate, bootstrap
from passerby.measure.split import EmbeddedSplit, embed_split
from passerby.model.encoder import Encoder, encode_texts
from passerby.model.preprocess import normalise, resize
from passerby.progress import Progress
from passerby.types import Dataset
from passerby.words.hard_negatives import believable_swaps, colour_swaps

Float32 = NDArray[np.float32]

DRAWN_PAIRS: Final = 300
DRAWN_SEED: Final = 2_000_000
"""Seed of the first drawn person, far from those of the demo and of training."""
BATCH: Final = 16
RESAMPLES: Final = 1000

PROTOCOL: Final = (
    "Own captions of the split that name two garments of one colour each are asked against the same caption with those two colours "
    "exchanged; a caption is right when it is more similar to its own picture, ties count against it. Exchanges are drawn at the odds "
    "at which the captions tell of the exchanged arrangement, so that each is as often true as false. The blind score compares both "
    "with the mean of all pictures instead. Drawn people come in pairs whose upper and lower garments have each other's colour: a pair "
    "is right when both captions are more similar to their own picture than to the other. In percent; 95 % intervals are bootstrap "
    "percentiles over people."
)


@dataclass(frozen=True, slots=True, eq=False)
class BindingReport:
    """How well a model binds colours to garments.

    Args:
        split: what was measured.
        pairs: captions with an exchanged one, of the split.
        bound: of these, in percent, those that are more similar to their picture than the exchanged one; by chance 50.
        blind: the same without looking at the picture.
        drawn_pairs: of drawn people.
        drawn: pairs of drawn people that are told apart by both captions, in percent; by chance 25.
        seconds: wall time of the measurement.
    """

    split: EmbeddedSplit
    pairs: int
    bound: Estimate
    blind: Estimate
    drawn_pairs: int
    drawn: Estimate
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """The scores in percent, their intervals, then what was measured; ready for ``json.dumps``."""
        return {
            "pairs": self.pairs,
            "bound": asdict(self.bound),
            "blind": asdict(self.blind),
            "drawn_pairs": self.drawn_pairs,
            "drawn": asdict(self.drawn),
            "protocol": PROTOCOL,
            **self.split.to_json(),
            "seconds": self.seconds,
        }


def measure_binding(encoder: Encoder, dataset: Dataset, *, drawn: int = DRAWN_PAIRS, on_progress: Progress | None = None) -> BindingReport:
    """Asks a split, and drawn people, which garment has which colour (``PROTOCOL``).

    Args:
        dataset: the records of one split.
        drawn: how many pairs of drawn people are asked for.
        on_progress: told how far the pictures are.

    Raises:
        DatasetError: records of several splits, or no caption with two coloured garments whose exchange somebody wears.
        ModelError: a tower that cannot be loaded or fails its self-test.
    """
    started = time.perf_counter()
    split = embed_split(encoder, dataset, on_progress=on_progress)
    swapped = believable_swaps((query.text for query in split.queries), seed=0)
    place = {record: n for n, record in enumerate(split.gallery)}
    exchanged = [(n, text) for n, query in enumerate(split.queries) if query.record in place for text in swapped[query.text]]
    if not exchanged:
        raise DatasetError(
            expected=f"captions of {dataset.name} with the colours of two garments, and others with the same two exchanged",
            found=f"{len(split.queries)} captions, none of them such",
            do="measure on a larger split",
        )
    rows = [n for n, _ in exchanged]
    seen = split.images[[place[split.queries[n].record] for n in rows]]
    lead = split.texts[rows] - encode_texts(encoder, [text for _, text in exchanged])
    leads = np.column_stack([(lead * seen).sum(axis=1), lead @ split.images.mean(axis=0)])
    outcomes = np.round(leads, TIE_DECIMALS) > 0
    bound, blind = _percent(outcomes, [split.asked[n] for n in rows])
    told = told_apart(encoder, list(islice(drawn_pairs(), drawn)))
    (both,) = _percent(told[:, None], np.arange(len(told)))
    return BindingReport(split, len(outcomes), bound, blind, len(told), both, time.perf_counter() - started)


class DrawnPair(NamedTuple):
    """Two pictures of one drawn person and a caption of each; in the second two garments have exchanged their colours."""

    pictures: tuple[Image, Image]
    texts: tuple[str, str]


def drawn_pairs() -> Iterator[DrawnPair]:
    """Drawn people without end, the same ones each time, whose captions name both garments."""
    for seed in count(DRAWN_SEED):
        person = sample_person(seed)
        other = swap_colours(person)
        for text, exchanged in zip(captions(person, seed), captions(other, seed), strict=True):
            if exchanged in {swap.text for swap in colour_swaps(text)}:
                yield DrawnPair((draw(person, seed), draw(other, seed)), (text, exchanged))
                break


def told_apart(encoder: Encoder, pairs: list[DrawnPair]) -> NDArray[np.bool_]:
    """Whether, of each pair, both captions choose their own picture: bool (n,)."""
    p = encoder.preprocessing
    pixels = np.stack([resize(picture, p.height, p.width, p.resample) for pair in pairs for picture in pair.pictures])
    images = np.concatenate([encoder.embed_images(normalise(pixels[i : i + BATCH], p)) for i in range(0, len(pixels), BATCH)])
    texts = encode_texts(encoder, [text for pair in pairs for text in pair.texts])
    scores = np.round(np.einsum("ntd,nid->nti", *(vectors.reshape(len(pairs), 2, -1) for vectors in (texts, images))), TIE_DECIMALS)
    told: NDArray[np.bool_] = (scores[:, 0, 0] > scores[:, 0, 1]) & (scores[:, 1, 1] > scores[:, 1, 0])
    return told


def _percent(outcomes: NDArray[np.bool_], people: NDArray[np.int64] | list[str]) -> list[Estimate]:
    return bootstrap(100.0 * outcomes.astype(np.float64), people, seed=0, resamples=RESAMPLES)
