"""Whether near-copies of one picture count once: what a burst does to an answer, which copies are known, and who is taken for one.

    python benchmarks/bursts.py
    python benchmarks/bursts.py --measure uniform
    python benchmarks/bursts.py --measure copies --data CUHK-PEDES
    python benchmarks/bursts.py --measure val --data CUHK-PEDES

bursts: drawn people are asked for by a caption of one of them, who is found first; then copies of that picture are put before it, each
moved by up to 4 pixels of 128 × 384, a little brighter or darker, resized and re-encoded by chance. Score and probability are those of the
first hit, at first with every picture in the ranking and the crowd, then with one of each group only: that of the largest file, or, where
copies were added later, what was there before. A change is that from the gallery without copies, the largest of all questions; beside it
is the share of questions whose change is 0.05 at most.

uniform: how near drawn people in the same clothes come, each in a picture of their own.

copies: pictures of val, or drawn ones without --data, each changed in one way: how many are known, and their tangent distances.

val: who of val is folded, how near two different people come, and the calibration error of the first hit with and without folding: of the
model's own calibration on all captions, and of one fitted on half of the people.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from common import Row, options, show
from near_copies import CHANGES, anyhow, as_file, in_uniform, trimmed
from numpy.typing import NDArray
from PIL import Image

from passerby.data.datasets import load_dataset
from passerby.data.synthetic import captions, draw, sample_person
from passerby.find.query import ask
from passerby.index.copies import counted, leaders
from passerby.measure.calibration import Half, ask_galleries, fit_and_check, join
from passerby.measure.reliability import measure_reliability
from passerby.measure.split import EmbeddedSplit, embed_split
from passerby.media.photo import read_image
from passerby.media.signature import MOST_UNLIKE, REACH, alike, outlines, signature, unlikeness
from passerby.model.calibration import Calibration, Crowd
from passerby.model.encoder import Encoder
from passerby.model.preprocess import normalise, resize
from passerby.resolve import load_model
from passerby.types import Split

DRAWN_FROM: Final = 9_000_000
"""Seed of the first drawn person, far from those of the demo, of training and of other measurements."""
CROPS: Final = 40
COPIES: Final = (0, 3, 10, 30, 100, 300)
_CHUNK: Final = 64


@dataclass(frozen=True, slots=True, eq=False)
class Crops:
    """Crops as an index could keep them.

    Args:
        vectors: float64 (n, d), of length 1.
        signatures: uint8 (n, LENGTH).
        detail: int64 (n,), bytes of each file.
    """

    vectors: NDArray[np.float64]
    signatures: NDArray[np.uint8]
    detail: NDArray[np.int64]

    def behind(self, others: Crops, count: int) -> Crops:
        """The first of others, and these."""
        pairs = ((others.vectors, self.vectors), (others.signatures, self.signatures), (others.detail, self.detail))
        return Crops(*(np.concatenate([other[:count], own]) for other, own in pairs))


def main() -> None:
    parser = options(__doc__ or "")
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--measure", choices=("bursts", "uniform", "copies", "val"), default="bursts")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", default=os.environ.get("PASSERBY_DATA") or None, help="CUHK-PEDES; PASSERBY_DATA names it too"
    )
    parser.add_argument("--model", default="passerby-s")
    parser.add_argument("--questions", type=int, default=25, metavar="N", help="people that are asked for among the drawn")
    parser.add_argument("--pictures", type=int, default=400, metavar="N", help="that are drawn or changed, those of val evenly spread")
    arguments = parser.parse_args()
    encoder = load_model(arguments.model)
    if arguments.measure == "bursts":
        rows = bursts(encoder, arguments.questions)
    elif arguments.measure == "uniform":
        rows = people_in_uniform(encoder, arguments.pictures)
    elif arguments.measure == "copies":
        rows = known_copies(encoder, some_pictures(arguments.data, arguments.pictures))
    elif arguments.data is None:
        parser.error("--measure val needs --data")
    else:
        rows = folded_val(encoder, arguments.data)
    show(arguments.measure, rows, as_json=arguments.json)


def bursts(encoder: Encoder, questions: int) -> list[Row]:
    """A row for each number of copies, over the first questions whose answer comes first."""
    people = [sample_person(DRAWN_FROM + number) for number in range(CROPS)]
    files = [as_file(draw(person, DRAWN_FROM + number), "JPEG", 90) for number, person in enumerate(people)]
    crops, calibration = embed(encoder, files), encoder.calibration
    if calibration is None:
        raise SystemExit("expected a calibrated model, found one that is not; name another with --model")
    outcomes: list[list[list[float]]] = []
    for number, person in enumerate(people):
        direction = ask(encoder, captions(person, DRAWN_FROM + number)[0]).direction
        if np.argmax(crops.vectors @ direction) != number or len(outcomes) == questions:
            continue
        rng = np.random.default_rng(number)
        copies = embed(encoder, [anyhow(read_image(files[number]), rng) for _ in range(max(COPIES))])
        outcomes.append([outcome(calibration, crops.behind(copies, count), direction, count) for count in COPIES])
    found = np.array(outcomes)
    changes = np.abs(found - found[:, :1])
    return [
        {
            "copies": count,
            "questions": len(found),
            "copies folded": float(found[:, column, 6].mean()),
            "score": float(found[:, column, 0].mean()),
            "probability": float(found[:, column, 1].mean()),
            "change": float(changes[:, column, 1].max()),
            "score, folded": float(found[:, column, 2].mean()),
            "probability, folded": float(found[:, column, 3].mean()),
            "change, folded": float(changes[:, column, 3].max()),
            "within 0.05, %": float(100 * np.mean(changes[:, column, 3] <= 0.05)),
            "change, added later": float(changes[:, column, 5].max()),
        }
        for column, count in enumerate(COPIES)
    ]


def outcome(calibration: Calibration, crops: Crops, direction: NDArray[np.float64], copies: int) -> list[float]:
    """Score and probability of the first hit among all, among those that count, and among those that count where so many copies, which
    stand in front, were added later than the others; and how many crops do not count."""
    scores, everybody = crops.vectors @ direction, np.arange(len(crops.vectors))
    led = leaders(crops.signatures)
    at_once, later = (counted(led, everybody, detail) for detail in (crops.detail, (everybody >= copies).astype(int)))
    galleries = (scores, scores[at_once], scores[later])
    found = [(some.max(), calibration.probability(some.max(keepdims=True), Crowd.of(some))[0]) for some in galleries]
    return [*np.array(found).ravel().tolist(), len(everybody) - len(at_once)]


def people_in_uniform(encoder: Encoder, count: int) -> list[Row]:
    """One row."""
    people = np.array([f"{number}" for number in range(count)])
    signatures = signatures_of(encoder, (draw(in_uniform(DRAWN_FROM + number), DRAWN_FROM + number) for number in range(count)))
    return [{"people": count, "pairs": count * (count - 1) // 2, **folds(signatures, people)}]


def known_copies(encoder: Encoder, pictures: Sequence[Image.Image]) -> list[Row]:
    """A row for each change, and one for two windows of a picture, moved from each other by 4 pixels across and down."""
    plain = signatures_of(encoder, pictures)
    changed = {name: (plain, signatures_of(encoder, map(change, pictures))) for name, change in CHANGES.items()}
    windows = [signatures_of(encoder, (trimmed(picture, *edges) for picture in pictures)) for edges in ((4, 4, 4, 4), (8, 8, 0, 0))]
    return [known(name, *pair) for name, pair in {**changed, "another window": windows}.items()]


def known(name: str, one: NDArray[np.uint8], other: NDArray[np.uint8]) -> Row:
    distances = unlikeness(one, other)
    return {
        "change": name,
        "pictures": len(one),
        "known, %": float(100 * alike(one, other).mean()),
        "distance, median": float(np.median(distances)),
        "99 %": float(np.percentile(distances, 99)),
        "most": float(distances.max()),
    }


def some_pictures(folder: Path | None, count: int) -> list[Image.Image]:
    if folder is None:
        return [draw(sample_person(DRAWN_FROM + number), DRAWN_FROM + number) for number in range(count)]
    records = load_dataset(folder, {Split.VAL}).records
    return [read_image(records[place].path) for place in np.linspace(0, len(records) - 1, count).astype(int)]


def folded_val(encoder: Encoder, folder: Path) -> list[Row]:
    """A row without folding and one with."""
    split = embed_split(encoder, load_dataset(folder, {Split.VAL}))
    shown = np.array([record.identity for record in split.gallery])
    signatures = signatures_of(encoder, (read_image(record.path) for record in split.gallery))
    everybody, found = np.arange(len(shown)), folds(signatures, shown)
    folded = counted(leaders(signatures), everybody, np.array([record.path.stat().st_size for record in split.gallery]))
    return [
        {
            "gallery": name,
            "pictures": len(kept),
            **found,
            "ECE, %": 100 * calibration_error(encoder, split, shown, kept),
            "ECE fitted, %": 100 * refitted_error(split, shown, kept),
        }
        for name, kept in (("as it is", everybody), ("folded", folded))
    ]


def folds(signatures: NDArray[np.uint8], shown: NDArray[np.str_]) -> Row:
    """How many crops are folded onto those of somebody else, and how near others come to that."""
    others = int(np.sum(shown != shown[leaders(signatures)]))
    return {"folded onto others": others, "nearest others": nearest_others(signatures, shown), "most of copies": MOST_UNLIKE}


def nearest_others(signatures: NDArray[np.uint8], shown: NDArray[np.str_]) -> float:
    """The least tangent distance of pictures of two people whose outlines are those of copies."""
    outlined, nearest = outlines(signatures), np.inf
    for start in range(0, len(shown), _CHUNK):
        rows = slice(start, start + _CHUNK)
        near = np.all(np.abs(outlined[rows, None] - outlined[None]) <= REACH, axis=2) & (shown[rows, None] != shown)
        one, other = np.nonzero(near)
        nearest = min(nearest, unlikeness(signatures[rows][one], signatures[other]).min(initial=np.inf))
    return float(nearest)


def calibration_error(encoder: Encoder, split: EmbeddedSplit, shown: NDArray[np.str_], kept: NDArray[np.intp]) -> float:
    """Of the first hits of galleries of some pictures, by the model's own calibration."""
    people, asked = np.unique(np.array(split.asked), return_inverse=True)
    kept = kept[np.isin(shown[kept], people)]
    half = Half(split.texts.astype(np.float64), asked, split.images[kept].astype(np.float64), np.searchsorted(people, shown[kept]))
    answers = join([found for _, found in ask_galleries(half, np.random.default_rng(0))])
    if encoder.calibration is None:
        return np.nan
    probability = encoder.calibration.probability(answers.scores[:, :1], answers.crowd)[:, 0]
    return measure_reliability(probability, answers.right[:, 0], answers.present).ece


def refitted_error(split: EmbeddedSplit, shown: NDArray[np.str_], kept: NDArray[np.intp]) -> float:
    _, check = fit_and_check(split.texts, split.asked, split.images[kept], shown[kept].tolist())
    return check.overall.ece


def embed(encoder: Encoder, files: Sequence[bytes]) -> Crops:
    pixels = pixels_of(encoder, map(read_image, files))
    batches = [encoder.embed_images(normalise(np.stack(pixels[at : at + 16]), encoder.preprocessing)) for at in range(0, len(pixels), 16)]
    signatures = np.stack([signature(one) for one in pixels])
    return Crops(np.concatenate(batches).astype(np.float64), signatures, np.array([len(file) for file in files]))


def signatures_of(encoder: Encoder, pictures: Iterable[Image.Image]) -> NDArray[np.uint8]:
    return np.stack([signature(one) for one in pixels_of(encoder, pictures)])


def pixels_of(encoder: Encoder, pictures: Iterable[Image.Image]) -> list[NDArray[np.uint8]]:
    wanted = encoder.preprocessing
    return [resize(picture, wanted.height, wanted.width, wanted.resample) for picture in pictures]


if __name__ == "__main__":
    main()
