"""Whether the crop that is chosen of a track finds its person better than the first and the middle one, on drawn films with exact truth.

People are found in the frames of films by the detector, matched with the truth, and asked for by captions of what they wear among the
people of all films. One caption has one right answer, so its average precision is one over its rank. Intervals are of paired differences
over people.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from common import options, show
from drawn_films import PLACES
from numpy.typing import NDArray

from passerby.data.synthetic import captions
from passerby.data.synthetic.people import DrawnPerson
from passerby.data.synthetic.street_film import film_street
from passerby.detect.boxes import Boxes, box_of, iou
from passerby.detect.people import Detecting
from passerby.detect.quality import qualities, sharpened, sharpness
from passerby.detect.tracking.assignment import assign
from passerby.detect.tracking.best_crops import BestCrop, BestCrops
from passerby.detect.videos import SIZE, people_in
from passerby.measure.films import frame_of
from passerby.measure.tracking import LEAST_IOU
from passerby.media.cut import cut_out
from passerby.media.frame import Pixels
from passerby.model.encode import encode_pixels
from passerby.model.encoder import Encoder
from passerby.model.preprocess import resize
from passerby.resolve import DEFAULT_DETECTOR, DEFAULT_MODEL, load_detecting, load_model

LEAST_BOXES = 5
"""Of a track that has a first and a middle of its own: a second at five frames a second."""
RESAMPLES = 2_000
Crops = dict[str, list[Pixels]]


def tracks(
    encoder: Encoder, detecting: Detecting, seed: int, people_in_all: int, seconds: float, smallest: int
) -> Iterator[tuple[DrawnPerson, Crops]]:
    """The people of a film who were found for a second or longer, and their first, middle and best crops, and all that are kept."""
    prepare = partial(
        resize, height=encoder.preprocessing.height, width=encoder.preprocessing.width, resample=encoder.preprocessing.resample
    )
    best: BestCrops[Pixels] = BestCrops()
    all_of: dict[int, list[Pixels]] = {}
    people: dict[int, DrawnPerson] = {}
    for moment in film_street(seed, people=people_in_all, seconds=seconds, smallest=smallest, place=PLACES[seed % len(PLACES)]):
        frame = frame_of(moment)
        found = people_in(frame, detecting.detector, detecting.size or SIZE, detecting.min_height)
        true = np.array([(x, y, x + w, y + h) for _, (x, y, w, h) in ((who, one.box) for who, one in moment.people)], np.float32)
        if not len(found) or not len(true):
            continue
        overlap = iou(true.reshape(-1, 4), found.boxes)
        quality = qualities(found.boxes, found.scores, frame.width, frame.height)
        for row, column in zip(*assign(np.where(overlap >= LEAST_IOU, overlap, 0)), strict=True):
            who, passer = moment.people[row]
            image = cut_out(moment.picture, box_of(found.boxes[column]))
            picture = prepare(image)
            people[who] = passer.person
            all_of.setdefault(who, []).append(picture)
            worth = sharpened(float(quality[column]), sharpness(image))
            best.offer(who, BestCrop(moment.time, _edges(found.boxes, column), worth, picture))
    for who, pictures in sorted(all_of.items()):
        kept = [crop.picture for crop in best.take(who)]
        if len(pictures) >= LEAST_BOXES:
            yield people[who], {"first": pictures[:1], "middle": [pictures[len(pictures) // 2]], "best": kept[:1], "all kept": kept}


def _edges(boxes: Boxes, row: np.intp) -> tuple[float, float, float, float]:
    left, top, right, bottom = boxes[row].tolist()
    return left, top, right, bottom


def ranks(encoder: Encoder, crops: list[list[Pixels]], asked: NDArray[np.float32], who: NDArray[np.intp]) -> NDArray[np.intp]:
    """The rank of the right person for each question, by the best of each person's crops."""
    vectors, _ = encode_pixels(encoder, np.stack([crop for one in crops for crop in one]))
    starts = np.cumsum([0, *(len(one) for one in crops[:-1])])
    scores = np.maximum.reduceat(asked @ vectors.T, starts, axis=1)
    found: NDArray[np.intp] = (scores > scores[np.arange(len(who)), who][:, None]).sum(axis=1) + 1
    return found


def paired(gain: NDArray[np.float64], who: NDArray[np.intp]) -> tuple[float, float]:
    """The 95 % interval of a mean gain, by a bootstrap over people."""
    by_person = np.array([gain[who == one].mean() for one in np.unique(who)])
    drawn = np.random.default_rng(0).integers(len(by_person), size=(RESAMPLES, len(by_person)))
    low, high = np.percentile(by_person[drawn].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--detector", default=DEFAULT_DETECTOR)
    parser.add_argument("--detect-size", type=int, default=0)
    parser.add_argument("--films", type=int, default=12)
    parser.add_argument("--people", type=int, default=24, help="of a film: the more, the more they hide each other")
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--smallest", type=int, default=90, help="pixels of the smallest grown people")
    given = parser.parse_args()
    encoder, detecting = load_model(given.model), load_detecting(given.detector, given.detect_size)
    film = given.people, given.seconds, given.smallest
    found = [one for seed in range(100, 100 + given.films) for one in tracks(encoder, detecting, seed, *film)]
    words = [(number, text) for number, (person, _) in enumerate(found) for text in captions(person, number)]
    who, asked = np.array([number for number, _ in words]), encoder.embed_texts([text for _, text in words])
    precision, rows = {}, []
    for name in ("first", "middle", "best", "all kept"):
        rank = ranks(encoder, [crops[name] for _, crops in found], asked, who)
        precision[name] = 100 / rank
        row = {"crop": name, "people": len(found), "mAP": float(precision[name].mean()), "mean rank": float(rank.mean())}
        rows.append({**row, "Rank-1": float(100 * (rank == 1).mean())})
    for row in rows:
        gain = precision["best"] - precision[str(row["crop"])]
        low, high = paired(gain, who)
        row["best is better by"] = f"{gain.mean():+.1f} ({low:+.1f} to {high:+.1f})"
    show("best crops", rows, as_json=given.json)


if __name__ == "__main__":
    main()
