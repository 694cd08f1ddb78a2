"""Whether people with hats fall when a question says "no hat": on drawn people, and on those of VIPeR by what annotators of PETA ticked.

    python benchmarks/denials.py --data CUHK-PEDES

Every own caption of a person without a hat, if it says nothing of hats, is asked of all pictures of the set as it is, then with "no hat"
behind it: once as a model reads these words, once as search asks them (words/prompts.py). A picture's place is the share of the others
that it comes after, so that 50 % is neither first nor last; pictures with hats should come later, the person described should not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from common import Row, options, show
from numpy.typing import NDArray

from passerby.data.datasets import load_dataset
from passerby.data.synthetic import captions, draw, sample_person
from passerby.find.query import directions
from passerby.index.score import exact_scores
from passerby.media.encode_files import EncodedFile, encode_files
from passerby.model.encoder import Encoder, encode_texts
from passerby.model.preprocess import preprocess
from passerby.resolve import load_model
from passerby.types import Origin, Split
from passerby.words.parser import parse

DRAWN_FROM: Final = 7_000_000
"""Seed of the first drawn person, far from those of the demo, of training and of other measurements."""
HATS: Final = ("hat", "cap", "beanie", "hood", "helmet", "headscarf", "bandana")
TOP: Final = 10


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """Pictures of a set.

    Args:
        images: float32 (n, d).
        hats: bool (n,), who wears one.
        identities: (n,).
        questions: captions of those without a hat that say nothing of hats, and whom they describe.
    """

    images: NDArray[np.float32]
    hats: NDArray[np.bool_]
    identities: NDArray[np.str_]
    questions: Sequence[tuple[str, str]]


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="CUHK-PEDES with attributes_viper_peta.json")
    parser.add_argument("--model", default="passerby-s")
    parser.add_argument("--drawn", type=int, default=200, metavar="N", help="how many people are drawn")
    parser.add_argument("--questions", type=int, default=1000, metavar="N", help="so many captions of each set at most, evenly spread")
    arguments = parser.parse_args()
    encoder = load_model(arguments.model)
    sets = {f"VIPeR {split}": viper_people(encoder, arguments.data, split) for split in (Split.VAL, Split.TRAIN)}
    sets["drawn"] = drawn_people(encoder, arguments.drawn)
    rows = [row for name, people in sets.items() for row in places(encoder, name, people, arguments.questions)]
    show("people with hats, asked for without", rows, as_json=arguments.json)


def viper_people(encoder: Encoder, folder: Path, split: Split) -> People:
    listed = json.loads((folder / "attributes_viper_peta.json").read_text())
    ticked = {row["file_path"].rpartition(".")[0]: "accessoryHat" in row["attributes"] for row in listed}
    known = {r.path: r for r in load_dataset(folder, {split}).records if r.name.rpartition(".")[0] in ticked}
    known = {path: record for path, record in known.items() if any(c.origin is Origin.OWN for c in record.captions)}
    found = [result for result in encode_files(encoder, list(known)) if isinstance(result, EncodedFile)]
    records = [known[encoded.media.path] for encoded in found]
    hats = np.array([ticked[r.name.rpartition(".")[0]] for r in records])
    said = [(r.identity, c.text) for r, hat in zip(records, hats, strict=True) if not hat for c in r.captions if c.origin is Origin.OWN]
    return People(np.stack([encoded.vector for encoded in found]), hats, np.array([r.identity for r in records]), _silent_on_hats(said))


def drawn_people(encoder: Encoder, count: int) -> People:
    seeds = range(DRAWN_FROM, DRAWN_FROM + count)
    people = [sample_person(seed) for seed in seeds]
    images = [
        encoder.embed_images(preprocess(draw(one, seed), encoder.preprocessing)[None])[0] for one, seed in zip(people, seeds, strict=True)
    ]
    said = [(str(seed), captions(one, seed, 1)[0]) for one, seed in zip(people, seeds, strict=True) if one.hat is None]
    hats = np.array([one.hat is not None for one in people])
    return People(np.stack(images), hats, np.array([str(seed) for seed in seeds]), _silent_on_hats(said))


def places(encoder: Encoder, name: str, people: People, most: int) -> Iterator[Row]:
    """A row for each way of asking at most so many questions."""
    questions = people.questions[:: -(-len(people.questions) // most)]
    texts = [text for _, text in questions]
    denied = [f"{text.rstrip(' .')}, no hat." for text in texts]
    ways = (
        ("caption", encode_texts(encoder, texts)),
        ('"no hat" read as words', encode_texts(encoder, denied)),
        ('"no hat" asked', directions(encoder, denied)),
    )
    own = np.array([identity for identity, _ in questions])[:, None] == people.identities
    for way, vectors in ways:
        scores = exact_scores(vectors, people.images)
        order = np.argsort(-scores, axis=1)
        place = np.argsort(order, axis=1) / (len(people.images) - 1)
        yield {
            "people": name,
            "questions": len(texts),
            "pictures": len(people.images),
            "with hats": int(people.hats.sum()),
            "asked": way,
            "place of hats, %": 100 * float(place[:, people.hats].mean()),
            f"hats of the first {TOP}, %": 100 * float(people.hats[order[:, :TOP]].mean()),
            "place of the described, %": 100 * float(place[own].mean()),
        }


def _silent_on_hats(said: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(identity, text) for identity, text in said if not any(item.thing in HATS for item in parse(text).items)]


if __name__ == "__main__":
    main()
