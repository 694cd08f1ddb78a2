"""How far what captions are understood to say agrees with what annotators of Market-1501 and VIPeR ticked for the same people.

    python benchmarks/attribute_agreement.py --data CUHK-PEDES --sample 5

``CUHK-PEDES`` also holds ``attributes_market1501.json`` (Lin et al. 2019) and ``attributes_viper_peta.json`` (PETA, Deng et al. 2014).
A caption need not say what an annotator ticked, so what is said and not ticked tells more about the reading than the other way round.
Where annotators left open whether somebody has an attribute, as of colours close to the one that they ticked, nothing is counted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from common import Row, options, show

from passerby.data.annotations import read_annotations
from passerby.data.datasets import load_dataset
from passerby.types import Origin, Split
from passerby.words.attributes import said
from passerby.words.parser import parse

FEWEST: Final = 50
"""Captions of people for whom an attribute must be ticked, and as many of others."""


@dataclass
class Count:
    """Captions by what annotators ticked and what the captions say, and those that say what was not ticked."""

    ticked: int = 0
    said: int = 0
    both: int = 0
    captions: int = 0
    unticked: list[str] = field(default_factory=list)

    def add(self, ticked: bool, said: bool, text: str) -> None:
        self.captions += 1
        self.ticked += ticked
        self.said += said
        self.both += ticked and said
        if said and not ticked:
            self.unticked.append(text)


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="CUHK-PEDES with the two files of attributes")
    parser.add_argument(
        "--sample", type=int, default=0, metavar="N", help="show so many captions of each kind that say what was not ticked"
    )
    arguments = parser.parse_args()
    annotated = read_annotations(arguments.data)
    counts: dict[str, Count] = {}
    for record in load_dataset(arguments.data, {Split.TRAIN, Split.VAL}).records:
        source = "Market" if record.name.startswith("Market/") else "VIPeR"
        for text in (caption.text for caption in record.captions if caption.origin is Origin.OWN):
            says = said(parse(text))
            for name, ticked in annotated.get(record.name.rpartition(".")[0], {}).items():
                counts.setdefault(f"{source} {name}", Count()).add(ticked, says.get(name, False), text)
    counts = {name: c for name, c in sorted(counts.items()) if FEWEST <= c.ticked <= c.captions - FEWEST}
    rows: list[Row] = [
        {
            "attribute": name,
            "captions": c.captions,
            "ticked": c.ticked,
            "said": c.said,
            "said of ticked %": 100 * c.both / max(1, c.ticked),
            "ticked of said %": 100 * c.both / max(1, c.said),
            "agree %": 100 * (c.captions - c.ticked - c.said + 2 * c.both) / c.captions,
        }
        for name, c in counts.items()
    ]
    show("captions and annotators", rows, as_json=arguments.json)
    for name, count in counts.items() if arguments.sample and not arguments.json else ():
        print(f"\n{name}: said and not ticked")
        for text in count.unticked[:: max(1, len(count.unticked) // arguments.sample)][: arguments.sample]:
            print(f"  {text}")


if __name__ == "__main__":
    main()
