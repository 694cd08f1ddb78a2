"""IDF1 of drawn films end to end: detector and tracker on frames of 768 x 576 through which twelve people walk, five frames a second."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from common import Row, options, show

from passerby.data.synthetic.street_film import film_street
from passerby.measure.films import film_scores
from passerby.measure.tracking import IdentityScores
from passerby.resolve import DEFAULT_DETECTOR, load_detecting

PLACES = ("street", "square", "shops", "park")
SMALLEST = 90
"""Pixels of the smallest grown people: a detector that looks at 416 pixels finds those of 83, and at 512 those of 68."""


def figures(scores: Sequence[IdentityScores]) -> Row:
    """The means of a few films."""
    return {name.upper(): statistics.mean(getattr(one, name) for one in scores) for name in ("idf1", "idp", "idr")}


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--detector", default=DEFAULT_DETECTOR)
    parser.add_argument("--detect-size", type=int, default=0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4])
    given = parser.parse_args()
    detecting = load_detecting(given.detector, given.detect_size)
    rows, every = list[Row](), list[IdentityScores]()
    for seed in given.seeds:
        place = PLACES[(seed - 1) % len(PLACES)]
        every.append(film_scores(film_street(seed, smallest=SMALLEST, place=place), detecting))
        rows.append({"seed": str(seed), "place": place, **figures(every[-1:])})
    show("drawn films, end to end", [*rows, {"seed": "mean", "place": "", **figures(every)}], as_json=given.json)


if __name__ == "__main__":
    main()
