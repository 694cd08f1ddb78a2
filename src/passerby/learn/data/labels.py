"""What pictures are learnt to show people wear: what their captions say, what annotators ticked, and what was drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from passerby.data.annotations import read_annotations
from passerby.data.synthetic.gallery import gallery_views
from passerby.data.synthetic.worn import of_drawn
from passerby.learn.data.training_set import DRAWN_VIEWS, TrainingSet, drawn_people
from passerby.measure.worn import shares_said
from passerby.types import Origin, Record

Float32 = NDArray[np.float32]
Annotated = Mapping[str, Mapping[str, bool]]
"""Which attributes somebody has and which they lack, by the picture's name without its ending."""


def training_labels(data: TrainingSet, names: Sequence[str], dataset: Path, seed: int, say: Callable[[str], None]) -> Float32:
    """The labels of a training set, as :func:`worn_labels` has them; of drawn people exact, wherever a drawing leaves no doubt.

    Args:
        dataset: its folder, in which annotators' files may lie, or its table, beside which they may.
        seed: by which its people were drawn.

    Raises:
        DatasetError: annotations that are damaged.
    """
    annotated = read_annotations(dataset)
    say(f"reading which of {len(names)} attributes captions and annotators name")
    read, drawn = data.records[: data.rows(0)], data.records[data.rows(0) :]
    views = gallery_views(drawn_people(len(drawn) // DRAWN_VIEWS), seed, views=DRAWN_VIEWS)
    exact = ticked(drawn, names, {_without_ending(name): of_drawn(seen) for name, seen in views})
    of_drawings = np.where(np.isnan(exact), worn_labels(drawn, names, {}), exact)
    return np.concatenate([worn_labels(read, names, annotated), of_drawings])


def worn_labels(records: Sequence[Record], names: Sequence[str], annotated: Annotated) -> Float32:
    """How sure it is that each attribute is worn: float32 (n, a), in [0, 1], or NaN where nothing is known.

    What the captions of the very picture say counts twice what those of all pictures of its person say, paraphrases among them; what an
    annotator ticked counts twice all of that. Dense descriptions do not count.
    """
    own = [[c.text for c in record.captions if c.origin is Origin.OWN] for record in records]
    of_person: dict[str, dict[str, None]] = {}
    for record in records:
        said = (c.text for c in record.captions if c.origin is not Origin.DENSE)
        of_person.setdefault(record.identity, {}).update(dict.fromkeys(said))
    place = {identity: number for number, identity in enumerate(of_person)}
    by_picture, by_person = np.split(shares_said([*own, *of_person.values()], names), [len(own)])
    person = by_person[[place[record.identity] for record in records]]
    captioned = np.array([bool(texts) for texts in own], bool)[:, None]
    said_so = np.where(captioned, (2 * np.nan_to_num(by_picture) + person) / 3, person)
    yes = ticked(records, names, annotated)
    labels: Float32 = np.where(np.isnan(yes), said_so, (np.nan_to_num(said_so) + 2 * yes) / 3).astype(np.float32)
    return labels


def ticked(records: Sequence[Record], names: Sequence[str], annotated: Annotated) -> Float32:
    """What annotators know of each record: float32 (n, a), 1 worn, 0 not worn, NaN unknown."""
    rows = [[annotated.get(_without_ending(record.name), {}).get(name, np.nan) for name in names] for record in records]
    return np.array(rows, np.float32).reshape(len(records), len(names))


def _without_ending(name: str) -> str:
    return name.rpartition(".")[0]
