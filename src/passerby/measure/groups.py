"""Whom a model finds less well than others: Rank-1 by source, by gender word, and by what is worn and carried.

Groups are asked of one gallery of everybody, as a searcher does, so that a difference is of two things at once: how well the model
sees a group, and how many others look like it. People in black shirts are hard to tell apart, and a source of many people has many.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from passerby.measure.metrics import Estimate, summarise
from passerby.measure.split import FEWEST, EmbeddedSplit, Query, embed_split
from passerby.model.encoder import Encoder
from passerby.progress import Progress
from passerby.types import Dataset
from passerby.words.lexicon import Part
from passerby.words.parser import parse

Bools = NDArray[np.bool_]
Float64 = NDArray[np.float64]

BEHIND: Final = 5.0
"""Points of Rank-1 that a group may be worse than the rest."""

RESAMPLES: Final = 1000

PROTOCOL: Final = (
    "Each own caption of the split is asked once of all its pictures, whatever its groups. A caption is in the group of its picture's "
    "source, of its gender word, of each thing it names and does not deny, and of each colour of a garment, shade included. The "
    "difference is Rank-1 of a group minus Rank-1 of all other captions, in points; 95 % intervals are bootstrap percentiles over "
    "identities, and one in twenty misses by chance."
)

SOURCES: Final = {
    "cam_a": "VIPeR",
    "cam_b": "VIPeR",
    "train_query": "CUHK-SYSU",
    "test_query": "CUHK-SYSU",
    "Market": "Market-1501",
}
"""The dataset that a folder of CUHK-PEDES comes from; every other folder is called what it is."""


class Kind(StrEnum):
    """What groups are made by."""

    SOURCE = "source"
    GENDER = "gender word"
    COLOUR = "garment colour"
    GARMENT = "garment"
    CARRIED = "carried"


@dataclass(frozen=True, slots=True)
class Group:
    """The captions that have something in common, and how well their people are found.

    Args:
        queries: captions.
        people: identities they describe.
        rank1: in percent.
        difference: Rank-1 of the group minus Rank-1 of all other captions, in points.
    """

    kind: Kind
    name: str
    queries: int
    people: int
    rank1: Estimate
    difference: Estimate

    @property
    def behind(self) -> bool:
        """Whether the group is worse than the rest by ``BEHIND`` points or more."""
        return self.difference.mean <= -BEHIND


@dataclass(frozen=True, slots=True)
class SmallGroup:
    """A group that is left out because it, or the rest, has fewer than ``FEWEST`` people."""

    kind: Kind
    name: str
    people: int


@dataclass(frozen=True, slots=True, eq=False)
class GroupsReport:
    """A model's Rank-1 group by group.

    Args:
        split: what was measured.
        overall: Rank-1 of all captions, in percent.
        groups: by kind, the largest first.
        left_out: by kind, the largest first.
        seconds: wall time of the measurement.
    """

    split: EmbeddedSplit
    overall: Estimate
    groups: tuple[Group, ...]
    left_out: tuple[SmallGroup, ...]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Every group with its figures, then what was measured; ready for ``json.dumps``."""
        return {
            "rank1": self.overall.mean,
            "intervals": {"rank1": [self.overall.low, self.overall.high]},
            "groups": [asdict(group) | {"behind": group.behind} for group in self.groups],
            "left_out": [asdict(group) for group in self.left_out],
            "protocol": PROTOCOL,
            **self.split.to_json(),
            "seconds": self.seconds,
        }


def measure_groups(encoder: Encoder, dataset: Dataset, *, on_progress: Progress | None = None) -> GroupsReport:
    """Ranks all pictures of a split for each of its captions, once, and compares the groups of captions (``PROTOCOL``).

    Args:
        dataset: the records of one split.
        on_progress: told how far the pictures are.

    Raises:
        DatasetError: records of several splits, pictures of fewer than two people, or no caption to ask about a picture that can
            be read.
        ModelError: a tower that cannot be loaded or fails its self-test.
    """
    started = time.perf_counter()
    split = embed_split(encoder, dataset, on_progress=on_progress)
    per_query = split.rank()
    compared = compare_groups(split.queries, per_query.hits_within(1))
    return GroupsReport(
        split=split,
        overall=summarise(per_query, split.asked).rank1,
        groups=tuple(group for group in compared if isinstance(group, Group)),
        left_out=tuple(group for group in compared if isinstance(group, SmallGroup)),
        seconds=time.perf_counter() - started,
    )


def compare_groups(queries: tuple[Query, ...], hits: Bools, *, seed: int = 0) -> list[Group | SmallGroup]:
    """The groups of queries, by kind and from the largest to the smallest.

    Args:
        hits: bool (q,), whether the best picture for each query shows the person.
        seed: of the bootstrap, which draws the same people for all groups.
    """
    people, person = np.unique([query.record.identity for query in queries], return_inverse=True)
    evenly = np.full(len(people), 1 / len(people))
    draws = np.random.default_rng(seed).multinomial(len(people), evenly, size=RESAMPLES)
    as_they_are = np.ones((1, len(people)), np.int64)
    times_drawn = np.concatenate([as_they_are, draws])

    members: dict[tuple[Kind, str], Bools] = defaultdict(lambda: np.zeros(len(queries), np.bool_))
    for number, query in enumerate(queries):
        for label in groups_of(query):
            members[label][number] = True
    by_size = sorted(members, key=lambda label: (list(Kind).index(label[0]), -members[label].sum(), label[1]))
    return [_compare(label, members[label], hits, person, times_drawn) for label in by_size]


def groups_of(query: Query) -> Iterator[tuple[Kind, str]]:
    """The groups that a query is in, some perhaps more than once."""
    description = parse(query.text)
    if source := query.record.source:
        yield Kind.SOURCE, SOURCES.get(source, source)
    yield Kind.GENDER, description.gender or "none"
    for item in description.items:
        if not item.negated and item.part is Part.CARRIED:
            yield Kind.CARRIED, item.thing
        elif not item.negated:
            yield Kind.GARMENT, item.thing
            yield from ((Kind.COLOUR, colour) for colour in item.colours)


def _compare(
    label: tuple[Kind, str], inside: Bools, hits: Bools, person: NDArray[np.int64], times_drawn: NDArray[np.int64]
) -> Group | SmallGroup:
    people, others = (len(np.unique(person[some])) for some in (inside, ~inside))
    if min(people, others) < FEWEST:
        return SmallGroup(*label, people)
    rank1, rank1_of_rest = (_rank1(hits[some], person[some], times_drawn) for some in (inside, ~inside))
    return Group(*label, int(inside.sum()), people, _estimate(rank1), _estimate(rank1 - rank1_of_rest))


def _rank1(hits: Bools, person: NDArray[np.int64], times_drawn: NDArray[np.int64]) -> Float64:
    """Rank-1 in percent, float64 (n,), of some queries when people are drawn so often.

    Args:
        hits, person: of each of these queries.
        times_drawn: int64 (n, people).
    """
    everybody = times_drawn.shape[1]
    found, asked = np.bincount(person, weights=hits, minlength=everybody), np.bincount(person, minlength=everybody)
    percent: Float64 = 100 * (times_drawn @ found) / (times_drawn @ asked)
    return percent


def _estimate(figures: Float64) -> Estimate:
    """From float64 (1 + resamples,), what was found before what might have been."""
    low, high = np.percentile(figures[1:], [2.5, 97.5])
    return Estimate(float(figures[0]), float(low), float(high))
