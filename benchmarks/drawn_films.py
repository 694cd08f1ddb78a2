"""IDF1 of drawn films end to end: detector and tracker on frames of 768 x 576 through which twelve people walk, five frames a second."""

from __future__ import annotations

import statistics

from common import options, show

from passerby.data.synthetic.street_film import film_street
from passerby.measure.films import film_scores
from passerby.resolve import DEFAULT_DETECTOR, load_detecting

PLACES = ("street", "square", "shops", "park")
SMALLEST = 90
"""Pixels of the smallest grown people: a detector that looks at 416 finds those of 83."""


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--detector", default=DEFAULT_DETECTOR)
    parser.add_argument("--detect-size", type=int, default=0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4])
    given = parser.parse_args()
    detecting = load_detecting(given.detector, given.detect_size)
    rows = []
    for seed in given.seeds:
        place = PLACES[(seed - 1) % len(PLACES)]
        scores = film_scores(film_street(seed, smallest=SMALLEST, place=place), detecting)
        rows.append({"seed": str(seed), "place": place, "IDF1": scores.idf1, "IDP": scores.idp, "IDR": scores.idr})
    mean = {name: statistics.mean(row[name] for row in rows) for name in ("IDF1", "IDP", "IDR")}
    show("drawn films, end to end", [*rows, {"seed": "mean", "place": "", **mean}], as_json=given.json)


if __name__ == "__main__":
    main()
