"""Which pictures a training run learns from: those of a dataset that have words, and drawn people."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from passerby.data.datasets import load_dataset
from passerby.data.synthetic import DrawnPerson, sample_person, write_gallery
from passerby.errors import DatasetError
from passerby.learn.config import Unseen
from passerby.learn.data.batches import Batch, Sentences, tokenise
from passerby.measure.split import require_two_people
from passerby.types import Dataset, Origin, Problem, Record, Split
from passerby.words.hard_negatives import believable_swaps
from passerby.words.lexicon import lexicon
from passerby.words.shortened import shortened

DRAWN_VIEWS = 2
SWAPS_SEED = 0
LISTED = 50
"""Problems of one kind that are told one by one."""
EVERYTHING_SEEN = Unseen()
DRAWN_SEED = 1_000_000
"""Seed of the first drawn person of a training set, far from those of the demo's gallery."""


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """What batches are drawn from; row ``i`` of everything is one picture, the dataset's first, then the drawn ones."""

    records: tuple[Record, ...]
    words: list[Sentences]
    identities: NDArray[np.int64]
    drawn: int

    @property
    def people(self) -> int:
        return int(self.identities.max()) + 1

    def rows(self, drawn: int) -> int:
        """How many rows take part where so many of the drawn people do."""
        return len(self.records) - self.drawn + drawn * DRAWN_VIEWS

    def names(self, batch: Batch) -> str:
        """Of a batch's pictures, the first few."""
        names = [self.records[row].name for row in batch.pictures.tolist()]
        return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def training_set(
    dataset: Dataset,
    drawn: tuple[Record, ...],
    tokenizer: Tokenizer,
    *,
    captioned_only: bool,
    swaps: bool,
    shortened_by: int | None,
    unseen: Unseen = EVERYTHING_SEEN,
) -> TrainingSet:
    """The training pictures that have words, then the drawn ones, people numbered from 0.

    Args:
        captioned_only: leave out pictures that have no words of their own.
        swaps: have captions with exchanged colours ready too, but for dense descriptions: they repeat themselves, and one exchange makes
            no sense of them.
        shortened_by: a seed, by which to have shorter forms of captions ready too, but of dense descriptions.
    """
    wanted = {Origin.OWN} if captioned_only else set(Origin)
    seen = without((r for r in dataset.records if r.split is Split.TRAIN), unseen)
    own = tuple(r for r in seen if any(c.origin in wanted for c in r.captions))
    if not own:
        raise DatasetError(expected="training pictures with captions", found="none", do="check the dataset's split column")
    records = own + drawn
    _, identities = np.unique([r.identity for r in records], return_inverse=True)
    concise = list(dict.fromkeys(c.text for r in records for c in r.captions if c.origin is not Origin.DENSE))
    swapped = believable_swaps(concise, SWAPS_SEED) if swaps else {}
    shorter = {} if shortened_by is None else {text: shortened(text, shortened_by) for text in concise}
    return TrainingSet(records, tokenise(records, tokenizer, swapped, shorter), identities.astype(np.int64), len(drawn))


def words_to_read(dataset: Dataset) -> set[str]:
    """What a model that learns from a dataset has to be able to read: the captions of its train split, and the lexicon."""
    said = {caption.text for record in dataset.records if record.split is Split.TRAIN for caption in record.captions}
    return said | set(lexicon().phrases)


def val_of(dataset: Dataset) -> Dataset:
    """What a run is judged on.

    Raises:
        DatasetError: a val split with pictures and no captions to ask for them by, or of one person alone.
    """
    val = Dataset(dataset.name, tuple(r for r in dataset.records if r.split is Split.VAL))
    if val.records and not any(c.origin is Origin.OWN for r in val.records for c in r.captions):
        raise DatasetError(expected="captions in the val split", found="pictures alone", do="caption them, or leave val out")
    if val.records:
        require_two_people(val.records, f"the val split of {val.name}")
    return val


def lines_of(problems: Iterable[Problem]) -> Iterator[str]:
    """What is wrong with a dataset's records, a line for each; of one reason the first few dozen, and how many more there are."""
    records: dict[str, list[str]] = {}
    for problem in problems:
        records.setdefault(problem.reason, []).append(problem.record)
    for reason, found in records.items():
        yield from (f"{record}: {reason}" for record in found[:LISTED])
        if len(found) > LISTED:
            yield f"{len(found) - LISTED} more: {reason}"


def digest_of(dataset: Dataset) -> str:
    """SHA-256 of what a run reads of a dataset's records: names, people, splits and captions, wherever the dataset lies."""
    read = [[r.name, r.identity, r.split, [[c.origin, c.text] for c in r.captions]] for r in dataset.records]
    return hashlib.sha256(json.dumps(read).encode()).hexdigest()


def require_batch(rows: int, batch_size: int) -> None:
    """Raises ``DatasetError`` for fewer pictures than a batch has."""
    if rows < batch_size:
        raise DatasetError(expected=f"pictures for a batch of {batch_size}", found=f"{rows}", do="lower batch_size or add pictures")


def without(records: Iterable[Record], unseen: Unseen) -> Iterator[Record]:
    """The records of other sources, with the captions that say none of the words."""
    said = re.compile(rf"\b(?:{'|'.join(map(re.escape, unseen.words))})s?\b", re.IGNORECASE) if unseen.words else None
    for record in records:
        if record.source not in unseen.sources:
            yield replace(record, captions=tuple(c for c in record.captions if not said.search(c.text))) if said else record


def drawn_people(people: int) -> list[DrawnPerson]:
    """The first so many of those that training sets draw."""
    return [sample_person(DRAWN_SEED + i) for i in range(people)]


def drawn_records(out: Path, people: int, seed: int) -> tuple[Record, ...]:
    """Drawn people as a dataset would hold them, none of them of the demo's gallery."""
    if not people:
        return ()
    folder = out / f"drawn-{people}-{seed}"
    if not (folder / "captions.jsonl").exists():
        write_gallery(folder, drawn_people(people), seed, views=DRAWN_VIEWS, split=Split.TRAIN)
    records = load_dataset(folder, {Split.TRAIN}).records
    return tuple(replace(r, identity=f"drawn {r.identity}") for r in records)
