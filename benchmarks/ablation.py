"""What each row of the ablation was worth on val: Rank-1 and mAP, and the paired difference to the row it is compared with.

    python benchmarks/ablation.py configs/ablation/*.toml --against pictures

Every config has been run by ``passerby train``. A row that was run with other seeds too (``pictures-2.toml`` beside ``pictures.toml``)
is averaged over them, query by query.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from common import Row, options, show
from numpy.typing import NDArray

from passerby.data.datasets import load_dataset
from passerby.learn.config import TrainConfig, read_config
from passerby.learn.torch_encoder import TorchEncoder, load_tokenizer
from passerby.learn.trainer import TOKENIZER, load_best
from passerby.measure.metrics import Estimate, bootstrap
from passerby.measure.split import embed_split
from passerby.types import Split

SEED = re.compile(r"-\d+$")


class Outcome(NamedTuple):
    """Percent for each query, ``float64 (q, 2)``, of Rank-1 and mAP, whom each describes, and the minutes of the run."""

    percent: NDArray[np.float64]
    asked: Sequence[str]
    minutes: float


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("configs", type=Path, nargs="+")
    parser.add_argument("--against", required=True, metavar="NAME", help="the row that the others are compared with")
    arguments = parser.parse_args()
    seeds: dict[str, list[Outcome]] = {}
    for path in arguments.configs:
        seeds.setdefault(SEED.sub("", path.stem), []).append(outcome(read_config(path)))
    show("Val of CUHK-PEDES", rows(seeds, arguments.against), as_json=arguments.json)


def outcome(config: TrainConfig) -> Outcome:
    """The best model of a run, asked all of val; the answers are kept beside it for the next time."""
    out = Path(config.out)
    kept = out / "val.npz"
    minutes = json.loads((out / "log.jsonl").read_text().splitlines()[-1]).get("minutes", np.nan)
    if not kept.exists() or kept.stat().st_mtime < (out / "best.pt").stat().st_mtime:
        model, preprocessing = load_best(out)
        tokenizer = load_tokenizer((out / TOKENIZER).read_bytes(), config.words.max_tokens)
        split = embed_split(TorchEncoder(model, tokenizer, preprocessing), load_dataset(Path(config.data), {Split.VAL}))
        found = split.rank()
        percent = 100 * np.column_stack([found.hits_within(1), found.average_precision])
        np.savez(kept, percent=percent, asked=np.array(split.asked))
    with np.load(kept) as arrays:
        return Outcome(arrays["percent"], arrays["asked"].tolist(), minutes)


def rows(seeds: dict[str, list[Outcome]], against: str) -> list[Row]:
    """One row a name, in the order given."""
    base = mean(seeds[against])
    return [row(name, outcomes, base) for name, outcomes in seeds.items()]


def mean(outcomes: Sequence[Outcome]) -> NDArray[np.float64]:
    averaged: NDArray[np.float64] = np.mean([o.percent for o in outcomes], axis=0)
    return averaged


def row(name: str, outcomes: Sequence[Outcome], base: NDArray[np.float64]) -> Row:
    percent, asked = mean(outcomes), outcomes[0].asked
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


def told(estimate: Estimate) -> str:
    return f"{estimate.mean:.1f} ({estimate.low:.1f} to {estimate.high:.1f})"


if __name__ == "__main__":
    main()
