"""Searching without looking at everybody: candidates by cosine from an HNSW graph, ranked by the one score."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from passerby.index.info import Selected
from passerby.index.nearest import HNSW, Nearest, crowd_of, nearest
from passerby.index.postgres.segment import STORED, Moment, table_of
from passerby.index.postgres.session import Session, translated
from passerby.index.score import Weights
from passerby.index.selection import Selection
from passerby.index.sql import selecting
from passerby.index.sql.selected import SelectedPeople
from passerby.index.sql.selecting import Where
from passerby.index.vectors import VectorTable

if TYPE_CHECKING:
    from passerby.index.postgres.index import Index

CANDIDATES: Final = 300
"""Embeddings that are ranked by the score for each question, at least."""

_SHARE: Final = 600
"""One in so many of a large index is ranked: of more people, more are as near as the best by the score."""

FEW: Final = 0.02
"""A selection of so small a share of all is looked at as a whole: a graph would be searched for the few who pass."""

_LEAST, _MOST = 60, 1000
"""Candidates that the search of a day's graph keeps in mind: of many days, each has few of the best. More the server does not keep."""

_SCANNED: Final = 100_000
"""Embeddings that are looked at in the graph, at most, for as many candidates as are selected."""

_SAMPLE: Final = 4096
"""Embeddings whose scores stand for everybody's in a crowd: its mean is sure to a 64th of its spread."""

_GREW: Final = 1.05
"""A sample is drawn anew when so many times as many embeddings have come."""

_GRAPH: Final = "vectors_by_cosine"


class _Sample(NamedTuple):
    """Those of a selection, or of all, as a crowd is made of them.

    Args:
        days: how many have a graph of their own.
        few: their embeddings, if they are few enough to look at all.
        size: how many embeddings count.
        table: some of them, evenly spread in the order in which they came.
    """

    of: Moment
    days: int
    few: NDArray[np.int64] | None
    size: int
    table: VectorTable

    def is_outdated(self, now: Moment) -> bool:
        """Whether it says too little of a moment: of few, all are looked at, so that nobody may have come or gone."""
        if self.few is not None and self.of.generation != now.generation:
            return True
        return self.of.epoch != now.epoch or not self.of.newest <= now.newest <= _GREW * self.of.newest


class Graph:
    """Searches of an index by its graph. Safe to use from many threads."""

    def __init__(self) -> None:
        self._samples: dict[Selection, _Sample] = {}
        self._is_there = False

    def is_there(self, session: Session) -> bool:
        """Whether the graph was built."""
        self._is_there = self._is_there or bool(session.fetch("SELECT to_regclass(current_schema() || '.' || $1)", _GRAPH)[0][0])
        return self._is_there

    def nearest(
        self, index: Index, now: Moment, questions: Sequence[Weights], k: int, selection: Selection, *, fold: bool
    ) -> list[Nearest]:
        """As `Index.nearest` but for whom the graph misses; the crowd is that of a sample."""
        sample = self._sample(index, now, selection)
        within = selecting.where(selection.conditions(index.cameras()))
        if sample.few is not None:
            table = _of(index.session, now, sample.few)
            return nearest(table, _among(index, within, table), questions, k, None, fold=fold)
        answers = []
        for question in questions:
            filtered = None if selection.is_everybody else within
            table = _candidates(index.session, now, question, max(_enough(now.newest), 4 * k), filtered, sample.days)
            (found,) = nearest(table, _among(index, within, table), [question], k, None, fold=fold)
            scores = sample.table.weighted([question])[0].astype(np.float64)
            crowd = crowd_of(scores)._replace(size=np.array([float(sample.size)]))
            answers.append(replace(found, crowd=crowd, way=HNSW))
        return answers

    def _sample(self, index: Index, now: Moment, selection: Selection) -> _Sample:
        known = self._samples.get(selection)
        if known is None or known.is_outdated(now):
            known = _draw(index, now, selection)
            self._samples = {**dict(list(self._samples.items())[-15:]), selection: known}
        return known


