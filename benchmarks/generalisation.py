"""Whether a model knows people or has learnt its training pictures by heart, and which tower is to blame.

    python benchmarks/generalisation.py --data CUHK-PEDES

The same questions are asked about people of train and of val, one right answer each: a person's first picture by its first caption, by
another picture of the person, and a picture's first caption by its second. A tower that learnt by heart is far better on train.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from common import Row, options, show
from numpy.typing import NDArray

from passerby.data.datasets import load_dataset
from passerby.measure.split import EmbeddedSplit, embed_split
from passerby.resolve import load_model
from passerby.types import Dataset, Origin, Record, Split

PEOPLE = 700
"""Asked about in each split: as many as have two pictures and two captions in both."""


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="a dataset with train and val")
    parser.add_argument("--model", default="passerby-s")
    arguments = parser.parse_args()
    encoder = load_model(arguments.model)
    rows = [row(embed_split(encoder, chosen(arguments.data, split))) for split in (Split.TRAIN, Split.VAL)]
    show("Rank-1 among people of", rows, as_json=arguments.json)


def chosen(folder: Path, split: Split) -> Dataset:
    """Two pictures each of people who have them, the first with two own captions."""
    people: dict[str, list[Record]] = {}
    for record in load_dataset(folder, {split}).records:
        if sum(c.origin is Origin.OWN for c in record.captions) >= 2:
            people.setdefault(record.identity, []).append(record)
    pairs = [records[:2] for records in people.values() if len(records) >= 2][:PEOPLE]
    return Dataset(f"{folder.name} {split}", tuple(record for pair in pairs for record in pair))


def row(split: EmbeddedSplit) -> Row:
    first = range(0, len(split.gallery), 2)
    said: dict[str, list[int]] = {}
    for i, query in enumerate(split.queries):
        said.setdefault(query.record.name, []).append(i)
    captions = [said[split.gallery[i].name][:2] for i in first]
    texts, other_texts = (split.texts[[pair[which] for pair in captions]] for which in (0, 1))
    images, other_images = split.images[first], split.images[1::2]
    return {
        "split": split.split.value,
        "people": len(first),
        "picture by caption": rank1(texts, images),
        "picture by picture": rank1(other_images, images),
        "caption by caption": rank1(other_texts, texts),
    }


def rank1(queries: NDArray[np.float32], gallery: NDArray[np.float32]) -> float:
    """Percent of queries whose nearest vector is the one of the same row."""
    return float(100 * np.mean((queries @ gallery.T).argmax(axis=1) == np.arange(len(queries))))


if __name__ == "__main__":
    main()
