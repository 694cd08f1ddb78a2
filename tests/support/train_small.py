"""Trains a small model on drawn people: ``python train_small.py FOLDER``, FOLDER as :func:`prepare` leaves it. To be killed by a test."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from small_clip import drawn_dataset, small_clip, tokenizer_json

from passerby.learn.config import Losses, Optimiser, Pixels, Stage, TrainConfig, Words
from passerby.learn.train import Training, finish
from passerby.learn.train import prepare as prepare_training
from passerby.types import Dataset


def prepare(folder: Path) -> Dataset:
    """Eight people with two pictures each to train on, as many to validate with, below ``drawn``; and a tokenizer of their words."""
    dataset = drawn_dataset(folder / "drawn")
    rows = [
        line.replace('"path": "', f'"path": "{split}/').replace('"id": "', f'"id": "{split} ')
        for split in ("train", "val")
        for line in (folder / "drawn" / split / "captions.jsonl").read_text().splitlines()
    ]
    (folder / "drawn" / "captions.jsonl").write_text("\n".join(rows))
    (folder / "tokenizer.json").write_bytes(tokenizer_json([c.text for r in dataset.records for c in r.captions]))
    return dataset


def config(folder: Path, out: str) -> TrainConfig:
    """Two epochs of five steps on 16 pictures, one of five for either tower alone, then one of six for both on larger pictures
    and two drawn people more; checkpoints after each step."""
    return TrainConfig(
        data=str(folder / "drawn"),
        out=str(folder / out),
        stages=(
            Stage(64, 32, 2, losses=Losses(sdm=0.0)),
            Stage(64, 32, 1, learns="images", losses=Losses(identity=0.0)),
            Stage(64, 32, 1, learns="words", losses=Losses(identity=0.0)),
            Stage(72, 40, 1, drawn=2),
        ),
        memory=4,
        checkpoint_minutes=0.0,
        words=Words(max_tokens=24),
        pixels=Pixels(padding=3),
        optimiser=Optimiser(batch_size=3, pictures_per_identity=2, frozen_text_layers=1, average=0.5),
    )


def started(folder: Path, out: str = "run") -> Training:
    tokenizer = (folder / "tokenizer.json").read_bytes()
    return prepare_training(config(folder, out), small_clip(tokenizer), tokenizer, print)


def run_on_one_thread(folder: Path, out: str) -> None:
    """Train on one thread: to the bit, a run depends on how many there are."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        finish(started(folder, out))
    finally:
        torch.set_num_threads(threads)


if __name__ == "__main__":
    run_on_one_thread(Path(sys.argv[1]), sys.argv[2])
