"""What a converted model must show before it may ship: numpy and Encoders only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from math import ceil

import numpy as np
from numpy.typing import NDArray

from passerby.data.synthetic import captions, draw, sample_person
from passerby.errors import GateRefused
from passerby.index.score import exact_scores
from passerby.measure.evaluation import Evaluation
from passerby.measure.metrics import Estimate, paired_difference
from passerby.measure.worn import LEAST, auc_change, worn_in
from passerby.model.encoder import Encoder, Seen, attributes_of, encode_texts, see
from passerby.model.preprocess import Preprocessing, normalise, resize

Float32 = NDArray[np.float32]

MIN_COSINE = 0.9999
"""Least cosine between an export's embedding and its original's."""
INPUTS = 256
"""Pictures, and as many captions, on which an export is compared with its original."""
TOP, TIE = 10, 1e-4
"""The best so many pictures of each caption must be the same ones in the same order, but for scores that lie no further apart."""
MAX_ODDS_OFF = 0.01
"""Greatest difference of a log-odds of an attribute between an export and its original: a quarter of a per cent of its probability."""
MAX_LOSS = 0.5
"""Points that a conversion to lower precision may lose of Rank-1, and of the mean AUC of attributes, with 97.5 % confidence."""

MAX_AP50_LOSS = 1.0
"""Points of AP50 that a detector may lose to lower precision, with 97.5 % confidence."""

WORN_FIGURE = "the mean AUC of attributes"
_DO_NOT_USE = "do not use this conversion; report it with the versions of torch and onnxruntime"


@dataclass(frozen=True, slots=True)
class Parity:
    """Least cosine between two encoders' embeddings of the same inputs, for each tower.

    Args:
        inputs: how many pictures were compared.
        reordered: captions whose best ``TOP`` pictures differ by more than ties.
        worn: greatest difference of a log-odds of an attribute; ``None`` of models without attributes.
    """

    images: float
    texts: float
    inputs: int
    reordered: int
    worn: float | None = None

    def to_json(self) -> dict[str, float]:
        """What was compared, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}


class Verdict(Enum):
    KEPT = "kept"
    UNDECIDED = "undecided"
    FELL = "fell"


def drawn_inputs(p: Preprocessing, count: int = INPUTS) -> tuple[Float32, list[str]]:
    """Drawn people as the towers take them, float32 (n, 3, h, w), and a caption of each."""
    people = [sample_person(seed) for seed in range(count)]
    pictures = [resize(draw(person, seed, p.height), p.height, p.width, p.resample) for seed, person in enumerate(people)]
    return normalise(np.stack(pictures), p), [captions(person, seed, 1)[0] for seed, person in enumerate(people)]


def measure_parity(original: Encoder, converted: Encoder, pixels: Float32, texts: Sequence[str]) -> Parity:
    """How near two encoders' embeddings of the same inputs are.

    Args:
        pixels: float32 (n, 3, h, w), as both encoders' preprocessing makes them.
    """
    (images_a, worn_a), (images_b, worn_b) = (_see(encoder, pixels) for encoder in (original, converted))
    texts_a, texts_b = (encode_texts(encoder, texts) for encoder in (original, converted))
    reordered = _reordered(exact_scores(texts_a, images_a), exact_scores(texts_b, images_b))
    off = float(np.abs(worn_a - worn_b).max()) if worn_a.size else None
    return Parity(_least_cosine(images_a, images_b), _least_cosine(texts_a, texts_b), len(pixels), reordered, off)


def require_parity(original: Encoder, converted: Encoder, pixels: Float32, texts: Sequence[str]) -> Parity:
    """Two encoders must give the same embeddings, find the same pictures with them, and see the same things worn.

    Args:
        pixels: float32 (n, 3, h, w), as both encoders' preprocessing makes them.

    Raises:
        GateRefused: a cosine below ``MIN_COSINE``, other answers to a caption than ties explain, other attributes, or log-odds of them
            that are off by more than ``MAX_ODDS_OFF``.
    """
    if attributes_of(original) != attributes_of(converted):
        raise GateRefused(
            expected=f"the original's {len(attributes_of(original))} attributes",
            found=f"{len(attributes_of(converted))}, or others",
            do="export the model again",
        )
    parity = measure_parity(original, converted, pixels, texts)
    if not (parity.images >= MIN_COSINE and parity.texts >= MIN_COSINE and not parity.reordered):
        raise GateRefused(
            expected=f"embeddings of cosine at least {MIN_COSINE} with the original's, and the same {TOP} best pictures of each caption",
            found=f"{parity.images:.6f} for pictures, {parity.texts:.6f} for words, and {parity.reordered} captions with other pictures",
            do=_DO_NOT_USE,
        )
    if parity.worn is not None and not parity.worn <= MAX_ODDS_OFF:
        expected = f"log-odds of attributes that differ from the original's by at most {MAX_ODDS_OFF}"
        raise GateRefused(expected=expected, found=f"{parity.worn:.4f}", do=_DO_NOT_USE)
    return parity


def judge(difference: Estimate, most: float = MAX_LOSS) -> Verdict:
    """Whether a paired interval lies above ``-most``, below it, or on both sides."""
    if difference.low >= -most:
        return Verdict.KEPT
    return Verdict.FELL if difference.high < -most else Verdict.UNDECIDED


