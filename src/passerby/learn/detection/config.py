"""How a person detector is trained: one small typed TOML file, every key checked before anything starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from passerby.detect.letterbox import MULTIPLE
from passerby.learn.config import Steps, read_run, read_toml, require
from passerby.learn.models.detector import WIDTH


@dataclass(frozen=True, slots=True)
class Views:
    """How scenes are shown.

    Args:
        smallest, largest: side of the square pictures of a batch, in pixels; each batch draws one of the multiples of 32 between.
        nearest, farthest: how much a scene is enlarged at most and at least, beside fitting it into the picture.
        mosaic: share of pictures that four scenes make together, as in Bochkovskiy et al., "YOLOv4" (arXiv:2004.10934).
        crops: share of a mosaic's scenes that are the crop of one person, where there are any.
        light: by what share at most a picture gets brighter or darker.
        tint: by what share at most each colour gets brighter or darker by itself, as in other light.
        grey: share of pictures without colours, as at night.
    """

    smallest: int = 320
    largest: int = 416
    nearest: float = 2.5
    farthest: float = 0.6
    mosaic: float = 0.6
    crops: float = 0.15
    light: float = 0.3
    tint: float = 0.0
    grey: float = 0.05

    def __post_init__(self) -> None:
        sides = self.smallest, self.largest
        require(all(side >= MULTIPLE and side % MULTIPLE == 0 for side in sides), f"sides that are multiples of {MULTIPLE}", self)
        require(self.smallest <= self.largest and 0 < self.farthest <= self.nearest, "smallest up to largest, farthest up to nearest", self)
        require(all(0 <= share <= 1 for share in (self.mosaic, self.crops, self.grey)), "shares from 0 to 1", self)
        require(min(self.light, self.tint) >= 0 and self.light + self.tint < 1, "light and tint from 0, together below 1", self)


@dataclass(frozen=True, slots=True)
class Rates(Steps):
    """How fast each part of a detector learns.

    Args:
        trunk: of what ImageNet has taught already.
        rest: of the pyramid and the heads.
        frozen: how many of the trunk's first blocks stay as ImageNet left them, with the stem; a step takes half the time then.
    """

    weight_decay: float = 0.05
    warm_up: float = 0.03
    average: float = 0.998
    clip: float = 10.0
    batch_size: int = 16
    trunk: float = 5e-4
    rest: float = 2e-3
    frozen: int = 3

    def __post_init__(self) -> None:
        self.require_steps(self.trunk, self.rest, smallest_batch=1)
        require(self.frozen >= 0, "frozen from 0", self)


@dataclass(frozen=True, slots=True)
class Detection:
    """A run of ``passerby train`` that makes a person detector.

    Args:
        data: folder of scenes, as ``load_scenes`` reads it; relative to the file that names it.
        out: folder for checkpoints, the log and the best model; relative in the same way.
        detects: what it finds, ``people``; by this key a config is told from that of a CLIP.
        crops: dataset of crops of single people whose train pictures join the mosaics; empty for none.
        start: the model's folder of another run to continue from; empty for ImageNet's weights.
        taught_by: an ONNX file in YOLOX's format whose answers are learnt too; empty for none.
        epochs: passes over the scenes.
        judge_size: longer side of the val scenes that are judged, in pixels.
    """

    data: str
    out: str
    detects: str
    crops: str = ""
    start: str = ""
    taught_by: str = ""
    epochs: int = 60
    seed: int = 1
    width: int = WIDTH
    judge_every: int = 5
    judge_size: int = 640
    checkpoint_minutes: float = 10.0
    views: Views = field(default_factory=Views)
    rates: Rates = field(default_factory=Rates)

    def __post_init__(self) -> None:
        require(self.detects == "people", 'detects = "people"', self.detects)
        require(self.epochs >= 1 and self.judge_every >= 1 and self.seed >= 0, "epochs and judge_every from 1, seed from 0", self)
        require(self.width >= 8, "a width from 8", self.width)
        require(self.judge_size >= MULTIPLE and self.judge_size % MULTIPLE == 0, f"judge_size as a multiple of {MULTIPLE}", self)


def is_detection(path: Path) -> bool:
    """Whether a config is one of a detector. Raises ``ConfigError`` for a file that cannot be read."""
    return "detects" in read_toml(path)


def read_detection(path: Path, changes: Sequence[str] = ()) -> Detection:
    """How to train a detector, as :func:`~passerby.learn.config.read_run` reads it."""
    return read_run(Detection, path, changes)
