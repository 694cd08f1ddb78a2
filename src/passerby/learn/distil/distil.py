"""Teaching a small CLIP what another model knows, from top to bottom.

``distil`` asks the teacher once about every picture and caption, and repeats: draw a batch, embed both sides, compare with what the
teacher said of them, step. The student learns to place pictures and words where the teacher does, so it needs no labels; its pictures are
varied, the answers are those to the plain ones. Every ``judge_every`` epochs the student is judged on val by the code that serves, and the
best is kept. A run that was killed goes on along the same curve.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPModel, CLIPTokenizer

from passerby.data.datasets import load_dataset
from passerby.errors import DatasetError, ModelError
from passerby.learn.config import PLACES, Stage, TrainConfig
from passerby.learn.data.augment import Pictures, vary
from passerby.learn.data.batches import Batch, captions_by_row, store_pictures
from passerby.learn.data.resized import FOLDER, end_of_run
from passerby.learn.data.training_set import TrainingSet, drawn_records, training_set
from passerby.learn.distil.config import Distillation
from passerby.learn.distil.student import as_encoder, build_student, preprocessing_of, save_student, train_tokenizer
from passerby.learn.distil.teacher import Answers, ask_teacher
from passerby.learn.loop.allocator import keep_freed_memory
from passerby.learn.loop.checkpoint import Checkpoint, Progress
from passerby.learn.models.clip import ClipImageTower, ClipTextTower
from passerby.learn.models.model_folder import require_vacant
from passerby.learn.models.torch_encoder import load_tokenizer
from passerby.learn.objectives.losses import affinity, distance
from passerby.learn.train import (
    Log,
    autocast,
    batches_from,
    drawn_ahead,
    embed_by_length,
    precision,
    require_questions,
    set_rates,
)
from passerby.measure.evaluation import evaluate
from passerby.model.encoder import Encoder
from passerby.types import Dataset, ModelDigest, Record, Split

STUDENT = "student"
"""The folder in ``out`` with the best student so far, as plain transformers reads a CLIP."""


@dataclass(frozen=True, slots=True)
class Run:
    """All that the steps of a run share.

    Args:
        plan: the run as those parts of ``passerby.learn.train`` know it that both have in common: one stage, two towers.
    """

    how: Distillation
    plan: TrainConfig
    taught_by: tuple[str, ModelDigest]
    training: TrainingSet
    val: Dataset
    answers: Answers
    tokenizer: CLIPTokenizer
    student: CLIPModel
    optimiser: torch.optim.Optimizer
    checkpoint: Checkpoint
    progress: Progress
    log: Log

    @property
    def device(self) -> torch.device:
        device: torch.device = self.student.device
        return device

    @property
    def out(self) -> Path:
        return Path(self.how.out)


def distil(teacher: Encoder, how: Distillation, say: Callable[[str], None], *, keep_pictures: bool = False) -> Path:
    """Teach to the end of the last epoch, from the last checkpoint where there is one.

    Hinton et al., "Distilling the Knowledge in a Neural Network" (2015), on embeddings as in Yang et al., "CLIP-KD" (CVPR 2024).

    Args:
        say: takes one line of text at a time, for people.
        keep_pictures: whether the resized pictures stay when the run has ended.

    Returns:
        The folder of the best student, ``student`` in ``how.out``; ``log.jsonl`` beside it tells the story.

    Raises:
        ConfigError: a checkpoint of another config or teacher lies in ``how.out``.
        DatasetError: too little to learn from, a picture that cannot be read, or a val split that cannot be asked.
        ModelError: something else lies at the student's folder, or gradients are not finite.
    """
    require_vacant(Path(how.out) / STUDENT)
    keep_freed_memory()
    torch.manual_seed(how.seed)
    run = begin(teacher, how, say)
    learn(run, say)
    end_of_run(run.out, say, keep=keep_pictures)
    return run.out / STUDENT


def begin(teacher: Encoder, how: Distillation, say: Callable[[str], None]) -> Run:
    """Everything read, asked and built, the last checkpoint loaded."""
    out = Path(how.out)
    out.mkdir(parents=True, exist_ok=True)
    dataset = load_dataset(Path(how.data), {Split.TRAIN, Split.VAL})
    drawn = drawn_records(out, how.drawn, how.seed)
    tokenizer = train_tokenizer(training_words(dataset, drawn), how.student)
    cutting = load_tokenizer(tokenizer.backend_tokenizer.to_str().encode(), how.words.max_tokens)
    training = training_set(dataset, drawn, cutting, captioned_only=False, swaps=False)
    val = Dataset(dataset.name, tuple(r for r in dataset.records if r.split is Split.VAL))
    require_enough(how, training, val)
    student = build_student(how.student, tokenizer, teacher.dim, how.mimicry.temperature)
    student.set_attn_implementation("eager")  # on a processor, the fused attention's backward pass takes more than twice as long
    size = sum(p.numel() for p in student.parameters())
    say(f"{len(training.records)} pictures; a student of {size / 1e6:.1f} million parameters, {len(tokenizer)} of them pieces of words")
    student.to("cuda" if torch.cuda.is_available() else "cpu")
    answers = Answers(*(part.to(student.device) for part in ask_teacher(teacher, training.records, out, say)))
    optimiser = build_optimiser(student, how)
    taught_by = (teacher.name, teacher.digest)
    checkpoint = Checkpoint(out, {**recipe(how), "teacher": taught_by}, {"weights": student, "optimiser": optimiser})
    progress = checkpoint.resume()
    log = Log(out / "log.jsonl", say, progress.step)
    return Run(how, plan_of(how), taught_by, training, val, answers, tokenizer, student, optimiser, checkpoint, progress, log)


def training_words(dataset: Dataset, drawn: tuple[Record, ...]) -> list[str]:
    """The captions that the tokenizer learns from: those of train alone."""
    train = [record for record in dataset.records if record.split is Split.TRAIN]
    return [caption.text for caption in captions_by_row([*train, *drawn])]


def require_enough(how: Distillation, training: TrainingSet, val: Dataset) -> None:
    """Refuse before the first step what would fail after hours. Raises ``DatasetError``."""
    if len(training.records) < how.optimiser.batch_size:
        raise DatasetError(
            expected=f"pictures for a batch of {how.optimiser.batch_size}",
            found=f"{len(training.records)}",
            do="lower batch_size or add pictures",
        )
    require_questions(val)


def plan_of(how: Distillation) -> TrainConfig:
    stage = Stage(how.student.side, how.student.side, how.epochs, drawn=how.drawn)
    return TrainConfig(
        data=how.data, out=how.out, stages=(stage,), seed=how.seed, words=how.words, pixels=how.pixels, optimiser=how.optimiser
    )


def build_optimiser(student: CLIPModel, how: Distillation) -> torch.optim.Optimizer:
    """AdamW with a rate for each tower and one for projections; gains, offsets and tables of positions do not decay."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in student.named_parameters():
        if parameter.requires_grad:
            tower = how.optimiser.image_rate if name.startswith("vision_model") else how.optimiser.text_rate
            rate = how.optimiser.head_rate if "projection" in name else tower
            decays = parameter.ndim > 1 and "position_embedding" not in name
            groups.setdefault((rate, how.optimiser.weight_decay if decays else 0.0), []).append(parameter)
    return torch.optim.AdamW(
        [{"params": parameters, "lr": rate, "peak": rate, "weight_decay": decay} for (rate, decay), parameters in groups.items()],
        betas=(0.9, 0.98),
        fused=True,
    )