def build(session: Session, dim: int) -> None:
    """Make the graph, which takes minutes for a million, or do nothing where it is."""
    session.script(f"CREATE INDEX IF NOT EXISTS {_GRAPH} ON vectors USING hnsw ((half::halfvec({dim})) halfvec_cosine_ops)")


def _draw(index: Index, now: Moment, selection: Selection) -> _Sample:
    total, days = index.session.fetch(
        "SELECT (SELECT count(*) FROM embeddings), (SELECT count(*) FROM pg_inherits WHERE inhparent = 'vectors'::regclass)"
    )[0]
    if selection.is_everybody:
        asked = np.unique(np.linspace(1, max(now.newest, 1), 2 * _SAMPLE).astype(np.int64))
        size = total - index.copies().shape[1]
    else:
        chosen = np.unique(selecting.choose(index.session, selection.conditions(index.cameras())).embeddings)
        if len(chosen) <= max(FEW * total, CANDIDATES):
            return _Sample(now, days, chosen, len(chosen), VectorTable.of([], np.empty(0, np.int64), np.empty(0, np.intp)))
        asked = chosen[np.linspace(0, len(chosen) - 1, 2 * _SAMPLE).astype(np.intp)]
        size = int(np.isin(chosen, index.copies()[0], invert=True).sum())
    asked = asked[np.isin(asked, index.copies()[0], invert=True)]
    table = _of(index.session, now, asked[:: max(1, len(asked) // _SAMPLE)])
    return _Sample(now, days, None, size, table)


def _of(session: Session, now: Moment, ids: NDArray[np.int64]) -> VectorTable:
    """The embeddings with these ids, of those that are there."""
    joined = "embeddings JOIN vectors ON vectors.embedding = id AND vectors.day = embeddings.day"
    return table_of(session.fetch(f"SELECT {STORED} FROM {joined} WHERE id IN (SELECT unnest($1::bigint[]))", ids.tolist()), now)


def _among(index: Index, within: Where, table: VectorTable) -> SelectedPeople:
    """Those of a selection who are in a table, as if nobody else were there."""
    return SelectedPeople(index, within, np.ones(len(table), np.bool_), table, Selected(0, 0))


def _enough(embeddings: int) -> int:
    """So many candidates have nearly all of the best of an index that holds so many."""
    return max(CANDIDATES, min(embeddings // _SHARE, _MOST))


def _candidates(session: Session, now: Moment, question: Weights, count: int, within: Where | None, days: int) -> VectorTable:
    """Those whose vectors are most like a question's."""
    vector = "[" + ",".join(map(repr, question.vector.astype(np.float16).astype(float).tolist())) + "]"
    selected, values = "TRUE", tuple[object, ...]()
    if within is not None:
        selected = f"""EXISTS (SELECT 1 FROM crops JOIN people ON people.id = person JOIN media ON media.id = people.media
            WHERE crops.embedding = vectors.embedding AND {within.sql})"""
        values = within.values
    nearest_of = (
        f"SELECT {STORED} FROM vectors WHERE {selected} ORDER BY half::halfvec({now.dim}) <=> CAST(? AS text)::halfvec LIMIT {count}"
    )
    with _by_graph(session, count, days):
        return table_of(session.fetch(translated(nearest_of), *values, vector), now)


@contextmanager
def _by_graph(session: Session, count: int, days: int) -> Iterator[None]:
    """Inside of a transaction: a search by the graphs of so many days goes on until it has as many who are selected."""
    kept = min(max(count * 5 // 4 // max(days, 1), _LEAST), _MOST)
    session.script(
        f"SET LOCAL hnsw.iterative_scan = relaxed_order; SET LOCAL hnsw.ef_search = {kept};"
        f"SET LOCAL hnsw.max_scan_tuples = {_SCANNED}; {_planning('off')}"
    )
    yield
    session.script(_planning("DEFAULT"))


def _planning(others: str) -> str:
    return ";".join(f"SET LOCAL enable_{way} = {others}" for way in ("seqscan", "sort", "hashjoin", "mergejoin"))
