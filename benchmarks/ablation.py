"""What each row of the ablation was worth on val: Rank-1 and mAP, and the paired difference to the row it is compared with.

    python benchmarks/ablation.py experiments/ablation/*.toml --against base

Every config has been run by ``passerby train``. A row that was run with other seeds too (``base-seed2.toml`` beside ``base.toml``)
is averaged over them, query by query.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from common import Row, options, show
from judged import Outcome, outcome, told
from numpy.typing import NDArray

from passerby.learn.config import read_config
from passerby.measure.metrics import bootstrap

SEED = re.compile(r"-seed\d+$")


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("configs", type=Path, nargs="+")
    parser.add_argument("--against", required=True, metavar="NAME", help="the row that the others are compared with")
    arguments = parser.parse_args()
    seeds: dict[str, list[Outcome]] = {}
    for path in arguments.configs:
        seeds.setdefault(SEED.sub("", path.stem), []).append(outcome(read_config(path)))
    show("Val of CUHK-PEDES", rows(seeds, arguments.against), as_json=arguments.json)


def rows(seeds: dict[str, list[Outcome]], against: str) -> list[Row]:
    """One row a name, in the order given."""
    base = mean(seeds[against])
    return [row(name, outcomes, base) for name, outcomes in seeds.items()]


def mean(outcomes: Sequence[Outcome]) -> NDArray[np.float64]:
    averaged: NDArray[np.float64] = np.mean([o.percent for o in outcomes], axis=0)
    return averaged


def row(name: str, outcomes: Sequence[Outcome], base: NDArray[np.float64]) -> Row:
    percent, asked = mean(outcomes), outcomes[0].asked.tolist()
    rank1, average_precision = bootstrap(percent, asked, seed=0, resamples=1000)
    rank1_change, precision_change = bootstrap(percent - base, asked, seed=0, resamples=1000)
    return {
        "row": name,
        "seeds": len(outcomes),
        "Rank-1": told(rank1),
        "mAP": round(average_precision.mean, 1),
        "Rank-1, difference": told(rank1_change),
        "mAP, difference": told(precision_change),
        "minutes": round(float(np.mean([o.minutes for o in outcomes])), 1),
    }


if __name__ == "__main__":
    main()
