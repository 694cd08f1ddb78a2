"""How far what captions are understood to say agrees with what annotators of Market-1501 and VIPeR ticked for the same people.

    python benchmarks/attribute_agreement.py --data CUHK-PEDES --sample 5

``CUHK-PEDES`` also holds ``attributes_market1501.json`` (Lin et al. 2019) and ``attributes_viper_peta.json`` (PETA, Deng et al. 2014).
A caption need not say what an annotator ticked, so what is said and not ticked tells more about the reading than the other way round.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from common import Row, options, show

from passerby.data.datasets import load_dataset
from passerby.types import Origin, Split
from passerby.words.description import Item, PersonDescription
from passerby.words.lexicon import Part
from passerby.words.parser import parse

Says = Callable[[PersonDescription], bool]
UPPER: Final = (Part.UPPER, Part.BODY)
LOWER: Final = (Part.LOWER, Part.BODY)
HATS: Final = ("hat", "cap", "beanie", "headscarf", "bandana")
BAGS: Final = ("bag", "handbag", "shoulder bag", "purse", "tote bag", "satchel", "messenger bag")


def wears(parts: tuple[Part, ...], colour: str) -> Says:
    """A garment there in the colour, whatever its shade; navy blue is blue."""

    def is_it(item: Item) -> bool:
        return (
            item.part in parts and not item.negated and item.thing != "belt" and any(f" {c}".endswith(f" {colour}") for c in item.colours)
        )

    return lambda said: any(map(is_it, said.items))


def has(*things: str) -> Says:
    return lambda said: any(item.thing in things and not item.negated for item in said.items)


def gender(word: str) -> Says:
    return lambda said: said.gender == word


MARKET: Final[dict[str, tuple[str, int, Says]]] = {
    "hat": ("hat", 2, has(*HATS)),
    "backpack": ("backpack", 2, has("backpack")),
    "male": ("gender", 1, gender("male")),
    "female": ("gender", 2, gender("female")),
    **{
        f"upper {c}": (f"up{c}", 2, wears(UPPER, g))
        for c, g in (("gray", "grey"), *((c, c) for c in ("black", "white", "red", "blue", "green")))
    },
    **{f"upper {c}": (f"up{c}", 2, wears(UPPER, c)) for c in ("yellow", "purple")},
    **{
        f"lower {c}": (f"down{c}", 2, wears(LOWER, g))
        for c, g in (("gray", "grey"), *((c, c) for c in ("black", "white", "blue", "brown")))
    },
}
"""By attribute: its key, the value that means yes, and when a caption says so."""

VIPER: Final[dict[str, tuple[str, Says]]] = {
    "hat": ("accessoryHat", has(*HATS)),
    "sunglasses": ("accessorySunglasses", has("sunglasses")),
    "backpack": ("carryingBackpack", has("backpack")),
    "male": ("personalMale", gender("male")),
    "female": ("personalFemale", gender("female")),
    "jeans": ("lowerBodyJeans", has("jeans")),
    "shorts": ("lowerBodyShorts", has("shorts")),
    **{
        f"upper {c.lower()}": (f"upperBody{c}", wears(UPPER, c.lower()))
        for c in ("Black", "White", "Grey", "Blue", "Red", "Green", "Brown")
    },
    **{f"lower {c.lower()}": (f"lowerBody{c}", wears(LOWER, c.lower())) for c in ("Black", "White", "Grey", "Blue")},
    **{f"feet {c.lower()}": (f"footwear{c}", wears((Part.FEET,), c.lower())) for c in ("Black", "White", "Brown")},
}


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


def ticked_pictures(folder: Path) -> Iterator[tuple[str, dict[str, tuple[bool, Says]]]]:
    """Pictures by their path without its ending, and what was ticked for them."""
    for row in json.loads((folder / "attributes_market1501.json").read_text()):
        ticked = {f"Market {name}": (row["attributes"][key] == yes, says) for name, (key, yes, says) in MARKET.items()}
        yield row["file_path"].rpartition(".")[0], ticked
    for row in json.loads((folder / "attributes_viper_peta.json").read_text()):
        yield (
            row["file_path"].rpartition(".")[0],
            {f"VIPeR {name}": (key in row["attributes"], says) for name, (key, says) in VIPER.items()},
        )


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="CUHK-PEDES with the two files of attributes")
    parser.add_argument(
        "--sample", type=int, default=0, metavar="N", help="show so many captions of each kind that say what was not ticked"
    )
    arguments = parser.parse_args()
    records = load_dataset(arguments.data, {Split.TRAIN, Split.VAL}).records
    captions = {r.name.rpartition(".")[0]: [c.text for c in r.captions if c.origin is Origin.OWN] for r in records}
    counts: dict[str, Count] = {}
    for picture, ticked in ticked_pictures(arguments.data):
        for text in captions.get(picture, ()):
            said = parse(text)
            for name, (yes, says) in ticked.items():
                counts.setdefault(name, Count()).add(yes, says(said), text)
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