def learn(run: Run, say: Callable[[str], None]) -> None:
    """All steps still to come."""
    (stage,) = run.plan.stages
    per_epoch = run.training.pictures(stage) // run.plan.optimiser.batch_size
    steps = per_epoch * stage.epochs
    if run.progress.step >= steps:
        return
    preprocessing = preprocessing_of(run.how.student)
    stored = store_pictures(run.training.records, preprocessing, run.out / FOLDER, say)
    pictures = Pictures(torch.from_numpy(stored).to(run.device), preprocessing)
    saved = time.monotonic()
    to_come = batches_from(run.plan, run.training, stage, 0, run.progress.step)
    for epoch, step, batch in drawn_ahead(run.plan, run.training, stage, to_come):
        set_rates(run.optimiser, step, steps, run.plan.optimiser)
        losses = take_step(run, pictures, batch, np.random.default_rng((run.how.seed, step, 1)))
        run.progress.step = step + 1
        run.log.step(run.progress.step, steps, len(batch.identities), losses)
        epoch_ends = run.progress.step == (epoch + 1) * per_epoch
        if epoch_ends and ((epoch + 1) % run.how.judge_every == 0 or epoch + 1 == stage.epochs):
            judge(run)
        if epoch_ends or time.monotonic() - saved > run.how.checkpoint_minutes * 60:
            run.checkpoint.write(run.progress)
            saved = time.monotonic()


