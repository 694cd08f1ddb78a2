"""Training a person detector, from top to bottom.

``train_detector`` reads scenes into memory and repeats: draw views of a batch of them, ask the model and its teacher about every cell,
step. Every so many passes the average of the weights is judged on the val scenes that people have labelled, and the best becomes a folder
that ``passerby export`` takes. A run that was killed goes on along the same curve.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.optim.swa_utils import AveragedModel

from passerby.atomic import require_replaceable_place
from passerby.data.datasets import load_dataset
from passerby.data.scenes import HUMAN, TRUSTED, Scene, load_scenes
from passerby.detect.grid import cells
from passerby.errors import DatasetError
from passerby.learn.config import MODEL, comparable, recipe
from passerby.learn.detection.config import Detection
from passerby.learn.detection.folder import load_detector_folder, save_detector
from passerby.learn.detection.teacher import Teacher
from passerby.learn.detection.torch_detector import torch_detector
from passerby.learn.detection.views import NOBODY, Shown, ViewBatch, draw_batch, passes
from passerby.learn.loop.allocator import keep_freed_memory
from passerby.learn.loop.average import averaged_over_steps
from passerby.learn.loop.device import autocast, best_device
from passerby.learn.loop.run import Losses, Run, Span, begin, take_steps
from passerby.learn.loop.schedule import Schedule, adamw
from passerby.learn.models.detector import PersonDetector
from passerby.learn.models.model_folder import require_vacant
from passerby.learn.models.pretrained import load_trunk
from passerby.learn.objectives.detection import Truth, detection_losses
from passerby.look_ahead import look_ahead
from passerby.measure.detector import evaluate_detector
from passerby.media.photo import read_image
from passerby.types import Split

AHEAD = 4
"""Batches drawn before the model wants them."""
AP50 = "AP50"
FIGURES = (AP50, "intervals", "pictures", "people", "best_threshold", "detect_size", "protocol")
"""What a card tells of a judgement."""


@dataclass(frozen=True, slots=True)
class Training:
    """What the steps of a run share."""

    how: Detection
    scenes: Sequence[Shown]
    crops: Sequence[Shown]
    val: Sequence[Scene]
    teacher: Teacher | None
    model: PersonDetector
    averaged: AveragedModel
    run: Run

    @property
    def judged(self) -> PersonDetector:
        model: PersonDetector = self.averaged.module  # type: ignore[assignment]
        return model


def train_detector(how: Detection, say: Callable[[str], None]) -> Path:
    """Train to the end of the last pass, from the last checkpoint where there is one.

    Args:
        say: takes one line of text at a time, for people.

    Returns:
        The folder of the best model, ``model`` in ``how.out``; ``log.jsonl`` beside it tells the story.

    Raises:
        ConfigError: a checkpoint of another config lies in ``how.out``.
        DatasetError: too little to learn from, or a picture that cannot be read.
        ModelError: something else lies at the model's folder, or what it starts from; a teacher that cannot be asked, or a loss that is
            not finite.
    """
    require_replaceable_place(Path(how.out) / MODEL, "out")
    require_vacant(Path(how.out) / MODEL, Path(how.data), *(Path(place) for place in (how.start, how.taught_by) if place))
    keep_freed_memory()
    torch.manual_seed(how.seed)
    learn(prepare(how, say))
    return Path(how.out) / MODEL


def prepare(how: Detection, say: Callable[[str], None]) -> Training:
    """Everything read and built, the last checkpoint loaded."""
    out = Path(how.out)
    out.mkdir(parents=True, exist_ok=True)
    scenes = load_scenes(Path(how.data))
    shown = [Shown(read_image(scene.path), scene, how.views.nearest, how.views.farthest) for scene in scenes if scene.split is Split.TRAIN]
    if len(shown) < how.rates.batch_size:
        found = f"{len(shown)} in {how.data}"
        raise DatasetError(expected=f"at least {how.rates.batch_size} train scenes", found=found, do="lower rates.batch_size")
    crops = list(crops_as_scenes(how, len(shown))) if how.crops else []
    val = [scene for scene in scenes if scene.split is Split.VAL and scene.labels in TRUSTED]
    say(f"{len(shown)} scenes and {len(crops)} crops to learn from, {len(val)} scenes to be judged by")
    model = starting_detector(how).to(best_device(), memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = build_optimiser(model, how)
    averaged = averaged_over_steps(model, optimiser, how.rates.average)
    run = begin(
        out,
        seed=how.seed,
        schedule=Schedule(how.epochs * (len(shown) // how.rates.batch_size), how.rates.warm_up, how.rates.decay),
        learns=[parameter for parameter in model.parameters() if parameter.requires_grad],
        clip=how.rates.clip,
        optimiser=optimiser,
        parts={"weights": model, "averaged": averaged},
        recipe=comparable(how),
        checkpoint_minutes=how.checkpoint_minutes,
        say=say,
    )
    return Training(how, shown, crops, val, Teacher(Path(how.taught_by)) if how.taught_by else None, model, averaged, run)


def starting_detector(how: Detection) -> PersonDetector:
    """The model of ``start``, or an untrained one on ImageNet's trunk."""
    if how.start:
        return load_detector_folder(Path(how.start))
    model = PersonDetector(how.width)
    load_trunk(model.trunk)
    return model


