"""Answering, in one act: a question is asked of an index, and what comes back only has to be shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from passerby.devices import device_and_path
from passerby.find.explain import FEWEST, SAMPLE, fits, phrase_directions, worn_fits
from passerby.find.filter import SURE, Filtered, sift
from passerby.find.query import Query, queries
from passerby.find.question import Question, as_question, as_questions
from passerby.find.search import as_count, hits_of, likely, look
from passerby.index.base import Index, as_index
from passerby.index.info import Selected
from passerby.index.looked_into import LookedInto
from passerby.index.nearest import EXACT, Found, Nearest
from passerby.index.selection import EVERYBODY, Selection
from passerby.index.vectors import VectorTable
from passerby.inputs import require, wrong
from passerby.media.clock import clock_iso, clock_time
from passerby.model.encoder import Encoder, as_encoder, attributes_of
from passerby.types import Box, Crop, Fit, Hit, Media
from passerby.words.filters import Filter

if TYPE_CHECKING:
    from passerby.media.picture import AnyPicture

AT_ONCE: Final = 32
"""Questions that are scored in one pass over the vectors."""


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """Who was found for a question, and what to bear in mind with it.

    Args:
        question: with what was not understood of it, what was guessed of its picture, and its filters.
        people: best first, each with its score, its probability and what fits.
        unlikely: who was found but is less likely to be right than was asked for.
        cut: how many word pieces at the end of one of its sentences were over the model's limit and not read, at most.
        looked_at: people in the index, or of these those who are selected.
        undated: people who are not selected, only because it is not known when they were seen.
        away: how many files of the index could not be seen when they were last looked for; people in them are found all the same.
        filtered: who passed the question's filters; ``None`` where it has none.
        looked_into: photos and videos in which people were looked for, of those selected, and how small people in them are missed.
        beside: who is asked for near each of them; ``None`` if nobody.
        way: how people were searched, ``exact`` or ``hnsw``, which may miss some.
        reindex: whether the model says what is worn and the index does not know it, as indexing again would tell.
    """

    question: Question
    people: tuple[Hit, ...]
    unlikely: tuple[Hit, ...] = ()
    cut: int = 0
    looked_at: int = 0
    away: int = 0
    undated: int = 0
    filtered: Filtered | None = None
    reindex: bool = False
    looked_into: LookedInto = field(default_factory=LookedInto)
    beside: Question | None = None
    way: str = EXACT

    @property
    def section(self) -> tuple[str, Sequence[Hit]]:
        """What a contact sheet draws of it, who is near somebody after them."""
        return self.text, tuple(one for hit in self.people for one in (hit, hit.beside) if one)

    @property
    def text(self) -> str:
        """What was asked, as people read it."""
        return f"{self.question.text}, with {self.beside.text}" if self.beside else self.question.text

    @property
    def photos(self) -> tuple[str, Sequence[Hit]]:
        """What a sheet of whole photos draws of it."""
        return self.section

    def to_json(self) -> dict[str, Any]:
        """Ready for ``json.dumps``."""
        return {**self.summary(), "hits": [hit.to_json() for hit in self.people]}

    def summary(self) -> dict[str, Any]:
        """The same, but for who was found."""
        return {
            "query": self.question.text,
            "with_person": self.beside and self.beside.text,
            "filters": [one.asked for one in self.question.filters],
            "relative": bool(self.filtered and self.filtered.relative),
            "partly": list(self.filtered.partly) if self.filtered else [],
            "likeliest": dict(self.filtered.likeliest) if self.filtered else {},
            "unreliable": dict(self.filtered.unreliable) if self.filtered else {},
            "unworn": self.filtered.unknown if self.filtered else 0,
            "reindex": self.reindex,
            "not_understood": list(self.question.not_understood),
            "cut": self.cut,
            "selection": _selection_json(self.question.selection),
            "looked_at": self.looked_at,
            "photos": self.looked_into.photos,
            "smallest": [self.looked_into.lowest, self.looked_into.highest] if self.looked_into.is_any else None,
            "videos": self.looked_into.watched_json(),
            "undated": self.undated,
            "away": self.away,
            "search": self.way,
            "unlikely": len(self.unlikely),
        }


def find(
    index: Index,
    encoder: Encoder,
    words: str | None = None,
    k: int = 10,
    *,
    like: AnyPicture | None = None,
    filters: tuple[Filter, ...] = (),
    selection: Selection | None = None,
    min_probability: float | None = None,
    sure: float = SURE,
    fold: bool = True,
    box: Box | None = None,
) -> Answer:
    """Find the ``k`` people who fit words, a picture of somebody alike, or both in equal parts; best first.

    Args:
        words: a description, such as ``a red jacket``.
        like: a file's path, a picture of Pillow's, or an array uint8 (h, w, 3) in RGB or (h, w) in grey.
        filters: as :func:`passerby.words.filters.read_filters` makes them.
        selection: who is asked about at all, as :func:`passerby.find.selection.read_selection` makes it; by default everybody.
        min_probability: leave out who is less likely to be right, from 0 to 1.
        sure: how likely somebody must have what a filter names, or lack it, from 0 to 1; nothing to a model that does not say.
        box: around whom the picture is meant, in pixels of it; by default the whole picture.
        fold: give people whose pictures are near-copies one place; probabilities are the same either way.

    Raises:
        InputError: an argument of the wrong kind.
        QueryError: nothing is asked, what is asked cancels out, ``k`` is not positive, or there is no probability to go by.
        ImageError: the picture cannot be read.
        IndexFault: the index is of another model, or damaged.
    """
    question = Question(words, like, filters, EVERYBODY if selection is None else selection, box)
    return answer(index, encoder, question, k, min_probability=min_probability, sure=sure, fold=fold)


def answer(
    index: Index,
    encoder: Encoder,
    question: Question,
    k: int = 10,
    *,
    min_probability: float | None = None,
    sure: float = SURE,
    fold: bool = True,
) -> Answer:
    """The answer of an index to a question: what :func:`answers` gives for one."""
    return answers(index, encoder, [as_question(question)], k, min_probability=min_probability, sure=sure, fold=fold)[0]


def answers(
    index: Index,
    encoder: Encoder,
    questions: Iterable[Question | str],
    k: int = 10,
    *,
    min_probability: float | None = None,
    sure: float = SURE,
    fold: bool = True,
) -> list[Answer]:
    """The answers of an index, at one moment, to many questions: each as if it were asked alone.

    The ranking is that of exact cosine similarity in float64; people of equal score are in the order of their paths.

    Args:
        questions: or words, of which each makes one.
        k: people in each answer, at most.
        min_probability: people who are less likely to be right are left out, and counted.
        sure, fold: as of :func:`find`.

    Raises:
        InputError: an argument of the wrong kind.
        QueryError: what a question asks cancels out, ``k`` is not positive, there is no probability to go by, too few people to filter,
            or a camera is selected that the index does not know.
        IndexFault: the index is of another model, or damaged.
    """
    index, encoder, k = as_index(index), as_encoder(encoder), as_count(k)
    least = None if min_probability is None else _as_probability(min_probability, "a probability in [0, 1] or None")
    sure = _as_probability(sure, "how sure filters are to be, a probability in [0, 1]")
    fold = require(fold, bool, "fold to be True or False")
    asked = as_questions(questions)
    with index.snapshot():
        index.require_model(encoder.digest, encoder.name)
        asking = _Asking(index, encoder, k, least, sure, fold=fold)
        return [one for start in range(0, len(asked), AT_ONCE) for one in asking.answers(asked[start : start + AT_ONCE])]


class _Asking:
    """One moment of an index, of which questions are asked."""

    def __init__(self, index: Index, encoder: Encoder, k: int, least: float | None, sure: float, *, fold: bool) -> None:
        self._index, self._encoder, self._k, self._least, self._sure, self._fold = index, encoder, k, least, sure, fold
        self._knows_worn = len(attributes_of(encoder)) > 0 and index.attributes() in {None, len(attributes_of(encoder))}
        self._people, self._away = index.counts()
        self._offsets = offsets_of(index)

    @cached_property
    def _table(self) -> VectorTable:
        """Of everybody; not every question needs it, and not every index has it at hand."""
        return self._index.vectors()

    def answers(self, questions: Sequence[Question]) -> Iterator[Answer]:
        asked = queries(self._encoder, questions)
        filtered = [self._sift(one.filters) if one.filters else None for one in questions]
        found = self._nearest(questions, asked, filtered)
        reindex = bool(attributes_of(self._encoder)) and not self._knows_worn
        for question, query, through, best, told in zip(questions, asked, filtered, found, self._fits(questions, found), strict=True):
            hits = look(hits_of(best, query, told, self._clock))
            people = hits if self._least is None else likely(hits, self._least)
            looked_into = self._index.looked_into(question.selection)
            count = self._selected(question.selection, looked_into)
            yield Answer(
                question,
                tuple(people),
                tuple(hits[len(people) :]),
                query.cut,
                looked_at=count.people,
                away=self._away,
                undated=count.undated,
                filtered=through,
                reindex=reindex,
                looked_into=looked_into,
                way=best.way,
            )

    def _sift(self, filters: Sequence[Filter]) -> Filtered:
        return sift(self._encoder, filters, self._table, self._sure, portraits=self._index.portraits())

    def _selected(self, selection: Selection, looked_into: LookedInto) -> Selected:
        return Selected(self._people - looked_into.static, 0) if selection.is_everybody else self._index.selected(selection)

    def _clock(self, one: Found) -> datetime | None:
        """What a clock that goes right showed when the picture of somebody was taken."""
        return clock_of_crop(one.person.media, one.crop, self._offsets)

    def _nearest(self, questions: Sequence[Question], asked: Sequence[Query], filtered: Sequence[Filtered | None]) -> list[Nearest]:
        """Of each question: those without filters and of one selection share a pass over the vectors, each other one takes its own."""
        found: dict[int, Nearest] = {}
        together: dict[Selection, list[int]] = {}
        for number, (question, through) in enumerate(zip(questions, filtered, strict=True)):
            if through is None:
                together.setdefault(question.selection, []).append(number)
            else:
                found[number] = self._among(through.passing, question, asked[number])
        for selection, numbers in together.items():
            weights = [asked[number].weights for number in numbers]
            found |= zip(numbers, self._index.nearest(weights, self._k, selection=selection, fold=self._fold), strict=True)
        return [found[number] for number in range(len(questions))]

    def _among(self, passing: NDArray[np.bool_], question: Question, query: Query) -> Nearest:
        (found,) = self._index.nearest([query.weights], self._k, lambda _: passing, selection=question.selection, fold=self._fold)
        return found

    def _fits(self, questions: Sequence[Question], found: Sequence[Nearest]) -> Iterator[Sequence[tuple[Fit, ...]]]:
        """What those who were found for each question fit."""
        if not self._knows_worn:
            yield from self._relative_fits(questions, found)
            return
        for question, best in zip(questions, found, strict=True):
            if question.phrases and best.people:
                worn = np.stack([self._worn(one) for one in best.people])
                yield worn_fits(self._encoder, question.phrases, question.filters, worn)
            else:
                yield [()] * len(best.people)

    def _worn(self, one: Found) -> NDArray[np.uint8]:
        return self._index.worn_of(one.person, one.crop) if one.worn is None else one.worn

    def _relative_fits(self, questions: Sequence[Question], found: Sequence[Nearest]) -> Iterator[Sequence[tuple[Fit, ...]]]:
        """What they fit better than others in the index do, the phrases of all in one pass."""
        told = [one.phrases if best.people and len(self._table) >= FEWEST else () for one, best in zip(questions, found, strict=True)]
        named = [phrase for phrases in told for phrase in phrases]
        looks = iter(phrase_directions(self._encoder, named) if named else ())
        everybody = self._table.spread(SAMPLE) if named else None
        for phrases, best in zip(told, found, strict=True):
            if phrases and everybody is not None:
                own: NDArray[np.float32] = np.stack([next(looks) for _ in phrases])
                vectors = np.stack([self._index.vector_of(one.person, one.crop) for one in best.people])
                yield fits(phrases, own, vectors, everybody)
            else:
                yield [()] * len(best.people)


def offsets_of(index: Index) -> dict[str, float]:
    """What is to be added to the clocks of cameras, by name."""
    return {camera.name: camera.offset_seconds for camera in index.cameras()}


def clock_of_crop(media: Media, crop: Crop, offsets: Mapping[str, float]) -> datetime | None:
    """What a clock that goes right showed when a crop was taken; ``None`` where that is not known."""
    if media.started_at is None:
        return None
    return clock_time(media.started_at + (crop.time or 0.0), media.zone, offsets.get(media.camera or "", 0.0))


def _selection_json(selection: Selection) -> dict[str, Any] | None:
    if selection.is_everybody:
        return None
    start, end = (None if at is None else clock_iso(at, selection.zone) for at in (selection.start, selection.end))
    places = [device_and_path(folder) for folder in selection.folders]
    devices = dict.fromkeys(device for device, _ in places if device is not None)
    folders = dict.fromkeys(str(path) for device, path in places if device is None or path != Path("/"))
    return {"cameras": list(selection.cameras), "from": start, "to": end, "folders": list(folders), "devices": list(devices)}


def _as_probability(value: float, expected: str) -> float:
    if not (isinstance(value, float | int) and not isinstance(value, bool) and 0 <= value <= 1):
        raise wrong(value, expected)
    return value
