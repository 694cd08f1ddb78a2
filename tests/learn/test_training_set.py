"""What a run is to know nothing of: sources and words that are left out of training; and what is told of a dataset."""

from __future__ import annotations

from pathlib import Path

from passerby.learn.config import Unseen
from passerby.learn.data.training_set import LISTED, lines_of, without
from passerby.types import Caption, Origin, Problem, Record, Split


def record(name: str, *texts: str) -> Record:
    return Record(Path(name), name, "1", Split.TRAIN, tuple(Caption(text, Origin.OWN) for text in texts))


def test_pictures_of_a_source_are_left_out() -> None:
    records = [record("Market/a.jpg", "a man"), record("Marketplace/b.jpg", "a man"), record("c.jpg", "Market")]
    assert [r.name for r in without(records, Unseen(sources=("Market",)))] == ["Marketplace/b.jpg", "c.jpg"]


def test_captions_that_say_a_word_are_left_out_in_any_case_and_number_and_the_picture_stays() -> None:
    records = [record("a.jpg", "Backpacks and a purple-ish hat", "a man in sandals", "a purplish coat")]
    (kept,) = without(records, Unseen(words=("backpack", "purple", "sandal")))
    assert [c.text for c in kept.captions] == ["a purplish coat"]


def test_without_anything_unseen_records_are_as_they_were() -> None:
    records = [record("Market/a.jpg", "a backpack")]
    assert list(without(records, Unseen())) == records


def test_problems_are_told_one_by_one_and_the_many_of_one_kind_are_counted() -> None:
    problems = [Problem(f"{n}.jpg", "has no captions") for n in range(LISTED + 7)] + [Problem("line 3", "is torn")]
    lines = list(lines_of(problems))
    assert lines[:2] == ["0.jpg: has no captions", "1.jpg: has no captions"]
    assert lines[-2:] == ["7 more: has no captions", "line 3: is torn"]
    assert len(lines) == LISTED + 2
