"""How a small CLIP is taught by another model: one small typed TOML file, every key checked before anything starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from passerby.learn.config import Optimiser, Pixels, Words, read_run, require

HEAD_WIDTH: Final = 64
"""Of each attention head, as in every CLIP."""
FEWEST_PIECES: Final = 514
"""Of a vocabulary: every byte within a word, every byte at a word's end, and the two that mark a text's ends."""


@dataclass(frozen=True, slots=True)
class Tower:
    """The size of a transformer: ``layers`` layers of ``width`` channels, four times as many between the two halves of each."""

    width: int = 192
    layers: int = 8

    def __post_init__(self) -> None:
        require(self.layers >= 1, "layers from 1", self)
        require(self.width >= HEAD_WIDTH and self.width % HEAD_WIDTH == 0, f"a width that is a multiple of {HEAD_WIDTH}", self)


@dataclass(frozen=True, slots=True)
class Student:
    """A CLIP to be made.

    Args:
        side: of the square pictures it takes, in pixels.
        patch: side of a patch.
        pieces: of the tokenizer's vocabulary, at most.
        max_tokens: of a text, special tokens included.
    """

    side: int = 112
    patch: int = 16
    pieces: int = 8000
    max_tokens: int = 77
    image: Tower = field(default_factory=Tower)
    text: Tower = field(default_factory=lambda: Tower(layers=4))

    def __post_init__(self) -> None:
        require(self.patch >= 1 and self.side >= self.patch and self.side % self.patch == 0, "a side that whole patches fill", self)
        require(self.pieces >= FEWEST_PIECES, f"pieces from {FEWEST_PIECES}", self)
        require(self.max_tokens >= 3, "max_tokens from 3: both ends of a sentence and a word", self)


@dataclass(frozen=True, slots=True)
class Mimicry:
    """Weights of the two losses, 0 leaves one out: :func:`~passerby.learn.objectives.losses.distance` and
    :func:`~passerby.learn.objectives.losses.affinity`.

    Args:
        temperature: of affinity, and the one the student's card names.
        others: how many of the teacher's other vectors each batch is compared with.
    """

    distance: float = 10.0
    affinity: float = 1.0
    temperature: float = 0.05
    others: int = 4096

    def __post_init__(self) -> None:
        require(min(self.distance, self.affinity) >= 0, "weights of losses from 0", self)
        require(self.temperature > 0 and self.others >= 0, "a temperature above 0 and others from 0", self)


@dataclass(frozen=True, slots=True)
class Distillation:
    """A run of ``passerby distil``.

    Args:
        data: dataset folder, as ``load_dataset`` reads it; relative to the file that names it.
        out: folder for checkpoints, the log and the student; relative in the same way.
        teacher: a model, as for ``--model``.
        epochs: passes over the training pictures, each with one of its captions.
        drawn: how many drawn people join the dataset's, with two pictures each.
        judge_every: epochs between two judgements on val; the last one is always judged.
        checkpoint_minutes: how much work a power cut may cost.
    """

    data: str
    out: str
    teacher: str = "passerby-s"
    epochs: int = 10
    drawn: int = 0
    seed: int = 1
    judge_every: int = 1
    checkpoint_minutes: float = 5.0
    student: Student = field(default_factory=Student)
    mimicry: Mimicry = field(default_factory=Mimicry)
    words: Words = field(default_factory=Words)
    pixels: Pixels = field(default_factory=Pixels)
    optimiser: Optimiser = field(
        default_factory=lambda: Optimiser(image_rate=1e-3, text_rate=1e-3, weight_decay=0.05, clip=1.0, frozen_text_layers=0)
    )

    def __post_init__(self) -> None:
        require(self.epochs >= 1 and self.judge_every >= 1, "epochs and judge_every from 1", self)
        require(self.drawn >= 0 and self.seed >= 0, "drawn people and seed from 0", self)
        require(self.words.max_tokens <= self.student.max_tokens, f"words.max_tokens up to {self.student.max_tokens}", self.words)
        require(self.optimiser.average == 0, "optimiser.average of 0: the last step's weights are judged", self.optimiser)
        require(self.optimiser.frozen_text_layers == 0, "optimiser.frozen_text_layers of 0: a student starts with nothing to keep", self)


def read_distillation(path: Path, changes: Sequence[str] = ()) -> Distillation:
    """How to distil, as :func:`~passerby.learn.config.read_run` reads it."""
    return read_run(Distillation, path, changes)
