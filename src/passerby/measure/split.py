"""One split of a dataset as a model sees it: pictures and captions as vectors, the start of every measure of retrieval."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from passerby.errors import DatasetError
from passerby.index.score import Weights
from passerby.measure.metrics import PerQuery, rank_queries
from passerby.media.encode_files import EncodedFile, encode_files
from passerby.model.encoder import Encoder, encode_texts
from passerby.model.worn import worn_bytes
from passerby.progress import Progress
from passerby.types import Dataset, Failure, ModelDigest, Origin, Problem, Record, Split

Float32 = NDArray[np.float32]

FEWEST: Final = 30
"""People that a set, a group or the rest needs; of fewer, a figure and its interval say little."""


NOTHING: Final[Float32] = np.empty(0, np.float32)
"""What a model without attributes says of what is worn."""


class Query(NamedTuple):
    """A caption to ask with and the record of the very picture it was written for."""

    record: Record
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddedSplit:
    """The pictures of a split that could be read, the own captions that can be answered, and their vectors.

    Args:
        dataset: its name.
        model: the model's name.
        gallery: g pictures, in the dataset's order.
        images: float32 (g, d), of length 1.
        queries: q captions, in the dataset's order.
        texts: float32 (q, d), of length 1.
        unanswerable: captions left out because no picture of their person could be read.
        failures: pictures that could not be read.
        problems: what was wrong with the dataset's records.
        worn: float32 (g, a), the log-odds of the model's attributes; a is 0 for a model without attributes.
    """

    dataset: str
    split: Split
    model: str
    digest: ModelDigest
    gallery: tuple[Record, ...]
    images: Float32
    queries: tuple[Query, ...]
    texts: Float32
    unanswerable: int
    failures: tuple[Failure, ...]
    problems: tuple[Problem, ...]
    worn: Float32 = field(default_factory=lambda: np.empty((0, 0), np.float32))

    @property
    def people(self) -> int:
        """How many people are asked for."""
        return len(set(self.asked))

    @property
    def asked(self) -> tuple[str, ...]:
        """Who each query describes."""
        return tuple(query.record.identity for query in self.queries)

    @property
    def caution(self) -> str | None:
        """What to bear in mind with every figure of a set as small as this; ``None`` of one that is not."""
        if self.people >= FEWEST:
            return None
        pictures = Counter(record.identity for record in self.gallery)
        wrong = len(self.gallery) - min(pictures[identity] for identity in self.asked)
        certain = " and ".join(f"Rank-{k}" for k in (1, 5, 10) if wrong < k)
        return few_people(self.people) + (f"; among {len(self.gallery)} pictures any model has 100 at {certain}" if certain else "")

    @property
    def stored(self) -> NDArray[np.uint8]:
        """What an index would hold of what is worn in each picture, uint8 (g, 2a)."""
        return worn_bytes(self.worn.reshape(len(self.gallery), -1))

    def rank(self, *, images: Float32 | None = None, texts: NDArray[np.floating] | Sequence[Weights] | None = None) -> PerQuery:
        """Every query asked of the whole gallery, with other vectors of its pictures or its captions, or other questions, where given.

        Raises:
            DatasetError: pictures of fewer than two people.
        """
        require_two_people(self.gallery, self.dataset)
        shown = [record.identity for record in self.gallery]
        asked, seen = self.texts if texts is None else texts, self.images if images is None else images
        return rank_queries(asked, seen, self.asked, shown, gallery_worn=self.stored)

    def to_json(self) -> dict[str, Any]:
        """What was measured, without the vectors; ready for ``json.dumps``."""
        return {
            "dataset": self.dataset,
            "split": self.split.value,
            "queries": len(self.queries),
            "gallery": len(self.gallery),
            "identities": self.people,
            "unanswerable": self.unanswerable,
            "caution": self.caution,
            "model": self.model,
            "digest": self.digest,
            "failed": [{"path": str(failure.path), "reason": failure.reason} for failure in self.failures],
            "problems": [asdict(problem) for problem in self.problems],
        }


def embed_split(encoder: Encoder, dataset: Dataset, *, on_progress: Progress | None = None) -> EmbeddedSplit:
    """Embeds each picture of a split and each own caption of the people in them.

    A picture that cannot be read is reported and left out of the gallery; its captions are still asked while another picture of
    the person can be found.

    Args:
        dataset: the records of one split.
        on_progress: told how far the pictures are.

    Raises:
        DatasetError: records of several splits, or no caption to ask about a picture that can be read.
        ModelError: a tower that cannot be loaded or fails its self-test.
    """
    split = _only_split(dataset)
    gallery, vectors, worn, failures = [], [], [], []
    results = encode_files(encoder, [record.path for record in dataset.records])
    for done, (record, result) in enumerate(zip(dataset.records, results, strict=True), start=1):
        if isinstance(result, EncodedFile):
            gallery.append(record)
            vectors.append(result.vector)
            worn.append(NOTHING if result.worn is None else result.worn)
        else:
            failures.append(result)
        if on_progress:
            on_progress(done, len(dataset.records))

    captions = own_captions(dataset.records)
    findable = {record.identity for record in gallery}
    queries = tuple(query for query in captions if query.record.identity in findable)
    if not queries:
        raise DatasetError(
            expected=f"pictures with captions of their own in {dataset.name}",
            found=f"{len(gallery)} pictures that can be read, {len(captions)} captions, none of the same person",
            do="check the dataset's split and paths",
        )
    return EmbeddedSplit(
        dataset=dataset.name,
        split=split,
        model=encoder.name,
        digest=encoder.digest,
        gallery=tuple(gallery),
        images=np.stack(vectors),
        queries=queries,
        texts=encode_texts(encoder, [query.text for query in queries]),
        unanswerable=len(captions) - len(queries),
        failures=tuple(failures),
        problems=dataset.problems,
        worn=np.stack(worn),
    )


def require_two_people(records: Collection[Record], dataset: str) -> None:
    """Raises DatasetError where there is nobody to take for somebody else, so that every answer would be right."""
    people = len({record.identity for record in records})
    if people < 2:
        raise DatasetError(
            expected=f"pictures of at least two people in {dataset}, to tell them apart",
            found=f"{len(records)} of one person",
            do="add pictures of others, or check the column `id` and which pictures can be read",
        )


def few_people(people: int) -> str:
    """What to bear in mind where so few are asked for."""
    return f"only {people} people are asked for: too few to say how well others are found, and the intervals are too narrow"


def own_captions(records: Sequence[Record]) -> list[Query]:
    """The captions written for the very pictures, in the records' order."""
    return [Query(record, caption.text) for record in records for caption in record.captions if caption.origin is Origin.OWN]


def _only_split(dataset: Dataset) -> Split:
    splits = {record.split for record in dataset.records}
    if len(splits) != 1:
        raise DatasetError(
            expected=f"records of one split in {dataset.name}",
            found=", ".join(sorted(splits)) or "no records",
            do="name the split to evaluate",
        )
    return splits.pop()