def queries_needed(difference: Estimate, queries: int, most: float = MAX_LOSS) -> int | None:
    """About how many queries would show that Rank-1 stays, were its change the one found; ``None`` where none would.

    An interval narrows with the square root of the number of queries.
    """
    room = difference.mean + most
    return ceil(queries * ((difference.mean - difference.low) / room) ** 2) if room > 0 else None


def rank1_change(original: Evaluation, converted: Evaluation) -> Estimate:
    """Rank-1 of ``converted`` minus that of ``original``, in points, with its paired 95 % interval.

    Raises:
        GateRefused: the two were not asked the same queries.
    """
    if original.split.asked != converted.split.asked:
        raise GateRefused(
            expected="both models to answer the same queries",
            found=f"{len(original.split.asked)} and {len(converted.split.asked)} queries of other people",
            do="evaluate both on the same split",
        )
    return paired_difference(original.per_query, converted.per_query, original.split.asked)


def worn_change(original: Evaluation, converted: Evaluation, names: Sequence[str]) -> Estimate | None:
    """The mean AUC of attributes of ``converted`` minus that of ``original``, in points, with its paired 95 % interval.

    Args:
        names: of the attributes; the change is ``None`` where there are none.

    Raises:
        GateRefused: the original has other attributes, or captions say too little of them to measure any.
    """
    if not names:
        return None
    widths = original.split.worn.shape[1], converted.split.worn.shape[1]
    if widths != (len(names), len(names)):
        found = f"{widths[0]} and {widths[1]}"
        raise GateRefused(expected=f"both models to know {len(names)} attributes", found=found, do="compare with the model it was made of")
    before, after = (worn_in(evaluation.split, names) for evaluation in (original, converted))
    if not len(before.measured):
        raise GateRefused(
            expected=f"captions of val that say of at least {LEAST} pictures that somebody wears one of the {len(names)} attributes",
            found=f"fewer of each, in the captions of {len(before.identities)} pictures",
            do="evaluate on more pictures",
        )
    return auc_change(before, after)


def require_rank1(original: Evaluation, converted: Evaluation) -> Estimate:
    """A model of lower precision must be shown to lose at most ``MAX_LOSS`` points of Rank-1; undecided is not passed.

    Returns:
        What :func:`rank1_change` gives.

    Raises:
        GateRefused: the interval reaches below ``-MAX_LOSS``, or the two were not asked the same queries.
    """
    difference = rank1_change(original, converted)
    if (verdict := judge(difference)) is not Verdict.KEPT:
        raise refusal(difference, verdict, len(original.split.asked))
    return difference


def require_worn(original: Evaluation, converted: Evaluation, names: Sequence[str]) -> Estimate | None:
    """A model of lower precision must be shown to lose at most ``MAX_LOSS`` points of the mean AUC of its attributes.

    Returns:
        What :func:`worn_change` gives.

    Raises:
        GateRefused: the interval reaches below ``-MAX_LOSS``, or there is nothing to measure.
    """
    difference = worn_change(original, converted, names)
    if difference is not None and (verdict := judge(difference)) is not Verdict.KEPT:
        raise refusal(difference, verdict, len(original.split.gallery), WORN_FIGURE, "pictures")
    return difference


def refusal(
    difference: Estimate, verdict: Verdict, count: int, figure: str = "Rank-1", of: str = "queries", most: float = MAX_LOSS
) -> GateRefused:
    """What to say of a model that was not shown to keep a figure, measured on so many queries or pictures."""
    found = f"{difference.mean:+.2f} points, 95 % interval {difference.low:+.2f} to {difference.high:+.2f}"
    needed = queries_needed(difference, count, most)
    if verdict is Verdict.UNDECIDED and needed is not None:
        found, do = f"{found}: undecided on {count} {of}", f"evaluate on about {needed} {of}, or ship the float model"
    elif verdict is Verdict.UNDECIDED:
        found, do = f"{found}: undecided, and more likely a fall", "calibrate on more pictures, or ship the float model"
    else:
        do = "calibrate on more pictures, or ship the float model"
    return GateRefused(expected=f"{figure} to fall by at most {most} points", found=found, do=do)


def _see(encoder: Encoder, pixels: Float32, batch_size: int = 32) -> Seen:
    batches = [see(encoder, pixels[start : start + batch_size]) for start in range(0, len(pixels), batch_size)]
    return Seen(*(np.concatenate(parts) for parts in zip(*batches, strict=True)))


def _least_cosine(a: Float32, b: Float32) -> float:
    return float(np.einsum("nd,nd->n", a, b).min())


def _reordered(before: NDArray[np.floating], after: NDArray[np.floating]) -> int:
    """Rows of scores (q, g) whose ``TOP`` best places are taken by columns that do not score alike ``before``."""
    best = -np.sort(-before, axis=1)[:, :TOP]
    chosen = np.take_along_axis(before, np.argsort(-after, axis=1, kind="stable")[:, :TOP], axis=1)
    return int((~(np.abs(best - chosen) <= TIE)).any(axis=1).sum())
