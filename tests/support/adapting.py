"""Small bases to adapt, and how."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from small_clip import MAX_TOKENS, PREPROCESSING, small_clip

from passerby.learn.config import Losses, Optimiser, Pixels, Words
from passerby.learn.lora.adaptation import Adaptation, Lora
from passerby.learn.models.base import Base, Size
from passerby.learn.models.clip import load_clip
from passerby.learn.models.compact import fold_batch_norm
from passerby.types import ModelDigest

TALL = Size(64, 32)
CLIP_LORA = Lora(rank=4, alpha=8, dropout=0.1)
COMPACT_LORA = Lora(rank=4, alpha=8, dropout=0.1, targets=("q", "k", "v", "out", "fc1", "fc2", "pointwise", "projection"))


def clip_base(folder: Path) -> Base:
    return load_clip(str(folder), TALL)


def compact_base(tokenizer: bytes, seed: int = 0) -> Base:
    """As a bundle would be read back, without the bundle."""
    model = fold_batch_norm(small_clip(tokenizer, seed))
    return Base("small", ModelDigest(f"{seed:064}"), model, tokenizer, MAX_TOKENS, PREPROCESSING, temperature=0.05)


def how(**changes: Any) -> Adaptation:
    """Six steps on batches of six; a checkpoint after each."""
    rates: dict[str, Any] = {"image_rate": 3e-3, "text_rate": 3e-3, "warm_up": 0.1, "batch_size": 6, "frozen_text_layers": 0}
    given: dict[str, Any] = {
        "lora": CLIP_LORA,
        "steps": 6,
        "judge_every": 2,
        "patience": 0,
        "chunk": 4,
        "checkpoint_minutes": 0.0,
        "precision": "float32",
        "losses": Losses(identity=0.0, swapped_colours=0.1),
        "words": Words(max_tokens=MAX_TOKENS),
        "pixels": Pixels(padding=2),
        "optimiser": Optimiser(**(rates | changes.pop("optimiser", {}))),
    }
    return Adaptation(**(given | changes))
