"""The engine answers as `passerby.find` does, whatever else is asked at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from threading import Event
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from serving import Sample

from passerby.errors import QueryError, ServiceBusy
from passerby.find.answer import Answer, answer
from passerby.find.question import Question
from passerby.index.base import Index
from passerby.index.open import open_index
from passerby.index.selection import Selection
from passerby.model.bundle_encoder import BundleEncoder
from passerby.resolve import find_bundle
from passerby.service.engine import Ask, Engine
from passerby.words.filters import read_filters
from passerby.words.lexicon import Part

THINGS = ("red jacket", "blue jeans", "black bag", "no hat", "white shoes", "a woman", "zorbly", "yellow dress")
RED = read_filters({Part.UPPER: ["red"]})
NOWHERE = Selection(cameras=("moon",))


class Watched(BundleEncoder):
    """Says how many texts come in each run of its tower, and waits before the first until it may go on."""

    def __init__(self) -> None:
        super().__init__(find_bundle("passerby-s"), threads=1)
        self.runs: list[int] = []
        self.began, self.may_go_on = Event(), Event()
        self.may_go_on.set()

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.began.set()
        self.may_go_on.wait(10)
        self.runs.append(len(texts))
        return super().embed_texts(texts)


@pytest.fixture(scope="module")
def index(sample: Sample) -> Iterator[Index]:
    with open_index(sample.index) as opened:
        yield opened


@pytest.fixture(scope="module")
def engine(index: Index, sample: Sample) -> Iterator[Engine]:
    with Engine(index, sample.encoder) as opened:
        yield opened


def asking(engine: Engine, ask: Ask) -> Future[Answer]:
    return engine.ask(ask, lambda answer: answer)


descriptions = st.lists(st.sampled_from(THINGS), min_size=1, max_size=3, unique=True).map(", ".join)
asks = st.builds(
    lambda words, filtered, k, least, fold: Ask(Question(words, filters=RED if filtered else ()), k, least, fold=fold),
    descriptions,
    st.booleans(),
    st.sampled_from([1, 5]),
    st.sampled_from([None, 0.2]),
    st.booleans(),
)


def told(found: Callable[[], Any]) -> Any:
    """An answer as the command line prints it, or why there is none."""
    try:
        return found().to_json()
    except QueryError as error:
        return str(error)


@settings(max_examples=15)
@given(st.lists(asks, min_size=1, max_size=20))
def test_many_at_once_get_the_answers_that_each_gets_alone(index: Index, engine: Engine, sample: Sample, together: list[Ask]) -> None:
    waiting = [asking(engine, one) for one in together]
    for one, waits in zip(together, waiting, strict=True):
        alone = partial(answer, index, sample.encoder, one.question, one.k, min_probability=one.min_probability, fold=one.fold)
        assert told(waits.result) == told(alone)


def test_what_has_queued_shares_a_run_of_the_text_tower(index: Index) -> None:
    encoder = Watched()
    encoder.may_go_on.clear()
    with Engine(index, encoder) as engine:
        first = asking(engine, Ask(Question("a man")))
        assert encoder.began.wait(10)
        others = [asking(engine, Ask(Question(f"a {colour} coat"))) for colour in ("red", "blue", "green", "white")]
        encoder.may_go_on.set()
        assert all(one.result(10).people for one in (first, *others))
    assert len(encoder.runs) == 2


def test_what_was_asked_a_moment_ago_is_not_read_again(index: Index) -> None:
    encoder = Watched()
    with Engine(index, encoder) as engine:
        once = asking(engine, Ask(Question("a red jacket"))).result()
        read = len(encoder.runs)
        again = asking(engine, Ask(Question("a red jacket"), k=3)).result()
    assert [hit.score for hit in again.people] == [hit.score for hit in once.people[:3]]
    assert len(encoder.runs) == read > 0


def test_of_questions_that_are_asked_together_one_that_cannot_be_answered_fails_alone(index: Index) -> None:
    encoder = Watched()
    encoder.may_go_on.clear()
    with Engine(index, encoder) as engine:
        asking(engine, Ask(Question("a man")))
        assert encoder.began.wait(10)
        good, bad = asking(engine, Ask(Question("a red coat"))), asking(engine, Ask(Question("a red coat", selection=NOWHERE)))
        encoder.may_go_on.set()
        assert good.result(10).people
        with pytest.raises(QueryError, match="no camera 'moon'"):
            bad.result(10)


def test_more_than_may_wait_are_told_to_come_again(index: Index) -> None:
    encoder = Watched()
    encoder.may_go_on.clear()
    with Engine(index, encoder, waiting=3) as engine:
        first = asking(engine, Ask(Question("a man")))
        assert encoder.began.wait(10)
        waiting = [asking(engine, Ask(Question("a coat"))) for _ in range(3)]
        with pytest.raises(ServiceBusy, match="found 3 that wait; ask again"):
            asking(engine, Ask(Question("a coat")))
        waiting.pop().cancel()
        encoder.may_go_on.set()
        assert all(one.result(10).people for one in (first, *waiting))
        assert asking(engine, Ask(Question("a coat"))).result(10).people


def test_what_waits_is_answered_before_the_end_and_nothing_after_it(index: Index, sample: Sample) -> None:
    engine = Engine(index, sample.encoder)
    waiting = [asking(engine, Ask(Question("a coat"))) for _ in range(20)]
    engine.close()
    assert all(one.done() and one.result().people for one in waiting)
    with pytest.raises(ServiceBusy, match="ending"):
        asking(engine, Ask(Question("a coat")))
    engine.close()


def test_threads_may_ask_at_once(engine: Engine, index: Index, sample: Sample) -> None:
    words = [f"a {colour} {thing}" for colour in ("red", "blue", "black") for thing in ("coat", "shirt", "bag")] * 3
    with ThreadPoolExecutor(9) as threads:
        found = list(threads.map(lambda one: asking(engine, Ask(Question(one))).result(30).to_json(), words))
    assert found == [answer(index, sample.encoder, Question(one)).to_json() for one in words]
