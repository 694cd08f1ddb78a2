"""What torch, transformers, PEFT and matplotlib are used for, each for a moment in one process: ``python learning.py`` in an empty folder,
to be watched by a test."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from clip_folder import write_clip
from small_clip import small_clip
from train_small import config, prepare

from passerby.cli.app import app
from passerby.learn.train import finish
from passerby.learn.train import prepare as begin

COMMANDS = (
    "finetune --base clip --data drawn --steps 1 --out adapter",
    "merge adapter --out merged",
    "evaluate --model clip --adapter adapter --data drawn",
    "explore drawn --out report",
)


def train(folder: Path) -> None:
    """One epoch of five steps."""
    prepare(folder)
    tokenizer = (folder / "tokenizer.json").read_bytes()
    recipe = config(folder, "run")
    finish(begin(replace(recipe, stages=(replace(recipe.stages[0], epochs=1),)), small_clip(tokenizer), tokenizer, print))


if __name__ == "__main__":
    torch.set_num_threads(1)
    train(Path())
    write_clip(Path("clip"))
    for command in COMMANDS:
        if (code := app(command.split(), standalone_mode=False)) not in (None, 0, 1):  # a step may teach nothing, which ends with 1
            raise SystemExit(f"passerby {command}: {code}")
