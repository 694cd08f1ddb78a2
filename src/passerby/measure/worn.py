"""How well a model tells who wears what: who is said to wear something should have higher log-odds of it than who is not.

For each attribute that is the area under the ROC curve, which is the share of pairs of a picture that is said to have it and one that is
not in which the first has the higher log-odds (Hanley and McNeil, Radiology 1982). It needs no threshold and no dataset but captions;
what people wear and captions leave out counts as not worn, so even a perfect model stays below 100.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from passerby.measure.metrics import Estimate, bootstrap
from passerby.measure.split import EmbeddedSplit
from passerby.types import Origin, Record
from passerby.words.attributes import said
from passerby.words.parser import parse

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

LEAST: Final = 5
"""Pictures that are said to have an attribute, and pictures that are not; with fewer of either an attribute is not measured."""


@dataclass(frozen=True, slots=True, eq=False)
class Worn:
    """How the captioned pictures of a split stand in each attribute.

    Args:
        placements: float64 (n, a), as :func:`placements` gives them.
        identities: who is in each picture.
    """

    placements: Float64
    identities: tuple[str, ...]

    @property
    def measured(self) -> NDArray[np.int64]:
        """The columns of the attributes that could be measured."""
        return np.flatnonzero(np.isfinite(self.placements).any(axis=0))

    @property
    def auc(self) -> float:
        """Mean over the attributes measured, in percent; NaN where there is none."""
        return float(100 * self._by_picture().mean()) if len(self.measured) else float("nan")

    def _by_picture(self) -> Float64:
        """float64 (n,) whose mean is the mean area: what each picture adds to it, times their number."""
        measured = self.placements[:, self.measured]
        counts = np.isfinite(measured).sum(axis=0)
        by_picture: Float64 = np.nansum(measured / counts, axis=1) * len(measured) / len(counts)
        return by_picture


def worn_in(split: EmbeddedSplit, names: Sequence[str]) -> Worn:
    """How the pictures of a split that have captions of their own stand in each attribute.

    Args:
        names: of the model that embedded the split.
    """
    rows = [row for row, record in enumerate(split.gallery) if any(c.origin is Origin.OWN for c in record.captions)]
    captioned = [split.gallery[row] for row in rows]
    labels = labels_of(captioned, names, (Origin.OWN,))
    return Worn(placements(split.worn[rows], labels), tuple(record.identity for record in captioned))


def labels_of(records: Sequence[Record], names: Sequence[str], origins: Collection[Origin]) -> Float32:
    """What the captions of these origins say of each record: float32 (n, a), as :func:`shares_said` has it."""
    return shares_said([[c.text for c in record.captions if c.origin in origins] for record in records], names)


def shares_said(groups: Sequence[Collection[str]], names: Sequence[str]) -> Float32:
    """Of each group of captions, the share that says that somebody has an attribute.

    Args:
        names: of the attributes, as :mod:`passerby.words.attributes` has them.

    Returns:
        float32 (n, a); 0 where some caption denies it and none affirms it, NaN where none mentions it.
    """
    column = {name: number for number, name in enumerate(names)}
    read = {text: said(parse(text), names) for text in dict.fromkeys(text for texts in groups for text in texts)}
    mentioned = {text: [column[name] for name in found] for text, found in read.items()}
    affirmed = {text: [column[name] for name, yes in found.items() if yes] for text, found in read.items()}
    shares = np.full((len(groups), len(names)), np.nan, np.float32)
    for row, texts in enumerate(groups):
        for text in texts:
            shares[row, mentioned[text]] = np.nan_to_num(shares[row, mentioned[text]])
            shares[row, affirmed[text]] += 1
    shares /= np.array([max(1, len(texts)) for texts in groups], np.float32)[:, None]
    return shares


def placements(log_odds: Float32, labels: Float32) -> Float64:
    """For each picture that is said to have an attribute, the share of those not said to have it whose log-odds are lower, ties by half.

    Args:
        log_odds, labels: (n, a); a label above 0 says that it is worn.

    Returns:
        float64 (n, a); NaN where it is not said, and for attributes with fewer than ``LEAST`` pictures on either side.
    """
    found = np.full(log_odds.shape, np.nan)
    for column, (values, worn) in enumerate(zip(log_odds.T, (labels > 0).T, strict=True)):
        others = np.sort(values[~worn])
        if min(len(others), worn.sum()) >= LEAST:
            below, up_to = (np.searchsorted(others, values[worn], side) for side in ("left", "right"))
            found[worn, column] = (below + up_to) / (2 * len(others))
    return found


def auc_change(before: Worn, after: Worn, *, seed: int = 0, resamples: int = 1000) -> Estimate:
    """Mean area of ``after`` minus that of ``before`` over the same pictures, in points, with a 95 % interval from a bootstrap over people.

    Pairing cancels what makes a picture easy or hard. Who is not said to have an attribute is many, and is not drawn.

    Raises:
        ValueError: other pictures, or no attribute that could be measured.
    """
    if before.identities != after.identities or before.placements.shape != after.placements.shape or not len(before.measured):
        raise ValueError("expected the same pictures and attributes twice, and captions that say some of them often enough")
    change = 100 * (after._by_picture() - before._by_picture())
    return bootstrap(change[:, None], np.array(before.identities), seed=seed, resamples=resamples)[0]
