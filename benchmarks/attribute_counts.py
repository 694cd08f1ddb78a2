"""How often training captions say each attribute that models learn, and each that they might: from where the list of names comes.

    python benchmarks/attribute_counts.py --data CUHK-PEDES

An attribute is said of a picture if one of its own captions says that somebody has it and none that they have it not.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final

from common import Row, options, show

from passerby.data.datasets import load_dataset
from passerby.types import Origin, Split
from passerby.words.attributes import NAMES, possible, said
from passerby.words.description import PersonDescription
from passerby.words.parser import parse

ENOUGH: Final = 40
"""Pictures that must be said to have an attribute."""


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="CUHK-PEDES")
    arguments = parser.parse_args()
    captions, denied, pictures, items, named = (Counter[str]() for _ in range(5))
    for record in load_dataset(arguments.data, Split.TRAIN).records:
        yes, no = set[str](), set[str]()
        for description in (parse(caption.text) for caption in record.captions if caption.origin is Origin.OWN):
            found = said(description, possible())
            has = {name for name, is_so in found.items() if is_so}
            captions.update(has)
            denied.update(found.keys() - has)
            yes, no = yes | has, no | (found.keys() - has)
            items.update(("covered" if said(PersonDescription((item,))) else "not covered") for item in description.items)
            named.update({"captions": 1, "attributes": len(has & set(NAMES))})
        pictures.update(yes - no)
    rows: list[Row] = [
        {
            "attribute": name,
            "learnt": "yes" if name in NAMES else "no",
            "pictures": pictures[name],
            "captions": captions[name],
            "denied in": denied[name],
        }
        for name in possible()
        if name in NAMES or pictures[name] >= ENOUGH
    ]
    a_caption = named["attributes"] / named["captions"]
    covered = 100 * items["covered"] / items.total()
    title = (
        f"attributes in {named['captions']:,} training captions: {a_caption:.1f} in each, of {covered:.1f} % of {items.total():,} things"
    )
    show(title, rows, as_json=arguments.json)


if __name__ == "__main__":
    main()
