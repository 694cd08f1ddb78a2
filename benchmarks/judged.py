"""How the best model of a training run answered every caption of val."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from passerby.data.datasets import load_dataset
from passerby.learn.config import TrainConfig
from passerby.learn.torch_encoder import TorchEncoder, load_tokenizer
from passerby.learn.trainer import TOKENIZER, load_best
from passerby.measure.metrics import Estimate
from passerby.measure.split import embed_split
from passerby.types import Split

KEPT = "val.npz"


class Outcome(NamedTuple):
    """``float64 (q, 2)``, in percent: Rank-1 and average precision of each query, who each describes, what it says and of which source.

    ``minutes`` are those of the whole run.
    """

    percent: NDArray[np.float64]
    asked: NDArray[np.str_]
    texts: NDArray[np.str_]
    sources: NDArray[np.str_]
    minutes: float


def outcome(config: TrainConfig) -> Outcome:
    """The answers are kept beside the model, for the next time."""
    out = Path(config.out)
    kept = out / KEPT
    if not kept.exists() or kept.stat().st_mtime < (out / "best.pt").stat().st_mtime:
        model, preprocessing = load_best(out)
        tokenizer = load_tokenizer((out / TOKENIZER).read_bytes(), config.words.max_tokens)
        split = embed_split(TorchEncoder(model, tokenizer, preprocessing), load_dataset(Path(config.data), {Split.VAL}))
        found = split.rank()
        np.savez(
            kept,
            percent=100 * np.column_stack([found.hits_within(1), found.average_precision]),
            asked=np.array(split.asked),
            texts=np.array([query.text for query in split.queries]),
            sources=np.array([query.record.name.split("/")[0] for query in split.queries]),
        )
    minutes = json.loads((out / "log.jsonl").read_text().splitlines()[-1]).get("minutes", np.nan)
    with np.load(kept) as arrays:
        return Outcome(arrays["percent"], arrays["asked"], arrays["texts"], arrays["sources"], minutes)


def told(estimate: Estimate) -> str:
    return f"{estimate.mean:.1f} ({estimate.low:.1f} to {estimate.high:.1f})"