def take_step(run: Run, pictures: Pictures, batch: Batch, rng: np.random.Generator) -> dict[str, float]:
    """Forward in the precision of the device, losses in float32, backward, clip, step; returns each loss as weighted."""
    how = run.how.mimicry
    run.student.train()
    run.optimiser.zero_grad(set_to_none=True)
    student = Answers(*embed_batch(run.student, pictures, batch))
    teacher = Answers(run.answers.images[batch.pictures], run.answers.texts[batch.sentences])
    others = Answers(*(known[torch.from_numpy(rng.integers(len(known), size=how.others))] for known in run.answers))
    candidates = Answers(*(torch.cat(both) for both in zip(student, others, strict=True)))
    true_candidates = Answers(*(torch.cat(both) for both in zip(teacher, others, strict=True)))
    finds_texts = affinity(student.images, candidates.texts, teacher.images, true_candidates.texts, how.temperature)
    finds_images = affinity(student.texts, candidates.images, teacher.texts, true_candidates.images, how.temperature)
    parts = {
        "distance_images": how.distance * distance(student.images, teacher.images),
        "distance_texts": how.distance * distance(student.texts, teacher.texts),
        "affinity": how.affinity * (finds_texts + finds_images) / 2,
    }
    total = torch.stack(list(parts.values())).sum()
    total.backward()  # type: ignore[no-untyped-call]
    if not nn.utils.clip_grad_norm_(run.student.parameters(), run.how.optimiser.clip).isfinite():
        raise ModelError(
            expected="finite gradients",
            found=", ".join(f"{name} {float(part.detach()):.3g}" for name, part in parts.items()),
            do="lower the rates and start from the last checkpoint",
        )
    run.optimiser.step()
    return {name: float(part.detach()) for name, part in parts.items()}


def embed_batch(student: CLIPModel, pictures: Pictures, batch: Batch) -> tuple[Tensor, Tensor]:
    """The batch's varied pictures and its captions as unit vectors, ``float32 (n, d)`` each."""
    with autocast(student.device):
        images = ClipImageTower(student)(vary(pictures, batch.pictures, batch.variation))
        texts = embed_by_length(ClipTextTower(student), batch.ids, batch.mask, student.config.projection_dim)
    return F.normalize(images.float(), dim=-1), F.normalize(texts.float(), dim=-1)


def judge(run: Run) -> None:
    """Evaluate on val; write the student where it is the best yet. Without a val split the latest is kept."""
    report: dict[str, Any] = {}
    if run.val.records:
        report = evaluate(as_encoder(run.student, run.tokenizer, run.how.student, precision(run.device)), run.val).to_json()
        run.log.epoch(run.progress.step, report)
        if report["rank1"] <= run.progress.best_rank1:
            return
        run.progress.best_rank1 = report["rank1"]
    teacher, digest = run.taught_by
    made_of = {
        "teacher": {"name": teacher, "digest": digest},
        "step": run.progress.step,
        "val": {key: report[key] for key in ("rank1", "mAP", "queries", "protocol") if key in report},
        "recipe": recipe(run.how),
    }
    save_student(run.student, run.tokenizer, run.how.student, run.out / STUDENT, made_of)


def recipe(how: Distillation) -> dict[str, Any]:
    """What is done, not where."""
    return {key: value for key, value in asdict(how).items() if key not in PLACES}