def crops_as_scenes(how: Detection, count: int) -> Iterator[Shown]:
    """Train pictures of a dataset of crops, ``count`` at most and evenly spread: scenes whose one person fills them."""
    records = load_dataset(Path(how.crops), {Split.TRAIN}).records
    for record in records[:: math.ceil(len(records) / count)]:
        image = read_image(record.path)
        box = np.array([[0, 0, *image.size]], np.float32)
        scene = Scene(record.path, image.size, box, NOBODY, Split.TRAIN, HUMAN, "crops")
        yield Shown(image, scene, 1.0, how.views.farthest / how.views.nearest)


def build_optimiser(model: PersonDetector, how: Detection) -> torch.optim.Optimizer:
    """AdamW with a rate for the trunk and one for the rest; gains and offsets do not decay, and the first blocks stand still."""
    for block in (model.trunk.stem, *model.trunk.blocks[: how.rates.frozen]) if how.rates.frozen else ():
        block.requires_grad_(False)
    return adamw(
        (parameter, how.rates.trunk if name.startswith("trunk") else how.rates.rest, how.rates.weight_decay if parameter.ndim > 1 else 0.0)
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    )


def learn(training: Training) -> None:
    """All steps still to come."""
    how, run = training.how, training.run
    per_epoch = len(training.scenes) // how.rates.batch_size
    span = Span(0, how.epochs * per_epoch, how.judge_every * per_epoch)

    def drawn(step: tuple[int, NDArray[np.intp]]) -> ViewBatch:
        number, rows = step
        rng = np.random.default_rng((how.seed, number))
        return draw_batch(rng, [training.scenes[row] for row in rows], training.scenes, training.crops, how.views)

    steps = passes(len(training.scenes), how.rates.batch_size, how.seed, run.state.step, span.end)
    take_steps(
        run,
        span,
        look_ahead(steps, drawn, AHEAD, 1),
        gradients=partial(gradients, training),
        judge=partial(judge, training),
        name=lambda batch: f"{len(batch)} views of scenes",
    )


def gradients(training: Training, batch: ViewBatch) -> Losses:
    """Forward in the precision of the device, losses in float32, backward."""
    model = training.model.train()
    if training.how.rates.frozen:
        for block in (model.trunk.stem, *model.trunk.blocks[: training.how.rates.frozen]):
            block.eval()
    device = next(model.parameters()).device
    pixels = torch.from_numpy(batch.pixels).to(device).permute(0, 3, 1, 2).float()
    taught = None if training.teacher is None else torch.from_numpy(training.teacher.ask(batch.pixels)).to(device)
    with autocast(device):
        said = model(pixels)
    grid = torch.from_numpy(cells(*batch.pixels.shape[1:3])).to(device)
    truths = [Truth(*(torch.from_numpy(part).to(device) for part in both)) for both in zip(batch.boxes, batch.ignored, strict=True)]
    parts = detection_losses(said, taught, truths, grid)
    total = torch.stack(list(parts.values())).sum()
    total.backward()  # type: ignore[no-untyped-call]
    return Losses(total.detach(), parts)


def judge(training: Training) -> None:
    """Ask the average of the weights about val; keep it where it is the best yet, and without val scenes in any case."""
    run, told = training.run, {}
    if training.val:
        evaluation = evaluate_detector(torch_detector(training.judged), training.val, training.how.judge_size)
        told = {key: value for key, value in evaluation.to_json().items() if key in FIGURES}
        run.log.judged(run.state.step, told, f"AP50 {told[AP50]:.2f}")
    if not training.val or run.state.is_best(told[AP50]):
        made_of = {"step": run.state.step, "val": told, "recipe": recipe(training.how)}
        save_detector(run.folder / MODEL, training.judged, made_of)
