"""Answers to many clients at once: what has queued is asked together, and each answer is the one that it would get alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from queue import Empty, Full, Queue
from threading import Lock, Thread
from time import monotonic
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import numpy as np

from passerby.errors import PasserbyError, ServiceBusy
from passerby.find.answer import Answer, answers
from passerby.find.filter import SURE
from passerby.find.question import Question
from passerby.index.base import Index
from passerby.model.encoder import Encoder
from passerby.model.remembering import RememberingEncoder

AT_ONCE: Final = 16
"""Questions that share a run of the text tower and a pass over the vectors: more wait longer and are hardly answered faster."""
LOOKS: Final = 2.0
"""Seconds after which it is looked again who has left the index."""
WAITING: Final = 128
"""Questions that may wait; a client that comes when so many do is told to come again."""


@dataclass(frozen=True, slots=True, eq=False)
class Ask:
    """A question, and how it is to be answered: the arguments of :func:`passerby.find.answer.answer`."""

    question: Question
    k: int = 10
    min_probability: float | None = None
    sure: float = SURE
    fold: bool = True

    @property
    def manner(self) -> tuple[int, float, float, bool]:
        """Asks of equal ones can be answered together."""
        least = -1.0 if self.min_probability is None else self.min_probability
        return self.k, least, self.sure, self.fold


Told = TypeVar("Told")
_Waiting = tuple[Ask, Callable[[Answer], Any], "Future[Any]"]


class Engine:
    """What answers the questions of many clients about one index, by one model. Close it, or use it in a ``with``.

    Args:
        waiting: how many asks may wait.
        at_once: how many are answered together.
        on_gone: called soon after anybody has left the index, for nothing of them to be kept.
    """

    def __init__(
        self,
        index: Index,
        encoder: Encoder,
        *,
        waiting: int = WAITING,
        at_once: int = AT_ONCE,
        on_gone: Callable[[], object] = lambda: None,
    ) -> None:
        self.index, self.encoder = index, RememberingEncoder(encoder)
        self._at_once = at_once
        self._on_gone = on_gone
        self._known, self._looked = np.empty(0, np.int64), monotonic()
        self._queue: Queue[_Waiting | None] = Queue(waiting)
        self._entering = Lock()
        self._closed = False
        self._worker = Thread(target=self._work, name="passerby answers", daemon=True)
        self._worker.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Answer what waits, and take no more. The index stays open."""
        with self._entering:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._worker.join()

    def ask(self, ask: Ask, then: Callable[[Answer], Told]) -> Future[Told]:
        """What is to be made of the answer, when it is there; its errors are those of :func:`passerby.find.answer.answer` too.

        Args:
            then: what makes it, in the thread that answers: quickly.

        Raises:
            ServiceBusy: too many wait already, or it is closed.
        """
        waits: Future[Told] = Future()
        with self._entering:
            if self._closed:
                raise ServiceBusy(expected="a service that takes questions", found="one that is ending", do="ask again when it is back")
            try:
                self._queue.put_nowait((ask, then, waits))
            except Full:
                found = f"{self._queue.maxsize} that wait"
                raise ServiceBusy(expected="fewer questions at once", found=found, do="ask again in a second") from None
        return waits

    def _work(self) -> None:
        while taken := self._take():
            wanted = [one for one in taken if one[2].set_running_or_notify_cancel()]
            for _, alike in groupby(sorted(wanted, key=_manner), key=_manner):
                self._answer(list(alike))
            if monotonic() - self._looked > LOOKS:
                self._look()

    def _take(self) -> list[_Waiting]:
        """What waits, at most so many as are answered together; the first is waited for. Nothing when all is over."""
        taken: list[_Waiting] = []
        one = self._next()
        while one is not None:
            taken.append(one)
            if len(taken) == self._at_once:
                return taken
            try:
                one = self._queue.get_nowait()
            except Empty:
                return taken
        if taken:
            self._queue.put(None)
        return taken

    def _next(self) -> _Waiting | None:
        while True:
            try:
                return self._queue.get(timeout=LOOKS)
            except Empty:
                self._look()

    def _look(self) -> None:
        """Look who is in the index now, also where nobody asks: then what is kept of its vectors is of those, too."""
        with suppress(PasserbyError), self.index.snapshot():
            now = self.index.vectors().ids
            if now is not self._known:
                before, self._known = self._known, now
                if not before.size or not np.isin(before, now).all():  # who left before it first looked is not known
                    self._on_gone()
        self._looked = monotonic()

    def _answer(self, together: Sequence[_Waiting]) -> None:
        """Answer asks of one manner. Where one of several cannot be answered, each is asked alone, so that only that one fails."""
        first = together[0][0]
        try:
            found = answers(
                self.index,
                self.encoder,
                [ask.question for ask, _, _ in together],
                first.k,
                min_probability=first.min_probability,
                sure=first.sure,
                fold=first.fold,
            )
        except Exception as error:  # whatever it is, those who wait must hear of it, and the others be answered
            if len(together) == 1 or not isinstance(error, PasserbyError):
                for _, _, waits in together:
                    waits.set_exception(error)
                return
            for one in together:
                self._answer([one])
            return
        for (_, then, waits), answer in zip(together, found, strict=True):
            try:
                waits.set_result(then(answer))
            except Exception as error:  # likewise
                waits.set_exception(error)


def _manner(waiting: _Waiting) -> tuple[int, float, float, bool]:
    return waiting[0].manner
