"""Whether marks and filters of search ("fits: red shirt", ``--with backpack``) are right, by what annotators of Market-1501 ticked for val.

    python benchmarks/phrase_scores.py --data CUHK-PEDES

For each thing, and each colour of upper and lower garments, with enough people: the AUC of the phrase's scores over val's Market-1501
pictures, and how often "fits" and "doubtful" are right there, beside how often they would be by chance. Marks are made beside these
pictures. A filter passes who fits: "of fits" is its precision, "kept" its recall.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from common import Row, options, show
from numpy.typing import NDArray

from passerby.data.datasets import load_dataset
from passerby.find.explain import phrase_directions, shares_below
from passerby.measure.reliability import auroc
from passerby.media.encode_files import EncodedFile, encode_files
from passerby.model.encoder import Encoder
from passerby.resolve import load_model
from passerby.types import DOUBTFUL, FITS, Split
from passerby.words.prompts import phrases

FEWEST: Final = 10
"""People who must have a colour."""
GARMENTS: Final = {"up": "shirt", "down": "pants"}
THINGS: Final = {"hat": "hat", "backpack": "backpack", "handbag": "handbag"}


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="CUHK-PEDES with attributes_market1501.json")
    parser.add_argument("--model", default="passerby-s")
    arguments = parser.parse_args()
    listed = json.loads((arguments.data / "attributes_market1501.json").read_text())
    ticked = {row["file_path"].rpartition(".")[0]: row["attributes"] for row in listed}
    known = {r.path: r for r in load_dataset(arguments.data, {Split.VAL}).records if r.name.rpartition(".")[0] in ticked}
    encoder = load_model(arguments.model)
    found = [result for result in encode_files(encoder, list(known)) if isinstance(result, EncodedFile)]
    records = [known[encoded.media.path] for encoded in found]
    attributes = [ticked[r.name.rpartition(".")[0]] for r in records]
    rows = list(marks(encoder, np.stack([encoded.vector for encoded in found]), [r.identity for r in records], attributes))
    figures = [name for name in rows[0] if name not in ("phrase", "people")]
    coloured = [row for row in rows if row["phrase"] not in THINGS.values()]
    mean: Row = {"phrase": "mean of colours", "people": len({r.identity for r in records})}
    show(
        "marks of phrases",
        [*rows, mean | {n: float(np.mean([float(row[n]) for row in coloured])) for n in figures}],
        as_json=arguments.json,
    )


def marks(encoder: Encoder, vectors: NDArray[np.float32], people: list[str], attributes: list[dict[str, int]]) -> Iterator[Row]:
    """A row for each thing or colour that enough people have."""
    for key in attributes[0]:
        phrase = THINGS.get(key) or _coloured(key)
        has = np.array([ticked[key] == 2 for ticked in attributes])
        having = len({person for person, yes in zip(people, has, strict=True) if yes})
        if phrase is None or having < FEWEST:
            continue
        scores = vectors @ phrase_directions(encoder, phrases(phrase)).T
        above = shares_below(scores, scores)[:, 0]
        yield {
            "phrase": phrase,
            "people": having,
            "AUC": auroc(above, has),
            "has it %": 100 * has.mean(),
            "of fits %": 100 * has[above >= FITS].mean(),
            "kept %": 100 * (above >= FITS)[has].mean(),
            "has it not %": 100 * (~has).mean(),
            "of doubtful %": 100 * (~has[above < DOUBTFUL]).mean(),
        }


def _coloured(key: str) -> str | None:
    part = next((part for part in GARMENTS if key.startswith(part) and key != part), None)
    return f"{key.removeprefix(part).replace('gray', 'grey')} {GARMENTS[part]}" if part else None


if __name__ == "__main__":
    main()
